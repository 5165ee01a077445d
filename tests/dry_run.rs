//! Dry runs: what an edit would do is told as it then comes, and nothing is done.

use serde_json::{Value, json};

use crate::harness::{Client, Edge, HOST, Origin, Page, noise, sha256_hex};

const PRESS: &str = "press.example";

/// Three sites: one whose hosts have the same content, one beside it, and one for a wildcard.
fn edge(origin: &Origin, rules: &str) -> Edge {
    let site = |name: &str, hosts: &str| {
        format!("[[site]]\nname = \"{name}\"\nhosts = {hosts}\norigin = \"http://{}\"\n", origin.address)
    };
    let tables = site("press", "[\"press.example\"]") + &site("mirrors", "[\"*.mirror.example\"]");
    Edge::before(origin)
        .hosts("[\"photos.example\", \"fotos.example\"]")
        .site("same_content = true\n")
        .tables(&tables)
        .rules(rules)
        .start()
}

fn store(edge: &Edge, urls: &[(&str, &str)]) {
    let mut client = edge.connect();
    for (host, path) in urls {
        let answer = client.get(host, path);
        assert_eq!(answer.status, 200, "{host}{path}");
        edge.record_of(&answer);
    }
}

fn post(edge: &Edge, mut body: Value, is_dry: bool) -> Value {
    if is_dry {
        body["dry_run"] = true.into();
    }
    let answer = edge.api("POST", "/api/v1/blocks", Some(&body));
    assert_eq!(answer.status, if is_dry { 200 } else { 201 }, "{}", answer.text());
    answer.json()
}

fn told(dry: &Value, name: &str) -> Vec<String> {
    let word = |row: &Value| row[if name == "sites" { "site" } else { "url" }].as_str().unwrap().to_owned();
    dry[name].as_array().unwrap().iter().map(word).collect()
}

/// Tries it, makes it, and compares.
fn comes_as_told(edge: &Edge, rules: &[&str]) -> Value {
    let body = json!({ "rules": rules, "notice": "N-1" });
    let dry = post(edge, body.clone(), true);
    let receipt = post(edge, body, false);
    assert_eq!(dry["blocked"]["objects"], receipt["purged"]["objects"], "{rules:?} {dry} {receipt}");
    assert_eq!(dry["blocked"]["bytes"], receipt["purged"]["bytes"], "{rules:?} {dry} {receipt}");
    dry
}

#[test]
fn queries_are_shown_as_the_log_shows_them() {
    let origin = Origin::with("*", Page::stored("x"));
    for (form, rows) in [("full", 4), ("keyed", 4), ("none", 2)] {
        let edge = Edge::before(&origin).audit(&format!("url_query = \"{form}\"\n")).start();
        store(&edge, &["/a", "/a?s3cret=1", "/a?s3cret=2", "/b?s3cret"].map(|path| (HOST, path)));
        let (mut told, mut after) = (Vec::new(), Value::Null);
        while told.is_empty() || !after.is_null() {
            let dry = post(&edge, json!({ "rules": [HOST], "limit": 1, "after": after }), true);
            assert_eq!(dry["blocked"]["urls"], 4, "{dry}");
            told.push(dry["urls"][0].clone());
            assert_eq!(dry["left_out"], rows - told.len(), "{dry}");
            after = dry["next"].clone();
        }
        assert_eq!(told.iter().map(|row| row["objects"].as_u64().unwrap()).sum::<u64>(), 4, "{told:?}");
        let why = edge.api("GET", "/api/v1/why?url=https://photos.example/b?s3cret", None).json()["content"].clone();
        let shown: Vec<&Value> = told.iter().chain(why["objects"].as_array().unwrap()).map(|row| &row["url"]).collect();
        let in_full = shown.iter().filter(|url| url.as_str().unwrap().contains("s3cret")).count();
        assert_eq!(in_full, if form == "full" { 4 } else { 0 }, "{form}: {shown:?}");
        assert!(why["objects"][0]["url"].as_str().unwrap().starts_with("https://photos.example/b"), "{why}");
    }
}

