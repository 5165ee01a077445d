//! The strict walk of a request's raw head, before any parser smooths it over.
//!
//! Two parsers that see different messages in the same bytes are how requests are smuggled, so what
//! RFC 9112 lets a recipient repair is refused here: bare LF, folded lines, blanks before a colon,
//! two lengths, a length beside a coding, codings other than `chunked`.

use memchr::{memchr, memchr_iter};

/// How long the body is that follows a head (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

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

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum BadHead {
    TooLarge,
    TargetTooLong,
    BareLineEnd,
    Control,
    RequestLine,
    Target,
    Folded,
    FieldName,
    TwoLengths,
    BadLength,
    LengthAndCoding,
    Coding,
    Host,
}

impl BadHead {
    pub const fn message(self) -> &'static str {
        match self {
            BadHead::TooLarge => "the head is too large",
            BadHead::TargetTooLong => "the target is too long",
            BadHead::BareLineEnd => "a line does not end in CR LF",
            BadHead::Control => "the head holds a NUL or another control character",
            BadHead::RequestLine => "the request line is not METHOD SP TARGET SP HTTP/1.x",
            BadHead::Target => "the target holds a character that must be percent-encoded",
            BadHead::Folded => "a field line is folded",
            BadHead::FieldName => "a field name is empty or holds a character that is no token",
            BadHead::TwoLengths => "the head holds more than one Content-Length",
            BadHead::BadLength => "Content-Length is not a number",
            BadHead::LengthAndCoding => "the head holds both Content-Length and Transfer-Encoding",
            BadHead::Coding => "a transfer coding other than chunked",
            BadHead::Host => "the head holds no Host, or more than one",
        }
    }

    /// One stable word for metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            BadHead::TooLarge => "head-too-large",
            BadHead::TargetTooLong => "target-too-long",
            BadHead::BareLineEnd => "bare-line-end",
            BadHead::Control => "control-character",
            BadHead::RequestLine => "request-line",
            BadHead::Target => "target-character",
            BadHead::Folded => "folded-field",
            BadHead::FieldName => "field-name",
            BadHead::TwoLengths => "two-lengths",
            BadHead::BadLength => "bad-length",
            BadHead::LengthAndCoding => "length-and-coding",
            BadHead::Coding => "transfer-coding",
            BadHead::Host => "host",
        }
    }
}

/// A head that was walked and found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    pub framing: Framing,
}

/// Walks the head at the start of `bytes`. `None`: it is not all there yet, and nothing in what is
/// there is wrong so far. Empty lines before a request line are the caller's to skip (RFC 9112
/// section 2.2).
pub fn walk(bytes: &[u8], limits: &Limits) -> Result<Option<Walked>, BadHead> {
    let mut walk = Walk::default();
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        if end + 1 > limits.head {
            return Err(if start == 0 { over_long_line(bytes, limits) } else { BadHead::TooLarge });
        }
        let line = &bytes[start..end];
        let line = line.strip_suffix(b"\r").ok_or(BadHead::BareLineEnd)?;
        if line.is_empty() && start > 0 {
            return walk.finish(end + 1).map(Some);
        }
        match start {
            0 => walk.request_line(line, limits)?,
            _ => walk.field(line, limits)?,
        }
        start = end + 1;
    }
    if bytes.len() >= limits.head {
        return Err(if start == 0 { over_long_line(bytes, limits) } else { BadHead::TooLarge });
    }
    if memchr(0, &bytes[start..]).is_some() {
        return Err(BadHead::Control);
    }
    Ok(None)
}

/// A request line that does not end is too long a target, if it got as far as one.
fn over_long_line(bytes: &[u8], limits: &Limits) -> BadHead {
    match memchr(b' ', bytes) {
        Some(blank) if bytes.len() - blank > limits.target => BadHead::TargetTooLong,
        _ => BadHead::TooLarge,
    }
}

