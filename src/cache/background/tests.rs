//! What is stale and served: while it is renewed, and where the origin fails.

use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use terms::{Answer, Moment, Refusal};

use super::*;
use crate::purge::{Aim, Force};
use crate::testing::{ask, filled, head, land, later, miss, moment, word};
use crate::{Fill, Flight, Landed, Landing};

const RENEWED: &[(&str, &str)] = &[("cache-control", "max-age=10, stale-while-revalidate=5"), ("etag", "\"1\"")];

fn look(cache: &Cache, caching: &Caching, now: Moment) -> (String, Option<Fill>) {
    let (ask, url) = ask("GET", "/a", &[]);
    let found = cache.look_up(&ask, &url, caching, now);
    let said = word(&found);
    match found {
        Ok(Lookup::Stale(_, fill)) => (said, fill.map(|fill| *fill)),
        _ => (said, None),
    }
}

#[test]
fn one_fetch_at_a_time_renews_what_is_stale() {
    let (cache, caching) = (filled(200, RENEWED, b"x"), Caching::default());
    let now = later(moment(), 12);
    let (said, fill) = look(&cache, &caching, now);
    assert_eq!(said, "stale true");
    let fill = fill.unwrap();
    assert_eq!(fill.conditions().get("if-none-match").unwrap(), "\"1\"");
    assert_eq!(look(&cache, &caching, now).0, "stale false", "one is under way");
    assert!(matches!(fill.land(&head(304, &[("etag", "\"1\"")]), now, now), Landing::Refreshed));
    assert_eq!(look(&cache, &caching, now).0, "fresh hit");
    assert_eq!(look(&cache, &caching, later(now, 12)).0, "stale true");
    assert_eq!(look(&cache, &caching, later(now, 15)).0, "miss 1", "its time is over");
}

#[test]
fn it_goes_on_though_nobody_reads_it() {
    let (cache, caching) = (filled(200, RENEWED, b"x"), Caching::default());
    let now = later(moment(), 12);
    let fill = look(&cache, &caching, now).1.unwrap();
    drop(fill.flight());
    let mut writer = land(fill, &head(200, &[("cache-control", "max-age=10"), ("content-length", "3")]), now);
    {
        let pushed = std::pin::pin!(writer.push(bytes::Bytes::from_static(b"new")));
        assert!(pushed.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
    }
    assert!(writer.finish().unwrap().stored);
    assert_eq!(look(&cache, &caching, now).0, "fresh hit");
}

#[test]
fn a_site_has_room_for_a_few() {
    let (cache, caching) = (filled(200, RENEWED, b"x"), Caching::default());
    let now = later(moment(), 12);
    let taken: Vec<_> = (0..MOST).map(|_| caching.background.room().unwrap()).collect();
    assert_eq!(look(&cache, &caching, now).0, "stale false");
    assert_eq!(look(&cache, &Caching::default(), now).0, "stale true", "another site has its own");
    drop(taken);
}

#[test]
fn what_the_origin_has_no_more_is_not_served_again() {
    for (status, lines) in [(200, &[("cache-control", "no-store")][..]), (403, &[])] {
        let (cache, caching) = (filled(200, RENEWED, b"x"), Caching::default());
        let now = later(moment(), 12);
        let fill = look(&cache, &caching, now).1.unwrap();
        assert!(matches!(fill.land(&head(status, lines), now, now), Landing::Private(_)));
        assert_eq!(look(&cache, &caching, now).0, "miss 0", "{status}");
    }
}

#[test]
fn a_purge_ends_it() {
    let (cache, caching) = (filled(200, RENEWED, b"x"), Caching::default());
    let now = later(moment(), 12);
    let fill = look(&cache, &caching, now).1.unwrap();
    cache.purge(&Aim::Covered(&|_, _| true), Force::Hard);
    assert!(matches!(fill.land(&head(304, &[("etag", "\"1\"")]), now, now), Landing::Refreshed));
    assert_eq!(look(&cache, &caching, now).0, "miss 0");
}

/// A fetch for what is stale, begun `after` so many seconds.
fn stale(lines: &[(&'static str, &str)], after: u64) -> (Cache, Fill, Flight, Moment) {
    let (cache, now) = (filled(200, lines, b"x"), later(moment(), after));
    let (ask, url) = ask("GET", "/a", &[]);
    let fill = miss(&cache, &ask, &url, now);
    let flight = fill.flight();
    (cache, fill, flight, now)
}

async fn answer(flight: Flight, now: Moment) -> Result<Answer, Refusal> {
    let (ask, _) = ask("GET", "/a", &[]);
    match flight.landed().await? {
        Landed::Entry(hit) => Ok(hit.answer(&ask, &Caching::default(), now)),
        _ => panic!("not from the store"),
    }
}

fn cache_status(fields: &HeaderMap) -> &str {
    fields["cache-status"].to_str().unwrap()
}

#[tokio::test]
async fn what_is_stored_stands_in_for_an_error() {
    let lines = &[("cache-control", "max-age=10, stale-if-error=5"), ("etag", "\"1\"")];
    for status in [500, 502, 503, 504] {
        let (_cache, fill, flight, now) = stale(lines, 12);
        assert!(matches!(fill.land(&head(status, &[]), now, now), Landing::Refused));
        let answer = answer(flight, now).await.unwrap();
        assert_eq!((answer.status, answer.cache.as_str()), (StatusCode::OK, "stale"));
        assert_eq!(cache_status(&answer.fields), format!("seawall; fwd=stale; fwd-status={status}; ttl=-2"));
        assert_eq!((&answer.fields["age"], &answer.fields[ETAG]), (&"12".parse().unwrap(), &"\"1\"".parse().unwrap()));
    }
    for (status, after) in [(501, 12), (404, 12), (503, 16)] {
        let (_cache, fill, _flight, now) = stale(lines, after);
        assert!(matches!(fill.land(&head(status, &[]), now, now), Landing::Private(_)), "{status} after {after}");
    }
}

#[tokio::test]
async fn what_is_stored_stands_in_for_an_answer_that_never_came() {
    let (_cache, fill, flight, now) = stale(&[("cache-control", "max-age=10"), ("etag", "\"1\"")], 12);
    fill.fail(Refusal::OriginUnreachable("refused".into()), now);
    let answer = answer(flight, now).await.unwrap();
    assert_eq!(cache_status(&answer.fields), "seawall; hit; ttl=-2");
}

#[tokio::test]
async fn nothing_stands_in_for_what_is_not_the_origins_failure() {
    for refusal in [Refusal::Internal, Refusal::Draining] {
        let (_cache, fill, flight, now) =
            stale(&[("cache-control", "max-age=10, stale-if-error=60"), ("etag", "\"1\"")], 12);
        fill.fail(refusal.clone(), now);
        let found = answer(flight, now).await.err().unwrap();
        assert_eq!(found.to_string(), refusal.to_string());
    }
}

#[tokio::test]
async fn what_was_purged_stands_in_for_nothing() {
    for force in [Force::Hard, Force::Soft] {
        let (cache, fill, flight, now) =
            stale(&[("cache-control", "max-age=10, stale-if-error=60"), ("etag", "\"1\"")], 12);
        cache.purge(&Aim::Covered(&|_, _| true), force);
        fill.fail(Refusal::OriginTimeout, now);
        assert!(answer(flight, now).await.is_err(), "{force:?}");
    }
}
