//! Hooks: programs and servers that are told of events, at least once and in order.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::origin::Asked;
use crate::harness::{Edge, Origin, Page, eventually, hmac_sha256, until};

/// A program that appends what it is told to `got`, if `when` succeeds.
fn hook(folder: &Path, on: &str, when: &str) -> String {
    let script = folder.join("hook.sh");
    let got = folder.join("got");
    let text = format!("#!/bin/sh\n{when} || exit 1\ncat >> {got}\necho >> {got}\n", got = got.display());
    fs::write(&script, text).unwrap();
    format!("[[hook]]\nname = \"told\"\non = [{on}]\nexec = [\"sh\", \"{}\"]\n", script.display())
}

fn told(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("got")).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn until_told(folder: &Path, count: usize) -> Vec<Value> {
    until(&format!("{count} deliveries"), || Some(told(folder)).filter(|all| all.len() >= count))
}

#[test]
fn a_program_gets_the_event_as_json_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::before(&origin).tables(&hook(folder.path(), "\"block-added\", \"block-lifted\"", "true")).start();
    let receipt = edge.block("https://photos.example/a", "N-17");
    let id = receipt["id"].as_str().unwrap();
    let first = until_told(folder.path(), 1).remove(0);
    assert_eq!(first["type"], "block-added");
    first["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(first["data"], receipt, "the data is the receipt");
    let event = edge.event("block-added");
    assert_eq!(event["data"], receipt, "and so is the log's: {event}");

    edge.api("DELETE", &format!("/api/v1/blocks/{id}"), None);
    let all = until_told(folder.path(), 2);
    assert_eq!(all[1]["type"], "block-lifted");
    eventually("nothing waits", || waiting(&edge) == 0);
}

fn waiting(edge: &Edge) -> usize {
    let count = |path: &Path| {
        fs::read_dir(path).map_or(0, |entries| entries.flatten().filter(|entry| entry.path().is_file()).count())
    };
    let hooks = edge.path("state/hooks");
    count(&hooks) + count(&hooks.join("told"))
}

#[test]
fn a_program_that_fails_is_tried_again_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    let origin = Origin::with("*", Page::stored("x"));
    let when = format!("test -e {}", allowed.display());
    let edge = Edge::before(&origin).tables(&hook(folder.path(), "\"block-added\"", &when)).start();
    let receipts: Vec<Value> = (0..3).map(|n| edge.block(&format!("https://photos.example/{n}"), "N-1")).collect();
    eventually("all wait on the disk", || waiting(&edge) == 3);
    fs::write(&allowed, "").unwrap();
    let all = until_told(folder.path(), 3);
    let ids: Vec<&Value> = all.iter().map(|one| &one["data"]["id"]).collect();
    assert_eq!(ids, receipts.iter().map(|receipt| &receipt["id"]).collect::<Vec<_>>(), "in order");
    eventually("nothing waits", || waiting(&edge) == 0);
}

#[test]
fn a_delivery_survives_kill_9_and_is_tried_at_once_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    let origin = Origin::with("*", Page::stored("x"));
    let when = format!("test -e {}", allowed.display());
    let mut edge = Edge::before(&origin).tables(&hook(folder.path(), "\"block-added\"", &when)).start();
    let receipt = edge.block("https://photos.example/a", "N-1");
    edge.kill();
    fs::write(&allowed, "").unwrap();
    edge.start_again();
    let all = until_told(folder.path(), 1);
    assert_eq!(all[0]["data"]["id"], receipt["id"]);
}

/// The log has the event, the outbox could not take it, and then the process is killed: as near as one
/// comes from outside to a crash between the telling and the noting that it was told.
#[test]
fn a_crash_amid_the_telling_makes_no_second_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::before(&origin).tables(&hook(folder.path(), "\"block-added\"", "true")).start();
    let outbox = edge.path("state/hooks/told");
    fs::remove_dir(&outbox).unwrap();
    fs::write(&outbox, "no folder").unwrap();
    let ask = serde_json::json!({ "id": "once", "rules": ["https://photos.example/a"], "notice": "N-1" });
    let receipt = edge.api("POST", "/api/v1/blocks", Some(&ask)).json();
    let again = edge.api("POST", "/api/v1/blocks", Some(&ask)).json();
    assert_eq!(again, receipt, "asked again before it was told of");
    edge.kill();
    fs::remove_file(&outbox).unwrap();
    edge.start_again();
    let told = until_told(folder.path(), 1);
    assert_eq!(told[0]["data"], receipt);
    assert_eq!(edge.api("POST", "/api/v1/blocks", Some(&ask)).json(), receipt);
    let log = edge.log();
    let events: Vec<&Value> = log.iter().filter(|line| line["event"] == "block-added").collect();
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["data"], receipt);
}

#[test]
fn a_program_that_hangs_or_is_missing_delays_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let missing = "[[hook]]\nname = \"gone\"\non = [\"block-added\"]\nexec = [\"/nowhere/program\"]\n";
    let origin = Origin::with("*", Page::stored("x"));
    let tables = hook(folder.path(), "\"block-added\"", "exec sleep 60") + missing;
    let edge = Edge::before(&origin).tables(&tables).start();
    let before = std::time::Instant::now();
    edge.block("https://photos.example/a", "N-1");
    edge.block("https://photos.example/b", "N-1");
    assert!(before.elapsed() < Duration::from_secs(50), "{:?}", before.elapsed());
    assert_eq!(edge.get("/a").status, 451);
}

