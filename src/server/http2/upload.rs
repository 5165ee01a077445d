//! The body of a request on a stream, as it arrives.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Frame, SizeHint};
use terms::BodyError;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use crate::server::patience::Credit;

pub(super) struct Upload {
    stream: RecvStream,
    /// Bytes still to come, where the client said how many: h2 holds it to that.
    left: Option<u64>,
    /// How long the client may take for its next bytes.
    patience: Credit,
    timer: Option<Pin<Box<Sleep>>>,
    /// Told once, when the first bytes are asked for.
    wanted: Option<Arc<Notify>>,
}

impl Upload {
    pub(super) fn new(stream: RecvStream, left: Option<u64>, patience: Credit, wanted: Option<Arc<Notify>>) -> Upload {
        Upload { stream, left, patience, timer: None, wanted }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.patience.deadline(Instant::now());
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline))).as_mut().poll(cx)
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(wanted) = self.wanted.take() {
            wanted.notify_one();
        }
        let data = match self.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => data,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(why(&error)))),
            // Trailers are not passed on.
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return self.poll_timer(cx).map(|()| Some(Err(BodyError::Timeout))),
        };
        self.timer = None;
        self.patience.earn(data.len(), Instant::now);
        // The window opens as bytes are taken on, so that no more than it waits here. It can't open by more
        // than came in.
        let _ = self.stream.flow_control().release_capacity(data.len());
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn why(error: &h2::Error) -> BodyError {
    match error.reason() {
        Some(Reason::PROTOCOL_ERROR | Reason::FLOW_CONTROL_ERROR) if error.is_library() => BodyError::Malformed,
        _ => BodyError::Incomplete,
    }
}
