//! The IO type beneath hyper: it sees every byte in and out.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use terms::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::accept::{Edge, Limits};
use super::patience::Patience;
use super::preface::{Preface, Refused, Waiting};
use super::progress::Progress;
use super::refuse;

/// A stream of bytes over TCP: plain, or TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A stream, and what stands between it and hyper: the walk of what comes in, the count of bytes, the clock.
pub(super) struct Wire<T> {
    pub(super) stream: T,
    preface: Preface,
    progress: Arc<Progress>,
    /// Who waits for a head that may not be handed on before the answer in progress has left.
    held_back: Option<Waker>,
    ended: bool,
    patience: Patience,
}

thread_local! {
    /// Where bytes are read to before they are looked at: one a thread, so that ten thousand idle
    /// connections hold no buffers.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

impl<T: Transport> Wire<T> {
    pub(super) fn new(stream: T, limits: &Limits, progress: Arc<Progress>) -> Wire<T> {
        Wire {
            stream,
            preface: Preface::new(limits.head),
            progress,
            held_back: None,
            ended: false,
            patience: Patience::new(limits.head_timeout, limits.idle_timeout, limits.min_rate),
        }
    }

    /// Reads once from the socket, and hands on what may be handed on at once. `Ok(0)`: nothing more
    /// will come.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBufCursor<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            buffer.put_slice(self.preface.take(read.filled(), buffer.remaining()));
            Poll::Ready(Ok(read.filled().len()))
        })
    }

    /// Interim answers are written here: hyper knows nothing of them.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let interim = self.progress.relay.take();
            if interim.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let wrote = Pin::new(&mut self.stream).poll_write(cx, &interim);
            let count = if let Poll::Ready(Ok(count)) = &wrote { *count } else { 0 };
            self.progress.wrote_interim(count);
            self.progress.relay.put_back(&interim[count..]);
            match ready!(wrote)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.patience.wrote(count),
            }
        }
    }

    fn hold_back(&mut self, cx: &Context<'_>) {
        if !self.held_back.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.held_back = Some(cx.waker().clone());
        }
    }

    /// The next head may be handed on. hyper, told that there is nothing to read, waits to be woken: by us
    /// if something is held here, else by the socket, or by patience running out.
    fn resume_reading(&mut self, cx: &mut Context<'_>) {
        if self.held_back.is_none() {
            return;
        }
        let is_next_here = !self.preface.ready(1).is_empty() || self.preface.refused().is_some();
        if let Some(waker) = self.held_back.take_if(|_| is_next_here) {
            waker.wake();
        } else if self.patience.poll_reading(cx, self.preface.waiting()).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// What is not known to have arrived is asked about before another answer follows it.
    fn ask_what_arrived(&self) {
        if self.progress.should_ask()
            && let Ok(unsent) = net::unsent(self.stream.tcp())
        {
            self.progress.arrived(unsent);
        }
    }

    /// Takes apart a connection on which HTTP has ended: the stream, and what the client sent behind its last
    /// request.
    pub(super) fn into_parts(self) -> (T, Vec<u8>) {
        let early = self.preface.unfinished().to_vec();
        (self.stream, early)
    }

    /// Ends a connection that hyper is done with: says why a head was refused, and lets the peer read
    /// what it was sent.
    pub(super) async fn close(mut self, edge: &Edge, peer: Peer, progress: &Progress) {
        progress.close(net::unsent(self.stream.tcp()).unwrap_or(0));
        let refusal = match (self.preface.refused(), self.patience.ran_out) {
            (Some(Refused::Head(bad)), _) => Some(refuse::Reason::BadHead(bad)),
            (Some(Refused::Body(bad)), _) => Some(refuse::Reason::BadBody(bad)),
            (None, Some(Waiting::RestOfHead)) => Some(refuse::Reason::TooSlow),
            _ => None,
        };
        if let Some(reason) = refusal {
            refuse::answer(&mut self.stream, reason, self.preface.unfinished(), edge, peer).await;
        }
        // Whoever read that body was told, and answered.
        if let Some(Refused::RestOfBody(bad)) = self.preface.refused() {
            edge.numbers.refused(bad.reason());
        }
        let is_unread = self.preface.waiting() == Waiting::Body || progress.has_ended();
        if refusal.is_some() || is_unread {
            refuse::linger(&mut self.stream).await;
        }
    }
}

impl<T: Transport> Read for Wire<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buffer.remaining();
        loop {
            let ready = this.preface.ready(buffer.remaining());
            if !ready.is_empty() {
                buffer.put_slice(ready);
                let count = ready.len();
                this.preface.handed_on(count);
            }
            if buffer.remaining() < room {
                this.ask_what_arrived();
                return Poll::Ready(Ok(()));
            }
            match this.preface.refused() {
                None if !this.ended => {}
                Some(Refused::RestOfBody(bad)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, bad)));
                }
                // The end, to hyper: a refusal is written when it is done with the connection.
                _ => return Poll::Ready(Ok(())),
            }
            if this.preface.is_full() {
                this.hold_back(cx);
                return Poll::Pending;
            }
            match this.poll_fill(cx, &mut buffer) {
                Poll::Ready(Ok(0)) => this.ended = true,
                Poll::Ready(Ok(count)) => this.patience.read(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let waiting = this.preface.waiting();
                    if waiting == Waiting::Answer {
                        this.hold_back(cx);
                    }
                    return this.patience.poll_reading(cx, waiting);
                }
            }
        }
    }
}

impl<T: Transport> Write for Wire<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.poll_interim(cx) {
            Poll::Ready(written) => written?,
            Poll::Pending => return this.patience.poll_writing(cx).map(|result| result.map(|()| 0)),
        }
        match Pin::new(&mut this.stream).poll_write_vectored(cx, buffers) {
            Poll::Ready(Ok(count)) => {
                this.progress.wrote(buffers, count);
                this.patience.wrote(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.patience.poll_writing(cx).map(|result| result.map(|()| 0)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.poll_interim(cx) {
            Poll::Ready(written) => written?,
            Poll::Pending => return this.patience.poll_writing(cx),
        }
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => return this.patience.poll_writing(cx),
        }
        if this.progress.flushed() {
            this.preface.answered();
            this.resume_reading(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A refusal is still to be written.
        let owes_refusal = matches!(this.preface.refused(), Some(Refused::Head(_) | Refused::Body(_)));
        if owes_refusal || this.patience.ran_out.is_some() {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.stream).poll_shutdown(cx) {
            Poll::Pending => this.patience.poll_writing(cx),
            ended => ended,
        }
    }
}
