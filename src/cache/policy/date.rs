//! Dates in fields (RFC 9110 section 5.6.7), as a cache reads them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
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
    pub fn read(fields: &HeaderMap, name: HeaderName) -> FieldDate {
        let mut lines = fields.get_all(name).iter();
        let Some(first) = lines.next() else { return FieldDate::Absent };
        // RFC 9111 section 4.2.1: of several lines the first is used, or the response is stale.
        if lines.any(|line| line != first) {
            return FieldDate::Invalid;
        }
        parse(first).map_or(FieldDate::Invalid, FieldDate::At)
    }

    pub fn at(self) -> Option<Timestamp> {
        match self {
            FieldDate::At(time) => Some(time),
            FieldDate::Absent | FieldDate::Invalid => None,
        }
    }
}

/// Reads an HTTP-date in any of its three formats. RFC 9111 section 4.2 wants letter case ignored, and
/// any zone but GMT invalid.
pub fn parse(value: &HeaderValue) -> Option<Timestamp> {
    let text = value.to_str().ok()?;
    let time = httpdate::parse_http_date(text).or_else(|_| httpdate::parse_http_date(&usual_case(text))).ok()?;
    Some(Timestamp::from_system_time(time))
}

pub fn write(time: Timestamp) -> HeaderValue {
    // httpdate panics beyond the year 9999.
    const LAST: i64 = 253_402_300_799;
    let secs = Timestamp::from_secs(time.secs().clamp(0, LAST));
    HeaderValue::try_from(httpdate::fmt_http_date(secs.to_system_time()))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// Names of days and months with one capital, `GMT` in capitals.
fn usual_case(text: &str) -> String {
    let mut starts_word = true;
    let cased: String = text
        .chars()
        .map(|c| {
            let out = if starts_word { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            starts_word = !c.is_ascii_alphabetic();
            out
        })
        .collect();
    match cased.strip_suffix("Gmt") {
        Some(rest) => format!("{rest}GMT"),
        None => cased,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_formats_in_any_case() {
        let expected = Some(Timestamp::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(&HeaderValue::from_str(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in ["0", "-1", "", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0100", "1994-11-06"] {
            assert_eq!(parse(&HeaderValue::from_str(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let time = Timestamp::from_secs(784_111_777);
        assert_eq!(write(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            parse(&write(Timestamp::from_secs(i64::MAX / 2_000_000))).map(Timestamp::secs),
            Some(253_402_300_799)
        );
    }
}
