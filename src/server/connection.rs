//! One HTTP/1.1 connection: hyper on an IO type of ours that sees every byte in and out.

use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use block::{Blocked, Lane};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::{CONTENT_LENGTH, HeaderMap, UPGRADE};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use terms::{Body, Peer, Voice};

use super::accept::{Edge, Stop};
use super::leave::{Left, leave};
use super::progress::{Framing, Progress, Watched};
use super::tunnel::{Agreed, Switch, Tunnelling};
use super::wire::{Transport, Wire};
use super::{refuse, request};
use crate::telemetry::Protocol;
use crate::witness::Witnessed;

/// Serves a connection until either side ends it.
pub(super) async fn drive<T: Transport>(stream: T, peer: Peer, edge: Arc<Edge>, stop: Stop) {
    let _speaks = edge.numbers.speaks(Protocol::Http1);
    let limits = edge.limits();
    let lane = edge.gateway.lane();
    let progress = Arc::new(Progress::new(lane.clone()));
    let socket = stream.tcp().as_raw_fd();
    let wire = Wire::new(stream, &limits, progress.clone());
    let switch = Switch::default();
    let service = service_fn(|incoming| {
        let (edge, lane, progress, max_body) = (edge.clone(), lane.clone(), progress.clone(), limits.max_body);
        let switch = &switch;
        async move { Ok::<_, Infallible>(answer(incoming, max_body, peer, &edge, &lane, &progress, switch).await) }
    });
    let mut connection = http1::Builder::new()
        .max_headers(limits.head.fields)
        // Room for a head of the largest size; bodies pass through in pieces of this size at most.
        .max_buf_size(limits.head.head.max(MIN_HYPER_BUFFER))
        .header_read_timeout(None)
        .serve_connection(wire, service);
    let mut told_to_end = false;
    let mut signals = FuturesUnordered::from_iter([signal(&lane, &stop, &switch, told_to_end)]);
    let cut = loop {
        tokio::select! {
            biased;
            Some(signaled) = signals.next() => match signaled {
                Signal::Blocked(blocked) => {
                    // SAFETY: `connection` owns the socket, and outlives this borrow: it is neither moved nor
                    // dropped before the loop ends.
                    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
                    progress.arrived(net::unsent(socket).unwrap_or(0));
                    if lane.is_blocked() {
                        break Some(blocked);
                    }
                    signals.push(signal(&lane, &stop, &switch, told_to_end));
                }
                Signal::Draining => {
                    told_to_end = true;
                    Pin::new(&mut connection).graceful_shutdown();
                    signals.push(signal(&lane, &stop, &switch, told_to_end));
                }
                Signal::Ending | Signal::Switched => break None,
            },
            _ = &mut connection => break None,
        }
    };
    drop(signals);
    let wire = connection.into_parts().io;
    if let Some(agreed) = switch.take() {
        let _open = edge.numbers.tunnel();
        let (near, early) = wire.into_parts();
        return Box::pin(Tunnelling::new(agreed, near, early, progress).run(&lane, &stop)).await;
    }
    match cut {
        Some(blocked) => progress.cut(&blocked, reset(wire.stream)),
        None if progress.must_reset() => progress.close(reset(wire.stream)),
        None => match leave(wire.stream.tcp(), &lane, &progress, &stop, limits.idle_timeout).await {
            Left::Sent => wire.close(&edge, peer, &progress).await,
            Left::Blocked(blocked) => progress.cut(&blocked, reset(wire.stream)),
            Left::Stalled => progress.close(reset(wire.stream)),
        },
    }
}

/// Asks the gateway, and keeps watch over its answer.
async fn answer(
    incoming: Request<Incoming>,
    max_body: u64,
    peer: Peer,
    edge: &Edge,
    lane: &Lane,
    progress: &Arc<Progress>,
    switch: &Switch,
) -> Response<Watched> {
    let http10 = incoming.version() == Version::HTTP_10;
    // RFC 9110 section 15.2: a client of HTTP/1.0 knows none. One that asks for a tunnel is told one thing.
    let hears_interim = !http10 && !incoming.headers().contains_key(UPGRADE);
    let voice = if hears_interim { progress.relay.interims.listen() } else { Voice::default() };
    let asked = request::owned(incoming, max_body);
    let served = progress.relay.until(edge.gateway.serve(asked, peer, lane, voice)).await;
    let (head, Witnessed { body, draft, is_last }) = served.into_parts();
    if let Body::Tunnel(tunnel) = body {
        let head = [&refuse::head(head.status, &head.headers)[..], b"\r\n"].concat();
        return switch.throw(Agreed { head, tunnel: *tunnel, draft }).await;
    }
    if let Some(draft) = draft {
        progress.begin(draft, framing_of(&head.headers, &body, http10), is_last);
    }
    Response::from_parts(head, progress.watch(body))
}

/// What a connection is told from outside.
enum Signal {
    /// Of nothing: it is to be looked at what has arrived.
    Blocked(Vec<Blocked>),
    Draining,
    Ending,
    /// HTTP ends here, for a tunnel.
    Switched,
}

/// The next signal. `told_to_end`: that of draining was heard before.
///
/// It stands in a set of its own, which asks it again only when it was woken: it has a lock and two
/// lists of waiters to look at, and a connection is polled for every request.
async fn signal(lane: &Lane, stop: &Stop, switch: &Switch, told_to_end: bool) -> Signal {
    tokio::select! {
        biased;
        blocked = lane.blocked_or_asked() => Signal::Blocked(blocked),
        () = stop.ending.signaled() => Signal::Ending,
        () = switch.thrown() => Signal::Switched,
        () = farewell(stop), if !told_to_end => Signal::Draining,
    }
}

/// What a client sent before it could know of a drain is answered: hyper, told to end, closes a connection
/// that it has read nothing from. So it is told a little later, and what came until then is served.
const FAREWELL: Duration = Duration::from_millis(250);

async fn farewell(stop: &Stop) {
    stop.draining.signaled().await;
    tokio::time::sleep(FAREWELL).await;
}

/// How hyper will frame a body.
fn framing_of(fields: &HeaderMap, body: &Body, http10: bool) -> Framing {
    let declared = || fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match http_body::Body::size_hint(body).exact().or_else(declared) {
        Some(length) => Framing::Length(length),
        None if http10 => Framing::Close,
        None => Framing::Chunked,
    }
}

/// hyper asks for at least this much.
const MIN_HYPER_BUFFER: usize = 64 * 1024;

/// Closes a connection so that the kernel throws away what it still holds, and the peer sees a reset.
/// Gives the number of those bytes.
pub(super) fn reset(stream: impl Transport) -> u64 {
    let unsent = net::unsent(stream.tcp()).unwrap_or(0);
    // Lingering for no time is what turns a close into a reset (socket(7)); were it refused, the close
    // would still end the connection.
    let _ = socket2::SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO));
    drop(stream);
    unsent
}
