//! Everything at once: hits, misses, ranges, validations, purges, blocks and an origin that fails, and each
//! byte is one that the origin sent.
//!
//! `SEAWALL_SOAK=300 cargo test --test tests soak::` does so for as many seconds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::client::End;
use super::harness::{Answer, Client, Edge, HOST, Origin, Page, Reply, Step, at, noise};

const PAGES: u64 = 60;
const CLIENTS: u64 = 6;

/// A chain of numbers that looks random and is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What stands under a number in its so-manieth version: small, middling, or a few hundred KiB.
fn body(page: u64, version: u64) -> Vec<u8> {
    let length = [300, 5_000, 70_000, 400_000][(page % 4) as usize] + (page * 7) as usize;
    noise(length, page << 32 | version)
}

fn page(page: u64, version: u64) -> Page {
    Page::ok(body(page, version))
        .field("Cache-Control", ["max-age=1", "max-age=60", "max-age=0", "no-store"][(page / 4 % 4) as usize])
        .field("ETag", &format!("\"{page}-{version}\""))
        .field("Cache-Tag", &format!("t{}", page % 5))
}

/// Changes what it has now and then, and fails one time in twelve.
fn origin() -> Origin {
    let origin = Origin::start();
    let asked = AtomicU64::new(0);
    origin.on_each("*", move |request| {
        let count = asked.fetch_add(1, Relaxed);
        let (number, version) = (request.target[1..].parse().unwrap(), count / 200);
        let (whole, tag) = (body(number, version), format!("\"{number}-{version}\""));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: {tag}\r\n\r\n", whole.len());
        match count % 12 {
            3 => Reply::script([Step::Reset]),
            7 => Reply::script([Step::Send(head.into()), Step::SendBody(whole[..200].to_vec()), Step::Close]),
            _ if request.field("If-None-Match") == Some(&tag) => {
                Page::new("304 Not Modified", "").field("ETag", &tag).into()
            }
            _ => page(number, version).into(),
        }
    });
    origin
}

/// Whether the bytes are those of the version that the answer names, as far as they came.
fn check(number: u64, answer: &Answer) {
    let whole = || {
        let tag = answer.field("ETag").unwrap_or_else(|| panic!("{answer:?}"));
        let (page, version) = tag.trim_matches('"').split_once('-').unwrap();
        assert_eq!(page, number.to_string(), "another page: {:?}", answer.fields);
        body(number, version.parse().unwrap())
    };
    match answer.status {
        200 if answer.end == End::Whole && !answer.body.is_empty() => {
            assert!(answer.body == whole(), "other bytes: {number} {:?}", answer.fields);
        }
        200 => assert!(whole().starts_with(&answer.body), "other bytes: {number} {:?}", answer.fields),
        206 => {
            let range = answer.field("Content-Range").unwrap().trim_start_matches("bytes ");
            let (first, rest) = range.split_once('-').unwrap();
            let (first, whole) = (first.parse::<usize>().unwrap(), whole());
            assert_eq!(rest.split_once('/').unwrap().1, whole.len().to_string());
            assert!(whole[first..].starts_with(&answer.body), "other bytes: {number} {:?}", answer.fields);
        }
        304 | 416 | 451 | 502 | 504 => {}
        other => panic!("{number}: {other} {:?}", answer.fields),
    }
}

fn ask(edge: &Edge, seed: u64, over: &AtomicBool) -> u64 {
    let mut dice = Dice(seed);
    let (mut client, mut asked) = (edge.connect(), 0);
    while !over.load(Relaxed) {
        let number = dice.roll(PAGES).min(dice.roll(PAGES));
        let target = format!("/{number}");
        let first = dice.roll(600);
        let range = format!("bytes={first}-{}", first + dice.roll(2_000));
        let tag = format!("\"{number}-{}\"", dice.roll(3));
        let answer = match dice.roll(8) {
            0 => client.ask("GET", HOST, &target, &[("Range", &range)]),
            1 => client.ask("GET", HOST, &target, &[("If-None-Match", &tag)]),
            2 => client.ask("HEAD", HOST, &target, &[]),
            _ => client.get(HOST, &target),
        };
        asked += 1;
        if answer.status != 0 {
            check(number, &answer);
        }
        if answer.end != End::Whole || answer.field("Connection") == Some("close") {
            client = Client::connect(edge.address);
        }
    }
    asked
}

/// Blocks pages that answer nobody until they are let go of, and purges in every way.
fn operate(edge: &Edge, over: &AtomicBool) {
    let mut dice = Dice(99);
    while !over.load(Relaxed) {
        let number = dice.roll(PAGES);
        let url = format!("http://{HOST}/{number}");
        let wish = match dice.roll(4) {
            0 => json!({ "url": url, "soft": dice.roll(2) == 0 }),
            1 => json!({ "tag": format!("t{}", dice.roll(5)) }),
            2 => json!({ "prefix": format!("http://{HOST}/1") }),
            _ => json!({ "all": true, "soft": true }),
        };
        assert_eq!(edge.api("POST", "/api/v1/purge", Some(&wish)).status, 200, "{wish}");
        let receipt = edge.block(&url, "N-soak");
        let id = receipt["id"].as_str().unwrap();
        for _ in 0..3 {
            assert_eq!(edge.get(&format!("/{number}")).status, 451);
        }
        assert_eq!(edge.api("DELETE", &format!("/api/v1/blocks/{id}"), None).status, 200);
    }
}

#[test]
fn whatever_happens_each_byte_is_the_origins() {
    let seconds = std::env::var("SEAWALL_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let origin = origin();
    let edge = Edge::before(&origin).cache("memory = \"4MiB\"").start();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (edge, over) = (&edge, &over);
        let asking: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || ask(edge, seed, over))).collect();
        let operating = scope.spawn(move || operate(edge, over));
        let goes_on = || !asking.iter().any(|one| one.is_finished()) && !operating.is_finished();
        let lasted = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < lasted && goes_on() {
            at(Instant::now() + Duration::from_millis(50));
        }
        over.store(true, Relaxed);
        let asked: u64 = asking.into_iter().map(|one| one.join().unwrap()).sum();
        operating.join().unwrap();
        assert!(asked > 100, "{asked}");
    });
    let seen = |cache: &str| edge.metric_where("seawall_requests_total", &[&format!("cache=\"{cache}\"")]);
    for cache in ["hit", "miss", "revalidated"] {
        assert!(seen(cache) > 0.0, "nothing was {cache}");
    }
}
