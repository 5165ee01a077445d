//! Purges: what goes, what stays, who may, and what is told of it.

use serde_json::{Value, json};

use crate::harness::client::request;
use crate::harness::{Answer, Client, Edge, Gate, HOST, Origin, Page, eventually};

fn purge(edge: &Edge, body: Value) -> Answer {
    edge.api("POST", "/api/v1/purge", Some(&body))
}

/// Purges, and says how many objects that were.
fn purged(edge: &Edge, body: Value) -> u64 {
    let answer = purge(edge, body.clone());
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    assert!(answer.json()["bytes"].is_u64(), "{}", answer.text());
    answer.json()["objects"].as_u64().unwrap()
}

/// An origin with a page at each target, and an edge that has stored them all.
fn stored(targets: &[&str]) -> (Origin, Edge) {
    let origin = Origin::start();
    for target in targets {
        origin.on(target, Page::stored("x").field("ETag", "\"1\""));
    }
    let edge = Edge::plain(&origin);
    for target in targets {
        edge.get(target).stored();
        edge.get(target).hit();
    }
    (origin, edge)
}

/// Which of the targets are answered from the store.
fn hits<'t>(edge: &Edge, targets: &[&'t str]) -> Vec<&'t str> {
    targets.iter().copied().filter(|target| edge.get(target).is_hit()).collect()
}

const TARGETS: [&str; 6] = ["/", "/a/1.css", "/a/2.js", "/a?v=1", "/ab", "/b"];

#[test]
fn each_kind_of_purge_takes_what_it_names() {
    for (body, left) in [
        (json!({"url": "https://photos.example/a/1.css"}), &["/", "/a/2.js", "/a?v=1", "/ab", "/b"][..]),
        (json!({"url": "http://PHOTOS.example:81/a/./%31.css"}), &["/", "/a/2.js", "/a?v=1", "/ab", "/b"]),
        (json!({"url": "https://photos.example/a"}), &TARGETS),
        (json!({"prefix": "https://photos.example/a"}), &["/", "/ab", "/b"]),
        (json!({"prefix": "https://photos.example/a/*"}), &["/", "/ab", "/b"]),
        (json!({"prefix": "photos.example"}), &[]),
        (json!({"prefix": "other.example"}), &TARGETS),
        (json!({"pattern": r"^https://photos\.example/.*\.(css|js)$"}), &["/", "/a?v=1", "/ab", "/b"]),
        (json!({"pattern": r"~/a\?v=1"}), &["/", "/a/1.css", "/a/2.js", "/ab", "/b"]),
        (json!({"tag": "x"}), &TARGETS),
        (json!({"site": "photos"}), &[]),
        (json!({"all": true}), &[]),
    ] {
        let (_origin, edge) = stored(&TARGETS);
        assert_eq!(purged(&edge, body.clone()), (TARGETS.len() - left.len()) as u64, "{body}");
        assert_eq!(edge.metric("seawall_cache_objects"), left.len() as f64, "{body}");
        assert_eq!(hits(&edge, &TARGETS), left, "{body}");
    }
}

#[test]
fn a_purge_by_tag_takes_what_the_origin_gave_it() {
    let origin = Origin::start();
    origin.on("/a", Page::stored("a").field("Surrogate-Key", "user-17 page"));
    origin.on("/b", Page::stored("b").field("Cache-Tag", "page, user-18"));
    origin.on("/c", Page::stored("c").field("Surrogate-Key", "user-19"));
    let edge = Edge::plain(&origin);
    for target in ["/a", "/b", "/c"] {
        edge.get(target);
    }
    assert_eq!(edge.get("/a").field("Surrogate-Key"), Some("user-17 page"), "tags are passed on like any field");
    assert_eq!(purged(&edge, json!({"tag": "user-17"})), 1);
    assert_eq!(hits(&edge, &["/a", "/b", "/c"]), ["/b", "/c"]);
    assert_eq!(purged(&edge, json!({"tag": "page"})), 2);
    assert_eq!(hits(&edge, &["/a", "/b", "/c"]), ["/c"]);
}

