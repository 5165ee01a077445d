//! The cache: what is stored, for how long, for whom; and one fetch for many askers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use crate::harness::client::{End, request};
use crate::harness::{Answer, Client, Edge, Gate, HOST, Origin, Page, Reply, Step, eventually, noise, until};

/// Asks twice: the origin for the first answer; back comes the second.
fn twice(edge: &Edge, target: &str, fields: &[(&str, &str)]) -> Answer {
    edge.ask("GET", target, fields).fetched();
    edge.ask("GET", target, fields)
}

fn http_date(from_now: i64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs((now + from_now) as u64);
    httpdate::fmt_http_date(then)
}

#[test]
fn the_second_asker_gets_it_from_the_store() {
    let origin = Origin::with("/a", Page::stored("hello").field("X-Own", "1"));
    let edge = Edge::plain(&origin);
    let first = edge.get("/a");
    assert_eq!(first.field("Cache-Status"), Some("seawall; fwd=uri-miss; fwd-status=200; stored"));
    assert_eq!(first.field("Age"), None, "it is not from the store");
    let second = edge.get("/a");
    assert_eq!((second.status, second.text().as_str(), second.field("X-Own")), (200, "hello", Some("1")));
    assert!(second.field("Cache-Status").unwrap().starts_with("seawall; hit; ttl="), "{:?}", second.fields);
    let age: u64 = second.field("Age").expect("Age").parse().unwrap();
    assert!(age <= 5, "Age: {age}");
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(edge.record_of(&first)["cache"], "miss");
    let (one, two) = (edge.record_of(&first), edge.record_of(&second));
    assert_eq!(two["cache"], "hit");
    assert_eq!((&one["fill"], &one["digest"]), (&two["fill"], &two["digest"]), "the same bytes");
}

#[test]
fn what_may_be_stored() {
    let origin = Origin::start();
    let edge = Edge::plain(&origin);
    let (future, past) = (http_date(600), http_date(-600));
    for (name, fields, stored) in [
        ("max-age", vec![("Cache-Control", "max-age=60")], true),
        ("s-maxage", vec![("Cache-Control", "s-maxage=60, max-age=0")], true),
        ("s-maxage-0", vec![("Cache-Control", "s-maxage=0, max-age=60")], false),
        ("expires", vec![("Expires", future.as_str())], true),
        ("expired", vec![("Expires", past.as_str())], false),
        ("expires-0", vec![("Expires", "0")], false),
        ("max-age-beats-expires", vec![("Expires", past.as_str()), ("Cache-Control", "max-age=60")], true),
        ("max-age-0-beats-expires", vec![("Expires", future.as_str()), ("Cache-Control", "max-age=0")], false),
        ("no-store", vec![("Cache-Control", "no-store, max-age=60")], false),
        ("private", vec![("Cache-Control", "private, max-age=60")], false),
        ("no-cache", vec![("Cache-Control", "no-cache, max-age=60")], false),
        ("set-cookie", vec![("Cache-Control", "max-age=60"), ("Set-Cookie", "a=b")], false),
        ("vary-star", vec![("Cache-Control", "max-age=60"), ("Vary", "*")], false),
        ("upper-case", vec![("CACHE-CONTROL", "MAX-AGE=60")], true),
        ("unknown-directive", vec![("Cache-Control", "sparkling, max-age=60")], true),
        ("old-on-arrival", vec![("Cache-Control", "max-age=60"), ("Age", "100")], false),
        ("two-max-ages", vec![("Cache-Control", "max-age=60"), ("Cache-Control", "max-age=0")], false),
        ("bad-max-age", vec![("Cache-Control", "max-age=sixty")], false),
    ] {
        let target = format!("/{name}");
        origin.on(&target, fields.iter().fold(Page::ok("x"), |page, (name, value)| page.field(name, value)));
        let again = twice(&edge, &target, &[]);
        assert_eq!(again.is_hit(), stored, "{name}: {again:#?}");
    }
}

#[test]
fn an_answer_without_a_lifetime_is_at_most_guessed_from_last_modified() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    twice(&edge, "/a", &[]).fetched(); // nothing says how long it stays fresh
}

