//! Validators: entity tags and modification dates (RFC 9110 section 8.8), and what a 304 says of a
//! stored response (RFC 9111 section 4.3.4).

use std::time::Duration;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, SET_COOKIE, TRANSFER_ENCODING,
};

use terms::Timestamp;

use super::date::{self, FieldDate};

/// The validators of a response, as its fields word them.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    pub tag: Option<&'a HeaderValue>,
    pub modified: Option<&'a HeaderValue>,
}

impl<'a> Validators<'a> {
    pub fn of(fields: &'a HeaderMap) -> Validators<'a> {
        Validators { tag: fields.get(ETAG), modified: fields.get(LAST_MODIFIED) }
    }

    pub fn any(&self) -> bool {
        self.tag.is_some() || self.modified.is_some()
    }

    /// Puts the question whether the response still holds (section 4.3.1).
    pub fn ask(&self, request: &mut HeaderMap) {
        if let Some(tag) = self.tag {
            request.insert(IF_NONE_MATCH, tag.clone());
        }
        if let Some(modified) = self.modified {
            request.insert(IF_MODIFIED_SINCE, modified.clone());
        }
    }

    /// Whether a 304 with these validators speaks of the stored response (section 4.3.4). The one stored
    /// response is the whole initial set, since the request named no other.
    pub fn identify(&self, stored: Validators<'_>) -> bool {
        match (self.tag, stored.tag) {
            (Some(new), Some(old)) if is_strong(new) => new == old,
            (Some(new), Some(old)) => weakly_equal(new.as_bytes(), old.as_bytes()),
            (Some(_), None) => false,
            (None, _) => match (self.modified, stored.modified) {
                (Some(new), Some(old)) => new == old,
                (Some(_), None) => false,
                (None, _) => true,
            },
        }
    }
}

/// A validator that changes whenever a byte does (RFC 9110 section 8.8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strong {
    Tag(HeaderValue),
    Modified(HeaderValue),
}

/// What lies so far apart by two clocks does so by one, if they are set at all.
const APART_BY_ANY_CLOCK: Duration = Duration::from_secs(60);

impl Strong {
    /// That of a response. Beside a weak tag a date is not asked, for the origin knows that it tells less.
    pub fn of(fields: &HeaderMap, now: Timestamp) -> Option<Strong> {
        let Validators { tag, modified } = Validators::of(fields);
        match (tag, modified) {
            (Some(tag), _) => is_strong(tag).then(|| Strong::Tag(tag.clone())),
            (None, Some(modified)) => {
                let time = date::parse(modified, now)?;
                is_strong_date(time, fields, now).then(|| Strong::Modified(modified.clone()))
            }
            (None, None) => None,
        }
    }
}

/// Whether a date of a last change is a strong validator (RFC 9110 section 8.8.2.2). That Date lies a second behind it
/// is enough only where one clock gave both, and Date may be this edge's.
pub fn is_strong_date(modified: Timestamp, fields: &HeaderMap, now: Timestamp) -> bool {
    FieldDate::read(fields, DATE, now).at().is_some_and(|date| date.since(modified) >= APART_BY_ANY_CLOCK)
}

pub fn is_strong(tag: &HeaderValue) -> bool {
    tag.as_bytes().starts_with(b"\"")
}

/// RFC 9110 section 8.8.3.2.
pub fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    opaque(one) == opaque(other)
}

/// RFC 9110 section 8.8.3.2.
pub fn strongly_equal(one: &[u8], other: &[u8]) -> bool {
    one == other && one.starts_with(b"\"")
}

/// Entity tags in a list; a comma within quotes is part of its tag.
pub fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |&byte| {
        quoted ^= byte == b'"';
        !quoted && byte == b','
    })
    .map(<[u8]>::trim_ascii)
    .filter(|tag| !tag.is_empty())
}

/// The stored fields, updated by those of a 304 (section 3.2). What describes the stored bytes stays.
/// A cookie that came with the 304 is left out unless cookies are stored here.
pub fn updated(mut stored: HeaderMap, update: &HeaderMap, store_set_cookie: bool) -> HeaderMap {
    let stays = |name: &HeaderName| {
        matches!(*name, CONTENT_LENGTH | CONTENT_ENCODING | CONTENT_RANGE | TRANSFER_ENCODING)
            || (*name == SET_COOKIE && !store_set_cookie)
    };
    for name in update.keys().filter(|name| !stays(name)) {
        stored.remove(name);
        for value in update.get_all(name) {
            stored.append(name.clone(), value.clone());
        }
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    /// The table of RFC 9110 section 8.8.3.2.
    #[test]
    fn tags_compare_as_in_the_rfc() {
        for (one, other, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(strongly_equal(one.as_bytes(), other.as_bytes()), strong, "{one} {other}");
            assert_eq!(weakly_equal(one.as_bytes(), other.as_bytes()), weak, "{one} {other}");
        }
    }

    #[test]
    fn a_comma_in_a_tag_splits_nothing() {
        let all: Vec<&[u8]> = tags(b" \"a,b\" ,, W/\"c\"").collect();
        assert_eq!(all, [b"\"a,b\"".as_slice(), b"W/\"c\""]);
    }

    #[test]
    fn a_304_identifies_by_the_first_match_of_section_4_3_4() {
        let strong = &[("etag", "\"1\"")][..];
        let weak = &[("etag", "W/\"1\"")][..];
        let dated = &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")][..];
        for (new, stored, expected) in [
            (strong, strong, true),
            (&[("etag", "\"2\"")], strong, false),
            (strong, weak, false),
            (weak, weak, true),
            (weak, strong, true),
            (strong, dated, false),
            (dated, dated, true),
            (dated, strong, false),
            (&[], strong, true),
            (&[], dated, true),
        ] {
            let (new, stored) = (fields(new), fields(stored));
            assert_eq!(Validators::of(&new).identify(Validators::of(&stored)), expected, "{new:?} {stored:?}");
        }
    }

    #[test]
    fn a_304_replaces_fields_but_what_describes_the_bytes() {
        let stored =
            fields(&[("content-length", "5"), ("content-encoding", "gzip"), ("x", "1"), ("x", "2"), ("y", "3")]);
        let update = fields(&[
            ("content-length", "0"),
            ("content-encoding", "br"),
            ("x", "4"),
            ("z", "5"),
            ("set-cookie", "a=b"),
        ]);
        let expected =
            fields(&[("content-length", "5"), ("content-encoding", "gzip"), ("x", "4"), ("y", "3"), ("z", "5")]);
        assert_eq!(updated(stored.clone(), &update, false), expected);
        assert!(updated(stored, &update, true).contains_key(SET_COOKIE));
    }
}
