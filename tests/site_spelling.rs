//! A site's own word on what its origins take for the same URL, and on what a request names beside its own.

use serde_json::json;

use crate::harness::client::{End, request};
use crate::harness::{Client, Edge, Gate, HOST, Origin, Page, noise};

fn any_page() -> Origin {
    Origin::with("*", Page::stored("x"))
}

fn assert_statuses(edge: &Edge, host: &str, expected: &[(&str, u16)]) {
    for (target, status) in expected {
        assert_eq!(edge.connect().get(host, target).status, *status, "{host} {target}");
    }
}

/// Another site on the same edge, which says nothing.
fn beside(origin: &Origin) -> String {
    format!("[[site]]\nhosts = [\"exact.example\"]\norigin = \"http://{}\"\n", origin.address)
}

#[test]
fn where_case_says_nothing_a_rule_for_one_path_covers_all() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .site("spelling = { ignore_case = true }\n")
        .tables(&beside(&origin))
        .rules("https://photos.example/Secret/a.jpg notice=N-1\nhttps://exact.example/Secret/a.jpg\n")
        .start();
    let covered = ["/Secret/a.jpg", "/SECRET/A.JPG", "/secret/%41.jpg", "/sEcret//./A%2Ejpg/?Q"];
    assert_statuses(&edge, HOST, &covered.map(|target| (target, 451)));
    assert_statuses(&edge, HOST, &[("/secret/b.jpg", 200), ("/secret/a.jpgs", 200), ("/secret", 200)]);
    assert_statuses(&edge, "exact.example", &[("/Secret/a.jpg", 451), ("/secret/a.jpg", 200)]);

    // Lists that are edited, and every kind of rule.
    edge.until_list_after(|| {
        edge.list().append("https://photos.example/Albums/* notice=N-2");
        edge.list().append("~^https://photos\\.example/U/[0-9]+/Leak$ notice=N-3");
        edge.list().append("https://photos.example/\u{c9}t\u{c9} notice=N-4");
        edge.list().append("!https://photos.example/ALBUMS/Cover notice=N-5");
        edge.list().append("~^https://photos\\.example/%C3%89/ notice=N-6");
        edge.list().append("~^https://photos\\.example/v/[^A-Z]+$ notice=N-7");
    });
    let covered =
        ["/ALBUMS/x", "/albums", "/u/7/leak", "/U/7/LEAK", "/%C3%A9t%c3%a9", "/%C3%89/x", "/./%c3%89/x?y", "/v/xyz"];
    crate::harness::eventually("all of it", || covered.iter().all(|target| edge.get(target).status == 451));
    assert_statuses(&edge, HOST, &[("/albums/COVER", 200), ("/u/x/leak", 200), ("/ete", 200)]);
}

#[test]
fn what_is_stored_under_another_case_goes_and_is_found() {
    let origin = any_page();
    let mut edge =
        Edge::before(&origin).site("spelling = { ignore_case = true, ignore_query = [\"utm_*\"] }\n").start();
    let spellings = ["/A/b?q=1", "/a/B?q=1", "/a/b?q=1&utm_x=2"];
    spellings.iter().for_each(|target| drop(edge.get(target).stored()));
    edge.get("/a/c").stored();
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"url": "https://photos.example/a/b?utm_y&q=1"})));
    assert_eq!(purged.json()["objects"], 3, "{}", purged.text());
    spellings.iter().for_each(|target| drop(edge.get(target).stored()));
    let of_url = |name: &str| edge.api("GET", &format!("/api/v1/{name}?url=https://photos.example/A/b%3Fq=1"), None);
    assert_eq!(of_url("why").json()["content"]["objects"].as_array().unwrap().len(), 3);
    let contents = of_url("content").json();
    assert_eq!(
        (&contents["fetched"], contents["contents"].as_array().unwrap().len()),
        (&false.into(), 1),
        "{contents}"
    );
    let receipt = edge.block("https://photos.example/A/B?q=1", "N-1");
    assert_eq!(receipt["purged"]["objects"], 3, "{receipt}");
    assert!(receipt["last_served"].is_object(), "{receipt}");
    spellings.iter().for_each(|target| assert_eq!(edge.get(target).status, 451, "{target}"));
    edge.get("/a/c");
    let record = edge.record_of(&edge.get("/A/B?q=1&utm_x"));
    assert_eq!(record["url"], "https://photos.example/a/b?q=1&utm_x", "as why prints it");

    let why = edge.seawall(&["why", "https://photos.example/A/B?utm_x&q=1"]);
    assert_eq!(why.code, 10);
    for said in ["https://photos.example/a/b?q=1", "lower case", "without the parameters"] {
        assert!(why.stdout.contains(said), "{said}: {}", why.stdout);
    }
    edge.stop();
    let asked = "https://photos.example/A/b?q=1";
    let found = |arguments: &[&str]| edge.seawall(arguments).stdout.lines().count();
    let by_config = found(&["audit", "query", "--output", "jsonl", "--url", asked]);
    assert_eq!(by_config, 6 + 3 + 1 + 1, "answers, a purge and a block");
}

