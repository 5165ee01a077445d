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
    /// When the wait began.
    since: Option<Instant>,
    kind: Option<Waiting>,
    sending: Credit,
    taking: Credit,
    timer: Option<Pin<Box<Sleep>>>,
    pub(super) ran_out: Option<Waiting>,
}

impl Patience {
    /// `min_rate`: bytes a second.
    pub(super) fn new(head: Duration, idle: Duration, min_rate: u64) -> Patience {
        let credit = || Credit::new(idle, min_rate);
        Patience {
            head,
            idle,
            since: None,
            kind: None,
            sending: credit(),
            taking: credit(),
            timer: None,
            ran_out: None,
        }
    }

    /// The client sent so many bytes.
    pub(super) fn read(&mut self, count: usize) {
        match self.kind {
            // The whole head has one deadline: sending a byte now and then does not move it.
            Some(Waiting::RestOfHead) => {}
            Some(Waiting::Body) => self.sending.earn(count, Instant::now),
            _ => self.since = None,
        }
    }

    pub(super) fn poll_reading(&mut self, cx: &mut Context<'_>, waiting: Waiting) -> Poll<io::Result<()>> {
        if self.kind != Some(waiting) {
            self.kind = Some(waiting);
            self.since = None;
            self.sending.renew();
        }
        match waiting {
            // The edge's own deadlines hold here.
            Waiting::Answer => Poll::Pending,
            Waiting::RestOfHead => self.poll_since(cx, self.head, waiting),
            Waiting::Request => self.poll_since(cx, self.idle, waiting),
            Waiting::Body => {
                let now = Instant::now();
                let deadline = self.sending.deadline(now);
                self.poll(cx, now, deadline, waiting)
            }
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
        let deadline = self.taking.deadline(now);
        self.poll(cx, now, deadline, Waiting::Answer)
    }

    /// The client took so many bytes. While it does, it is not waited for.
    pub(super) fn wrote(&mut self, count: usize) {
        self.taking.earn(count, Instant::now);
        self.sending.pause(Instant::now);
        if self.kind != Some(Waiting::RestOfHead) {
            self.since = None;
        }
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

/// How long a client may still be waited for: the idle time at first. Waiting uses it up, and each byte brings
/// back what it may take at the least rate. So a client may rest as long as an idle one, but not drip.
pub(super) struct Credit {
    most: Duration,
    left: Duration,
    /// Bytes a second; 0: any byte brings back all.
    min_rate: u64,
    since: Option<Instant>,
}

impl Credit {
    pub(super) fn new(most: Duration, min_rate: u64) -> Credit {
        Credit { most, left: most, min_rate, since: None }
    }

    /// When it is used up, if nothing comes: the wait has begun.
    pub(super) fn deadline(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// So many bytes came. What time it is matters only after a wait.
    pub(super) fn earn(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        self.pause(now);
        if self.left < self.most {
            let nanos = (bytes as u64).saturating_mul(1_000_000_000).checked_div(self.min_rate);
            self.left = nanos.map_or(self.most, |nanos| self.most.min(self.left + Duration::from_nanos(nanos)));
        }
    }

    /// The wait is over, or is not the client's.
    fn pause(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now().saturating_duration_since(since));
        }
    }

    fn renew(&mut self) {
        self.since = None;
        self.left = self.most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 1,000 bytes a second and 10 s of idle time: after which waits for how many bytes is how much left.
    #[test]
    fn waiting_uses_up_what_bytes_bring_back() {
        let second = Duration::from_secs(1);
        for (min_rate, waits, left) in [
            (1000, &[(4, 0)][..], 6),
            (1000, &[(4, 2000)], 8),
            (1000, &[(4, 50_000)], 10),
            (1000, &[(3, 1000), (3, 1000)], 6),
            (1000, &[(0, 50_000), (9, 1000)], 2),
            (0, &[(9, 1)], 10),
        ] {
            let mut credit = Credit::new(10 * second, min_rate);
            let mut now = Instant::now();
            for (wait, bytes) in waits {
                credit.deadline(now);
                now += *wait * second;
                credit.earn(*bytes, || now);
            }
            assert_eq!(credit.deadline(now), now + left * second, "{min_rate} {waits:?}");
        }
    }

    #[test]
    fn who_drips_is_given_up() {
        let mut credit = Credit::new(Duration::from_secs(10), 100);
        let begun = Instant::now();
        let mut now = begun;
        loop {
            let deadline = credit.deadline(now);
            now += Duration::from_millis(500);
            if deadline <= now {
                break;
            }
            assert!(now - begun < Duration::from_secs(12), "it is waited for for ever");
            credit.earn(1, || now);
        }
        assert!(now - begun >= Duration::from_secs(10), "{:?}", now - begun);
    }
}
