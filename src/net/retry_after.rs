//! How long a server wants to be left alone.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use terms::Timestamp;

/// No server is left alone for longer on its own word.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// What an answer says of it, an hour at most: seconds, or a date (RFC 9110 section 10.2.3). A date is the server's
/// clock's, so it counts from when the server says that it answered, and from `now` where it doesn't.
pub fn retry_after(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| Some(fields.get(name)?.to_str().ok()?.trim());
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let wanted = text(RETRY_AFTER)?;
    let is_number = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit());
    let rest = if is_number {
        // More than 64 bits hold is more than an hour.
        wanted.parse().map_or(LONGEST_REST, Duration::from_secs)
    } else {
        let answered = text(DATE).and_then(date).unwrap_or(now.to_system_time());
        date(wanted)?.duration_since(answered).unwrap_or_default()
    };
    Some(rest.min(LONGEST_REST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "2026-11-06T12:00:00Z";

    fn told(lines: &[(HeaderName, &'static str)]) -> Option<u64> {
        let fields = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        retry_after(&fields.collect(), Timestamp::parse(NOON).unwrap()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_or_a_date_say_when_to_come_again() {
        for (value, wait) in [
            ("3000", Some(3000)),
            (" 0 ", Some(0)),
            ("Fri, 06 Nov 2026 12:50:00 GMT", Some(3000)),
            ("Friday, 06-Nov-26 12:50:00 GMT", Some(3000)),
            ("Fri Nov  6 12:50:00 2026", Some(3000)),
            ("Fri, 06 Nov 2026 11:50:00 GMT", Some(0)),
            ("-1", None),
            ("+5", None),
            ("5.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(told(&[(RETRY_AFTER, value)]), wait, "{value}");
        }
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn no_word_of_a_server_counts_for_more_than_an_hour() {
        for value in ["3601", "18446744073709551615", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(told(&[(RETRY_AFTER, value)]), Some(3600), "{value}");
        }
    }

    #[test]
    fn a_server_whose_clock_goes_wrong_means_the_same_distance() {
        let date = |date| [(RETRY_AFTER, "Fri, 06 Nov 2026 08:50:00 GMT"), (DATE, date)];
        assert_eq!(told(&date("Fri, 06 Nov 2026 08:49:00 GMT")), Some(60));
        assert_eq!(told(&date("Fri, 06 Nov 2026 08:51:00 GMT")), Some(0));
        assert_eq!(told(&date("some day")), Some(0));
    }

    proptest! {
        #[test]
        fn any_value_is_read(wanted: Vec<u8>, date: Vec<u8>, now in -9_999_999_999..999_999_999_999_i64) {
            let fields = [(RETRY_AFTER, wanted), (DATE, date)];
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(&value).ok()?)));
            let rest = retry_after(&fields.collect(), Timestamp::from_secs(now));
            prop_assert!(rest.unwrap_or_default() <= LONGEST_REST);
        }
    }
}
