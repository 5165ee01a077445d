//! Several parts in one answer: `multipart/byteranges` (RFC 9110 section 14.6). The bytes of the parts are
//! handed on as they are stored, between small heads.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use http::header::HeaderValue;
use http_body::{Frame, SizeHint};
use terms::wire::range::{Part, Parts};
use terms::{Body, BodyError};

use super::sliced::Source;
use crate::entry::Seat;

/// Characters of a boundary.
const BOUNDARY: usize = 32;

/// The parts of an answer, and what stands round them.
pub(super) struct Multipart {
    boundary: String,
    heads: Vec<Bytes>,
    close: Bytes,
    pub parts: Parts,
}

/// Bytes that the head of a part takes, at most. Parts with fewer bytes between them are better sent as one.
pub(super) fn overhead(content_type: Option<&HeaderValue>, length: u64) -> u64 {
    let end = Part { first: length, last: length };
    head(&"-".repeat(BOUNDARY), content_type, end, length).len() as u64
}

fn head(boundary: &str, content_type: Option<&HeaderValue>, part: Part, length: u64) -> Bytes {
    let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
    if let Some(content_type) = content_type {
        head.extend_from_slice(b"Content-Type: ");
        head.extend_from_slice(content_type.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Range: bytes {}-{}/{length}\r\n\r\n", part.first, part.last).as_bytes());
    head.into()
}

/// A text that nobody outside can foretell, so that no stored body holds it on purpose: a keyed hash of how
/// many there were before.
fn unforeseen() -> String {
    static KEY: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}{:016x}", KEY.hash_one((count, 0_u8)), KEY.hash_one((count, 1_u8)))
}

impl Multipart {
    /// `length` is that of the whole.
    pub fn new(parts: Parts, content_type: Option<&HeaderValue>, length: u64) -> Multipart {
        let boundary = unforeseen();
        let heads = parts.parts.iter().map(|part| head(&boundary, content_type, *part, length)).collect();
        let close = format!("\r\n--{boundary}--\r\n").into();
        Multipart { boundary, heads, close, parts }
    }

    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"))
    }

    /// Bytes of the whole content.
    pub fn length(&self) -> u64 {
        let heads: usize = self.heads.iter().map(Bytes::len).sum();
        self.parts.bytes() + (heads + self.close.len()) as u64
    }

    /// An entry that still grows is read from `seat`.
    pub fn body(self, source: Source, seat: Option<Seat>) -> Body {
        let left = self.length();
        let parts: Vec<_> = self.heads.into_iter().zip(self.parts.parts).collect();
        let mut sending = Sending {
            source,
            parts: parts.into_iter(),
            close: Some(self.close),
            text: None,
            part: Body::Empty,
            left_of_part: 0,
            left,
        };
        sending.go_on(seat);
        Body::stream(sending)
    }
}

struct Sending {
    source: Source,
    parts: vec::IntoIter<(Bytes, Part)>,
    close: Option<Bytes>,
    /// To be sent before the part.
    text: Option<Bytes>,
    part: Body,
    left_of_part: u64,
    left: u64,
}

impl Sending {
    /// To the next part, or behind the last. The part before is let go only then, so that an entry which grows
    /// has this reader all the time.
    fn go_on(&mut self, seat: Option<Seat>) {
        match self.parts.next() {
            Some((head, part)) => {
                self.text = Some(head);
                self.left_of_part = part.bytes();
                self.part = self.source.read(seat, part.first, Some(part.last + 1));
            }
            None => {
                self.text = self.close.take();
                self.part = Body::Empty;
            }
        }
    }

    fn hand_on(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.parts = Vec::new().into_iter();
        (self.close, self.part, self.left_of_part) = (None, Body::Empty, 0);
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(text) = this.text.take() {
            return this.hand_on(text);
        }
        if this.left_of_part == 0 {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut this.part).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                this.left_of_part = this.left_of_part.saturating_sub(bytes.len() as u64);
                if this.left_of_part == 0 {
                    this.go_on(None);
                }
                this.hand_on(bytes)
            }
            Some(Err(error)) => this.fail(error),
            None => this.fail(BodyError::Incomplete),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests;