#[test]
fn what_is_purged_softly_is_validated_when_it_is_asked_for() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.field("If-None-Match") {
        Some(_) => {
            Page::new("304 Not Modified", "").field("ETag", "\"1\"").field("Cache-Control", "max-age=600").into()
        }
        None => Page::stored("x").field("ETag", "\"1\"").field("Surrogate-Key", "k").into(),
    });
    let edge = Edge::plain(&origin);
    for body in [json!({"url": "https://photos.example/a", "soft": true}), json!({"tag": "k", "soft": true})] {
        edge.get("/a");
        edge.get("/a").hit();
        assert_eq!(purged(&edge, body.clone()), 1);
        assert_eq!(edge.metric("seawall_cache_objects"), 1.0, "it is still there");
        let stale = edge.ask("GET", "/a", &[("Cache-Control", "max-stale")]);
        assert_eq!(edge.record_of(&stale)["cache"], "revalidated", "{body}: whatever the client would take");
        edge.get("/a").hit();
    }
    assert_eq!(origin.count("/a"), 3);
}

#[test]
fn what_is_fetched_while_its_tag_is_purged_is_not_stored() {
    for behind_head in [true, false] {
        let gate = Gate::default();
        let old = Page::stored("old and gone").field("Surrogate-Key", "k");
        let origin = Origin::with("/a", old.hold(if behind_head { 3 } else { 0 }, &gate));
        let edge = Edge::plain(&origin);
        let mut client = edge.connect();
        client.send(request("GET", HOST, "/a", &[]));
        origin.until_asked("/a", 1);
        if behind_head {
            client.head();
        }
        assert_eq!(purged(&edge, json!({"tag": "k"})), 0);
        origin.on("/a", Page::stored("new").field("Surrogate-Key", "k"));
        assert_eq!(edge.get("/a").text(), "new", "who asks after the purge does not join what began before it");
        gate.open();
        if !behind_head {
            client.head();
        }
        let mut body = Vec::new();
        client.take(12, &mut body);
        assert_eq!(body, b"old and gone", "whoever is being answered has all of it");
        assert_eq!(edge.get("/a").text(), "new");
        eventually("one is stored", || edge.metric("seawall_cache_objects") == 1.0);
    }
}

#[test]
fn what_can_t_be_purged_is_said() {
    let edge = Edge::plain(&Origin::start());
    for (body, status, says) in [
        (json!({}), 400, "one of url, prefix"),
        (json!({"all": false}), 400, "one of url, prefix"),
        (json!({"url": "https://photos.example/a", "tag": "x"}), 400, "one of url, prefix"),
        (json!({"url": "https://photos.example/a", "hard": true}), 400, "hard"),
        (json!({"url": "https://"}), 422, "names no host"),
        (json!({"prefix": "https://photos.example/a*"}), 422, "%2A"),
        (json!({"pattern": "("}), 422, "unclosed"),
        (json!({"tag": ""}), 422, "Surrogate-Key"),
        (json!({"site": "nowhere"}), 404, "nowhere"),
    ] {
        let answer = purge(&edge, body.clone());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(says), "{body}: {}", answer.text());
    }
}

#[test]
fn the_log_and_hooks_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let hook = format!("[[hook]]\non = [\"purged\"]\nexec = [\"tee\", \"{}\"]\n", told.display());
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::before(&origin).tables(&hook).start();
    edge.get("/a");
    assert_eq!(purged(&edge, json!({"prefix": "https://photos.example/", "soft": true})), 1);
    let event = &edge.event("purged")["data"];
    assert_eq!(event["prefix"], "https://photos.example/*", "{event}");
    assert_eq!((&event["objects"], &event["soft"]), (&json!(1), &json!(true)), "{event}");
    let heard = || serde_json::from_slice::<Value>(&std::fs::read(&told).unwrap_or_default()).ok();
    eventually("the hook is told the same", || {
        heard().is_some_and(|heard| heard["type"] == "purged" && heard["data"]["objects"] == 1)
    });
}

#[test]
fn the_command_purges_what_it_names() {
    let (_origin, edge) = stored(&["/a", "/b"]);
    for (arguments, says) in [
        (&["--prefix", "https://photos.example/a", "--dry-run"][..], "/a/*: 1 object, "),
        (
            &["https://photos.example/%61", "--dry-run"],
            "would purge every cached copy of https://photos.example/a: 1 object, ",
        ),
        (&["--tag", "none", "--dry-run"], "would purge every cached copy with the tag none: 0 objects, "),
        (&["--all", "--soft", "--dry-run"], "would make stale every cached copy: 2 objects, "),
        (&["--tag", "none"], "purged 0 objects"),
        (&["--pattern", "/a$"], "purged 1 object"),
        (&["--site", "photos", "--soft"], "made stale 1 object"),
        (&["--all"], "purged 1 object"),
    ] {
        let output = edge.seawall(&[&["purge"][..], arguments].concat());
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.all());
        assert!(output.stdout.contains(says), "{arguments:?}: {}", output.all());
    }
    assert_eq!(edge.log().iter().filter(|line| line["event"] == "purged").count(), 4, "a dry run is no purge");
    for (arguments, code) in
        [(&[][..], 2), (&["--all", "--tag", "x"], 2), (&["--pattern", "("], 1), (&["--site", "x"], 1)]
    {
        let output = edge.seawall(&[&["purge"][..], arguments].concat());
        assert_eq!(output.code, code, "{arguments:?}: {}", output.all());
    }
}

