//! Live blocks by the admin API: receipts, durability, and who may.

use serde_json::{Value, json};

use crate::harness::{Edge, HOST, Origin, Page, eventually, sha256_hex};

fn page() -> Origin {
    Origin::with("*", Page::stored("hello"))
}

fn post(edge: &Edge, body: &Value) -> (u16, Value) {
    let answer = edge.api("POST", "/api/v1/blocks", Some(body));
    (answer.status, answer.json())
}

#[test]
fn a_block_is_in_force_for_every_request_that_begins_after_its_receipt() {
    let origin = page();
    let edge = Edge::before(&origin).hosts("[\"*\"]").start();
    let mut client = edge.connect();
    for n in 0..30 {
        let path = format!("/{n}");
        assert_eq!(client.get(HOST, &path).status, 200);
        edge.block(&format!("https://photos.example{path}"), "N-1");
        assert_eq!(client.get(HOST, &path).status, 451, "{path}");
    }
}

#[test]
fn the_receipt_says_what_was_done() {
    let origin = page();
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let hit = edge.get("/a");
    edge.record_of(&hit);
    edge.until_quiet();
    let before = edge.list_version();
    let body = json!({
        "rules": ["https://photos.example/a", "*.pirate.example"],
        "notice": "N-17",
        "reason": "DMCA 512(c)",
        "by": "desk <1>",
    });
    let (status, receipt) = post(&edge, &body);
    assert_eq!(status, 201, "{receipt}");
    assert_eq!(receipt["by"], "desk <1>");
    assert!(receipt["at"].as_str() <= receipt["in_force_at"].as_str(), "{receipt}");
    assert!(receipt["id"].is_string());
    assert_eq!(receipt["notice"], "N-17");
    assert!(receipt["list"].as_u64().unwrap() > before);
    receipt["in_force_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let rules: Vec<&str> =
        receipt["rules"].as_array().unwrap().iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["https://photos.example/a", "*.pirate.example"]);
    assert!(receipt["rules"].as_array().unwrap().iter().all(|rule| rule["id"].is_string()));
    assert_eq!(receipt["purged"]["objects"], 1, "{receipt}");
    assert!(receipt["purged"]["bytes"].as_u64() >= Some(5), "{receipt}");
    assert_eq!(receipt["cut"], 0);
    assert!(receipt["last_served"].is_object(), "{receipt}");
    edge.must_block("https://photos.example/a", receipt["list"].as_u64().unwrap(), None);

    let answer = edge.ask("GET", "/a", &[("Accept", "application/problem+json")]);
    assert_eq!((answer.status, &answer.json()["notice"]), (451, &"N-17".into()));
    let event = edge.event("block-added");
    assert!(event.to_string().contains(receipt["id"].as_str().unwrap()), "{event}");
}

#[test]
fn a_receipt_tells_what_was_last_served_of_content_too() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let answer = edge.get("/a");
    edge.record_of(&answer);
    let receipt = edge.block(&sha256_hex(&answer.body), "N-1");
    assert_eq!(receipt["last_served"]["url"], "https://photos.example/a", "{receipt}");
}

#[test]
fn what_was_never_served_has_no_last_served() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let receipt = edge.block("https://photos.example/never", "N-1");
    assert_eq!(receipt["last_served"], Value::Null);
    assert_eq!(receipt["purged"], json!({ "objects": 0, "bytes": 0 }));
}

#[test]
fn every_kind_of_rule_may_be_given_with_its_attributes() {
    let origin = page();
    let edge = Edge::before(&origin).hosts("[\"*\"]").start();
    let (status, receipt) = post(
        &edge,
        &json!({
            "rules": ["https://photos.example/p/*", "pirate2.example", "!https://photos.example/p/ok"],
            "status": 410,
        }),
    );
    assert_eq!(status, 201, "{receipt}");
    let mut client = edge.connect();
    assert_eq!(client.get(HOST, "/p/x").status, 410);
    assert_eq!(client.get(HOST, "/p/ok").status, 200);
    assert_eq!(client.get("pirate2.example", "/").status, 410);
    let (status, receipt) = post(&edge, &json!({ "rules": ["https://photos.example/q"], "query": "exact" }));
    assert_eq!(status, 201, "{receipt}");
    assert_eq!((client.get(HOST, "/q").status, client.get(HOST, "/q?x").status), (451, 200));
    let (status, receipt) = post(&edge, &json!({ "rules": ["https://photos.example/r"], "until": "2020-01-01" }));
    assert_eq!(status, 201, "{receipt}");
    assert_eq!(client.get(HOST, "/r").status, 200);
}

