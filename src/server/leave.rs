//! The end of a connection on which HTTP is over: what the kernel still holds is watched until it has left.
//!
//! A socket that is closed goes on sending what it holds, megabytes for a peer that reads slowly, and
//! nobody could stop that any more.

use std::time::Duration;

use block::{Blocked, Lane};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::accept::Stop;
use super::progress::Progress;

pub(super) enum Left {
    /// The peer's kernel has it, or may take it from ours without us: the process ends. Or nobody will have it:
    /// the peer is gone.
    Sent,
    /// A rule came into force that covers what is still here.
    Blocked(Vec<Blocked>),
    /// The peer has taken nothing for as long as an idle one may.
    Stalled,
}

/// The kernel tells nobody when it has sent the last: it is asked at doubling distances.
const LOOKS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(320));

/// Waits until the kernel holds nothing unsent of `socket`, or something ends the wait.
pub(super) async fn leave(
    socket: &TcpStream,
    lane: &Lane,
    progress: &Progress,
    stop: &Stop,
    patience: Duration,
) -> Left {
    let (mut look, mut least, mut since) = (LOOKS.0, u64::MAX, Instant::now());
    loop {
        let unsent = net::unsent(socket).unwrap_or(0);
        progress.arrived(unsent);
        // Of a connection that the peer has reset, the kernel goes on to count what it will never send.
        let is_gone = socket.peer_addr().is_err();
        if unsent == 0 || is_gone {
            return Left::Sent;
        }
        if unsent < least {
            (least, since) = (unsent, Instant::now());
        } else if since.elapsed() > patience {
            return Left::Stalled;
        }
        tokio::select! {
            biased;
            blocked = lane.blocked() => {
                progress.arrived(net::unsent(socket).unwrap_or(0));
                if lane.is_blocked() {
                    return Left::Blocked(blocked);
                }
            }
            () = stop.ending.signaled() => return Left::Sent,
            () = sleep(look) => look = LOOKS.1.min(look * 2),
        }
    }
}