#[derive(Default)]
struct Walk {
    minor: u8,
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Walk {
    fn request_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), BadHead> {
        if has_control(line) || line.contains(&b'\t') {
            return Err(BadHead::Control);
        }
        let first = memchr(b' ', line).ok_or(BadHead::RequestLine)?;
        let (method, rest) = (&line[..first], &line[first + 1..]);
        let second = memchr(b' ', rest).ok_or(BadHead::RequestLine)?;
        let (target, version) = (&rest[..second], &rest[second + 1..]);
        if target.len() > limits.target {
            return Err(BadHead::TargetTooLong);
        }
        let well_formed = !method.is_empty() && method.iter().all(|&byte| is_token(byte)) && !target.is_empty();
        self.minor = match version {
            b"HTTP/1.1" if well_formed => 1,
            b"HTTP/1.0" if well_formed => 0,
            _ => return Err(BadHead::RequestLine),
        };
        if is_target(target) { Ok(()) } else { Err(BadHead::Target) }
    }

    fn field(&mut self, line: &[u8], limits: &Limits) -> Result<(), BadHead> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(BadHead::TooLarge);
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(BadHead::Folded);
        }
        let colon = memchr(b':', line).ok_or(BadHead::FieldName)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(BadHead::FieldName);
        }
        if has_control(value) {
            return Err(BadHead::Control);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value.trim_ascii())?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value.trim_ascii())?,
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), BadHead> {
        if self.length.is_some() {
            return Err(BadHead::TwoLengths);
        }
        let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
        if !digits {
            return Err(BadHead::BadLength);
        }
        self.length = Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadHead> {
        if self.chunked || self.minor == 0 || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadHead::Coding);
        }
        self.chunked = true;
        Ok(())
    }

    fn finish(self, length: usize) -> Result<Walked, BadHead> {
        if self.hosts > 1 || (self.hosts == 0 && self.minor == 1) {
            return Err(BadHead::Host);
        }
        let framing = match (self.length, self.chunked) {
            (Some(_), true) => return Err(BadHead::LengthAndCoding),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(Walked { length, framing })
    }
}

/// Looks at every byte, whatever it finds: without an early end the loop is done many bytes at a time.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | (((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)))
}

/// Whether the parser behind this walk takes a target too: what it refuses must be refused here, where
/// the refusal gets an answer of ours. Origin-form (RFC 9112 section 3.2.1) is looked at byte by byte,
/// rarer forms are parsed.
fn is_target(target: &[u8]) -> bool {
    if target.first() != Some(&b'/') {
        return http::Uri::try_from(target).is_ok();
    }
    let odd = target.iter().fold(false, |odd, &byte| odd | matches!(byte, b'"' | b'<' | b'>' | b'`' | b'^' | 0x80..));
    !odd || std::str::from_utf8(target).is_ok_and(|text| http::uri::PathAndQuery::try_from(text).is_ok())
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    const TOKENS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric()
                || matches!(
                    byte as u8,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
            byte += 1;
        }
        table
    };
    TOKENS[usize::from(byte)]
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
            ("X: a\rb\r\n", BadHead::Control),
            ("X: a\0b\r\n", BadHead::Control),
            ("Host: i\r\n", BadHead::Host),
        ] {
            assert_eq!(framing(fields), Err(error), "{fields:?}");
        }
        for (head, error) in [
            ("GET / HTTP/1.1\r\n\r\n", BadHead::Host),
            ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", BadHead::RequestLine),
            ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", BadHead::RequestLine),
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

    #[test]
    fn holds_heads_to_their_limits() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(LIMITS.target));
        assert_eq!(walked(&long), Err(BadHead::TargetTooLong));
        assert_eq!(walked(&format!("GET /{}", "a".repeat(LIMITS.head))), Err(BadHead::TargetTooLong));
        assert_eq!(walked(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(LIMITS.head))), Err(BadHead::TooLarge));
        assert_eq!(framing(&"X: a\r\n".repeat(LIMITS.fields)), Err(BadHead::TooLarge));
        assert_eq!(walked("GET / HTTP/1.1\r\nHost:"), Ok(None));
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
    }
}
