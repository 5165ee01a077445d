//! Sections 3.1, 3.2 and 4.3.4: which fields are stored, and which a 304 updates.

use http::header::{HeaderName, HeaderValue};

use super::*;
use crate::ReplyHead;
use crate::entry::{Arrived, Head};

fn url() -> terms::Url {
    terms::Url::parse("http://h.example/a").unwrap()
}

fn stored(lines: Lines) -> Head {
    let (status, fields, ..) = reply(lines, 200);
    Arrived::read(&ReplyHead { status, fields }, moment(), moment(), &Caching::default())
        .into_head(&url(), &HeaderMap::new())
}

fn updated(before: Lines, update: Lines) -> Head {
    let (status, fields, ..) = reply(update, 304);
    let arrived = Arrived::read(&ReplyHead { status, fields }, moment(), moment(), &Caching::default());
    arrived.update(&stored(before), None, &Caching::default()).into_head(&url(), &HeaderMap::new())
}

fn value(head: &Head, name: &str) -> Option<HeaderValue> {
    head.fields().get(HeaderName::from_bytes(name.as_bytes()).unwrap()).cloned()
}

#[test]
fn which_fields_are_stored() {
    const FOR_A_WHILE: (&str, &str) = ("cache-control", "max-age=60");
    for (section, name, is_stored) in [
        // "MUST include all received response header fields -- including unrecognized ones"
        ("3.1", "x-unheard-of", true),
        ("3.1", "content-type", true),
        ("3.1", "content-location", true),
        ("3.1", "clear-site-data", true),
        // "The Connection header field and fields whose names are listed in it"
        ("3.1", "x-of-the-hop", false),
        ("3.1", "connection", false),
        ("3.1", "keep-alive", false),
        ("3.1", "te", false),
        ("3.1", "upgrade", false),
        // "specific to the proxy that a cache uses"
        ("3.1", "proxy-authenticate", false),
        ("3.1", "proxy-authentication-info", false),
        ("3.1", "proxy-authorization", false),
        // "the no-cache and private directives can have arguments that prevent storage"
        ("5.2.2.4", "x-uncached", false),
        ("5.2.2.7", "x-private", false),
    ] {
        let directives = "max-age=60, private=\"x-private\", no-cache=\"x-uncached\"";
        let lines = [("cache-control", directives), ("connection", "close, x-of-the-hop"), (name, "v")];
        let lines = if name == "connection" { &lines[..2] } else { &lines[..] };
        assert_eq!(value(&stored(lines), name).is_some(), is_stored, "section {section}: {name}");
    }
    let kept = stored(&[FOR_A_WHILE, ("x-private", "v")]);
    assert!(value(&kept, "x-private").is_some());
}

#[test]
fn which_fields_a_304_updates() {
    for (section, name, expected) in [
        // "MUST add each header field in the provided response … replacing field values"
        ("3.2", "x-unheard-of", "new"),
        ("3.2", "content-type", "new"),
        ("3.2", "content-location", "new"),
        ("3.2", "content-security-policy", "new"),
        ("3.2", "etag", "new"),
        // "that the cache's stored response depends upon"
        ("3.2", "content-encoding", "old"),
        ("3.2", "content-range", "old"),
        // "The Content-Length header field"
        ("3.2", "content-length", "10"),
    ] {
        let old = if name == "content-length" { "10" } else { "old" };
        let new = if name == "content-length" { "3" } else { "new" };
        let head = updated(&[("cache-control", "max-age=60"), (name, old)], &[(name, new)]);
        assert_eq!(value(&head, name).unwrap(), expected, "section {section}: {name}");
    }
    // A field that the 304 lacks stays.
    let head = updated(&[("cache-control", "max-age=60"), ("x-kept", "old")], &[]);
    assert_eq!(value(&head, "x-kept").unwrap(), "old");
}

#[test]
fn what_a_304_brings_for_its_asker_alone_is_not_stored() {
    let before = &[("cache-control", "max-age=60, private=\"x-private\"")];
    let head = updated(before, &[("x-private", "v")]);
    assert_eq!(value(&head, "x-private"), None);
}

#[test]
fn a_304_gives_new_life() {
    let head = updated(&[("cache-control", "max-age=0"), ("etag", "\"1\"")], &[("cache-control", "max-age=60")]);
    assert!(head.stored.freshness.is_fresh(later(moment(), 59)));
    assert!(!head.stored.freshness.is_fresh(later(moment(), 60)));
}
