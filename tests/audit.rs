//! The evidence: what a record holds, what can be asked of it, and what `verify` finds.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::evidence::segments;
use crate::harness::process::{Output, Running, SEAWALL};
use crate::harness::{Edge, HOST, Origin, Page, eventually, seawall, sha256_hex, until};

#[test]
fn a_record_holds_what_the_table_says() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::before(&origin).rules("https://photos.example/blocked notice=N-17\n").start();
    let miss = edge.get("/a?x=1");
    let hit = edge.get("/%61?x=1&");
    let same = edge.get("/a?x=1");
    let blocked = edge.get("/blocked");
    let record = edge.record_of(&miss);
    for (name, value) in [
        ("site", Value::from("photos")),
        ("method", "GET".into()),
        ("url", "https://photos.example/a?x=1".into()),
        ("status", 200.into()),
        ("verdict", "served".into()),
        ("cache", "miss".into()),
        ("digest", sha256_hex(b"hello").into()),
        ("origin_digest", sha256_hex(b"hello").into()),
        ("bytes", 5.into()),
        ("complete", true.into()),
        ("run", 1.into()),
        ("list", edge.list_version().into()),
    ] {
        assert_eq!(record[name], value, "{name} of {record}");
    }
    assert!(record["rule"].is_null() && record["notice"].is_null() && record["range"].is_null(), "{record}");
    assert!(record["fill"].is_u64(), "{record}");
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.0"), "truncated to /24: {record}");
    assert_eq!(edge.record_of(&hit)["url"], "https://photos.example/a?x=1", "another spelling, the same URL");
    let hit = edge.record_of(&same);
    assert_eq!((&hit["cache"], &hit["fill"], &hit["digest"]), (&"hit".into(), &record["fill"], &record["digest"]));

    let record = edge.record_of(&blocked);
    for (name, value) in [
        ("status", Value::from(451)),
        ("verdict", "blocked".into()),
        ("rule", "https://photos.example/blocked".into()),
        ("notice", "N-17".into()),
        ("cache", "none".into()),
    ] {
        assert_eq!(record[name], value, "{name} of {record}");
    }
    assert!(record["fill"].is_null(), "{record}");
    let filled = edge.event("filled");
    assert!(filled.to_string().contains(&sha256_hex(b"hello")), "a fill tells its digest: {filled}");
}

#[test]
fn answers_made_here_are_recorded_too() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    let stranger = edge.connect().get("nobody.example", "/a");
    let record = edge.record_of(&stranger);
    assert_eq!((&record["status"], &record["verdict"], &record["site"]), (&421.into(), &"failed".into(), &Value::Null));
    let unnamed = edge.get("/a%zz");
    assert_eq!(unnamed.status, 400);
    let record = edge.record_of(&unnamed);
    assert_eq!((&record["url"], &record["verdict"]), (&Value::Null, &"failed".into()), "{record}");
}

#[test]
fn a_head_and_a_304_are_whole_though_they_have_no_body() {
    let origin = Origin::with("/a", Page::stored("hello").field("ETag", "\"1\""));
    let edge = Edge::plain(&origin);
    edge.get("/a");
    for answer in [edge.ask("HEAD", "/a", &[]), edge.ask("GET", "/a", &[("If-None-Match", "\"1\"")])] {
        let record = edge.record_of(&answer);
        assert_eq!(
            (&record["bytes"], &record["complete"], &record["verdict"]),
            (&0.into(), &true.into(), &"served".into()),
            "{record}"
        );
    }
}

