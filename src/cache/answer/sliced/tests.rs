//! Objects in slices, fed by hand: any range of any object, whatever its slices.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use http_body_util::BodyExt;
use proptest::prelude::*;
use terms::{Answer, CacheUse};

use crate::testing::{ask, cache_of, head, later, moment, word};
use crate::{Cache, Caching, Fill, Hit, Landed, Landing, Lookup, Numbers, ReplyHead};

static WHOLE: [u8; 5000] = {
    let mut bytes = [0; 5000];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at * 37 % 251) as u8;
        at += 1;
    }
    bytes
};

/// An origin of one object, and what it was asked for.
#[derive(Clone)]
struct Played {
    length: usize,
    tag: Arc<Mutex<&'static str>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Played {
    fn new(length: usize) -> Played {
        Played { length, tag: Arc::new(Mutex::new("\"1\"")), asked: Arc::default() }
    }

    /// What it answers to a fetch.
    fn answer(&self, fill: &Fill) -> (ReplyHead, &'static [u8]) {
        let (asker, _) = ask("GET", "/a", &[]);
        let range = fill.request_fields(&asker)[RANGE].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().push(range.clone());
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let last = last.min(self.length - 1);
        let mut head = head(206, &[("cache-control", "max-age=60"), ("etag", *self.tag.lock().unwrap())]);
        let place = format!("bytes {first}-{last}/{}", self.length);
        head.fields.insert(CONTENT_RANGE, HeaderValue::try_from(place).unwrap());
        head.fields.insert(CONTENT_LENGTH, HeaderValue::from(last + 1 - first));
        (head, &WHOLE[first..=last])
    }

    /// Makes a fetch, as its task would.
    async fn feed(self, fill: Fill) {
        let (head, bytes) = self.answer(&fill);
        let Landing::Store(mut writer) = fill.land(&head, moment(), moment()) else { return };
        for chunk in bytes.chunks(70) {
            if writer.push(Bytes::from_static(chunk)).await.is_err() {
                return;
            }
        }
        writer.finish().unwrap();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn caching(size: u64) -> Caching {
    Caching { slices: Some(size), ..Caching::default() }
}

async fn answer(cache: &Cache, origin: &Played, size: u64, lines: &[(&'static str, &str)]) -> Answer {
    let caching = caching(size);
    let (ask, url) = ask("GET", "/a", lines);
    let hit: Hit = match cache.look_up(&ask, &url, &caching, moment()) {
        Ok(Lookup::Fresh(hit)) => hit,
        Ok(Lookup::Miss(fill)) => {
            let flight = fill.flight();
            tokio::spawn(origin.clone().feed(*fill));
            let Ok(Landed::Entry(hit)) = flight.landed().await else { panic!("no entry") };
            hit
        }
        other => panic!("{}", word(&other)),
    };
    let feeds = origin.clone();
    let feeder = cache.feeder(&caching, move |fill| drop(tokio::spawn(feeds.clone().feed(fill))), || true);
    hit.fed_by(feeder).answer(&ask, &caching, moment())
}

#[tokio::test]
async fn a_slice_is_fetched_when_it_is_read_and_not_again() {
    let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(5000));
    let some = answer(&cache, &origin, 1000, &[("range", "bytes=1500-1600")]).await;
    assert_eq!((some.status.as_u16(), some.cache, some.fill), (206, CacheUse::Miss, None));
    assert!(some.origin_proof.digest().is_none());
    assert_eq!(some.body.collect().await.unwrap().to_bytes(), WHOLE[1500..=1600]);
    assert_eq!(origin.asked(), ["bytes=1000-1999"]);
    let some = answer(&cache, &origin, 1000, &[("range", "bytes=1999-2000")]).await;
    assert_eq!(
        (some.cache, &some.fields["cache-status"]),
        (CacheUse::Miss, &HeaderValue::from_static("seawall; fwd=partial"))
    );
    assert_eq!(some.body.collect().await.unwrap().to_bytes(), WHOLE[1999..=2000]);
    assert_eq!(origin.asked(), ["bytes=2000-2999"]);
    let some = answer(&cache, &origin, 1000, &[("range", "bytes=1000-2999")]).await;
    assert_eq!(some.cache, CacheUse::Hit);
    assert_eq!(some.body.collect().await.unwrap().to_bytes(), WHOLE[1000..3000]);
    assert_eq!(origin.asked(), [""; 0]);
}

#[tokio::test]
async fn a_slice_of_another_version_ends_the_answer_and_the_record() {
    let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(5000));
    let some = answer(&cache, &origin, 1000, &[]).await;
    *origin.tag.lock().unwrap() = "\"2\"";
    assert!(some.body.collect().await.is_err());
    let some = answer(&cache, &origin, 1000, &[("range", "bytes=0-9")]).await;
    assert_eq!(some.fields["etag"], "\"2\"");
    assert_eq!(origin.asked().last().unwrap(), "bytes=0-999", "it starts over");
}

#[tokio::test]
async fn what_was_purged_is_not_stored_for_those_who_read_on() {
    let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(5000));
    let some = answer(&cache, &origin, 1000, &[]).await;
    cache.invalidate(&ask("GET", "/a", &[]).1);
    let all = crate::purge::Aim::Covered(&|_, _| true);
    cache.purge(&all, crate::purge::Force::Hard);
    assert_eq!(some.body.collect().await.unwrap().to_bytes(), WHOLE[..]);
    cache.purge(&all, crate::purge::Force::Hard);
    assert_eq!(Numbers::read(&cache.numbers().objects), 0);
    assert_eq!(Numbers::read(&cache.numbers().fills), 0);
    assert_eq!(Numbers::read(&cache.numbers().bytes), 0);
}

#[test]
fn without_slices_a_record_is_as_good_as_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(5000));
    runtime.block_on(answer(&cache, &origin, 1000, &[]));
    let (asker, url) = ask("GET", "/a", &[]);
    assert_eq!(word(&cache.look_up(&asker, &url, &caching(1000), moment())), "fresh hit");
    assert_eq!(word(&cache.look_up(&asker, &url, &Caching::default(), moment())), "miss 0");
}

