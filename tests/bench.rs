//! `seawall bench`: what it asks for, what it counts, and that its latency tells the truth.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::process::{Output, Running};
use crate::harness::{
    Edge, Gate, HOST, Origin, Page, Port, Reply, Step, always, eventually, noise, seawall, sha256_hex, until,
};

fn url(origin: &Origin, target: &str) -> String {
    format!("http://{}{target}", origin.address)
}

fn bench(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    bench_in(folder.path(), arguments)
}

fn bench_in(folder: &Path, arguments: &[&str]) -> Output {
    seawall(&[&["bench", "--output", "json"], arguments].concat(), folder)
}

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {report:#}"))
}

#[test]
fn a_rate_is_held() {
    until("a run that keeps up on this machine", || {
        let origin = Origin::with("/a", Page::stored(noise(1000, 1)));
        let done = bench(&["--url", &url(&origin, "/a"), "--rate", "200/s", "--requests", "400", "--connections", "8"]);
        assert_eq!(done.code, 0, "{}", done.all());
        let report = done.json();
        assert_eq!(count(&report, "/answers"), 400);
        assert_eq!(origin.count("/a"), 400);
        assert_eq!(count(&report, "/bytes"), 400_000);
        assert!(origin.connections() <= 8, "connections are kept");
        let seconds = report["elapsed_seconds"].as_f64().unwrap();
        assert!(seconds >= 1.99, "{report:#}");
        (seconds < 4.0).then_some(())
    });
}

/// The origin stops for 300 ms in the middle. One who sends the next request only after the last answer
/// would see one slow answer; 60 were due in that time, and all of them waited.
#[test]
fn a_stall_shows_in_the_latency_of_all_that_were_due_in_it() {
    const STALL: Duration = Duration::from_millis(300);
    let origin = Origin::start();
    let since: Mutex<Option<Instant>> = Mutex::new(None);
    let gate = Gate::default();
    let (opener, hanging) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let hangs = hanging.clone();
    origin.on_each("/a", move |_| {
        let now = Instant::now();
        let since = *since.lock().unwrap().get_or_insert(now);
        if now.duration_since(since) >= Duration::from_secs(1) {
            hangs.fetch_add(1, SeqCst);
            return Page::ok("late").hold(0, &gate).into();
        }
        Page::ok("early").into()
    });
    let origin_address = url(&origin, "/a");
    let running = std::thread::spawn(move || {
        bench(&["--url", &origin_address, "--rate", "200/s", "--requests", "400", "--connections", "2"])
    });
    eventually("both connections hang", || hanging.load(SeqCst) == 2);
    always(STALL, "the run lasts", || !running.is_finished());
    opener.open();
    let done = running.join().unwrap();
    assert_eq!(done.code, 0, "{}", done.all());
    let report = done.json();
    assert_eq!(count(&report, "/answers"), 400, "{report:#}");
    // 60 of 400 were due in the stall, and 40 of them, a tenth of all, waited for more than 100 ms of it.
    let corrected = count(&report, "/latency_us/p90");
    assert!(corrected > 60_000, "{report:#}");
    assert!(count(&report, "/latency_us/max") > 250_000, "{report:#}");
    // From send, only the two that were under way saw it.
    assert!(count(&report, "/uncorrected_us/p90") < corrected / 2, "{report:#}");
    assert!(report["warnings"].to_string().contains("busy"), "{report:#}");
}

#[test]
fn a_wrong_digest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("/good", Page::ok("good"));
    origin.on("/bad", Page::ok("not what it was"));
    let lines = [("good", "/good"), ("bad", "/bad")]
        .map(|(body, target)| format!("{} {}\n", sha256_hex(body.as_bytes()), url(&origin, target)));
    fs::write(folder.path().join("digests"), lines.concat()).unwrap();
    let done = bench_in(folder.path(), &["--digests", "digests", "--requests", "20", "--connections", "2"]);
    assert_eq!(done.code, 1, "{}", done.all());
    let report = done.json();
    assert_eq!((count(&report, "/digests/right"), count(&report, "/digests/wrong")), (10, 10));
    assert!(done.stderr.contains("/bad: sha256:") && !done.stderr.contains("/good"), "{}", done.stderr);
}

#[test]
fn every_answer_is_compared_with_the_first() {
    let origin = Origin::start();
    let pages = |last: &str| [Page::ok("a").into(), Page::ok("a").into(), Reply::from(Page::ok(last))];
    origin.on_in_turn("/steady", pages("a"));
    origin.on_in_turn("/changes", pages("b"));
    let run =
        |target: &str| bench(&["--url", &url(&origin, target), "--requests", "4", "--same", "--connections", "1"]);
    let steady = run("/steady");
    assert_eq!((steady.code, count(&steady.json(), "/digests/right")), (0, 4), "{}", steady.all());
    let changed = run("/changes");
    assert_eq!((changed.code, count(&changed.json(), "/digests/wrong")), (1, 2), "{}", changed.all());
}

