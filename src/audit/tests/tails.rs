//! A reader that follows sees every line once, whatever becomes of the files.

use std::io::Write as _;

use super::*;
use crate::{QueryError, Tail};

fn open(dir: &Path, filter: Filter, count: usize) -> (Tail, Vec<Value>) {
    let (tail, lines) = Tail::open(dir, filter, count).unwrap();
    (tail, lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn look(tail: &mut Tail) -> Vec<Value> {
    let mut lines = Vec::new();
    tail.look(&mut |line| {
        lines.push(Value::Object(line.fields()));
        true
    })
    .unwrap();
    lines
}

#[test]
fn lines_are_followed_across_segments_and_runs() {
    let dir = scratch();
    write_run(Settings { segment_size: 2048, ..settings(dir.path(), 1) }, 20);
    let (mut tail, mut seen) = open(dir.path(), Filter::default(), usize::MAX);
    assert_eq!(seen, all(dir.path()));
    // Runs may be skipped by starts that failed early.
    for run in [2, 5] {
        let log =
            Log::open(Settings { segment_size: 2048, ..settings(dir.path(), run) }, Clock::manual(START)).unwrap();
        for n in 0..30 {
            log.push(record(&format!("https://photos.example/{n}")));
            if n % 4 == 0 {
                settle(&log);
                seen.extend(look(&mut tail));
            }
        }
        log.close();
    }
    seen.extend(look(&mut tail));
    assert_eq!(seen, all(dir.path()));
    assert!(look(&mut tail).is_empty());
    tail.finish().unwrap();
}

#[test]
fn beside_a_busy_writer_nothing_is_missed_or_seen_twice() {
    let dir = scratch();
    let log = Log::open(Settings { segment_size: 4096, ..settings(dir.path(), 1) }, Clock::manual(START)).unwrap();
    let (mut tail, mut seen) = open(dir.path(), Filter::default(), usize::MAX);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..2_000 {
                log.push(record(&format!("https://photos.example/{n}")));
                if n % 50 == 0 {
                    settle(&log);
                }
            }
            log.close();
        });
        while !writer.is_finished() {
            seen.extend(look(&mut tail));
        }
    });
    seen.extend(look(&mut tail));
    let seqs: Vec<u64> = seen.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(kinds(&seen[seen.len() - 1..]), ["sealed"]);
}

#[test]
fn the_last_lines_come_from_as_many_segments_as_it_takes() {
    let dir = scratch();
    write_run(Settings { segment_size: 2048, ..settings(dir.path(), 1) }, 40);
    write_run(Settings { segment_size: 2048, ..settings(dir.path(), 2) }, 5);
    let lines = all(dir.path());
    for count in [0, 1, 7, 30, 1000] {
        let (mut tail, seen) = open(dir.path(), Filter::default(), count);
        assert_eq!(seen, lines[lines.len().saturating_sub(count)..], "{count}");
        assert!(look(&mut tail).is_empty());
    }
    let url = Url::parse("https://photos.example/3").unwrap();
    let (_, seen) = open(dir.path(), Filter { url: Some(url), ..Filter::default() }, 5);
    let places: Vec<(u64, &str)> =
        seen.iter().map(|line| (line["run"].as_u64().unwrap(), line["url"].as_str().unwrap())).collect();
    assert_eq!(places, [(1, "https://photos.example/3"), (2, "https://photos.example/3")]);
    let (_, seen) =
        open(dir.path(), Filter { since: Some(START.plus(Duration::from_secs(60))), ..Filter::default() }, 5);
    assert!(seen.is_empty());
}

#[test]
fn a_filter_knows_the_form_of_a_run_it_joins_late() {
    let dir = scratch();
    let log = Log::open(
        Settings { segment_size: 1024, url_query: QueryForm::None, ..settings(dir.path(), 1) },
        Clock::manual(START),
    )
    .unwrap();
    (0..20).for_each(|_| log.push(record("https://photos.example/b")));
    settle(&log);
    let url = Url::parse("https://photos.example/a?x=1").unwrap();
    let (mut tail, _) = open(dir.path(), Filter { url: Some(url), ..Filter::default() }, 0);
    log.push(record("https://photos.example/a?x=2"));
    settle(&log);
    assert_eq!(look(&mut tail).len(), 1, "a log that holds no query may speak of this one");
    log.close();
}

#[test]
fn half_a_line_is_not_shown_and_may_be_cut_off() {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    settle(&log);
    let crashed = image(dir.path());
    log.close();

    let (mut tail, seen) = open(crashed.path(), Filter::default(), 10);
    assert_eq!(seen.len(), 2);
    let path = segments(crashed.path()).join("00000001-00000001.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"node\":\"half a line").unwrap();
    assert!(look(&mut tail).is_empty());
    write_run(settings(crashed.path(), 2), 1);
    let rest = look(&mut tail);
    assert_eq!(kinds(&rest), ["sealed", "started", "recovered", "-", "stopped", "sealed"]);
    tail.finish().unwrap();
}

#[test]
fn one_that_has_seen_enough_is_left_alone() {
    let dir = scratch();
    write_run(settings(dir.path(), 1), 5);
    let (mut tail, _) = open(dir.path(), Filter::default(), 0);
    write_run(settings(dir.path(), 2), 5);
    let mut seen = 0;
    tail.look(&mut |_| {
        seen += 1;
        seen < 3
    })
    .unwrap();
    assert_eq!(seen, 3);
    assert!(matches!(Tail::open(&dir.path().join("none"), Filter::default(), 1), Err(QueryError::NoLog { .. })));
}