#[test]
fn a_block_does_what_its_dry_run_told_and_the_dry_run_does_nothing() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "!https://photos.example/a/free\nhttps://photos.example/a/old/*\n");
    let all = ["/a", "/a/1", "/a/2?q", "/a/free", "/b"];
    store(&edge, &all.map(|path| (HOST, path)));
    store(&edge, &[("fotos.example", "/a/1"), (PRESS, "/a/1")]);
    store(&edge, &[(HOST, "/a/1")]);
    let version = edge.list_version();

    let body = json!({
        "rules": ["http://PHOTOS.example:80/a/x/../*", "https://photos.example/a/old/1", "https://photos.example/a/free"],
        "notice": "N-1",
    });
    let dry = post(&edge, body.clone(), true);
    let totals = |name: &str| ["urls", "objects", "answers"].map(|count| dry[name][count].as_u64().unwrap());
    assert_eq!((totals("blocked"), totals("spared"), totals("freed")), ([4, 4, 5], [1, 1, 1], [0, 0, 0]), "{dry}");
    assert_eq!(dry["list"], version);
    let rules: Vec<&Value> = dry["rules"].as_array().unwrap().iter().map(|rule| &rule["reads"]).collect();
    let reads = ["https://photos.example/a/*", "https://photos.example/a/old/1", "https://photos.example/a/free"];
    assert_eq!(rules, reads);
    let covered = &dry["rules"][1]["covered_by"];
    assert_eq!((&covered["rule"], &covered["line"]), (&"https://photos.example/a/old/*".into(), &2.into()), "{dry}");
    assert_eq!(dry["rules"][2]["excepted_by"]["rule"], "!https://photos.example/a/free", "{dry}");
    assert_eq!((&dry["covered"], &dry["excepted"]), (&1.into(), &1.into()));
    assert_eq!(dry["rules"][0]["same_content"], json!(["fotos.example"]));
    let urls = ["https://fotos.example/a/1", "https://photos.example/a"];
    assert_eq!(told(&dry, "urls")[..2], urls);
    let spared = dry["urls"].as_array().unwrap().iter().find(|row| row["effect"] == "spared").unwrap();
    assert_eq!(
        (&spared["url"], &spared["rule"]),
        (&"https://photos.example/a/free".into(), &"!https://photos.example/a/free".into())
    );
    assert_eq!(told(&dry, "sites"), ["photos"], "{dry}");
    assert_eq!(dry["sites"][0]["hosts"], json!(["fotos.example", "photos.example"]));

    // Nothing came of it.
    assert_eq!(edge.list_version(), version);
    assert!(edge.log().iter().all(|line| line["event"] != "block-added"));
    assert_eq!(std::fs::read_dir(edge.path("state/blocks")).unwrap().count(), 0);
    assert_eq!(edge.api("GET", "/api/v1/blocks", None).json()["blocks"], json!([]));
    let mut client = edge.connect();
    assert!(all.iter().all(|path| client.get(HOST, path).is_hit()));

    let receipt = post(&edge, body, false);
    assert_eq!(receipt["purged"]["objects"], 4, "{receipt}");
    assert_eq!(receipt["purged"]["bytes"], dry["blocked"]["bytes"]);
    let statuses = all.map(|path| client.get(HOST, path).status);
    assert_eq!(statuses, [451, 451, 451, 200, 200]);
}

#[test]
fn other_sites_are_told() {
    let origin = Origin::with("*", Page::stored("x"));
    origin.on("/leak", Page::stored("the very same"));
    let edge = edge(&origin, "");
    store(&edge, &[(HOST, "/leak"), (PRESS, "/leak"), (PRESS, "/other"), ("a.mirror.example", "/leak")]);
    let dry = comes_as_told(&edge, &["https://photos.example/leak", &sha256_hex(b"the very same")]);
    assert_eq!((&dry["rules"][0]["any_site"], &dry["rules"][1]["any_site"]), (&false.into(), &true.into()));
    let named = |site: usize| (dry["sites"][site]["site"].as_str().unwrap(), dry["sites"][site]["named"] == true);
    assert_eq!([named(0), named(1), named(2)], [("mirrors", false), ("photos", true), ("press", false)], "{dry}");
    assert_eq!(dry["blocked"]["urls"], 3);

    let dry = comes_as_told(&edge, &["*.example"]);
    let reached: Vec<&str> =
        dry["rules"][0]["sites"].as_array().unwrap().iter().map(|site| site.as_str().unwrap()).collect();
    assert_eq!(reached, ["photos", "press", "mirrors"]);
    assert_eq!(told(&dry, "urls"), ["https://press.example/other"]);
}

#[test]
fn a_site_that_a_tree_reaches_is_no_other_site() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "");
    store(&edge, &[("a.mirror.example", "/a")]);
    let dry = comes_as_told(&edge, &["*.mirror.example"]);
    assert_eq!((&dry["sites"][0]["site"], &dry["sites"][0]["named"]), (&"mirrors".into(), &true.into()), "{dry}");
}