#[test]
fn clients_and_queries_are_written_as_the_operator_says() {
    for (client, written) in [("full", Some("127.0.0.1")), ("truncated", Some("127.0.0.0")), ("none", None)] {
        let origin = Origin::with("*", Page::ok("x"));
        let edge = Edge::before(&origin).audit(&format!("client = \"{client}\"\n")).start();
        let record = edge.record_of(&edge.get("/a"));
        match written {
            Some(prefix) => assert!(record["client"].as_str().unwrap().starts_with(prefix), "{client}: {record}"),
            None => assert!(record["client"].is_null(), "{record}"),
        }
    }
    let origin = Origin::with("*", Page::ok("x"));
    let edge = Edge::before(&origin).audit("client = \"keyed\"\nurl_query = \"keyed\"\n").start();
    let [one, same, other] =
        ["/a?secret=1", "/a?secret=1", "/a?secret=2"].map(|target| edge.record_of(&edge.get(target)));
    let client = one["client"].as_str().unwrap();
    assert!(client.starts_with("k:") && one["client"] == same["client"], "{one}");
    let query = one["url"].as_str().unwrap().strip_prefix("https://photos.example/a?k:").expect("a keyed query");
    assert!(query.len() == 16 && query.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    assert!(one["url"] == same["url"] && one["url"] != other["url"]);
    let url = one["url"].as_str().unwrap();
    let asked = edge.seawall(&["audit", "query", "--url", url, "--verdict", "served", "--output", "json"]).json();
    assert_eq!(asked.as_array().map(Vec::len), Some(2), "{asked}");
    let origin = Origin::with("*", Page::ok("x"));
    let edge = Edge::before(&origin).audit("url_query = \"none\"\n").start();
    assert_eq!(edge.record_of(&edge.get("/a?secret=1"))["url"], "https://photos.example/a");
    edge.block("https://photos.example/a?secret=1", "N-17");
    assert_eq!(edge.record_of(&edge.get("/a?secret=1"))["rule"], "https://photos.example/a");
}

#[test]
fn userinfo_is_never_written() {
    let origin = Origin::with("*", Page::ok("x"));
    let edge = Edge::plain(&origin);
    edge.send("GET http://user:secret@photos.example/a HTTP/1.1\r\nHost: photos.example\r\n\r\n");
    edge.record_of(&edge.get("/last"));
    assert!(!edge.log().iter().any(|line| line.to_string().contains("secret")));
}

#[test]
fn a_record_is_visible_within_a_second() {
    let origin = Origin::with("/a", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    // How long it takes from when the record of before became visible: what is written each so often only takes
    // all of that. A busy machine may need some tries.
    let seen = || {
        let answer = edge.get("/a");
        let ended = Instant::now();
        edge.record_of(&answer);
        (answer, ended.elapsed())
    };
    seen();
    let (answer, _) = until("a record within a second", || Some(seen()).filter(|(_, took)| took.as_millis() < 1_000));
    let found = query(&edge, &["--url", "https://photos.example/a", "--output", "jsonl"]);
    assert!(found.stdout.contains(answer.id()), "{}", found.stdout);
}

fn query(edge: &Edge, arguments: &[&str]) -> Output {
    let output = edge.seawall(&[&["audit", "query"], arguments].concat());
    assert_eq!(output.code, 0, "{}", output.all());
    output
}

/// The records that a query finds, as they stand in its `jsonl`; what it finds of events is left out.
fn found(edge: &Edge, arguments: &[&str]) -> Vec<Value> {
    let output = query(edge, &[arguments, &["--output", "jsonl"]].concat());
    let lines = output.stdout.lines().filter(|line| !line.is_empty());
    let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["event"].is_null()).collect()
}

#[test]
fn the_log_is_asked_by_url_notice_verdict_digest_and_site() {
    let origin = Origin::with("/a", Page::stored("hello"));
    origin.on("/b", Page::stored("other"));
    let edge = Edge::before(&origin).rules("https://photos.example/blocked notice=N-17\n").start();
    for path in ["/a", "/a", "/b", "/blocked", "/blocked?x=1"] {
        edge.get(path);
    }
    edge.record_of(&edge.get("/last"));
    let count = |arguments: &[&str]| found(&edge, arguments).len();
    for spelling in ["https://photos.example/a", "photos.example/%61", "HTTP://PHOTOS.example:8080//a/#x"] {
        assert_eq!(count(&["--url", spelling]), 2, "{spelling}");
    }
    assert_eq!(count(&["--notice", "N-17"]), 2);
    assert_eq!(count(&["--verdict", "blocked"]), 2);
    assert_eq!(count(&["--digest", &sha256_hex(b"other")]), 1);
    assert_eq!(count(&["--site", "photos", "--verdict", "served"]), 4);
    assert_eq!(count(&["--site", "nobody"]), 0, "no rows are no failure");
    assert_eq!(count(&["--since", "2999-01-01"]), 0);
    assert_eq!(count(&["--until", "2000-01-01"]), 0);
    assert_eq!(count(&["--url", "https://photos.example/a", "--since", "2000-01-01", "--verdict", "served"]), 2);

    let text = query(&edge, &["--notice", "N-17"]);
    assert!(
        text.stdout.contains("https://photos.example/blocked") && text.stdout.contains("blocked"),
        "{}",
        text.stdout
    );
    let csv = query(&edge, &["--notice", "N-17", "--output", "csv"]);
    let lines: Vec<&str> = csv.stdout.trim().lines().collect();
    assert_eq!(lines.len(), 3, "a heading and two rows: {}", csv.stdout);
    assert!(lines[0].contains("url") && lines[1].contains("N-17"), "{}", csv.stdout);

    let audit = edge.audit().display().to_string();
    let by_folder = seawall(&["audit", "query", &audit, "--notice", "N-17", "--output", "jsonl"], edge.folder());
    assert_eq!(by_folder.stdout.trim().lines().count(), 2, "{}", by_folder.all());
}

#[test]
fn segments_are_sealed_by_size_and_stay_in_the_query() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::before(&origin).audit("segment_size = \"8KiB\"\n").start();
    let mut client = edge.connect();
    for n in 0..100 {
        client.get(HOST, &format!("/{n}"));
    }
    edge.record_of(&edge.get("/last"));
    eventually("several sealed segments", || segments(&edge.audit()).iter().filter(|one| one.is_sealed).count() >= 3);
    assert_eq!(found(&edge, &["--verdict", "served"]).len(), 101);
    assert_eq!(found(&edge, &["--url", "https://photos.example/0"]).len(), 1, "the first segment's");
    for sealed in segments(&edge.audit()).iter().filter(|segment| segment.is_sealed) {
        let sum = sealed.path.to_string_lossy().replace(".jsonl.zst", ".sum");
        assert!(Path::new(&sum).exists(), "its sum is kept: {sum}");
    }
    let verified = seawall(&["audit", "verify", &edge.audit().display().to_string()], edge.folder());
    assert_eq!(verified.code, 0, "beside the running edge: {}", verified.all());
}

