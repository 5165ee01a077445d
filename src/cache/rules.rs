//! Rules of a site that go beyond the standard: how long answers hold, what tells them apart, and what the cache
//! has no part in. None is in force unless it is set; what one changed is told as a departure.

use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use terms::paths::{Case, PathPattern};
use terms::url::Scheme;
use terms::{Ask, Url};

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub lifetimes: Lifetimes,
    pub key: KeyRules,
    pub bypass: Bypass,
    /// Each request that finds nothing makes a fetch of its own: none waits for another's.
    pub no_collapse: bool,
    /// `s-maxage` does not keep `stale-while-revalidate` from being followed.
    pub stale_with_s_maxage: bool,
    /// `Cache-Status` says what answers are stored under.
    pub show_key: bool,
}

/// How long answers hold. None of these has an answer stored that says `no-store` or `private`, or that is one
/// client's for another reason; nor do they spare a validation that the origin asks for by `no-cache`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the fetch on, whatever the origin says, for statuses below 400.
    pub ttl: Option<Duration>,
    /// From the fetch on, at most.
    pub max_ttl: Option<Duration>,
    pub negative: Option<Negative>,
    /// What nothing is said of is stale at once.
    pub no_heuristics: bool,
}

/// How long errors hold of which the origin says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    pub ttl: Duration,
    pub statuses: Vec<u16>,
}

impl Lifetimes {
    /// How long an error of this status holds though nothing is said of it.
    pub(crate) fn of_error(&self, status: u16) -> Option<Duration> {
        self.negative.as_ref().filter(|negative| negative.statuses.contains(&status)).map(|negative| negative.ttl)
    }
}

/// What tells stored answers apart beside their URLs, or does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRules {
    /// Names of parameters that are no part of the key, nor of what the origin is asked; `*` at the end of one is
    /// whatever stands there.
    pub ignored: Vec<String>,
    /// Parameters come in the order of their names.
    pub sorted: bool,
    /// Names of cookies whose values are part of the key.
    pub cookies: Vec<String>,
}

impl KeyRules {
    /// Under which name the answer to a request is stored, and the origin is asked for it.
    pub fn name(&self, ask: &Ask, url: &Arc<Url>) -> Arc<Url> {
        let named = self.named(ask.client.scheme, url);
        match self.salt(&ask.fields) {
            None => named,
            Some(salt) => Arc::new(Url::clone(&named).apart(&salt)),
        }
    }

    /// The same without the cookies: what all that is stored of a URL has in common.
    pub fn named(&self, scheme: Scheme, url: &Arc<Url>) -> Arc<Url> {
        let renamed = self.rewritten(url.target()).and_then(|target| url.with_target(scheme, &target).ok());
        renamed.map_or_else(|| url.clone(), Arc::new)
    }

    /// `None`: as it is.
    fn rewritten(&self, target: &str) -> Option<String> {
        if self.ignored.is_empty() && !self.sorted {
            return None;
        }
        let (path, query) = target.split_once('?')?;
        // Some servers separate at `;` too: what is ignored could hide what they read.
        if query.contains(';') {
            return None;
        }
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !self.ignores(name_of(pair))).collect();
        if self.sorted {
            // Stable: of several with one name the order means something.
            pairs.sort_by_key(name_of);
        }
        let kept = if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
        (kept != target).then_some(kept)
    }

    fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|ignored| match ignored.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == ignored,
        })
    }

    /// The cookies that are part of the key, as they came; `None` where there is none.
    fn salt(&self, fields: &HeaderMap) -> Option<Vec<u8>> {
        if self.cookies.is_empty() {
            return None;
        }
        let mut salt = Vec::new();
        for wanted in &self.cookies {
            for (_, value) in cookies(fields).filter(|(name, _)| *name == wanted.as_bytes()) {
                salt.extend_from_slice(wanted.as_bytes());
                salt.push(b'=');
                salt.extend_from_slice(value);
                // Stands in no cookie (RFC 6265 section 4.1.1).
                salt.push(b';');
            }
        }
        (!salt.is_empty()).then_some(salt)
    }
}

fn name_of<'p>(pair: &&'p str) -> &'p str {
    pair.split('=').next().unwrap_or_default()
}

/// Names and values, of all lines.
fn cookies(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = fields.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    pairs.map(<[u8]>::trim_ascii).map(|pair| match pair.iter().position(|&byte| byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &b""[..]),
    })
}

