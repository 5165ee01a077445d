use std::cell::Cell;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use terms::Url;

use super::frame::{Content, Frame, MOST_HEAD, Response};
use super::*;
use crate::kept::frame::Frames;
use crate::memory::Used;
use crate::testing::{ask, cache_of, fetch, fill_with, head, later, miss, moment, word};
use crate::{Aim, Cache, Caching, Force, Lookup, Numbers, Purged, Tag};

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=600")];

fn cache() -> Cache {
    cache_of(1 << 20, 1 << 17)
}

/// A cache that holds `/0` to `/count`, each asked for later than the one before.
fn filled(count: u64) -> Cache {
    let cache = cache();
    for n in 0..count {
        fill_with(&cache, &format!("/{n}"), &[], &head(200, FRESH), b"some bytes", later(moment(), 2 * n));
    }
    cache
}

fn bounds() -> Bounds {
    Bounds { run: 1, bytes: 1 << 20, now: later(moment(), 100) }
}

fn write(cache: &Cache, folder: &Path, bounds: Bounds) -> Written {
    cache.write_kept(folder, bounds, &|_| Some(Stamp(5)), &|| true).unwrap()
}

fn keep(cache: &Cache, folder: &Path) {
    write(cache, folder, bounds()).put_in_force().unwrap();
}

/// Takes up what is in `folder`, as if down for 10 s. `between` is called before each answer, with its number.
fn take_up(cache: &Cache, folder: &Path, between: &dyn Fn(u64)) -> Vec<(Refused, u64)> {
    let now = later(moment(), 110);
    let kept = Kept::take(folder, now.wall).unwrap().expect("something is kept").unwrap();
    let number = Cell::new(0);
    cache.take_up(kept).run(&Calls {
        judge: &|_, _, stamp| if stamp == Stamp(5) { Judged::Stays(Caching::default()) } else { Judged::Moved },
        told: &|_| {},
        goes_on: &|| {
            between(number.replace(number.get() + 1));
            true
        },
        now: &|| now,
    });
    cache.numbers().kept.refused().filter(|(_, count)| *count > 0).collect()
}

fn found(cache: &Cache, target: &str) -> String {
    let (ask, url) = ask("GET", target, &[]);
    word(&cache.look_up(&ask, &url, &Caching::default(), later(moment(), 110)))
}

/// Which of `/0` to `/count` are there. Looking changes nothing.
fn held(cache: &Cache, count: u64) -> Vec<u64> {
    let keys: Vec<_> = cache.0.memory.by_use().into_iter().map(|(_, key)| key).collect();
    (0..count).filter(|n| keys.contains(&ask("GET", &format!("/{n}"), &[]).1.key())).collect()
}

#[test]
fn what_was_stored_is_found_again_and_is_older() {
    let folder = tempfile::tempdir().unwrap();
    keep(&filled(3), folder.path());
    let cache = cache();
    assert!(take_up(&cache, folder.path(), &|_| {}).is_empty());
    assert_eq!([found(&cache, "/0"), found(&cache, "/2"), found(&cache, "/3")], ["fresh hit", "fresh hit", "miss 0"]);
    let (ask, url) = ask("GET", "/0", &[]);
    let Ok(Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &Caching::default(), later(moment(), 120)) else {
        panic!("no hit")
    };
    let answer = hit.answer(&ask, &Caching::default(), later(moment(), 120));
    assert_eq!(answer.fields["age"], "120");
    assert!(Kept::take(folder.path(), later(moment(), 110).wall).unwrap().is_none(), "it is taken once");
}

#[test]
fn what_was_used_is_kept_first_and_leaves_last() {
    let folder = tempfile::tempdir().unwrap();
    let (before, body) = (cache(), &*Vec::leak(vec![1; 100_000]));
    for n in 0..10 {
        fill_with(&before, &format!("/{n}"), &[], &head(200, FRESH), body, later(moment(), 2 * n));
    }
    // `/2` is asked for again.
    assert_eq!(found(&before, "/2"), "fresh hit");
    write(&before, folder.path(), Bounds { bytes: 450_000, ..bounds() }).put_in_force().unwrap();
    let cache = cache();
    assert!(take_up(&cache, folder.path(), &|_| {}).is_empty());
    assert_eq!(held(&cache, 10), [2, 7, 8, 9]);
    // Those that make room for others do so in the order that they had.
    for n in 0..30 {
        let target = format!("/new/{n}");
        let mut stored = false;
        while !stored {
            stored = fetch(&cache, &target, &[], &head(200, FRESH), body, later(moment(), 110)).stored;
        }
        let left = held(&cache, 10);
        assert!([&[2, 7, 8, 9][..], &[2, 8, 9], &[2, 9], &[2], &[]].contains(&&left[..]), "{left:?}");
    }
    assert!(held(&cache, 10).is_empty(), "this fills it more than once");
}

