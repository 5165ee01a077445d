//! The life of entries and fetches, as the roof sees it.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt;
use proptest::prelude::*;
use terms::{Answer, Body, BodyError, CacheUse, Digest, Refusal};

use super::*;
use crate::purge::{Aim, Force};
use crate::testing::{ask, at_once, cache_of, fill_with, filled, head, land, later, miss, moment, word};
use crate::{Landed, Landing, Stop, Unstorable, Writer};

const MIB: usize = 1 << 20;

fn cache() -> Cache {
    cache_of(64 << 20, 8 << 20)
}

fn caching() -> Caching {
    Caching::default()
}

fn look(cache: &Cache, method: &str, lines: &[(&'static str, &str)]) -> String {
    let (ask, url) = ask(method, "/a", lines);
    word(&cache.look_up(&ask, &url, &caching(), moment()))
}

fn start(cache: &Cache) -> (Fill, crate::Flight) {
    let (ask, url) = ask("GET", "/a", &[]);
    let fill = miss(cache, &ask, &url, moment());
    let flight = fill.flight();
    (fill, flight)
}

fn follow(cache: &Cache, lines: &[(&'static str, &str)]) -> (Follower, Ask) {
    let (ask, url) = ask("GET", "/a", lines);
    match cache.look_up(&ask, &url, &caching(), moment()) {
        Ok(Lookup::Filling(follower)) => (*follower, ask),
        other => panic!("{}", word(&other)),
    }
}

fn answer(landed: Result<Landed, Refusal>, ask: &Ask) -> Answer {
    match landed {
        Ok(Landed::Entry(hit)) => hit.answer(ask, &caching(), moment()),
        Ok(Landed::Private(())) => panic!("private"),
        Ok(Landed::Pass(_)) => panic!("pass"),
        Err(refusal) => panic!("{refusal}"),
    }
}

fn cache_status(answer: &Answer) -> &str {
    answer.fields["cache-status"].to_str().unwrap()
}

async fn read(body: Body) -> Result<Bytes, BodyError> {
    body.collect().await.map(http_body_util::Collected::to_bytes)
}

async fn push(writer: &mut Writer, size: usize) -> Result<(), Stop> {
    writer.push(Bytes::from(vec![b'x'; size])).await
}

#[tokio::test]
async fn one_fetch_serves_all_and_the_next_is_a_hit() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let (ask, _) = ask("GET", "/a", &[]);
    let (early, early_ask) = follow(&cache, &[]);
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("content-length", "6")]), moment());
    let first = answer(flight.landed().await, &ask);
    let second = answer(early.landed().await, &early_ask);
    assert_eq!(cache_status(&first), "seawall; fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(cache_status(&second), "seawall; fwd=uri-miss; fwd-status=200; collapsed; stored");
    assert_eq!((first.cache, second.cache), (CacheUse::Miss, CacheUse::Collapsed));
    assert!(first.fields.get("age").is_none());
    assert_eq!(second.fields["age"], "0");
    writer.push(Bytes::from_static(b"abc")).await.unwrap();
    let (late, late_ask) = follow(&cache, &[]);
    let third = answer(late.landed().await, &late_ask);
    writer.push(Bytes::from_static(b"def")).await.unwrap();
    assert_eq!(first.origin_proof.digest(), None);
    let filled = writer.finish().unwrap();
    assert!(filled.stored);
    assert_eq!(filled.digest, Digest::of(b"abcdef"));
    for one in [first, second, third] {
        assert_eq!(one.origin_proof.digest(), Some(filled.digest));
        assert_eq!(one.fill, Some(1));
        assert_eq!(read(one.body).await.unwrap(), "abcdef");
    }
    assert_eq!(look(&cache, "GET", &[]), "fresh hit");
    assert_eq!(look(&cache, "HEAD", &[]), "fresh hit");
    let numbers = cache.numbers();
    assert_eq!(Numbers::read(&numbers.objects), 1);
    assert_eq!(Numbers::read(&numbers.fills), 0);
    assert_eq!(numbers.in_flight(), 0);
}

/// The thread that ends a fetch may be put to sleep at any step of it.
#[test]
fn who_has_read_the_last_byte_and_asks_again_meets_a_hit() {
    for _ in 0..500 {
        let cache = cache();
        let (fill, _flight) = start(&cache);
        let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("content-length", "6")]), moment());
        let entry = writer.entry().clone();
        assert!(matches!(at_once(push(&mut writer, 6)), Some(Ok(()))));
        let is_whole = || at_once(read(entry.read(None, 0, None))).is_some();
        std::thread::scope(|scope| {
            scope.spawn(|| writer.finish().unwrap());
            while !is_whole() {
                std::thread::yield_now();
            }
            assert_eq!(look(&cache, "GET", &[]), "fresh hit");
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_one_writer_all_get_every_byte() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let whole: Vec<u8> = (0..3 * MIB).map(|n| (n % 253) as u8).collect();
    let expected = Digest::of(&whole);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (follower, ask) = follow(&cache, &[]);
        tasks.spawn(async move {
            let answer = answer(follower.landed().await, &ask);
            Digest::of(&read(answer.body).await.unwrap())
        });
    }
    drop(flight);
    tasks.spawn(async move {
        let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
        for chunk in whole.chunks(10_000) {
            writer.push(Bytes::copy_from_slice(chunk)).await.unwrap();
            tokio::task::yield_now().await;
        }
        writer.finish().unwrap().digest
    });
    while let Some(digest) = tasks.join_next().await {
        assert_eq!(digest.unwrap(), expected);
    }
    let (ask, url) = ask("GET", "/a", &[]);
    let Ok(Lookup::Fresh(hit)) = cache.look_up(&ask, &url, &caching(), moment()) else { panic!() };
    let answer = hit.answer(&ask, &caching(), moment());
    assert_eq!(answer.fields["content-length"], (3 * MIB).to_string());
}

