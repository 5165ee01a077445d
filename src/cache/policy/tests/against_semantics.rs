//! Beside another implementation of the same RFC, on random heads: what `http-cache-semantics` forbids to
//! serve is not served here, but where it is known to be wrong or stricter than the RFC.
//!
//! So these are not generated, or counted as agreement:
//!
//! - `proxy-revalidate`, which it takes for `max-age=0` (section 5.2.2.8 speaks of stale responses alone);
//! - the qualified forms of `no-cache` and `private`, which it takes for the others (section 5.2.2.4);
//! - `must-understand`, of which it knows nothing (section 5.2.2.3), and statuses beyond those it lists;
//! - `Pragma` in a response, which it obeys though section 5.4 gives it no meaning there, and in a request
//!   beside `Cache-Control`;
//! - names of directives in capitals, which it does not recognise (section 5.2);
//! - staleness of exactly `max-stale` ("no more than", section 5.2.1.2), which it forbids;
//! - stale-while-revalidate, which it ignores, and `immutable`, which it takes for a word on `max-age` alone.
//!
//! A client's wishes bind it, so the site here lets clients refresh.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::policy::vary::{Variant, Vary};

/// Seconds between what a response says and what is asked of it.
const SPANS: [u64; 7] = [0, 1, 5, 9, 10, 11, 60];

fn timed(name: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(&SPANS[..]).prop_map(move |span| format!("{name}={span}")),
        1 => select(&["", "=", "=x", "=-1", "=1.5", "=99999999999"][..]).prop_map(move |end| format!("{name}{end}")),
    ]
}

fn directives(plain: &'static [&'static str], timed_ones: &'static [&'static str]) -> impl Strategy<Value = String> {
    let timed_ones = subsequence(timed_ones, 0..=timed_ones.len())
        .prop_flat_map(|names| names.into_iter().map(|name| timed(name).boxed()).collect::<Vec<_>>());
    (subsequence(plain, 0..=plain.len().min(2)), timed_ones)
        .prop_map(|(plain, timed)| plain.into_iter().map(str::to_owned).chain(timed).collect::<Vec<_>>().join(", "))
}

fn date(offset: i64) -> String {
    let value = date::write(terms::Timestamp::from_secs(START.secs() + offset));
    value.to_str().unwrap().to_owned()
}

type Head = Vec<(&'static str, String)>;

/// Some of these lines, each at most once.
fn some_of(lines: Vec<BoxedStrategy<(&'static str, String)>>) -> impl Strategy<Value = Head> {
    lines
        .into_iter()
        .map(proptest::option::of)
        .collect::<Vec<_>>()
        .prop_map(|lines| lines.into_iter().flatten().collect())
}

fn response() -> impl Strategy<Value = Head> {
    let plain = &["public", "private", "no-cache", "no-store", "must-revalidate", "x-other"];
    let offset = || select(&[-100, -10, 0, 5, 10, 60][..]);
    some_of(vec![
        directives(plain, &["max-age", "s-maxage", "stale-if-error"]).prop_map(|text| ("cache-control", text)).boxed(),
        prop_oneof![offset().prop_map(date), select(&["0", "soon"][..]).prop_map(str::to_owned)]
            .prop_map(|text| ("expires", text))
            .boxed(),
        // Tens of seconds between them: it rounds a tenth of them down.
        select(&[-1_000, -100, 0, 100][..]).prop_map(|offset| ("last-modified", date(offset))).boxed(),
        select(&[-100, -10, 0, 10, 60][..]).prop_map(|offset| ("date", date(offset))).boxed(),
        prop_oneof![select(&SPANS[..]).prop_map(|span| span.to_string()), Just("old".to_owned())]
            .prop_map(|text| ("age", text))
            .boxed(),
        select(&["x-a", "x-a, x-b", "*", "X-B"][..]).prop_map(|text| ("vary", text.to_owned())).boxed(),
        Just(("etag", "\"1\"".to_owned())).boxed(),
        Just(("set-cookie", "a=b".to_owned())).boxed(),
    ])
}

fn request() -> impl Strategy<Value = Head> {
    some_of(vec![
        directives(&["no-cache", "x-other"], &["max-age", "min-fresh", "max-stale"])
            .prop_map(|text| ("cache-control", text))
            .boxed(),
        select(&["1", "2"][..]).prop_map(|text| ("x-a", text.to_owned())).boxed(),
        select(&["1", "2"][..]).prop_map(|text| ("x-b", text.to_owned())).boxed(),
        Just(("authorization", "Basic Zm9v".to_owned())).boxed(),
    ])
}

fn lines(head: &Head) -> HeaderMap {
    let line =
        |(name, value): &(&'static str, String)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    head.iter().map(line).collect()
}

/// What this cache makes of the second request, if it stored the answer to the first.
fn ours(status: StatusCode, response: &HeaderMap, first: &HeaderMap, second: &HeaderMap, now: Moment) -> Option<Reuse> {
    let rules = Caching { client_refresh: true, ..Caching::default() };
    let directives = ResponseDirectives::read(response);
    let freshness = Freshness::of(status, response, &directives, moment(), moment());
    storable(first, status, response, &directives, &freshness, &rules).ok()?;
    let Vary::Fields(names) = Vary::read(response) else { return None };
    Variant::of(&names, first).matches(second).then(|| {
        let wishes = RequestDirectives::read(second);
        let stored = Stored::new(&directives, freshness, false);
        stored.reuse(&wishes, second.contains_key("authorization"), &rules, now)
    })
}

/// Whether the other one serves what is stored.
fn theirs(status: StatusCode, response: &HeaderMap, first: &HeaderMap, second: &HeaderMap, now: Moment) -> bool {
    let request = |fields: &HeaderMap| {
        let mut request = Request::get("http://h.example/a").body(()).unwrap();
        *request.headers_mut() = fields.clone();
        request
    };
    let mut reply = Response::builder().status(status).body(()).unwrap();
    *reply.headers_mut() = response.clone();
    let at = |moment: Moment| UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.wall.secs()).unwrap());
    let policy = CachePolicy::new_options(&request(first), &reply, at(moment()), CacheOptions::default());
    policy.is_storable() && matches!(policy.before_request(&request(second), at(now)), BeforeRequest::Fresh(_))
}

/// Staleness of exactly what the client accepts.
fn is_on_the_edge(response: &HeaderMap, second: &HeaderMap, status: StatusCode, now: Moment) -> bool {
    let directives = ResponseDirectives::read(response);
    let freshness = Freshness::of(status, response, &directives, moment(), moment());
    RequestDirectives::read(second).max_stale == Some(freshness.staleness(now).as_secs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_forbidden_elsewhere_is_not_served_here(
        status in select(&[200_u16, 203, 204, 300, 301, 302, 307, 404, 410][..]),
        response in response(),
        first in request(),
        second in request(),
        after in select(&SPANS[..]),
    ) {
        let (response, mut first, second) = (lines(&response), lines(&first), lines(&second));
        // What the first client wished for plays no part in what is stored.
        first.remove(CACHE_CONTROL);
        let (status, now) = (StatusCode::from_u16(status).unwrap(), later(moment(), after));
        let served = matches!(ours(status, &response, &first, &second, now), Some(Reuse::Fresh | Reuse::Stale));
        if served && !is_on_the_edge(&response, &second, status, now) {
            prop_assert!(theirs(status, &response, &first, &second, now), "served {after} s later");
        }
    }
}
