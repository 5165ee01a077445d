//! What must hold after every test, whatever it was about.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::origin::Served;
use super::{evidence, seawall};

/// A URL in canonical form, and the list versions in which it is blocked: from the first to before the
/// second.
pub type Blocked = (String, u64, Option<u64>);

/// What the test knows of what the log must say.
pub struct Expected<'a> {
    pub served: &'a [Served],
    pub blocked: &'a [Blocked],
    /// A rule begins or ends within a list version.
    pub timed: bool,
}

/// Checks what a stopped edge left behind.
pub fn everything(folder: &Path, expected: &Expected<'_>, stderr: &str) {
    assert!(!stderr.contains("panicked at"), "the edge panicked:\n{stderr}");
    let audit = folder.join("state/audit");
    let verified = seawall(&["audit", "verify", &audit.display().to_string()], folder);
    assert_eq!(verified.code, 0, "audit verify: {}", verified.all());
    evidence::check_chain(&audit);
    let lines = evidence::lines(&audit);
    let records: Vec<&Value> = lines.iter().filter(|line| line["event"].is_null()).collect();
    for record in &records {
        check_record(record, expected.served);
        check_verdict(record, expected.blocked);
    }
    check_one_digest_a_fill(&records);
    check_compressed(&records, &lines);
    if !expected.timed {
        check_one_verdict_a_version(&records);
    }
}

fn check_record(record: &Value, served: &[Served]) {
    let word = |name: &str, known: &[&str]| {
        let value = record[name].as_str().unwrap_or_else(|| panic!("no {name} in {record}"));
        assert!(known.contains(&value), "{name} of {record}");
    };
    word("verdict", &["served", "blocked", "cut", "failed"]);
    word("cache", &["hit", "miss", "stale", "revalidated", "collapsed", "pass", "tunnel", "none"]);
    for name in ["began", "method", "id"] {
        assert!(record[name].is_string(), "{name} of {record}");
    }
    for name in ["status", "list", "bytes"] {
        assert!(record[name].is_u64(), "{name} of {record}");
    }
    assert!(record["complete"].is_boolean(), "complete of {record}");
    assert!(record["began"].as_str() <= record["time"].as_str(), "it ended before it began: {record}");
    if record["verdict"] == "blocked" {
        assert_eq!(record["cache"], "none", "an answer made here: {record}");
        assert!(record["rule"].is_string(), "no rule in {record}");
    }
    let is_coded = is_compressed(record);
    if record["status"] == 200 && record["origin_digest"].is_string() && !served.is_empty() {
        check_digest(record, served, is_coded);
    }
    if !is_coded {
        assert_eq!(record["digest"], record["origin_digest"], "other bytes than the origin's: {record}");
    }
}

fn is_compressed(record: &Value) -> bool {
    record["departures"].as_array().is_some_and(|all| all.contains(&"compressed".into()))
}

/// An origin's digest in the log is one of what an origin served whole: if it was asked for this very answer, then of
/// what it said to that, unless what was stored stands in for it.
fn check_digest(record: &Value, served: &[Served], is_coded: bool) {
    let digest = record["origin_digest"].as_str().unwrap_or_default();
    let length = served.iter().find_map(|origin| origin.length(digest));
    let length = length.unwrap_or_else(|| panic!("no origin served this: {record}"));
    let id = record["id"].as_str().unwrap_or_default();
    let said = served.iter().find_map(|origin| origin.digest_for(id));
    if let Some(said) = said.filter(|_| record["cache"] != "stale") {
        assert_eq!(digest, said, "the origin answered with other bytes: {record}");
    }
    if is_coded {
        return;
    }
    let is_whole_get = record["method"] == "GET" && record["complete"] == true && record["range"].is_null();
    if is_whole_get && record["verdict"] == "served" {
        assert_eq!(record["bytes"], length, "bytes of {record}");
    }
}

/// What came of one fetch is one thing, for all who got it.
fn check_one_digest_a_fill(records: &[&Value]) {
    let mut fills: HashMap<(u64, u64), &Value> = HashMap::new();
    for record in records.iter().filter(|record| record["origin_digest"].is_string()) {
        let (Some(run), Some(fill)) = (record["run"].as_u64(), record["fill"].as_u64()) else { continue };
        let first = *fills.entry((run, fill)).or_insert(record);
        assert_eq!(first["origin_digest"], record["origin_digest"], "two digests of one fill: {first} and {record}");
    }
}

/// What was served compressed, and not straight from the origin, was made of one fetch's bytes: an event says so, and
/// of how many.
fn check_compressed(records: &[&Value], lines: &[Value]) {
    let made: Vec<&Value> = lines.iter().filter(|line| line["data"]["coding"].is_string()).collect();
    for record in records.iter().filter(|record| is_compressed(record) && record["digest"].is_string()) {
        assert_ne!(record["digest"], record["origin_digest"], "nothing was compressed: {record}");
        let says = |one: &Value| {
            one["run"] == record["run"]
                && ["fill", "origin_digest", "digest"].iter().all(|name| one["data"][*name] == record[*name])
        };
        let Some(made) = made.iter().find(|one| says(one)).map(|one| &one["data"]) else {
            assert!(record["cache"] == "pass" || record["cache"] == "miss", "nothing says how it was made: {record}");
            continue;
        };
        if record["method"] == "GET" && record["complete"] == true && record["status"] == 200 {
            assert_eq!(record["bytes"], made["bytes"], "{made} {record}");
        }
    }
}

fn check_verdict(record: &Value, blocked: &[Blocked]) {
    let Some(list) = record["list"].as_u64() else { return };
    for (url, from, to) in blocked {
        let in_force = list >= *from && to.is_none_or(|to| list < to);
        let is_served = record["verdict"] == "served" && record["url"] == url.as_str();
        assert!(!(is_served && in_force), "served, though its list version blocks it: {record}");
    }
}

/// One list version doesn't both block a URL and serve it, but for those in some countries.
fn check_one_verdict_a_version(records: &[&Value]) {
    let mut verdicts: HashMap<(String, u64), &Value> = HashMap::new();
    for record in records {
        let (Some(url), Some(list)) = (record["url"].as_str(), record["list"].as_u64()) else { continue };
        if (record["verdict"] != "served" && record["verdict"] != "blocked") || record["country"].is_string() {
            continue;
        }
        let first = *verdicts.entry((url.to_owned(), list)).or_insert(record);
        assert_eq!(first["verdict"], record["verdict"], "two verdicts in one list version: {first} and {record}");
    }
}
