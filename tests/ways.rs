//! Every way to the bytes of what is blocked, one test each. Tunnels, HTTP/2 and what is under way at length stand
//! with the cut; spellings with the lists.

use crate::harness::client::{End, request};
use crate::harness::{Edge, Gate, HOST, Origin, Page, Reply, eventually, noise};
use crate::ranges::{STORED, range, ranged};

const URL: &str = "https://photos.example/a";

/// Blocks `/a`, and gives the receipt.
fn block(edge: &Edge) -> serde_json::Value {
    let receipt = edge.block(URL, "N-1");
    edge.must_block(URL, receipt["list"].as_u64().unwrap(), None);
    receipt
}

/// Stale when it arrives, and stored for its validator's sake.
fn old(directives: &str) -> Page {
    Page::ok("old").field("Cache-Control", directives).field("Age", "100").field("ETag", "\"1\"")
}

#[test]
fn whatever_is_asked_of_what_is_stored() {
    let origin = Origin::with("/a", Page::stored("x").field("ETag", "\"1\""));
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    let asks: [(&str, &[(&str, &str)]); 12] = [
        ("GET", &[]),
        ("HEAD", &[]),
        ("GET", &[("Range", "bytes=0-0")]),
        ("GET", &[("Range", "bytes=0-0"), ("If-Range", "\"1\"")]),
        ("GET", &[("If-None-Match", "\"1\"")]),
        ("GET", &[("If-None-Match", "*")]),
        ("GET", &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")]),
        ("GET", &[("Cache-Control", "only-if-cached")]),
        ("GET", &[("Cache-Control", "max-stale")]),
        ("GET", &[("Cache-Control", "no-store")]),
        ("POST", &[("Content-Length", "0")]),
        ("OPTIONS", &[]),
    ];
    block(&edge);
    for (method, fields) in asks {
        assert_eq!(edge.ask(method, "/a", fields).status, 451, "{method} {fields:?}");
    }
    assert_eq!(origin.count("/a"), 1, "nothing of it went to the origin");
}

#[test]
fn what_would_stand_in_for_an_origin_that_is_away() {
    let origin = Origin::with("/a", old("max-age=1, stale-if-error=3600"));
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let port = origin.leave();
    assert_eq!(edge.get("/a").text(), "old");
    block(&edge);
    assert_eq!(edge.get("/a").status, 451);
    drop(port);
}

#[test]
fn what_is_renewed_behind_a_clients_back() {
    let gate = Gate::default();
    let origin = Origin::start();
    let (first, new) = (old("max-age=1, stale-while-revalidate=3600"), Page::stored("new").hold(0, &gate));
    origin.on_in_turn("/a", [first.into(), Reply::from(new), Page::stored("newest").into()]);
    let edge = Edge::plain(&origin);
    edge.get("/a");
    assert_eq!(edge.get("/a").text(), "old");
    origin.until_asked("/a", 2);
    let receipt = edge.block(URL, "N-1");
    assert_eq!(edge.get("/a").status, 451);
    gate.open();
    eventually("the end of the fetch", || edge.metric("seawall_cache_fills") == 0.0);
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0, "what came back is not stored");
    let id = receipt["id"].as_str().unwrap();
    assert_eq!(edge.api("DELETE", &format!("/api/v1/blocks/{id}"), None).status, 200);
    edge.must_block(URL, receipt["list"].as_u64().unwrap(), Some(edge.list_version()));
    assert_eq!(edge.get("/a").fetched().text(), "newest");
}

#[test]
fn those_who_wait_for_one_fetch() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored(noise(300_000, 1)).hold(100_000, &gate));
    let edge = Edge::plain(&origin);
    let ask = || {
        let mut client = edge.connect();
        client.send(request("GET", HOST, "/a", &[]));
        assert_eq!(client.head().status, 200);
        client
    };
    let clients: Vec<_> = (0..5).map(|_| ask()).collect();
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(block(&edge)["cut"], 5);
    gate.open();
    for mut client in clients {
        let mut got = Vec::new();
        assert_eq!(client.rest(&mut got), End::Reset);
        assert!(got.len() <= 100_000 + 128 * 1024, "{}", got.len());
    }
    assert_eq!(edge.get("/a").status, 451);
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
}

