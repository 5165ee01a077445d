//! Fields by which frameworks let a request say that it is another one, or comes from elsewhere. An origin that
//! believes them answers for a URL that was never judged, so they are dropped. Where a site lets one through that names
//! another URL, that is judged as well; and what a method or a URL was said to be by a field, no key of the cache says.

use std::sync::Arc;

use http::Method;
use http::header::{HeaderMap, HeaderName};
use terms::{Ask, Refusal, Url};

/// Those that say another method.
static METHODS: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Those that say another path, with a query or without, or a whole URL.
static TARGETS: [&str; 7] = [
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-http-path-override",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// Those that say another host.
static HOSTS: [&str; 6] =
    ["forwarded", "x-forwarded-host", "x-forwarded-server", "x-host", "x-http-host-override", "x-original-host"];

/// Those that say where it comes from.
static SOURCES: [&str; 6] =
    ["front-end-https", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip", "x-request-id"];

/// Values of such fields in one request. Who has a reason to send them sends one or two.
const MOST: usize = 8;

/// As CGI and its heirs hand it on, to which `_` and `-` are the same.
fn is_among(name: &HeaderName, names: &[&str]) -> bool {
    names.contains(&name.as_str().replace('_', "-").as_str())
}

pub(super) fn steers(name: &HeaderName) -> bool {
    name.as_str().replace('_', "-").starts_with("x-forwarded")
        || [&METHODS[..], &TARGETS, &HOSTS, &SOURCES].iter().any(|names| is_among(name, names))
}

/// Of the fields that a site lets through, those with which a request is another one than its line says, whatever they
/// hold; and those with which it is if they name another host.
pub fn of_others(let_through: &[HeaderName]) -> (Vec<HeaderName>, Vec<HeaderName>) {
    let those = |of: &[&[&str]]| {
        let is_one = |name: &&HeaderName| of.iter().any(|names| is_among(name, names));
        let_through.iter().filter(is_one).cloned().collect()
    };
    (those(&[&METHODS, &TARGETS]), those(&[&HOSTS]))
}

/// The URLs that a request names by fields that its site lets through: what an origin may take it for.
///
/// # Errors
///
/// [`Refusal`] where one can't be named, for then it can't be judged, or where there are too many.
pub fn other_urls(let_through: &[HeaderName], ask: &Ask, url: &Url) -> Result<Vec<Arc<Url>>, Refusal> {
    if !let_through.iter().any(|name| ask.fields.contains_key(name)) {
        return Ok(Vec::new());
    }
    let named = |of: &[&str]| values(&ask.fields, let_through.iter().filter(|name| is_among(name, of)));
    let (targets, lines) = (named(&TARGETS)?, named(&HOSTS)?);
    let hosts: Vec<&str> = lines.iter().flat_map(|line| hosts(line)).collect();
    if targets.len() + hosts.len() > MOST {
        return Err(Refusal::BadHead("too many fields that name another URL"));
    }
    let mut urls = vec![url.clone()];
    for target in targets {
        urls.push(url.at(target)?);
        if !target.starts_with('/') && !target.contains("://") {
            // Relative to what, is for the origin to say.
            urls.push(url.at(&format!("/{target}"))?);
        }
    }
    let here = urls.clone();
    for host in hosts {
        let elsewhere = Url::parse(host)?;
        if elsewhere.target() != "/" {
            return Err(Refusal::BadHead("a field that names another host names more than that"));
        }
        for url in &here {
            urls.push(elsewhere.with_target(url.scheme(), url.target())?);
        }
    }
    let asks = |url: &Url| (url.authority().to_owned(), url.target().to_owned());
    urls.retain(|other| asks(other) != asks(url));
    Ok(urls.into_iter().map(Arc::new).collect())
}

/// The method that an origin may take a request for: of two, the one that changes more.
pub fn method(let_through: &[HeaderName], ask: &Ask) -> Method {
    let fields = let_through.iter().filter(|name| is_among(name, &METHODS));
    let said = fields.flat_map(|name| ask.fields.get_all(name));
    let mut said = said.filter_map(|value| Method::from_bytes(value.as_bytes().trim_ascii()).ok());
    said.find(|method| ask.method.is_safe() && !method.is_safe()).unwrap_or_else(|| ask.method.clone())
}

fn values<'f>(fields: &'f HeaderMap, names: impl Iterator<Item = &'f HeaderName>) -> Result<Vec<&'f str>, Refusal> {
    let lines = names.flat_map(|name| fields.get_all(name));
    let texts = lines.map(|line| std::str::from_utf8(line.as_bytes()).map(str::trim));
    let texts: Result<Vec<&str>, _> = texts.filter(|text| *text != Ok("")).take(MOST + 1).collect();
    texts.map_err(|_| Refusal::BadHead("a field that names another URL is not UTF-8"))
}

/// The hosts of a line: a list of them, or of what RFC 7239 says of each hop.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let is_forwarded = line.contains('=');
    let parts = line.split([',', ';']).map(str::trim).filter(|part| !part.is_empty());
    parts.filter_map(move |part| match part.split_once('=') {
        Some((name, host)) => name.trim().eq_ignore_ascii_case("host").then(|| host.trim().trim_matches('"')),
        None => (!is_forwarded).then_some(part),
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use terms::url::Scheme;
    use terms::{Clock, Peer, Trusted};

    use super::*;

    fn named(fields: &[(&'static str, &str)]) -> Result<Vec<String>, String> {
        let mut request = Request::get("/dir/ok?q=1").header("host", "h.example").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = Peer { address: ([192, 0, 2, 1], 9).into(), scheme: Scheme::Http };
        let (ask, ()) = Ask::read(request, peer, &Trusted::default(), Clock::system().now());
        let let_through: Vec<HeaderName> = fields.iter().map(|(name, _)| HeaderName::from_static(name)).collect();
        let urls = other_urls(&let_through, &ask, ask.url.as_ref().unwrap());
        let shown = |url: &Arc<Url>| url.canonical().strip_prefix("https://").unwrap().to_owned();
        urls.map(|urls| urls.iter().map(shown).collect()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_a_field_names_is_told() {
        for (fields, urls) in [
            (&[("x-original-url", "/a//%62")][..], &["h.example/a/b"][..]),
            (&[("x_original_url", "/a")], &["h.example/a"]),
            (&[("x-rewrite-url", "https://other.example/a?b")], &["other.example/a?b"]),
            (&[("x-rewrite-url", "a")], &["h.example/dir/a", "h.example/a"]),
            (&[("x-original-url", "/a"), ("x-rewrite-url", "/b")], &["h.example/a", "h.example/b"]),
            (&[("x-original-url", "")], &[]),
            (&[("x-original-url", "/dir/ok?q=1")], &[]),
            (&[("x-forwarded-host", "h.example")], &[]),
            (&[("x-forwarded-host", "i.example, j.example:80")], &["i.example/dir/ok?q=1", "j.example/dir/ok?q=1"]),
            (&[("forwarded", "for=192.0.2.7;host=\"i.example:80\", for=x")], &["i.example/dir/ok?q=1"]),
            (
                &[("x-original-url", "/a"), ("x-host", "i.example")],
                &["h.example/a", "i.example/dir/ok?q=1", "i.example/a"],
            ),
            (&[("x-real-ip", "192.0.2.7"), ("x-http-method-override", "PUT")], &[]),
        ] {
            let found = named(fields).unwrap();
            assert_eq!(found, urls, "{fields:?}");
        }
        for fields in [
            &[("x-original-url", "/a%zz")][..],
            &[("x-original-url", "ftp://h.example/")],
            &[("x-forwarded-host", "a b")],
            &[("x-forwarded-host", "i.example/path")],
            &[("x-original-url", "/a b")],
            &[("x-forwarded-host", "a,b,c,d,e,f,g,h,i")],
        ] {
            assert!(named(fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn only_what_makes_a_request_another_one_goes_past_the_cache() {
        let names = ["x-http-method-override", "x-real-ip", "x-original-url", "x-forwarded-host", "x-forwarded-for"];
        let names = names.map(HeaderName::from_static);
        let (always, by_host) = of_others(&names);
        assert_eq!(always, ["x-http-method-override", "x-original-url"]);
        assert_eq!(by_host, ["x-forwarded-host"]);
        assert!(names.iter().all(steers) && !steers(&HeaderName::from_static("x-other")));
        assert!(steers(&HeaderName::from_static("x_forwarded_proto")));
    }
}