#[test]
fn the_bounds_hold_and_a_writing_that_is_broken_off_is_good_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let before = filled(10);
    let calls = Cell::new(0);
    // Asked twice an answer: before it, and before its one chunk.
    let goes_on = || calls.replace(calls.get() + 1) < 7;
    let written = before.write_kept(folder.path(), bounds(), &|_| Some(Stamp(5)), &goes_on).unwrap();
    assert_eq!(fs::metadata(folder.path().join(FRAMES)).unwrap().len(), written.manifest.bytes);
    assert_eq!(written.put_in_force().unwrap().objects, 3);
    let cache = cache();
    assert!(take_up(&cache, folder.path(), &|_| {}).is_empty());
    assert_eq!(held(&cache, 10), [7, 8, 9]);
}

#[test]
fn what_was_purged_while_it_was_written_is_void() {
    let folder = tempfile::tempdir().unwrap();
    let before = filled(4);
    let written = write(&before, folder.path(), bounds());
    let purged = ask("GET", "/1", &[]).1;
    let softened = ask("GET", "/2", &[]).1;
    before.purge(&Aim::Same(&purged, &|one, other| one == other), Force::Hard);
    before.purge(&Aim::Same(&softened, &|one, other| one == other), Force::Soft);
    assert_eq!(written.put_in_force().unwrap().objects, 2);
    let cache = cache();
    assert!(take_up(&cache, folder.path(), &|_| {}).is_empty());
    assert_eq!(held(&cache, 4), [0, 3]);
}

#[test]
fn a_purge_after_all_is_written_revokes_it() {
    let purges: [fn(&Cache, &Url) -> Purged; 3] = [
        |cache, url| cache.purge(&Aim::Same(url, &|one, other| one == other), Force::Hard),
        |cache, _| cache.purge(&Aim::Tagged(Tag::named(b"t")), Force::Soft),
        Cache::invalidate,
    ];
    for purge in purges {
        let folder = tempfile::tempdir().unwrap();
        let before = filled(2);
        keep(&before, folder.path());
        purge(&before, &ask("GET", "/1", &[]).1);
        assert!(Kept::take(folder.path(), moment().wall).unwrap().is_none());
    }
    // Rules in force are asked again.
    let folder = tempfile::tempdir().unwrap();
    let before = filled(2);
    keep(&before, folder.path());
    before.purge(&Aim::Blocked(&|_, _| true), Force::Hard);
    assert!(Kept::take(folder.path(), later(moment(), 100).wall).unwrap().is_some());
}

