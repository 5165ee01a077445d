//! A request as the house takes it: hyper's body becomes ours, with a cap.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use terms::{Body, BodyError};

/// Takes hyper's body out of a request, and holds it to `max_body` bytes.
pub(super) fn owned(request: Request<Incoming>, max_body: u64) -> Request<Body> {
    request.map(|incoming| {
        if incoming.is_end_stream() {
            return Body::Empty;
        }
        capped(incoming.map_err(|error| why(&error)), max_body)
    })
}

/// A body that is held to `max_body` bytes.
pub(super) fn capped<B>(body: B, max_body: u64) -> Body
where
    B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin + Send + 'static,
{
    // Announced to be too large: refused before a byte of it is asked for.
    let too_large = body.size_hint().lower() > max_body;
    Body::stream(Capped { body, left: max_body, too_large })
}

struct Capped<B> {
    body: B,
    left: u64,
    too_large: bool,
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin> http_body::Body for Capped<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.too_large {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => frame,
        };
        // Trailers are not passed on.
        let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
        match self.left.checked_sub(data.len() as u64) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(BodyError::TooLarge))),
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What went wrong with a client's body.
fn why(error: &hyper::Error) -> BodyError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(one) = cause {
        match one.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => return BodyError::Timeout,
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => return BodyError::Incomplete,
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => return BodyError::Malformed,
            _ => cause = one.source(),
        }
    }
    if error.is_incomplete_message() { BodyError::Incomplete } else { BodyError::Malformed }
}
