//! Which HTTP a client in clear speaks: one that knows the edge to speak HTTP/2 begins with its preface
//! (RFC 9113 section 3.3).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::http2::PREFACE;
use super::wire::Transport;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Reads until the first byte that is not the preface's, or all of it. The stream gives those bytes again.
pub(super) async fn listen_to<T: AsyncRead + Unpin>(mut stream: T) -> io::Result<(Spoken, Rewound<T>)> {
    let mut ahead = [0; PREFACE.len()];
    let mut have = 0;
    let spoken = loop {
        let count = stream.read(&mut ahead[have..]).await?;
        have += count;
        if count == 0 || ahead[..have] != PREFACE[..have] {
            break Spoken::Http1;
        }
        if have == PREFACE.len() {
            break Spoken::Http2;
        }
    };
    Ok((spoken, Rewound { ahead, given: 0, have, stream }))
}

/// A stream of which some bytes were read already.
pub(super) struct Rewound<T> {
    ahead: [u8; PREFACE.len()],
    given: usize,
    have: usize,
    stream: T,
}

impl Transport for Rewound<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.stream
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.have {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let now = buffer.remaining().min(this.have - this.given);
        buffer.put_slice(&this.ahead[this.given..this.given + now]);
        this.given += now;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_decides_and_nothing_is_lost() {
        let http2 = [&PREFACE[..], b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (sent, expected) in [
            (&http2[..], Spoken::Http2),
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Spoken::Http1),
            (b"PRI * HTTP/1.1\r\n\r\n", Spoken::Http1),
            (b"PUT / HTTP/1.1\r\n\r\n", Spoken::Http1),
            (b"PRI", Spoken::Http1),
            (b"", Spoken::Http1),
        ] {
            for cut in [1, 3, 23, 24, 25] {
                let (first, second) = sent.split_at(cut.min(sent.len()));
                // One part at a time, then the end.
                let reader = first.chain(second);
                let (spoken, mut stream) = listen_to(reader).await.unwrap();
                let mut read = Vec::new();
                stream.read_to_end(&mut read).await.unwrap();
                assert_eq!((spoken, &read[..]), (expected, sent), "cut at {cut}");
            }
        }
    }
}