#[tokio::test]
async fn an_empty_body_is_at_rest_before_anybody_is_answered() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let writer = land(fill, &head(301, &[("cache-control", "max-age=60"), ("content-length", "0")]), moment());
    let waiting = tokio::spawn(flight.landed());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    writer.finish().unwrap();
    assert_eq!(look(&cache, "GET", &[]), "fresh hit");
    let (ask, _) = ask("GET", "/a", &[]);
    assert_eq!(read(answer(waiting.await.unwrap(), &ask).body).await.unwrap(), "");
}

#[tokio::test]
async fn a_failure_is_told_once_to_all_who_wait() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let (follower, _) = follow(&cache, &[]);
    fill.fail(Refusal::OriginTimeout, moment());
    assert!(matches!(flight.landed().await, Err(Refusal::OriginTimeout)));
    assert!(matches!(follower.landed::<()>().await, Err(Refusal::OriginTimeout)));
    let (fill, flight) = start(&cache);
    drop(fill);
    assert!(matches!(flight.landed().await, Err(Refusal::Internal)));
    assert_eq!(Numbers::read(&cache.numbers().fills), 0);
}

#[tokio::test]
async fn a_body_of_another_length_than_declared_is_not_stored() {
    for (sent, stop) in [(5, "fewer"), (7, "more")] {
        let cache = cache();
        let (fill, flight) = start(&cache);
        let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("content-length", "6")]), moment());
        let (ask, _) = ask("GET", "/a", &[]);
        let answer = answer(flight.landed().await, &ask);
        let found = match push(&mut writer, sent).await {
            Err(stop) => stop,
            Ok(()) => writer.finish().unwrap_err(),
        };
        assert!(found.to_string().contains(stop), "{found}");
        assert!(read(answer.body).await.is_err());
        assert_eq!(look(&cache, "GET", &[]), "miss 0");
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_has_failed() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
    let (ask, _) = ask("GET", "/a", &[]);
    let answer = answer(flight.landed().await, &ask);
    push(&mut writer, 10).await.unwrap();
    drop(writer);
    assert!(matches!(read(answer.body).await, Err(BodyError::Incomplete)));
    assert_eq!(look(&cache, "GET", &[]), "miss 0");
    assert_eq!(cache.numbers().in_flight(), 0);
}