#[test]
fn a_redirect_that_leads_there() {
    let origin = Origin::with("/a", Page::stored("x"));
    origin.on("/old", Page::new("301 Moved Permanently", "").field("Location", "/a"));
    let edge = Edge::before(&origin).site("[[site.redirect]]\nfrom = \"/older\"\nto = \"/a\"\n").start();
    block(&edge);
    for start in ["/old", "/older"] {
        let redirect = edge.get(start);
        assert!((301..=308).contains(&redirect.status), "{redirect:?}");
        let target = redirect.field("Location").unwrap();
        assert_eq!(edge.get(target.strip_prefix("http://photos.example").unwrap_or(target)).status, 451, "{target}");
    }
    assert_eq!(origin.count("/a"), 0);
}

#[test]
fn another_url_whose_answer_says_that_it_is_the_one() {
    let locations = [
        ("/1", "/a"),
        ("/2", "a?lang=de"),
        ("/3", "https://PHOTOS.example:8443/%61"),
        ("/4", "//photos.example/x/../a"),
        ("/dir/5", "../a"),
    ];
    let origin = Origin::start();
    for (path, location) in locations {
        origin.on(path, Page::stored("x").field("Content-Location", location));
    }
    origin.on("/not", Page::stored("x").field("Content-Location", "/ab"));
    origin.on("/odd", Page::stored("x").field("Content-Location", "http://[::").field("Content-Location", "%zz"));
    origin.on("/head", Page::ok("").field("Content-Location", "/a"));
    let edge = Edge::plain(&origin);
    for (path, _) in locations {
        edge.get(path).stored();
    }
    let receipt = block(&edge);
    for (path, location) in locations {
        let refused = edge.get(path);
        assert_eq!(refused.status, 451, "{path}: {location}");
        assert_eq!(edge.record_of(&refused)["rule"], receipt["rules"][0]["rule"], "{location}");
        assert_eq!(edge.ask("GET", path, &[("If-None-Match", "*")]).status, 451);
    }
    assert_eq!(edge.ask("POST", "/head", &[("Content-Length", "0")]).status, 451, "past the cache as well");
    assert_eq!((edge.get("/not").status, edge.get("/odd").status), (200, 200));
}

#[test]
fn what_is_under_way_and_said_to_be_the_one() {
    let gate = Gate::default();
    let page = Page::stored(noise(300_000, 2)).field("Content-Location", "/a").hold(100_000, &gate);
    let origin = Origin::with("/other", page);
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/other", &[]));
    assert_eq!(client.head().status, 200);
    assert_eq!(block(&edge)["cut"], 1);
    gate.open();
    assert_eq!(client.rest(&mut Vec::new()), End::Reset);
    assert_eq!(edge.get("/other").status, 451);
}

#[test]
fn every_variant() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| {
        let language = asked.field("Accept-Language").unwrap_or("none").to_owned();
        Page::stored(&language).field("Vary", "Accept-Language").into()
    });
    let edge = Edge::plain(&origin);
    let languages = ["de", "fr", "en"];
    for language in languages {
        edge.ask("GET", "/a", &[("Accept-Language", language)]).stored();
    }
    assert_eq!(block(&edge)["purged"]["objects"], 3);
    for language in languages.iter().chain(&["it"]) {
        assert_eq!(edge.ask("GET", "/a", &[("Accept-Language", language)]).status, 451);
    }
    assert_eq!(origin.count("/a"), 3);
}

#[test]
fn slices_of_it() {
    let body = noise(3 << 20, 3);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::before(&origin).site("slices = \"1MiB\"\n").start();
    edge.ask("GET", "/a", &range("bytes=0-9"));
    eventually("the slice in the store", || edge.ask("GET", "/a", &range("bytes=0-9")).is_hit());
    block(&edge);
    for part in ["bytes=0-9", "bytes=2000000-2000009", "bytes=-1"] {
        assert_eq!(edge.ask("GET", "/a", &range(part)).status, 451, "{part}");
    }
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
}

#[test]
fn another_host_with_the_same_content() {
    let origin = Origin::with("*", Page::stored("x"));
    let hosts = "[\"photos.example\", \"fotos.example\"]";
    let edge = Edge::before(&origin).hosts(hosts).site("same_content = true\n").start();
    edge.connect().get("fotos.example", "/a").stored();
    block(&edge);
    assert_eq!(edge.connect().get("fotos.example", "/a").status, 451);
    assert_eq!(edge.connect().get("fotos.example", "/b").status, 200);
}

#[test]
fn what_was_stored_under_a_name_that_leaves_parameters_out() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::before(&origin).site("cache = { ignore_query = [\"utm_*\"] }\n").start();
    edge.get("/a?utm_x=1").stored();
    block(&edge);
    assert_eq!((edge.get("/a?utm_x=1").status, edge.get("/a").status), (451, 451));
}