#[test]
fn what_can_not_be_a_rule_is_refused_as_a_whole() {
    let origin = page();
    let edge = Edge::plain(&origin);
    for body in [
        json!({ "rules": ["https://photos.example/a", "https://photos.example/b*"] }),
        json!({ "rules": ["https://photos.example/a", ""] }),
        json!({ "rules": ["https://photos.example/a\nhttps://photos.example/b"] }),
        json!({ "rules": [] }),
        json!({ "rules": "https://photos.example/a" }),
        json!({ "rules": ["https://photos.example/a"], "colour": "red" }),
        json!({ "rules": ["https://photos.example/a"], "status": 200 }),
        json!({ "rules": ["https://photos.example/a"], "geo": "DE" }),
        json!({ "rules": ["https://photos.example/a"], "by": "a\nb" }),
        json!({ "notice": "N-1" }),
        json!(["https://photos.example/a"]),
    ] {
        let answer = edge.api("POST", "/api/v1/blocks", Some(&body));
        assert!((400..=422).contains(&answer.status), "{body}: {} {}", answer.status, answer.text());
        assert_eq!(answer.field("Content-Type"), Some("application/problem+json"), "{body}");
        assert!(answer.json()["detail"].is_string(), "{body}: {}", answer.text());
    }
    let garbage = edge.api_with(
        "POST",
        "/api/v1/blocks",
        Some(&Value::String("not an object".into())),
        &[("Authorization", &format!("Bearer {}", edge.token()))],
    );
    assert_eq!(garbage.status, 400, "{}", garbage.text());
    assert_eq!(edge.get("/a").status, 200, "nothing was applied");
}

#[test]
fn the_same_id_is_the_same_block() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let body = json!({ "id": "case-7", "rules": ["https://photos.example/a"], "notice": "N-1" });
    let (first, receipt) = post(&edge, &body);
    let (again, repeated) = post(&edge, &body);
    assert_eq!((first, again), (201, 200));
    assert_eq!((&receipt["id"], &receipt["rules"]), (&repeated["id"], &repeated["rules"]));
    assert_eq!(receipt["id"], "case-7");
    assert_eq!(receipt["by"], "127.0.0.1", "whoever doesn't say is known by the address");
    let (again, by_another) =
        post(&edge, &json!({ "id": "case-7", "rules": ["https://photos.example/a"], "notice": "N-1", "by": "desk" }));
    assert_eq!((again, &by_another), (200, &receipt), "whoever asks");
    let (other, problem) =
        post(&edge, &json!({ "id": "case-7", "rules": ["https://photos.example/b"], "notice": "N-1" }));
    assert_eq!(other, 409, "{problem}");
    assert_eq!(edge.get("/b").status, 200);
    assert_eq!(blocks(&edge).len(), 1);
}

