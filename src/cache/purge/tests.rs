use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::testing::{ask, cache_of, fetch, fill_with, head, land, later, miss, moment, word};
use crate::{Caching, Fill, Flight, Landing, Numbers, ReplyHead};

fn cache() -> Cache {
    cache_of(64 << 20, 8 << 20)
}

fn tagged(names: &str) -> ReplyHead {
    head(200, &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("surrogate-key", names)])
}

fn look(cache: &Cache, target: &str) -> String {
    let (ask, url) = ask("GET", target, &[]);
    word(&cache.look_up(&ask, &url, &Caching::default(), moment()))
}

fn purge_tag(cache: &Cache, name: &str, force: Force) -> u64 {
    cache.purge(&Aim::Tagged(Tag::named(name.as_bytes())), force).objects
}

fn start(cache: &Cache, target: &str, seconds: u64) -> (Fill, Flight) {
    let (ask, url) = ask("GET", target, &[]);
    let fill = miss(cache, &ask, &url, later(moment(), seconds));
    let flight = fill.flight();
    (fill, flight)
}

async fn is_stored(fill: Fill, reply: &ReplyHead) -> bool {
    let mut writer = land(fill, reply, moment());
    writer.push(Bytes::from_static(b"abc")).await.unwrap();
    writer.finish().unwrap().stored
}

/// It stands in the index under each of its readings.
#[test]
fn what_has_several_readings_counts_once() {
    let (cache, some) = (cache(), tagged("x"));
    fill_with(&cache, "/a//../b", &[], &some, b"abc", moment());
    let (_, url) = ask("GET", "/a//../b", &[]);
    assert!(url.readings().count() > 1);
    let aim = Aim::Same(&url, &|one, other| one == other);
    let counted = [cache.count(&aim), cache.purge(&aim, Force::Soft), cache.purge(&aim, Force::Hard)];
    assert_eq!(counted.map(|purged| purged.objects), [1, 1, 1]);
    assert_eq!(cache.count(&aim), Purged::default());
}

#[test]
fn what_carries_a_tag_goes_and_nothing_else() {
    let cache = cache();
    fill_with(&cache, "/a", &[], &tagged("x y"), b"abc", moment());
    fill_with(&cache, "/b", &[], &tagged("y"), b"abc", moment());
    fill_with(&cache, "/c", &[], &tagged("z"), b"abc", moment());
    assert_eq!(purge_tag(&cache, "none", Force::Hard), 0);
    assert_eq!(purge_tag(&cache, "y", Force::Hard), 2);
    assert_eq!(["/a", "/b", "/c"].map(|target| look(&cache, target)), ["miss 0", "miss 0", "fresh hit"]);
    assert_eq!(purge_tag(&cache, "x", Force::Hard), 0, "it went with the other tag");
}

#[test]
fn of_a_url_the_variants_without_the_tag_stay() {
    let cache = cache();
    for (language, names) in [("de", "x"), ("fr", "x y"), ("en", "y")] {
        let mut reply = tagged(names);
        reply.fields.insert("vary", "accept-language".parse().unwrap());
        fill_with(&cache, "/a", &[("accept-language", language)], &reply, b"abc", moment());
    }
    assert_eq!(purge_tag(&cache, "x", Force::Hard), 2);
    assert_eq!(purge_tag(&cache, "y", Force::Hard), 1, "what was left is still found");
    assert_eq!(cache.0.memory.index.slots(), 0);
}

#[test]
fn a_url_goes_in_every_spelling() {
    let cache = cache();
    for target in ["/a%62?y=2&x=1", "/ab?x=1&y=2", "//ab/?y=2&x=1", "/ab", "/abc?x=1&y=2"] {
        fill_with(&cache, target, &[], &tagged("x"), b"abc", moment());
    }
    let url = terms::Url::parse("http://photos.example/ab?x=1&y=2").unwrap();
    let here = Aim::Same(&url, &|one, other| one == other);
    assert_eq!(cache.purge(&here, Force::Hard).objects, 3);
    let elsewhere = terms::Url::parse("http://fotos.example/ab").unwrap();
    assert_eq!(cache.purge(&Aim::Same(&elsewhere, &|one, other| one == other), Force::Hard).objects, 0);
    assert_eq!(cache.purge(&Aim::Same(&elsewhere, &|_, _| true), Force::Hard).objects, 1);
    assert_eq!(look(&cache, "/abc?x=1&y=2"), "fresh hit");
}

#[test]
fn what_is_purged_softly_is_validated_before_it_is_used() {
    let cache = cache();
    fill_with(&cache, "/a", &[], &tagged("x"), b"abc", moment());
    assert_eq!(purge_tag(&cache, "x", Force::Soft), 1);
    assert_eq!(Numbers::read(&cache.numbers().objects), 1);
    let (ask, url) = ask("GET", "/a", &[("cache-control", "max-stale=9999")]);
    let fill = miss(&cache, &ask, &url, moment());
    assert_eq!(fill.conditions().len(), 1);
    assert!(matches!(fill.land(&head(304, &[("etag", "\"1\"")]), moment(), moment()), Landing::Refreshed));
    assert_eq!(look(&cache, "/a"), "fresh hit");
}