#[test]
fn blocked_and_cut_are_counted_apart() {
    let origin = Origin::with("/open", Page::stored("open"));
    origin.on("/short", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"));
    let edge = Edge::before(&origin).rules("https://photos.example/shut notice=N-1\n").start();
    let asked = |target: &str| format!("http://{}{target}", edge.address);
    let (open, shut, none) = (asked("/open"), asked("/shut"), asked("/none"));
    let done = bench(&["--url", &open, "--url", &shut, "--url", &none, "--requests", "30", "--host", HOST]);
    assert_eq!(done.code, 0, "a 451 is an answer: {}", done.all());
    let report = done.json();
    let statuses = ["2xx", "451", "4xx", "5xx"].map(|class| count(&report, &format!("/status/{class}")));
    assert_eq!((statuses, count(&report, "/cut")), ([10, 10, 10, 0], 0));

    let done = bench(&["--url", &url(&origin, "/short"), "--requests", "6", "--connections", "2"]);
    let report = done.json();
    assert_eq!((done.code, count(&report, "/cut"), count(&report, "/answers")), (0, 6, 0), "{}", done.all());
    assert_eq!(count(&report, "/bytes"), 30);
}

#[test]
fn each_way_to_fail_has_its_count() {
    let origin = Origin::with("/reset", Reply::script([Step::Reset]));
    origin.on("/junk", Reply::raw("this is no HTTP\r\n\r\n"));
    let silent = Gate::default();
    origin.on("/silent", Reply::script([Step::Wait(silent.clone())]));
    for (target, kind, timeout) in
        [("/reset", "reset", "5m"), ("/junk", "malformed", "5m"), ("/silent", "timeout", "500ms")]
    {
        let asked = url(&origin, target);
        let done = bench(&["--url", &asked, "--requests", "3", "--connections", "3", "--timeout", timeout]);
        assert_eq!((done.code, count(&done.json(), &format!("/errors/{kind}"))), (1, 3), "{}", done.all());
        assert!(done.stderr.contains(&format!("error: {kind}, the first: ")), "{}", done.stderr);
    }
    silent.open();
}

#[test]
fn nobody_there_is_not_reachable() {
    let nobody = Port::reserve();
    let address = nobody.address;
    let done = bench(&["--url", &format!("http://{address}/"), "--duration", "1s"]);
    assert_eq!(done.code, 69, "{}", done.all());
    assert!(done.stderr.contains(&address.to_string()), "{}", done.stderr);
}

#[test]
fn requests_are_what_the_command_line_says() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("*", Page::ok(""));
    fs::write(folder.path().join("body"), "three").unwrap();
    let template = url(&origin, "/obj/{n}?x=%61");
    let fixed = ["--url", &template, "--count", "3", "--requests", "6", "--no-keep-alive", "--connections", "2"];
    let form = ["--method", "POST", "--body", "body", "-H", "X-One: 1", "-H", "x-one: 2", "--host", "other.example"];
    let done = bench_in(folder.path(), &[fixed.as_slice(), &form].concat());
    assert_eq!(done.code, 0, "{}", done.all());
    for number in 0..3 {
        let asked = origin.asked(&format!("/obj/{number}?x=%61"));
        assert_eq!(asked.len(), 2, "each in turn");
        let one = &asked[0];
        assert_eq!((one.method.as_str(), one.body.as_slice()), ("POST", b"three".as_slice()));
        assert_eq!((one.all("host"), one.all("x-one")), (vec!["other.example"], vec!["1", "2"]));
    }
    assert!(origin.connections() >= 6, "a connection for each request");
}

#[test]
fn zipf_prefers_the_first() {
    let origin = Origin::with("*", Page::ok(""));
    let asked = url(&origin, "/{n}");
    let done = bench(&["--url", &asked, "--count", "100", "--zipf", "1.0", "--requests", "500"]);
    assert_eq!(done.code, 0, "{}", done.all());
    // 19 % and 1.9 % of 500: 96 and 10.
    let (first, tenth) = (origin.count("/0"), origin.count("/9"));
    assert!((50..160).contains(&first) && tenth < 40, "{first} {tenth}");
}

#[test]
fn an_interrupt_prints_what_was_measured_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("/a", Page::ok("a"));
    let asked = url(&origin, "/a");
    let line = ["bench", "--url", &asked, "--rate", "100/s", "--duration", "1h", "--output", "json"];
    let mut running = Running::start(&line, folder.path());
    origin.until_asked("/a", 20);
    running.signal(Signal::INT);
    assert_eq!(running.ended(Duration::from_secs(10)).code(), Some(0), "{}", running.stderr());
    let report: Value = until("the report", || serde_json::from_str(&running.lines().join("\n")).ok());
    assert_eq!(report["interrupted"], true);
    assert!(count(&report, "/answers") >= 20);
}

#[test]
fn the_table_is_for_people_and_the_json_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::with("/a", Page::ok("a"));
    let asked = url(&origin, "/a");
    let paced = ["--url", &asked, "--rate", "100/s", "--requests", "20"];
    let table = seawall(&[&["bench"], paced.as_slice()].concat(), folder.path());
    assert_eq!(table.code, 0, "{}", table.all());
    for said in ["100/s", "achieved", "2xx 20", "latency", "p99.9", "corrected", "from send"] {
        assert!(table.stdout.contains(said), "{said} in\n{}", table.stdout);
    }
    assert!(!table.all().contains('\x1b') && !table.all().contains('\r'), "no bar where nobody looks");

    let report = bench(&paced).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&report["latency_us"]), "count max mean p50 p90 p99 p99.9");
    assert_eq!(keys(&report["uncorrected_us"]), keys(&report["latency_us"]));
    assert_eq!(keys(&report["errors"]), "connect malformed reset timeout");
    assert_eq!(
        keys(&report),
        "answers asked bytes cpu_us_a_request cut digests elapsed_seconds errors interrupted latency_us rate requests \
         status uncorrected_us unsent warnings"
    );
    assert_eq!((&report["asked"]["rate"], &report["asked"]["requests"]), (&Value::from(100.0), &Value::from(20)));
}
