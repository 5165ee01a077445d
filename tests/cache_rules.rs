//! Rules of a site that go beyond the standard: each changes what it says, and its record tells.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::json;

use crate::harness::client::{End, request};
use crate::harness::{Answer, Client, Edge, Gate, HOST, Origin, Page, eventually, until};

/// An edge before this origin whose site has these cache rules.
fn ruled(origin: &Origin, rules: &str) -> Edge {
    Edge::before(origin).site(&format!("cache = {{ {rules} }}\n")).start()
}

/// The seconds that a stored answer has left.
fn ttl(answer: &Answer) -> i64 {
    let status = answer.field("Cache-Status").unwrap();
    status.rsplit("ttl=").next().unwrap().parse().unwrap_or_else(|_| panic!("{status}"))
}

fn departures(edge: &Edge, answer: &Answer) -> serde_json::Value {
    edge.record_of(answer)["departures"].clone()
}

#[test]
fn how_long_answers_hold_is_the_sites_word() {
    let days_ago = httpdate::fmt_http_date(std::time::SystemTime::now() - std::time::Duration::from_secs(864_000));
    for (rules, status, fields, holds, departure) in [
        ("ttl = \"10m\"", "200 OK", vec![("Cache-Control", "max-age=5")], Some(600), Some("ttl-override")),
        ("ttl = \"10m\"", "200 OK", vec![], Some(600), Some("ttl-override")),
        (
            "ttl = \"10m\"",
            "200 OK",
            vec![("Cache-Control", "max-age=5"), ("Age", "3")],
            Some(600),
            Some("ttl-override"),
        ),
        ("ttl = \"10m\"", "301 Moved Permanently", vec![("Expires", "0")], Some(600), Some("ttl-override")),
        ("ttl = \"10m\"", "404 Not Found", vec![("Cache-Control", "max-age=300")], Some(300), None),
        ("ttl = \"10m\"", "200 OK", vec![("Cache-Control", "no-store")], None, None),
        ("ttl = \"10m\"", "200 OK", vec![("Cache-Control", "private, max-age=60")], None, None),
        ("ttl = \"10m\"", "200 OK", vec![("Set-Cookie", "a=b")], None, None),
        ("ttl = \"10m\"", "200 OK", vec![("Cache-Control", "max-age=600")], Some(600), None),
        ("max_ttl = \"1m\"", "200 OK", vec![("Cache-Control", "max-age=600")], Some(60), Some("ttl-override")),
        ("max_ttl = \"10m\"", "200 OK", vec![("Cache-Control", "max-age=300")], Some(300), None),
        ("heuristics = false", "200 OK", vec![("Last-Modified", days_ago.as_str())], None, None),
        ("heuristics = true", "200 OK", vec![("Last-Modified", days_ago.as_str())], Some(86_400), None),
        ("negative = { ttl = \"1m\" }", "404 Not Found", vec![], Some(60), Some("negative-ttl")),
        ("negative = { ttl = \"1m\" }", "503 Service Unavailable", vec![], Some(60), Some("negative-ttl")),
        (
            "negative = { ttl = \"1m\" }",
            "503 Service Unavailable",
            vec![("Cache-Control", "max-age=300")],
            Some(300),
            None,
        ),
        ("negative = { ttl = \"1m\" }", "503 Service Unavailable", vec![("Cache-Control", "no-store")], None, None),
        ("negative = { ttl = \"1m\" }", "403 Forbidden", vec![], None, None),
        ("negative = { ttl = \"1m\", statuses = 403 }", "403 Forbidden", vec![], Some(60), Some("negative-ttl")),
        ("negative = { ttl = \"1m\", statuses = 403 }", "503 Service Unavailable", vec![], None, None),
    ] {
        let page = fields.iter().fold(Page::new(status, "x"), |page, (name, value)| page.field(name, value));
        let origin = Origin::with("/a", page);
        let edge = ruled(&origin, rules);
        edge.get("/a");
        let second = edge.get("/a");
        let case = format!("{rules}, {status}, {fields:?}: {:?}", second.field("Cache-Status"));
        assert_eq!(second.is_hit(), holds.is_some(), "{case}");
        if let Some(holds) = holds {
            assert!((holds - 30..=holds).contains(&ttl(&second)), "{case}");
        }
        let told = departures(&edge, &second);
        assert_eq!(
            told.as_array().is_some_and(|all| all.contains(&json!(departure))),
            departure.is_some(),
            "{case} {told}"
        );
    }
}

