//! The body of an answer or a request, as it is handed on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{Ruling, Tunnel};

/// Why a body ended before its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    #[error("the other side ended the body early")]
    Incomplete,
    #[error("no bytes came in time")]
    Timeout,
    #[error("the body is malformed")]
    Malformed,
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("this reader fell too far behind the others")]
    FellBehind,
    #[error("a rule came into force that covers this body")]
    Cut(Arc<Ruling>),
    #[error("the connection failed: {0}")]
    Connection(Arc<str>),
}

/// A stream of bytes of whatever origin.
pub type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// A body whose bytes are never copied on their way out.
pub enum Body {
    Empty,
    Whole(Bytes),
    /// Bytes that all stand in memory, in order.
    Chunks(VecDeque<Bytes>),
    /// Bytes of a settled entry, shared with it.
    Shared(Shared),
    Stream(Stream),
    /// No body at all: behind this head HTTP has ended.
    Tunnel(Box<Tunnel>),
}

/// A part of a settled entry's chunks: `next` is the chunk to hand out, `skip` what of it is left
/// out, `left` how many bytes are still to come.
#[derive(Clone)]
pub struct Shared {
    chunks: Arc<[Bytes]>,
    next: usize,
    skip: usize,
    left: u64,
}

impl Shared {
    /// `length` bytes from `offset`; both must lie within the chunks.
    pub fn part(chunks: Arc<[Bytes]>, offset: u64, length: u64) -> Shared {
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut next = 0;
        while next < chunks.len() && skip >= chunks[next].len() {
            skip -= chunks[next].len();
            next += 1;
        }
        Shared { chunks, next, skip, left: length }
    }
}

impl Iterator for Shared {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let chunk = self.chunks.get(self.next)?;
        let end = chunk.len().min(self.skip.saturating_add(usize::try_from(self.left).unwrap_or(usize::MAX)));
        let piece = if self.skip == 0 && end == chunk.len() { chunk.clone() } else { chunk.slice(self.skip..end) };
        self.next += 1;
        self.skip = 0;
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl Body {
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Body {
        Body::Stream(Box::pin(body))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        if bytes.is_empty() { Body::Empty } else { Body::Whole(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::from(Bytes::from(text))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let piece = match this {
            Body::Empty | Body::Tunnel(_) => None,
            Body::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Body::Empty;
                Some(bytes)
            }
            Body::Chunks(chunks) => chunks.pop_front(),
            Body::Shared(shared) => shared.next(),
            Body::Stream(stream) => return stream.as_mut().poll_frame(cx),
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty | Body::Tunnel(_) => true,
            Body::Whole(_) => false,
            Body::Chunks(chunks) => chunks.is_empty(),
            Body::Shared(shared) => shared.left == 0,
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty | Body::Tunnel(_) => SizeHint::with_exact(0),
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Chunks(chunks) => SizeHint::with_exact(chunks.iter().map(|c| c.len() as u64).sum()),
            Body::Shared(shared) => SizeHint::with_exact(shared.left),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_bytes_between_its_ends() {
        let whole: Vec<u8> = (0..=255).collect();
        let chunks: Arc<[Bytes]> = whole.chunks(7).map(Bytes::copy_from_slice).collect();
        for (offset, length) in [(0, 256), (0, 0), (0, 1), (6, 2), (7, 7), (13, 100), (255, 1), (256, 0)] {
            let part: Vec<u8> = Shared::part(chunks.clone(), offset, length).flatten().collect();
            assert_eq!(part, &whole[offset as usize..(offset + length) as usize]);
        }
    }
}
