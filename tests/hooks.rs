//! Hooks: programs that are told of events, at least once and in order.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Edge, Origin, Page, eventually, until};

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

#[test]
fn a_program_that_hangs_or_is_missing_delays_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let missing = "[[hook]]\nname = \"gone\"\non = [\"block-added\"]\nexec = [\"/nowhere/program\"]\n";
    let origin = Origin::with("*", Page::stored("x"));
    let tables = hook(folder.path(), "\"block-added\"", "exec sleep 20") + missing;
    let edge = Edge::before(&origin).tables(&tables).start();
    let before = std::time::Instant::now();
    edge.block("https://photos.example/a", "N-1");
    edge.block("https://photos.example/b", "N-1");
    assert!(before.elapsed() < std::time::Duration::from_secs(3), "{:?}", before.elapsed());
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