#[test]
fn parameters_that_make_no_difference_are_one_answer() {
    let origin = Origin::start();
    for target in ["/a", "/a?b=2&id=1", "/a?id=1;b=2"] {
        origin.on(target, Page::stored(target));
    }
    let edge = ruled(&origin, "ignore_query = [\"utm_*\", \"fbclid\"], sort_query = true");
    for (target, named) in [
        ("/a?utm_source=x&fbclid=1", "/a"),
        ("/a?utm_medium=y", "/a"),
        ("/a?id=1&utm_source=x&b=2", "/a?b=2&id=1"),
        ("/a?b=2&id=1", "/a?b=2&id=1"),
        ("/a?id=1;b=2", "/a?id=1;b=2"),
    ] {
        let answer = edge.get(target);
        assert_eq!(answer.text(), named, "{target}");
        let record = edge.record_of(&answer);
        let differs = record["departures"].as_array().is_some_and(|all| all.contains(&json!("key-rule")));
        assert_eq!(differs, target != named, "{record}");
        let why = edge.seawall(&["why", &format!("https://{HOST}{target}")]).all();
        assert!(why.contains(record["url"].as_str().unwrap()), "the record names what was asked for: {record}");
    }
    assert_eq!(["/a", "/a?b=2&id=1", "/a?id=1;b=2"].map(|target| origin.count(target)), [1, 1, 1]);
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"url": "https://photos.example/a?fbclid=7"})));
    assert_eq!(purged.json()["objects"], 1, "{}", purged.text());
}

#[test]
fn what_is_renewed_behind_a_clients_back_is_asked_for_by_its_name() {
    let origin = Origin::with("/a", Page::ok("x").field("Cache-Control", "max-age=1, stale-while-revalidate=600"));
    let edge = ruled(&origin, "ignore_query = \"utm_*\"");
    edge.get("/a?utm_x=1");
    eventually("it is renewed", || {
        assert_eq!(edge.get("/a?utm_x=2").text(), "x");
        origin.count("/a") > 1
    });
    assert_eq!((origin.count("/a?utm_x=1"), origin.count("/a?utm_x=2")), (0, 0));
}

#[test]
fn the_list_judges_the_url_as_it_was_asked_and_as_it_is_stored() {
    let origin = Origin::start();
    for target in ["/a", "/b"] {
        origin.on(target, Page::stored(target));
    }
    let edge = ruled(&origin, "ignore_query = \"*\"");
    assert_eq!(edge.get("/a?id=5").status, 200);
    edge.block("https://photos.example/a?id=5", "N-1");
    assert_eq!(edge.get("/a?id=5").status, 451, "ignored or not");
    assert_eq!(edge.get("/a?x&id=5").status, 451);
    assert_eq!(edge.get("/a?id=6").status, 200);
    let body = json!({ "rules": ["https://photos.example/b"], "query": "exact", "notice": "N-2" });
    assert_eq!(edge.api("POST", "/api/v1/blocks", Some(&body)).status, 201);
    assert_eq!(edge.get("/b").status, 451);
    assert_eq!(edge.get("/b?id=5").status, 451, "what is stored under a blocked name goes to nobody");
    for more in [&[][..], &["--live"]] {
        let why = |url: &str| edge.seawall(&[&["why", url], more].concat());
        let asked = why("https://photos.example/a?x&id=5");
        assert!(asked.code == 10 && !asked.stdout.contains("which rules judge"), "{}", asked.all());
        let stored = why("https://photos.example/b?id=5");
        assert!(
            stored.code == 10 && stored.stdout.contains("https://photos.example/b, which rules judge"),
            "{}",
            stored.all()
        );
        assert_eq!(why("https://photos.example/a?id=6").code, 0);
    }
}

#[test]
fn a_dry_run_judges_what_was_served_by_the_name_it_is_stored_under() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = ruled(&origin, "ignore_query = \"*\"");
    let answer = edge.get("/a?id=5");
    edge.record_of(&answer);
    let body = json!({ "rules": ["https://photos.example/a"], "query": "exact", "dry_run": true });
    let dry = edge.api("POST", "/api/v1/blocks", Some(&body)).json();
    let blocked = &dry["blocked"];
    assert_eq!(
        (&blocked["objects"], &blocked["answers"], &blocked["urls"]),
        (&1.into(), &1.into(), &2.into()),
        "{dry}"
    );
}

