//! One request over a connection of its own, to a server that the config names: for those who ask seldom.
//!
//! There is no pool, and no redirect is followed. Nothing here ends a wait but dialling: bound the rest.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::dial::{DialError, dial_where};
use crate::{Reach, Target, Trust, TrustError};

/// Bytes of an answer's head, and of what is read ahead of its body.
const MAX_READ: usize = 64 * 1024;

/// Why there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0} is not of this machine, and http:// goes no further")]
    InClear(IpAddr),
    #[error("no TLS with the server")]
    Tls(#[source] io::Error),
    #[error("no answer that can be read")]
    Http(#[from] hyper::Error),
}

/// A way to a server: where it is, and by whose word it is believed.
pub struct Line {
    target: Target,
    /// `None`: in clear.
    trust: Option<Trust>,
}

impl Line {
    /// With the authorities of a PEM file, or those that the system trusts. Reads them: blocks.
    pub fn to(target: &Target, ca_file: Option<&Path>) -> Result<Line, TrustError> {
        let trust = match (target.is_in_clear(), ca_file) {
            (true, _) => None,
            (false, None) => Some(Trust::system()?),
            (false, Some(file)) => Some(Trust::file(file)?),
        };
        Ok(Line { target: target.clone(), trust })
    }

    /// Asks, and returns when the head of the answer is there. Dialling has `within`. In clear, only this machine is
    /// asked, whatever its name says and `reach` lets.
    pub async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        reach: &Reach,
        within: Duration,
    ) -> Result<Reply, ClientError> {
        let Target { host, port, server_name, .. } = &self.target;
        let is_secured = self.trust.is_some();
        let may = |address: IpAddr| reach.holds(address) && (is_secured || is_here(address));
        let stream = match dial_where(host, *port, within, may).await {
            Err(DialError::Barred { address, .. }) if reach.holds(address) => {
                return Err(ClientError::InClear(address));
            }
            stream => stream?,
        };
        match (&self.trust, server_name) {
            (Some(trust), Some(name)) => {
                talk(trust.connect(name, stream).await.map_err(ClientError::Tls)?, request).await
            }
            _ => talk(stream, request).await,
        }
    }
}

fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Reply, ClientError> {
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_READ).handshake(TokioIo::new(stream)).await?;
    let mut connection: Connection = Box::pin(connection);
    let mut answer = Box::pin(sender.send_request(request));
    let (response, connection) = tokio::select! {
        response = &mut answer => (response?, Some(connection)),
        // Its last act may have been to hand on the answer.
        _ = &mut connection => (answer.await?, None),
    };
    let (head, body) = response.into_parts();
    Ok(Reply { status: head.status, fields: head.headers, body, connection })
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// An answer whose body is still to be read. Dropped, its connection is closed.
pub struct Reply {
    pub status: StatusCode,
    pub fields: HeaderMap,
    body: Incoming,
    /// `None` once it has ended.
    connection: Option<Connection>,
}

impl Reply {
    /// The next piece of the body; `None` at the end that its framing promised. One that ends before is an error.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = poll_fn(|context| {
                if let Some(connection) = &mut self.connection
                    && connection.as_mut().poll(context).is_ready()
                {
                    // What went wrong with it is told by the body.
                    self.connection = None;
                }
                Pin::new(&mut self.body).poll_frame(context)
            });
            match frame.await {
                None => return Ok(None),
                // Trailers say nothing here.
                Some(frame) => match frame?.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => continue,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use terms::Networks;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// What is made of these bytes: the status and the body, or what went wrong.
    async fn heard(answer: &'static [u8], host: &str, reach: &Reach) -> Result<(u16, Vec<u8>), ClientError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::parse(&format!("http://{host}:{}/a?b", listener.local_addr().unwrap().port())).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let count = stream.read(&mut asked).await.unwrap();
            assert!(asked[..count].starts_with(b"GET /a?b HTTP/1.1\r\nhost: "), "{asked:?}");
            stream.write_all(answer).await.unwrap();
        });
        let line = Line::to(&target, None).unwrap();
        let outcome = async {
            let request = target.request(Method::GET).body(Full::default()).unwrap();
            let mut reply = line.ask(request, reach, SOON).await?;
            let mut body = Vec::new();
            while let Some(piece) = reply.piece().await? {
                body.extend_from_slice(&piece);
            }
            Ok((reply.status.as_u16(), body))
        };
        let outcome = outcome.await;
        server.abort();
        outcome
    }

    #[tokio::test]
    async fn an_answer_is_read_to_the_end_that_it_promises() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
        ] {
            assert_eq!(heard(answer, "localhost", &Reach::Anywhere).await.unwrap(), (200, b"hello".to_vec()));
        }
        let head = heard(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "127.0.0.1", &Reach::Anywhere).await;
        assert_eq!(head.unwrap(), (304, Vec::new()));
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_none() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"",
        ] {
            let outcome = heard(answer, "127.0.0.1", &Reach::Anywhere).await;
            assert!(matches!(outcome, Err(ClientError::Http(_))), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn who_is_out_of_reach_is_not_asked() {
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        let named = Reach::Public { and: Networks::new(&["127.0.0.0/8".parse().unwrap()]) };
        assert_eq!(heard(answer, "127.0.0.1", &named).await.unwrap().0, 204);
        let public = Reach::Public { and: Networks::default() };
        let outcome = heard(answer, "localhost", &public).await;
        assert!(matches!(outcome, Err(ClientError::Dial(DialError::Barred { .. }))), "{outcome:?}");
    }
}
