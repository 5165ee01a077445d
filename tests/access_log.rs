//! The access log: a line an answer, whatever a client wrote, and nothing that an answer waits for.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use regex::Regex;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Answer, Edge, HOST, Origin, Page, eventually, until};

/// An edge that writes `access.log` beside its config.
fn edge(origin: &Origin, lines: &str) -> Edge {
    Edge::before(origin).tables(&format!("[log]\naccess = \"access.log\"\n{lines}")).start()
}

/// Whole lines of a file; none while it is not there.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

fn line_where(edge: &Edge, is: impl Fn(&str) -> bool) -> String {
    until("a line of the access log", || lines(&edge.path("access.log")).into_iter().find(|line| is(line)))
}

fn json_of(edge: &Edge, answer: &Answer) -> Value {
    serde_json::from_str(&line_where(edge, |line| line.contains(answer.id()))).unwrap()
}

fn stored() -> Origin {
    Origin::with("*", Page::stored("hello"))
}

#[test]
fn a_line_says_what_the_record_says() {
    let origin = stored();
    let edge = edge(&origin, "");
    let fields = [("Referer", "https://search.example/?q=a"), ("User-Agent", "Browser/1.0")];
    edge.ask("GET", "/a%62?c=d", &fields);
    let answer = edge.ask("GET", "/a%62?c=d", &fields);
    let (line, record) = (json_of(&edge, &answer), edge.record_of(&answer));
    for same in ["time", "site", "id", "client", "method", "url", "status", "bytes", "cache", "verdict"] {
        assert_eq!(line[same], record[same], "{same}");
    }
    assert_eq!((&line["client"], &line["cache"]), (&"127.0.0.0/24".into(), &"hit".into()));
    assert_eq!((&line["referer"], &line["user_agent"]), (&fields[0].1.into(), &fields[1].1.into()));
    assert_eq!(line["protocol"], "HTTP/1.1");
    assert!((0.0..60.0).contains(&line["duration"].as_f64().unwrap()));
    // What is not there is left out.
    let line = json_of(&edge, &edge.get("/a"));
    assert!(line.get("referer").is_none() && line.get("user_agent").is_none(), "{line}");
}

#[test]
fn combined_is_what_its_readers_expect() {
    let origin = stored();
    let edge = edge(&origin, "format = \"combined\"\nclient = \"full\"\n");
    edge.ask("GET", "/a?b=c", &[("Referer", "https://search.example/"), ("User-Agent", "Browser/1.0 (X)")]);
    let line = line_where(&edge, |line| line.contains("/a?b=c"));
    let wanted = r#"^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /a\?b=c HTTP/1\.1" 200 5 "https://search\.example/" "Browser/1\.0 \(X\)"$"#;
    assert!(Regex::new(wanted).unwrap().is_match(&line), "{line}");
    edge.get("/bare");
    let line = line_where(&edge, |line| line.contains("/bare"));
    assert!(line.ends_with(r#""GET /bare HTTP/1.1" 200 5 "-" "-""#), "{line}");
}

/// Bytes that could end a field or a line, or drive a terminal; and more of them than anybody needs.
fn hostile() -> Vec<u8> {
    let mut request = b"GET /h HTTP/1.1\r\nHost: photos.example\r\nReferer: \" 500 1 \"\\\"\r\nUser-Agent: ".to_vec();
    request.extend_from_slice(b"a\"b\\c\td\xff\xc2\x9b31m{\"status\":1}");
    request.extend_from_slice(&[b'x'; 8_000]);
    request.extend_from_slice(b"\r\n\r\n");
    request
}

#[test]
fn what_a_stranger_wrote_ends_no_field_and_no_line() {
    let origin = stored();
    let json = edge(&origin, "");
    assert_eq!(json.send(hostile()).status, 200);
    let line = line_where(&json, |line| line.contains("/h"));
    assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["status"], &line["referer"]), (&200.into(), &"\" 500 1 \"\\\"".into()));
    let agent = line["user_agent"].as_str().unwrap();
    assert!(agent.starts_with("a\"b\\c\td\u{fffd}\u{9b}31m{\"status\":1}xxx") && agent.len() < 1_100, "{agent}");
    assert_eq!(lines(&json.path("access.log")).len(), 1);

    let combined = edge(&origin, "format = \"combined\"\n");
    assert_eq!(combined.send(hostile()).status, 200);
    let line = line_where(&combined, |line| line.contains("/h"));
    let wanted = r#"^127\.0\.0\.0/24 - - \[[^\]]+\] "GET /h HTTP/1\.1" 200 5 "\\x22 500 1 \\x22\\x5C\\x22" "a\\x22b\\x5Cc\\x09d\\xFF\\xC2\\x9B31m\{\\x22status\\x22:1\}x{900,1024}"$"#;
    assert!(line.is_ascii() && Regex::new(wanted).unwrap().is_match(&line), "{line}");
}

