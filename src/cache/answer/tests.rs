//! Answers from one stored entry, over the forms that a request may ask for.

use http::header::HeaderMap;
use http_body_util::BodyExt;
use terms::{Answer, CacheUse, Digest};

use crate::testing::{ask, filled, later, moment};
use crate::{Cache, Caching, Lookup};

const BODY: &[u8] = b"0123456789";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn cache() -> Cache {
    filled(
        200,
        &[
            ("cache-control", "max-age=60"),
            ("etag", "\"1\""),
            ("last-modified", MODIFIED),
            ("content-type", "text/plain"),
        ],
        BODY,
    )
}

fn answer(method: &str, lines: &[(&'static str, &str)], caching: &Caching) -> Answer {
    let (ask, url) = ask(method, "/a", lines);
    let now = later(moment(), 7);
    match cache().look_up(&ask, &url, caching, now) {
        Ok(Lookup::Fresh(hit)) => hit.answer(&ask, caching, now),
        _ => panic!("not in the store"),
    }
}

async fn bytes(answer: Answer) -> Vec<u8> {
    answer.body.collect().await.unwrap().to_bytes().to_vec()
}

fn field<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_hit_is_the_whole_with_age_and_status() {
    let some = answer("GET", &[], &Caching::default());
    assert_eq!(some.status, 200);
    assert_eq!(some.cache, CacheUse::Hit);
    assert_eq!(some.fill, Some(1));
    assert_eq!(field(&some.fields, "age"), Some("7"));
    assert_eq!(field(&some.fields, "cache-status"), Some("seawall; hit; ttl=53"));
    assert_eq!(field(&some.fields, "content-length"), Some("10"));
    assert_eq!(some.origin_proof.digest(), Some(Digest::of(BODY)));
    assert!(some.departures.is_empty());
    assert_eq!(bytes(some).await, BODY);
}

#[tokio::test]
async fn head_has_the_fields_alone() {
    let some = answer("HEAD", &[("range", "bytes=0-1")], &Caching::default());
    assert_eq!(some.status, 200);
    assert_eq!(field(&some.fields, "content-length"), Some("10"));
    assert_eq!(bytes(some).await, b"");
}

#[tokio::test]
async fn a_copy_that_holds_gets_304() {
    for condition in [("if-none-match", "\"1\""), ("if-none-match", "*"), ("if-modified-since", MODIFIED)] {
        let some = answer("GET", &[condition, ("range", "bytes=0-1")], &Caching::default());
        assert_eq!(some.status, 304, "{condition:?}");
        assert_eq!(field(&some.fields, "etag"), Some("\"1\""));
        assert_eq!(field(&some.fields, "cache-control"), Some("max-age=60"));
        assert_eq!(field(&some.fields, "cache-status"), Some("seawall; hit; ttl=53"));
        for gone in ["content-length", "content-type", "last-modified"] {
            assert_eq!(field(&some.fields, gone), None);
        }
        assert_eq!(bytes(some).await, b"");
    }
}

#[tokio::test]
async fn one_range_gets_206() {
    for (lines, expected) in [
        (vec![("range", "bytes=2-4")], Some("bytes 2-4/10")),
        (vec![("range", "bytes=-3")], Some("bytes 7-9/10")),
        (vec![("range", "bytes=8-")], Some("bytes 8-9/10")),
        (vec![("range", "bytes=2-4"), ("if-range", "\"1\"")], Some("bytes 2-4/10")),
        (vec![("range", "bytes=2-4"), ("if-range", "\"2\"")], None),
        (vec![("range", "bytes=2-4"), ("if-none-match", "\"2\"")], Some("bytes 2-4/10")),
        // They overlap or nearly do: one part is less than two with their heads.
        (vec![("range", "bytes=0-1,4-5")], Some("bytes 0-5/10")),
        (vec![("range", "bytes=8-,0-3,2-4")], Some("bytes 0-9/10")),
        (vec![("range", "bytes=0-,0-,0-,0-")], None),
        (vec![("range", "lines=0-1")], None),
        (vec![("range", "bytes=4-2")], None),
    ] {
        let some = answer("GET", &lines, &Caching::default());
        assert_eq!(some.status, if expected.is_some() { 206 } else { 200 }, "{lines:?}");
        assert_eq!(field(&some.fields, "content-range"), expected);
        let parts = some.range.parts.clone();
        assert_eq!(expected.is_some(), !parts.is_empty(), "the record tells the part");
        let length = field(&some.fields, "content-length").unwrap().to_owned();
        let got = bytes(some).await;
        assert_eq!(length, got.len().to_string());
        match parts.first() {
            Some(part) => assert_eq!(got, &BODY[part.first as usize..=part.last as usize]),
            None => assert_eq!(got, BODY),
        }
    }
}

/// RFC 9110 section 15.3.7, on what a 206 has in its head.
#[tokio::test]
async fn a_206_has_the_fields_of_the_whole_but_what_speaks_of_its_content() {
    let lines = &[
        ("cache-control", "max-age=60"),
        ("etag", "\"1\""),
        ("last-modified", MODIFIED),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-location", "/a.txt"),
        ("expires", MODIFIED),
        ("vary", "accept"),
        ("content-digest", "sha-256=:AA==:"),
        ("content-range", "bytes 0-1/2"),
        ("x-own", "1"),
    ];
    let cache = filled(200, lines, BODY);
    let fields_of = |asked: &[(&'static str, &str)]| {
        let (ask, url) = ask("GET", "/a", asked);
        let Ok(Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &Caching::default(), moment()) else { panic!() };
        let some = hit.answer(&ask, &Caching::default(), moment());
        assert_eq!(some.status, 206, "{asked:?}");
        some.fields
    };
    // "MUST generate … Date, Cache-Control, ETag, Expires, Content-Location, and Vary".
    let required = ["date", "cache-control", "etag", "expires", "content-location", "vary", "x-own"];
    let others = ["content-type", "content-encoding", "content-language", "last-modified"];
    let plain = fields_of(&[("range", "bytes=2-4")]);
    for name in required.iter().chain(&others) {
        assert!(plain.contains_key(*name), "{name}");
    }
    assert!(!plain.contains_key("content-digest"));
    assert_eq!(plain.get_all("content-range").iter().collect::<Vec<_>>(), ["bytes 2-4/10"]);
    // "to a request with an If-Range header field SHOULD NOT generate other representation header fields".
    let resumed = fields_of(&[("range", "bytes=2-4"), ("if-range", "\"1\"")]);
    for name in required {
        assert!(resumed.contains_key(name), "{name}");
    }
    for name in others {
        assert!(!resumed.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_gets_416() {
    let some = answer("GET", &[("range", "bytes=10-")], &Caching::default());
    assert_eq!(some.status, 416);
    assert_eq!(field(&some.fields, "content-range"), Some("bytes */10"));
    assert_eq!(bytes(some).await, b"");
}

#[tokio::test]
async fn the_digest_is_told_where_the_site_asks() {
    let some = answer("GET", &[], &Caching { repr_digest: true, ..Caching::default() });
    let told = field(&some.fields, "repr-digest");
    assert_eq!(told, Some("sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"));
    assert_eq!(some.departures.names().collect::<Vec<_>>(), ["repr-digest"]);
}

#[tokio::test]
async fn preconditions_and_ranges_count_for_a_200_alone() {
    let cache = filled(404, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], BODY);
    let (ask, url) = ask("GET", "/a", &[("if-none-match", "\"1\""), ("range", "bytes=0-1")]);
    let Ok(Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &Caching::default(), moment()) else { panic!() };
    let some = hit.answer(&ask, &Caching::default(), moment());
    assert_eq!(some.status, 404);
    assert_eq!(bytes(some).await, BODY);
}
