//! Where a message's body ends on the wire, followed byte by byte without keeping any.

use super::head::Framing;

/// Follows one body (RFC 9112 sections 6 and 7.1). Only its end is of interest here: what is malformed
/// inside is the parser's to refuse, and from then on the end is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// So many bytes are still to come.
    After(u64),
    Chunked(Chunked),
    /// Malformed: the connection won't be used again.
    Unknown,
}

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunked {
    /// In the digits of a size.
    Size(u64),
    /// After the digits, before the CR of that line.
    Extension(u64),
    /// Between the CR and the LF of a size's line.
    SizeEnd(u64),
    Data(u64),
    /// Before the CR LF behind a chunk.
    DataEnd(u8),
    /// In the trailer section; so many bytes of the current line have been seen.
    Trailer(u32),
    /// Between the CR and the LF of a line there, which may be the empty one.
    TrailerEnd {
        empty: bool,
    },
}

/// A trailer section longer than this is not followed to its end.
const MAX_TRAILER_LINE: u32 = 8 * 1024;

impl BodyEnd {
    pub fn of(framing: Framing) -> BodyEnd {
        match framing {
            Framing::Length(length) => BodyEnd::After(length),
            Framing::Chunked => BodyEnd::Chunked(Chunked::Size(0)),
        }
    }

    pub fn is_reached(self) -> bool {
        self == BodyEnd::After(0)
    }

    /// Takes the bytes that belong to the body from the start of `bytes`, and says how many they were.
    pub fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_reached() {
            match self {
                BodyEnd::After(left) => {
                    let step = fitting(*left, bytes.len() - taken);
                    *left -= step as u64;
                    taken += step;
                }
                BodyEnd::Chunked(Chunked::Data(left)) => {
                    let step = fitting(*left, bytes.len() - taken);
                    let left = *left - step as u64;
                    taken += step;
                    *self = BodyEnd::Chunked(if left == 0 { Chunked::DataEnd(0) } else { Chunked::Data(left) });
                }
                BodyEnd::Chunked(state) => {
                    *self = state.after(bytes[taken]);
                    taken += 1;
                }
                BodyEnd::Unknown => return bytes.len(),
            }
        }
        taken
    }
}

fn fitting(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

impl Chunked {
    /// The state behind one byte; never called inside a chunk's data.
    fn after(self, byte: u8) -> BodyEnd {
        let next = match (self, byte) {
            (Chunked::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                match size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit))) {
                    Some(size) => Chunked::Size(size),
                    None => return BodyEnd::Unknown,
                }
            }
            (Chunked::Size(size) | Chunked::Extension(size), b'\r') => Chunked::SizeEnd(size),
            (Chunked::SizeEnd(0), b'\n') => Chunked::Trailer(0),
            (Chunked::SizeEnd(size), b'\n') => Chunked::Data(size),
            // A bare LF ends a line for some, and is a byte of it for others.
            (Chunked::Size(_) | Chunked::Extension(_), b'\n') => return BodyEnd::Unknown,
            (Chunked::Size(size) | Chunked::Extension(size), _) => Chunked::Extension(size),
            (Chunked::DataEnd(0), b'\r') => Chunked::DataEnd(1),
            (Chunked::DataEnd(1), b'\n') => Chunked::Size(0),
            (Chunked::Trailer(seen), b'\r') => Chunked::TrailerEnd { empty: seen == 0 },
            (Chunked::TrailerEnd { empty: true }, b'\n') => return BodyEnd::After(0),
            (Chunked::TrailerEnd { empty: false }, b'\n') => Chunked::Trailer(0),
            (Chunked::Trailer(_), b'\n') => return BodyEnd::Unknown,
            (Chunked::Trailer(seen), _) if seen < MAX_TRAILER_LINE => Chunked::Trailer(seen + 1),
            _ => return BodyEnd::Unknown,
        };
        BodyEnd::Chunked(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_ends_the_body() {
        let mut end = BodyEnd::of(Framing::Length(5));
        assert_eq!(end.follow(b"abc"), 3);
        assert_eq!(end.follow(b"defgh"), 2);
        assert!(end.is_reached());
        assert_eq!(end.follow(b"more"), 0);
    }

    #[test]
    fn the_last_chunk_and_its_trailers_end_the_body() {
        for body in ["0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "3;x=y\r\nabc\r\n00\r\nA: b\r\nC: d\r\n\r\n"] {
            let mut end = BodyEnd::of(Framing::Chunked);
            let stream = format!("{body}GET / HTTP/1.1");
            assert_eq!(end.follow(stream.as_bytes()), body.len(), "{body:?}");
            assert!(end.is_reached());
        }
    }

    #[test]
    fn a_malformed_body_has_no_end() {
        for body in ["3\r\nabcd\r\n", "fffffffffffffffff\r\n", "1\r\na\n", "1\na", "0\r\n\n", "0\r\nA: b\n", "0\r\n\rx"]
        {
            let mut end = BodyEnd::of(Framing::Chunked);
            assert_eq!(end.follow(body.as_bytes()), body.len());
            assert_eq!(end, BodyEnd::Unknown, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_the_same_however_the_bytes_arrive(chunks in prop::collection::vec("[a-z]{1,40}", 0..5), cuts in prop::collection::vec(1_usize..9, 1..60)) {
            let mut body: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
            body.push_str("0\r\n\r\n");
            let stream = format!("{body}next");
            let mut end = BodyEnd::of(Framing::Chunked);
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while !end.is_reached() {
                let step = (*cuts.next().unwrap()).min(stream.len() - at);
                at += end.follow(&stream.as_bytes()[at..at + step]);
            }
            prop_assert_eq!(at, body.len());
        }
    }
}
