//! Attacks on caches from the published research: what one client sends must not reach another by the store,
//! and what is one client's alone must not be stored.

use crate::harness::client::request;
use crate::harness::{Answer, Client, Edge, HOST, Origin, Page, Reply, Step, eventually};

/// Answers with all that it was asked, for everybody: whatever of one request is not in the key and comes
/// through is served to the next.
fn mirror() -> Origin {
    let origin = Origin::start();
    origin.on_each("*", |asked| Page::stored([asked.head.as_bytes(), &asked.body].concat()).into());
    origin
}

/// What an honest client gets, who asks after the attack.
fn after(edge: &Edge, target: &str, attack: &[u8]) -> Answer {
    let mut client = edge.connect();
    // Not half-closed: it could be taken for gone, and what it asked for with it.
    client.send(attack);
    client.answer("GET");
    let answer = edge.get(target);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn assert_clean(edge: &Edge, target: &str, what: &str, attack: &str) {
    let text = after(edge, target, attack.as_bytes()).text();
    assert!(!text.contains("evil"), "{what}:\n{text}");
}

/// J. Kettle, "Practical Web Cache Poisoning" (2018).
#[test]
fn fields_that_frameworks_route_by_poison_nothing() {
    let origin = mirror();
    let edge = Edge::plain(&origin);
    let fields = [
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Forwarded-Proto",
        "X-Forwarded-Scheme",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-For",
        "X_Forwarded_Host",
        "X.Forwarded.Host",
        "Forwarded",
        "X-Host",
        "X-Original-URL",
        "X.Original_URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "Script_Name",
        "X-Script-Name",
        "X-Traversal-Path",
        "Daphne-Root-Path",
        "X-Sendfile-Type",
        "X-Accel-Mapping",
        "X-Astro-Path",
        "$WSSN",
        "$WSSC",
        "X-Scheme",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Real-IP",
        "X-Request-Id",
    ];
    for (n, name) in fields.iter().enumerate() {
        let target = format!("/{n}");
        assert_clean(&edge, &target, name, &request("GET", HOST, &target, &[(name, "evil.example")]));
    }
}

/// The same, "Web Cache Entanglement" (2020): what stands in the request beside its path.
#[test]
fn no_part_of_a_request_is_left_out_of_the_key() {
    let origin = mirror();
    let edge = Edge::plain(&origin);
    for (what, attack) in [
        ("a query", request("GET", HOST, "/a?utm_content=evil", &[])),
        ("a query behind a semicolon", request("GET", HOST, "/a?x=1;evil=1", &[])),
        ("a fragment", request("GET", HOST, "/a#evil", &[])),
        ("parameters of a segment", request("GET", HOST, "/a;evil=1", &[])),
        ("a port", request("GET", &format!("{HOST}:6666"), "/a?evil", &[])),
        ("user and password", format!("GET http://evil@{HOST}/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n")),
        ("a body", request("GET", HOST, "/a", &[("Content-Length", "4")]) + "evil"),
        (
            "a body in chunks",
            request("GET", HOST, "/a", &[("Transfer-Encoding", "chunked")]) + "4\r\nevil\r\n0\r\n\r\n",
        ),
        ("a method", request("EVIL", HOST, "/a", &[]).replace("EVIL", "evil")),
        ("POST", request("POST", HOST, "/a", &[("Content-Length", "4")]) + "evil"),
        ("another host in the target", format!("GET http://evil.{HOST}/a HTTP/1.1\r\nHost: {HOST}\r\n\r\n")),
        ("a host of a site beside it", request("GET", "evil.photos.example", "/a", &[])),
    ] {
        assert_clean(&edge, "/a", what, &attack);
        assert_eq!(edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({ "all": true }))).status, 200);
    }
}

