//! The strict walk of a request's raw head, before any parser smooths it over.
//!
//! Two parsers that see different messages in the same bytes are how requests are smuggled, so what
//! RFC 9112 lets a recipient repair is refused here: bare LF, folded lines, blanks before a colon,
//! two lengths, a length beside a coding, codings other than `chunked`.

use memchr::memchr;

pub use super::bad::BadHead;
use super::framing::Framing;
use super::lines::{Fields, Line, Lines, Side};
use super::octets::{are_target, method_length};

/// What may not be exceeded by one head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole head.
    pub head: usize,
    /// Bytes of the request target.
    pub target: usize,
    /// Number of field lines.
    pub fields: usize,
}

/// A head that was walked and found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    pub framing: Framing,
}

/// Walks the head at the start of `bytes`, as [`RequestWalk::go_on`] does.
pub fn walk(bytes: &[u8], limits: &Limits) -> Result<Option<Walked>, BadHead> {
    RequestWalk::default().go_on(bytes, limits)
}

/// The walk of one request's head, which may come in pieces.
#[derive(Debug)]
pub struct RequestWalk {
    lines: Lines,
    fields: Fields,
}

impl Default for RequestWalk {
    fn default() -> RequestWalk {
        RequestWalk { lines: Lines::default(), fields: Fields::of(Side::Client) }
    }
}

impl RequestWalk {
    /// Goes on with what came since the last call; `bytes` hold the head from its first byte, and what
    /// follows. `None`: it is not all there yet, and nothing in what is there is wrong so far. Empty
    /// lines before a request line are the caller's to skip (RFC 9112 section 2.2).
    pub fn go_on(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Walked>, BadHead> {
        loop {
            match self.lines.next(bytes, limits) {
                Ok(Some(Line::First(line))) => self.request_line(line, limits)?,
                Ok(Some(Line::Field(line))) => self.fields.line(line, limits)?,
                Ok(Some(Line::End(length))) => return self.finish(length).map(Some),
                Ok(None) => return Ok(None),
                Err(BadHead::TooLarge) if self.lines.is_in_first() => return Err(over_long_line(bytes, limits)),
                Err(bad) => return Err(bad),
            }
        }
    }

    fn request_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), BadHead> {
        let (method, rest) = line.split_at(method_length(line));
        let [b' ', rest @ ..] = rest else { return Err(BadHead::RequestLine) };
        let version = rest.len().saturating_sub(b" HTTP/1.x".len());
        let (target, version) = rest.split_at(version);
        if target.len() > limits.target {
            return Err(BadHead::TargetTooLong);
        }
        self.fields.minor = match version {
            b" HTTP/1.1" => 1,
            b" HTTP/1.0" => 0,
            _ => return Err(BadHead::RequestLine),
        };
        match target {
            target if method.is_empty() || target.is_empty() => Err(BadHead::RequestLine),
            target if is_target(target) => Ok(()),
            target if target.contains(&b' ') => Err(BadHead::RequestLine),
            _ => Err(BadHead::Target),
        }
    }

    fn finish(&self, length: usize) -> Result<Walked, BadHead> {
        self.fields.judge_request()?;
        let framing = match self.fields.chunked {
            true => Framing::Chunked,
            false => Framing::Length(self.fields.length.unwrap_or(0)),
        };
        Ok(Walked { length, framing })
    }
}

/// A request line that does not end is too long a target, if it got as far as one.
fn over_long_line(bytes: &[u8], limits: &Limits) -> BadHead {
    match memchr(b' ', bytes) {
        Some(blank) if bytes.len() - blank > limits.target => BadHead::TargetTooLong,
        _ => BadHead::TooLarge,
    }
}

