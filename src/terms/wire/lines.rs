//! The lines of a head, and what may stand in its field lines, whichever side it comes from.

use super::bad::BadHead;
use super::fields::{is_to_cgi, steers};
use super::head::Limits;
use super::octets::{are_host, control_at, token_length};

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// Finds the lines of a head that may come in pieces. What was looked at once is not looked at again, so
/// that a head that drips in costs no more than one that comes whole.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the line under way starts.
    start: usize,
    /// Up to here there is no control character in it.
    scanned: usize,
}

/// A line without its CR LF.
pub(super) enum Line<'b> {
    First(&'b [u8]),
    Field(&'b [u8]),
    /// The empty one; the head has so many bytes.
    End(usize),
}

impl Lines {
    /// The next line in `bytes`, which hold the head from its first byte, and only grow from call to call.
    /// `None`: its end is not there yet. No line holds a control character but tabs.
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8], limits: &Limits) -> Result<Option<Line<'b>>, BadHead> {
        let found = control_at(bytes.get(self.scanned..).unwrap_or_default());
        let end = found.map_or(bytes.len(), |at| self.scanned + at);
        self.scanned = end;
        if end + b"\r\n".len() > limits.head {
            return Err(BadHead::TooLarge);
        }
        match bytes[end..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => {}
            [b'\n', ..] => return Err(BadHead::BareLineEnd),
            _ => return Err(BadHead::Control),
        }
        let (start, line) = (self.start, &bytes[self.start..end]);
        let next = end + b"\r\n".len();
        (self.start, self.scanned) = (next, next);
        Ok(Some(match line {
            line if start == 0 => Line::First(line),
            [] => Line::End(next),
            line => Line::Field(line),
        }))
    }

    pub(super) fn is_in_first(&self) -> bool {
        self.start == 0
    }
}

/// Who sends a message: some rules are for one side only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Origin,
}

/// What the field lines of a head say of its framing.
#[derive(Debug)]
pub(super) struct Fields {
    side: Side,
    /// Of HTTP/1.x.
    pub(super) minor: u8,
    count: usize,
    hosts: usize,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
}

impl Fields {
    pub(super) fn of(side: Side) -> Fields {
        Fields { side, minor: 1, count: 0, hosts: 0, length: None, chunked: false }
    }

    pub(super) fn line(&mut self, line: &[u8], limits: &Limits) -> Result<(), BadHead> {
        let (name, value) = name_and_value(line)?;
        self.field(name, value, limits)
    }

    /// `name` is a token, and `value` holds no control character but tabs.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), BadHead> {
        self.count += 1;
        if self.count > limits.fields {
            return Err(BadHead::TooLarge);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value.trim_ascii()),
            10 if name.eq_ignore_ascii_case(b"connection") => connection(value),
            14 if is_to_cgi(name, LENGTH) => self.content_length(name, value.trim_ascii()),
            17 if is_to_cgi(name, CODING) => self.transfer_encoding(name, value.trim_ascii()),
            _ => Ok(()),
        }
    }

    /// RFC 9112 section 3.2: a request says once which host it is for, and in HTTP/1.0 need not.
    pub(super) fn judge_request(&self) -> Result<(), BadHead> {
        if self.hosts > 1 || (self.hosts == 0 && self.minor == 1) { Err(BadHead::Host) } else { self.judge() }
    }

    /// RFC 9112 section 6.3: a head that says two things of its length is refused.
    pub(super) fn judge(&self) -> Result<(), BadHead> {
        if self.chunked && self.length.is_some() { Err(BadHead::LengthAndCoding) } else { Ok(()) }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), BadHead> {
        self.hosts += 1;
        if are_host(value) { Ok(()) } else { Err(BadHead::Host) }
    }

    /// Clients get one length. Of an origin's, several that agree are taken (RFC 9110 section 8.6).
    fn content_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadHead> {
        if !name.eq_ignore_ascii_case(LENGTH) {
            return Err(BadHead::FieldName);
        }
        match self.side {
            Side::Client if self.length.is_some() => Err(BadHead::TwoLengths),
            Side::Client => {
                self.length = Some(number(value)?);
                Ok(())
            }
            Side::Origin => value.split(|&byte| byte == b',').try_for_each(|member| {
                let length = number(member.trim_ascii())?;
                if *self.length.get_or_insert(length) == length { Ok(()) } else { Err(BadHead::TwoLengths) }
            }),
        }
    }

    /// `chunked`, once and alone, is the only coding that is undone here; HTTP/1.0 knows none (RFC 9112
    /// section 6.1).
    fn transfer_encoding(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadHead> {
        if !name.eq_ignore_ascii_case(CODING) {
            return Err(BadHead::FieldName);
        }
        if self.chunked || self.minor == 0 || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadHead::Coding);
        }
        self.chunked = true;
        Ok(())
    }
}

/// Splits a field line. It holds no control character but tabs.
pub(super) fn name_and_value(line: &[u8]) -> Result<(&[u8], &[u8]), BadHead> {
    let (name, rest) = line.split_at(token_length(line));
    match rest {
        [b':', value @ ..] if !name.is_empty() => Ok((name, value)),
        [b' ' | b'\t', ..] if name.is_empty() => Err(BadHead::Folded),
        _ => Err(BadHead::FieldName),
    }
}

/// RFC 9110 section 7.6.1: an option does not name a field that is for all recipients. One that does has
/// this hop remove what the next one should see.
fn connection(value: &[u8]) -> Result<(), BadHead> {
    if value.trim_ascii().eq_ignore_ascii_case(b"keep-alive") {
        return Ok(());
    }
    let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if options.any(steers) { Err(BadHead::Connection) } else { Ok(()) }
}

/// `1*DIGIT`, short enough for every parser's 64-bit integer.
fn number(digits: &[u8]) -> Result<u64, BadHead> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadHead::BadLength);
    }
    Ok(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}
