//! A log in normal life.

use std::io::Read as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::*;
use crate::{Down, OpenError, verify};

/// The format as the contract words it, read by a loop that shares no code with `verify`.
#[test]
fn twenty_lines_check_the_chain() {
    let dir = scratch();
    write_run(Settings { segment_size: 4096, ..settings(dir.path(), 1) }, 50);
    write_run(Settings { segment_size: 4096, ..settings(dir.path(), 2) }, 20);

    let mut hash = [0_u8; 32];
    let mut sealed = 0;
    for (name, bytes) in files(dir.path()).iter().filter(|(name, _)| name.ends_with(".zst")) {
        let prev = hash;
        let mut text = String::new();
        zstd::Decoder::new(bytes.as_slice()).unwrap().read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.strip_suffix('\n').unwrap().split('\n').collect();
        for line in &lines {
            let before = hash;
            hash = *Digest::of(&[&hash, line.as_bytes()].concat()).as_bytes();
            let line: Value = serde_json::from_str(line).unwrap();
            if line["event"] == "sealed" {
                assert_eq!(line["lines"], lines.len() as u64 - 1, "{name}");
                assert_eq!(line["prev"], Digest::from_bytes(prev).hex().to_string());
                assert_eq!(line["hash"], Digest::from_bytes(before).hex().to_string());
                sealed += 1;
            }
        }
    }
    assert!(sealed > 5, "{sealed} segments");
    let verified = verify(dir.path()).unwrap();
    assert_eq!(verified.segments, sealed);
    assert_eq!(verified.lines, 70 + 4 + sealed);
}

#[test]
fn each_answer_is_a_line_and_seq_has_no_gaps() {
    let dir = scratch();
    write_run(Settings { segment_size: 2048, ..settings(dir.path(), 1) }, 30);
    let lines = all(dir.path());
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let kinds = kinds(&lines);
    assert_eq!((kinds[0], kinds[kinds.len() - 2], kinds[kinds.len() - 1]), ("started", "stopped", "sealed"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "-").count(), 30);
    assert!(files(dir.path()).keys().all(|name| name.ends_with(".jsonl.zst") || name.ends_with(".sum")));
}

#[test]
fn a_running_log_is_read_and_checked() {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    log.push(record("https://photos.example/a"));
    let seq = settle(&log);
    assert_eq!(seq, 3);
    assert_eq!(kinds(&all(dir.path())), ["started", "-", "purged"]);
    let verified = verify(dir.path()).unwrap();
    let run = verified.runs[0];
    assert_eq!((run.sealed, run.synced, run.last), (0, 3, 3));
    assert_eq!(log.numbers().synced_seq.load(Relaxed), 3);
    log.close();
    let run = verify(dir.path()).unwrap().runs[0];
    assert_eq!((run.sealed, run.synced, run.last), (5, 5, 5));
}

#[test]
fn verifying_beside_a_busy_writer_finds_nothing_wrong() {
    let dir = scratch();
    let log = Log::open(Settings { segment_size: 20_000, ..settings(dir.path(), 1) }, Clock::manual(START)).unwrap();
    let one = record("https://photos.example/a");
    std::thread::scope(|scope| {
        let (busy, done) = std::sync::mpsc::channel::<()>();
        let log = &log;
        scope.spawn(move || {
            for _ in 0..100 {
                (0..20).for_each(|_| log.push(one.clone()));
                settle(log);
            }
            drop(busy);
        });
        let mut last = 0;
        while done.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let verified = verify(dir.path()).unwrap_or_else(|error| panic!("{error}"));
            assert!(verified.lines >= last);
            last = verified.lines;
            all(dir.path());
        }
    });
}

#[test]
fn a_line_is_visible_soon_without_being_asked_for() {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::system()).unwrap();
    // Once while the writer looks often, once after it fell asleep.
    for expected in [2, 3] {
        let pushed = Instant::now();
        log.push(record("https://photos.example/a"));
        while all(dir.path()).len() < expected {
            assert!(pushed.elapsed() < Duration::from_secs(1), "not visible after a second");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(700));
    }
}