#[tokio::test]
async fn for_nobody_a_fetch_goes_on_only_when_little_is_missing() {
    for (length, before, goes_on) in
        [(Some(4 * MIB), MIB, false), (Some(4 * MIB), 2 * MIB, true), (Some(MIB), 1, true), (None, MIB, false)]
    {
        let cache = cache();
        let (fill, flight) = start(&cache);
        let length_text = length.map(|length| length.to_string());
        let mut lines = vec![("cache-control", "max-age=60")];
        lines.extend(length_text.as_deref().map(|text| ("content-length", text)));
        let mut writer = land(fill, &head(200, &lines), moment());
        push(&mut writer, before).await.unwrap();
        drop(flight);
        let found = push(&mut writer, 1).await;
        assert_eq!(found.is_ok(), goes_on, "{length:?} {before}");
        assert_eq!(Numbers::read(&cache.numbers().orphans), u64::from(goes_on));
        if let (true, Some(length)) = (goes_on, length) {
            push(&mut writer, length - before - 1).await.unwrap();
            assert!(writer.finish().unwrap().stored);
            assert_eq!(look(&cache, "GET", &[]), "fresh hit");
        }
        assert_eq!(Numbers::read(&cache.numbers().orphans), 0);
    }
}

#[tokio::test]
async fn who_waits_for_bytes_learns_that_nobody_reads() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
    push(&mut writer, 10).await.unwrap();
    let stopped = tokio::spawn(async move { writer.stopped().await });
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished());
    drop(flight);
    assert!(matches!(stopped.await.unwrap(), Stop::Deserted));

    let (fill, flight) = start(&cache);
    let stopped = tokio::spawn(async move { (fill.stopped().await, fill) });
    tokio::task::yield_now().await;
    // A follower is enough to go on for.
    let (follower, _) = follow(&cache, &[]);
    drop(flight);
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished());
    drop(follower);
    let (stop, _fill) = stopped.await.unwrap();
    assert!(matches!(stop, Stop::Deserted));
    // Nobody joins what is about to be given up.
    assert_eq!(look(&cache, "GET", &[]), "miss 0");
}

#[tokio::test]
async fn what_is_not_for_others_goes_to_the_starter_alone() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let (follower, _) = follow(&cache, &[]);
    let Landing::Private(private) = fill.land(&head(200, &[("cache-control", "private")]), moment(), moment()) else {
        panic!()
    };
    assert_eq!(private.reason, Unstorable::Private);
    assert_eq!(private.cache_status(StatusCode::OK), "seawall; fwd=uri-miss; fwd-status=200");
    assert!(matches!(flight.landed().await, Ok(Landed::Private(()))));
    let Ok(Landed::Pass(pass)) = follower.landed::<()>().await else { panic!() };
    assert_eq!(pass.cache_status(StatusCode::OK), "seawall; fwd=uri-miss; fwd-status=200; collapsed=?0");

    // For a while nobody waits for another, and the client's own preconditions go through.
    let (first, url) = ask("GET", "/a", &[]);
    let alone = miss(&cache, &first, &url, moment());
    assert_eq!(look(&cache, "GET", &[]), "miss 0");
    assert_eq!(look(&cache, "GET", &[("if-none-match", "\"1\"")]), "pass uri-miss");
    assert_eq!(look(&cache, "HEAD", &[]), "pass uri-miss");
    // An answer that is for all ends that.
    let flight = alone.flight();
    let writer = land(alone, &head(200, &[("cache-control", "max-age=60"), ("content-length", "0")]), moment());
    writer.finish().unwrap();
    drop(flight);
    assert_eq!(look(&cache, "GET", &[]), "fresh hit");
}

#[tokio::test]
async fn what_each_must_ask_for_is_stored_but_not_collapsed() {
    let cache = cache();
    let (fill, flight) = start(&cache);
    let (follower, _) = follow(&cache, &[]);
    let lines = [("cache-control", "no-cache"), ("etag", "\"1\""), ("content-length", "3")];
    let mut writer = land(fill, &head(200, &lines), moment());
    assert!(matches!(follower.landed::<()>().await, Ok(Landed::Pass(_))));
    push(&mut writer, 3).await.unwrap();
    assert!(writer.finish().unwrap().stored);
    drop(flight);
    let (one, url) = ask("GET", "/a", &[]);
    let first = miss(&cache, &one, &url, moment());
    let second = miss(&cache, &one, &url, moment());
    assert_eq!(first.conditions()["if-none-match"], "\"1\"");
    assert_eq!(second.conditions()["if-none-match"], "\"1\"");
}