#[test]
fn statuses_other_than_200_are_stored_where_they_may_be() {
    let origin = Origin::start();
    let edge = Edge::plain(&origin);
    for status in ["404 Not Found", "410 Gone", "301 Moved Permanently", "200 OK", "302 Found"] {
        let target = format!("/{}", &status[..3]);
        origin.on(&target, Page::new(status, "x").field("Cache-Control", "max-age=60").field("Location", "/b"));
        twice(&edge, &target, &[]).hit();
    }
    origin.on("/500", Page::new("500 Internal Server Error", "x"));
    twice(&edge, "/500", &[]).fetched();
}

#[test]
fn a_fresh_answer_grows_stale() {
    let origin = Origin::with("/a", Page::ok("x").field("Cache-Control", "max-age=1"));
    let edge = Edge::plain(&origin);
    // A second is long, but not for a machine that is held up: then it is tried once more.
    until("a hit while it is fresh", || {
        edge.get("/a");
        edge.get("/a").is_hit().then_some(())
    });
    let before = origin.count("/a");
    eventually("another fetch", || {
        edge.get("/a");
        origin.count("/a") > before
    });
}

#[test]
fn age_counts_on_from_the_origins() {
    let origin = Origin::with("/a", Page::stored("x").field("Age", "100"));
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    let hit = edge.get("/a").hit();
    let age: u64 = hit.field("Age").unwrap().parse().unwrap();
    assert!((100..110).contains(&age), "Age: {age}");
}

#[test]
fn answers_to_authorized_requests_are_stored_only_where_that_is_said() {
    let origin = Origin::start();
    let edge = Edge::plain(&origin);
    let authorized = [("Authorization", "Basic eDp5")];
    for (name, control, stored) in [
        ("plain", "max-age=60", false),
        ("public", "public, max-age=60", true),
        ("s-maxage", "s-maxage=60", true),
        ("must-revalidate", "must-revalidate, max-age=60", true),
    ] {
        let target = format!("/{name}");
        origin.on(&target, Page::ok("x").field("Cache-Control", control));
        let again = twice(&edge, &target, &authorized);
        assert_eq!(again.is_hit(), stored, "{control}: {again:#?}");
    }
    assert_eq!(origin.asked("/plain")[0].field("Authorization"), Some("Basic eDp5"));
}

#[test]
fn one_clients_private_answer_goes_to_nobody_else() {
    let origin = Origin::start();
    origin.on_each("/me", |asked| {
        let who = asked.field("Cookie").unwrap_or("nobody").to_owned();
        Page::ok(who).field("Cache-Control", "private, max-age=600").into()
    });
    let edge = Edge::plain(&origin);
    for who in ["ann", "ben", "ann"] {
        assert_eq!(edge.ask("GET", "/me", &[("Cookie", who)]).text(), who);
    }
}

#[test]
fn vary_keeps_variants_apart() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| {
        let language = asked.field("Accept-Language").unwrap_or("none").to_owned();
        Page::stored(language).field("Vary", "Accept-Language").into()
    });
    let edge = Edge::plain(&origin);
    let ask = |language: &str| edge.ask("GET", "/a", &[("Accept-Language", language)]);
    assert_eq!((ask("de").text(), ask("fr").text(), edge.get("/a").text()), ("de".into(), "fr".into(), "none".into()));
    for language in ["de", "fr"] {
        assert_eq!(ask(language).hit().text(), language);
    }
    assert_eq!(origin.count("/a"), 3);
    assert!(ask("it").cache().contains("fwd=vary-miss"), "the reason is that no variant fits");
}

#[test]
fn the_key_keeps_apart_what_the_origin_could() {
    let origin = Origin::start();
    origin.on_each("*", |asked| Page::stored(format!("{} {}", asked.field("Host").unwrap(), asked.target)).into());
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        for (host, target) in [
            (HOST, "/a"),
            (HOST, "/a/"),
            (HOST, "/a?"),
            (HOST, "/a?x=1&y=2"),
            (HOST, "/a?y=2&x=1"),
            (HOST, "/%61"),
            (HOST, "//a"),
            ("www.photos.example", "/a"),
            ("photos.example:81", "/a"),
        ] {
            assert_eq!(client.get(host, target).text(), format!("{host} {target}"));
        }
    }
}