fn blocks(edge: &Edge) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = edge.api("GET", &format!("/api/v1/blocks?limit=3{after}"), None);
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let these = page["blocks"].as_array().unwrap();
        assert!(these.len() <= 3, "{page}");
        all.extend(these.iter().cloned());
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            Value::Number(next) => after = format!("&after={next}"),
            Value::Null => return all,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn blocks_are_listed_page_by_page() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let receipts: Vec<Value> =
        (0..8).map(|n| edge.block(&format!("https://photos.example/{n}"), &format!("N-{n}"))).collect();
    let listed = blocks(&edge);
    assert_eq!(listed.len(), 8);
    for receipt in &receipts {
        let rule = &receipt["rules"][0];
        let one = listed.iter().find(|block| block["id"] == rule["id"]).expect("it is listed");
        assert_eq!(
            (&one["rule"], &one["receipt"], &one["notice"]),
            (&rule["rule"], &receipt["id"], &receipt["notice"])
        );
        assert_eq!((&one["reason"], &one["by"]), (&"a test".into(), &"127.0.0.1".into()));
        one["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    let first = edge.api("GET", "/api/v1/blocks?after=&limit=", None);
    assert_eq!((first.status, first.json()["blocks"].as_array().map(Vec::len)), (200, Some(8)), "{}", first.text());
    let wrong = edge.api("GET", "/api/v1/blocks?after=nonsense&limit=many", None);
    assert_eq!(wrong.status, 400);
}

#[test]
fn what_a_body_should_have_held_is_said_in_words() {
    let origin = page();
    let edge = Edge::plain(&origin);
    for (path, body, told) in [
        ("blocks", r#"{"rules": "a.example"}"#, "rules is a text, and should be an array of texts"),
        ("blocks", r#"{"rules": ["a.example", 7]}"#, "rules[1] is a number, and should be a text"),
        ("blocks", r#"{"notice": "N"}"#, "rules is missing"),
        ("blocks", r#"{"rules": ["a.example"], "dry_run": "yes"}"#, "dry_run is a text, and should be true or false"),
        ("blocks", r#"{"rules": ["a.example"], "id": {}}"#, "id is an object, and should be a text"),
        ("blocks", r#"{"rules": ["a.example"], "dry_run": true, "limit": -1}"#, "limit is a number below zero"),
        ("blocks", r#"{"rules": ["a.example"], "dry_run": true, "limit": 10001}"#, "from 1 to 10000"),
        ("blocks", r#"{"rules": [], "rules": ["a.example"]}"#, "said twice"),
        ("blocks", "[]", "the body is an array, and should be an object such as"),
        ("blocks", "{\"rules\": [\"a.example\"],\n oops}", "no JSON from line 2, column 2"),
        ("blocks", "", "there is no body"),
        ("purge", r#"{"url": 7}"#, "url is a number, and should be a text"),
        ("purge", r#"{"urll": "https://photos.example/"}"#, "did you mean url?"),
        ("reload", r#"{"accept_shrink": 1}"#, "accept_shrink is a number, and should be true or false"),
    ] {
        let answer = edge.api_text("POST", &format!("/api/v1/{path}"), body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        let json = answer.json();
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{body}: {detail}");
    }
    for most in ["blocks?limit=1001", "rules?limit=1001", "blocks?limit=0", "rules?limit=99999999999999999999"] {
        let answer = edge.api("GET", &format!("/api/v1/{most}"), None);
        assert!(answer.status == 400 && answer.text().contains("from 1 to 1000"), "{most}: {}", answer.text());
    }
    assert_eq!(edge.api("GET", "/api/v1/rules?limit=1000", None).status, 200);
}

#[test]
fn the_digest_of_no_bytes_is_refused_wherever_it_is_asked_for() {
    let origin = Origin::with("*", Page::stored(""));
    let edge = Edge::plain(&origin);
    let rule = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let answer = edge.api("POST", "/api/v1/blocks", Some(&json!({ "rules": [rule] })));
    assert!(answer.status == 422 && answer.text().contains("every empty answer"), "{}", answer.text());
    edge.list().replace(&format!("{rule}\n"));
    edge.until_said(&["list.txt:1:1", "every empty answer"]);
    assert_eq!(edge.get("/a").status, 200);
}

#[test]
fn rules_are_searched_live_ones_and_those_of_lists() {
    let origin = page();
    let list: String = (0..2_500).map(|n| format!("https://photos.example/list/{n} notice=L-{n}\n")).collect();
    let edge = Edge::before(&origin).rules(&list).start();
    for n in 0..5 {
        edge.block(&format!("https://photos.example/live/{n}"), &format!("N-{n}"));
    }
    edge.block("*.photos.example", "N-9");
    let rules = |query: &str, name: &str| {
        let answer = edge.api("GET", &format!("/api/v1/{name}?{query}"), None);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let all = answer.json()[name].as_array().unwrap().clone();
        all.iter().map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(rules("query=LIVE/3", "blocks"), ["https://photos.example/live/3"]);
    assert_eq!(rules("notice=N-9", "blocks"), ["*.photos.example"]);
    assert_eq!(rules("url=http://photos.example:81/live/./2", "blocks").len(), 2);
    assert_eq!(rules("by=127.0&host=photos.example", "blocks").len(), 6);
    assert_eq!((rules("since=2999-01-01", "blocks").len(), rules("by=nobody", "blocks").len()), (0, 0));
    assert_eq!(rules("notice=L-7", "rules"), ["https://photos.example/list/7"]);
    assert_eq!(rules("url=https://photos.example/list/99?q", "rules"), ["https://photos.example/list/99"]);
    assert_eq!(rules("source=list.txt&limit=3", "rules").len(), 3);
    assert_eq!(rules("source=other.txt", "rules").len(), 0);
    let line = &edge.api("GET", "/api/v1/rules?notice=L-7", None).json()["rules"][0];
    assert_eq!((&line["line"], &line["standing"]), (&8.into(), &"in-force".into()), "{line}");
    assert!(line["file"].as_str().unwrap().ends_with("blocklist.d/list.txt"), "{line}");
    for bad in
        ["rules?after=x", "rules?since=2026-01-01", "rules?limit=many", "blocks?since=soon", "blocks?url=https://"]
    {
        let answer = edge.api("GET", &format!("/api/v1/{bad}"), None);
        assert!((400..=422).contains(&answer.status), "{bad}: {}", answer.text());
    }

    let all = edge.seawall(&["blocks", "--all", "--output", "jsonl"]);
    assert_eq!((all.code, all.stdout.lines().count()), (0, 2_506), "{}", all.stderr);
    let text = edge.seawall(&["blocks", "--all", "--search", "/2499"]);
    assert!(text.stdout.contains("no live block is so") && text.stdout.contains("L-2499"), "{}", text.stdout);
    let text = edge.seawall(&["blocks", "--all"]);
    assert_eq!(text.stdout.lines().count(), 2_508, "each once, and two headings");
    let json = edge.seawall(&["blocks", "--source", "list.txt", "--notice", "L-1", "--output", "json"]).json();
    assert_eq!(json["rules"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn a_listing_says_which_rules_hold_now() {
    let edge = Edge::plain(&page());
    for (name, time) in [
        ("always", json!({})),
        ("past", json!({ "until": "2020-01-01" })),
        ("ahead", json!({ "from": "2999-01-01", "until": "2999-02-01" })),
        ("now", json!({ "from": "2020-01-01", "until": "2999-01-01" })),
    ] {
        let mut edit = json!({ "id": name, "rules": [format!("https://photos.example/{name}")] });
        edit.as_object_mut().unwrap().extend(time.as_object().unwrap().clone());
        assert_eq!(post(&edge, &edit).0, 201, "{name}");
    }
    let listed = edge.api("GET", "/api/v1/blocks", None).json()["blocks"].clone();
    let told = |at: usize| [&listed[at]["receipt"], &listed[at]["standing"], &listed[at]["from"], &listed[at]["until"]];
    let (none, millennium) = (serde_json::Value::Null, "2999-01-01T00:00:00.000000Z");
    assert_eq!(told(0), [&json!("always"), &json!("in-force"), &none, &none]);
    assert_eq!(told(1), [&json!("past"), &json!("over"), &none, &json!("2020-01-01T00:00:00.000000Z")]);
    let end = json!("2999-02-01T00:00:00.000000Z");
    assert_eq!(told(2), [&json!("ahead"), &json!("not-yet"), &json!(millennium), &end]);
    assert_eq!(told(3)[..2], [&json!("now"), &json!("in-force")]);
    let text = edge.seawall(&["blocks"]).stdout;
    let is_over = |line: &str| line.split_whitespace().any(|word| word == "over");
    assert_eq!(text.lines().filter(|line| is_over(line)).count(), 1, "{text}");
}

#[test]
fn a_block_is_lifted_by_its_rules_id_or_its_receipts() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let (_, receipt) = post(
        &edge,
        &json!({ "rules": ["https://photos.example/a", "https://photos.example/b", "https://photos.example/c"] }),
    );
    let first = receipt["rules"][0]["id"].as_str().unwrap();
    let lifted = edge.api("DELETE", &format!("/api/v1/blocks/{first}?by=appeals"), None);
    assert_eq!((lifted.status, &lifted.json()["by"]), (200, &"appeals".into()), "{}", lifted.text());
    assert!(lifted.json()["id"].is_string(), "a receipt: {}", lifted.text());
    let mut client = edge.connect();
    let mut statuses = || ["/a", "/b", "/c"].map(|path| client.get(HOST, path).status);
    assert_eq!(statuses(), [200, 451, 451]);
    let all = edge.api("DELETE", &format!("/api/v1/blocks/{}", receipt["id"].as_str().unwrap()), None);
    assert_eq!(all.status, 200, "{}", all.text());
    assert_eq!(statuses(), [200, 200, 200]);
    assert_eq!(edge.api("DELETE", &format!("/api/v1/blocks/{first}"), None).status, 404);
    assert_eq!(edge.api("DELETE", "/api/v1/blocks/never-was", None).status, 404);
    assert_eq!(edge.event("block-lifted")["event"], "block-lifted");
    assert!(blocks(&edge).is_empty());
}

#[test]
fn a_block_survives_kill_9_right_after_its_receipt() {
    let origin = page();
    let mut edge = Edge::plain(&origin);
    for round in 0..3 {
        let receipt = edge.block(&format!("https://photos.example/{round}"), "N-1");
        edge.kill();
        edge.start_again();
        for past in 0..=round {
            assert_eq!(edge.get(&format!("/{past}")).status, 451, "after round {round}");
        }
        assert!(edge.list_version() >= receipt["list"].as_u64().unwrap());
        let id = receipt["id"].as_str().unwrap().to_owned();
        eventually("its event is in the log", || {
            edge.log().iter().any(|line| line["event"] == "block-added" && line.to_string().contains(&id))
        });
    }
}

#[test]
fn a_lift_survives_kill_9_right_after_its_receipt() {
    let origin = page();
    let mut edge = Edge::plain(&origin);
    let receipt = edge.block("https://photos.example/a", "N-1");
    let id = receipt["id"].as_str().unwrap();
    assert_eq!(edge.api("DELETE", &format!("/api/v1/blocks/{id}"), None).status, 200);
    edge.kill();
    edge.start_again();
    assert_eq!(edge.get("/a").status, 200);
}

#[test]
fn a_repeated_id_is_known_over_a_restart() {
    let origin = page();
    let mut edge = Edge::plain(&origin);
    let body = json!({ "id": "case-7", "rules": ["https://photos.example/a"] });
    assert_eq!(post(&edge, &body).0, 201);
    edge.restart();
    assert_eq!(post(&edge, &body).0, 200);
    assert_eq!(blocks(&edge).len(), 1);
}

#[test]
fn why_says_which_edit_decides() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let receipt = edge.block("https://photos.example/a", "N-17");
    let why = edge.api("GET", "/api/v1/why?url=https%3A%2F%2Fphotos.example%2F%2561", None);
    assert_eq!(why.status, 200, "{}", why.text());
    assert!(why.text().contains("https://photos.example/a") && why.text().contains("N-17"), "{}", why.text());
    assert!(why.text().contains(receipt["rules"][0]["id"].as_str().unwrap()), "{}", why.text());
}

fn why(edge: &Edge, url: &str) -> Value {
    let answer = edge.api("GET", &format!("/api/v1/why?url={url}"), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn why_says_what_would_hold_without_the_rule() {
    let origin = page();
    let rules = "*.photos.example notice=T\nhttps://photos.example/a/* notice=P\n!https://photos.example/a/free\n";
    let edge = Edge::before(&origin).rules(rules).start();
    edge.block("https://photos.example/a/b", "N-17");
    let told = why(&edge, "https://photos.example/a/b");
    let chain: Vec<(&str, bool, &str)> = told["without"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let rule = |name: &str| one[name]["rule"].as_str().unwrap_or("-");
            (rule("removed"), one["blocked"].as_bool().unwrap(), rule("rule"))
        })
        .collect();
    let (exact, prefix, tree) = ("https://photos.example/a/b", "https://photos.example/a/*", "*.photos.example");
    assert_eq!(chain, [(exact, true, prefix), (prefix, true, tree), (tree, false, "-")], "{told}");
    let freed = why(&edge, "https://photos.example/a/free");
    assert_eq!((&freed["blocked"], &freed["without"][0]["blocked"]), (&false.into(), &true.into()), "{freed}");
    assert_eq!(why(&edge, "https://other.example/")["without"], json!([]));

    for live in [&["--live"][..], &[]] {
        let text = edge.seawall(&[&["why", "https://photos.example/a/b"], live].concat());
        assert_eq!(text.code, 10, "{}", text.all());
        let line =
            |start: &str| text.stdout.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
        assert!(
            line("without https://photos.example/a/b (live block ").contains("blocked by https://photos.example/a/*")
        );
        assert!(line("and *.photos.example (").ends_with("allowed"), "{}", text.stdout);
    }
}

#[test]
fn why_says_what_is_stored_and_which_digest_rules_are_about_it() {
    let origin = page();
    let digest = sha256_hex(b"hello");
    let edge = Edge::before(&origin).rules("!https://photos.example/free\n").start();
    edge.get("/a").stored();
    edge.get("/a").hit();
    let last = edge.get("/free");
    edge.record_of(&last);
    let content = &why(&edge, "http://PHOTOS.example:81/%61")["content"];
    let object = &content["objects"][0];
    assert_eq!((&content["answers"], &content["left_out"]), (&2.into(), &0.into()), "{content}");
    assert_eq!(
        (&object["url"], &object["form"], &object["status"], &object["length"]),
        (&"https://photos.example/a".into(), &"whole".into(), &200.into(), &5.into())
    );
    assert_eq!((&object["bytes"][0]["digest"], &object["bytes"][0]["rules"]), (&digest.clone().into(), &json!([])));
    assert!(object["fresh_seconds"].as_i64() > Some(0) && object["age_seconds"].is_u64(), "{object}");

    edge.block(&digest, "N-1");
    // What stays though its bytes are forbidden, and what went: its bytes are known for a while.
    let freed = why(&edge, "https://photos.example/free");
    let bytes = &freed["content"]["objects"][0]["bytes"][0];
    assert_eq!((&freed["blocked"], &bytes["blocked"]), (&false.into(), &false.into()), "{freed}");
    assert_eq!((&bytes["rules"][0]["rule"], &bytes["rules"][0]["notice"]), (&digest.clone().into(), &"N-1".into()));
    let gone = why(&edge, "https://photos.example/a");
    assert_eq!((&gone["blocked"], &gone["rule"]["rule"]), (&true.into(), &digest.clone().into()), "{gone}");
    assert_eq!((&gone["content"]["known"]["digest"], &gone["refusal"]["status"]), (&digest.into(), &451.into()));
    assert_eq!((edge.get("/a").status, edge.get("/free").status), (451, 200));

    let text = edge.seawall(&["why", "https://photos.example/a", "--live"]);
    assert_eq!(text.code, 10, "{}", text.all());
    assert!(text.stdout.contains("known bytes") && text.stdout.contains("2 answers"), "{}", text.stdout);
    let text = edge.seawall(&["why", "https://photos.example/free", "--live"]);
    assert!(text.code == 0 && text.stdout.contains("not blocked though there is"), "{}", text.all());
}

#[test]
fn status_says_how_the_edge_is() {
    let origin = page();
    let edge = Edge::before(&origin).rules("https://photos.example/x\nhttps://photos.example/y\n").start();
    edge.get("/a");
    eventually("the object is counted", || edge.metric("seawall_cache_objects") == 1.0);
    let status = edge.api("GET", "/api/v1/status", None);
    assert_eq!(status.status, 200);
    let json = status.json();
    for name in ["version", "node", "run"] {
        assert!(!json[name].is_null(), "{name} in {json}");
    }
    let text = status.text();
    assert!(text.contains("list.txt") || text.contains("blocklist.d"), "{text}");
    assert!(text.contains("uptime") && text.contains("objects"), "{text}");
}

// Who may.

#[test]
fn the_api_wants_the_token() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let body = json!({ "rules": ["https://photos.example/a"] });
    let wrong = format!("Bearer {}x", edge.token());
    let basic = format!("Basic {}", edge.token());
    for fields in [
        vec![],
        vec![("Authorization", "Bearer ")],
        vec![("Authorization", wrong.as_str())],
        vec![("Authorization", basic.as_str())],
    ] {
        for (method, target, body) in [
            ("POST", "/api/v1/blocks", Some(&body)),
            ("GET", "/api/v1/blocks", None),
            ("DELETE", "/api/v1/blocks/x", None),
            ("GET", "/api/v1/status", None),
            ("POST", "/api/v1/purge", Some(&body)),
            ("POST", "/api/v1/reload", None),
            ("GET", "/api/v1/why?url=https://photos.example/", None),
        ] {
            let answer = edge.api_with(method, target, body, &fields);
            assert_eq!(answer.status, 401, "{method} {target} with {fields:?}");
            assert_eq!(answer.field("Content-Type"), Some("application/problem+json"));
            assert!(answer.field("WWW-Authenticate").is_some_and(|value| value.starts_with("Bearer")));
        }
    }
    assert_eq!(edge.get("/a").status, 200);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(edge.path("state/admin.token")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(edge.path("state")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn health_and_metrics_are_open() {
    let origin = page();
    let edge = Edge::plain(&origin);
    assert_eq!(edge.api_with("GET", "/livez", None, &[]).status, 200);
    let ready = edge.readyz();
    assert_eq!((ready.status, ready.text().lines().next()), (200, Some("ready")));
    edge.get("/a");
    let served = || edge.metric_where("seawall_requests_total", &["site=\"photos\"", "verdict=\"served\""]);
    eventually("it is counted", || served() == 1.0);
    let metrics = edge.api_with("GET", "/metrics", None, &[]).text();
    for name in [
        "seawall_requests_total",
        "seawall_list_version",
        "seawall_list_age_seconds",
        "seawall_list_errors_total",
        "seawall_abandoned_total",
        "seawall_cut_total",
        "seawall_cache_bytes",
        "seawall_cache_objects",
        "seawall_audit_queue",
        "seawall_audit_shed_total",
        "seawall_hooks_dead",
        "seawall_reload_failed",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} in\n{metrics}");
    }
    // One refused before it could be read.
    edge.send("GET /a HTTP/1.1\nHost: photos.example\n\n");
    assert!(edge.metric("seawall_refused_total") >= 1.0);
}

#[test]
fn host_is_checked_against_rebinding() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let port = edge.admin.port();
    let bearer = format!("Bearer {}", edge.token());
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("127.0.0.1.evil.example:{port}")] {
        let answer = edge.api_with("GET", "/api/v1/status", None, &[("Authorization", &bearer), ("Host", &host)]);
        assert!(matches!(answer.status, 400 | 403 | 421), "{host}: {}", answer.status);
    }
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let answer = edge.api_with("GET", "/api/v1/status", None, &[("Authorization", &bearer), ("Host", &host)]);
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[test]
fn what_the_api_does_not_have_is_a_problem_too() {
    let origin = page();
    let edge = Edge::plain(&origin);
    let unknown = edge.api("GET", "/api/v1/nothing", None);
    assert_eq!((unknown.status, unknown.field("Content-Type")), (404, Some("application/problem+json")));
    let method = edge.api("PUT", "/api/v1/blocks", None);
    assert_eq!(method.status, 405);
    let purge = edge.api("POST", "/api/v1/purge", Some(&json!({ "link": "https://photos.example/a" })));
    assert!((400..=422).contains(&purge.status), "{}", purge.status);
}

#[test]
fn an_edge_has_no_admin_pages_and_the_admin_listener_no_records() {
    let origin = Origin::start();
    let edge = Edge::before(&origin).hosts("[\"*\"]").start();
    assert_eq!(edge.get("/metrics").status, 404, "the origin's answer");
    assert_eq!(edge.get("/api/v1/status").status, 404);
    edge.api("GET", "/api/v1/status", None);
    let last = edge.get("/last");
    edge.record_of(&last);
    assert_eq!(edge.log().iter().filter(|line| line["event"].is_null()).count(), 3);
}

#[test]
fn content_is_blocked_wherever_it_stands() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| {
        let text = if asked.field("Accept-Language") == Some("fr") { "photo en français" } else { "a photo" };
        Page::stored(text).field("Vary", "Accept-Language").into()
    });
    for (path, text) in [("/copy", "a photo"), ("/copie", "photo en français"), ("/other", "another photo")] {
        origin.on(path, Page::stored(text));
    }
    origin.on("/cold", Page::stored("never asked for"));
    origin.on("/warm", Page::stored("never asked for"));
    origin.on("/gone", Page::new("404 Not Found", "gone"));
    origin.on("/empty", Page::stored(""));
    let edge = Edge::plain(&origin);
    for path in ["/copy", "/copie", "/other", "/warm"] {
        edge.get(path).stored();
    }
    edge.get("/a").stored();
    edge.ask("GET", "/a", &[("Accept-Language", "fr")]).stored();

    let content = edge.api("GET", "/api/v1/content?url=https://photos.example/%2561", None).json();
    assert_eq!((&content["url"], &content["fetched"]), (&"https://photos.example/a".into(), &false.into()));
    let mut digests: Vec<&str> =
        content["contents"].as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap()).collect();
    let mut wanted = ["a photo", "photo en français"].map(|text| sha256_hex(text.as_bytes()));
    digests.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(digests, wanted);

    let done =
        edge.seawall(&["block", "https://photos.example/a", "--by-content", "--notice", "N-1", "--output", "json"]);
    assert_eq!(done.code, 0, "{}", done.all());
    let receipt: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(receipt["rules"].as_array().unwrap().len(), 3, "{receipt}");
    assert_eq!(receipt["purged"]["objects"], 4, "{receipt}");
    for (path, status) in [("/a", 451), ("/copy", 451), ("/copie", 451), ("/other", 200)] {
        assert_eq!(edge.get(path).status, status, "{path}");
    }

    // What nothing is stored of is asked for once, and not stored.
    let done = edge.seawall(&["block", "https://photos.example/cold", "--by-content"]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(origin.count("/cold"), 1);
    assert_eq!((edge.get("/warm").status, edge.get("/cold").status), (451, 451));
    let empty = edge.seawall(&["block", "https://photos.example/empty", "--by-content"]);
    assert_eq!(empty.code, 1, "{}", empty.all());
    assert!(empty.stderr.contains("empty"), "a rule for no bytes would block much: {}", empty.stderr);
    let absent = edge.seawall(&["block", "https://photos.example/gone", "--by-content"]);
    assert_eq!(absent.code, 1, "{}", absent.all());
    assert!(absent.stderr.contains("its origin answers with 404"), "{}", absent.stderr);
    assert_eq!(edge.get("/gone").status, 404, "nothing is blocked where not all is");
    for rule in ["*.photos.example", "https://photos.example/albums/*", "photos.example"] {
        let refused = edge.seawall(&["block", rule, "--by-content"]);
        assert_eq!(refused.code, 1, "{}", refused.all());
        assert!(refused.stderr.contains("is no URL"), "{}", refused.stderr);
    }
    let unknown = edge.api("GET", "/api/v1/content?url=https://elsewhere.example/a", None);
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}
