//! A body in chunks (RFC 9112 section 7.1), walked byte by byte but for the data.
//!
//! Chunk extensions are taken where they are written as the grammar says, without the blanks that it
//! calls bad, and are few: a recipient must ignore those it does not know, and nothing of them is passed
//! on. Trailers are field lines as strict as a head's, and none that only a head may hold.

use http::HeaderName;
use memchr::memchr;

use super::bad::{BadBody, BadHead};
use super::fields::{cgi_byte, is_hop_by_hop, steers};
use super::framing::fitting;
use super::lines::name_and_value;
use super::octets::{control_at, is_token};

/// Digits of a size, leading zeros among them: what they say fits everybody's signed 64 bits.
const MAX_DIGITS: u8 = 15;

/// Bytes of all extensions of a body: nobody has a use for more, and the parser behind takes 16 KiB.
const MAX_EXTENSIONS: u16 = 4 * 1024;

/// Bytes of all trailers of a body, and how many they may be.
const MAX_TRAILERS: usize = 8 * 1024;
const MAX_TRAILER_FIELDS: usize = 64;

/// Where in the body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a size, behind so many digits.
    Size(u8),
    /// In an extension's name; whether any of it is there.
    Name(bool),
    /// Behind the `=`.
    ValueStart,
    Value,
    Quoted,
    /// Behind a `\` in a quoted value.
    QuotedPair,
    /// Behind the closing quote.
    QuotedEnd,
    /// Between the CR and the LF of a size's line.
    SizeEnd,
    Data,
    /// Before the CR behind a chunk's data.
    DataEnd,
    /// Between that CR and its LF.
    DataEndLf,
    Trailers,
    Over,
}

#[derive(Debug)]
pub struct Chunks {
    at: At,
    /// Of the chunk under way: as far as its digits are read, or what is left of its data.
    size: u64,
    extensions: u16,
    /// The trailer line under way.
    trailer: Vec<u8>,
    trailers: usize,
    trailer_bytes: usize,
}

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks { at: At::Size(0), size: 0, extensions: 0, trailer: Vec::new(), trailers: 0, trailer_bytes: 0 }
    }
}

impl Chunks {
    pub(super) fn are_over(&self) -> bool {
        self.at == At::Over
    }

    /// Takes the bytes that belong to the body from the start of `bytes`, and says how many they were.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.at {
                At::Over => break,
                At::Data => {
                    taken += fitting(&mut self.size, bytes.len() - taken);
                    if self.size == 0 {
                        self.at = At::DataEnd;
                    }
                }
                At::Trailers => taken += self.trailers(&bytes[taken..])?,
                at => {
                    self.at = self.after(at, bytes[taken])?;
                    taken += 1;
                }
            }
        }
        Ok(taken)
    }

    /// Where the byte behind `byte` stands, in the lines around the data.
    fn after(&mut self, at: At, byte: u8) -> Result<At, BadBody> {
        if matches!(byte, b'\n' | b'\r') && !matches!(at, At::DataEnd | At::DataEndLf) {
            return self.after_line_end(at, byte);
        }
        if !matches!(at, At::Size(_) | At::SizeEnd | At::DataEnd | At::DataEndLf) {
            self.extensions += 1;
            if self.extensions > MAX_EXTENSIONS {
                return Err(BadBody::Extension);
            }
        }
        Ok(match (at, byte) {
            (At::Size(digits), _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.size = self.size * 16 + u64::from(digit);
                At::Size(digits + 1)
            }
            (At::Size(1..), b';') => At::Name(false),
            (At::Size(_), _) => return Err(BadBody::Size),
            (At::Name(_), _) if is_token(byte) => At::Name(true),
            (At::Name(true), b'=') => At::ValueStart,
            (At::ValueStart, b'"') => At::Quoted,
            (At::ValueStart | At::Value, _) if is_token(byte) => At::Value,
            (At::Quoted, b'"') => At::QuotedEnd,
            (At::Quoted, b'\\') => At::QuotedPair,
            (At::Quoted | At::QuotedPair, _) if byte == b'\t' || !byte.is_ascii_control() => At::Quoted,
            (At::Name(true) | At::Value | At::QuotedEnd, b';') => At::Name(false),
            (At::SizeEnd, _) => return Err(BadBody::BareLineEnd),
            (At::DataEnd, b'\r') => At::DataEndLf,
            (At::DataEndLf, b'\n') => self.next_size(),
            (At::DataEnd | At::DataEndLf, _) => return Err(BadBody::DataEnd),
            _ => return Err(BadBody::Extension),
        })
    }

    /// Behind a CR or a LF in a size's line.
    fn after_line_end(&mut self, at: At, byte: u8) -> Result<At, BadBody> {
        match (at, byte) {
            (At::Size(1..) | At::Name(true) | At::Value | At::QuotedEnd, b'\r') => Ok(At::SizeEnd),
            (At::SizeEnd, b'\n') if self.size == 0 => Ok(At::Trailers),
            (At::SizeEnd, b'\n') => Ok(At::Data),
            (At::Size(0), _) => Err(BadBody::Size),
            (At::SizeEnd, _) | (_, b'\n') => Err(BadBody::BareLineEnd),
            _ => Err(BadBody::Extension),
        }
    }

    fn next_size(&mut self) -> At {
        self.size = 0;
        At::Size(0)
    }

    /// Takes what is there of one line of the trailer section.
    fn trailers(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.trailer_bytes += taken;
        if self.trailer_bytes > MAX_TRAILERS {
            return Err(BadBody::TrailersTooLarge);
        }
        self.trailer.extend_from_slice(&bytes[..taken]);
        if end.is_none() {
            return Ok(taken);
        }
        let line = std::mem::take(&mut self.trailer);
        match line.strip_suffix(b"\r\n").ok_or(BadBody::BareLineEnd)? {
            [] => self.at = At::Over,
            line => {
                self.trailers += 1;
                if self.trailers > MAX_TRAILER_FIELDS {
                    return Err(BadBody::TrailersTooLarge);
                }
                judge_trailer(line)?;
            }
        }
        Ok(taken)
    }
}

/// RFC 9110 section 6.5.1: no trailer says how a message is framed, where it goes, who asks, or what its
/// content is.
fn judge_trailer(line: &[u8]) -> Result<(), BadBody> {
    if control_at(line).is_some() {
        return Err(BadBody::Trailer);
    }
    let (name, _) = name_and_value(line).map_err(|_: BadHead| BadBody::Trailer)?;
    let name: Vec<u8> = name.iter().copied().map(cgi_byte).collect();
    let is_hop_by_hop = HeaderName::from_bytes(&name).is_ok_and(|name| is_hop_by_hop(&name));
    if steers(&name) || is_hop_by_hop { Err(BadBody::SteeringTrailer) } else { Ok(()) }
}