#[test]
fn parameters_that_an_origin_ignores_are_no_way_round_a_rule_and_none_into_one() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .site("spelling = { ignore_query = [\"utm_*\", \"fbclid\"] }\n")
        .rules("https://photos.example/p?id=5&fbclid=abc\nhttps://photos.example/e?id=5 query=exact\nhttps://photos.example/n query=exact\n")
        .start();
    assert_statuses(
        &edge,
        HOST,
        &[
            ("/p?id=5", 451),
            ("/p?fbclid=xyz&id=5&page=2", 451),
            ("/p?id=6&fbclid=abc", 200),
            ("/e?id=5&utm_source=x", 451),
            ("/e?%75tm_source=x&id=5", 451),
            ("/e?id=5&page=2", 200),
            ("/n?fbclid=1", 451),
            ("/n?utm_x=1;id=7", 451),
            ("/n?id=7", 200),
        ],
    );
}

#[test]
fn what_a_site_tells_apart_is_another_url() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .site("spelling = { path_params = \"distinct\", encoded_slash = \"distinct\" }\n")
        .tables(&beside(&origin))
        .rules("https://photos.example/a\nhttps://photos.example/k/x%2Fy\nhttps://exact.example/a\n*.evil.example\n")
        .start();
    assert_statuses(
        &edge,
        HOST,
        &[
            ("/a", 451),
            ("//%61/.", 451),
            ("/a;v=1", 200),
            ("/a%3Bv=1", 200),
            ("/k/x%2fy", 451),
            ("/k/x/y", 200),
            ("/k%2Fx%2Fy", 200),
            ("/k/x%5Cy", 200),
        ],
    );
    assert_statuses(&edge, "exact.example", &[("/a;v=1", 451), ("/a", 451)]);
    let record = edge.record_of(&edge.get("/a;v=1"));
    assert_eq!(record["url"], "https://photos.example/a;v=1", "it is not said that /a was served");
    edge.block("https://photos.example/a;v=1", "N-1");
    assert_statuses(&edge, HOST, &[("/a%3bv=1", 451), ("/a;v=2", 200)]);
    let check = edge.seawall(&["check"]);
    assert_eq!(check.code, 0);
    assert!(check.stdout.contains("encoded slashes"), "{}", check.stdout);
}

