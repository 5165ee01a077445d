//! HTTP/2 towards clients (RFC 9113): one connection, and the streams on it.
//!
//! h2 speaks the protocol on an IO type of ours ([`wire`]). It is used without hyper's layer above it,
//! because a cut must reset a stream whose window is closed, which that layer asks for nothing then, and
//! because what has left is counted by stream ([`ledger`]).
//!
//! What keeps a client from wearing the edge down:
//!
//! | by | bound |
//! |---|---|
//! | streams | [`MAX_STREAMS`] at once; h2 refuses more |
//! | streams that are taken back (CVE-2023-44487) | [`MAX_RESET_AHEAD`] before they are accepted, and [`toll`] |
//! | streams that the edge is made to reset (CVE-2025-8671) | [`MAX_RESETS_OF_OURS`] |
//! | a head without end (CVE-2024-27316) | h2 counts CONTINUATION by the size a list may have; `head_timeout` |
//! | heads that unpack to much | `max_head`, `max_fields`, `max_target` by [`head`]; h2 keeps none beyond [`list_size`] |
//! | SETTINGS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, unknown frames | [`toll`]; h2 reads on when it has answered |
//! | empty and tiny DATA | h2 lets 100 be empty, and of tiny ones what they cost it in memory |
//! | bodies that nobody takes | [`STREAM_WINDOW`], [`WINDOW`] |
//! | windows that never open | [`SEND_BUFFER`] a stream, and `idle_timeout` |
//! | a connection that nothing is asked on, PINGs or not | `idle_timeout` |

mod frames;
mod head;
mod ledger;
mod stream;
mod toll;
mod upload;
mod wire;

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection};
use terms::Peer;
use terms::wire::head::Limits;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::accept::{Edge, Stop};
use super::refuse;
use super::wire::Transport;
use crate::telemetry::Protocol;
use ledger::Ledger;
use stream::Shared;
use wire::{Link, TooSlow, Wire};

pub(super) use frames::PREFACE;

/// The reasons by which what is refused here alone is counted.
pub(super) const REFUSED: [&str; 3] = [FLOOD, BROKEN, MALFORMED];
/// More work than a client's requests account for.
const FLOOD: &str = "http2-flood";
/// The connection breaks the protocol.
const BROKEN: &str = "http2-protocol";
/// A request does.
const MALFORMED: &str = "http2-malformed";

/// What RFC 9113 section 6.5.2 advises at least, and what a page of pictures wants.
const MAX_STREAMS: u32 = 100;

/// Streams that were taken back before the edge has seen them: a client that sends both in one breath
/// does not want an answer.
const MAX_RESET_AHEAD: usize = 20;

/// Streams on which a client broke the protocol, in a connection's life.
const MAX_RESETS_OF_OURS: usize = 256;

/// Bytes that h2 takes of an answer ahead of the socket: enough for a few frames.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes of a request body that may wait here, on a stream and on all of them: an upload goes as fast as
/// 128 KiB a round trip, and a connection holds no more than two such.
const STREAM_WINDOW: u32 = 128 * 1024;
const WINDOW: u32 = 256 * 1024;

/// Bytes that the kernel holds unsent before it takes no more. So a stream that is cut has little there
/// which can't be taken back, and a stream that is asked for late is not stuck behind another's body.
const UNSENT: u32 = 64 * 1024;

/// A client that is told to go is given this long to take it.
const FAREWELL: Duration = Duration::from_secs(2);

/// What h2 keeps of a head, by the measure of RFC 9113 section 6.5.2, which counts 32 bytes a field. Twice
/// what may go on: of most heads that are too large, method and host are there for the record.
fn list_size(limits: &Limits) -> u32 {
    u32::try_from(2 * limits.head + 32 * limits.fields).unwrap_or(u32::MAX)
}

/// How a connection ends.
enum Ending {
    /// It has ended.
    Over,
    /// With a GOAWAY.
    Told(Reason),
    /// At once, and what the kernel holds is thrown away.
    Reset,
}