#[tokio::test]
async fn a_304_makes_the_stored_answer_new() {
    let cache = filled(200, &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("x", "old")], b"abc");
    let now = later(moment(), 100);
    let (some, url) = ask("GET", "/a", &[("if-none-match", "\"0\""), ("range", "bytes=0-0")]);
    let (plain, _) = ask("GET", "/a", &[("if-none-match", "\"0\"")]);
    let fill = miss(&cache, &plain, &url, now);
    let fields = fill.request_fields(&some);
    assert_eq!(fields.get_all("if-none-match").iter().collect::<Vec<_>>(), ["\"1\""]);
    assert!(!fields.contains_key("range"));
    let flight = fill.flight();
    let Ok(Lookup::Filling(follower)) = cache.look_up(&plain, &url, &caching(), now) else { panic!() };
    let reply = head(304, &[("etag", "\"1\""), ("cache-control", "max-age=30"), ("x", "new"), ("content-length", "0")]);
    assert!(matches!(fill.land(&reply, now, now), Landing::Refreshed));

    let Ok(Landed::Entry(hit)) = flight.landed().await else { panic!() };
    let fresh = hit.answer(&plain, &caching(), now);
    assert_eq!(fresh.cache, CacheUse::Revalidated);
    assert_eq!(cache_status(&fresh), "seawall; fwd=stale; fwd-status=304");
    assert_eq!(
        (fresh.status, &fresh.fields["x"], &fresh.fields["content-length"]),
        (StatusCode::OK, &HeaderValue::from_static("new"), &HeaderValue::from_static("3"))
    );
    assert!(fresh.fields.get("age").is_none());
    assert_eq!(fresh.fill, Some(1));
    assert_eq!(read(fresh.body).await.unwrap(), "abc");
    let Ok(Landed::<()>::Entry(hit)) = follower.landed().await else { panic!() };
    assert_eq!(hit.how, CacheUse::Collapsed);

    let found = |after| word(&cache.look_up(&plain, &url, &caching(), later(now, after)));
    assert_eq!(found(29), "fresh hit");
    assert_eq!(found(30), "miss 1");
    assert_eq!(Numbers::read(&cache.numbers().objects), 1);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_of_no_use() {
    for lines in [vec![("content-range", "bytes 0-2/10")], vec![("content-length", "3")]] {
        let cache = cache();
        let (fill, flight) = start(&cache);
        let (follower, _) = follow(&cache, &[]);
        let lines: Vec<_> = [("cache-control", "max-age=60")].into_iter().chain(lines).collect();
        assert!(matches!(fill.land(&head(206, &lines), moment(), moment()), Landing::Refused));
        assert!(matches!(flight.landed().await, Err(Refusal::OriginBroken(_))));
        assert!(matches!(follower.landed::<()>().await, Err(Refusal::OriginBroken(_))));
        assert_eq!(look(&cache, "GET", &[]), "miss 0");
    }
}

#[tokio::test]
async fn a_304_that_speaks_of_something_else_is_of_no_use() {
    let cache = filled(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], b"abc");
    let now = later(moment(), 100);
    let (some, url) = ask("GET", "/a", &[]);
    let fill = miss(&cache, &some, &url, now);
    let flight = fill.flight();
    assert!(matches!(fill.land(&head(304, &[("etag", "\"2\"")]), now, now), Landing::Refused));
    assert!(matches!(flight.landed().await, Err(Refusal::OriginBroken(_))));
    assert_eq!(miss(&cache, &some, &url, now).conditions().len(), 0);
}

#[tokio::test]
async fn a_304_may_say_that_no_one_else_may_have_it() {
    let cache = filled(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], b"abc");
    let now = later(moment(), 100);
    let (some, url) = ask("GET", "/a", &[]);
    let fill = miss(&cache, &some, &url, now);
    let flight = fill.flight();
    let Ok(Lookup::Filling(follower)) = cache.look_up(&some, &url, &caching(), now) else { panic!() };
    let reply = head(304, &[("etag", "\"1\""), ("cache-control", "private")]);
    assert!(matches!(fill.land(&reply, now, now), Landing::Refreshed));
    assert!(matches!(flight.landed().await, Ok(Landed::Entry(_))));
    assert!(matches!(follower.landed::<()>().await, Ok(Landed::Pass(_))));
    assert_eq!(Numbers::read(&cache.numbers().objects), 0);
}