#[test]
fn segments_are_sealed_by_age() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::before(&origin).audit("segment_age = \"300ms\"\n").start();
    edge.get("/a");
    eventually("a sealed segment", || segments(&edge.audit()).iter().any(|segment| segment.is_sealed));
    edge.get("/b");
    assert_eq!(found(&edge, &["--url", "https://photos.example/a"]).len(), 1);
}

#[test]
fn every_way_to_sync_keeps_the_log_whole() {
    for sync in ["interval", "segment", "line"] {
        let origin = Origin::with("*", Page::stored("x"));
        let mut edge = Edge::before(&origin).audit(&format!("sync = \"{sync}\"\n")).start();
        edge.record_of(&edge.get("/a"));
        edge.restart();
        let record = edge.record_of(&edge.get("/b"));
        assert_eq!(record["run"], 2);
    }
}

/// A stopped edge's evidence, in a folder of its own, with this many answers in it.
fn evidence(answers: usize) -> (tempfile::TempDir, Edge) {
    let origin = Origin::with("*", Page::stored("x"));
    // What is taken up after a restart would be told of while it is killed.
    let edge = Edge::before(&origin).cache("memory = \"64MiB\"\nkeep = false\n");
    let mut edge = edge.audit("segment_size = \"8KiB\"\n").start();
    let mut client = edge.connect();
    for n in 0..answers {
        client.get(HOST, &format!("/{n}"));
    }
    edge.record_of(&edge.get("/last"));
    edge.restart();
    edge.record_of(&edge.get("/after"));
    edge.kill();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&edge.audit(), &copy.path().join("audit"));
    (copy, edge)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn verify(folder: &Path) -> Output {
    seawall(&["audit", "verify", &folder.join("audit").display().to_string()], folder)
}

#[test]
fn verify_names_a_flipped_byte() {
    let (copy, _edge) = evidence(60);
    let good = verify(copy.path());
    assert_eq!(good.code, 0, "{}", good.all());
    let audit = copy.path().join("audit");

    // In an open segment: file, line and seq.
    let open = segments(&audit).into_iter().rfind(|segment| !segment.is_sealed).expect("the last run's is open");
    let second: Value = serde_json::from_slice(&open.lines[1]).unwrap();
    let offset = open.lines[0].len() + 1 + open.lines[1].len() / 2;
    let mut bytes = fs::read(&open.path).unwrap();
    bytes[offset] ^= 1;
    fs::write(&open.path, &bytes).unwrap();
    let flipped = verify(copy.path());
    assert_eq!(flipped.code, 1, "{}", flipped.all());
    let name = open.path.file_name().unwrap().to_str().unwrap();
    let said = flipped.all();
    assert!(said.contains(name), "the file: {said}");
    assert!(said.contains("line 2") || said.contains(":2"), "the line: {said}");
    assert!(said.contains(&second["seq"].to_string()), "the seq: {said}");
    bytes[offset] ^= 1;
    fs::write(&open.path, &bytes).unwrap();
    assert_eq!(verify(copy.path()).code, 0);
}

