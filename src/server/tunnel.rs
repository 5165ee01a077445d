//! A tunnel on a client's connection: HTTP has ended there, and bytes are copied both ways until either side
//! ends, a rule cuts it, or nothing moves for too long.
//!
//! The task that owned the connection goes on to own both ends, so that a cut ends both at once. No byte a
//! client sent behind its request goes anywhere before the origin has agreed.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use block::{Blocked, Lane};
use parking_lot::Mutex;
use terms::Tunnel;
use terms::tunnel::FarEnd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use super::accept::Stop;
use super::connection::reset;
use super::leave::{Left, leave};
use super::progress::Progress;
use super::wire::Transport;
use crate::witness::{Draft, End, Outcome};

/// A tunnel that both sides agreed to, and of which the client doesn't know yet.
pub(super) struct Agreed {
    /// The head that tells it.
    pub(super) head: Vec<u8>,
    pub(super) tunnel: Tunnel,
    pub(super) draft: Option<Box<Draft>>,
}

/// By which the answer to a request tells its connection's task that HTTP ends here.
#[derive(Default)]
pub(super) struct Switch {
    agreed: Mutex<Option<Agreed>>,
    rings: Notify,
}

impl Switch {
    /// Never resolves: hyper, which waits for it, has no more to write on this connection.
    pub(super) async fn throw<T>(&self, agreed: Agreed) -> T {
        *self.agreed.lock() = Some(agreed);
        self.rings.notify_one();
        pending().await
    }

    pub(super) async fn thrown(&self) {
        self.rings.notified().await;
    }

    pub(super) fn take(&self) -> Option<Agreed> {
        self.agreed.lock().take()
    }
}

/// How a tunnel ended.
enum Ended {
    /// Both sides ended what they send, and all of it was passed on.
    InOrder,
    /// A side is gone, or silent, or had its time.
    Early,
    /// The origin's connection failed.
    Broken,
    /// The client takes nothing of what is there for it.
    Stalled,
    Cut(Vec<Blocked>),
}

/// When one side has ended, the other has this long for each thing it still says.
const ONE_WAY_IDLE: Duration = Duration::from_secs(10);

/// Both ends, and what is on its way between them.
pub(super) struct Tunnelling<T> {
    near: T,
    far: FarEnd,
    up: Way,
    down: Way,
    idle: Duration,
    /// When something moved last.
    moved: Instant,
    timer: Pin<Box<Sleep>>,
    progress: Arc<Progress>,
    draft: Option<Box<Draft>>,
    /// Bytes of the head, and all bytes written to the client.
    head: u64,
    written: u64,
}

impl<T: Transport> Tunnelling<T> {
    /// `early` is what the client sent behind its request.
    pub(super) fn new(agreed: Agreed, near: T, early: Vec<u8>, progress: Arc<Progress>) -> Tunnelling<T> {
        let Agreed { head, tunnel: Tunnel { far, idle }, draft } = agreed;
        Tunnelling {
            near,
            far,
            head: head.len() as u64,
            up: Way::beginning_with(early),
            down: Way::beginning_with(head),
            idle,
            moved: Instant::now(),
            timer: Box::pin(sleep(idle)),
            progress,
            draft,
            written: 0,
        }
    }

    /// Copies until the end, and has the record made.
    pub(super) async fn run(mut self, lane: &Lane, stop: &Stop) {
        let ended = loop {
            tokio::select! {
                biased;
                blocked = lane.blocked() => {
                    // Answers before it may have arrived meanwhile; a tunnel never has.
                    self.progress.arrived(net::unsent(self.near.tcp()).unwrap_or(0));
                    if lane.is_blocked() {
                        break Ended::Cut(blocked);
                    }
                }
                () = stop.ending.signaled() => break Ended::Early,
                ended = poll_fn(|cx| self.poll(cx)) => break ended,
            }
        };
        self.end(ended, lane, stop).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let Tunnelling { near, far, progress, written, .. } = self;
        let before = *written + self.up.written;
        let up = self.up.poll(cx, near, far, |_| {});
        let down = self.down.poll(cx, far, near, |bytes| {
            *written += bytes.len() as u64;
            progress.wrote(&[IoSlice::new(bytes)], bytes.len());
        });
        if self.written + self.up.written > before {
            self.moved = Instant::now();
        }
        let allowed = match (up, down) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ended::InOrder),
            (_, Poll::Ready(Err(Failed::Reading))) => return Poll::Ready(Ended::Broken),
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(Ended::Early),
            (Poll::Pending, Poll::Pending) => self.idle,
            _ => self.idle.min(ONE_WAY_IDLE),
        };
        self.poll_idle(cx, allowed).map(|()| Ended::Early)
    }

    /// The timer is set anew only when it fires, or is due too late.
    fn poll_idle(&mut self, cx: &mut Context<'_>, allowed: Duration) -> Poll<()> {
        let deadline = self.moved + allowed;
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
    }

    /// Ends both sides, and then tells of it.
    async fn end(self, ended: Ended, lane: &Lane, stop: &Stop) {
        let Tunnelling { near, far, progress, draft, head, written, .. } = self;
        drop(far);
        // What the kernel holds for the client goes out whatever ended the tunnel, unless a rule forbids it.
        let ended = match ended {
            Ended::Cut(_) => ended,
            _ => match leave(near.tcp(), lane, &progress, stop, ONE_WAY_IDLE).await {
                Left::Sent => ended,
                Left::Blocked(blocked) => Ended::Cut(blocked),
                Left::Stalled => Ended::Stalled,
            },
        };
        let thrown = match ended {
            Ended::Cut(_) | Ended::Stalled => reset(near),
            Ended::InOrder | Ended::Early | Ended::Broken => 0,
        };
        let thrown_before = thrown.saturating_sub(written);
        match &ended {
            Ended::Cut(blocked) => progress.cut(blocked, thrown_before),
            _ => progress.close(thrown_before),
        }
        let Some(draft) = draft else { return };
        let ticket = draft.ticket();
        let outcome = match &ended {
            Ended::Cut(blocked) => match blocked.iter().find(|one| Some(one.ticket) == ticket) {
                Some(one) => Outcome::Cut(one.ruling.clone()),
                None => Outcome::Broken,
            },
            Ended::Broken => Outcome::Broken,
            Ended::InOrder | Ended::Early | Ended::Stalled => Outcome::AsAnswered,
        };
        draft.end(End {
            bytes: written.saturating_sub(thrown).saturating_sub(head),
            complete: matches!(ended, Ended::InOrder),
            outcome,
            list: ticket.and_then(|ticket| lane.list(ticket)),
        });
    }
}