#[test]
fn a_clients_condition_is_answered_from_the_store() {
    let modified = http_date(-86_400);
    let page = Page::stored("hello").field("ETag", "\"v1\"").field("Last-Modified", &modified);
    let origin = Origin::with("/a", page);
    let edge = Edge::plain(&origin);
    edge.get("/a");
    for (name, value, status) in [
        ("If-None-Match", "\"v1\"", 304),
        ("If-None-Match", "W/\"v1\"", 304),
        ("If-None-Match", "\"v0\", \"v1\"", 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"v2\"", 200),
        ("If-Modified-Since", modified.as_str(), 304),
        ("If-Modified-Since", http_date(-100_000).as_str(), 200),
        ("If-Modified-Since", "yesterday", 200),
    ] {
        let mut client = edge.connect();
        let answer = client.ask("GET", HOST, "/a", &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 304 {
            assert!(answer.body.is_empty());
            assert_eq!(answer.field("ETag"), Some("\"v1\""));
            assert_eq!(answer.field("Cache-Control"), Some("max-age=600"));
        }
        assert_eq!(client.get(HOST, "/a").text(), "hello", "the connection stands where the next answer begins");
    }
    // RFC 9110 section 13.1.3: If-None-Match counts, If-Modified-Since beside it doesn't.
    let both = [("If-None-Match", "\"v2\""), ("If-Modified-Since", modified.as_str())];
    assert_eq!(edge.ask("GET", "/a", &both).status, 200);
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn a_stale_answer_is_revalidated_and_304_makes_it_fresh() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.field("If-None-Match") {
        Some("\"v1\"") => Page::new("304 Not Modified", "")
            .field("ETag", "\"v1\"")
            .field("Cache-Control", "max-age=600")
            .field("X-Fresh", "yes")
            .into(),
        _ => Page::ok("hello").field("ETag", "\"v1\"").field("Cache-Control", "max-age=0").into(),
    });
    let edge = Edge::plain(&origin);
    let first = edge.get("/a");
    let second = edge.get("/a");
    assert_eq!((second.status, second.text().as_str()), (200, "hello"));
    assert!(second.cache().contains("fwd=stale") && second.cache().contains("fwd-status=304"), "{}", second.cache());
    assert_eq!(edge.record_of(&second)["cache"], "revalidated");
    assert_eq!(edge.record_of(&second)["digest"], edge.record_of(&first)["digest"]);
    let third = edge.get("/a").hit();
    assert_eq!((third.text().as_str(), third.field("X-Fresh")), ("hello", Some("yes")));
    assert_eq!(origin.count("/a"), 2);
}

#[test]
fn a_stale_answer_that_changed_is_replaced() {
    let origin = Origin::start();
    let turn = Arc::new(AtomicUsize::new(0));
    origin.on_each("/a", move |_| {
        let turn = turn.fetch_add(1, SeqCst);
        let lifetime = if turn == 0 { "max-age=0" } else { "max-age=600" };
        Page::ok(format!("version {turn}"))
            .field("ETag", &format!("\"v{turn}\""))
            .field("Cache-Control", lifetime)
            .into()
    });
    let edge = Edge::plain(&origin);
    assert_eq!(edge.get("/a").text(), "version 0");
    assert_eq!(edge.get("/a").text(), "version 1");
    assert_eq!(origin.asked("/a")[1].field("If-None-Match"), Some("\"v0\""));
    assert_eq!(edge.get("/a").hit().text(), "version 1");
}

#[test]
fn a_clients_condition_on_a_miss_gives_the_cache_the_whole_and_the_client_its_304() {
    let origin = Origin::with("/a", Page::stored("hello").field("ETag", "\"v1\""));
    let edge = Edge::plain(&origin);
    let answer = edge.ask("GET", "/a", &[("If-None-Match", "\"v1\"")]);
    assert!(matches!(answer.status, 200 | 304), "{}", answer.status);
    assert_eq!(edge.get("/a").text(), "hello", "nobody gets a 304 they didn't ask for");
}

#[test]
fn head_is_answered_from_the_store() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    let head = edge.ask("HEAD", "/a", &[]).hit();
    assert_eq!((head.status, head.field("Content-Length"), head.body.len()), (200, Some("5"), 0));
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn a_head_on_a_miss_stores_no_empty_body() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    assert_eq!(edge.ask("HEAD", "/a", &[]).status, 200);
    assert_eq!(edge.get("/a").text(), "hello");
}

