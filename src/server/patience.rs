//! How long a client may make us wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::preface::Waiting;

/// The client's time. One timer a connection, moved only when it fires, so that a
/// request costs none.
pub(super) struct Patience {
    head: Duration,
    idle: Duration,
    /// When the client last did something, or the wait for it began.
    since: Option<Instant>,
    kind: Option<Waiting>,
    /// Since when the client has taken no byte of what is written to it.
    stalled: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    pub(super) ran_out: Option<Waiting>,
}

impl Patience {
    pub(super) fn new(head: Duration, idle: Duration) -> Patience {
        Patience { head, idle, since: None, kind: None, stalled: None, timer: None, ran_out: None }
    }

    pub(super) fn progressed(&mut self) {
        self.since = match self.kind {
            // The whole head has one deadline: sending a byte now and then does not move it.
            Some(Waiting::RestOfHead) => self.since,
            _ => None,
        };
    }

    pub(super) fn poll_reading(&mut self, cx: &mut Context<'_>, waiting: Waiting) -> Poll<io::Result<()>> {
        if self.kind != Some(waiting) {
            self.kind = Some(waiting);
            self.since = None;
        }
        match waiting {
            // The edge's own deadlines hold here.
            Waiting::Answer => Poll::Pending,
            Waiting::RestOfHead => self.poll_since(cx, self.head, waiting),
            Waiting::Request | Waiting::Body => self.poll_since(cx, self.idle, waiting),
        }
    }

    fn poll_since(&mut self, cx: &mut Context<'_>, allowed: Duration, waiting: Waiting) -> Poll<io::Result<()>> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.poll(cx, now, since + allowed, waiting)
    }

    /// A peer that takes no byte for the idle time is given up, whatever it sends meanwhile.
    pub(super) fn poll_writing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        let stalled = *self.stalled.get_or_insert(now);
        self.poll(cx, now, stalled + self.idle, Waiting::Answer)
    }

    pub(super) fn wrote(&mut self) {
        self.stalled = None;
        self.progressed();
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        deadline: Instant,
        waiting: Waiting,
    ) -> Poll<io::Result<()>> {
        if now >= deadline {
            self.ran_out = Some(waiting);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(deadline);
            if timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}