#[test]
fn a_reload_that_changes_the_spelling_holds_for_what_is_under_way() {
    let (origin, gate, body) = (any_page(), Gate::default(), noise(400_000, 1));
    origin.on("/SECRET/b.jpg", Page::ok(&body).hold(1_000, &gate));
    let edge = Edge::before(&origin).rules("https://photos.example/Secret/b.jpg notice=N-1\n").start();
    let mut client = Client::connect(edge.address);
    client.send(request("GET", HOST, "/SECRET/b.jpg", &[]));
    assert_eq!(client.head().status, 200);
    let mut got = Vec::new();
    assert_eq!(client.take(1_000, &mut got), End::Whole);
    edge.set_config(&edge.config().replace("[[site]]\n", "[[site]]\nspelling = { ignore_case = true }\n"));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    edge.until_cut(1);
    gate.open();
    assert_eq!(client.rest(&mut got), End::Reset);
    assert_eq!(edge.get("/SECRET/b.jpg").status, 451);
    edge.set_config(&edge.config().replace("spelling = { ignore_case = true }\n", ""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_eq!((edge.get("/SECRET/c.jpg").status, edge.get("/Secret/b.jpg").status), (200, 451));
    assert_eq!(edge.get("/SECRET/b.jpg").status, 200);
}

#[test]
fn routes_and_what_goes_past_the_cache_go_by_the_spelling_too() {
    let (origin, api) = (any_page(), Origin::with("*", Page::stored("api")));
    let edge = Edge::before(&origin)
        .also(&api)
        .site(&format!(
            "spelling = {{ ignore_case = true }}\ncache = {{ bypass = {{ paths = [\"/Admin/*\"] }} }}\n\
             [[site.route]]\npath = \"/Api/*\"\norigin = \"http://{}\"\n",
            api.address
        ))
        .start();
    assert_eq!((&*edge.get("/API/x").text(), &*edge.get("/apix").text()), ("api", "x"));
    edge.get("/ADMIN/x");
    edge.get("/ADMIN/x");
    assert_eq!(origin.count("/ADMIN/x"), 2);
}

#[test]
fn a_url_that_a_field_names_is_judged_as_well() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .site("pass_fields = [\"X-Original-URL\", \"X-Forwarded-Host\", \"X-Forwarded-Prefix\"]\n")
        .rules(
            "https://photos.example/blocked notice=N-1\nhttps://other.example/front notice=N-2\n\
             https://photos.example/secret/* notice=N-3\nhttps://photos.example/p?id=7 notice=N-4\n",
        )
        .start();
    for (field, value, status) in [
        ("X-Original-URL", "/blocked", 451),
        ("X-Original-URL", "/%62locked?x", 451),
        ("X-Original-URL", "https://photos.example//blocked", 451),
        ("X-Original-URL", "blocked", 451),
        ("X-Original-URL", "/allowed", 200),
        ("X-Original-URL", "/%zz", 400),
        ("X-Original-URL", "//blocked", 451),
        ("X-Original-URL", "/x//../blocked", 451),
        ("X-Original-URL", "/a/b//../../blocked", 451),
        ("X-Original-URL", "/ok#/../blocked", 400),
        ("X-Original-URL", "blocked?u=://", 451),
        ("X-Forwarded-Host", "other.example, a=b", 400),
        ("X-Forwarded-Prefix", "/secret/", 451),
        ("X-Forwarded-Prefix", "/open/", 200),
        ("X-Forwarded-Host", "other.example", 451),
        ("X-Forwarded-Host", "third.example", 200),
        ("X-Rewrite-URL", "/blocked", 200),
    ] {
        // Records name the URL on the line, which two verdicts of one list version would be odd for.
        let target = if status == 200 { "/ok" } else { "/front" };
        assert_eq!(edge.ask("GET", target, &[(field, value)]).status, status, "{field}: {value}");
    }
    assert!(origin.asked("/ok").iter().all(|asked| asked.field("X-Rewrite-URL").is_none()));
    // An origin may take the path from the field and the query from the line.
    for (target, value, status) in [
        ("/front?id=7", "/p", 451),
        ("/front?id=7", "/p?id=8", 451),
        ("/front?id=7", "p", 451),
        ("/ok?id=8", "/p", 200),
        ("/ok?id=7", "/q", 200),
    ] {
        assert_eq!(edge.ask("GET", target, &[("X-Original-URL", value)]).status, status, "{target}: {value}");
    }
    let record = edge.record_of(&edge.ask("GET", "/front", &[("X-Original-URL", "/blocked")]));
    assert_eq!((&record["verdict"], &record["notice"]), (&json!("blocked"), &json!("N-1")), "{record}");
}

#[test]
fn what_a_field_makes_another_request_is_neither_stored_nor_answered_from_the_store() {
    let origin = Origin::start();
    origin.on_each("*", |asked| {
        let of = |name| asked.field(name).unwrap_or_default();
        let names = ["X-Original-URL", "X-Forwarded-Host", "X-HTTP-Method-Override"];
        Page::stored(names.map(of).join(" ").trim()).into()
    });
    let edge = Edge::before(&origin)
        .site("pass_fields = [\"X-Original-URL\", \"X-Forwarded-Host\", \"X-HTTP-Method-Override\"]\n")
        .start();
    for (field, value) in
        [("X-Original-URL", "/evil"), ("X-Forwarded-Host", "evil.example"), ("X-HTTP-Method-Override", "PUT")]
    {
        assert!(edge.ask("GET", "/ok", &[(field, value)]).text().contains(value), "{field}");
        assert_eq!(edge.get("/ok").text(), HOST, "{field}: what is stored is the answer to another request");
        assert!(edge.ask("GET", "/ok", &[(field, value)]).text().contains(value), "{field}: from the store");
    }
    // A proxy in front that says the host as it is costs nothing.
    let before = origin.count("/host");
    (0..3).for_each(|_| drop(edge.ask("GET", "/host", &[("X-Forwarded-Host", HOST)])));
    assert_eq!(origin.count("/host"), before + 1);
}

#[test]
fn a_download_by_a_field_is_cut_by_the_url_that_the_field_names() {
    let (origin, gate, body) = (any_page(), Gate::default(), noise(400_000, 1));
    origin.on("/ok", Page::ok(&body).hold(1_000, &gate));
    let edge = Edge::before(&origin).site("pass_fields = [\"X-Original-URL\"]\n").start();
    let mut client = Client::connect(edge.address);
    client.send(request("GET", HOST, "/ok", &[("X-Original-URL", "/hidden")]));
    assert_eq!(client.head().status, 200);
    let receipt = edge.block("https://photos.example/hidden", "N-1");
    assert_eq!(receipt["cut"], 1, "{receipt}");
    gate.open();
    assert_eq!(client.rest(&mut Vec::new()), End::Reset);
}

#[test]
fn a_proxy_that_says_the_scheme_as_it_is_costs_nothing_and_another_word_is_not_stored() {
    let origin = Origin::start();
    origin.on_each("*", |asked| {
        let of = |name| asked.field(name).unwrap_or_default();
        Page::stored(["X-Forwarded-Proto", "X-Forwarded-Port"].map(of).join(" ").trim()).into()
    });
    let edge = Edge::before(&origin).site("pass_fields = [\"X-Forwarded-Proto\", \"X-Forwarded-Port\"]\n").start();
    for (field, value) in [("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "17")] {
        assert!(edge.ask("GET", "/ok", &[(field, value)]).text().contains(value), "{field}");
        assert_eq!(edge.get("/ok").text(), "http", "{field}: what is stored is the answer to another request");
        assert!(edge.ask("GET", "/ok", &[(field, value)]).text().contains(value), "{field}: from the store");
    }
    let before = origin.count("/proto");
    (0..3).for_each(|_| drop(edge.ask("GET", "/proto", &[("X-Forwarded-Proto", "http")])));
    assert_eq!(origin.count("/proto"), before + 1);
}

#[test]
fn a_change_by_a_field_takes_out_what_is_stored_of_the_url_that_the_field_names() {
    let origin = any_page();
    let edge = Edge::before(&origin).site("pass_fields = [\"X-Original-URL\"]\n").start();
    for target in ["/changed", "/other"] {
        edge.get(target).stored();
        edge.get(target).hit();
    }
    edge.ask("POST", "/form", &[("X-Original-URL", "/changed"), ("Content-Length", "0")]);
    edge.get("/changed").fetched();
    edge.get("/other").hit();
}