#[test]
fn a_hook_hears_of_lists_too() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::before(&origin).tables(&hook(folder.path(), "\"list-applied\", \"list-refused\"", "true")).start();
    edge.until_list_after(|| edge.list().append("https://photos.example/a"));
    eventually("list-applied", || told(folder.path()).iter().any(|one| one["type"] == "list-applied"));
    edge.list().append("https://photos.example/b colour=red");
    eventually("list-refused", || told(folder.path()).iter().any(|one| one["type"] == "list-refused"));
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A webhook to this server, and the file of its secret.
fn webhook(folder: &Path, desk: &Origin) -> String {
    let secret = folder.join("desk.secret");
    fs::write(&secret, SECRET).unwrap();
    format!(
        "[[hook]]\nname = \"told\"\non = [\"block-added\"]\nurl = \"http://{}/told\"\nsecret_file = \"{}\"\n",
        desk.address,
        secret.display()
    )
}

/// The signature that Standard Webhooks 1.0 wants.
fn signature(told: &Asked) -> String {
    let field = |name| told.field(name).unwrap_or_else(|| panic!("{name} in {told:?}"));
    let signed = [field("webhook-id").as_bytes(), field("webhook-timestamp").as_bytes(), &told.body].join(&b"."[..]);
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)))
}

#[test]
fn a_server_gets_what_a_program_would_signed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Origin::with("/told", Page::ok("thanks"));
    let origin = Origin::with("*", Page::stored("x"));
    let tables = webhook(folder.path(), &desk)
        + &hook(folder.path(), "\"block-added\"", "true").replace("name = \"told\"", "name = \"program\"");
    let edge = Edge::before(&origin).tables(&tables).start();
    let receipt = edge.block("https://photos.example/a", "N-17");
    desk.until_asked("/told", 1);
    let told = desk.asked_once("/told");
    assert_eq!((told.method.as_str(), told.field("content-type")), ("POST", Some("application/json")));
    assert_eq!(told.field("webhook-signature"), Some(&*signature(&told)));
    until_told(folder.path(), 1);
    let on_stdin = fs::read(folder.path().join("got")).unwrap();
    assert_eq!(told.body, on_stdin.trim_ascii_end(), "the same bytes");
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((&body["type"], &body["data"]), (&"block-added".into(), &receipt));
    eventually("nothing waits", || waiting(&edge) == 0);
    assert!(!edge.stderr().contains(&SECRET[6..]), "no secret in a log");
}

#[test]
fn a_server_that_fails_is_told_again_over_a_crash_under_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Origin::with("/told", Page::new("503 Service Unavailable", ""));
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::before(&origin).tables(&webhook(folder.path(), &desk)).start();
    let receipts = ["a", "b"].map(|name| edge.block(&format!("https://photos.example/{name}"), "N-1"));
    desk.until_asked("/told", 1);
    edge.kill();
    desk.on("/told", Page::new("307 Temporary Redirect", "").field("Location", "/elsewhere"));
    let before = desk.count("/told");
    edge.start_again();
    desk.until_asked("/told", before + 1);
    desk.on("/told", Page::new("204 No Content", ""));
    eventually("nothing waits", || waiting(&edge) == 0);
    let all = desk.asked("/told");
    let (last, earlier) = all.split_last().unwrap();
    assert!(earlier.iter().all(|one| one.field("webhook-id") == all[0].field("webhook-id")), "in order: {all:#?}");
    assert_ne!(last.field("webhook-id"), all[0].field("webhook-id"));
    for (told, receipt) in [(&all[0], &receipts[0]), (last, &receipts[1])] {
        assert_eq!(serde_json::from_slice::<Value>(&told.body).unwrap()["data"], *receipt);
        assert_eq!(told.field("webhook-signature"), Some(&*signature(told)));
    }
    assert_eq!(desk.count("/elsewhere"), 0, "a redirect is not followed");
}

#[test]
fn a_dead_letter_that_is_moved_back_is_delivered_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Origin::with("/told", Page::ok(""));
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::before(&origin).tables(&webhook(folder.path(), &desk)).start();
    // A day is long: what was given up in an earlier run.
    edge.stop();
    let name = "told~1790000000000000~block-added~r-1.1790000000000000.json";
    let body = r#"{"type":"block-added","timestamp":"2026-09-21T14:13:20.000000Z","data":{"id":"r-1"}}"#;
    fs::write(edge.path("state/hooks/dead").join(name), body).unwrap();
    edge.start_again();
    assert_eq!(edge.metric("seawall_hooks_dead"), 1.0);
    fs::rename(edge.path("state/hooks/dead").join(name), edge.path("state/hooks/told").join(name)).unwrap();
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    desk.until_asked("/told", 1);
    let told = desk.asked_once("/told");
    assert_eq!(told.body, body.as_bytes());
    assert_eq!(told.field("webhook-signature"), Some(&*signature(&told)));
    eventually("nothing waits", || waiting(&edge) == 0);
    assert_eq!(edge.metric("seawall_hooks_dead"), 0.0);
}
