//! What two asks for parts of one URL lead to.

use bytes::Bytes;

use crate::testing::{ask, cache_of, head, land, later, moment, word};
use crate::{Cache, Caching, Fill, Lookup, Numbers};

const MIB: usize = 1 << 20;

fn cache() -> Cache {
    cache_of(64 << 20, 8 << 20)
}

fn look(cache: &Cache, target: &str, range: &str, after: u64) -> Lookup {
    let (ask, url) = ask("GET", target, &[("range", range)]);
    cache.look_up(&ask, &url, &Caching::default(), later(moment(), after)).unwrap()
}

/// The first ask passes, and this is what the origin says to it.
fn first(cache: &Cache, target: &str, range: &str, status: u16, fields: &[(&'static str, &str)]) {
    let found = look(cache, target, range, 0);
    assert!(matches!(&found, Lookup::Pass(pass) if pass.is_part()), "{}", word(&Ok(found)));
    let (ask, url) = ask("GET", target, &[("range", range)]);
    cache.saw_part(&ask, &url, head(status, fields), &Caching::default(), moment());
}

/// The second ask for the whole.
fn second(cache: &Cache, target: &str, range: &str) -> Fill {
    match look(cache, target, range, 1) {
        Lookup::Miss(fill) | Lookup::Beside(_, fill) => *fill,
        other => panic!("{}", word(&Ok(other))),
    }
}

#[test]
fn the_second_ask_has_the_whole_fetched_if_it_fits_and_may_be_stored() {
    let fresh = ("cache-control", "max-age=60");
    for (range, status, fields, expected) in [
        ("bytes=0-9", 206, vec![fresh, ("content-range", "bytes 0-9/1000"), ("content-length", "10")], "miss 0"),
        ("bytes=-9", 206, vec![fresh, ("content-range", "bytes 991-999/1000")], "miss 0"),
        ("bytes=0-9", 200, vec![fresh, ("content-length", "1000")], "miss 0"),
        // Far from the beginning.
        (
            "bytes=2000000-2000009",
            206,
            vec![fresh, ("content-range", "bytes 2000000-2000009/3000000")],
            "pass uri-miss beside a fill",
        ),
        // It is not known how long it is, or what this is a part of.
        ("bytes=0-9", 206, vec![fresh, ("content-range", "bytes 0-9/*")], "pass uri-miss"),
        ("bytes=0-9", 206, vec![fresh, ("content-length", "10")], "pass uri-miss"),
        ("bytes=0-9", 206, vec![fresh, ("content-range", "bytes 10-19/1000")], "pass uri-miss"),
        ("bytes=0-9", 206, vec![fresh, ("content-range", "lines 0-9/1000")], "pass uri-miss"),
        ("bytes=0-9,50-", 206, vec![fresh, ("content-type", "multipart/byteranges; boundary=b")], "pass uri-miss"),
        ("bytes=0-9", 200, vec![fresh, ("transfer-encoding", "chunked")], "pass uri-miss"),
        // It doesn't fit.
        ("bytes=0-9", 206, vec![fresh, ("content-range", "bytes 0-9/9000000")], "pass uri-miss"),
        // It may not be stored, or is no answer to this.
        ("bytes=0-9", 206, vec![("cache-control", "no-store"), ("content-range", "bytes 0-9/1000")], "pass uri-miss"),
        ("bytes=0-9", 206, vec![fresh, ("vary", "*"), ("content-range", "bytes 0-9/1000")], "pass uri-miss"),
        ("bytes=0-9", 416, vec![fresh, ("content-range", "bytes */1000")], "pass uri-miss"),
        ("bytes=0-9", 404, vec![fresh, ("content-length", "1000")], "pass uri-miss"),
    ] {
        let cache = cache();
        first(&cache, "/a", range, status, &fields);
        assert_eq!(word(&Ok(look(&cache, "/a", range, 1))), expected, "{range}: {status} {fields:?}");
    }
}

fn note(cache: &Cache, target: &str, length: usize) {
    let part = format!("bytes 0-9/{length}");
    first(cache, target, "bytes=0-9", 206, &[("cache-control", "max-age=60"), ("content-range", &part)]);
}

#[test]
fn two_asks_lie_within_a_while() {
    let cache = cache();
    note(&cache, "/a", 1000);
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 600))), "pass uri-miss");
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 599))), "miss 0");
    // Nothing came of it: it takes two again.
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 599))), "pass uri-miss");
}

#[tokio::test]
async fn a_whole_comes_in_though_nobody_reads_it() {
    let cache = cache();
    note(&cache, "/a", 4 * MIB);
    let fill = second(&cache, "/a", "bytes=0-9");
    drop(fill.flight());
    let length = (4 * MIB).to_string();
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("content-length", &length)]), moment());
    for _ in 0..4 {
        writer.push(Bytes::from(vec![b'x'; MIB])).await.unwrap();
    }
    assert!(writer.finish().unwrap().stored);
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 1))), "fresh hit");
    assert_eq!(Numbers::read(&cache.numbers().orphans), 0);
}

#[tokio::test]
async fn what_turns_out_not_to_be_kept_goes_on_for_its_readers_alone() {
    let cache = cache_of(8 << 20, 1 << 20);
    note(&cache, "/a", 1000);
    let fill = second(&cache, "/a", "bytes=0-9");
    drop(fill.flight());
    // Longer than the part said.
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
    writer.push(Bytes::from(vec![b'x'; MIB / 2])).await.unwrap();
    assert!(writer.push(Bytes::from(vec![b'x'; MIB])).await.is_err());
}

#[test]
fn wholes_at_a_time_are_bounded() {
    let cache = cache();
    let mut fills = Vec::new();
    for n in 0..40 {
        note(&cache, &format!("/{n}"), 1000);
    }
    for n in 0..super::MOST_WHOLES {
        fills.push(second(&cache, &format!("/{n}"), "bytes=0-9"));
    }
    assert_eq!(word(&Ok(look(&cache, "/39", "bytes=0-9", 1))), "pass uri-miss");
    fills.pop();
    assert_eq!(word(&Ok(look(&cache, "/39", "bytes=0-9", 1))), "miss 0");
}

#[test]
fn who_asks_while_the_whole_comes_in_passes_or_joins() {
    let cache = cache();
    note(&cache, "/a", 1000);
    let fill = second(&cache, "/a", "bytes=0-9");
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 1))), "pass uri-miss");
    let head = head(200, &[("cache-control", "max-age=60"), ("content-length", "1000")]);
    let _writer = land(fill, &head, moment());
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=0-9", 1))), "filling");
    assert_eq!(word(&Ok(look(&cache, "/a", "bytes=500-", 1))), "pass uri-miss");
}
