//! What has room, and what is let in.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::purge::{Aim, Force};
use crate::testing::{ask, cache_of, fetch, fill_with, head, land, miss, moment, word};
use crate::{Cache, Caching, Lookup, ReplyHead};

fn caching() -> Caching {
    Caching::default()
}

/// A cache that has room for some ten bodies of [`PAGE`]; for those in flight there is more, since what is evicted
/// counts as such until a busy machine gets to drop it.
fn full() -> (Cache, ReplyHead) {
    let cache = cache_of(64 * 1024, 1 << 20);
    let reply = head(200, &[("cache-control", "max-age=60")]);
    for n in 0.. {
        if !fetch(&cache, &format!("/{n}"), &[], &reply, &PAGE, moment()).stored {
            break;
        }
    }
    (cache, reply)
}

static PAGE: [u8; 4096] = [7; 4096];

fn is_stored(cache: &Cache, target: &str) -> bool {
    let (some, url) = ask("GET", target, &[]);
    word(&cache.look_up(&some, &url, &caching(), moment())) == "fresh hit"
}

#[test]
fn memory_is_bounded_and_the_least_recently_used_goes() {
    let (cache, reply) = full();
    let numbers = cache.numbers();
    for n in 100..200 {
        let target = format!("/{n}");
        assert!(!fetch(&cache, &target, &[], &reply, &PAGE, moment()).stored, "it was asked for once");
        fill_with(&cache, &target, &[], &reply, &PAGE, moment());
        assert!(Numbers::read(&numbers.bytes) <= 64 * 1024);
        assert!(is_stored(&cache, &target));
    }
    assert!(!is_stored(&cache, "/0") && !is_stored(&cache, "/100"));
    assert!(Numbers::read(&numbers.objects) >= 8 && Numbers::read(&numbers.evictions) >= 100);
}

#[test]
fn a_scan_does_not_flush_what_is_stored() {
    let (cache, reply) = full();
    // Few of a window's 4,096, so that none is taken for another.
    for n in 1_000..1_200 {
        assert!(!fetch(&cache, &format!("/{n}"), &[], &reply, &PAGE, moment()).stored, "{n}");
    }
    assert!((0..8).all(|n| is_stored(&cache, &format!("/{n}"))));
}

#[test]
fn a_scan_of_bodies_of_unknown_length_flushes_nothing_either() {
    let (cache, reply) = full();
    for n in 1_000..1_100 {
        let (some, url) = ask("GET", &format!("/{n}"), &[]);
        let fill = miss(&cache, &some, &url, moment());
        let _starter = fill.flight();
        let mut writer = land(fill, &reply, moment());
        let pushed = pin!(writer.push(PAGE.to_vec().into())).poll(&mut Context::from_waker(Waker::noop()));
        assert!(pushed.is_ready());
        assert!(!writer.finish().unwrap().stored, "{n}");
    }
    assert!((0..8).all(|n| is_stored(&cache, &format!("/{n}"))));
}

#[test]
fn what_others_wait_for_is_let_into_a_full_memory() {
    let (cache, _) = full();
    let reply = head(200, &[("cache-control", "max-age=60"), ("content-length", "4096")]);
    let (some, url) = ask("GET", "/new", &[]);
    let fill = miss(&cache, &some, &url, moment());
    let _starter = fill.flight();
    let mut writer = land(fill, &reply, moment());
    assert!(!writer.entry().is_storable());
    let second = cache.look_up(&some, &url, &caching(), moment());
    assert_eq!(word(&second), "filling");
    let pushed = pin!(writer.push(PAGE.to_vec().into())).poll(&mut Context::from_waker(Waker::noop()));
    assert!(pushed.is_ready());
    assert!(writer.entry().is_storable() && writer.finish().unwrap().stored);
}

#[test]
fn what_is_read_though_it_was_taken_out_leaves_less_room() {
    static BIG: [u8; 256 << 10] = [7; 256 << 10];
    let cache = cache_of(1 << 20, 256 << 10);
    let reply = head(200, &[("cache-control", "max-age=60")]);
    let take_out = |target: &str| {
        fill_with(&cache, target, &[], &reply, &BIG, moment());
        let (some, url) = ask("GET", target, &[]);
        let Ok(Lookup::Fresh(hit)) = cache.look_up(&some, &url, &caching(), moment()) else { panic!("{target}") };
        let body = hit.answer(&some, &caching(), moment()).body;
        cache.purge(&Aim::Covered(&|stored, _| stored.key() == url.key()), Force::Hard);
        body
    };
    let still_read = take_out("/a");
    assert_eq!(cache.numbers().in_flight(), BIG.len() as u64);
    assert!(!fetch(&cache, "/b", &[], &reply, &BIG, moment()).stored, "the budget is a quarter of the memory");
    drop(still_read);
    assert_eq!(cache.numbers().in_flight(), 0);
    fill_with(&cache, "/b", &[], &reply, &BIG, moment());
}

#[test]
fn what_is_said_to_be_stored_has_its_room_kept() {
    let cache = cache_of(4 << 20, 1 << 20);
    let reply = head(200, &[("cache-control", "max-age=60"), ("content-length", "786432")]);
    let mut under_way = Vec::new();
    for (target, expected) in [("/a", true), ("/b", false)] {
        let (some, url) = ask("GET", target, &[]);
        let fill = miss(&cache, &some, &url, moment());
        let flight = fill.flight();
        let writer = land(fill, &reply, moment());
        assert_eq!(writer.entry().is_storable(), expected, "{target}");
        under_way.push((flight, writer));
    }
    under_way.clear();
    assert_eq!(cache.numbers().in_flight(), 0);
}