#[test]
fn why_knows_bytes_that_are_remembered_by_the_stored_name() {
    let origin = Origin::with("/a", Page::ok("x").field("Cache-Control", "no-store"));
    let edge = ruled(&origin, "ignore_query = \"*\"");
    edge.block(&crate::harness::sha256_hex(b"x"), "N-1");
    edge.get("/a?id=5");
    let why = edge.api("GET", "/api/v1/why?url=https://photos.example/a%3Fid=6", None).json();
    assert_eq!((edge.get("/a?id=6").status == 451, &why["blocked"]), (true, &true.into()), "{why}");
}

#[test]
fn an_answer_under_way_is_cut_by_a_rule_on_the_name_it_is_stored_under() {
    const BODY: usize = 3_000_000;
    let origin = Origin::with("/b", Page::stored(vec![b'x'; BODY]));
    let edge = ruled(&origin, "ignore_query = \"*\"");
    edge.get("/b?id=4");
    let mut reader = Client::connect_narrow(edge.address, 4096);
    reader.send(request("GET", HOST, "/b?id=5", &[]));
    assert_eq!(reader.head().status, 200);
    let body = json!({ "rules": ["https://photos.example/b"], "query": "exact", "notice": "N-2" });
    let receipt = edge.api("POST", "/api/v1/blocks", Some(&body));
    assert_eq!((receipt.status, &receipt.json()["cut"]), (201, &json!(1)));
    let mut read = Vec::new();
    assert_ne!(reader.take(BODY, &mut read), End::Whole);
}

#[test]
fn cookies_in_the_key_tell_answers_apart() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| {
        let cookie = asked.field("Cookie").unwrap_or("none").to_owned();
        Page::stored(if cookie.contains("lang=de") { "deutsch" } else { "english" }).into()
    });
    let edge = ruled(&origin, "key_cookies = [\"lang\"]");
    let ask = |cookie: &str| edge.ask("GET", "/a", &[("Cookie", cookie)]);
    for _ in 0..2 {
        assert_eq!(
            (ask("x=1; lang=de").text(), ask("lang=en; y=2").text()),
            ("deutsch".to_owned(), "english".to_owned())
        );
    }
    assert!(ask("z=3;lang=de").is_hit());
    assert_eq!(origin.count("/a"), 2);
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"url": "https://photos.example/a"})));
    assert_eq!(purged.json()["objects"], 2, "whatever the cookie was");
    ask("lang=de");
    origin.on("/a", Page::ok("changed"));
    edge.ask("POST", "/a", &[("Content-Length", "0")]);
    assert_eq!(ask("lang=de").text(), "changed", "an unsafe method takes them all, too");
}

#[test]
fn what_is_bypassed_has_nothing_to_do_with_the_cache() {
    let rules = "bypass = { paths = [\"/admin/*\"], cookies = [\"session\"], fields = [\"X-Preview\"] }";
    for (target, fields, bypassed) in [
        ("/a", vec![], false),
        ("/admin/a", vec![], true),
        ("/a", vec![("Cookie", "session=1")], true),
        ("/a", vec![("Cookie", "other=session")], false),
        ("/a", vec![("X-Preview", "1")], true),
    ] {
        let origin = Origin::with(target, Page::stored("x"));
        let edge = ruled(&origin, rules);
        edge.ask("GET", target, &fields);
        let second = edge.ask("GET", target, &fields);
        assert_eq!(second.is_hit(), !bypassed, "{target} {fields:?}");
        if bypassed {
            assert_eq!(
                second.field("Cache-Status"),
                Some("seawall; fwd=bypass; fwd-status=200"),
                "{target} {fields:?}"
            );
            assert_eq!(departures(&edge, &second), json!(["bypass-rule"]));
            assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
        }
    }
}