/// Serves a connection until either side ends it.
pub(super) async fn drive<T: Transport>(stream: T, peer: Peer, edge: Arc<Edge>, stop: Stop) {
    // Were it refused, cuts would be coarser: the whole connection goes.
    let _ = socket2::SockRef::from(stream.tcp()).set_tcp_notsent_lowat(UNSENT);
    let _speaks = edge.numbers.speaks(Protocol::Http2);
    let socket = stream.tcp().as_raw_fd();
    let limits = edge.limits();
    let link = Arc::new(Link::new(Ledger::new(edge.numbers.clone()), Instant::now()));
    let handshake = Builder::new()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(list_size(&limits.head))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESET_AHEAD)
        .max_local_error_reset_streams(Some(MAX_RESETS_OF_OURS))
        .handshake::<_, Bytes>(Wire::new(stream, link.clone()));
    let connection = tokio::select! {
        () = stop.ending.signaled() => return,
        connection = timeout(limits.head_timeout, handshake) => connection,
    };
    let connection = match connection {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) if error.is_io() => return,
        Ok(Err(_)) => return edge.numbers.refused(BROKEN),
        Err(_) => return edge.numbers.refused(refuse::Reason::TooSlow.word()),
    };
    let shared = Arc::new(Shared { edge, limits, peer, link });
    Driving { connection, socket, shared, streams: JoinSet::new() }.run(stop).await;
}

struct Driving<T> {
    connection: Connection<Wire<T>, Bytes>,
    socket: RawFd,
    shared: Arc<Shared>,
    streams: JoinSet<()>,
}

impl<T: Transport> Driving<T> {
    async fn run(mut self, stop: Stop) {
        let mut ending = self.serve(stop).await;
        if let Ending::Told(reason) = ending {
            self.connection.abrupt_shutdown(reason);
            let closed = std::future::poll_fn(|cx| self.connection.poll_closed(cx));
            if timeout(FAREWELL, closed).await.is_err() {
                ending = Ending::Reset;
            }
        }
        let Driving { connection, socket, shared, streams } = self;
        let is_reset = matches!(ending, Ending::Reset);
        // SAFETY: `connection` owns the socket, and is dropped below.
        let borrowed = unsafe { BorrowedFd::borrow_raw(socket) };
        let unsent = net::unsent(borrowed).unwrap_or(0);
        if is_reset {
            // Lingering for no time is what turns a close into a reset (socket(7)).
            let _ = socket2::SockRef::from(&borrowed).set_linger(Some(Duration::ZERO));
        }
        drop(connection);
        shared.link.ledger.close(if is_reset { unsent } else { 0 }, is_reset);
        // What streams are still asked is not answered any more.
        drop(streams);
    }

    async fn serve(&mut self, stop: Stop) -> Ending {
        let shared = self.shared.clone();
        let mut draining = pin!(stop.draining.signaled());
        let mut ending = pin!(stop.ending.signaled());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut idle_since = Some(Instant::now());
        let mut idle_timeout = shared.limits.idle_timeout;
        let mut told_to_end = false;
        loop {
            tokio::select! {
                biased;
                () = &mut ending => return Ending::Over,
                () = shared.link.flooded.notified() => return Ending::Told(Reason::ENHANCE_YOUR_CALM),
                () = shared.link.overdue.notified() => if !self.settle_overdue() {
                    return Ending::Reset;
                },
                () = &mut draining, if !told_to_end => {
                    told_to_end = true;
                    self.connection.graceful_shutdown();
                    // What the client asked before it was told has this long to come in.
                    idle_timeout = idle_timeout.min(FAREWELL);
                    idle_since = idle_since.map(|_| Instant::now());
                    timer.as_mut().reset(Instant::now());
                }
                accepted = self.connection.accept() => match accepted {
                    Some(Ok((request, respond))) => {
                        idle_since = None;
                        self.streams.spawn(stream::serve(shared.clone(), request, respond));
                    }
                    Some(Err(_)) | None => return Ending::Over,
                },
                Some(_) = self.streams.join_next() => {
                    idle_since = self.streams.is_empty().then(Instant::now);
                }
                () = &mut timer => match shared.link.patience(&shared.limits, (idle_since, idle_timeout)) {
                    Ok(look_again) => timer.as_mut().reset(look_again),
                    Err(slow) => return self.give_up(slow),
                },
            }
        }
    }

    fn give_up(&self, slow: TooSlow) -> Ending {
        match slow {
            TooSlow::Head => {
                self.shared.edge.numbers.refused(refuse::Reason::TooSlow.word());
                Ending::Told(Reason::ENHANCE_YOUR_CALM)
            }
            TooSlow::Taking => Ending::Reset,
            TooSlow::Asking => Ending::Told(Reason::NO_ERROR),
        }
    }

    fn settle_overdue(&self) -> bool {
        // SAFETY: `self.connection` owns the socket, and outlives this borrow.
        let socket = unsafe { BorrowedFd::borrow_raw(self.socket) };
        self.shared.link.ledger.settle_overdue(net::unsent(socket).unwrap_or(0))
    }
}