/// Requests that go past the cache: nothing stored answers them, and nothing of their answers is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bypass {
    pub paths: Vec<PathPattern>,
    /// Of letters in these paths.
    pub case: Case,
    /// Those that carry one of these cookies.
    pub cookies: Vec<String>,
    /// Those that carry one of these fields.
    pub fields: Vec<HeaderName>,
    /// Those in which one of these fields says anything but the URL's own authority.
    pub hosts: Vec<HeaderName>,
    /// Those in which one of these fields says anything but the scheme that the client used.
    pub schemes: Vec<HeaderName>,
}

impl Bypass {
    pub(crate) fn covers(&self, ask: &Ask, url: &Url) -> bool {
        let says_other = |names: &[HeaderName], known: &str| {
            let says = |value: &HeaderValue| value.as_bytes() != known.as_bytes();
            names.iter().any(|name| ask.fields.get_all(name).iter().any(says))
        };
        self.fields.iter().any(|name| ask.fields.contains_key(name))
            || says_other(&self.hosts, url.authority())
            || says_other(&self.schemes, ask.client.scheme.as_str())
            || self.paths.iter().any(|path| url.readings().any(|one| path.covers_in(one.path(), self.case)))
            || (!self.cookies.is_empty()
                && cookies(&ask.fields).any(|(name, _)| self.cookies.iter().any(|wanted| wanted.as_bytes() == name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ask;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_ignored_is_no_part_of_the_name() {
        let rules = |ignored: &[&str], sorted| KeyRules { ignored: texts(ignored), sorted, cookies: Vec::new() };
        for (rules, target, name) in [
            (rules(&["utm_*", "fbclid"], false), "/a?utm_x=1&b=2&fbclid=3&a=1", "/a?b=2&a=1"),
            (rules(&["utm_*"], false), "/a?utm_x", "/a"),
            (rules(&["*"], false), "/a?x=1&y", "/a"),
            (rules(&["fbclid"], false), "/a?fbclids=1&Fbclid=2", "/a?fbclids=1&Fbclid=2"),
            (rules(&[], true), "/a?b=2&a=2&a=1", "/a?a=2&a=1&b=2"),
            (rules(&["b"], true), "/a?c&b=2&a", "/a?a&c"),
            // What a server that separates at `;` reads is not hidden in what is ignored.
            (rules(&["utm_*"], true), "/a?utm_x=1;id=2&a", "/a?utm_x=1;id=2&a"),
            (rules(&["utm_*"], true), "/a%3Futm_x=1", "/a%3Futm_x=1"),
        ] {
            let (ask, url) = ask("GET", target, &[]);
            assert_eq!(rules.name(&ask, &url).target(), name, "{target}");
        }
    }

    #[test]
    fn names_that_agree_are_one_key() {
        let rules = KeyRules { ignored: texts(&["utm_*"]), sorted: true, cookies: texts(&["lang"]) };
        let key = |target: &str, cookie: &str| {
            let (ask, url) = ask("GET", target, &[("cookie", cookie)]);
            rules.name(&ask, &url).key()
        };
        assert_eq!(key("/a?b=1&a=2", "x=1"), key("/a?a=2&utm_x=3&b=1", "y=2"));
        assert_eq!(key("/a", "x=1; lang=de"), key("/a", "lang=de"));
        assert_ne!(key("/a", "lang=de"), key("/a", "lang=fr"));
        assert_ne!(key("/a", "lang=de"), key("/a", ""));
        assert_ne!(key("/a", "lang=de; lang=fr"), key("/a", "lang=de"));
        assert_ne!(key("/a", "lang=de"), key("/b", "lang=de"));
    }

    #[test]
    fn a_bypass_is_by_path_cookie_or_field() {
        let bypass = Bypass {
            paths: vec![PathPattern::Under("/admin".to_owned())],
            case: Case::Tells,
            cookies: texts(&["session"]),
            fields: vec![HeaderName::from_static("x-preview")],
            hosts: vec![HeaderName::from_static("x-host")],
            schemes: vec![HeaderName::from_static("x-proto")],
        };
        for (target, fields, passes) in [
            ("/a", vec![], false),
            ("/admin/x", vec![], true),
            ("//%61dmin", vec![], true),
            ("/administer", vec![], false),
            ("/a", vec![("cookie", "a=session; b=1")], false),
            ("/a", vec![("cookie", "b=1;session=x")], true),
            ("/a", vec![("cookie", "session")], true),
            ("/a", vec![("x-preview", "")], true),
            ("/a", vec![("x-host", "photos.example")], false),
            ("/a", vec![("x-host", "photos.example"), ("x-host", "i.example")], true),
            ("/a", vec![("x-proto", "http")], false),
            ("/a", vec![("x-proto", "https")], true),
        ] {
            let (ask, url) = ask("GET", target, &fields);
            assert_eq!(bypass.covers(&ask, &url), passes, "{target} {fields:?}");
        }
    }
}
