//! Ranges of the growing entry: any chunking, any interleaving of growth and reads, any range.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body as _;
use proptest::prelude::*;
use terms::{BodyError, Digest};

use super::growth::{AHEAD, Growth, Halt, WINDOW};
use super::places::Seat;
use super::reader::Reader;
use crate::Numbers;
use crate::testing::cut;

fn growth() -> (Arc<Growth>, Arc<Numbers>) {
    let numbers = Arc::new(Numbers::default());
    (Arc::new(Growth::new(numbers.clone())), numbers)
}

fn reader(growth: &Arc<Growth>, first: u64, end: Option<u64>) -> Reader {
    Reader::new(Seat::take(growth), first, end)
}

fn poll(reader: &mut Reader) -> Poll<Option<Result<Bytes, BodyError>>> {
    let polled = Pin::new(reader).poll_frame(&mut Context::from_waker(Waker::noop()));
    polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())))
}

/// All that can be read now, and whether the end was met.
fn drain(reader: &mut Reader) -> (Vec<u8>, Option<Result<(), BodyError>>) {
    let mut all = Vec::new();
    loop {
        match poll(reader) {
            Poll::Ready(Some(Ok(bytes))) => all.extend_from_slice(&bytes),
            Poll::Ready(Some(Err(error))) => return (all, Some(Err(error))),
            Poll::Ready(None) => return (all, Some(Ok(()))),
            Poll::Pending => return (all, None),
        }
    }
}

fn room(growth: &Growth) -> Poll<Result<(), Halt>> {
    growth.poll_room(&mut Context::from_waker(Waker::noop()))
}

#[derive(Clone, Debug)]
enum Step {
    Grow(usize),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_000_usize).prop_map(Step::Grow),
        (1..30_usize).prop_map(Step::Grow),
        (0..4_usize).prop_map(Step::Read)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_reader_gets_its_range(
        steps in proptest::collection::vec(step(), 0..60),
        ranges in proptest::collection::vec((any::<u16>(), any::<u16>(), any::<bool>()), 4),
        settles_early in any::<bool>(),
    ) {
        let length: usize = steps.iter().map(|step| if let Step::Grow(n) = step { *n } else { 0 }).sum();
        let whole: Vec<u8> = (0..length).map(|n| (n * 31 % 251) as u8).collect();
        let (growth, numbers) = growth();
        let ranges: Vec<(u64, Option<u64>)> = ranges.iter().map(|(one, other, open)| {
            let (one, other) = (*one as usize % (length + 1), *other as usize % (length + 1));
            (one.min(other) as u64, (!open).then_some(one.max(other) as u64))
        }).collect();
        let mut readers: Vec<Reader> = ranges.iter().map(|(first, end)| reader(&growth, *first, *end)).collect();
        let mut got = vec![Vec::new(); readers.len()];
        let (mut pushed, last_grow) = (0, steps.iter().rposition(|step| matches!(step, Step::Grow(_))));
        let mut last = None;
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Grow(n) => {
                    let chunk = growth.hold(&whole[pushed..pushed + n]);
                    pushed += n;
                    if settles_early && Some(index) == last_grow {
                        last = Some(chunk);
                    } else {
                        prop_assert!(growth.extend(chunk).is_ok());
                    }
                }
                Step::Read(one) => got[*one].extend(drain(&mut readers[*one]).0),
            }
        }
        let Ok(settled) = growth.whole(last, Digest::of(&whole)) else { panic!() };
        growth.publish(settled);
        for ((reader, got), (first, end)) in readers.iter_mut().zip(&mut got).zip(&ranges) {
            let (rest, ended) = drain(reader);
            got.extend(rest);
            prop_assert!(matches!(ended, Some(Ok(()))));
            let end = end.map_or(length, |end| end as usize);
            prop_assert_eq!(&got[..], &whole[*first as usize..end]);
        }
        let settled = growth.settled().unwrap();
        prop_assert_eq!(settled.chunks().concat(), whole);
        prop_assert_eq!(numbers.in_flight(), length as u64);
        drop((readers, growth));
        prop_assert_eq!(numbers.in_flight(), 0);
    }
}