/// Texts that would be one, were the key made by writing its parts one behind the other.
#[test]
fn a_delimiter_in_a_part_makes_no_other_key() {
    let origin = mirror();
    let edge = Edge::plain(&origin);
    let targets = [
        "/a",
        "/a/",
        "//a",
        "/%61",
        "/a?",
        "/a?b",
        "/a%3Fb",
        "/a?b=1&c=2",
        "/a?c=2&b=1",
        "/a/../a",
        "/A",
        "/a%2f",
        "/a\\",
    ];
    for target in targets {
        edge.get(target);
    }
    for target in targets {
        let answer = edge.get(target);
        let line = format!("GET {target} HTTP/1.1\r\n");
        if answer.status == 200 {
            assert!(answer.text().starts_with(&line), "{target} was answered with {}", answer.text());
        }
    }
    assert!(edge.metric_where("seawall_requests_total", &["cache=\"hit\""]) > 5.0);
}

/// A port in `Host` that an origin writes into its links: an answer for it is no answer without it.
#[test]
fn variants_of_the_host_are_not_one() {
    let origin = mirror();
    let edge = Edge::plain(&origin);
    for host in ["photos.example:6666", "PHOTOS.EXAMPLE", "photos.example."] {
        let text = after(&edge, "/a", request("GET", host, "/a", &[]).as_bytes()).text();
        assert!(text.contains("\r\nhost: photos.example\r\n"), "{host}: {text}");
    }
    for host in
        ["evil.example", "photos.example@evil.example", "photos.example, evil.example", "evil.example:photos.example"]
    {
        let mut client = edge.connect();
        client.send(request("GET", host, "/a", &[]));
        assert!([400, 421].contains(&client.answer("GET").status), "{host}");
    }
}

/// H. V. Nguyen and others, "Your Cache Has Fallen" (2019): an error that one request provokes, for all.
#[test]
fn an_error_that_one_request_provokes_is_not_the_answer_for_all() {
    let origin = Origin::start();
    origin.on_each("*", |asked| match asked.method.as_str() {
        "GET" if asked.head.len() > 4_000 => Page::new("400 Bad Request", "too large").into(),
        "GET" if asked.field("X-Meta").is_some() => Page::new("400 Bad Request", "odd").into(),
        "GET" if asked.field("Range").is_some() => Page::new("416 Range Not Satisfiable", "").into(),
        "GET" => Page::stored("good").into(),
        _ => Page::new("405 Method Not Allowed", "no").field("Cache-Control", "max-age=600").into(),
    });
    let edge = Edge::plain(&origin);
    for (what, attack) in [
        ("a field too long for the origin", request("GET", HOST, "/a", &[("X-Long", &"a".repeat(6_000))])),
        ("a field that the origin dislikes", request("GET", HOST, "/a", &[("X-Meta", "\u{1}\u{7}")])),
        ("a tab in a field", request("GET", HOST, "/a", &[("X-Meta", "a\tb")])),
        ("another method", request("DELETE", HOST, "/a", &[])),
        ("a method by its override", request("GET", HOST, "/a", &[("X-HTTP-Method-Override", "DELETE")])),
        ("a range", request("GET", HOST, "/a", &[("Range", "bytes=99999-")])),
        ("a precondition", request("GET", HOST, "/a", &[("If-Match", "\"evil\"")])),
    ] {
        assert_eq!(after(&edge, "/a", attack.as_bytes()).text(), "good", "{what}");
        assert_eq!(edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({ "all": true }))).status, 200);
    }
}

/// N. Davison, "Abusing HTTP hop-by-hop request headers" (2019): a client has a field dropped on the way.
#[test]
fn a_client_has_no_end_to_end_field_dropped() {
    let origin = mirror();
    let edge = Edge::plain(&origin);
    for named in ["Cookie", "Authorization", "X-Forwarded-For", "Host", "Cache-Control"] {
        let mut client = edge.connect();
        client.send(request("GET", HOST, "/a", &[(named, "x"), ("Connection", &format!("close, {named}"))]));
        assert_eq!(client.answer("GET").status, 400, "{named}");
    }
    assert_eq!(origin.count("/a"), 0);
}