#[test]
fn a_segment_with_lines_is_sealed_when_it_is_old() {
    let dir = scratch();
    let settings = Settings { segment_age: Duration::from_millis(50), ..settings(dir.path(), 1) };
    let log = Log::open(settings, Clock::manual(START)).unwrap();
    let opened = Instant::now();
    while log.numbers().segments_sealed.load(Relaxed) == 0 {
        assert!(opened.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    assert_eq!(kinds(&all(dir.path())), ["started", "sealed"]);
    log.close();
    assert_eq!(kinds(&all(dir.path())), ["started", "sealed", "stopped", "sealed"]);
    verify(dir.path()).unwrap();
}

#[test]
fn time_never_steps_back_and_a_step_is_an_event() {
    let dir = scratch();
    let clock = Clock::manual(START);
    let log = Log::open(settings(dir.path(), 1), clock.clone()).unwrap();
    clock.advance(Duration::from_secs(3600));
    settle(&log);
    log.push(record("https://photos.example/late"));
    log.close();
    let lines = all(dir.path());
    assert!(kinds(&lines).contains(&"clock-stepped"));
    let times: Vec<&str> = lines.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let late = lines.iter().find(|line| line["method"] == "GET").unwrap();
    assert_eq!(late["time"], START.plus(Duration::from_secs(3600)).to_string());
    verify(dir.path()).unwrap();
}

#[test]
fn last_served_is_the_newest_that_is_covered() {
    let dir = scratch();
    let log =
        Log::open(Settings { url_query: QueryForm::None, ..settings(dir.path(), 4) }, Clock::manual(START)).unwrap();
    let mut blocked = record("https://photos.example/a?q=3");
    blocked.verdict = Verdict::Blocked;
    log.push(record("https://photos.example/a?q=1"));
    log.push(record("https://photos.example/a?q=2"));
    log.push(blocked);
    let last = log.last_served(|served| served.url.folded().path() == "/a").unwrap();
    assert_eq!((last.run, last.seq, last.status), (4, 3, 200));
    assert_eq!(last.url, "https://photos.example/a");
    assert_eq!(log.last_served(|served| served.url.host() == "other.example"), None);
}

#[test]
fn a_run_that_is_there_already_is_not_written_over() {
    let dir = scratch();
    write_run(settings(dir.path(), 7), 1);
    let again = Log::open(settings(dir.path(), 7), Clock::manual(START));
    assert!(matches!(again, Err(OpenError::RunExists { held: 7, run: 7, .. })));
    assert_eq!(all(dir.path()).len(), 4);
}

#[test]
fn after_closing_nothing_hangs_and_what_comes_is_shed() {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    log.close();
    log.close();
    assert!(!log.has_room());
    log.push(record("https://photos.example/a"));
    assert_eq!(log.append(Event::new("purged")), Err(Down));
    assert_eq!(log.numbers().shed.load(Relaxed), 2);
    assert_eq!(log.numbers().queue.load(Relaxed), 0);
}

/// Each line ends a segment, and with the folder out of its place no new one can be made.
#[test]
fn what_can_not_be_written_is_kept_until_it_can() {
    let dir = scratch();
    let log = Log::open(Settings { segment_size: 1, ..settings(dir.path(), 1) }, Clock::manual(START)).unwrap();
    settle(&log);
    let (place, away) = (segments(dir.path()), dir.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    for n in 0..10 {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    // The first of these may still go to the segment that was open.
    while log.append(Event::new("list-applied")) != Err(Down) {}
    assert!(!log.has_room());
    std::fs::rename(&away, &place).unwrap();
    let back = Instant::now();
    while !log.has_room() {
        assert!(back.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    settle(&log);
    log.close();
    let lines = all(dir.path());
    assert_eq!(lines.iter().filter(|line| line["method"] == "GET").count(), 10);
    assert_eq!(log.numbers().shed.load(Relaxed), 0);
    verify(dir.path()).unwrap();
}

/// As above, with answers that are given without their records.
#[test]
fn what_is_shed_is_counted_and_told_with_its_span() {
    let dir = scratch();
    let settings =
        Settings { segment_size: 1, high_water: 5, on_pressure: OnPressure::Shed, ..settings(dir.path(), 1) };
    let log = Log::open(settings, Clock::manual(START)).unwrap();
    settle(&log);
    let (place, away) = (segments(dir.path()), dir.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    while log.append(Event::new("list-applied")) != Err(Down) {}
    let answered =
        |n: u64| Record { ended: START.plus(Duration::from_secs(n)), ..record(&format!("https://photos.example/{n}")) };
    for n in 1..=100 {
        assert!(log.has_room(), "nobody waits at the door");
        log.push(answered(n));
    }
    assert!(log.is_behind());
    let shed = log.numbers().shed.load(Relaxed);
    assert!((90..100).contains(&shed), "{shed} of 100, for there was room for 5 and what the writer held");
    log.event(Event::new("block-added"));
    std::fs::rename(&away, &place).unwrap();
    let back = Instant::now();
    while log.is_behind() {
        assert!(back.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    settle(&log);
    log.close();
    let lines = all(dir.path());
    let told: Vec<&Value> = lines.iter().filter(|line| line["event"] == "shed").map(|line| &line["data"]).collect();
    assert_eq!(told.iter().map(|data| data["records"].as_u64().unwrap()).sum::<u64>(), shed);
    assert_eq!(told[0]["from"], START.plus(Duration::from_secs(101 - shed)).to_string());
    assert_eq!(told[told.len() - 1]["to"], START.plus(Duration::from_secs(100)).to_string());
    let kept = lines.iter().filter(|line| line["method"] == "GET").count() as u64;
    assert_eq!(kept + shed, 100);
    assert!(kinds(&lines).contains(&"block-added"), "events are no answers: there is room for them");
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "seq has no gap");
    verify(dir.path()).unwrap();
}