#[test]
fn stale_while_revalidate_is_followed_beside_s_maxage_where_the_site_says_so() {
    for (rules, control, served_stale) in [
        ("stale_with_s_maxage = true", "s-maxage=1, stale-while-revalidate=600", true),
        ("stale_with_s_maxage = false", "s-maxage=1, stale-while-revalidate=600", false),
        ("stale_with_s_maxage = true", "s-maxage=1, stale-while-revalidate=600, must-revalidate", false),
        ("stale_with_s_maxage = true", "s-maxage=1", false),
    ] {
        let origin = Origin::with("/a", Page::ok("x").field("Cache-Control", control));
        let edge = ruled(&origin, rules);
        edge.get("/a");
        let aged = until("it is no hit that is fresh", || {
            let answer = edge.get("/a");
            // Where its lifetime ends between the look-up and the head, a fresh one says a lifetime below zero.
            (edge.record_of(&answer)["cache"] != "hit").then_some(answer)
        });
        assert_eq!(edge.record_of(&aged)["cache"] == "stale", served_stale, "{rules}, {control}: {:?}", aged.fields);
        let told = departures(&edge, &aged);
        assert_eq!(told.as_array().is_some_and(|all| all.contains(&json!("stale-rule"))), served_stale, "{told}");
    }
}

#[test]
fn without_collapsing_each_has_a_fetch_of_its_own() {
    let (gate, asked) = (Gate::default(), std::sync::Arc::new(AtomicUsize::new(0)));
    let origin = Origin::start();
    let (held, count) = (gate.clone(), asked.clone());
    origin.on_each("/a", move |_| {
        count.fetch_add(1, SeqCst);
        Page::stored("hello").hold(0, &held).into()
    });
    let edge = ruled(&origin, "collapse = false");
    let mut clients: Vec<_> = (0..3).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", HOST, "/a", &[]));
    }
    eventually("three fetches", || asked.load(SeqCst) == 3);
    gate.open();
    for mut client in clients {
        assert_eq!(client.answer("GET").text(), "hello");
    }
    assert!(edge.get("/a").is_hit(), "what they fetched is stored all the same");
}

#[test]
fn other_rules_hold_at_once_for_what_is_stored() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = ruled(&origin, "ttl = \"1h\"");
    edge.get("/a");
    assert!(edge.get("/a").is_hit());
    edge.set_config(&edge.config().replace("ttl = \"1h\"", "ttl = \"30s\""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert!(!edge.get("/a").is_hit(), "it was to hold for longer than is allowed now");
    assert!(ttl(&edge.get("/a")) <= 30);
}

#[test]
fn check_shows_the_rules_and_what_is_wrong_with_them() {
    let origin = Origin::start();
    let folder = Edge::before(&origin).site("cache = { ttl = \"10m\", bypass = { cookies = [\"s\"] } }\n").write();
    let check = |arguments: &[&str]| {
        crate::harness::seawall(&[&["check", "-c", "seawall.toml"], arguments].concat(), folder.path())
    };
    let shown = check(&["--output", "json"]).json();
    let cache = &shown["in_force"]["site"][0]["cache"];
    assert_eq!((&cache["ttl"], &cache["heuristics"], &cache["collapse"]), (&json!("10m"), &json!(true), &json!(true)));
    let config = Edge::before(&origin).site("cache = { negative = { ttl = \"10s\", statuses = [200] } }\n").config();
    std::fs::write(folder.path().join("seawall.toml"), config).unwrap();
    let wrong = check(&[]);
    assert_eq!(wrong.code, 78, "{}", wrong.all());
    assert!(wrong.all().contains("200 is no status of an error"), "{}", wrong.all());
}

#[test]
fn what_an_answer_is_stored_under_is_shown_where_it_is_asked_for() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = ruled(&origin, "show_key = true, ignore_query = [\"utm_*\"]");
    let status = |path: &str| edge.get(path).field("Cache-Status").unwrap().to_owned();
    assert_eq!(status("/a?b=1&utm_x=2"), "seawall; fwd=uri-miss; fwd-status=200; stored; key=\"photos.example/a?b=1\"");
    let again = status("/a?b=1");
    assert!(again.starts_with("seawall; hit; ttl=") && again.ends_with("; key=\"photos.example/a?b=1\""), "{again}");
    let passed = edge.ask("POST", "/a", &[]);
    assert_eq!(passed.field("Cache-Status"), Some("seawall; fwd=method; fwd-status=200; key=\"photos.example/a\""));
    let plain = Edge::before(&origin).start();
    assert!(!plain.get("/a").field("Cache-Status").unwrap().contains("key"));
}