#[test]
fn verify_names_a_flipped_byte_in_a_sealed_segment() {
    let (copy, _edge) = evidence(60);
    let audit = copy.path().join("audit");
    let sealed = segments(&audit).into_iter().find(|segment| segment.is_sealed).unwrap();
    // Somebody who unpacks it, changes a line, and packs it again.
    let mut lines = sealed.lines.clone();
    let fifth = String::from_utf8(lines[4].clone()).unwrap();
    let seq = serde_json::from_str::<Value>(&fifth).unwrap()["seq"].clone();
    lines[4] = fifth.replacen("200", "201", 1).replacen("event", "evenT", 1).into_bytes();
    assert_ne!(lines[4], sealed.lines[4]);
    let text: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
    fs::write(&sealed.path, zstd::encode_all(&text[..], 3).unwrap()).unwrap();
    let changed = verify(copy.path());
    assert_eq!(changed.code, 1, "{}", changed.all());
    let said = changed.all();
    assert!(said.contains(sealed.path.file_name().unwrap().to_str().unwrap()), "the file: {said}");
    assert!(said.contains("line 5") || said.contains(":5"), "the line: {said}");
    assert!(said.contains(&seq.to_string()), "the seq: {said}");

    // A flipped byte of the compressed file itself.
    let mut bytes = fs::read(&sealed.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&sealed.path, bytes).unwrap();
    assert_eq!(verify(copy.path()).code, 1);
}

#[test]
fn verify_finds_what_was_taken_out() {
    let (copy, _edge) = evidence(60);
    let audit = copy.path().join("audit");
    let all = segments(&audit);
    let sealed: Vec<_> = all.iter().filter(|segment| segment.is_sealed).collect();
    // A whole segment from the middle.
    let gone = &sealed[1].path;
    let bytes = fs::read(gone).unwrap();
    fs::remove_file(gone).unwrap();
    let missing = verify(copy.path());
    assert_eq!(missing.code, 1, "{}", missing.all());
    fs::write(gone, bytes).unwrap();
    assert_eq!(verify(copy.path()).code, 0);
    // A line of the open segment, the lines behind it moved up.
    let open = all.iter().rfind(|segment| !segment.is_sealed).unwrap();
    let kept: Vec<u8> = open
        .lines
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .flat_map(|(_, line)| [&line[..], b"\n"].concat())
        .collect();
    fs::write(&open.path, kept).unwrap();
    assert_eq!(verify(copy.path()).code, 1);
}

#[test]
fn verify_says_what_is_sealed_and_what_is_only_synced() {
    let (copy, _edge) = evidence(60);
    let said = verify(copy.path()).all();
    assert!(said.contains("sealed") && said.contains("synced"), "{said}");
    let nothing = seawall(&["audit", "verify", "/nowhere/at/all"], copy.path());
    assert_ne!(nothing.code, 0, "a folder that isn't there proves nothing: {}", nothing.all());
}

#[test]
fn runs_are_counted_and_stops_are_told() {
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::plain(&origin);
    edge.restart();
    edge.restart();
    let log = edge.log();
    let runs = |kind: &str| -> Vec<u64> {
        log.iter().filter(|line| line["event"] == kind).map(|line| line["run"].as_u64().unwrap()).collect()
    };
    assert_eq!(runs("started"), [1, 2, 3]);
    assert_eq!(runs("stopped"), [1, 2]);
    assert_eq!(log.iter().filter(|line| line["event"] == "recovered").count(), 0, "nothing was to be mended");
    let nodes: std::collections::HashSet<&str> = log.iter().map(|line| line["node"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 1, "one node for its life");
}

#[test]
fn list_events_are_told() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let version = edge.until_list_after(|| edge.list().append("https://photos.example/a notice=N-1"));
    until("list-applied with its version", || {
        edge.log()
            .into_iter()
            .find(|line| line["event"] == "list-applied" && line.to_string().contains(&version.to_string()))
    });
    edge.list().append("https://photos.example/b colour=red");
    let refused = edge.event("list-refused");
    assert!(refused.to_string().contains("list.txt"), "{refused}");
}

