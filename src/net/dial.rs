//! Opening a TCP connection to a name and a port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// A peer that vanished without a word is noticed after this long in silence, and a few probes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the name {host} can't be resolved")]
    Unresolved { host: String, source: io::Error },
    #[error("the name {host} resolves to no address")]
    NoAddress { host: String },
    /// The last address tried, and what it said.
    #[error("no connection to {address}")]
    Failed { address: SocketAddr, source: io::Error },
    #[error("{host} is at {address}, and nothing is asked there")]
    Barred { host: String, address: IpAddr },
    #[error("no connection to {host} port {port} within {within:?}")]
    TimedOut { host: String, port: u16, within: Duration },
}

impl DialError {
    pub fn is_timeout(&self) -> bool {
        matches!(self, DialError::TimedOut { .. })
    }
}

/// Connects to `host` (a name, an address, or an IPv6 address in brackets) within `within`, name
/// lookup included, with Nagle's delay off and keepalive probes on.
///
/// The addresses of a name are tried in the order in which the resolver gave them. Each gets an
/// equal share of the time that is left, so that one that swallows packets does not use up the time
/// of those behind it.
///
/// A lookup that outlives the deadline keeps a thread of the runtime's blocking pool until the
/// system's resolver gives up: `getaddrinfo` can't be interrupted.
pub async fn dial(host: &str, port: u16, within: Duration) -> Result<TcpStream, DialError> {
    dial_where(host, port, within, |_| true).await
}

/// As [`fn@dial`], to such addresses alone as `may` lets. It is asked of the very address that is dialled next: there is
/// no second look-up which could say something else.
pub async fn dial_where(
    host: &str,
    port: u16,
    within: Duration,
    may: impl Fn(IpAddr) -> bool,
) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + within;
    let timed_out = || DialError::TimedOut { host: host.to_owned(), port, within };
    let addresses = match timeout_at(deadline, resolve(host, port)).await {
        Ok(addresses) => addresses?,
        Err(_) => return Err(timed_out()),
    };
    let mut last = DialError::NoAddress { host: host.to_owned() };
    for (index, &address) in addresses.iter().enumerate() {
        if !may(address.ip()) {
            last = DialError::Barred { host: host.to_owned(), address: address.ip() };
            continue;
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(timed_out());
        }
        let shares = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = (deadline - now) / shares;
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return ready(stream).map_err(|source| DialError::Failed { address, source }),
            Ok(Err(source)) => last = DialError::Failed { address, source },
            Err(_) => last = timed_out(),
        }
    }
    Err(last)
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    match lookup_host((bare, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(source) => Err(DialError::Unresolved { host: host.to_owned(), source }),
    }
}

fn ready(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn connects_by_address_and_by_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let stream = dial(host, port, SOON).await.unwrap();
            assert!(stream.nodelay().unwrap());
            assert!(SockRef::from(&stream).keepalive().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_in_brackets_is_not_looked_up() {
        assert_eq!(resolve("[::1]", 80).await.unwrap(), ["[::1]:80".parse().unwrap()]);
        assert_eq!(resolve("::1", 80).await.unwrap(), ["[::1]:80".parse().unwrap()]);
    }

    #[tokio::test]
    async fn what_is_barred_is_not_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let outcome = dial_where(host, port, SOON, |address| !address.is_loopback()).await;
            assert!(matches!(outcome, Err(DialError::Barred { .. })), "{outcome:?}");
        }
        let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(accepted.is_err(), "{accepted:?}");
    }

    #[tokio::test]
    async fn a_refusal_names_the_address_and_keeps_its_cause() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        match dial("127.0.0.1", port, SOON).await {
            Err(DialError::Failed { address, source }) => {
                assert_eq!(address.port(), port);
                assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_listener_that_never_accepts_times_out() {
        // A queue of one, filled, makes the kernel drop what comes next.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut held = Vec::new();
        let outcome = loop {
            match dial("127.0.0.1", port, Duration::from_millis(100)).await {
                Ok(stream) if held.len() < 16 => held.push(stream),
                outcome => break outcome,
            }
        };
        assert!(matches!(&outcome, Err(error) if error.is_timeout()), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_unresolved() {
        let outcome = dial("nowhere.invalid", 80, SOON).await;
        assert!(matches!(outcome, Err(DialError::Unresolved { .. } | DialError::TimedOut { .. })), "{outcome:?}");
    }
}
