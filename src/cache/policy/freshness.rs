//! How long a response may be used, and how old it is (RFC 9111 section 4.2).

use std::time::Duration;

use http::StatusCode;
use http::header::{AGE, DATE, EXPIRES, HeaderMap, LAST_MODIFIED};
use serde::{Deserialize, Serialize};
use terms::{Moment, Timestamp};

use super::date::FieldDate;
use super::directives::{ResponseDirectives, Source};

/// The most that a heuristic gives: a page without any freshness information is asked for daily.
const MOST_BY_HEURISTIC: Duration = Duration::from_secs(24 * 60 * 60);

/// Age and lifetime of a response, as far as they are known when it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// corrected_initial_age of section 4.2.3.
    initial_age: Span,
    lifetime: Span,
    /// The origin said how long it holds.
    explicit: bool,
    received: Moment,
}

/// Nanoseconds, up to 584 years: half of what a [`Duration`] takes in every stored head.
#[derive(Clone, Copy, Debug)]
struct Span(u64);

impl Span {
    fn of(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    fn get(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Freshness {
    /// `sent` is when the request went out, `received` when the head of the response was there.
    pub fn of(
        status: StatusCode,
        fields: &HeaderMap,
        directives: &ResponseDirectives,
        sent: Moment,
        received: Moment,
    ) -> Freshness {
        let dates = Dates::read(fields, received.wall);
        Freshness {
            initial_age: Span::of(initial_age(fields, dates.date, sent, received)),
            lifetime: Span::of(lifetime(status, directives, &dates)),
            explicit: is_explicit(fields, directives),
            received,
        }
    }

    /// The freshness of a stored response that the one of this freshness, a 304, has validated: it is as
    /// old as its validation, and holds as long as its updated fields say.
    pub fn for_fields(&self, status: StatusCode, fields: &HeaderMap, directives: &ResponseDirectives) -> Freshness {
        let dates = Dates::read(fields, self.received.wall);
        let explicit = is_explicit(fields, directives);
        Freshness { lifetime: Span::of(lifetime(status, directives, &dates)), explicit, ..*self }
    }

    /// current_age of section 4.2.3.
    pub fn age(&self, now: Moment) -> Duration {
        self.current_age(now).get()
    }

    fn current_age(&self, now: Moment) -> Span {
        // A wall clock that is set back must not make a response young again, and the steady one stands
        // still while a machine sleeps: the longer of the two is the safe one.
        let by_wall = now.wall.since(self.received.wall);
        let by_steady = now.steady.saturating_duration_since(self.received.steady);
        Span(self.initial_age.0.saturating_add(Span::of(by_wall.max(by_steady)).0))
    }

    /// response_is_fresh of section 4.2.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.lifetime.0 > self.current_age(now).0
    }

    /// How much time it came with.
    pub fn left_on_arrival(&self) -> Duration {
        self.lifetime.get().saturating_sub(self.initial_age.get())
    }

    /// The same response, with so much time left on its arrival.
    #[must_use]
    pub fn with_left(self, left: Duration) -> Freshness {
        Freshness { lifetime: Span::of(self.initial_age.get().saturating_add(left)), ..self }
    }

    /// Whether anything was said of how long it holds, or could be guessed.
    pub fn is_known(&self) -> bool {
        self.explicit || self.has_lifetime()
    }

    pub fn has_lifetime(&self) -> bool {
        self.lifetime.0 > 0
    }

    /// Whether it came with any time left.
    pub fn is_fresh_on_arrival(&self) -> bool {
        self.lifetime.0 > self.initial_age.0
    }

    /// Whole seconds left, rounded down; negative once it is stale.
    pub fn ttl(&self, now: Moment) -> i64 {
        let millis = |span: Span| (span.0 / 1_000_000) as i64;
        (millis(self.lifetime) - millis(self.current_age(now))).div_euclid(1000)
    }

    /// How long ago it became stale; zero while it is fresh.
    pub fn staleness(&self, now: Moment) -> Duration {
        Span(self.current_age(now).0.saturating_sub(self.lifetime.0)).get()
    }

    pub fn received(&self) -> Moment {
        self.received
    }
}

/// Age and lifetime as they outlive the process: its steady clock does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFreshness {
    initial_age: Duration,
    lifetime: Duration,
    explicit: bool,
    /// For how long it had been stored.
    resident: Duration,
}

impl Freshness {
    pub fn kept(&self, now: Moment) -> KeptFreshness {
        let (initial_age, lifetime) = (self.initial_age.get(), self.lifetime.get());
        let resident = self.age(now).saturating_sub(initial_age);
        KeptFreshness { initial_age, lifetime, explicit: self.explicit, resident }
    }
}

impl KeptFreshness {
    /// As it was when the response arrived.
    pub fn on_arrival(&self, now: Moment) -> Freshness {
        let (initial_age, lifetime) = (Span::of(self.initial_age), Span::of(self.lifetime));
        Freshness { initial_age, lifetime, explicit: self.explicit, received: now }
    }

