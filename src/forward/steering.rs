//! Fields by which frameworks let a request say that it is another one, or comes from elsewhere. An origin that
//! believes them answers for a URL that was never judged, so they are dropped. Where a site lets one through that names
//! another URL, that is judged as well; and what a method or a URL was said to be by a field, no key of the cache says.

mod hosts;
mod target;

use std::sync::Arc;

use cache::Bypass;
use http::Method;
use http::header::{HeaderMap, HeaderName};
use terms::wire::fields::as_cgi_has_it;
use terms::{Ask, Refusal, Url};

/// Those that say another method.
static METHODS: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Those that say another path, with a query or without, or a whole URL.
static TARGETS: [&str; 16] = [
    "base-url",
    "request-uri",
    "x-astro-path",
    "x-envoy-original-path",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-http-destinationurl",
    "x-http-path-override",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-proxy-url",
    "x-rewrite-url",
    "x-waws-unencoded-url",
];

/// Those that say what stands before the path.
static PREFIXES: [&str; 1] = ["x-forwarded-prefix"];

/// Those that say under which path the program stands: what is behind that is all of the path to it.
static MOUNTS: [&str; 4] = ["daphne-root-path", "script-name", "x-script-name", "x-traversal-path"];

/// Those that have a program answer with the name of a file, and say where that lies to the server that is to hand it out
/// (CVE-2025-61780). Which URL that is, isn't known here.
static FILES: [&str; 2] = ["x-accel-mapping", "x-sendfile-type"];

/// Those that say another host: the first as RFC 7239 has it, the others as lists; one is `$WSSN`.
static HOSTS: [&str; 7] = [
    "forwarded",
    "-wssn",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-host",
    "x-http-host-override",
    "x-original-host",
];

/// Those that say by which scheme it came.
static SCHEMES: [&str; 5] = ["-wsis", "-wssc", "x-forwarded-proto", "x-scheme", "x-url-scheme"];

/// Those that say where it comes from.
static SOURCES: [&str; 6] =
    ["front-end-https", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip", "x-request-id"];

/// Those that a program which is run by CGI takes for its own environment: `HTTP_PROXY`, through which its requests go
/// (CVE-2016-5385).
static ENVIRONMENT: [&str; 1] = ["proxy"];

/// Values of such fields in one request. Who has a reason to send them sends one or two.
const MOST: usize = 8;

/// URLs that they may name together: each is judged.
const MOST_URLS: usize = 64;

/// In whichever spelling an origin takes for one of them.
fn is_among(name: &HeaderName, names: &[&str]) -> bool {
    names.contains(&as_cgi_has_it(name).as_str())
}

pub(super) fn steers(name: &HeaderName) -> bool {
    let lists = [&METHODS[..], &TARGETS, &MOUNTS, &FILES, &HOSTS, &SCHEMES, &SOURCES, &ENVIRONMENT];
    is_forwarded(name) || is_of_web_sphere(name) || lists.iter().any(|names| is_among(name, names))
}

/// `$WSRA` and the like, in which WebSphere is told of a client, and believes whoever asks.
fn is_of_web_sphere(name: &HeaderName) -> bool {
    name.as_str().starts_with("$ws")
}

fn is_forwarded(name: &HeaderName) -> bool {
    as_cgi_has_it(name).starts_with("x-forwarded")
}

/// Has requests go past the cache by the fields that a site lets through: with some a request is another one than its
/// line says, whatever they hold; with others if they say another host or scheme than is known here. Who asks says only
/// who is answered, and is no concern of the cache's.
pub fn bypass(let_through: &[HeaderName], bypass: &mut Bypass) {
    for name in let_through {
        let is_among = |names: &[&str]| is_among(name, names);
        if is_among(&HOSTS) {
            bypass.hosts.push(name.clone());
        } else if is_among(&SCHEMES) {
            bypass.schemes.push(name.clone());
        } else if [&METHODS[..], &TARGETS, &MOUNTS, &FILES].into_iter().any(is_among)
            || (is_forwarded(name) && !is_among(&["x-forwarded-for"]))
        {
            bypass.fields.push(name.clone());
        }
    }
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
    let (targets, prefixes, mounts) = (named(&TARGETS)?, named(&PREFIXES)?, named(&MOUNTS)?);
    let (of_hops, listed) = (named(&HOSTS[..1])?, named(&HOSTS[1..])?);
    let mut hosts = Vec::new();
    for line in of_hops {
        hosts::of_hops(line, &mut hosts)?;
    }
    hosts.extend(listed.into_iter().flat_map(hosts::listed));
    if targets.len() + prefixes.len() + mounts.len() + hosts.len() > MOST {
        return Err(TOO_MANY);
    }
    let mut urls = Urls(vec![url.clone()]);
    for value in targets {
        for named in target::readings(url, value)? {
            target::with_queries(url, named, |url| urls.add(url))?;
        }
    }
    for prefix in prefixes {
        for at in 0..urls.0.len() {
            urls.add(target::under(&urls.0[at], prefix)?)?;
        }
    }
    for mount in mounts {
        for url in urls.0.clone() {
            target::behind(&url, mount, |url| urls.add(url))?;
        }
    }
    let here = urls.0.clone();
    for host in hosts {
        let elsewhere = Url::again(url.scheme(), &host, "/", None)?;
        for url in &here {
            urls.add(elsewhere.with_target(url.scheme(), url.target())?)?;
        }
    }
    Ok(urls.0.into_iter().skip(1).map(Arc::new).collect())
}

const TOO_MANY: Refusal = Refusal::BadHead("too many fields that name another URL");

/// Each once, by what an origin sees of it; the request's own is the first.
struct Urls(Vec<Url>);

impl Urls {
    fn add(&mut self, url: Url) -> Result<(), Refusal> {
        let is_known = |one: &Url| (one.authority(), one.target()) == (url.authority(), url.target());
        if !self.0.iter().any(is_known) {
            self.0.push(url);
        }
        if self.0.len() > MOST_URLS { Err(TOO_MANY) } else { Ok(()) }
    }
}

/// The method that an origin may take a request for: of two, the one that changes more.
pub fn method(let_through: &[HeaderName], ask: &Ask) -> Method {
    let fields = let_through.iter().filter(|name| is_among(name, &METHODS));
    let said = fields.flat_map(|name| ask.fields.get_all(name));
    let mut said = said.filter_map(|value| Method::from_bytes(value.as_bytes().trim_ascii()).ok());
    said.find(|method| ask.method.is_safe() && !method.is_safe()).unwrap_or_else(|| ask.method.clone())
}

/// Whether a field that is let through says another method than the line: an origin that believes it does something
/// else than was asked for.
pub(super) fn says_another_method(let_through: &[HeaderName], ask: &Ask) -> bool {
    let mut said = let_through.iter().filter(|name| is_among(name, &METHODS)).flat_map(|name| ask.fields.get_all(name));
    said.any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(ask.method.as_str().as_bytes()))
}

