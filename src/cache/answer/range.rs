//! One range of bytes (RFC 9110 section 14). Several are answered with the whole, as section 14.2
//! allows.

use http::header::{HeaderMap, HeaderValue, RANGE};
use terms::record::Part;

/// A range as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    From {
        first: u64,
    },
    Between {
        first: u64,
        last: u64,
    },
    /// The last bytes, this many.
    Suffix {
        count: u64,
    },
}

impl Wanted {
    /// `None` where `Range` is absent, of another unit, malformed, or names several ranges: it is ignored
    /// then.
    pub fn read(fields: &HeaderMap) -> Option<Wanted> {
        let mut lines = fields.get_all(RANGE).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let (unit, set) = line.to_str().ok()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
            return None;
        }
        match set.trim().split_once('-')? {
            ("", count) => Some(Wanted::Suffix { count: number(count)? }),
            (first, "") => Some(Wanted::From { first: number(first)? }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Wanted::Between { first, last })
            }
        }
    }

    /// The part of a body of `length` bytes; `None` if no byte of it is there (section 14.1.2).
    pub fn within(self, length: u64) -> Option<Part> {
        let end = length.checked_sub(1)?;
        let (first, last) = match self {
            Wanted::From { first } => (first, end),
            Wanted::Between { first, last } => (first, last.min(end)),
            Wanted::Suffix { count: 0 } => return None,
            Wanted::Suffix { count } => (length.saturating_sub(count), end),
        };
        (first <= end).then_some(Part { first, last, length })
    }
}

/// "recipients MUST anticipate potentially large decimal numerals": what overflows is beyond any end.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

pub(super) fn content_range(part: Part) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("bytes {}-{}/{}", part.first, part.last, part.length)).ok()
}

pub(super) fn unsatisfied(length: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("bytes */{length}")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::fields;

    fn part(text: &str, length: u64) -> Option<Option<(u64, u64)>> {
        let wanted = Wanted::read(&fields(&[("range", text)]))?;
        Some(wanted.within(length).map(|part| (part.first, part.last)))
    }

    #[test]
    fn ranges_are_as_in_section_14_1_2() {
        for (text, length, expected) in [
            ("bytes=0-499", 10_000, Some(Some((0, 499)))),
            ("bytes=500-999", 10_000, Some(Some((500, 999)))),
            ("bytes=-500", 10_000, Some(Some((9_500, 9_999)))),
            ("bytes=9500-", 10_000, Some(Some((9_500, 9_999)))),
            ("bytes=-20000", 10_000, Some(Some((0, 9_999)))),
            ("bytes=0-99999999999999999999999", 10, Some(Some((0, 9)))),
            ("BYTES=0-0", 10, Some(Some((0, 0)))),
            ("bytes=10-", 10, Some(None)),
            ("bytes=-0", 10, Some(None)),
            ("bytes=0-", 0, Some(None)),
            ("bytes=5-4", 10, None),
            ("bytes=0-1,3-4", 10, None),
            ("bytes=a-b", 10, None),
            ("bytes=", 10, None),
            ("bytes=-", 10, None),
            ("lines=0-1", 10, None),
            ("0-1", 10, None),
        ] {
            assert_eq!(part(text, length), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_its_body(text in "bytes=[0-9]{0,3}-[0-9]{0,3}", length in 0..500_u64) {
            if let Some(Some((first, last))) = part(&text, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