#[test]
fn the_last_chunk_is_readable_when_the_body_is_at_rest() {
    let (growth, _) = growth();
    let mut reader = reader(&growth, 0, Some(6));
    assert!(growth.extend(Bytes::from_static(b"abc")).is_ok());
    assert_eq!(drain(&mut reader).0, b"abc");
    let Ok(whole) = growth.whole(Some(Bytes::from_static(b"def")), Digest::of(b"abcdef")) else { panic!() };
    assert!(poll(&mut reader).is_pending());
    assert!(growth.settled().is_none(), "who begins to read now waits as well");
    assert_eq!(growth.digest(), Some(Digest::of(b"abcdef")));
    assert_eq!(growth.proof().digest(), growth.digest());
    growth.publish(whole);
    assert_eq!(drain(&mut reader).0, b"def");
}

#[test]
fn what_is_stored_keeps_nothing_that_only_growing_needs() {
    let cache = crate::testing::filled(200, &[("cache-control", "max-age=60")], b"abc");
    let (ask, url) = crate::testing::ask("GET", "/a", &[]);
    let Ok(crate::Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &crate::Caching::default(), ask.began) else {
        panic!()
    };
    assert!(matches!(hit.entry.content, super::Content::AtRest(_)));
    assert_eq!((hit.entry.digest(), hit.entry.length()), (Some(Digest::of(b"abc")), Some(3)));
}

#[test]
fn what_came_before_a_failure_is_still_handed_out_but_not_after_a_cut() {
    for (error, expected) in [(BodyError::Incomplete, b"abc".as_slice()), (cut(), b"")] {
        let (growth, numbers) = growth();
        let mut reader = reader(&growth, 0, None);
        assert!(growth.extend(growth.hold(b"abc")).is_ok());
        growth.fail(error.clone());
        let (got, end) = drain(&mut reader);
        assert_eq!(got, expected);
        assert_eq!(end.unwrap().unwrap_err().to_string(), error.to_string());
        assert!(matches!(growth.extend(Bytes::from_static(b"d")), Err(Halt::Aborted(_))));
        drop((reader, growth));
        assert_eq!(numbers.in_flight(), 0);
    }
}

#[test]
fn in_a_window_the_fastest_reader_sets_the_pace_and_the_slow_one_falls_out() {
    const CHUNK: usize = 16 * 1024;
    let (growth, numbers) = growth();
    let (mut fast, mut slow) = (reader(&growth, 0, None), reader(&growth, 0, None));
    growth.go_windowed();
    let mut pushed: u64 = 0;
    let mut read: u64 = 0;
    while pushed < 8 * WINDOW {
        while matches!(room(&growth), Poll::Ready(Ok(()))) {
            assert!(growth.extend(growth.hold(&[7; CHUNK])).is_ok());
            pushed += CHUNK as u64;
            assert!(pushed - read <= AHEAD + CHUNK as u64);
        }
        read += drain(&mut fast).0.len() as u64;
        assert!(numbers.in_flight() <= WINDOW + 2 * CHUNK as u64);
    }
    assert!(growth.end(Some(Bytes::from_static(b"z")), Digest::ZERO).is_ok());
    let (rest, end) = drain(&mut fast);
    assert_eq!(read + rest.len() as u64, pushed + 1);
    assert!(matches!(end, Some(Ok(()))));
    assert!(matches!(drain(&mut slow), (got, Some(Err(BodyError::FellBehind))) if got.is_empty()));
}

#[test]
fn in_a_window_nothing_is_kept_behind_a_lone_reader() {
    let (growth, numbers) = growth();
    let mut reader = reader(&growth, 0, None);
    growth.go_windowed();
    for _ in 0..100 {
        assert!(growth.extend(growth.hold(&[7; 1024])).is_ok());
        assert_eq!(drain(&mut reader).0.len(), 1024);
        assert!(numbers.in_flight() <= 2048);
    }
}

#[test]
fn a_lone_slow_reader_loses_nothing_when_the_window_begins() {
    let (growth, _) = growth();
    let mut slow = reader(&growth, 0, None);
    for _ in 0..4 {
        assert!(growth.extend(Bytes::from(vec![1; WINDOW as usize])).is_ok());
    }
    growth.go_windowed();
    assert!(room(&growth).is_pending());
    assert_eq!(drain(&mut slow).0.len() as u64, 4 * WINDOW);
    assert!(matches!(room(&growth), Poll::Ready(Ok(()))));
}

#[test]
fn a_window_that_nobody_looks_through_halts_the_writer() {
    let (growth, _) = growth();
    let seat = Seat::take(&growth);
    growth.go_windowed();
    assert!(growth.extend(Bytes::from(vec![1; 2 * WINDOW as usize])).is_ok());
    assert!(room(&growth).is_pending());
    drop(seat);
    assert!(matches!(room(&growth), Poll::Ready(Err(Halt::Deserted))));
}
