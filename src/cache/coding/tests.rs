use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use terms::{Answer, BodyError, Digest};

use super::*;
use crate::purge::{Aim, Force};
use crate::testing::{at_once, cache_of, fill_with, head, later, moment};
use crate::{Cache, Caching, Lookup};

const BODY: &[u8] = b"what the origin sent";
const PAGE: &[(&str, &str)] = &[("cache-control", "max-age=60"), ("content-type", "text/html"), ("etag", "\"1\"")];
const GZIP: &[(&str, &str)] = &[("accept-encoding", "gzip")];

fn compressing() -> Caching {
    let types = TYPES.iter().map(|range| range.parse().unwrap()).collect();
    let compression = Compression { codings: Coding::ALL.to_vec(), types, min_length: 1 };
    Caching { compression: Some(std::sync::Arc::new(compression)), ..Caching::default() }
}

fn filled(memory: u64) -> Cache {
    let cache = cache_of(memory, memory / 8);
    fill_with(&cache, "/a", &[], &head(200, PAGE), BODY, moment());
    cache
}

/// Asks for `/a`, which is stored.
fn ask(cache: &Cache, method: &str, asked: &[(&'static str, &str)]) -> (Answer, Option<Making>) {
    let caching = compressing();
    let (ask, url) = crate::testing::ask(method, "/a", asked);
    let now = later(moment(), 1);
    let Ok(Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &caching, now) else { panic!("it is stored") };
    let (hit, making) = cache.represent(hit, &ask, &caching, now);
    (hit.answer(&ask, &caching, now), making.map(|making| *making))
}

/// As if `coded` were the bytes in that coding.
fn make(making: Making, coded: &'static [u8]) -> bool {
    let mut writer = making.writer;
    writer.push_last(Bytes::from_static(coded)).unwrap();
    writer.finish().unwrap().stored
}

fn read(answer: Answer) -> (Vec<u8>, Option<BodyError>) {
    let mut body = answer.body;
    let mut all = Vec::new();
    loop {
        match at_once(http_body_util::BodyExt::frame(&mut body)).expect("it waits for nothing") {
            Some(Ok(frame)) => all.extend(frame.into_data().unwrap()),
            Some(Err(error)) => return (all, Some(error)),
            None => return (all, None),
        }
    }
}

#[test]
fn it_is_made_once_and_kept_beside_what_came() {
    let cache = filled(1 << 20);
    let (first, making) = ask(&cache, "GET", GZIP);
    let (second, none) = ask(&cache, "GET", GZIP);
    assert!(none.is_none(), "it is being made");
    let making = making.unwrap();
    assert_eq!((making.room.coding, making.origin.digest()), (Coding::Gzip, Some(Digest::of(BODY))));
    assert!(make(making, b"coded"));
    for answer in [first, second] {
        assert_eq!(
            (&answer.fields[CONTENT_ENCODING], answer.fields.get(CONTENT_LENGTH)),
            (&"gzip".parse().unwrap(), None)
        );
        assert_eq!(
            (answer.origin_proof.digest(), answer.origin_proof.served()),
            (Some(Digest::of(BODY)), Some(Digest::of(b"coded")))
        );
        assert_eq!(read(answer).0, b"coded");
    }
    let (third, none) = ask(&cache, "GET", GZIP);
    assert!(none.is_none() && third.fields[CONTENT_LENGTH] == "5");
    assert_eq!(read(third).0, b"coded");
    let (plain, none) = ask(&cache, "GET", &[]);
    assert!(none.is_none() && plain.fields[VARY] == "Accept-Encoding");
    assert_eq!(read(plain).0, BODY);
    let (other, making) = ask(&cache, "GET", &[("accept-encoding", "br")]);
    assert!(making.is_some_and(|making| make(making, b"other")));
    assert_eq!(read(other).0, b"other");
}

#[test]
fn who_reads_nothing_has_nothing_made() {
    let cache = filled(1 << 20);
    for (method, asked) in [("HEAD", GZIP), ("GET", &[GZIP[0], ("if-none-match", "W/\"1\"")])] {
        let (answer, making) = ask(&cache, method, asked);
        assert!(making.is_none() && answer.fields.get(CONTENT_LENGTH).is_none());
        assert!(answer.origin_proof.served().is_none());
    }
}

#[test]
fn what_is_purged_while_it_is_made_of_is_not_kept() {
    type Purge = fn(&Cache);
    let by_url: Purge = |cache| {
        let (_, url) = crate::testing::ask("GET", "/a", &[]);
        cache.purge(&Aim::Same(&url, &|one, other| one == other), Force::Hard);
    };
    let by_digest: Purge = |cache| {
        cache.purge(&Aim::Covered(&|_, digest| digest == Some(Digest::of(BODY))), Force::Hard);
    };
    let invalidated: Purge = |cache| {
        cache.invalidate(&crate::testing::ask("GET", "/a", &[]).1);
    };
    for purge in [by_url, by_digest, invalidated] {
        let cache = filled(1 << 20);
        let (answer, making) = ask(&cache, "GET", GZIP);
        purge(&cache);
        assert!(!make(making.unwrap(), b"coded"));
        assert!(matches!(read(answer), (coded, None) if coded == b"coded"));
        assert_eq!(cache.0.memory.keys(|_| true).count(), 0);
    }
}

#[test]
fn a_purge_by_either_digest_takes_what_was_made() {
    for (digest, objects) in [(Digest::of(BODY), 2), (Digest::of(b"coded"), 1), (Digest::of(b"x"), 0)] {
        let cache = filled(1 << 20);
        let making = ask(&cache, "GET", GZIP).1.unwrap();
        assert!(make(making, b"coded"));
        let purged = cache.purge(&Aim::Covered(&|_, known| known == Some(digest)), Force::Hard);
        assert_eq!(purged.objects, objects);
    }
}

#[test]
fn what_was_made_is_not_what_a_url_stands_for() {
    let cache = filled(1 << 20);
    assert!(make(ask(&cache, "GET", GZIP).1.unwrap(), b"coded"));
    let (_, url) = crate::testing::ask("GET", "/a", &[]);
    let is_same = |stored: &terms::Url| stored.is_same(&url);
    let found = cache.contents(&crate::Alike { url: &url, is_same: &is_same, is_anywhere: false });
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(Digest::of(BODY), BODY.len() as u64)]);
}

#[test]
fn what_breaks_off_is_begun_anew_by_who_asks_next() {
    let cache = filled(1 << 20);
    let (answer, making) = ask(&cache, "GET", GZIP);
    drop(making);
    assert!(matches!(read(answer).1, Some(BodyError::Incomplete)));
    assert!(ask(&cache, "GET", GZIP).1.is_some());
}

#[test]
fn where_there_is_no_room_it_leaves_as_it_came() {
    let cache = filled(1 << 20);
    let rooms: Vec<Room> = std::iter::from_fn(|| cache.room(Coding::Br)).collect();
    assert_eq!(rooms.len(), 16);
    let (answer, making) = ask(&cache, "GET", GZIP);
    assert!(making.is_none() && answer.fields.get(CONTENT_ENCODING).is_none());
    assert_eq!(answer.fields[VARY], "Accept-Encoding");
    assert_eq!(read(answer).0, BODY);
    drop(rooms);
    assert!(ask(&cache, "GET", GZIP).1.is_some());
}