    /// As it is `down` after it was kept: all of that counts as age.
    pub fn after(&self, down: Duration, now: Moment) -> Freshness {
        let initial_age = self.initial_age.saturating_add(self.resident).saturating_add(down);
        Freshness { initial_age: Span::of(initial_age), ..self.on_arrival(now) }
    }
}

/// Section 4.2.3.
fn initial_age(fields: &HeaderMap, date: Timestamp, sent: Moment, received: Moment) -> Duration {
    // Date counts whole seconds, so the receipt does here.
    let apparent_age = Timestamp::from_secs(received.wall.secs()).since(date);
    let response_delay = received.steady.saturating_duration_since(sent.steady);
    let corrected_age_value = age_value(fields).saturating_add(response_delay);
    apparent_age.max(corrected_age_value)
}

/// Section 5.1: the first member counts, and what is no non-negative integer is ignored.
fn age_value(fields: &HeaderMap) -> Duration {
    let first = fields.get(AGE).and_then(|value| value.to_str().ok()).and_then(|text| text.split(',').next());
    let digits = first.map(str::trim).filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    // Section 1.2.2: what overflows is 2³¹ seconds.
    digits.map_or(Duration::ZERO, |text| Duration::from_secs(u64::from(text.parse::<u32>().unwrap_or(1 << 31))))
}

/// The dates of a response that tell how long it holds.
struct Dates {
    date: Timestamp,
    expires: FieldDate,
    modified: Option<Timestamp>,
}

impl Dates {
    fn read(fields: &HeaderMap, received: Timestamp) -> Dates {
        Dates {
            date: FieldDate::read(fields, DATE, received).at().unwrap_or(received),
            expires: FieldDate::read(fields, EXPIRES, received),
            modified: FieldDate::read(fields, LAST_MODIFIED, received).at(),
        }
    }
}

/// Section 4.2.1: the first that is there decides.
fn lifetime(status: StatusCode, directives: &ResponseDirectives, dates: &Dates) -> Duration {
    if let Some(seconds) = directives.s_maxage.or(directives.max_age) {
        return Duration::from_secs(seconds);
    }
    match dates.expires {
        FieldDate::At(expires) if speaks_to_us(directives) => expires.since(dates.date),
        // Section 5.3: an invalid date, "0" above all, is in the past.
        FieldDate::Invalid if speaks_to_us(directives) => Duration::ZERO,
        // Section 4.2.2.
        _ if is_heuristically_cacheable(status) || directives.public => heuristic(dates),
        _ => Duration::ZERO,
    }
}

/// RFC 9213 section 2.2: beside directives that are aimed at caches like this one, `Expires` is for others.
fn speaks_to_us(directives: &ResponseDirectives) -> bool {
    directives.source == Source::CacheControl
}

/// A tenth of the time since the last change, as section 4.2.2 suggests.
fn heuristic(dates: &Dates) -> Duration {
    dates.modified.map_or(Duration::ZERO, |modified| (dates.date.since(modified) / 10).min(MOST_BY_HEURISTIC))
}

/// RFC 9110 section 15.1, less 206, which isn't stored.
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether the origin itself said how long the response holds.
pub fn is_explicit(fields: &HeaderMap, directives: &ResponseDirectives) -> bool {
    let expires = speaks_to_us(directives) && fields.contains_key(EXPIRES);
    directives.s_maxage.is_some() || directives.max_age.is_some() || expires
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::date;
    use super::*;
    use crate::testing::{START, later, moment};

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut all: HeaderMap = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        if !all.contains_key(DATE) {
            all.insert(DATE, date::write(START));
        }
        all
    }

