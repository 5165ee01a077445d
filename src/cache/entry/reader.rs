//! One reader of a body that was still growing when it began to read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use terms::{Body as Content, BodyError};

use super::growth::Read;
use super::places::Seat;

/// The bytes from a first to an end, as they come.
pub(crate) struct Reader {
    source: Source,
    /// One past the last byte wanted; `None` is up to where the body ends.
    end: Option<u64>,
    position: u64,
}

enum Source {
    Growing(Seat),
    Settled(Content),
    Done,
}

impl Reader {
    pub fn new(seat: Seat, first: u64, end: Option<u64>) -> Reader {
        seat.move_to(first);
        Reader { source: Source::Growing(seat), end, position: first }
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let end = self.end;
            let read = match &mut self.source {
                Source::Growing(seat) => ready!(seat.growth().poll_read(seat.place(), end, cx)),
                Source::Settled(rest) => match ready!(Pin::new(rest).poll_frame(cx)) {
                    Some(frame) => frame?.into_data().map_or(Read::End, Read::Data),
                    None => Read::End,
                },
                Source::Done => Read::End,
            };
            match read {
                Read::Data(bytes) => {
                    self.position += bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Read::End => {
                    self.source = Source::Done;
                    return Poll::Ready(None);
                }
                Read::Failed(error) => {
                    self.source = Source::Done;
                    return Poll::Ready(Some(Err(error)));
                }
                Read::Settled => self.source = settled(&self.source, end),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_some_and(|end| self.position >= end)
    }

    fn size_hint(&self) -> SizeHint {
        self.end.map_or_else(SizeHint::default, |end| SizeHint::with_exact(end.saturating_sub(self.position)))
    }
}

/// The rest of what is read, from the body at rest.
fn settled(source: &Source, end: Option<u64>) -> Source {
    let Source::Growing(seat) = source else { return Source::Done };
    let Some(whole) = seat.growth().settled() else { return Source::Done };
    Source::Settled(whole.read(seat.position(), end))
}
