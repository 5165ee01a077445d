//! Dates in fields (RFC 9110 section 5.6.7), as a cache reads them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Span;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use terms::Timestamp;

/// What a date field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldDate {
    Absent,
    /// It is there and no HTTP-date, or its lines contradict each other.
    Invalid,
    At(Timestamp),
}

impl FieldDate {
    /// `now` tells what a year of two digits means.
    pub fn read(fields: &HeaderMap, name: HeaderName, now: Timestamp) -> FieldDate {
        let mut lines = fields.get_all(name).iter();
        let Some(first) = lines.next() else { return FieldDate::Absent };
        // RFC 9111 section 4.2.1: of several lines the first is used, or the response is stale.
        if lines.any(|line| line != first) {
            return FieldDate::Invalid;
        }
        parse(first, now).map_or(FieldDate::Invalid, FieldDate::At)
    }

    pub fn at(self) -> Option<Timestamp> {
        match self {
            FieldDate::At(time) => Some(time),
            FieldDate::Absent | FieldDate::Invalid => None,
        }
    }
}

/// Reads an HTTP-date in any of its three formats. RFC 9111 section 4.2 wants letter case ignored, and
/// any zone but GMT invalid. The day of the week is not compared with the date: a clerk's slip there
/// leaves no doubt about which time is meant.
pub fn parse(value: &HeaderValue, now: Timestamp) -> Option<Timestamp> {
    let text = value.as_bytes();
    let comma = text.iter().position(|&byte| byte == b',');
    match comma.map(|at| text.split_at(at)) {
        Some((day, rest)) if is_one_of(day, &SHORT_DAYS) => fixdate(rest),
        Some((day, rest)) if is_one_of(day, &LONG_DAYS) => with_short_year(rest, now),
        Some(_) => None,
        None => asctime(text),
    }
}

const SHORT_DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn is_one_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// `, 06 Nov 1994 08:49:37 GMT`
fn fixdate(rest: &[u8]) -> Option<Timestamp> {
    let [b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, rest @ ..] = rest else { return None };
    let date = date(number(&[*y1, *y2, *y3, *y4])?, &[*m1, *m2, *m3], &[*d1, *d2])?;
    Some(at(date, in_gmt(rest)?))
}

/// `, 06-Nov-94 08:49:37 GMT`: a year that seems to lie more than 50 years ahead is of the past.
fn with_short_year(rest: &[u8], now: Timestamp) -> Option<Timestamp> {
    let [b',', b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2, rest @ ..] = rest else { return None };
    let time = in_gmt(rest)?;
    let now = Offset::UTC.to_datetime(jiff::Timestamp::from_second(now.secs()).ok()?);
    let latest = now.checked_add(Span::new().years(50)).ok()?;
    let in_century = now.year() - now.year() % 100 + number(&[*y1, *y2])?;
    let of = |year| Some(date(year, &[*m1, *m2, *m3], &[*d1, *d2])?.to_datetime(time));
    // In the last years of a century, some of the next are meant.
    let candidates = [in_century + 100, in_century, in_century - 100];
    let year = candidates.into_iter().find(|&year| of(year).is_some_and(|then| then <= latest))?;
    Some(at(of(year)?.date(), time))
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<Timestamp> {
    let (day_name, rest) = text.split_at_checked(3)?;
    let [b' ', m1, m2, m3, b' ', d1, d2, b' ', rest @ ..] = rest else { return None };
    let (clock, year) = rest.split_at_checked(8)?;
    let [b' ', y1, y2, y3, y4] = year else { return None };
    if !is_one_of(day_name, &SHORT_DAYS) {
        return None;
    }
    let day = [if *d1 == b' ' { b'0' } else { *d1 }, *d2];
    Some(at(date(number(&[*y1, *y2, *y3, *y4])?, &[*m1, *m2, *m3], &day)?, time_of_day(clock)?))
}

/// ` 08:49:37 GMT`
fn in_gmt(text: &[u8]) -> Option<Time> {
    let (clock, zone) = text.split_at_checked(9)?;
    let is_gmt = clock.starts_with(b" ") && zone.eq_ignore_ascii_case(b" GMT");
    is_gmt.then(|| time_of_day(&clock[1..]))?
}

fn time_of_day(text: &[u8]) -> Option<Time> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let part = |digits: &[u8]| i8::try_from(number(digits)?).ok();
    let second = part(&[*s1, *s2])?;
    // A leap second is the 60th; this calendar has none.
    let second = if second == 60 { 59 } else { second };
    Time::new(part(&[*h1, *h2])?, part(&[*m1, *m2])?, second, 0).ok()
}