#[tokio::test]
async fn what_can_not_be_cut_any_more_is_forgotten() {
    for (status, lines) in [
        (206, vec![("cache-control", "max-age=60"), ("etag", "W/\"2\""), ("content-range", "bytes 0-999/5000")]),
        (206, vec![("cache-control", "no-store"), ("etag", "\"2\""), ("content-range", "bytes 0-999/5000")]),
        (416, vec![("content-range", "bytes */10")]),
    ] {
        let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(5000));
        answer(&cache, &origin, 1000, &[]).await.body.collect().await.unwrap();
        let (asker, url) = ask("GET", "/a", &[]);
        let now = later(moment(), 100);
        let Ok(Lookup::Miss(fill)) = cache.look_up(&asker, &url, &caching(1000), now) else { panic!("{lines:?}") };
        assert_eq!(fill.request_fields(&asker)["if-none-match"], "\"1\"");
        let flight = fill.flight();
        assert!(matches!(fill.land(&head(status, &lines), now, now), Landing::Refused));
        assert!(matches!(flight.landed().await, Ok(Landed::Pass(_))), "{lines:?}");
        let found = word(&cache.look_up(&asker, &url, &caching(1000), now));
        assert_eq!(found, "miss 0", "it is asked for anew, and nothing is asked about");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is asked for, in whatever order: the bytes are those of the whole, and no slice is fetched twice.
    #[test]
    fn any_range_of_any_slices_is_right(
        length in 1..5000_usize,
        size in 64..1500_u64,
        ranges in proptest::collection::vec(prop_oneof!["[0-9]{1,4}-[0-9]{0,4}", "-[1-9][0-9]{0,3}", ""], 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (cache, origin) = (cache_of(1 << 20, 1 << 17), Played::new(length));
            let mut fetched = Vec::new();
            for range in ranges {
                let first: usize = range.split('-').next().and_then(|first| first.parse().ok()).unwrap_or(0);
                // The origin is asked what lies beyond its end by nobody who knows it.
                if first >= length {
                    continue;
                }
                let value = format!("bytes={range}");
                let lines: &[(&'static str, &str)] = if range.is_empty() { &[] } else { &[("range", &value)] };
                let some = answer(&cache, &origin, size, lines).await;
                let part = some.range.parts.first().copied();
                let expected = part.map_or(&WHOLE[..length], |part| &WHOLE[part.first as usize..=part.last as usize]);
                assert_eq!(some.fields["content-length"], expected.len().to_string());
                assert_eq!(some.body.collect().await.unwrap().to_bytes(), expected, "{range} of {length} by {size}");
                tokio::task::yield_now().await;
                fetched.extend(origin.asked());
            }
            let count = fetched.len();
            fetched.sort();
            fetched.dedup();
            assert_eq!(count, fetched.len(), "{fetched:?}");
        });
    }
}
