//! Preconditions that a cache evaluates (RFC 9110 section 13, RFC 9111 section 4.3.2).
//!
//! `If-Match` and `If-Unmodified-Since` are the origin's to evaluate: requests with them pass.

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
};
use terms::Timestamp;

use crate::policy::date::{self, FieldDate};
use crate::policy::validators::{Validators, is_strong_date, strongly_equal, tags, weakly_equal};

/// Whether the client's copy still holds, so that 304 is all it needs. `stored` are the fields of a 200.
pub(super) fn not_modified(asked: &HeaderMap, stored: &HeaderMap, now: Timestamp) -> bool {
    // RFC 9110 section 13.2.2: where If-None-Match stands, If-Modified-Since is not asked.
    if asked.contains_key(IF_NONE_MATCH) {
        let tag = stored.get(ETAG);
        return asked
            .get_all(IF_NONE_MATCH)
            .iter()
            .flat_map(|line| tags(line.as_bytes()))
            .any(|wanted| wanted == b"*" || tag.is_some_and(|tag| weakly_equal(wanted, tag.as_bytes())));
    }
    let Some(since) = FieldDate::read(asked, IF_MODIFIED_SINCE, now).at() else { return false };
    // RFC 9111 section 4.3.2: without Last-Modified, the stored Date.
    let modified = FieldDate::read(stored, LAST_MODIFIED, now).at();
    let modified = modified.or_else(|| FieldDate::read(stored, DATE, now).at());
    modified.is_some_and(|modified| modified <= since)
}

/// Whether `Range` counts (RFC 9110 section 13.1.5).
pub(super) fn range_applies(asked: &HeaderMap, stored: &HeaderMap, now: Timestamp) -> bool {
    let mut lines = asked.get_all(IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let held = Validators::of(stored);
    if let Some(time) = date::parse(condition, now) {
        return is_strong_date(time, stored, now) && held.modified == Some(condition);
    }
    held.tag.is_some_and(|tag| strongly_equal(condition.as_bytes(), tag.as_bytes()))
}

/// Takes from a 200's fields what a 304 should not carry (RFC 9110 section 15.4.5).
pub(super) fn strip_for_304(fields: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE] {
        fields.remove(name);
    }
    if fields.contains_key(ETAG) {
        fields.remove(LAST_MODIFIED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, fields};

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const A_MINUTE_LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[test]
    fn preconditions_are_evaluated_in_their_order() {
        let tagged = &[("etag", "\"1\""), ("last-modified", MODIFIED)][..];
        let weak = &[("etag", "W/\"1\"")][..];
        let dated = &[("date", MODIFIED)][..];
        for (asked, stored, expected) in [
            (&[("if-none-match", "\"1\"")][..], tagged, true),
            (&[("if-none-match", "W/\"1\"")], tagged, true),
            (&[("if-none-match", "\"1\"")], weak, true),
            (&[("if-none-match", "\"0\", \"1\"")], tagged, true),
            (&[("if-none-match", "\"0\""), ("if-none-match", "\"1\"")], tagged, true),
            (&[("if-none-match", "*")], dated, true),
            (&[("if-none-match", "\"2\"")], tagged, false),
            (&[("if-none-match", "\"1\"")], dated, false),
            (&[("if-none-match", "\"2\""), ("if-modified-since", LATER)], tagged, false),
            (&[("if-modified-since", MODIFIED)], tagged, true),
            (&[("if-modified-since", LATER)], tagged, true),
            (&[("if-modified-since", EARLIER)], tagged, false),
            (&[("if-modified-since", "yesterday")], tagged, false),
            (&[("if-modified-since", MODIFIED)], dated, true),
            (&[("if-modified-since", EARLIER)], dated, false),
            (&[], tagged, false),
        ] {
            assert_eq!(not_modified(&fields(asked), &fields(stored), START), expected, "{asked:?} {stored:?}");
        }
    }

    #[test]
    fn if_range_compares_exactly_and_strongly() {
        let stored = &[("etag", "\"1\""), ("last-modified", MODIFIED), ("date", A_MINUTE_LATER)][..];
        let too_near = &[("last-modified", MODIFIED), ("date", LATER)][..];
        for (condition, stored, expected) in [
            ("\"1\"", stored, true),
            ("\"2\"", stored, false),
            ("W/\"1\"", stored, false),
            ("W/\"1\"", &[("etag", "W/\"1\"")], false),
            (MODIFIED, stored, true),
            (LATER, stored, false),
            (EARLIER, stored, false),
            (MODIFIED, too_near, false),
            ("nonsense", stored, false),
        ] {
            assert_eq!(
                range_applies(&fields(&[("if-range", condition)]), &fields(stored), START),
                expected,
                "{condition}"
            );
        }
    }
}