#[tokio::test]
async fn one_clients_wish_for_stale_answers_is_not_anothers() {
    let cache = filled(200, &[("cache-control", "max-age=1"), ("etag", "\"1\"")], b"old");
    let now = later(moment(), 100);
    let look = |lines: &[(&'static str, &str)]| {
        let (ask, url) = ask("GET", "/a", lines);
        cache.look_up(&ask, &url, &caching(), now)
    };
    let follow = |lines: &[(&'static str, &str)]| match look(lines) {
        Ok(Lookup::Filling(follower)) => follower,
        other => panic!("{}", word(&other)),
    };
    let Ok(Lookup::Miss(fill)) = look(&[("cache-control", "stale-if-error=3600")]) else { panic!("no miss") };
    let flight = fill.flight();
    let more = follow(&[("cache-control", "stale-if-error=7200")]);
    let less = follow(&[("cache-control", "stale-if-error=200")]);
    let none = follow(&[]);
    assert!(matches!(fill.land(&head(503, &[]), now, now), Landing::Refused));
    assert!(matches!(flight.landed().await, Ok(Landed::Entry(_))));
    assert!(matches!(more.landed::<()>().await, Ok(Landed::Entry(_))));
    assert!(matches!(less.landed::<()>().await, Ok(Landed::Pass(_))), "it asks for itself");
    assert!(matches!(none.landed::<()>().await, Ok(Landed::Pass(_))));
}

#[test]
fn variants_stand_side_by_side_and_go_together() {
    let cache = cache();
    let reply = head(200, &[("cache-control", "max-age=60"), ("vary", "accept-language")]);
    for language in ["de", "fr"] {
        fill_with(&cache, "/a", &[("accept-language", language)], &reply, b"abc", moment());
    }
    assert_eq!(look(&cache, "GET", &[("accept-language", "de")]), "fresh hit");
    assert_eq!(look(&cache, "GET", &[("accept-language", " fr ")]), "fresh hit");
    let (other, url) = ask("GET", "/a", &[("accept-language", "en")]);
    let fill = miss(&cache, &other, &url, moment());
    // Those that are known to differ don't wait for each other.
    assert_eq!(look(&cache, "GET", &[("accept-language", "it")]), "miss 0");
    drop(fill);
    let purged = cache.purge(&Aim::Covered(&|url, _| url.canonical().ends_with("/a")), Force::Hard);
    assert_eq!(purged.objects, 2);
    assert_eq!(look(&cache, "GET", &[("accept-language", "de")]), "miss 0");
    assert_eq!(Numbers::read(&cache.numbers().objects), 0);
    assert_eq!(Numbers::read(&cache.numbers().bytes), 0);
}

#[test]
fn a_url_has_no_more_variants_than_its_bound() {
    let cache = cache();
    let reply = head(200, &[("cache-control", "max-age=60"), ("vary", "cookie")]);
    for n in 0..40 {
        fill_with(&cache, "/a", &[("cookie", &format!("a={n}"))], &reply, b"abc", moment());
    }
    assert_eq!(Numbers::read(&cache.numbers().objects), 32);
    assert_eq!(look(&cache, "GET", &[("cookie", "a=39")]), "fresh hit");
    assert_eq!(look(&cache, "GET", &[("cookie", "a=0")]), "miss 0");
}

#[tokio::test]
async fn a_follower_of_another_variant_passes() {
    let cache = cache();
    let (fill, _flight) = start(&cache);
    let (same, _) = follow(&cache, &[]);
    let (other, _) = follow(&cache, &[("accept-language", "fr")]);
    let (authorized, _) = follow(&cache, &[("authorization", "Basic Zm9v")]);
    let _writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("vary", "accept-language")]), moment());
    assert!(matches!(same.landed::<()>().await, Ok(Landed::Entry(_))));
    assert!(matches!(other.landed::<()>().await, Ok(Landed::Pass(_))));
    assert!(matches!(authorized.landed::<()>().await, Ok(Landed::Pass(_))));
}

