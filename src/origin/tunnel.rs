//! Tunnels: connections on which the origin agreed to leave HTTP.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use terms::tunnel;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::{Fault, Reply};

/// What an origin makes of being asked for a tunnel.
pub enum Handshake {
    Agreed(Agreed),
    Refused(Reply),
}

/// The head of its 101 as it came, hop-by-hop fields and all, and what is behind it.
pub struct Agreed {
    pub version: Version,
    pub fields: HeaderMap,
    pub far: FarEnd,
}

/// Bytes to and from the origin. Its connection stays one of the pool's number until this is dropped, which
/// closes it.
pub struct FarEnd {
    stream: TokioIo<Upgraded>,
    _connection: Connection,
}

/// hyper hands the connection over in the turn in which it hands over the head.
const HANDING_OVER: Duration = Duration::from_secs(1);

/// Whether an answer to a request for a tunnel agrees to it: any other 101 is no answer at all.
pub(crate) fn is_agreement(answer: &Response<Incoming>) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS && tunnel::is_agreed_to(answer.headers())
}

impl FarEnd {
    /// Takes the connection over from hyper.
    pub(crate) async fn behind(answer: &mut Response<Incoming>, connection: Connection) -> Result<FarEnd, Fault> {
        match timeout(HANDING_OVER, hyper::upgrade::on(answer)).await {
            Ok(Ok(upgraded)) => Ok(FarEnd { stream: TokioIo::new(upgraded), _connection: connection }),
            Ok(Err(error)) => Err(Fault::Connection(error.into())),
            Err(late) => Err(Fault::Connection(late.into())),
        }
    }
}

impl fmt::Debug for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FarEnd").finish_non_exhaustive()
    }
}

impl AsyncRead for FarEnd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for FarEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