#[tokio::test]
async fn a_fetch_whose_head_names_a_purged_tag_is_not_stored() {
    for force in [Force::Hard, Force::Soft] {
        let cache = cache();
        let (covered, _flight) = start(&cache, "/a", 0);
        let (spared, _other) = start(&cache, "/b", 0);
        purge_tag(&cache, "x", force);
        for target in ["/a", "/b"] {
            assert_eq!(look(&cache, target), "miss 0", "{target}: nobody joins what may be covered");
        }
        assert!(!is_stored(covered, &tagged("y x")).await);
        assert!(is_stored(spared, &tagged("y")).await);
    }
}

#[tokio::test]
async fn a_body_under_way_is_known_by_its_tags() {
    let cache = cache();
    let (fill, _flight) = start(&cache, "/a", 0);
    let mut writer = land(fill, &tagged("x"), moment());
    purge_tag(&cache, "y", Force::Hard);
    assert_eq!(look(&cache, "/a"), "filling");
    purge_tag(&cache, "x", Force::Hard);
    assert_eq!(look(&cache, "/a"), "miss 0");
    writer.push(Bytes::from_static(b"abc")).await.unwrap();
    assert!(!writer.finish().unwrap().stored);
}

#[tokio::test]
async fn a_fetch_that_waits_through_many_purges_is_not_stored() {
    let cache = cache();
    let (fill, _flight) = start(&cache, "/a", 0);
    for n in 0..=MOST_REMEMBERED {
        purge_tag(&cache, &format!("t{n}"), Force::Hard);
    }
    assert!(!is_stored(fill, &tagged("x")).await);
}

#[test]
fn a_validation_brings_nothing_back() {
    let cache = cache();
    fill_with(&cache, "/a", &[], &tagged("x"), b"abc", moment());
    let (before, _flight) = start(&cache, "/a", 100);
    assert_eq!(purge_tag(&cache, "x", Force::Hard), 1);
    assert!(matches!(before.land(&head(304, &[("etag", "\"1\"")]), moment(), moment()), Landing::Refreshed));
    assert_eq!(look(&cache, "/a"), "miss 0");

    // Begun behind the purge's first step, and ended before its last.
    fill_with(&cache, "/b", &[], &tagged("x"), b"abc", moment());
    let (amid, _flight) = start(&cache, "/b", 100);
    let key = ask("GET", "/b", &[]).1.key();
    cache.0.memory.remove(key, |_| true);
    assert!(matches!(amid.land(&head(304, &[("etag", "\"1\"")]), moment(), moment()), Landing::Refreshed));
    assert_eq!(look(&cache, "/b"), "miss 0");
}

#[test]
fn what_has_too_many_tags_is_not_stored() {
    let cache = cache();
    let names: String = (0..300).map(|n| format!("t{n} ")).collect();
    let (fill, _flight) = start(&cache, "/a", 0);
    let landed = fill.land(&tagged(&names), moment(), moment());
    assert!(matches!(landed, Landing::Private(private) if private.reason == crate::Unstorable::TooManyTags));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes and goes, for want of room too: the index holds what is stored, and nothing else.
    #[test]
    fn the_index_is_what_is_stored(steps in proptest::collection::vec((0..3_u8, 0..12_u8), 0..80)) {
        let cache = cache_of(32 * 1024, 4 * 1024);
        for (what, n) in steps {
            let (target, cookie, names) = (format!("/{}", n / 3), format!("{}", n % 3), format!("a{} b{}", n % 2, n % 5));
            let mut reply = tagged(&names);
            reply.fields.insert("vary", "cookie".parse().unwrap());
            let (some, url) = ask("GET", &target, &[("cookie", &cookie)]);
            match what {
                0 if word(&cache.look_up(&some, &url, &Caching::default(), moment())).starts_with("miss") => {
                    fetch(&cache, &target, &[("cookie", &cookie)], &reply, &[1; 2048], moment());
                }
                1 => { cache.invalidate(&url); }
                2 => { purge_tag(&cache, &format!("a{}", n % 2), Force::Hard); }
                _ => {}
            }
        }
        let before = Numbers::read(&cache.numbers().objects);
        let gone = purge_tag(&cache, "a0", Force::Hard) + purge_tag(&cache, "a1", Force::Hard);
        prop_assert_eq!(gone, before);
        prop_assert_eq!(cache.0.memory.index.slots(), 0);
    }
}

#[test]
fn a_purge_and_fetches_that_race_leave_nothing_old() {
    let cache = Arc::new(cache());
    let filler = cache.clone();
    let filling = std::thread::spawn(move || {
        let mut stored = 0;
        for n in 0..2_000 {
            let (fill, _flight) = start(&filler, &format!("/{n}"), 0);
            let mut reply = tagged("x");
            reply.fields.insert("content-length", "0".parse().unwrap());
            stored += u64::from(land(fill, &reply, moment()).finish().unwrap().stored);
        }
        stored
    });
    let mut gone = 0;
    while !filling.is_finished() {
        gone += purge_tag(&cache, "x", Force::Hard);
    }
    let stored = filling.join().unwrap();
    gone += purge_tag(&cache, "x", Force::Hard);
    assert_eq!(gone, stored, "each is counted once");
    assert_eq!(Numbers::read(&cache.numbers().objects), 0);
    assert_eq!(cache.0.memory.index.slots(), 0);
}
