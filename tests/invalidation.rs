//! What a change at the origin takes out of the store.

use crate::harness::client::request;
use crate::harness::{Edge, Gate, HOST, Origin, Page, eventually};

#[test]
fn a_change_invalidates_the_places_it_names_at_its_own_origin() {
    let origin = Origin::start();
    for target in ["/list", "/list/7", "/other"] {
        origin.on(target, Page::stored("x"));
    }
    origin.on("/new", Page::new("201 Created", "").field("Location", "/list/7").field("Content-Location", "list"));
    origin.on("/elsewhere", Page::new("201 Created", "").field("Location", "http://elsewhere.example/other"));
    let edge = Edge::plain(&origin);
    for target in ["/list", "/list/7", "/other"] {
        edge.get(target).stored();
        edge.get(target).hit();
    }
    edge.ask("POST", "/elsewhere", &[("Content-Length", "0")]);
    edge.get("/other").hit();
    edge.ask("POST", "/new", &[("Content-Length", "0")]);
    edge.get("/list").fetched();
    edge.get("/list/7").fetched();
    edge.get("/other").hit();
}

#[test]
fn a_change_invalidates_the_groups_it_names_at_its_own_origin() {
    let origin = Origin::start();
    for (target, groups) in [("/a", "\"one\", \"two\""), ("/b", "\"two\";x=1"), ("/c", "\"TWO\""), ("/d", "two")] {
        origin.on(target, Page::stored("x").field("Cache-Groups", groups));
    }
    origin.on("/change", Page::ok("").field("Cache-Group-Invalidation", "\"two\", \"none\""));
    let edge = Edge::before(&origin).hosts("[\"*\"]").start();
    let hits = |targets: [&str; 2]| targets.map(|target| edge.get(target).hit());
    for target in ["/a", "/b", "/c", "/d"] {
        edge.get(target).stored();
    }
    // A safe method changes nothing.
    edge.get("/change");
    hits(["/a", "/b"]);
    // Another origin's groups are others.
    edge.connect().ask("POST", "elsewhere.example", "/change", &[("Content-Length", "0")]);
    hits(["/a", "/b"]);
    edge.ask("POST", "/change", &[("Content-Length", "0")]);
    edge.get("/a").fetched();
    edge.get("/b").fetched();
    // Another name, and what is no list of strings.
    hits(["/c", "/d"]);
}

/// RFC 9110 section 9.3.3.
#[test]
fn what_post_was_answered_with_answers_get_where_the_origin_says_so() {
    let origin = Origin::start();
    let said = |location: &str| Page::stored("made by POST").field("Content-Location", location);
    origin.on("/a", said("/a"));
    origin.on("/b", said("/elsewhere"));
    origin.on("/c", said("/c").field("Set-Cookie", "id=1"));
    let edge = Edge::plain(&origin);
    let post =
        |path: &str, fields: &[(&str, &str)]| edge.ask("POST", path, &[fields, &[("Content-Length", "0")]].concat());
    for (path, fields, is_stored) in [
        ("/a", vec![], true),
        // What it was made for is judged by the origin alone.
        ("/a", vec![("If-None-Match", "*"), ("Range", "bytes=0-0")], true),
        ("/a", vec![("Cache-Control", "no-store")], false),
        ("/b", vec![], false),
        ("/c", vec![], false),
    ] {
        let made = post(path, &fields);
        assert_eq!((made.status, &*made.body), (200, &b"made by POST"[..]), "{path} {fields:?}");
        let status = if is_stored { "fwd=method; fwd-status=200; stored" } else { "fwd=method; fwd-status=200" };
        assert_eq!(made.cache(), status, "{path} {fields:?}");
        let before = origin.count(path);
        edge.get(path);
        assert_eq!(origin.count(path) == before, is_stored, "{path} {fields:?}");
        let record = edge.record_of(&made);
        assert_eq!((&record["method"], record["digest"].is_string()), (&"POST".into(), true), "{record}");
    }
}

#[test]
fn what_post_was_answered_with_is_not_stored_after_a_purge() {
    let (gate, origin) = (Gate::default(), Origin::start());
    let waits = gate.clone();
    origin.on_each("/a", move |asked| {
        if asked.method == "POST" {
            waits.pass();
        }
        Page::stored("made before").field("Content-Location", "/a").into()
    });
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/a", &[("Content-Length", "0")]));
    eventually("the fetch", || origin.connections() == 1);
    let purged = edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({ "url": "https://photos.example/a" })));
    assert_eq!(purged.status, 200);
    gate.open();
    let made = client.answer("POST");
    assert_eq!((made.status, made.cache()), (200, "fwd=method; fwd-status=200"), "{made:?}");
    edge.get("/a").fetched();
}