fn values<'f>(fields: &'f HeaderMap, names: impl Iterator<Item = &'f HeaderName>) -> Result<Vec<&'f str>, Refusal> {
    let lines = names.flat_map(|name| fields.get_all(name));
    let texts = lines.map(|line| std::str::from_utf8(line.as_bytes()).map(str::trim));
    let texts: Result<Vec<&str>, _> = texts.filter(|text| *text != Ok("")).take(MOST + 1).collect();
    texts.map_err(|_| Refusal::BadHead("a field that names another URL is not UTF-8"))
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
        let mut all: Vec<String> = urls.map_err(|refusal| refusal.to_string())?.iter().map(shown).collect();
        let mut known = std::collections::HashSet::new();
        all.retain(|url| known.insert(url.clone()));
        Ok(all)
    }

    #[test]
    fn what_a_field_names_is_told() {
        for (fields, urls) in [
            (
                &[("x-original-url", "/a//%62?x")][..],
                &["h.example/a/b?x", "h.example/a/b?q=1", "h.example/a/b?q=1&x"][..],
            ),
            (&[("x.original_url", "/a")], &["h.example/a", "h.example/a?q=1"]),
            (&[("x-waws-unencoded-url", "/a?q=1")], &["h.example/a?q=1"]),
            (
                &[("x-rewrite-url", "https://other.example/a?b")],
                &["other.example/a?b", "other.example/a?q=1", "other.example/a?b&q=1"],
            ),
            (&[("x-rewrite-url", "a?q=1")], &["h.example/dir/a?q=1", "h.example/a?q=1"]),
            (
                &[("x-rewrite-url", "secret/a.jpg?q=://&q=1")],
                &[
                    "h.example/dir/secret/a.jpg?q=1&q=://",
                    "h.example/dir/secret/a.jpg?q=1",
                    "h.example/secret/a.jpg?q=1&q=://",
                    "h.example/secret/a.jpg?q=1",
                ],
            ),
            (&[("x-original-url", "//secret/a.jpg?q=1")], &["secret/a.jpg?q=1", "h.example/secret/a.jpg?q=1"]),
            (&[("x-original-url", "?q=2&q=1")], &["h.example/dir/ok?q=1&q=2", "h.example/?q=1&q=2", "h.example/?q=1"]),
            (&[("x-original-url", "/a?q=1"), ("x-rewrite-url", "/b?q=1")], &["h.example/a?q=1", "h.example/b?q=1"]),
            (&[("x-forwarded-prefix", "/secret/")], &["h.example/secret/dir/ok?q=1"]),
            (&[("script-name", "/dir")], &["h.example/ok?q=1"]),
            (&[("x-script-name", "/d")], &["h.example/ok?q=1", "h.example/ir/ok?q=1"]),
            (&[("x-original-url", "")], &[]),
            (&[("x-original-url", "/dir/ok?q=1")], &[]),
            (&[("x-forwarded-host", "h.example")], &[]),
            (&[("x-forwarded-host", "i.example, j.example:80")], &["i.example/dir/ok?q=1", "j.example/dir/ok?q=1"]),
            (&[("$wssn", "i.example")], &["i.example/dir/ok?q=1"]),
            (&[("forwarded", "for=192.0.2.7;host=\"i.example:80\", for=x")], &["i.example/dir/ok?q=1"]),
            (&[("forwarded", "for=\"a,host=x;\\\"\"; Host = i.example")], &["i.example/dir/ok?q=1"]),
            (
                &[("x-original-url", "/a?q=1"), ("x-host", "i.example")],
                &["h.example/a?q=1", "i.example/dir/ok?q=1", "i.example/a?q=1"],
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
            &[("x-original-url", "/ok#/../secret.jpg")],
            &[("x-original-url", "mailto:x")],
            &[("x-forwarded-host", "blocked.example, a=b")],
            &[("x-forwarded-host", "https://blocked.example")],
            &[("x-forwarded-host", "u@blocked.example")],
            &[("forwarded", "blocked.example, for=x")],
            &[("forwarded", "host=\"blocked.example")],
            &[("forwarded", "host=\"blocked\".example")],
            &[("x-forwarded-prefix", "/a?b")],
            &[("x-forwarded-host", "a,b,c,d,e,f,g,h,i")],
        ] {
            assert!(named(fields).is_err(), "{fields:?}");
        }
    }

    /// Servers compare what a program stands under with a path as it came, or without its escapes.
    #[test]
    fn what_a_program_stands_under_is_taken_away_in_every_way() {
        for target in
            ["/x/secret.jpg?q", "/%78%2Fsecret.jpg?q", "/x//secret.jpg?q", "/a/%2E%2E/x/secret.jpg?q", "/xsecret.jpg?q"]
        {
            let mut request = Request::get(target).header("host", "h.example").body(()).unwrap();
            request.headers_mut().insert("script-name", HeaderValue::from_static("/x"));
            let peer = Peer { address: ([192, 0, 2, 1], 9).into(), scheme: Scheme::Http };
            let (ask, ()) = Ask::read(request, peer, &Trusted::default(), Clock::system().now());
            let urls = other_urls(&[HeaderName::from_static("script-name")], &ask, ask.url.as_ref().unwrap()).unwrap();
            assert!(urls.iter().any(|url| url.canonical() == "https://h.example/secret.jpg?q"), "{target}: {urls:?}");
        }
    }

    /// What a resolver takes out of a path, an origin may not: every reading is judged.
    #[test]
    fn dots_in_a_field_are_read_in_every_way() {
        let mut request = Request::get("/ok").header("host", "h.example").body(()).unwrap();
        request.headers_mut().insert("x-original-url", HeaderValue::from_static("/x//../secret.jpg"));
        let peer = Peer { address: ([192, 0, 2, 1], 9).into(), scheme: Scheme::Http };
        let (ask, ()) = Ask::read(request, peer, &Trusted::default(), Clock::system().now());
        let urls = other_urls(&[HeaderName::from_static("x-original-url")], &ask, ask.url.as_ref().unwrap()).unwrap();
        let mut readings = urls.iter().flat_map(|url| url.readings());
        assert!(readings.any(|reading| reading.path() == "/secret.jpg"));
    }

    #[test]
    fn only_what_makes_a_request_another_one_goes_past_the_cache() {
        let names = [
            "x-http-method-override",
            "x-real-ip",
            "x-original-url",
            "x-forwarded-host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-prefix",
            "x_forwarded_ssl",
            "script_name",
            "x-scheme",
            "x-accel-mapping",
        ];
        let names = names.map(HeaderName::from_static);
        let mut past = Bypass::default();
        bypass(&names, &mut past);
        assert_eq!(
            past.fields,
            [
                "x-http-method-override",
                "x-original-url",
                "x-forwarded-prefix",
                "x_forwarded_ssl",
                "script_name",
                "x-accel-mapping"
            ]
        );
        assert_eq!((past.hosts, past.schemes), (vec![names[3].clone()], vec![names[5].clone(), names[9].clone()]));
        assert!(names.iter().all(steers) && !steers(&HeaderName::from_static("x-other")));
        assert!(steers(&HeaderName::from_static("x_forwarded_proto")) && steers(&HeaderName::from_static("$wsra")));
        assert!(steers(&HeaderName::from_static("proxy")) && !steers(&HeaderName::from_static("proxy-x")));
    }
}