#[test]
fn a_rename_and_usr1_lose_no_line() {
    let origin = stored();
    let edge = edge(&origin, "");
    let is_over = AtomicBool::new(false);
    let asked: usize = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = edge.connect();
            let ask = |_| client.get(HOST, "/a").status == 200;
            std::iter::repeat(()).take_while(|()| !is_over.load(SeqCst)).map(ask).filter(|is_well| *is_well).count()
        });
        for turn in 0..4 {
            eventually("a line", || !lines(&edge.path("access.log")).is_empty());
            fs::rename(edge.path("access.log"), edge.path(&format!("access.{turn}"))).unwrap();
            edge.running().signal(Signal::USR1);
            eventually("a new file", || edge.path("access.log").exists());
        }
        is_over.store(true, SeqCst);
        asking.join().unwrap()
    });
    let files = ["access.log", "access.0", "access.1", "access.2", "access.3"].map(|name| edge.path(name));
    let all = || files.iter().flat_map(|file| lines(file)).collect::<Vec<_>>();
    eventually("every line", || all().len() == asked);
    let ids: BTreeSet<String> =
        all().iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()).collect();
    assert_eq!(ids.len(), asked);
    assert_eq!(edge.metric("seawall_log_lines_total"), asked as f64);
    assert_eq!(edge.metric("seawall_log_dropped_total"), 0.0);
}

#[test]
fn a_reload_turns_it_on_and_elsewhere_and_off() {
    let origin = stored();
    let edge = Edge::plain(&origin);
    let bare = edge.config();
    edge.running().signal(Signal::USR1);
    edge.get("/before");
    let reload_with = |table: &str| {
        edge.set_config(&format!("{bare}\n{table}"));
        let reload = edge.seawall(&["reload"]);
        assert_eq!(reload.code, 0, "{}", reload.all());
    };
    reload_with("[log]\naccess = \"access.log\"\n");
    let on = edge.get("/on");
    assert_eq!(json_of(&edge, &on)["url"], "https://photos.example/on");
    reload_with("[log]\naccess = \"access.log\"\nformat = \"combined\"\nclient = \"none\"\n");
    edge.get("/combined");
    assert!(line_where(&edge, |line| line.contains("/combined")).starts_with("- - - ["));
    reload_with("[log]\naccess = \"off\"\n");
    edge.record_of(&edge.get("/off"));
    assert_eq!(lines(&edge.path("access.log")).len(), 2);

    // One that can't be written to is refused, and changes nothing.
    edge.set_config(&format!("{bare}\n[log]\naccess = \"gone/access.log\"\n"));
    let refused = edge.seawall(&["reload"]);
    assert!(refused.code == 1 && refused.all().contains("is in a folder that is not there"), "{}", refused.all());
    edge.set_config(&bare);
    reload_with("");
}

/// A pipe that nobody reads holds 64 KiB.
#[test]
fn what_takes_no_more_lines_keeps_no_answer_waiting() {
    let origin = stored();
    let config = Edge::before(&origin).tables("[log]\naccess = \"pipe\"\n");
    let folder = config.write();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _unread: File = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut edge = Edge::in_folder(folder, vec![origin.served()]);
    let agent = "x".repeat(1_000);
    let mut client = edge.connect();
    for _ in 0..400 {
        assert_eq!(client.ask("GET", HOST, "/a", &[("User-Agent", &agent)]).status, 200);
    }
    let last = edge.get("/last");
    edge.record_of(&last);
    // It wrote what the pipe holds, and is stuck with what it took beyond that.
    assert!(edge.metric("seawall_log_lines_total") < 401.0);
    // Nor does the end wait for it.
    edge.stop();
    edge.until_said(&["the access log takes no more"]);
}

#[test]
fn standard_output_will_do() {
    let origin = stored();
    let edge = Edge::before(&origin).tables("[log]\naccess = \"stdout\"\n").start();
    let answer = edge.get("/a");
    let line = until("a line on stdout", || edge.running().lines().into_iter().find(|line| line.contains(answer.id())));
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["status"], 200);
}
