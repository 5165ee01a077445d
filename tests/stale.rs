//! Stale answers: while they are renewed, and where the origin fails.

use crate::harness::{Edge, Gate, Origin, Page, Reply, eventually};

/// Stale when it arrives, and stored for its validator's sake.
fn old(body: &str, directives: &str) -> Page {
    Page::ok(body).field("Cache-Control", directives).field("Age", "100").field("ETag", "\"1\"")
}

/// Has `/a` stored.
fn store(edge: &Edge, origin: &Origin) {
    assert_eq!(edge.get("/a").status, 200);
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn what_is_stale_is_served_at_once_and_renewed_behind_the_clients_back() {
    let gate = Gate::default();
    let first = old("old", "max-age=1, stale-while-revalidate=3600");
    let new = Page::stored("new").hold(0, &gate);
    let origin = Origin::start();
    origin.on_in_turn("/a", [first.into(), Reply::from(new)]);
    let edge = Edge::plain(&origin);
    store(&edge, &origin);
    for _ in 0..5 {
        let stale = edge.get("/a");
        assert_eq!(stale.text(), "old", "nobody waits for the origin");
        assert!(stale.field("Cache-Status").unwrap().starts_with("seawall; hit; ttl=-"), "{:?}", stale.fields);
        assert_eq!(edge.record_of(&stale)["cache"], "stale");
    }
    origin.until_asked("/a", 2);
    assert_eq!(origin.asked("/a")[1].field("If-None-Match"), Some("\"1\""));
    gate.open();
    eventually("the new one", || edge.get("/a").text() == "new");
    assert_eq!(origin.count("/a"), 2, "one fetch for all");
}

#[test]
fn the_shared_lifetime_forbids_it() {
    let origin = Origin::with("/a", old("x", "s-maxage=1, stale-while-revalidate=3600"));
    let edge = Edge::plain(&origin);
    store(&edge, &origin);
    edge.get("/a").fetched();
    assert_eq!(origin.count("/a"), 2);
}

#[test]
fn an_answer_stands_in_for_the_error_it_allows_for() {
    let broken = Page::new("503 Service Unavailable", "down");
    for (directives, status) in [("max-age=1, stale-if-error=3600", 200), ("max-age=1", 503)] {
        let origin = Origin::start();
        origin.on_in_turn("/a", [old("x", directives).into(), Reply::from(broken.clone())]);
        let edge = Edge::plain(&origin);
        store(&edge, &origin);
        assert_eq!(edge.get("/a").status, status, "{directives}");
    }
}

/// RFC 5861 section 4: "When used as a request Cache-Control extension".
#[test]
fn a_client_may_take_what_is_stale_for_an_error_unless_that_is_forbidden() {
    let broken = Page::new("503 Service Unavailable", "down");
    for (directives, asked, status) in [
        ("max-age=1", "stale-if-error=3600", 200),
        ("max-age=1", "stale-if-error=10", 503),
        ("max-age=1", "stale-if-error=oops", 503),
        ("max-age=1, stale-if-error=5", "stale-if-error=3600", 503),
        ("max-age=1, must-revalidate", "stale-if-error=3600", 503),
        ("s-maxage=1", "stale-if-error=3600", 503),
        ("no-cache", "stale-if-error=3600", 503),
    ] {
        let origin = Origin::start();
        origin.on_in_turn("/a", [old("x", directives).into(), Reply::from(broken.clone())]);
        let edge = Edge::plain(&origin);
        store(&edge, &origin);
        let answer = edge.ask("GET", "/a", &[("Cache-Control", asked)]);
        assert_eq!(answer.status, status, "{directives}; {asked}");
    }
}

#[test]
fn an_answer_stands_in_while_the_origin_is_away_unless_it_forbids_that() {
    for (directives, status) in [("max-age=1", 200), ("max-age=1, must-revalidate", 502)] {
        let origin = Origin::start();
        origin.on_in_turn("/a", [old("x", directives).into(), Reply::raw("")]);
        let edge = Edge::plain(&origin);
        store(&edge, &origin);
        assert_eq!(edge.get("/a").status, status, "{directives}");
    }
}

/// Nobody got a byte of it, so it is as if there had been no answer.
#[test]
fn an_answer_stands_in_for_one_that_breaks_off_while_it_is_held() {
    let half = Reply::raw("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nhalf");
    let odd = Page::stored("odd").field("Content-Encoding", "gzip");
    for (directives, status) in [("max-age=1, stale-if-error=3600", 200), ("max-age=1, must-revalidate", 502)] {
        for broken in [half.clone(), odd.clone().into()] {
            let origin = Origin::start();
            origin.on_in_turn("/a", [old("x", directives).into(), broken]);
            let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\n").start();
            edge.block(&crate::harness::sha256_hex(b"some other"), "N-1");
            store(&edge, &origin);
            let answer = edge.get("/a");
            assert_eq!(answer.status, status, "{directives}");
            assert!(status == 502 || answer.text() == "x", "{directives}");
            assert_eq!(origin.count("/a"), 2);
        }
    }
}

#[test]
fn what_is_blocked_stands_in_for_nothing() {
    let origin = Origin::start();
    let page = old("x", "max-age=1, stale-while-revalidate=3600, stale-if-error=3600");
    origin.on_in_turn("/a", [page.into(), Reply::raw("")]);
    let edge = Edge::plain(&origin);
    store(&edge, &origin);
    edge.block(&format!("https://{}/a", crate::harness::HOST), "N-1");
    assert_eq!(edge.get("/a").status, 451);
    assert_eq!(origin.count("/a"), 1, "nothing is fetched for it");
}

#[test]
fn fields_for_the_asker_alone_are_handed_to_nobody_after() {
    let page = Page::ok("x").field("Cache-Control", "max-age=60, private=\"Set-Cookie, X-Own\"");
    let origin = Origin::with("/a", page.field("Set-Cookie", "a=b").field("X-Own", "1").field("X-All", "2"));
    let edge = Edge::plain(&origin);
    let first = edge.get("/a");
    assert_eq!(
        (first.field("Set-Cookie"), first.field("X-Own"), first.field("X-All")),
        (Some("a=b"), Some("1"), Some("2"))
    );
    let second = edge.get("/a").hit();
    assert_eq!((second.field("Set-Cookie"), second.field("X-Own"), second.field("X-All")), (None, None, Some("2")));
}

#[test]
fn what_never_held_is_nobody_elses_whatever_happens() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| Page::ok(asked.field("Cookie").unwrap_or("nobody")).field("ETag", "\"1\"").into());
    let edge = Edge::plain(&origin);
    assert_eq!(edge.ask("GET", "/a", &[("Cookie", "alice")]).text(), "alice");
    origin.on_each("/a", |_| Page::ok("nobody").field("ETag", "\"2\"").into());
    assert_eq!(edge.ask("GET", "/a", &[("Cache-Control", "max-stale")]).text(), "nobody");
    assert_eq!(edge.ask("GET", "/a", &[("Cookie", "alice")]).text(), "nobody");
    drop(origin);
    assert_eq!(edge.get("/a").status, 502);
}