fn purge_from(from: &str) -> String {
    format!("purge = {{ {from} }}\n")
}

#[test]
fn nobody_purges_on_the_edge_unless_the_config_says_who() {
    let (origin, edge) = stored(&["/a"]);
    let answer = edge.ask("PURGE", "/a", &[("Authorization", "Bearer x")]);
    assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(origin.count("/a"), 1, "nor does it go on to the origin, which may trust this edge");
    edge.get("/a").hit();
}

#[test]
fn who_asks_from_a_network_that_is_named_may_purge() {
    let origin = Origin::with("/a", Page::stored("hello").field("Vary", "Accept-Language"));
    let edge = Edge::before(&origin).site(&purge_from("allow = [\"127.0.0.0/8\"]")).start();
    for language in ["de", "fr"] {
        edge.ask("GET", "/a", &[("Accept-Language", language)]);
    }
    let answer = edge.ask("PURGE", "//%61", &[]);
    assert_eq!((answer.status, &answer.json()["objects"]), (200, &json!(2)), "{}", answer.text());
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
    let event = &edge.event("purged")["data"];
    assert_eq!((&event["url"], &event["id"]), (&json!("https://photos.example/a"), &json!(answer.id())), "{event}");
    assert_eq!(edge.record_of(&answer)["method"], "PURGE");

    let elsewhere = Edge::before(&origin).site(&purge_from("allow = [\"192.0.2.0/24\"]")).start();
    let fields = [("X-Forwarded-For", "192.0.2.1"), ("Authorization", "Bearer x")];
    assert_eq!(elsewhere.ask("PURGE", "/a", &fields).status, 403, "a stranger's word is not believed");
}

#[test]
fn who_knows_a_token_may_purge_and_none_is_written_anywhere() {
    let (old, new) = ("0123456789abcdef-old", "0123456789abcdef-new");
    let origin = Origin::with("/a", Page::stored("hello"));
    let builder = Edge::before(&origin).site(&purge_from("token_file = \"purge.tokens\""));
    let folder = builder.write();
    std::fs::write(folder.path().join("purge.tokens"), format!("{old}\n\n{new}\n")).unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer 0123456789abcdef-ol".to_owned()), 401),
        (Some(format!("Basic {new}")), 401),
        (Some(format!("Bearer {new}")), 200),
        (Some(format!("bearer {old}")), 200),
    ] {
        edge.get("/a");
        let fields: Vec<(&str, &str)> = authorization.iter().map(|value| ("Authorization", &**value)).collect();
        let answer = edge.ask("PURGE", "/a", &fields);
        assert_eq!(answer.status, status, "{authorization:?}");
        assert_eq!(answer.field("WWW-Authenticate"), (status == 401).then_some("Bearer"));
        let after = edge.get("/a");
        assert_eq!(after.is_hit(), status != 200, "{authorization:?}: {after:#?}");
    }
    // A token that is taken out of the file is worth nothing after a reload.
    std::fs::write(edge.path("purge.tokens"), format!("{new}\n")).unwrap();
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_eq!(edge.ask("PURGE", "/a", &[("Authorization", &format!("Bearer {old}"))]).status, 401);
    let shown = edge.seawall(&["check"]).all() + &edge.stderr() + &format!("{:?}", edge.log());
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn a_purge_of_what_is_blocked_is_refused_like_any_request() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::before(&origin).site(&purge_from("allow = [\"127.0.0.1\"]")).start();
    edge.block("https://photos.example/a", "N-1");
    assert_eq!(edge.ask("PURGE", "/a", &[]).status, 451);
    assert_eq!(Client::connect(edge.address).ask("PURGE", "unknown.example", "/a", &[]).status, 421);
}