#[test]
fn a_rule_that_ends_sooner_covers_nothing() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "https://photos.example/a until=2999-01-01\n!https://photos.example/b\n");
    let dry = post(&edge, json!({ "rules": ["https://photos.example/a"] }), true);
    assert_eq!((&dry["covered"], &dry["rules"][0]["covered_by"]), (&0.into(), &Value::Null), "{dry}");
    let dry = post(&edge, json!({ "rules": ["https://photos.example/a"], "until": "2998-01-01" }), true);
    assert_eq!(dry["covered"], 1, "{dry}");
    let text = |rule: &str| edge.seawall(&["block", rule, "--dry-run", "--until", "2998-01-01"]).stdout;
    assert!(text("https://photos.example/a").contains("blocked as well by https://photos.example/a ("));
    assert!(text("!https://photos.example/b").contains("freed as well by !https://photos.example/b ("));
}

#[test]
fn what_is_under_way_is_counted() {
    let body = noise(3_000_000, 1);
    let origin = Origin::with("/large", Page::stored(&body));
    let edge = Edge::plain(&origin);
    edge.get("/large");
    let mut readers: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = Client::connect_narrow(edge.address, 4096);
            client.send(crate::harness::client::request("GET", HOST, "/large", &[]));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    let body = json!({ "rules": ["https://photos.example/large"] });
    let dry = post(&edge, body.clone(), true);
    assert_eq!(dry["would_cut"], json!({ "answers": 3, "fetches": 0 }), "{dry}");
    let mut taken = Vec::new();
    readers[0].take(3_000_000, &mut taken);
    assert_eq!(taken.len(), 3_000_000, "none was cut");
    assert_eq!(post(&edge, body.clone(), true)["would_cut"]["answers"], 2);
    assert_eq!(post(&edge, body, false)["cut"], 2);
}

#[test]
fn urls_come_in_pages_that_join() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let paths: Vec<String> = (0..25).map(|n| format!("/a/{n:02}")).collect();
    store(&edge, &paths.iter().map(|path| (HOST, path.as_str())).collect::<Vec<_>>());
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    for left in [15, 5, 0] {
        let body = json!({ "rules": ["https://photos.example/a/*"], "limit": 10, "after": after });
        let page = post(&edge, body, true);
        assert_eq!((&page["left_out"], &page["blocked"]["urls"]), (&left.into(), &25.into()), "{page}");
        seen.extend(told(&page, "urls"));
        after = page["next"].clone();
    }
    assert!(after.is_null());
    let wanted: Vec<String> = paths.iter().map(|path| format!("https://photos.example{path}")).collect();
    assert_eq!(seen, wanted);
    let wrong = edge.api("POST", "/api/v1/blocks", Some(&json!({ "rules": ["a.example"], "limit": 10 })));
    assert_eq!(wrong.status, 400, "{}", wrong.text());

    let lines = edge.seawall(&["block", "https://photos.example/a/*", "--dry-run", "--output", "jsonl"]);
    assert_eq!((lines.code, lines.stdout.lines().count()), (0, 25), "{}", lines.all());
    let text = edge.seawall(&["block", "https://photos.example/a/*", "--dry-run"]);
    assert!(text.stdout.contains("a dry run: nothing is changed"), "{}", text.all());
    assert!(text.stdout.contains("25 URLs: 25 cached objects"), "{}", text.stdout);
    assert_eq!(edge.get("/a/00").status, 200);
}

#[test]
fn a_lift_tells_what_comes_back_and_what_still_blocks() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "https://photos.example/b\n");
    store(&edge, &[(HOST, "/a"), (PRESS, "/c")]);
    let body =
        json!({ "id": "case-7", "rules": ["https://photos.example/a", "https://photos.example/b"], "by": "desk" });
    post(&edge, body, false);
    post(&edge, json!({ "rules": ["*.press.example"] }), false);
    let dry = edge.api("DELETE", "/api/v1/blocks/case-7?dry_run", None);
    assert_eq!(dry.status, 200, "{}", dry.text());
    let dry = dry.json();
    assert_eq!((&dry["id"], &dry["covered"]), (&"case-7".into(), &1.into()), "{dry}");
    assert_eq!(told(&dry, "urls"), ["https://photos.example/a"], "{dry}");
    assert_eq!((&dry["freed"]["urls"], &dry["freed"]["answers"]), (&1.into(), &1.into()));
    assert_eq!(dry["rules"][1]["covered_by"]["rule"], "https://photos.example/b");
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (451, 451), "nothing is lifted");

    let text = edge.seawall(&["unblock", "case-7:1", "--dry-run"]);
    assert!(text.code == 0 && text.stdout.contains("would free"), "{}", text.all());
    assert_eq!(edge.seawall(&["unblock", "nobody", "--dry-run"]).code, 1);
    assert_eq!(edge.api("DELETE", "/api/v1/blocks/case-7?dry_run=maybe", None).status, 400);
    assert_eq!(edge.api("DELETE", "/api/v1/blocks/case-7", None).status, 200);
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (200, 451));
}

