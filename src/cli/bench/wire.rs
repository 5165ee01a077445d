//! The sending side of HTTP: a connection to each origin, dialled when it is needed.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
pub use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use terms::causes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tally::Fault;
use super::urls::Origin;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// Over TLS by ALPN, in clear with prior knowledge (RFC 9113 section 3).
    Http2,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Trouble {
    pub fault: Fault,
    pub error: String,
}

impl Trouble {
    fn connect(error: impl Into<Box<dyn Error>>) -> Trouble {
        Trouble { fault: Fault::Connect, error: causes(error.into().as_ref()) }
    }

    /// No connection within the time for a whole answer.
    pub fn slow(within: Duration) -> Trouble {
        Trouble { fault: Fault::Connect, error: format!("no connection within {within:?}") }
    }

    fn of(error: &hyper::Error) -> Trouble {
        let fault = if error.is_parse() { Fault::Malformed } else { Fault::Reset };
        Trouble { fault, error: causes(error) }
    }
}

/// How connections are made.
pub struct Dialer {
    pub origins: Vec<Origin>,
    pub protocol: Protocol,
    /// The name that TLS asks for and verifies, where it is not the URL's.
    pub server_name: Option<String>,
    pub tls: Option<Arc<ClientConfig>>,
    pub timeout: Duration,
}

enum Link {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A connection to each origin, shared by as many workers as it has streams.
pub struct Wire {
    dialer: Arc<Dialer>,
    links: Vec<Mutex<Option<Link>>>,
}

/// A connection, in use. HTTP/1.1 is given back when the whole answer is there.
pub(super) struct Lent {
    link: Link,
    origin: usize,
}

impl Wire {
    pub fn new(dialer: Arc<Dialer>) -> Wire {
        let links = dialer.origins.iter().map(|_| Mutex::new(None)).collect();
        Wire { dialer, links }
    }

    /// Dials ahead of the first request.
    pub async fn warm(&self, origin: usize) -> Result<(), Trouble> {
        let (lent, _) = self.lend(origin).await?;
        self.give_back(lent).await;
        Ok(())
    }

    /// Sends `request`, and waits for the head of its answer. A connection that turns out to be closed
    /// before any of the request was written is replaced, once: an idle one may be closed at any time
    /// (RFC 9112 section 9.6).
    pub async fn send(
        &self,
        origin: usize,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lent), Trouble> {
        loop {
            let (mut lent, is_new) = self.lend(origin).await?;
            match lent.link.send(request).await {
                Ok(response) => return Ok((response, lent)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(Trouble::of(failed.error())),
                },
            }
        }
    }

    pub async fn give_back(&self, lent: Lent) {
        if let (Link::Http1(_), Some(place)) = (&lent.link, self.links.get(lent.origin)) {
            *place.lock().await = Some(lent.link);
        }
    }