#[test]
fn unsafe_methods_invalidate_their_url() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::plain(&origin);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        edge.get("/a");
        edge.get("/a").hit();
        assert_eq!(edge.ask(method, "/a", &[("Content-Length", "0")]).status, 200);
        // It makes what is stored doubtful (RFC 9111 section 4.4).
        let after = edge.get("/a");
        assert!(after.is_stored(), "after {method}: {after:#?}");
    }
}

#[test]
fn an_unsafe_method_that_fails_invalidates_nothing() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.method.as_str() {
        "GET" => Page::stored("x").into(),
        _ => Page::new("500 Internal Server Error", "no").into(),
    });
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    assert_eq!(edge.ask("POST", "/a", &[("Content-Length", "0")]).status, 500);
    edge.get("/a").hit();
}

#[test]
fn a_clients_directives_force_no_fetch() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    for (name, value) in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "max-age=0"),
        ("Cache-Control", "min-fresh=10000"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
    ] {
        let answer = edge.ask("GET", "/a", &[(name, value)]);
        assert!(answer.is_hit(), "{name}: {value}: {answer:#?}");
    }
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn a_site_may_let_clients_refresh() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::before(&origin).site("client_refresh = true\n").start();
    edge.get("/a").stored();
    edge.ask("GET", "/a", &[("Cache-Control", "no-cache")]).fetched();
    assert_eq!(origin.count("/a"), 2);
}

#[test]
fn what_is_fetched_for_no_store_is_not_stored() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::plain(&origin);
    edge.ask("GET", "/a", &[("Cache-Control", "no-store")]).fetched();
    edge.get("/a").stored();
    edge.get("/a").hit();
}

#[test]
fn only_if_cached_asks_nobody() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let only = [("Cache-Control", "only-if-cached")];
    assert_eq!(edge.ask("GET", "/a", &only).status, 504);
    assert_eq!(origin.count("/a"), 0);
    edge.get("/a").stored();
    edge.ask("GET", "/a", &only).hit();
}

#[test]
fn max_stale_is_honoured_within_what_the_answer_allows() {
    let origin = Origin::start();
    origin.on("/loose", Page::ok("x").field("ETag", "\"1\"").field("Cache-Control", "max-age=0"));
    origin.on("/strict", Page::ok("x").field("ETag", "\"1\"").field("Cache-Control", "max-age=0, must-revalidate"));
    let edge = Edge::plain(&origin);
    for target in ["/loose", "/strict"] {
        edge.get(target);
        edge.ask("GET", target, &[("Cache-Control", "max-stale=1000")]);
    }
    assert_eq!(origin.count("/loose"), 1, "a stale answer will do");
    assert_eq!(origin.count("/strict"), 2, "must-revalidate forbids it");
}

#[test]
fn cookies_are_stored_where_the_site_says_so() {
    let origin = Origin::with("/a", Page::stored("x").field("Set-Cookie", "a=b"));
    let edge = Edge::before(&origin).site("store_set_cookie = true\n").start();
    edge.get("/a").stored();
    let hit = edge.get("/a").hit();
    assert_eq!(hit.field("Set-Cookie"), Some("a=b"));
    assert!(!edge.record_of(&hit)["departures"].as_array().expect("departures").is_empty());
}

#[test]
fn repr_digest_is_sent_where_the_site_asks_for_it() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::before(&origin).site("repr_digest = true\n").start();
    edge.get("/a");
    let hit = edge.get("/a");
    // printf hello | openssl dgst -sha256 -binary | base64
    assert_eq!(hit.field("Repr-Digest"), Some("sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"));
}

#[test]
fn the_store_is_bounded_in_bytes() {
    let origin = Origin::start();
    origin.on_each("*", |asked| Page::stored(noise(200_000, asked.target.len() as u64)).into());
    let edge = Edge::before(&origin).cache("memory = \"4MiB\"").start();
    let mut client = edge.connect();
    for n in 0..60 {
        client.get(HOST, &format!("/{n}"));
    }
    eventually("at most what the config says", || {
        let bytes = edge.metric("seawall_cache_bytes");
        bytes > 0.0 && bytes <= 4.0 * 1024.0 * 1024.0
    });
}