#[test]
fn the_lift_of_an_exception_tells_what_it_cuts() {
    let body = noise(3_000_000, 1);
    let origin = Origin::with("/large", Page::stored(&body));
    let edge = edge(&origin, "photos.example\n");
    post(&edge, json!({ "id": "free", "rules": ["!https://photos.example/large"] }), false);
    edge.get("/large");
    let mut reader = Client::connect_narrow(edge.address, 4096);
    reader.send(crate::harness::client::request("GET", HOST, "/large", &[]));
    assert_eq!(reader.head().status, 200);
    let dry = edge.api("DELETE", "/api/v1/blocks/free?dry_run", None).json();
    assert_eq!((&dry["would_cut"]["answers"], &dry["blocked"]["objects"]), (&1.into(), &1.into()), "{dry}");
    let receipt = edge.api("DELETE", "/api/v1/blocks/free", None).json();
    assert_eq!((&receipt["cut"], &receipt["purged"]["objects"]), (&1.into(), &1.into()), "{receipt}");
}

#[test]
fn what_no_exception_spares_is_not_told_to_be_spared() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "");
    post(&edge, json!({ "id": "old", "rules": ["https://photos.example/a"], "until": "2001-01-01" }), false);
    store(&edge, &[(HOST, "/a")]);
    let dry = edge.api("DELETE", "/api/v1/blocks/old?dry_run", None).json();
    assert_eq!((&dry["spared"]["urls"], &dry["urls"]), (&0.into(), &json!([])), "{dry}");
}

#[test]
fn a_dry_run_that_is_misspelled_does_nothing() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = edge(&origin, "");
    post(&edge, json!({ "id": "case-7", "rules": ["https://photos.example/b"] }), false);
    let body = json!({ "rules": ["https://photos.example/a"] });
    let one = "/api/v1/blocks/case-7";
    for (method, target, body, told) in [
        ("POST", "/api/v1/blocks?dry-run=true", Some(&body), "did you mean dry_run?"),
        ("POST", "/api/v1/blocks?dryrun", Some(&body), "did you mean dry_run?"),
        ("POST", "/api/v1/blocks?dry_run=false&dry_run=true", Some(&body), "said twice"),
        ("DELETE", &format!("{one}?dry-run=true"), None, "did you mean dry_run?"),
        ("DELETE", &format!("{one}?limit=7"), None, "add dry_run=true"),
        ("DELETE", &format!("{one}?after=x%200"), None, "add dry_run=true"),
        ("DELETE", one, Some(&json!({ "dry_run": true })), "takes no body"),
        ("DELETE", &format!("{one}?dry_run&after=x"), None, "of the page before"),
        ("GET", "/api/v1/blocks?search=x", None, "takes query, notice, host, url"),
        ("GET", "/api/v1/rules?lmit=7", None, "did you mean limit?"),
        ("GET", "/api/v1/why?url=https://photos.example/&contry=DE", None, "did you mean country?"),
        ("GET", "/api/v1/content?url=https://photos.example/&x", None, "which takes url"),
        ("GET", "/api/v1/status?x", None, "takes no parameters"),
        ("POST", "/api/v1/purge?dry_run", Some(&json!({ "all": true })), "takes no parameters"),
        ("POST", "/api/v1/reload?accept_shrink", None, "takes no parameters"),
    ] {
        let answer = edge.api(method, target, body);
        assert_eq!(answer.status, 400, "{method} {target}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(told), "{target}: {}", answer.text());
    }
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (200, 451));
}

#[test]
fn what_can_not_be_added_can_not_be_tried() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::plain(&origin);
    post(&edge, json!({ "id": "case-7", "rules": ["https://photos.example/a"] }), false);
    let again = post(&edge, json!({ "id": "case-7", "rules": ["https://photos.example/a"] }), true);
    assert_eq!(again["repeated"], true);
    for (body, status) in [
        (json!({ "id": "case-7", "rules": ["https://photos.example/b"], "dry_run": true }), 409),
        (json!({ "rules": ["https://photos.example/b*"], "dry_run": true }), 422),
    ] {
        assert_eq!(edge.api("POST", "/api/v1/blocks", Some(&body)).status, status, "{body}");
    }
    let later = post(&edge, json!({ "rules": ["https://photos.example/b"], "from": "2999-01-01" }), true);
    assert_eq!(later["at"], "2999-01-01T00:00:00.000000Z", "told as of when it begins");
}