#[tokio::test]
async fn what_was_purged_on_its_way_is_not_stored() {
    let purges: [fn(&Cache); 2] = [
        |cache| {
            cache.purge(&Aim::Covered(&|_, _| true), Force::Hard);
        },
        |cache| {
            cache.invalidate(&ask("GET", "/a", &[]).1);
        },
    ];
    for purge in purges {
        for lands_before in [true, false] {
            let cache = cache();
            let (fill, flight) = start(&cache);
            let reply = head(200, &[("cache-control", "max-age=60"), ("content-length", "6")]);
            let (ask, _) = ask("GET", "/a", &[]);
            let (writer, fill) =
                if lands_before { (Some(land(fill, &reply, moment())), None) } else { (None, Some(fill)) };
            purge(&cache);
            // Who asks after the purge does not get what was fetched before it.
            assert_eq!(look(&cache, "GET", &[]), "miss 0");
            let mut writer = writer.unwrap_or_else(|| land(fill.unwrap(), &reply, moment()));
            let answer = answer(flight.landed().await, &ask);
            assert_eq!(cache_status(&answer), "seawall; fwd=uri-miss; fwd-status=200");
            push(&mut writer, 3).await.unwrap();
            push(&mut writer, 3).await.unwrap();
            assert!(!writer.finish().unwrap().stored);
            assert_eq!(read(answer.body).await.unwrap().len(), 6);
            assert_eq!(look(&cache, "GET", &[]), "miss 0");
            assert_eq!(Numbers::read(&cache.numbers().objects), 0);
        }
    }
}

#[test]
fn a_purge_may_go_by_digest() {
    let cache = cache();
    let reply = head(200, &[("cache-control", "max-age=60")]);
    fill_with(&cache, "/a", &[], &reply, b"abc", moment());
    fill_with(&cache, "/b", &[], &reply, b"def", moment());
    let purged = cache.purge(&Aim::Covered(&|_, digest| digest == Some(Digest::of(b"def"))), Force::Hard);
    assert_eq!(purged.objects, 1);
    assert_eq!(look(&cache, "GET", &[]), "fresh hit");
}

#[tokio::test]
async fn what_is_too_large_streams_through() {
    let cache = cache_of(8 << 20, 1 << 20);
    let (fill, _flight) = start(&cache);
    let length = (2 * MIB).to_string();
    let reply = head(200, &[("cache-control", "max-age=60"), ("content-length", &length)]);
    assert!(matches!(fill.land(&reply, moment(), moment()), Landing::Private(p) if p.reason == Unstorable::TooLarge));

    let cache = cache_of(8 << 20, 1 << 20);
    let (fill, flight) = start(&cache);
    let (ask, _) = ask("GET", "/a", &[]);
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
    let answer = answer(flight.landed().await, &ask);
    let reading = tokio::spawn(read(answer.body));
    for _ in 0..20 {
        push(&mut writer, MIB / 4).await.unwrap();
    }
    // Nobody joins it, nor the next one.
    assert_eq!(look(&cache, "GET", &[]), "miss 0");
    let filled = writer.finish().unwrap();
    assert!(!filled.stored);
    assert_eq!(filled.bytes, 5 * MIB as u64);
    assert_eq!(Digest::of(&reading.await.unwrap().unwrap()), filled.digest);
    assert_eq!(look(&cache, "GET", &[]), "miss 0");
}

#[tokio::test]
async fn beyond_the_budget_bodies_are_not_kept() {
    let cache = cache_of(4 << 20, 1 << 20);
    let mut writers = Vec::new();
    for n in 0..4 {
        let (some, url) = ask("GET", &format!("/{n}"), &[]);
        let fill = miss(&cache, &some, &url, moment());
        let flight = fill.flight();
        let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60")]), moment());
        // What is not kept waits for its reader, who reads nothing here.
        let pushed = tokio::time::timeout(Duration::from_millis(50), push(&mut writer, MIB * 3 / 4)).await;
        assert_eq!(pushed.is_ok(), n == 0, "{n}");
        writers.push((flight, writer));
    }
    let stored: Vec<bool> = writers.into_iter().map(|(_flight, writer)| writer.finish().unwrap().stored).collect();
    assert_eq!(stored, [true, false, false, false]);
}

#[test]
fn a_large_body_that_is_slow_to_come_leaves_room_for_small_ones() {
    let cache = cache_of(4 << 20, 1 << 20);
    let slow = |target: &str, length: usize| {
        let (ask, url) = ask("GET", target, &[]);
        let fill = miss(&cache, &ask, &url, moment());
        let flight = fill.flight();
        let length = length.to_string();
        let head = head(200, &[("cache-control", "max-age=60"), ("content-length", &length)]);
        (flight, land(fill, &head, moment()))
    };
    let _first = slow("/large", MIB);
    let small: Vec<_> = (0..5).map(|n| slow(&format!("/{n}"), MIB / 16)).collect();
    let kept: Vec<bool> = small.iter().map(|(_flight, writer)| writer.entry().has_parts()).collect();
    assert_eq!(kept, [true, true, true, true, false]);
}