#[test]
fn an_object_over_max_object_streams_through_and_is_not_stored() {
    let origin = Origin::start();
    origin.on("/small", Page::stored(noise(10_000, 1)));
    origin.on("/large", Page::stored(noise(20_000, 2)));
    origin.on("/large-chunked", Page::stored(noise(20_000, 3)).chunked());
    let edge = Edge::before(&origin).cache("memory = \"16MiB\"\nmax_object = \"16KiB\"").start();
    twice(&edge, "/small", &[]).hit();
    for target in ["/large", "/large-chunked"] {
        twice(&edge, target, &[]).fetched();
        let answer = edge.get(target);
        assert_eq!(answer.body.len(), 20_000);
        assert_eq!(edge.record_of(&answer)["digest"], crate::harness::sha256_hex(&answer.body), "hashed as it streams");
    }
}

// One fetch for many askers.

fn asking(edge: &Edge, target: &str, clients: usize) -> Vec<Client> {
    let mut all: Vec<Client> = (0..clients).map(|_| edge.connect()).collect();
    for client in &mut all {
        client.send(request("GET", HOST, target, &[]));
    }
    all
}

fn take_text(client: &mut Client, length: usize) -> String {
    let mut got = Vec::new();
    client.take(length, &mut got);
    String::from_utf8_lossy(&got).into_owned()
}

#[test]
fn many_askers_share_one_fetch_and_all_of_them_stream() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored("first and last").hold(5, &gate));
    let edge = Edge::plain(&origin);
    let mut clients = asking(&edge, "/a", 20);
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
        assert_eq!(take_text(client, 5), "first", "followers read what is there already");
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(take_text(client, 9), " and last");
    }
    assert_eq!(origin.count("/a"), 1);
    let collapsed = || edge.metric_where("seawall_requests_total", &["cache=\"collapsed\""]);
    eventually("nineteen that joined", || collapsed() == 19.0);
    edge.get("/a").hit();
}

#[test]
fn a_leader_that_leaves_strands_no_one() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored("first and last").hold(5, &gate));
    let edge = Edge::plain(&origin);
    let mut leader = edge.connect();
    leader.send(request("GET", HOST, "/a", &[]));
    leader.head();
    let mut follower = edge.connect();
    follower.send(request("GET", HOST, "/a", &[]));
    follower.head();
    drop(leader);
    gate.open();
    assert_eq!(take_text(&mut follower, 14), "first and last");
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn a_leader_that_leaves_before_the_head_strands_no_one() {
    let gate = Gate::default();
    let origin = Origin::start();
    let waits = gate.clone();
    origin.on_each("/a", move |_| {
        waits.pass();
        Page::stored("x").into()
    });
    let edge = Edge::plain(&origin);
    let mut leader = edge.connect();
    leader.send(request("GET", HOST, "/a", &[]));
    let mut follower = edge.connect();
    follower.send(request("GET", HOST, "/a", &[]));
    eventually("the fetch", || origin.connections() >= 1);
    drop(leader);
    gate.open();
    assert_eq!(follower.answer("GET").text(), "x");
}

#[test]
fn an_answer_for_one_alone_goes_to_one_alone() {
    let gate = Gate::default();
    let origin = Origin::start();
    let waits = gate.clone();
    origin.on_each("/me", move |asked| {
        waits.pass();
        Page::ok(asked.field("X-Request-Id").unwrap()).field("Cache-Control", "private").into()
    });
    let edge = Edge::plain(&origin);
    let mut clients = asking(&edge, "/me", 10);
    eventually("a fetch", || origin.connections() >= 1);
    gate.open();
    for client in &mut clients {
        let answer = client.answer("GET");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), answer.id(), "each has its own");
    }
    assert_eq!(origin.count("/me"), 10);
}

#[test]
fn followers_of_a_fetch_that_breaks_learn_of_it_and_nothing_is_stored() {
    let gate = Gate::default();
    let body = noise(1000, 1);
    let reply = Reply::script([
        Step::Send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2000\r\n\r\n".to_vec()),
        Step::SendBody(body),
        Step::Wait(gate.clone()),
        Step::Reset,
    ]);
    let origin = Origin::start();
    origin.on_in_turn("/a", [reply, Page::stored("whole").into()]);
    let edge = Edge::plain(&origin);
    let mut clients = asking(&edge, "/a", 5);
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
    }
    gate.open();
    for client in &mut clients {
        let mut got = Vec::new();
        assert!(matches!(client.take(2000, &mut got), End::Closed | End::Reset), "no silent truncation");
    }
    assert_eq!(edge.get("/a").fetched().text(), "whole");
}

