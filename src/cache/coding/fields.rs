//! Which answers are compressed, and what that makes of their fields.

use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, IF_RANGE, VARY,
};
use terms::Ask;
use terms::wire::fields::{append, tokens};

use super::Coding;
use super::accept::Accepted;
use super::media::{MediaRange, essence};
use crate::answer::range;
use crate::policy::directives::forbids_transforming;
use crate::policy::validators::{is_strong, tags, weakly_equal};

/// What a site wants compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Those that are offered: of several that a client likes as well, the first.
    pub codings: Vec<Coding>,
    pub types: Vec<MediaRange>,
    /// In bytes, of what says how long it is.
    pub min_length: u64,
}

/// What is known to become smaller: texts, and what is not compressed in itself.
pub const TYPES: [&str; 15] = [
    "text/*",
    "application/javascript",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Less than this fits in the packet that the head leaves in.
pub const MIN_LENGTH: u64 = 1024;

/// Its events are meant for readers that take each as it comes.
const EVENTS: &str = "text/event-stream";

/// What no longer holds once the bytes are others (RFC 9530 sections 2 and 3, RFC 3230, RFC 1864), and what is
/// not offered of them: parts, since two runs of a coder need not agree in every byte.
static OF_THE_BYTES: [HeaderName; 5] = [
    ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

impl Compression {
    /// Whether an answer to GET with this head may be compressed; `length` is that of its body, where it is known.
    pub fn covers(&self, status: StatusCode, fields: &HeaderMap, length: Option<u64>) -> bool {
        let mut types = fields.get_all(CONTENT_TYPE).iter();
        let Some(Ok(media_type)) = types.next().map(HeaderValue::to_str) else { return false };
        status == StatusCode::OK
            && types.next().is_none()
            && length.is_none_or(|length| length >= self.min_length)
            // What the origin has coded is left to it.
            && !fields.contains_key(CONTENT_ENCODING)
            && !fields.contains_key(CONTENT_RANGE)
            && self.types.iter().any(|range| range.covers(media_type))
            && !essence(media_type).eq_ignore_ascii_case(EVENTS)
            && !forbids_transforming(fields)
    }

    /// The coding for a request, if any.
    pub fn wanted(&self, ask: &Ask) -> Option<Coding> {
        if ask.present.cache_control && forbids_transforming(&ask.fields) {
            return None;
        }
        let accepted = Accepted::read(&ask.fields);
        let coding = accepted.best(&self.codings)?;
        // Parts are of what came from the origin. `If-Range` with its strong tag asks for more of that; a date
        // does not say of which representation.
        let is_of_the_whole =
            ask.fields.get(IF_RANGE).is_some_and(|condition| !condition.as_bytes().starts_with(b"\""));
        let wants_part = range::asked(ask).is_some() && !is_of_the_whole && !accepted.refuses_identity();
        (!wants_part).then_some(coding)
    }
}

/// Says that another request may get another representation (RFC 9110 section 12.5.5).
pub fn vary(fields: &mut HeaderMap) {
    let says_so = |name: &str| name == "*" || name.eq_ignore_ascii_case("accept-encoding");
    if !tokens(fields, &VARY).any(says_so) {
        append(fields, VARY, "Accept-Encoding");
    }
}

/// Makes the fields of a 200 those of the same in a coding, of which so many bytes are known to come.
pub fn shape(fields: &mut HeaderMap, coding: Coding, length: Option<u64>) {
    for name in &OF_THE_BYTES {
        fields.remove(name);
    }
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    match length {
        Some(length) => drop(fields.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(fields.remove(CONTENT_LENGTH)),
    }
    // RFC 9110 section 8.8.3.3: other bytes can't have the same strong tag.
    if let Some(tag) = fields.get(ETAG).filter(|tag| is_strong(tag)).map(weakened) {
        fields.insert(ETAG, tag);
    }
}

/// A 304 from the origin to a client's own precondition speaks of the tag that it holds, which may be the weak one
/// of what was compressed here. With the strong one instead, it would speak of nothing that the client has (RFC 9111
/// section 4.3.4).
pub fn shape_unmodified(asked: &HeaderMap, fields: &mut HeaderMap) {
    let Some(tag) = fields.get(ETAG).filter(|tag| is_strong(tag)) else { return };
    let named = || asked.get_all(IF_NONE_MATCH).iter().flat_map(|line| tags(line.as_bytes()));
    let has_it_weak = named().any(|one| weakly_equal(one, tag.as_bytes()));
    if has_it_weak && !named().any(|one| one == tag.as_bytes()) {
        let tag = weakened(tag);
        fields.insert(ETAG, tag);
    }
}

fn weakened(tag: &HeaderValue) -> HeaderValue {
    let weak = [b"W/", tag.as_bytes()].concat();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(weak)).unwrap_or_else(|_| tag.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask, fields};

    fn compression() -> Compression {
        let types = TYPES.iter().map(|range| range.parse().unwrap()).collect();
        Compression { codings: Coding::ALL.to_vec(), types, min_length: MIN_LENGTH }
    }

    #[test]
    fn what_may_be_compressed() {
        let page = ("content-type", "text/html; charset=utf-8");
        for (why, status, lines, length, expected) in [
            ("a page", 200, &[page][..], Some(5000), true),
            ("of unknown length", 200, &[page], None, true),
            ("as long as is asked for", 200, &[page], Some(1024), true),
            ("too short to gain by it", 200, &[page], Some(1023), false),
            ("a picture", 200, &[("content-type", "image/jpeg")], Some(5000), false),
            ("a drawing", 200, &[("content-type", "image/svg+xml")], Some(5000), true),
            ("no type", 200, &[], Some(5000), false),
            ("two types", 200, &[page, ("content-type", "text/css")], Some(5000), false),
            ("events", 200, &[("content-type", "Text/Event-Stream;charset=utf-8")], None, false),
            ("RFC 9110 section 8.4: coded already", 200, &[page, ("content-encoding", "gzip")], Some(5000), false),
            ("as a name for nothing, too", 200, &[page, ("content-encoding", "identity")], Some(5000), false),
            ("RFC 9110 section 14.4: a part", 200, &[page, ("content-range", "bytes 0-9/20")], Some(5000), false),
            ("RFC 9110 section 15.3.7: a part", 206, &[page], Some(5000), false),
            ("an error", 404, &[page], Some(5000), false),
            ("RFC 9111 section 5.2.2.6", 200, &[page, ("cache-control", "max-age=5, No-Transform")], Some(5000), false),
            ("RFC 9213 section 2.2", 200, &[page, ("cdn-cache-control", "no-transform")], Some(5000), false),
            ("a name in quotes", 200, &[page, ("cache-control", "private=\"no-transform\"")], Some(5000), true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(compression().covers(status, &fields(lines), length), expected, "{why}");
        }
    }

    #[test]
    fn what_a_request_gets() {
        let gzip = ("accept-encoding", "gzip");
        for (why, method, lines, expected) in [
            ("what it takes", "GET", &[gzip][..], true),
            ("HEAD is as GET", "HEAD", &[gzip], true),
            ("nothing said", "GET", &[], false),
            ("RFC 9111 section 5.2.1.6", "GET", &[gzip, ("cache-control", "no-transform")], false),
            ("a part is of what came", "GET", &[gzip, ("range", "bytes=0-9")], false),
            ("what can't be read asks for none", "GET", &[gzip, ("range", "lines=0-9")], true),
            ("HEAD has no parts", "HEAD", &[gzip, ("range", "bytes=0-9")], true),
            ("more of what came", "GET", &[gzip, ("range", "bytes=0-9"), ("if-range", "\"1\"")], false),
            ("no more of what was coded", "GET", &[gzip, ("range", "bytes=0-9"), ("if-range", "W/\"1\"")], true),
            (
                "a date says not of which",
                "GET",
                &[gzip, ("range", "bytes=0-9"), ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT")],
                true,
            ),
            (
                "no part of what it refuses",
                "GET",
                &[("accept-encoding", "gzip, identity;q=0"), ("range", "bytes=0-9")],
                true,
            ),
        ] {
            let (ask, _) = ask(method, "/a", lines);
            assert_eq!(compression().wanted(&ask), expected.then_some(Coding::Gzip), "{why}");
        }
    }

    #[test]
    fn fields_are_those_of_the_other_bytes() {
        let of_the_origin = [
            ("content-length", "5000"),
            ("etag", "\"1\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("accept-ranges", "bytes"),
            ("content-md5", "x"),
            ("content-digest", "sha-256=:x:"),
            ("repr-digest", "sha-256=:x:"),
            ("digest", "sha-256=x"),
            ("x", "1"),
        ];
        let mut some = fields(&of_the_origin);
        shape(&mut some, Coding::Br, None);
        let expected = [of_the_origin[2], of_the_origin[8], ("content-encoding", "br"), ("etag", "W/\"1\"")];
        assert_eq!(some, fields(&expected));
        shape(&mut some, Coding::Gzip, Some(7));
        assert_eq!(
            (&some[ETAG], &some[CONTENT_LENGTH], &some[CONTENT_ENCODING]),
            (&HeaderValue::from_static("W/\"1\""), &HeaderValue::from_static("7"), &HeaderValue::from_static("gzip"))
        );
    }

    #[test]
    fn vary_names_it_once() {
        for (before, after) in [
            (None, "Accept-Encoding"),
            (Some("Cookie"), "Cookie, Accept-Encoding"),
            (Some("accept-encoding"), "accept-encoding"),
            (Some("Cookie,Accept-Encoding"), "Cookie,Accept-Encoding"),
            (Some("*"), "*"),
        ] {
            let mut some: HeaderMap = before.into_iter().map(|vary| (VARY, HeaderValue::from_static(vary))).collect();
            vary(&mut some);
            assert_eq!(some[VARY], after);
        }
    }

    #[test]
    fn a_304_that_passes_speaks_of_what_the_client_has() {
        for (asked, tag, expected) in [
            ("W/\"1\"", "\"1\"", "W/\"1\""),
            ("\"0\", W/\"1\"", "\"1\"", "W/\"1\""),
            ("W/\"1\", \"1\"", "\"1\"", "\"1\""),
            ("\"1\"", "\"1\"", "\"1\""),
            ("*", "\"1\"", "\"1\""),
            ("W/\"1\"", "W/\"1\"", "W/\"1\""),
            ("W/\"2\"", "\"1\"", "\"1\""),
        ] {
            let mut some = fields(&[("etag", tag)]);
            shape_unmodified(&fields(&[("if-none-match", asked)]), &mut some);
            assert_eq!(some[ETAG], expected, "{asked} {tag}");
        }
    }
}