#[test]
fn what_the_cache_has_no_part_in_passes() {
    let stored = filled(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], b"abc");
    let empty = cache();
    for (method, lines, with_entry, without) in [
        ("POST", vec![], "pass method", "pass method"),
        ("OPTIONS", vec![], "pass method", "pass method"),
        ("GET", vec![("content-length", "3")], "pass bypass", "pass bypass"),
        ("GET", vec![("upgrade", "websocket"), ("connection", "upgrade")], "pass bypass", "pass bypass"),
        ("GET", vec![("if-match", "\"1\"")], "pass request", "pass request"),
        ("GET", vec![("range", "bytes=0-0")], "fresh hit", "pass uri-miss"),
        // What doesn't count makes no difference.
        ("GET", vec![("range", "bytes=1-0")], "fresh hit", "miss 0"),
        ("GET", vec![("range", "lines=0-0")], "fresh hit", "miss 0"),
        ("HEAD", vec![("range", "bytes=0-0")], "fresh hit", "miss 0"),
        ("GET", vec![("cache-control", "no-store")], "fresh hit", "pass uri-miss"),
        ("GET", vec![("cache-control", "no-cache")], "fresh hit", "miss 0"),
        ("GET", vec![("pragma", "no-cache")], "fresh hit", "miss 0"),
        ("GET", vec![("cache-control", "only-if-cached")], "fresh hit", "only-if-cached"),
        ("GET", vec![("authorization", "Basic Zm9v")], "pass request", "miss 0"),
        ("GET", vec![("if-none-match", "\"1\"")], "fresh hit", "miss 0"),
        ("HEAD", vec![], "fresh hit", "miss 0"),
    ] {
        assert_eq!(look(&stored, method, &lines), with_entry, "{method} {lines:?}");
        assert_eq!(look(&empty, method, &lines), without, "{method} {lines:?}");
    }
}

#[tokio::test]
async fn a_range_joins_what_has_come_so_far() {
    let cache = cache();
    let (fill, _flight) = start(&cache);
    assert_eq!(look(&cache, "GET", &[("range", "bytes=0-9")]), "pass uri-miss");
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=60"), ("content-length", "100")]), moment());
    push(&mut writer, 50).await.unwrap();
    assert_eq!(look(&cache, "GET", &[("range", "bytes=90-99")]), "pass uri-miss");
    let (follower, ask) = follow(&cache, &[("range", "bytes=40-59")]);
    let answer = answer(follower.landed().await, &ask);
    assert_eq!(answer.status, 206);
    let reading = tokio::spawn(read(answer.body));
    push(&mut writer, 50).await.unwrap();
    writer.finish().unwrap();
    assert_eq!(reading.await.unwrap().unwrap().len(), 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is fetched, purged and evicted in whatever order: the numbers say what is there.
    #[test]
    fn the_numbers_add_up(steps in proptest::collection::vec((0..3_u8, 0..12_u8), 0..80)) {
        let cache = cache_of(32 * 1024, 4 * 1024);
        let reply = head(200, &[("cache-control", "max-age=60"), ("vary", "cookie")]);
        for (what, n) in steps {
            let (target, cookie) = (format!("/{}", n / 3), format!("{}", n % 3));
            let (some, url) = ask("GET", &target, &[("cookie", &cookie)]);
            match what {
                0 if matches!(cache.look_up(&some, &url, &caching(), moment()), Ok(Lookup::Miss(_))) => {
                    fill_with(&cache, &target, &[("cookie", &cookie)], &reply, &[1; 2048], moment());
                }
                1 => { cache.invalidate(&url); }
                2 => { cache.purge(&Aim::Covered(&|covered, _| covered.canonical() == url.canonical()), Force::Hard); }
                _ => {}
            }
        }
        let left = cache.purge(&Aim::Covered(&|_, _| true), Force::Hard);
        let numbers = cache.numbers();
        prop_assert!(left.bytes <= 32 * 1024);
        prop_assert_eq!(Numbers::read(&numbers.objects), 0);
        prop_assert_eq!(Numbers::read(&numbers.bytes), 0);
        prop_assert_eq!(Numbers::read(&numbers.fills), 0);
    }
}