/// Whether no parser stumbles over a target: the one behind this walk must take it too, or the refusal
/// would be none of ours. Origin-form (RFC 9112 section 3.2.1) is looked at byte by byte; rarer forms,
/// raw UTF-8 and what clients leave unencoded in a query are parsed.
pub(super) fn is_target(target: &[u8]) -> bool {
    if target.first() == Some(&b'/') && are_target(target) {
        return true;
    }
    // RFC 3986 has no place for these, and browsers encode them wherever they stand.
    let is_forbidden = |byte: &u8| matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | 0x7f);
    if target.iter().any(is_forbidden) || std::str::from_utf8(target).is_err() {
        return false;
    }
    match target.first() {
        Some(b'/') => http::uri::PathAndQuery::try_from(target).is_ok(),
        _ => http::Uri::try_from(target).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { head: 1024, target: 256, fields: 8 };

    fn walked(head: &str) -> Result<Option<Walked>, BadHead> {
        walk(head.as_bytes(), &LIMITS)
    }

    fn framing(fields: &str) -> Result<Framing, BadHead> {
        walked(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).map(|walked| walked.unwrap().framing)
    }

    #[test]
    fn says_where_a_head_ends_and_how_long_its_body_is() {
        let head = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
        let expected = Walked { length: head.len(), framing: Framing::Length(0) };
        assert_eq!(walked(&format!("{head}GET /b")), Ok(Some(expected)));
        assert_eq!(framing("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(framing("transfer-encoding:CHUNKED\r\n"), Ok(Framing::Chunked));
    }

    #[test]
    fn refuses_every_spelling_that_cgi_takes_for_the_framing() {
        for mark in "!#$%&'*+.^_`|~".chars() {
            for line in [format!("Content{mark}Length: 5\r\n"), format!("TRANSFER{mark}encoding: chunked\r\n")] {
                assert_eq!(framing(&line), Err(BadHead::FieldName), "{line:?}");
            }
        }
        for other in
            ["ContentxLength: 5\r\n", "Content0Length: 5\r\n", "Content--Length: 5\r\n", "ContentLength: 5\r\n"]
        {
            assert_eq!(framing(other), Ok(Framing::Length(0)), "{other:?}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for (fields, error) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", BadHead::LengthAndCoding),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", BadHead::TwoLengths),
            ("Content-Length: 1, 1\r\n", BadHead::BadLength),
            ("Content-Length: +1\r\n", BadHead::BadLength),
            ("Content-Length: 0x1\r\n", BadHead::BadLength),
            ("Content-Length:\r\n", BadHead::BadLength),
            ("Content-Length: 99999999999999999999\r\n", BadHead::BadLength),
            ("Transfer-Encoding: gzip, chunked\r\n", BadHead::Coding),
            ("Transfer-Encoding: identity\r\n", BadHead::Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", BadHead::Coding),
            ("X: a\r\n b\r\n", BadHead::Folded),
            ("X : a\r\n", BadHead::FieldName),
            (": a\r\n", BadHead::FieldName),
            ("X\r\n", BadHead::FieldName),
            ("X: a\nY: b\r\n", BadHead::BareLineEnd),
            ("Content-Length: 5 5\r\n", BadHead::BadLength),
            ("Content-Length: 5\r\nContent-length: 6\r\n", BadHead::TwoLengths),
            ("Transfer-Encoding: chunked, chunked\r\n", BadHead::Coding),
            ("Transfer-Encoding: chunked, gzip\r\n", BadHead::Coding),
            ("Transfer-Encoding: \"chunked\"\r\n", BadHead::Coding),
            ("Transfer-Encoding:\r\n", BadHead::Coding),
            ("Connection: close, Content-Length\r\n", BadHead::Connection),
            ("Connection: Host\r\n", BadHead::Connection),
            ("Connection: X-A\r\nConnection: ,authorization ,\r\n", BadHead::Connection),
            ("X: a\rb\r\n", BadHead::Control),
            ("X: a\r\r\n", BadHead::Control),
            ("X: a\x7fb\r\n", BadHead::Control),
            ("X: a\r\n\tb: c\r\n", BadHead::Folded),
            ("X: a\0b\r\n", BadHead::Control),
            ("Host: i\r\n", BadHead::Host),
        ] {
            assert_eq!(framing(fields), Err(error), "{fields:?}");
        }
        for (head, error) in [
            ("GET / HTTP/1.1\r\n\r\n", BadHead::Host),
            ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / HTTP/1.2\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / http/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / HTTP/01.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("get / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("G\u{c4}T / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            (" GET / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET /a\t HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::Target),
            ("GET /\"a\" HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::Target),
            ("GET /a?b=<c> HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::Target),
            ("GET / HTTP/1.1\r\n X: folded\r\nHost: h\r\n\r\n", BadHead::Folded),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BadHead::Host),
            ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", BadHead::Host),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BadHead::Host),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", BadHead::Host),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET /\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET /<a> HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::Target),
            ("GET http://h<x/ HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::Target),
            ("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / HTTP/1.1\nHost: h\n\n", BadHead::BareLineEnd),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BadHead::Coding),
        ] {
            assert_eq!(walked(head), Err(error), "{head:?}");
        }
    }

    /// Neither the fragment that is dropped nor another form hides what is none.
    #[test]
    fn a_target_is_text() {
        for target in [&b"/\xff"[..], b"/a#\xff", b"http://h/\xff", b"http://h/a#\xff", b"http://h#\xff/"] {
            let head = [b"GET ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            assert_eq!(walk(&head, &LIMITS), Err(BadHead::Target), "{target:?}");
        }
    }

    #[test]
    fn holds_heads_to_their_limits() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(LIMITS.target));
        assert_eq!(walked(&long), Err(BadHead::TargetTooLong));
        assert_eq!(walked(&format!("GET /{}", "a".repeat(LIMITS.head))), Err(BadHead::TargetTooLong));
        assert_eq!(walked(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(LIMITS.head))), Err(BadHead::TooLarge));
        assert_eq!(framing(&"X: a\r\n".repeat(LIMITS.fields)), Err(BadHead::TooLarge));
        assert_eq!(walked("GET / HTTP/1.1\r\nHost:"), Ok(None));
    }

    /// A field line that may be about framing, and may be malformed.
    fn field() -> impl Strategy<Value = String> {
        let names = "(Content-Length|Transfer-Encoding|transfer_encoding|Connection|X-A|[!-~]{1,6} ?)";
        let values = "( ?chunked|[ \t]?[0-9]{1,20}|close, [a-z-]{1,8}|[ -~\u{e4}\t\r]{0,9})";
        (names, values).prop_map(|(name, value)| format!("{name}:{value}\r\n"))
    }

    #[test]
    fn what_is_well_formed_passes() {
        for head in [
            "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
            "M-SEARCH /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a HTTP/1.0\r\n\r\n",
            "GET /a|b/[c]?d={e}&f=`^\\ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /\u{e4} HTTP/1.1\r\nHost: \u{e4}.example:80\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost:h\r\nX-Empty:\r\nX-A: \tb\tc \u{e4} \r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nConnection: TE, close, x-own\r\nTE: trailers\r\n\r\n",
        ] {
            assert!(matches!(walked(head), Ok(Some(_))), "{head:?}: {:?}", walked(head));
        }
    }

    #[test]
    fn what_was_walked_is_not_looked_at_again() {
        let (first, rest) = ("GET / HTTP/1.1\r\nHost: h\r\n", "X-A: b\r\n\r\n");
        let mut walk = RequestWalk::default();
        for length in 0..=first.len() {
            assert_eq!(walk.go_on(&first.as_bytes()[..length], &LIMITS), Ok(None), "after {length} bytes");
        }
        let unlooked = ["\0".repeat(first.len()), rest.to_owned()].concat();
        let expected = Walked { length: unlooked.len(), framing: Framing::Length(0) };
        assert_eq!(walk.go_on(unlooked.as_bytes(), &LIMITS), Ok(Some(expected)));
    }

    proptest! {
        #[test]
        fn a_head_is_judged_alike_however_it_arrives(noise in "[ -~\r\n\t]{0,80}", cut in 0_usize..120) {
            let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{noise}\r\n\r\n");
            crate::checks::head(head.as_bytes(), cut);
        }

        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            crate::checks::head(&bytes, bytes.len() / 2);
        }

        #[test]
        fn what_passes_is_parsed_to_the_same(
            method in "(GET|POST|M-SEARCH|get|[!-~]{1,5})",
            target in "(/[!-~\u{e4}]{0,12}|http://[a-z.:@]{1,8}/[!-~]{0,5}|\\*|[a-z:0-9]{1,6})",
            fields in prop::collection::vec(field(), 0..5),
            cut in 0_usize..120,
        ) {
            let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{}\r\nbody", fields.concat());
            crate::checks::head(head.as_bytes(), cut);
            let answer = format!("HTTP/1.1 200 {target}\r\n{}\r\nbody", fields.concat());
            crate::checks::answer(answer.as_bytes(), cut);
        }
    }
}
