//! The strict walk of an answer's raw head: as that of a request, for the same reasons.

pub use super::bad::BadHead;
use super::framing::Framing;
use super::head::Limits;
use super::lines::{Fields, Line, Lines, Side};

/// The head of an answer that was walked and found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkedAnswer {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// 100 to 599.
    pub status: u16,
    declared: Framing,
}

impl WalkedAnswer {
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// How long the body is (RFC 9112 section 6.3), where the request was none for a tunnel.
    pub fn framing(&self, to_head: bool) -> Framing {
        match self.status {
            100..=199 | 204 | 304 => Framing::Length(0),
            _ if to_head => Framing::Length(0),
            _ => self.declared,
        }
    }
}

/// The walk of one answer's head, which may come in pieces.
#[derive(Debug)]
pub struct AnswerWalk {
    lines: Lines,
    fields: Fields,
    status: u16,
}

impl Default for AnswerWalk {
    fn default() -> AnswerWalk {
        AnswerWalk { lines: Lines::default(), fields: Fields::of(Side::Origin), status: 0 }
    }
}

impl AnswerWalk {
    /// Goes on with what came since the last call; `bytes` hold the head from its first byte, and what
    /// follows. `None`: it is not all there yet, and nothing in what is there is wrong so far.
    pub fn go_on(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<WalkedAnswer>, BadHead> {
        while let Some(line) = self.lines.next(bytes, limits)? {
            match line {
                Line::First(line) => self.status_line(line)?,
                Line::Field(line) => self.fields.line(line, limits)?,
                Line::End(length) => return self.finish(length).map(Some),
            }
        }
        Ok(None)
    }

    /// RFC 9112 section 4; the blank before an empty reason is often left out.
    fn status_line(&mut self, line: &[u8]) -> Result<(), BadHead> {
        let (version, rest) = line.split_at_checked(b"HTTP/1.x ".len()).ok_or(BadHead::StatusLine)?;
        self.fields.minor = match version {
            b"HTTP/1.1 " => 1,
            b"HTTP/1.0 " => 0,
            _ => return Err(BadHead::StatusLine),
        };
        let (code, reason) = rest.split_at_checked(3).ok_or(BadHead::StatusLine)?;
        let is_code = matches!(code[0], b'1'..=b'5') && code.iter().all(u8::is_ascii_digit);
        if !is_code || !matches!(reason.first(), None | Some(b' ')) {
            return Err(BadHead::StatusLine);
        }
        self.status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Ok(())
    }

    /// RFC 9110 section 8.6, RFC 9112 section 6.1: an answer without content by its status announces none.
    /// A server that does may send it, too.
    fn finish(&self, length: usize) -> Result<WalkedAnswer, BadHead> {
        self.fields.judge()?;
        let announces = self.fields.chunked || self.fields.length.is_some_and(|length| length > 0);
        if announces && matches!(self.status, 100..=199 | 204) {
            return Err(BadHead::NoContent);
        }
        let declared = match (self.fields.chunked, self.fields.length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        };
        Ok(WalkedAnswer { length, status: self.status, declared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 512, target: 0, fields: 8 };

    fn framing(head: &str, to_head: bool) -> Result<Framing, BadHead> {
        crate::checks::answer(head.as_bytes(), head.len() / 2);
        AnswerWalk::default().go_on(head.as_bytes(), &LIMITS).map(|walked| walked.unwrap().framing(to_head))
    }

    #[test]
    fn says_how_long_the_body_is() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n", Framing::Length(5)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
            ("HTTP/1.1 200\r\n\r\n", Framing::UntilClose),
            ("HTTP/1.0 200 \r\n\r\n", Framing::UntilClose),
            ("HTTP/1.1 304 Not \u{e4}\r\nContent-Length: 5\r\n\r\n", Framing::Length(0)),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Framing::Length(0)),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Framing::Length(0)),
        ] {
            assert_eq!(framing(head, false), Ok(expected), "{head:?}");
            assert_eq!(framing(head, true), Ok(Framing::Length(0)), "{head:?}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for (head, bad) in [
            ("HTTP/1.1  200 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 20 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 099 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 600 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 2x0 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1\t200 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/2.0 200 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1\r\n\r\n", BadHead::StatusLine),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", BadHead::StatusLine),
            ("HTTP/1.1 200 O\0K\r\n\r\n", BadHead::Control),
            ("HTTP/1.1 200 OK\n\n", BadHead::BareLineEnd),
            ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", BadHead::Folded),
            ("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", BadHead::FieldName),
            ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", BadHead::Control),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", BadHead::TwoLengths),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", BadHead::BadLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", BadHead::BadLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BadHead::LengthAndCoding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", BadHead::Coding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", BadHead::Coding),
            ("HTTP/1.1 200 OK\r\nConnection: Cache-Control\r\n\r\n", BadHead::Connection),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", BadHead::NoContent),
            ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", BadHead::NoContent),
            ("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n", BadHead::NoContent),
        ] {
            assert_eq!(framing(head, false), Err(bad), "{head:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(9));
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(600));
        assert_eq!(framing(&many, false), Err(BadHead::TooLarge));
        assert_eq!(framing(&long, false), Err(BadHead::TooLarge));
    }
}