/// O. Gil, "Web Cache Deception" (2017), and M. Doyhenard, "Gotta cache 'em all" (2024): what looks
/// like a file is no reason to store it.
#[test]
fn what_is_one_clients_is_not_stored_for_its_name() {
    let origin = Origin::start();
    origin.on_each("*", |asked| {
        let who = asked.field("Cookie").unwrap_or("nobody").to_owned();
        match asked.target.contains("said") {
            true => Page::ok(who).field("Cache-Control", "private, no-store").into(),
            false => Page::ok(who).into(),
        }
    });
    let edge = Edge::plain(&origin);
    for path in [
        "/account/x.css",
        "/account/said/x.css",
        "/account;x.css",
        "/account%3Fx.css",
        "/account%23x.css",
        "/account%2Fx.js",
        "/account/..%2Fstatic/x.png",
        "/static/..%2Faccount",
        "/static/%2e%2e/account?x.css",
        "/said/robots.txt",
        "/said/favicon.ico",
    ] {
        let victim = edge.ask("GET", path, &[("Cookie", "session=victim")]);
        assert_eq!((victim.status, victim.text().as_str()), (200, "session=victim"), "{path}");
        let other = edge.get(path);
        assert_eq!((other.is_hit(), other.text().as_str()), (false, "nobody"), "{path}");
    }
    for path in ["/account%00.css", "/account%0a.css", "/account%0d%0aX.css"] {
        assert_eq!(edge.get(path).status, 400, "{path}");
    }
}

/// An answer that brings a session, or that was for somebody who signed in.
#[test]
fn sessions_and_what_was_signed_in_for_are_not_stored() {
    let origin = Origin::start();
    origin.on("/login", Page::stored("welcome").field("Set-Cookie", "session=victim"));
    origin.on("/me", Page::stored("mine"));
    let edge = Edge::plain(&origin);
    edge.get("/login").fetched();
    edge.get("/login").fetched();
    edge.ask("GET", "/me", &[("Authorization", "Basic eDp5")]).fetched();
    edge.get("/me").fetched();
}

/// A. Klein, "Divide and Conquer" (2004): an origin that can be made to write two answers.
#[test]
fn the_second_of_two_answers_is_nobodys() {
    let origin = Origin::start();
    let second = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nevil";
    let first = format!("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n{second}");
    origin.on("/redirect", Reply::script([Step::Send(first.into_bytes())]));
    origin.on("/next", Page::stored("good"));
    let edge = Edge::plain(&origin);
    for _ in 0..3 {
        edge.get("/redirect");
        assert_eq!(edge.get("/next").text(), "good");
    }
    for target in ["/a%0d%0aLocation:%20/evil", "/a%0aSet-Cookie:evil"] {
        assert_eq!(edge.get(target).status, 400, "{target}");
    }
}

/// A part that an origin sends unasked, or another than was asked for, is never stored as the whole.
#[test]
fn a_part_is_never_the_whole() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.field("Range") {
        Some(_) => Page::new("206 Partial Content", "od")
            .field("Content-Range", "bytes 1-2/4")
            .field("Cache-Control", "max-age=600")
            .field("ETag", "\"1\"")
            .into(),
        None => Page::stored("good").field("ETag", "\"1\"").into(),
    });
    let edge = Edge::plain(&origin);
    for range in ["bytes=1-2", "bytes=0-", "bytes=-4", "bytes=0-0,2-3", "evil=1-2"] {
        edge.ask("GET", "/a", &[("Range", range)]);
        let whole = edge.get("/a");
        assert_eq!((whole.status, whole.text().as_str()), (200, "good"), "{range}");
        assert_eq!(edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({ "all": true }))).status, 200);
    }
}

/// A client can't fill the memory with variants of one page, nor drive out the others.
#[test]
fn variants_of_one_page_are_bounded() {
    let origin = Origin::start();
    origin.on("/a", Page::stored("x").field("Vary", "Accept-Language"));
    origin.on("/b", Page::stored("y"));
    let edge = Edge::plain(&origin);
    edge.get("/b");
    let mut client = Client::connect(edge.address);
    for n in 0..100 {
        client.ask("GET", HOST, "/a", &[("Accept-Language", &format!("x-{n}"))]);
    }
    eventually("a bound", || edge.metric("seawall_cache_objects") <= 33.0);
    edge.get("/b").hit();
}
