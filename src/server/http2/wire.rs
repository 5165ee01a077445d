//! The IO type beneath h2: sees every frame in and out, and how long the client makes us wait.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::frames::{Kind, Seen, Walk};
use super::ledger::Ledger;
use super::toll::Toll;
use crate::server::accept::Limits;

/// What the IO type, the task that drives a connection, and those of its streams know together.
pub(super) struct Link {
    pub(super) ledger: Ledger,
    /// A flood came in: nothing more of the connection is read.
    pub(super) flooded: Notify,
    /// A stream was cut, and the frame that says so can't be written.
    pub(super) overdue: Notify,
    inbound: Mutex<Inbound>,
}

struct Inbound {
    walk: Walk,
    toll: Toll,
    is_shut: bool,
    /// Since when the connection's first frame, or the rest of a head, has been awaited.
    head_since: Option<Instant>,
    /// Since when the client has taken no byte of what is written to it.
    stalled_since: Option<Instant>,
}

/// What a client took too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooSlow {
    Head,
    Taking,
    Asking,
}

impl Link {
    pub(super) fn new(ledger: Ledger, now: Instant) -> Link {
        let inbound = Inbound {
            walk: Walk::of_client(),
            toll: Toll::new(now),
            is_shut: false,
            head_since: Some(now),
            stalled_since: None,
        };
        Link { ledger, flooded: Notify::new(), overdue: Notify::new(), inbound: Mutex::new(inbound) }
    }

    /// Whether `bytes` that came in may go on to h2.
    fn admit(&self, bytes: &[u8]) -> bool {
        let now = Instant::now();
        let mut inbound = self.inbound.lock();
        let (mut walk, mut admitted) = (inbound.walk, true);
        walk.along(bytes, |seen| match seen {
            Seen::Begun(frame) => {
                admitted &= inbound.toll.pay(&frame, now);
                if frame.kind == Kind::Headers {
                    inbound.head_since.get_or_insert(now);
                }
            }
            Seen::Ended(frame, _) if frame.kind == Kind::Settings || frame.ends_headers() => inbound.head_since = None,
            Seen::Passed(..) | Seen::Ended(..) => {}
        });
        inbound.walk = walk;
        inbound.is_shut = !admitted;
        admitted
    }

    fn is_shut(&self) -> bool {
        self.inbound.lock().is_shut
    }

    fn took(&self, earned: u32) {
        let mut inbound = self.inbound.lock();
        inbound.stalled_since = None;
        inbound.toll.earn(earned);
    }

    fn stalled(&self) {
        self.inbound.lock().stalled_since.get_or_insert_with(Instant::now);
    }

    /// Whether the client has had its time; if not, when to look again. `idle`: since when no
    /// stream is open, and how long that may last.
    pub(super) fn patience(&self, limits: &Limits, idle: (Option<Instant>, Duration)) -> Result<Instant, TooSlow> {
        let inbound = self.inbound.lock();
        let now = Instant::now();
        let waits: [(Option<Instant>, Duration, TooSlow); 3] = [
            (inbound.head_since, limits.head_timeout, TooSlow::Head),
            (inbound.stalled_since, limits.idle_timeout, TooSlow::Taking),
            (idle.0, idle.1, TooSlow::Asking),
        ];
        // Whatever begins from now on is not over before this.
        let mut look_again = now + limits.head_timeout.min(limits.idle_timeout).min(idle.1);
        for (since, allowed, kind) in waits {
            let Some(since) = since else { continue };
            let deadline = since + allowed;
            if deadline <= now {
                return Err(kind);
            }
            look_again = look_again.min(deadline);
        }
        Ok(look_again)
    }
}

pub(super) struct Wire<T> {
    stream: T,
    link: Arc<Link>,
}

impl<T> Wire<T> {
    pub(super) fn new(stream: T, link: Arc<Link>) -> Wire<T> {
        Wire { stream, link }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whoever drives the connection was told, and ends it.
        if this.link.is_shut() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if this.link.admit(&buffer.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        buffer.set_filled(before);
        this.link.flooded.notify_one();
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write_vectored(cx, buffers) {
            Poll::Ready(Ok(count)) => {
                let earned = this.link.ledger.wrote(buffers, count);
                this.link.took(earned);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.link.ledger.offered(buffers);
                this.link.stalled();
                Poll::Pending
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => {
                this.link.stalled();
                return Poll::Pending;
            }
        }
        this.link.took(0);
        this.link.ledger.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
