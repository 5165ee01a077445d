//! The bytes to and from an origin, in clear or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::{OriginError, Phase, Settings};

pub(crate) enum Stream {
    Clear(TcpStream),
    /// Boxed: it holds buffers and keys, and most origins are spoken to in clear.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Dials, and shakes hands where the settings ask for TLS, all within `connect_timeout`.
    pub(crate) async fn open(settings: &Settings) -> Result<Stream, OriginError> {
        let address = &settings.address;
        let deadline = Instant::now() + settings.connect_timeout;
        let stream = match net::dial(&address.host, address.port, settings.connect_timeout).await {
            Ok(stream) => stream,
            Err(error) if error.is_timeout() => return Err(OriginError::TimedOut(Phase::Connect)),
            Err(source) => return Err(OriginError::Unreachable { address: address.clone(), source }),
        };
        let Some(tls) = &settings.tls else { return Ok(Stream::Clear(stream)) };
        match timeout_at(deadline, tls.trust.connect(&tls.server_name, stream)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(source)) => Err(OriginError::Untrusted { address: address.clone(), source }),
            Err(_) => Err(OriginError::TimedOut(Phase::Connect)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Clear(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
