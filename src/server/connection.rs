//! One HTTP/1.1 connection: hyper on an IO type of ours that sees every byte in and out.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use terms::wire::head::BadHead;
use terms::{Body, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::accept::{Edge, Limits, Stop};
use super::preface::{Preface, Waiting};
use super::progress::{Framing, Progress};
use super::{refuse, request};

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

/// Serves a connection until either side ends it.
pub(super) async fn drive<T: Transport>(stream: T, peer: Peer, edge: Arc<Edge>, stop: Stop) {
    let limits = edge.limits();
    let lane = edge.gateway.lane();
    let progress = Arc::new(Progress::new(lane.clone()));
    let socket = stream.tcp().as_raw_fd();
    let wire = Wire::new(stream, &limits, progress.clone());
    let service = service_fn(|incoming| {
        let (edge, lane, progress, max_body) = (edge.clone(), lane.clone(), progress.clone(), limits.max_body);
        async move {
            let http10 = incoming.version() == http::Version::HTTP_10;
            let asked = request::owned(incoming, max_body);
            let response = edge.gateway.serve(asked, peer, &lane).await;
            let (head, witnessed) = response.into_parts();
            let framing = framing_of(&head.headers, &witnessed.body, http10);
            if let Some(draft) = witnessed.draft {
                progress.begin(draft, framing);
            }
            Ok::<_, std::convert::Infallible>(http::Response::from_parts(head, progress.watch(witnessed.body)))
        }
    });
    let mut connection = http1::Builder::new()
        .max_headers(limits.head.fields)
        // Room for a head of the largest size; bodies pass through in pieces of this size at most.
        .max_buf_size(limits.head.head.max(MIN_HYPER_BUFFER))
        .header_read_timeout(None)
        .serve_connection(wire, service);
    let mut told_to_end = false;
    let cut = loop {
        tokio::select! {
            biased;
            blocked = lane.blocked() => {
                // SAFETY: `connection` owns the socket, and outlives this borrow: it is neither moved nor
                // dropped before the loop ends.
                let socket = unsafe { BorrowedFd::borrow_raw(socket) };
                progress.arrived(net::unsent(socket).unwrap_or(0));
                if lane.is_blocked() {
                    break Some(blocked);
                }
            }
            () = stop.draining.signaled(), if !told_to_end => {
                told_to_end = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = stop.ending.signaled() => break None,
            _ = &mut connection => break None,
        }
    };
    let wire = connection.into_parts().io;
    match cut {
        Some(blocked) => {
            let unsent = net::unsent(wire.stream.tcp()).unwrap_or(0);
            reset(wire.stream);
            progress.cut(&blocked, unsent);
        }
        None if progress.must_reset() => {
            let unsent = net::unsent(wire.stream.tcp()).unwrap_or(0);
            reset(wire.stream);
            progress.close(unsent);
        }
        None => wire.close(&edge, peer, &progress).await,
    }
}

/// How hyper will frame a body.
fn framing_of(fields: &HeaderMap, body: &Body, http10: bool) -> Framing {
    let declared = fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match declared.or(http_body::Body::size_hint(body).exact()) {
        Some(length) => Framing::Length(length),
        None if http10 => Framing::Close,
        None => Framing::Chunked,
    }
}

/// hyper asks for at least this much.
const MIN_HYPER_BUFFER: usize = 64 * 1024;

/// Closes a connection so that the kernel throws away what it still holds, and the peer sees a reset.
fn reset(stream: impl Transport) {
    // Lingering for no time is what turns a close into a reset (socket(7)); were it refused, the close
    // would still end the connection.
    let _ = socket2::SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// The IO type beneath hyper.
pub(super) struct Wire<T> {
    stream: T,
    preface: Preface,
    progress: Arc<Progress>,
    refused: Option<BadHead>,
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
    fn new(stream: T, limits: &Limits, progress: Arc<Progress>) -> Wire<T> {
        Wire {
            stream,
            preface: Preface::new(limits.head),
            progress,
            refused: None,
            held_back: None,
            ended: false,
            patience: Patience::new(limits.head_timeout, limits.idle_timeout),
        }
    }

    /// Reads once from the socket, and hands on what may be handed on at once. `Ok(0)`: nothing more
    /// will come.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBufCursor<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            match self.preface.take(read.filled(), buffer.remaining()) {
                Ok(passed) => buffer.put_slice(passed),
                Err(refused) => self.refused = Some(refused),
            }
            Poll::Ready(Ok(read.filled().len()))
        })
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
        let is_next_here = !self.preface.ready(1).is_empty() || self.refused.is_some();
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

    /// Ends a connection that hyper is done with: says why a head was refused, and lets the peer read
    /// what it was sent.
    async fn close(mut self, edge: &Edge, peer: Peer, progress: &Progress) {
        progress.close(net::unsent(self.stream.tcp()).unwrap_or(0));
        let refusal = match (self.refused, self.patience.ran_out) {
            (Some(bad), _) => Some(refuse::Reason::BadHead(bad)),
            (None, Some(Waiting::RestOfHead)) => Some(refuse::Reason::TooSlow),
            _ => None,
        };
        if let Some(reason) = refusal {
            refuse::answer(&mut self.stream, reason, self.preface.unfinished_head(), edge, peer).await;
        }
        if refusal.is_some() || self.preface.waiting() == Waiting::Body {
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
            // The end, to hyper: a refusal is written when it is done with the connection.
            if this.refused.is_some() || this.ended {
                return Poll::Ready(Ok(()));
            }
            if this.preface.is_full() {
                this.hold_back(cx);
                return Poll::Pending;
            }
            match this.poll_fill(cx, &mut buffer) {
                Poll::Ready(Ok(0)) => this.ended = true,
                Poll::Ready(Ok(_)) => this.patience.progressed(),
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
        match Pin::new(&mut this.stream).poll_write_vectored(cx, buffers) {
            Poll::Ready(Ok(count)) => {
                this.progress.wrote(buffers, count);
                this.patience.wrote();
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
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => return this.patience.poll_writing(cx),
        }
        if this.progress.flushed() {
            if let Err(refused) = this.preface.answered() {
                this.refused = Some(refused);
            }
            this.resume_reading(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A refusal is still to be written.
        if this.refused.is_some() || this.patience.ran_out.is_some() {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.stream).poll_shutdown(cx) {
            Poll::Pending => this.patience.poll_writing(cx),
            ended => ended,
        }
    }
}

/// How long a client may make us wait. One timer a connection, moved only when it fires, so that a
/// request costs none.
struct Patience {
    head: Duration,
    idle: Duration,
    /// When the client last did something, or the wait for it began.
    since: Option<Instant>,
    kind: Option<Waiting>,
    /// Since when the client has taken no byte of what is written to it.
    stalled: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    ran_out: Option<Waiting>,
}

impl Patience {
    fn new(head: Duration, idle: Duration) -> Patience {
        Patience { head, idle, since: None, kind: None, stalled: None, timer: None, ran_out: None }
    }

    fn progressed(&mut self) {
        self.since = match self.kind {
            // The whole head has one deadline: sending a byte now and then does not move it.
            Some(Waiting::RestOfHead) => self.since,
            _ => None,
        };
    }

    fn poll_reading(&mut self, cx: &mut Context<'_>, waiting: Waiting) -> Poll<io::Result<()>> {
        if self.kind != Some(waiting) {
            self.kind = Some(waiting);
            self.since = None;
        }
        match waiting {
            // The edge's own deadlines hold here.
            Waiting::Answer => Poll::Pending,
            Waiting::RestOfHead => self.poll_since(cx, self.head, waiting),
            Waiting::Request | Waiting::Body => self.poll_since(cx, self.idle, waiting),
        }
    }

    fn poll_since(&mut self, cx: &mut Context<'_>, allowed: Duration, waiting: Waiting) -> Poll<io::Result<()>> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.poll(cx, since + allowed, waiting)
    }

    /// A peer that takes no byte for the idle time is given up, whatever it sends meanwhile.
    fn poll_writing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stalled = *self.stalled.get_or_insert_with(Instant::now);
        self.poll(cx, stalled + self.idle, Waiting::Answer)
    }

    fn wrote(&mut self) {
        self.stalled = None;
        self.progressed();
    }

    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant, waiting: Waiting) -> Poll<io::Result<()>> {
        let now = Instant::now();
        if now >= deadline {
            self.ran_out = Some(waiting);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(deadline);
            if timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}
