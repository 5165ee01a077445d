//! What a change at the origin takes out of the store.

use crate::harness::{Edge, Origin, Page};

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
        edge.get(target);
        assert!(edge.get(target).is_hit());
    }
    edge.ask("POST", "/elsewhere", &[("Content-Length", "0")]);
    assert!(edge.get("/other").is_hit());
    edge.ask("POST", "/new", &[("Content-Length", "0")]);
    assert!(!edge.get("/list").is_hit() && !edge.get("/list/7").is_hit());
    assert!(edge.get("/other").is_hit());
}

#[test]
fn a_change_invalidates_the_groups_it_names_at_its_own_origin() {
    let origin = Origin::start();
    for (target, groups) in [("/a", "\"one\", \"two\""), ("/b", "\"two\";x=1"), ("/c", "\"TWO\""), ("/d", "two")] {
        origin.on(target, Page::stored("x").field("Cache-Groups", groups));
    }
    origin.on("/change", Page::ok("").field("Cache-Group-Invalidation", "\"two\", \"none\""));
    let edge = Edge::before(&origin).hosts("[\"*\"]").start();
    let is_hit = |target| edge.get(target).is_hit();
    let store = || ["/a", "/b", "/c", "/d"].map(|target| edge.get(target));
    store();
    edge.get("/change");
    assert!(is_hit("/a") && is_hit("/b"), "a safe method changes nothing");
    edge.connect().ask("POST", "elsewhere.example", "/change", &[("Content-Length", "0")]);
    assert!(is_hit("/a") && is_hit("/b"), "another origin's groups are others");
    edge.ask("POST", "/change", &[("Content-Length", "0")]);
    assert!(!is_hit("/a") && !is_hit("/b"));
    assert!(is_hit("/c") && is_hit("/d"), "another name, and what is no list of strings");
}
