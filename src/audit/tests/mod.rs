//! Whole logs: written, read, checked, altered and torn.

mod crash;
mod damage;
mod ends;
mod life;
mod lines;
mod queries;
mod tails;
mod tamper;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use terms::wire::range::Parts;
use terms::{CacheUse, Clock, Departures, Digest, Record, RequestId, Timestamp, Url, Verdict};

use crate::{ClientForm, Event, Filter, Log, OnPressure, QueryForm, Settings, Sync, query};

const START: Timestamp = Timestamp::from_secs(1_795_000_000);

fn settings(dir: &Path, run: u64) -> Settings {
    Settings {
        dir: dir.to_owned(),
        node: "6e0e9c3e-7c5b-4b3a-9d53-0d3e0f3c2b11".to_owned(),
        run,
        segment_size: 64 * 1024 * 1024,
        segment_age: Duration::from_secs(600),
        sync: Sync::Segment,
        high_water: 65_536,
        on_pressure: OnPressure::Wait(Duration::from_secs(5)),
        client: ClientForm::Truncated,
        url_query: QueryForm::Full,
        key: [7; 16],
    }
}

fn record(url: &str) -> Record {
    Record {
        began: START,
        ended: START.plus(Duration::from_millis(5)),
        site: Some(Arc::from("photos")),
        id: RequestId::random(),
        method: Method::GET,
        url: Some(Arc::new(Url::parse(url).unwrap())),
        status: StatusCode::OK,
        verdict: Verdict::Served,
        ruling: None,
        list: 3,
        cache: CacheUse::Hit,
        fill: Some(9),
        origin_digest: Some(Digest::of(b"body")),
        digest: Some(Digest::of(b"body")),
        departures: Departures::default(),
        range: Parts::default(),
        bytes: 4,
        complete: true,
        client: IpAddr::from([192, 0, 2, 77]),
    }
}

/// A folder whose files need not outlive the machine, where there is such a place: these tests sync
/// thousands of times.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A log with so many answers, closed again.
fn write_run(settings: Settings, answers: u64) {
    let log = Log::open(settings, Clock::manual(START)).unwrap();
    for n in 0..answers {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    log.close();
}

/// What a crash would leave at this moment.
fn image(dir: &Path) -> tempfile::TempDir {
    let copy = scratch();
    put_back(copy.path(), &files(dir));
    copy
}

fn segments(dir: &Path) -> PathBuf {
    dir.join("segments")
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(segments(dir))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn put_back(dir: &Path, files: &BTreeMap<String, Vec<u8>>) {
    let _ = std::fs::remove_dir_all(segments(dir));
    std::fs::create_dir(segments(dir)).unwrap();
    for (name, bytes) in files {
        std::fs::write(segments(dir).join(name), bytes).unwrap();
    }
}

fn ask(dir: &Path, filter: &Filter) -> Vec<Value> {
    let mut lines = Vec::new();
    query(dir, filter, &mut |line| {
        lines.push(serde_json::from_str(line.text).unwrap());
        true
    })
    .unwrap();
    lines
}

fn all(dir: &Path) -> Vec<Value> {
    ask(dir, &Filter::default())
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap_or("-")).collect()
}

/// Makes everything pushed so far visible.
fn settle(log: &Log) -> u64 {
    log.append(Event::new("purged")).unwrap()
}