    /// Forgets a connection on which something went wrong.
    async fn lend(&self, origin: usize) -> Result<(Lent, bool), Trouble> {
        let Some(place) = self.links.get(origin) else { return Err(Trouble::connect("no such origin")) };
        let mut place = place.lock().await;
        let kept = match place.as_ref() {
            Some(Link::Http2(sender)) if !sender.is_closed() => Some(Link::Http2(sender.clone())),
            _ => place.take().filter(Link::is_open),
        };
        if let Some(link) = kept {
            return Ok((Lent { link, origin }, false));
        }
        let link = self.dialer.dial(origin).await?;
        if let Link::Http2(sender) = &link {
            *place = Some(Link::Http2(sender.clone()));
        }
        Ok((Lent { link, origin }, true))
    }
}

impl Link {
    fn is_open(&self) -> bool {
        match self {
            Link::Http1(sender) => !sender.is_closed(),
            Link::Http2(sender) => !sender.is_closed(),
        }
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        match self {
            Link::Http1(sender) => {
                // What fails here fails again below, and says there whether anything was sent.
                let _ = sender.ready().await;
                sender.try_send_request(request).await
            }
            Link::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}

impl Dialer {
    async fn dial(&self, origin: usize) -> Result<Link, Trouble> {
        let Some(origin) = self.origins.get(origin) else { return Err(Trouble::connect("no such origin")) };
        let stream = net::dial(&origin.host, origin.port, self.timeout).await.map_err(Trouble::connect)?;
        if !origin.is_tls {
            return self.handshake(stream).await;
        }
        let Some(config) = &self.tls else { return Err(Trouble::connect("TLS was not set up")) };
        let name = self.server_name.as_deref().unwrap_or(&origin.host).trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned()).map_err(Trouble::connect)?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(Trouble::connect)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.protocol == Protocol::Http2 && !is_http2 {
            return Err(Trouble::connect(format!("{} does not speak HTTP/2", origin.authority)));
        }
        self.handshake(stream).await
    }

    async fn handshake<T>(&self, stream: T) -> Result<Link, Trouble>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        // How a connection ends is told by the answers that don't come on it.
        match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(Trouble::connect)?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(Link::Http1(sender))
            }
            Protocol::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), stream);
                let (sender, connection) = handshake.await.map_err(Trouble::connect)?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(Link::Http2(sender))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::Path;

    use http_body_util::BodyExt;
    use hyper::server::conn::{http1 as serve1, http2 as serve2};
    use hyper::service::service_fn;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::cli::bench::tls::{Trust, client_config};

    fn secured(pair: &Path) -> net::tls::Server {
        let files = net::tls::PairFiles { cert: pair.to_owned(), key: pair.to_owned() };
        net::tls::Server::new(&[b"http/1.1"], &[files.load().unwrap()]).unwrap()
    }

    /// Answers every connection with its own words: over TLS where there is a pair, by HTTP/2 in clear.
    async fn server(pair: Option<&Path>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = pair.map(|pair| TlsAcceptor::from(secured(pair).config()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| async move {
                        let version = format!("{:?}", request.version());
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(version))))
                    });
                    match acceptor {
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let _ = serve1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                        }
                        None => {
                            let builder = serve2::Builder::new(TokioExecutor::new());
                            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                        }
                    }
                });
            }
        });
        port
    }

    fn wire(port: u16, protocol: Protocol, trust: Option<&Trust>, server_name: Option<&str>) -> Wire {
        let authority = format!("127.0.0.1:{port}");
        let origin = Origin { is_tls: trust.is_some(), host: "127.0.0.1".to_owned(), port, authority };
        Wire::new(Arc::new(Dialer {
            origins: vec![origin],
            protocol,
            server_name: server_name.map(str::to_owned),
            tls: trust.map(|trust| client_config(trust, protocol).unwrap()),
            timeout: Duration::from_secs(10),
        }))
    }

    async fn asked(wire: &Wire) -> Result<String, Trouble> {
        let request = Request::get("http://edge.example/").body(Full::default()).unwrap();
        let (response, lent) = wire.send(0, request).await?;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        wire.give_back(lent).await;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn tls_takes_whom_it_was_told_to_trust() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, other] = ["ours.pem", "other.pem"].map(|name| {
            let made = rcgen::generate_simple_self_signed(["edge.example".to_owned()]).unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
            path
        });
        let port = server(Some(&ours)).await;
        let (own, foreign) = (Trust::File(ours), Trust::File(other));
        for (trust, name, is_taken) in [
            (&own, Some("edge.example"), true),
            (&own, None, false),
            (&foreign, Some("edge.example"), false),
            (&Trust::Anyone, None, true),
        ] {
            let answer = asked(&wire(port, Protocol::Http1, Some(trust), name)).await;
            match answer {
                Ok(version) => assert!(is_taken && version == "HTTP/1.1", "{trust:?} {name:?}"),
                Err(trouble) => {
                    assert!(!is_taken && trouble.fault == Fault::Connect, "{trouble:?}");
                    assert!(trouble.error.contains("certificate"), "{}", trouble.error);
                }
            }
        }
        // It offers HTTP/1.1 alone.
        let refused = asked(&wire(port, Protocol::Http2, Some(&Trust::Anyone), None)).await;
        assert_eq!(refused.unwrap_err().fault, Fault::Connect);
    }

    #[tokio::test]
    async fn streams_of_http2_share_a_connection() {
        let wire = wire(server(None).await, Protocol::Http2, None, None);
        let answers = tokio::join!(asked(&wire), asked(&wire), asked(&wire));
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.unwrap(), "HTTP/2.0");
        }
        assert!(matches!(*wire.links[0].lock().await, Some(Link::Http2(_))), "kept for the next");
    }
}