/// One way of a tunnel.
struct Way {
    /// Read, of which the first `sent` bytes are written: one read at most, and what it began with.
    held: Vec<u8>,
    sent: usize,
    written: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Open,
    /// The reader's side has ended; the writer's is to be told.
    Ending,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failed {
    Reading,
    Writing,
}

thread_local! {
    /// Where bytes are read to: one a thread, so that tunnels in which nothing moves hold no buffers.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 16 * 1024].into_boxed_slice());
}

impl Way {
    fn beginning_with(held: Vec<u8>) -> Way {
        Way { held, sent: 0, written: 0, stage: Stage::Open }
    }

    /// Moves what can be moved now, and tells `wrote` of what was written. Ready when the reader's side has
    /// ended and the writer's has been told.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mut wrote: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Failed>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.sent < self.held.len() {
                let count = match ready!(Pin::new(&mut *to).poll_write(cx, &self.held[self.sent..])) {
                    Ok(count) if count > 0 => count,
                    _ => return Poll::Ready(Err(Failed::Writing)),
                };
                wrote(&self.held[self.sent..self.sent + count]);
                self.sent += count;
                self.written += count as u64;
            }
            self.held.clear();
            self.sent = 0;
            match self.stage {
                Stage::Open => match self.poll_read(cx, from) {
                    Poll::Ready(Ok(0)) => self.stage = Stage::Ending,
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed::Reading)),
                    Poll::Pending => {
                        self.held = Vec::new();
                        // TLS holds what it was given until it is told to send it.
                        return match ready!(Pin::new(&mut *to).poll_flush(cx)) {
                            Ok(()) => Poll::Pending,
                            Err(_) => Poll::Ready(Err(Failed::Writing)),
                        };
                    }
                },
                Stage::Ending => match ready!(Pin::new(&mut *to).poll_shutdown(cx)) {
                    Ok(()) => self.stage = Stage::Ended,
                    Err(_) => return Poll::Ready(Err(Failed::Writing)),
                },
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut (impl AsyncRead + Unpin)) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut read))?;
            self.held.extend_from_slice(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// Runs one way from what a test writes to what it reads, through streams that hold `room` bytes.
    async fn pass(early: &[u8], sent: &[u8], room: usize) -> (Vec<u8>, Vec<u8>) {
        let ((mut from, mut client), (mut to, mut origin)) = (duplex(room), duplex(room));
        let mut way = Way::beginning_with(early.to_vec());
        let mut told = Vec::new();
        let feed = async {
            client.write_all(sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let copy = poll_fn(|cx| way.poll(cx, &mut from, &mut to, |bytes| told.extend_from_slice(bytes)));
        let (copied, (), read) = tokio::join!(copy, feed, origin.read_to_end(&mut got));
        assert_eq!((copied, read.is_ok()), (Ok(()), true));
        (got, told)
    }

    #[tokio::test]
    async fn what_was_there_comes_first_and_nothing_is_lost() {
        let sent: Vec<u8> = (0..100_000_u32).map(|one| one as u8).collect();
        for room in [1, 1000, 1 << 20] {
            let sent = &sent[..sent.len().min(room * 1000)];
            let (got, told) = pass(b"early", sent, room).await;
            assert_eq!(got, [b"early", sent].concat(), "with room for {room}");
            assert_eq!(told, got, "what is told is what was written");
        }
    }

    #[tokio::test]
    async fn a_way_says_which_side_failed() {
        let ((mut from, mut client), (mut to, origin)) = (duplex(64), duplex(64));
        drop(origin);
        client.write_all(b"x").await.unwrap();
        let mut way = Way::beginning_with(Vec::new());
        assert_eq!(poll_fn(|cx| way.poll(cx, &mut from, &mut to, |_| {})).await, Err(Failed::Writing));
    }

    #[tokio::test]
    async fn a_way_at_rest_holds_no_buffer() {
        let ((mut from, mut client), (mut to, _origin)) = (duplex(64), duplex(64));
        client.write_all(b"x").await.unwrap();
        let mut way = Way::beginning_with(Vec::new());
        let polled = poll_fn(|cx| Poll::Ready(way.poll(cx, &mut from, &mut to, |_| {}))).await;
        assert_eq!((polled, way.held.capacity(), way.written), (Poll::Pending, 0, 1));
    }
}