#[test]
fn above_the_high_water_mark_an_answer_without_evidence_is_not_given() {
    let origin = Origin::with("/a", Page::stored("x"));
    // One record that waits for the writer is too many, and nobody waits at the door.
    let edge = Edge::before(&origin)
        .audit("high_water = 1\nwait = \"0s\"\n")
        .rules("https://photos.example/blocked notice=N-17\n")
        .start();
    let mut client = edge.connect();
    let refused = until("an answer is refused at the door", || {
        let answer = client.get(HOST, "/a");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    let statuses: Vec<u16> = (0..20).map(|_| client.get(HOST, "/blocked").status).collect();
    assert_eq!(statuses, [451; 20], "blocks are answered in any case");
}

#[test]
fn with_shed_answers_are_given_and_the_number_of_missing_records_is_one() {
    let origin = Origin::with("/a", Page::stored("x"));
    let mut edge = Edge::before(&origin)
        .audit("high_water = 1\non_pressure = \"shed\"\n")
        .rules("https://photos.example/blocked notice=N-17\n")
        .start();
    let mut client = edge.connect();
    let mut asked = 0;
    until("records are shed", || {
        assert_eq!(client.get(HOST, "/a").status, 200, "no answer waits for its record");
        assert_eq!(client.get(HOST, "/blocked").status, 451);
        asked += 2;
        (edge.metric("seawall_audit_shed_total") > 10.0).then_some(())
    });
    edge.stop();
    let log = edge.log();
    let kept = log.iter().filter(|line| line["event"].is_null()).count() as u64;
    let told: Vec<_> = log.iter().filter(|line| line["event"] == "shed").map(|line| &line["data"]).collect();
    let shed: u64 = told.iter().map(|data| data["records"].as_u64().unwrap()).sum();
    assert_eq!(kept + shed, asked, "each answer has a record or is counted");
    for data in told {
        assert!(data["from"].as_str() <= data["to"].as_str() && data["from"].is_string(), "{data}");
    }
}

#[test]
fn tail_follows_the_log_over_seals_and_restarts_until_it_is_told_to_stop() {
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::before(&origin).audit("segment_age = \"100ms\"\n").start();
    let audit = edge.audit().display().to_string();
    edge.record_of(&edge.get("/before"));
    let arguments = ["audit", "tail", &audit, "-n", "0", "--output", "jsonl", "--verdict", "served"];
    let mut tail = Running::start(&arguments, edge.folder());
    let text = Running::start(&["audit", "tail", &audit, "-n", "1000"], edge.folder());
    let seen = |tail: &Running| -> Vec<String> {
        let url = |line: &String| serde_json::from_str::<Value>(line).unwrap()["url"].as_str().unwrap().to_owned();
        tail.lines().iter().map(url).collect()
    };
    // It may begin anywhere; from its first line on it sees all.
    let first = until("the first line", || {
        edge.get("/warm");
        seen(&tail).len().checked_sub(1)
    });
    let mut wanted = Vec::new();
    for n in 0..3 {
        for path in ["a", "b"] {
            wanted.push(format!("https://photos.example/{n}{path}"));
            assert_eq!(edge.get(&format!("/{n}{path}")).status, 200);
            eventually("its line", || seen(&tail).last() == wanted.last());
        }
        edge.event("sealed");
        if n == 0 {
            edge.restart();
        } else if n == 1 {
            edge.kill();
            edge.start_again();
        }
    }
    let all: Vec<String> = seen(&tail)[first..].iter().filter(|url| !url.ends_with("/warm")).cloned().collect();
    assert_eq!(all, wanted, "each once, and in order");
    tail.signal(Signal::INT);
    assert_eq!(tail.ended(Duration::from_secs(10)).code(), Some(0), "{}", tail.stderr());
    for part in ["/before", "/2b", "event    started", "event    sealed"] {
        eventually(part, || text.lines().iter().any(|line| line.contains(part)));
    }
}

#[test]
fn tail_ends_when_nobody_reads_it() {
    let origin = Origin::with("*", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let audit = edge.audit().display().to_string();
    // The reader leaves after a line, and no other line comes.
    let command = format!("{SEAWALL} audit tail {audit} | head -n 1; echo over");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("started") && text.ends_with("over\n"), "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(seawall(&["audit", "tail", "nowhere"], edge.folder()).code, 1);
}