#[test]
fn followers_of_a_fetch_that_fails_get_a_definite_answer() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Reply::script([Step::Wait(gate.clone()), Step::Close]));
    let edge = Edge::plain(&origin);
    let mut clients = asking(&edge, "/a", 5);
    origin.until_asked("/a", 1);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 502);
    }
    origin.on("/a", Page::stored("mended"));
    assert_eq!(edge.get("/a").text(), "mended");
}

#[test]
fn a_slow_follower_holds_up_no_other() {
    let body = noise(4 << 20, 5);
    let origin = Origin::with("/a", Page::stored(&body));
    let edge = Edge::plain(&origin);
    let mut slow = Client::connect_narrow(edge.address, 4096);
    slow.send(request("GET", HOST, "/a", &[]));
    slow.head();
    let quick = edge.get("/a");
    assert!(quick.body == body, "the quick one has all of it while the slow one reads nothing");
    let mut got = Vec::new();
    assert_eq!(slow.take(body.len(), &mut got), End::Whole);
    assert!(got == body);
}

#[test]
fn a_purge_removes_every_variant() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| {
        Page::stored(asked.field("Accept-Language").unwrap_or("none")).field("Vary", "Accept-Language").into()
    });
    let edge = Edge::plain(&origin);
    let ask = |language: &str| -> Answer { edge.ask("GET", "/a", &[("Accept-Language", language)]) };
    for language in ["de", "fr", "de", "fr"] {
        ask(language);
    }
    assert_eq!(origin.count("/a"), 2);
    let body = serde_json::json!({ "url": "https://photos.example/a" });
    let purged = edge.api("POST", "/api/v1/purge", Some(&body));
    assert_eq!(purged.status, 200, "{}", purged.text());
    assert_eq!(purged.json()["objects"], 2, "{}", purged.text());
    assert!(purged.json()["bytes"].as_u64() >= Some(4), "{}", purged.text());
    for language in ["de", "fr"] {
        ask(language).stored();
    }
    assert_eq!(edge.event("purged")["event"], "purged");
}

#[test]
fn a_purge_reaches_what_is_being_fetched() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored("old and gone").hold(3, &gate));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/a", &[]));
    client.head();
    edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({ "url": "https://photos.example/a" })));
    gate.open();
    assert_eq!(take_text(&mut client, 12), "old and gone", "whoever is being answered has all of it");
    origin.on("/a", Page::stored("new"));
    assert_eq!(edge.get("/a").text(), "new", "but it is not stored");
}

#[test]
fn a_range_is_answered() {
    let origin = Origin::with("/a", Page::stored("0123456789"));
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let answer = edge.ask("GET", "/a", &[("Range", "bytes=2-4")]);
    // RFC 9110 section 14.2: a server may ignore Range; if it answers with a part, it is that part.
    match answer.status {
        206 => {
            assert_eq!(answer.text(), "234");
            assert_eq!(answer.field("Content-Range"), Some("bytes 2-4/10"));
            let record = edge.record_of(&answer);
            assert_eq!((&record["range"], &record["bytes"]), (&"2-4/10".into(), &3.into()), "{record}");
        }
        200 => assert_eq!(answer.text(), "0123456789"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_partial_answer_is_not_stored_as_the_whole() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.field("Range") {
        Some("bytes=2-4") => Page::new("206 Partial Content", "234")
            .field("Content-Range", "bytes 2-4/10")
            .field("Cache-Control", "max-age=600")
            .into(),
        _ => Page::stored("0123456789").into(),
    });
    let edge = Edge::plain(&origin);
    let part = edge.ask("GET", "/a", &[("Range", "bytes=2-4")]);
    assert!(matches!((part.status, part.text().as_str()), (206, "234") | (200, "0123456789")), "{part:?}");
    assert_eq!(edge.get("/a").text(), "0123456789");
}
