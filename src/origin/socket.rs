//! The stream beneath hyper: what comes and goes is seen here before hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::stream::Stream;

/// What is known of a connection from its bytes, whatever hyper makes of them.
#[derive(Default)]
pub(crate) struct Traffic {
    due: AtomicU64,
    answering: AtomicBool,
    write_failed: AtomicBool,
    exceeded: AtomicBool,
}

/// Which answer is due on a connection: that to the so-manieth request, from 1; its lowest bit says that
/// the answer has no content, whatever its head says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due(u64);

impl Due {
    pub(crate) fn to_head(self) -> bool {
        self.0 & 1 != 0
    }
}

impl Traffic {
    /// A new request goes out: no byte of its answer has come.
    pub(crate) fn begin(&self, method: &Method) {
        self.answering.store(false, Ordering::Release);
        let number = (self.due.load(Ordering::Relaxed) >> 1) + 1;
        self.due.store(number << 1 | u64::from(method == Method::HEAD), Ordering::Release);
    }

    pub(crate) fn due(&self) -> Due {
        Due(self.due.load(Ordering::Acquire))
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Acquire)
    }

    /// Bytes came that belong to no answer.
    pub(crate) fn exceed(&self) {
        self.exceeded.store(true, Ordering::Release);
    }

    /// Whether it may carry another exchange.
    pub(crate) fn is_fit(&self) -> bool {
        !self.write_failed.load(Ordering::Acquire) && !self.exceeded.load(Ordering::Acquire)
    }
}

/// A stream that gives up writing to a peer that takes nothing, and that goes on reading when
/// writing has failed.
///
/// An origin that refuses an upload answers, closes, and resets what still comes in; its answer then
/// stands in our receive buffer while our writes fail. hyper would end the connection on the first
/// failed write and lose that answer. So a failed write is held back (`Pending`) and reading decides:
/// it finds the answer, the end or the reset. If it finds nothing, the failure is told after
/// `patience`.
pub(crate) struct Socket {
    stream: Stream,
    traffic: Arc<Traffic>,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    failure: Option<io::Error>,
}

impl Socket {
    /// `patience`: how long the peer may take no byte while there are some to send.
    pub(crate) fn new(stream: Stream, traffic: Arc<Traffic>, patience: Duration) -> Socket {
        Socket { stream, traffic, patience, stalled: None, failure: None }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(count)) => {
                self.stalled = None;
                return Poll::Ready(Ok(count));
            }
            Poll::Ready(Err(error)) => {
                self.traffic.write_failed.store(true, Ordering::Release);
                self.failure = Some(error);
            }
            Poll::Pending => {}
        }
        self.poll_stalled(cx)
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !stalled.is_elapsed() {
            ready!(stalled.as_mut().poll(cx));
        }
        // While it answers, the answer's reader has the clock.
        if self.traffic.is_answering() {
            return Poll::Pending;
        }
        let stall = || io::Error::new(io::ErrorKind::TimedOut, "the peer took no byte of the request in time");
        Poll::Ready(Err(self.failure.take().unwrap_or_else(stall)))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.traffic.answering.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.failure.is_some() {
            return this.poll_stalled(cx);
        }
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.failure.is_some() {
            return this.poll_stalled(cx);
        }
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
