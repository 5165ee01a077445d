//! What an origin answered.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use terms::BodyError;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::{Connection, explain_body};
use crate::numbers::count;
use crate::pool::Pool;
use crate::upload::Course;
use crate::{FarEnd, Numbers};

/// The head of an answer as it came, hop-by-hop fields and all, and its body.
///
/// `fields` holds at most one `Content-Length`, a number, and never one beside `Transfer-Encoding`.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// What the origin speaks: HTTP/1.0 or 1.1.
    pub version: Version,
    pub fields: HeaderMap,
    pub body: ReplyBody,
    /// Where a tunnel was asked for and agreed to.
    pub(crate) far: Option<FarEnd>,
}

/// A body that streams from the origin: read from the connection no faster than it is polled here,
/// but for a buffer of 64 KiB, give or take one read.
///
/// Fails with `Timeout` when no byte comes for the `between_bytes_timeout`, `Incomplete` when the
/// origin ends before the end it announced, `Malformed` when its chunks can't be read. A body without
/// length or chunks ends when the connection is closed, so that what is missing from it can't be
/// noticed, unless by a reset.
///
/// Read to its end, it gives the connection back for another request, if both sides allow it;
/// dropped earlier, or failed, it closes the connection.
pub struct ReplyBody {
    incoming: Incoming,
    /// Until the body has ended or failed.
    lease: Option<Lease>,
    timeout: Duration,
    /// Runs while a reader waits.
    clock: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    numbers: Arc<Numbers>,
}

/// A connection, and what decides whether it may be used again.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) course: Arc<Course>,
}

impl Lease {
    /// The answer has ended. What the origin has not taken of the request by now is abandoned, and the
    /// connection with it.
    fn end(self) {
        if self.course.has_ended() {
            Pool::give_back(self.connection);
        }
    }
}

impl ReplyBody {
    /// Without a lease there is nothing to read.
    pub(crate) fn new(incoming: Incoming, lease: Option<Lease>, timeout: Duration, numbers: Arc<Numbers>) -> ReplyBody {
        let mut body = ReplyBody { incoming, lease, timeout, clock: None, waiting: false, numbers };
        body.end_if_over();
        body
    }

    fn end_if_over(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.end();
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lease = None;
        count(if matches!(error, BodyError::Timeout) { &self.numbers.timeouts } else { &self.numbers.failures });
        Poll::Ready(Some(Err(error)))
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if !self.waiting {
            clock.as_mut().reset(Instant::now() + timeout);
            self.waiting = true;
        }
        clock.as_mut().poll(cx)
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.lease.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                this.end_if_over();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(explain_body(&error)),
            Poll::Ready(None) => {
                if let Some(lease) = this.lease.take() {
                    lease.end();
                }
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_late(cx) {
                Poll::Ready(()) => this.fail(BodyError::Timeout),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.lease {
            Some(_) => self.incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("ended", &self.lease.is_none()).finish_non_exhaustive()
    }
}