fn date(year: i16, month: &[u8], day: &[u8]) -> Option<Date> {
    let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name.as_bytes()))?;
    Date::new(year, i8::try_from(month + 1).ok()?, i8::try_from(number(day)?).ok()?).ok()
}

/// Of up to four digits.
fn number(digits: &[u8]) -> Option<i16> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    all_digits.then(|| digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
}

fn at(date: Date, time: Time) -> Timestamp {
    let since = date.to_datetime(time).duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Timestamp::from_secs(since.as_secs())
}

pub fn write(time: Timestamp) -> HeaderValue {
    // httpdate panics beyond the year 9999.
    const LAST: i64 = 253_402_300_799;
    let secs = Timestamp::from_secs(time.secs().clamp(0, LAST));
    HeaderValue::try_from(httpdate::fmt_http_date(secs.to_system_time()))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::START;

    fn read(text: &str) -> Option<i64> {
        parse(&HeaderValue::from_str(text).unwrap(), START).map(Timestamp::secs)
    }

    #[test]
    fn reads_the_three_formats_in_any_case() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
            "sunDAY, 06-nov-94 08:49:37 Gmt",
            // Whoever computed it got the day of the week wrong.
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Mon Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(text), Some(784_111_777), "{text}");
        }
        assert_eq!(read("Sat, 31 Dec 2016 23:59:60 GMT"), read("Sat, 31 Dec 2016 23:59:59 GMT"));
        assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
        assert_eq!(read("Sun, 31 Dec 1899 00:00:00 GMT"), Some(-2_209_075_200));
    }

    /// RFC 9110 section 5.6.7. The tests' year is 2026.
    #[test]
    fn a_year_of_two_digits_lies_at_most_fifty_years_ahead() {
        for (short, long) in [
            ("Sunday, 06-Nov-26 08:49:37 GMT", "Sun, 06 Nov 2026 08:49:37 GMT"),
            ("Sunday, 06-Nov-75 08:49:37 GMT", "Sun, 06 Nov 2075 08:49:37 GMT"),
            ("Sunday, 06-Jan-76 08:49:37 GMT", "Sun, 06 Jan 2076 08:49:37 GMT"),
            ("Sunday, 06-Nov-76 08:49:37 GMT", "Sun, 06 Nov 1976 08:49:37 GMT"),
            ("Sunday, 06-Nov-99 08:49:37 GMT", "Sun, 06 Nov 1999 08:49:37 GMT"),
        ] {
            assert_eq!(read(short), read(long), "{short}");
        }
        let late_in_the_century = Timestamp::parse("2098-01-01").unwrap();
        let value = HeaderValue::from_static("Sunday, 06-Nov-02 08:49:37 GMT");
        let expected = Timestamp::parse("2102-11-06T08:49:37Z");
        assert_eq!(parse(&value, late_in_the_century), expected);
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "0",
            "-1",
            "",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "So, 06 Nov 1994 08:49:37 GMT",
            "1994-11-06",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        assert_eq!(write(Timestamp::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        let beyond = write(Timestamp::from_secs(i64::MAX / 2_000_000));
        assert_eq!(parse(&beyond, START).map(Timestamp::secs), Some(253_402_300_799));
    }

    proptest! {
        #[test]
        fn any_date_is_read_as_it_was_written(secs in 0..253_402_300_800_i64) {
            let time = Timestamp::from_secs(secs);
            prop_assert_eq!(parse(&write(time), START), Some(time));
        }

        #[test]
        fn any_value_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                parse(&value, START);
            }
        }
    }
}
