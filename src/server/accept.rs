//! Listeners: a permit for each connection, a backoff when the system has no more to give.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use net::{Backoff, Draining};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use terms::url::Scheme;
use terms::wire::head;
use terms::{Networks, Peer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::handshake::{self, Negotiated};
use super::prior_knowledge::{Spoken, listen_to};
use super::{connection, http2, refuse};
use crate::gateway::Gateway;
use crate::quota::{Crowd, Place};
use crate::telemetry::EdgeNumbers;

/// What clients may do and how long they may take.
#[derive(Clone, Debug)]
pub struct Limits {
    pub head: head::Limits,
    pub max_body: u64,
    pub max_connections: usize,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    /// Bytes a second that a client must send of a body and take of an answer, beyond [`Self::idle_timeout`]
    /// of rest; 0: it may take its time.
    pub min_rate: u64,
    pub connections_per_address: Option<u32>,
    /// All clients come by these: no number of connections is too many.
    pub trusted_proxies: Networks,
}

/// What all connections of the edge share.
pub struct Edge {
    pub(super) gateway: Arc<Gateway>,
    pub(super) numbers: Arc<EdgeNumbers>,
    limits: ArcSwap<Limits>,
    permits: Arc<Semaphore>,
    crowd: Arc<Crowd>,
}

impl Edge {
    pub fn new(gateway: Arc<Gateway>, limits: Limits, numbers: Arc<EdgeNumbers>) -> Edge {
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        numbers.may_refuse(refuse::words());
        Edge { gateway, numbers, limits: ArcSwap::from_pointee(limits), permits, crowd: Arc::default() }
    }

    /// The limits for connections that are accepted from now on.
    pub(super) fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    /// The place of a connection from this address, where that is limited; `Err`: it has none left.
    fn place(&self, address: IpAddr) -> Result<Option<Place>, TooMany> {
        let limits = self.limits.load();
        match limits.connections_per_address {
            Some(most) if !limits.trusted_proxies.contains(address) => {
                self.crowd.enter(address, most).map(Some).ok_or(TooMany)
            }
            _ => Ok(None),
        }
    }

    /// Connections that stand keep the limits that they were accepted with.
    pub fn set_limits(&self, limits: Limits) {
        let (before, now) = (self.limits.load().max_connections, limits.max_connections);
        self.limits.store(Arc::new(limits));
        self.permits.add_permits(now.saturating_sub(before));
        let surplus = u32::try_from(before.saturating_sub(now)).unwrap_or(u32::MAX);
        if surplus > 0 {
            let permits = self.permits.clone();
            // Taken back as connections end.
            tokio::spawn(async move {
                if let Ok(taken) = permits.acquire_many_owned(surplus).await {
                    taken.forget();
                }
            });
        }
    }
}

/// An address has as many connections as it may have.
struct TooMany;

/// How connections are told to come to an end: kindly, and then at once.
#[derive(Clone)]
pub struct Stop {
    pub draining: Draining,
    pub ending: Draining,
}

/// A bound address, not accepting yet.
pub struct Listener {
    socket: TcpListener,
    greeting: Arc<ArcSwap<Greeting>>,
    address: SocketAddr,
}

/// How a client is greeted.
#[derive(Clone)]
pub enum Greeting {
    /// `h2c`: it may begin with HTTP/2.
    Clear {
        h2c: bool,
    },
    Tls(Arc<ServerConfig>),
}

impl Greeting {
    pub fn scheme(&self) -> Scheme {
        match self {
            Greeting::Tls(_) => Scheme::Https,
            Greeting::Clear { .. } => Scheme::Http,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: std::io::Error,
}

/// Connections that the kernel completes ahead of us.
const BACKLOG: i32 = 4096;

impl Listener {
    pub fn bind(address: SocketAddr, greeting: Greeting) -> Result<Listener, ListenError> {
        let bind = || {
            let domain = socket2::Domain::for_address(address);
            let socket = socket2::Socket::new(domain, socket2::Type::STREAM.nonblocking(), None)?;
            // Without it a restart waits for the connections of the run before to be forgotten.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            TcpListener::from_std(socket.into())
        };
        let socket = bind().map_err(|source| ListenError { address, source })?;
        let address = socket.local_addr().unwrap_or(address);
        Ok(Listener { socket, greeting: Arc::new(ArcSwap::from_pointee(greeting)), address })
    }

    /// The address that was bound: a port of 0 has become a real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for a door that accepts in its own way.
    pub fn into_socket(self) -> TcpListener {
        self.socket
    }

    /// Whatever is put there holds for connections that are accepted from then on.
    pub fn greeting(&self) -> Arc<ArcSwap<Greeting>> {
        self.greeting.clone()
    }
}

/// Accepts until drained. At the cap of connections accepting pauses, with one connection in hand: the
/// kernel's queue holds the rest. What waits there at the end is served as well: closing would reset it.
pub async fn serve(listener: Listener, edge: Arc<Edge>, stop: Stop) {
    let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.draining.signaled() => break,
            accepted = accept(&listener, &edge) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                backoff.reset();
                welcome(accepted, &listener, &edge, &stop);
            }
            Err(error) => {
                let wait = backoff.step();
                tracing::warn!(address = %listener.address, %error, ?wait, "can't accept; trying again");
                tokio::time::sleep(wait).await;
            }
        }
    }
    while let Some(waiting) = accept_waiting(&listener, &edge) {
        welcome(waiting, &listener, &edge, &stop);
    }
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

async fn accept(listener: &Listener, edge: &Edge) -> std::io::Result<Accepted> {
    let (stream, address) = listener.socket.accept().await?;
    // Answers go out in one write each; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let permit = edge.permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((stream, address, permit))
}

/// A connection that waits in the kernel's queue now, if there is one and there is room for it. The kernel is asked
/// itself: the runtime may not have heard of it yet.
fn accept_waiting(listener: &Listener, edge: &Edge) -> Option<Accepted> {
    let permit = edge.permits.clone().try_acquire_owned().ok()?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (waiting, address) = loop {
        match acceptfrom_with(&listener.socket, flags) {
            // One that was interrupted, or that left before it was welcome, says nothing of those behind it.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(_) => return None,
            Ok((waiting, address)) => break (waiting, SocketAddr::try_from(address?).ok()?),
        }
    };
    let stream = TcpStream::from_std(waiting.into()).ok()?;
    let _ = stream.set_nodelay(true);
    Some((stream, address, permit))
}

/// The reason by which a connection too many of one address is counted.
pub(super) const CROWDED: &str = "connections-per-address";

fn welcome((stream, address, permit): Accepted, listener: &Listener, edge: &Arc<Edge>, stop: &Stop) {
    let Ok(place) = edge.place(address.ip()) else {
        return edge.numbers.refused(CROWDED);
    };
    let live = (permit, place, stop.draining.enter(), edge.numbers.connection());
    let greeting = listener.greeting.load_full();
    let peer = Peer { address, scheme: greeting.scheme() };
    let (edge, stop) = (edge.clone(), stop.clone());
    tokio::spawn(async move {
        let _live = live;
        match &*greeting {
            Greeting::Tls(tls) => greet(stream, peer, TlsAcceptor::from(tls.clone()), edge, stop).await,
            Greeting::Clear { h2c: true } => greet_in_clear(stream, peer, edge, stop).await,
            Greeting::Clear { h2c: false } => connection::drive(stream, peer, edge, stop).await,
        }
    });
}

async fn greet(stream: TcpStream, peer: Peer, tls: TlsAcceptor, edge: Arc<Edge>, stop: Stop) {
    let negotiated = tokio::select! {
        biased;
        // Nothing was asked yet, so nothing is owed.
        () = stop.draining.signaled() => return,
        negotiated = handshake::shake_hands(stream, &tls, edge.limits().head_timeout) => negotiated,
    };
    match negotiated {
        Negotiated::Http1(stream) => connection::drive(*stream, peer, edge, stop).await,
        Negotiated::Http2(stream) => http2::drive(*stream, peer, edge, stop).await,
        Negotiated::InClear(mut stream) => {
            refuse::answer(&mut stream, refuse::Reason::NotTls, &[], &edge, peer).await;
            refuse::linger(&mut stream).await;
        }
        Negotiated::Nothing(error) => {
            edge.numbers.refused(handshake::REFUSED);
            tracing::debug!(%error, "TLS handshake failed");
        }
    }
}

async fn greet_in_clear(stream: TcpStream, peer: Peer, edge: Arc<Edge>, stop: Stop) {
    let limits = edge.limits();
    let begun = tokio::select! {
        biased;
        begun = timeout(limits.idle_timeout, stream.readable()) => begun,
        // A client that has not begun is one that nothing is asked by.
        () = stop.draining.signaled() => return,
    };
    if !matches!(begun, Ok(Ok(()))) {
        return;
    }
    let heard = tokio::select! {
        () = stop.ending.signaled() => return,
        heard = timeout(limits.head_timeout, listen_to(stream)) => heard,
    };
    match heard {
        Ok(Ok((Spoken::Http1, stream))) => connection::drive(stream, peer, edge, stop).await,
        Ok(Ok((Spoken::Http2, stream))) => http2::drive(stream, peer, edge, stop).await,
        Ok(Err(_)) => {}
        Err(_) => edge.numbers.refused(refuse::Reason::TooSlow.word()),
    }
}