    fn freshness(status: u16, lines: &[(&'static str, &str)]) -> Freshness {
        let fields = fields(lines);
        let directives = ResponseDirectives::read(&fields);
        Freshness::of(StatusCode::from_u16(status).unwrap(), &fields, &directives, moment(), moment())
    }

    fn date_at(offset: i64) -> String {
        let value = date::write(Timestamp::from_secs(START.secs() + offset));
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_first_match_of_section_4_2_1_decides() {
        let (past, future) = (date_at(-10), date_at(100));
        for (lines, expected) in [
            (vec![("cache-control", "s-maxage=5, max-age=60")], 5),
            (vec![("cache-control", "max-age=60"), ("expires", "0")], 60),
            (vec![("cache-control", "max-age=60"), ("expires", future.as_str())], 60),
            (vec![("expires", future.as_str())], 100),
            (vec![("expires", past.as_str())], 0),
            (vec![("expires", "0")], 0),
            (vec![("expires", future.as_str()), ("expires", "0")], 0),
            (vec![("cache-control", "max-age=oops"), ("expires", future.as_str())], 0),
            (vec![("cdn-cache-control", "max-age=7"), ("cache-control", "s-maxage=5"), ("expires", "0")], 7),
            (vec![("cdn-cache-control", "none"), ("cache-control", "s-maxage=5"), ("expires", future.as_str())], 0),
            (vec![], 0),
        ] {
            assert_eq!(freshness(200, &lines).lifetime.get(), Duration::from_secs(expected), "{lines:?}");
        }
    }

    #[test]
    fn heuristics_are_a_tenth_capped_and_only_where_allowed() {
        let (day, long) = (date_at(-86_400), date_at(-1_000 * 86_400));
        let secs = |status, lines: &[(&'static str, &str)]| freshness(status, lines).lifetime.get().as_secs();
        assert_eq!(secs(200, &[("last-modified", &day)]), 8_640);
        assert_eq!(secs(404, &[("last-modified", &day)]), 8_640);
        assert_eq!(secs(200, &[("last-modified", &long)]), 86_400);
        assert_eq!(secs(302, &[("last-modified", &day)]), 0);
        assert_eq!(secs(302, &[("last-modified", &day), ("cache-control", "public")]), 8_640);
        assert_eq!(secs(200, &[("last-modified", &day), ("expires", "0")]), 0);
    }

    #[test]
    fn age_is_the_larger_of_its_two_estimates() {
        let at = |lines: &[(&'static str, &str)], delay: u64| {
            let fields = fields(lines);
            let directives = ResponseDirectives::read(&fields);
            let received = later(moment(), delay);
            Freshness::of(StatusCode::OK, &fields, &directives, moment(), received).age(received).as_secs()
        };
        assert_eq!(at(&[], 0), 0);
        assert_eq!(at(&[("age", "30")], 0), 30);
        assert_eq!(at(&[("age", "30")], 4), 34);
        assert_eq!(at(&[("date", &date_at(-50)), ("age", "30")], 0), 50);
        assert_eq!(at(&[("date", &date_at(50)), ("age", "30")], 0), 30);
        assert_eq!(at(&[("age", "30, 99")], 0), 30);
        for broken in ["-1", "1.5", "x", ""] {
            assert_eq!(at(&[("age", broken)], 0), 0, "{broken}");
        }
        assert_eq!(at(&[("age", "99999999999999999999")], 0), 1 << 31);
    }

    #[test]
    fn it_is_fresh_until_its_age_reaches_its_lifetime() {
        let some = freshness(200, &[("cache-control", "max-age=10"), ("age", "4")]);
        assert!(some.is_fresh(later(moment(), 5)));
        assert_eq!(some.ttl(later(moment(), 5)), 1);
        assert!(!some.is_fresh(later(moment(), 6)));
        assert_eq!(some.ttl(later(moment(), 9)), -3);
        assert_eq!(some.staleness(later(moment(), 9)), Duration::from_secs(3));
    }

    #[test]
    fn time_in_a_file_is_age() {
        let some = freshness(200, &[("cache-control", "max-age=100"), ("age", "4")]);
        let kept = some.kept(later(moment(), 10));
        let again = kept.after(Duration::from_secs(30), later(moment(), 40));
        assert_eq!(again.age(later(moment(), 45)), Duration::from_secs(4 + 10 + 30 + 5));
        assert_eq!(again.ttl(later(moment(), 45)), 51);
        assert!(kept.on_arrival(moment()).is_fresh_on_arrival());
        assert_eq!(again.kept(later(moment(), 45)).after(Duration::ZERO, moment()).ttl(moment()), 51);
    }

    #[test]
    fn a_wall_clock_set_back_makes_nothing_young() {
        let some = freshness(200, &[("cache-control", "max-age=10")]);
        let mut now = later(moment(), 20);
        now.wall = START;
        assert!(!some.is_fresh(now));
    }
}
