//! The body of a request on its way out, and how far it has come.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Version};
use http_body::{Body as _, Frame, SizeHint};
use terms::{Body, BodyError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A request's body that tells its [`Course`] when hyper has taken the last of it.
pub(crate) struct Upload {
    body: Body,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    course: Arc<Course>,
}

/// How far a request's body has come: seen by the exchange while hyper holds the body itself.
#[derive(Default)]
pub(crate) struct Course {
    stage: AtomicU8,
    over: Notify,
    ended: OnceLock<Instant>,
    failure: OnceLock<BodyError>,
}

const OPEN: u8 = 0;
const ENDED: u8 = 1;
const ABANDONED: u8 = 2;

impl Course {
    /// Every byte of the body was taken.
    pub(crate) fn has_ended(&self) -> bool {
        self.stage.load(Ordering::Acquire) == ENDED
    }

    /// When the last byte of the body was taken.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.ended.get().copied()
    }

    /// Returns when no more of the body will be taken, because it ended or was given up. For one
    /// waiter.
    pub(crate) async fn over(&self) {
        while self.stage.load(Ordering::Acquire) == OPEN {
            self.over.notified().await;
        }
    }

    /// What the client's side did wrong, if it is that which failed.
    pub(crate) fn failure(&self) -> Option<BodyError> {
        self.failure.get().cloned()
    }

    fn close(&self, stage: u8) {
        if self.stage.compare_exchange(OPEN, stage, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            if stage == ENDED {
                let _ = self.ended.set(Instant::now());
            }
            self.over.notify_one();
        }
    }
}

/// Makes a request ready for the wire: HTTP/1.1, and framed by what its body says of its length.
///
/// The framing fields are set here whatever the caller left in them: hyper obeys those it finds, and
/// without them sends no body at all with a GET whose length is unknown.
pub(crate) fn prepare(request: Request<Body>) -> Request<Upload> {
    let (mut head, body) = request.into_parts();
    let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
    head.version = Version::HTTP_11;
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRANSFER_ENCODING);
    match length {
        // RFC 9110 section 8.6: a method that means something with content says so when it has none.
        Some(0) if !matches!(head.method, Method::POST | Method::PUT | Method::PATCH) => {}
        Some(length) => {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    let body = if length == Some(0) { Body::Empty } else { body };
    Request::from_parts(head, Upload::new(body, length))
}

/// In a request's extensions: its method doesn't tell whether it may be repeated.
#[derive(Clone, Copy)]
pub(crate) struct Once;

/// The same request a second time, if it has no body and its method may be repeated without asking
/// (RFC 9110 section 9.2.2), and tells what is asked for.
pub(crate) fn repeatable(request: &Request<Upload>) -> Option<Request<Upload>> {
    let may_be = request.method().is_idempotent() && request.extensions().get::<Once>().is_none();
    if !may_be || request.body().left != Some(0) {
        return None;
    }
    let mut again = Request::new(Upload::new(Body::Empty, Some(0)));
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

impl Upload {
    fn new(body: Body, left: Option<u64>) -> Upload {
        let course = Arc::new(Course::default());
        if left == Some(0) {
            course.close(ENDED);
        }
        Upload { body, left, course }
    }

    pub(crate) fn course(&self) -> &Arc<Course> {
        &self.course
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let _ = this.course.failure.set(error.clone());
                this.course.close(ABANDONED);
                return Poll::Ready(Some(Err(error)));
            }
            None => {
                match this.left {
                    // hyper notices as well, but can't say whose fault it is.
                    Some(left) if left > 0 => {
                        let _ = this.course.failure.set(BodyError::Incomplete);
                        this.course.close(ABANDONED);
                    }
                    _ => this.course.close(ENDED),
                }
                return Poll::Ready(None);
            }
        };
        if let (Some(left), Some(data)) = (&mut this.left, frame.data_ref()) {
            *left = left.saturating_sub(data.len() as u64);
        }
        // hyper asks no further once it has as many bytes as the length says, the trailers, or a body
        // that knows that it is at its end.
        let at_end = frame.is_trailers() || this.body.is_end_stream();
        if this.left == Some(0) || (this.left.is_none() && at_end) {
            this.course.close(ENDED);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.course.close(ABANDONED);
    }
}
