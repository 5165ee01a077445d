//! The beginning of a connection over TLS: a handshake, and what it agreed on.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is offered by ALPN (RFC 7301), the one liked best first. Each has its [`Negotiated`].
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The reason by which what comes to nothing here is counted.
pub(super) const REFUSED: &str = "tls-handshake";

/// Bytes of an answer that may wait inside TLS: what is cut there was counted as written.
const TLS_BUFFER: usize = 16 * 1024;

/// The content type of a handshake (RFC 8446 section 5.1): the first byte that a client of TLS sends.
const HANDSHAKE: u8 = 22;

pub(super) enum Negotiated {
    /// HTTP/1.1: chosen by ALPN, or by a client that knows none.
    Http1(Box<TlsStream<TcpStream>>),
    Http2(Box<TlsStream<TcpStream>>),
    /// Somebody who speaks no TLS, and can be told so.
    InClear(TcpStream),
    Nothing(io::Error),
}

/// Shakes hands with a client within `patience`.
pub(super) async fn shake_hands(stream: TcpStream, tls: &TlsAcceptor, patience: Duration) -> Negotiated {
    let shaking = async {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first[0] != HANDSHAKE && first[0].is_ascii_alphabetic() => return Negotiated::InClear(stream),
            Ok(_) => {}
            Err(error) => return Negotiated::Nothing(error),
        }
        match tls.accept(stream).await {
            Ok(mut stream) => {
                stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Negotiated::Http2(Box::new(stream)),
                    _ => Negotiated::Http1(Box::new(stream)),
                }
            }
            Err(error) => Negotiated::Nothing(error),
        }
    };
    timeout(patience, shaking).await.unwrap_or_else(|_| Negotiated::Nothing(io::ErrorKind::TimedOut.into()))
}