#[test]
fn what_is_not_put_in_force_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    drop(write(&filled(2), folder.path(), bounds()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    std::mem::forget(write(&filled(2), folder.path(), bounds()));
    assert!(folder.path().join(FRAMES).exists());
    assert!(Kept::take(folder.path(), moment().wall).unwrap().is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn purges_hold_for_what_is_still_to_be_taken_up() {
    type Purge = fn(&Cache) -> Purged;
    let all: Vec<u64> = (0..6).collect();
    let same = |cache: &Cache| {
        let url = ask("GET", "/%33", &[]).1;
        cache.purge(&Aim::Same(&url, &|one, other| one == other), Force::Soft)
    };
    let purges: [(Purge, Vec<u64>, u64); 6] = [
        // `/5` comes first, and is there already.
        (same, vec![0, 1, 2, 4, 5], 1),
        (|cache| cache.invalidate(&ask("GET", "/3", &[]).1), vec![0, 1, 2, 4, 5], 1),
        (|cache| cache.purge(&Aim::Tagged(Tag::named(b"even")), Force::Hard), vec![1, 3, 5], 3),
        (|cache| cache.purge(&Aim::Tagged(Tag::named(b"none")), Force::Hard), all.clone(), 0),
        // What it would cover of the others nobody knows.
        (|cache| cache.purge(&Aim::Covered(&|_, _| false), Force::Hard), vec![5], 1),
        (|cache| cache.purge(&Aim::Blocked(&|_, _| false), Force::Hard), all, 0),
    ];
    for (purge, left, purged) in purges {
        let folder = tempfile::tempdir().unwrap();
        let before = cache();
        for n in 0..6 {
            let tag = if n % 2 == 0 { "even" } else { "odd" };
            let head = head(200, &[("cache-control", "max-age=600"), ("cache-tag", tag)]);
            fill_with(&before, &format!("/{n}"), &[], &head, b"x", later(moment(), 2 * n));
        }
        keep(&before, folder.path());
        let cache = cache();
        let refused = take_up(&cache, folder.path(), &|number| {
            if number == 1 {
                purge(&cache);
            }
        });
        let expected: Vec<_> = (purged > 0).then_some((Refused::Purged, purged)).into_iter().collect();
        assert_eq!((held(&cache, 6), refused), (left, expected));
        assert!(cache.0.flights.lock().meanwhile.is_none());
    }
}

#[test]
fn what_was_fetched_meanwhile_is_newer() {
    let folder = tempfile::tempdir().unwrap();
    keep(&filled(4), folder.path());
    let cache = cache();
    let now = later(moment(), 105);
    fill_with(&cache, "/0", &[], &head(200, FRESH), b"newer", now);
    let (asked, url) = ask("GET", "/1", &[]);
    let under_way = miss(&cache, &asked, &url, now);
    let _flight = under_way.flight();
    let (asked, url) = ask("GET", "/2", &[]);
    drop(miss(&cache, &asked, &url, now).land(&head(200, &[("cache-control", "no-store")]), now, now));
    let refused = take_up(&cache, folder.path(), &|_| {});
    assert_eq!(refused, [(Refused::Newer, 3)]);
    assert_eq!(held(&cache, 4), [0, 3]);
    let body = cache.0.memory.find(ask("GET", "/0", &[]).1.key()).unwrap().latest().unwrap().length();
    assert_eq!(body, Some(5));
    drop(under_way);
}

#[test]
fn a_variant_more_takes_nothing_from_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let varies = &[("cache-control", "max-age=600"), ("vary", "x")][..];
    let before = cache();
    for value in ["a", "b"] {
        fill_with(&before, "/0", &[("x", value)], &head(200, varies), b"before", moment());
    }
    keep(&before, folder.path());
    let cache = cache();
    fill_with(&cache, "/0", &[("x", "a")], &head(200, varies), b"now", later(moment(), 105));
    assert_eq!(take_up(&cache, folder.path(), &|_| {}), [(Refused::Newer, 1)]);
    let variants = cache.0.memory.find(ask("GET", "/0", &[]).1.key()).unwrap();
    let lengths: Vec<_> = variants.entries().iter().map(|entry| entry.length()).collect();
    assert_eq!(lengths, [Some(3), Some(6)], "the most recent first");
    assert_eq!(Numbers::read(&cache.numbers().objects), 2);
}

#[test]
fn a_head_that_is_too_large_and_a_site_that_is_unknown_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let before = cache();
    let long = "x".repeat(MOST_HEAD);
    let large = head(200, &[("cache-control", "max-age=600"), ("x", &long)]);
    fill_with(&before, "/0", &[], &large, b"x", moment());
    fill_with(&before, "/1", &[], &head(200, FRESH), b"x", moment());
    fill_with(&before, "/2", &[], &head(200, FRESH), b"x", moment());
    let stamp = |url: &Url| (url.target() != "/2").then_some(Stamp(5));
    let written = before.write_kept(folder.path(), bounds(), &stamp, &|| true).unwrap();
    assert_eq!(written.put_in_force().unwrap().objects, 1);
}

#[test]
fn a_frame_reads_as_it_was_written() {
    let frame = frame(&[("x", b"\xff"), ("y", b"")], b"a body");
    let head = Frames::<Vec<u8>>::head(&frame).unwrap();
    assert_eq!(postcard::from_bytes::<Frame<'_>>(&head).unwrap(), frame);
    checks::frame(&head, b"a body");
}

fn frame<'f>(fields: &[(&'f str, &'f [u8])], body: &[u8]) -> Frame<'f> {
    let now = moment();
    let reply = head(200, FRESH).fields;
    let directives = crate::policy::directives::ResponseDirectives::read(&reply);
    let freshness =
        crate::policy::freshness::Freshness::of(http::StatusCode::OK, &reply, &directives, now, now).kept(now);
    let mut all: Vec<(&str, &[u8])> = vec![("cache-control", b"max-age=600")];
    all.extend(fields);
    Frame {
        https: true,
        authority: "h.example:81",
        target: "/a",
        salt: None,
        stamp: 5,
        used: Used::Never,
        fill: 9,
        length: body.len() as u64,
        digest: *terms::Digest::of(body).as_bytes(),
        content: Content::Whole(Response {
            status: 200,
            fields: all,
            request: Vec::new(),
            freshness,
            had_age: false,
            softened: false,
            departures: 0,
        }),
    }
}

proptest! {
    #[test]
    fn any_file_is_taken_up_as_far_as_it_is_one(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::file(&bytes);
        checks::frame(&bytes, b"x");
    }

    #[test]
    fn a_head_that_was_altered_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut head = Frames::<Vec<u8>>::head(&frame(&[("vary", b"x"), ("etag", b"\"1\"")], b"x")).unwrap();
        for (at, byte) in changes {
            let at = at.index(head.len());
            head[at] = byte;
        }
        checks::frame(&head, b"x");
        checks::frame(&head[..cut.index(head.len())], b"x");
    }

    #[test]
    fn a_file_that_was_altered_hands_out_what_was_written_or_nothing(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let head = Frames::<Vec<u8>>::head(&frame(&[], b"some bytes")).unwrap();
        let mut bytes = Vec::new();
        let mut frames = Frames::begin(&mut bytes, 7).unwrap();
        frames.write_head(&head).unwrap();
        frames.write(b"some bytes").unwrap();
        frames.finish().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        checks::file(&bytes);
        checks::file(&bytes[..cut.index(bytes.len())]);
    }
}
