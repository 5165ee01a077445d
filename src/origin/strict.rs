//! An origin's answers, walked before hyper sees them: the IO type beneath it.
//!
//! hyper gets the bytes of a head when all of it is there and nothing in it is ambiguous, and no byte of a
//! body that leaves a doubt about where it ends. Bytes behind an answer's end are how an answer is smuggled that
//! the next one to ask gets: they are thrown away, and the connection carries nothing more (RFC 9112 section 6.3).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use terms::wire::answer::{AnswerWalk, BadHead, WalkedAnswer};
use terms::wire::framing::{BadBody, BodyWalk};
use terms::wire::head::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::{Due, Traffic};

/// Interim answers before one that is final: origins send one or two.
const MAX_INTERIM: usize = 16;

/// What is wrong with an answer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error(transparent)]
    Head(#[from] BadHead),
    #[error(transparent)]
    Body(#[from] BadBody),
    #[error("interim answers without end")]
    Interim,
    #[error("bytes that belong to no answer")]
    Excess,
}

/// What the next byte from the origin belongs to.
#[derive(Debug)]
enum Next {
    /// Nothing, until there is another request.
    Nothing,
    Head(AnswerWalk),
    Body(BodyWalk),
    /// HTTP/1.1 has ended here.
    Tunnel,
}

pub(crate) struct Strict<S> {
    stream: S,
    traffic: Arc<Traffic>,
    limits: Limits,
    next: Next,
    /// The request that is being answered, or was last.
    answered: Due,
    /// Something was written since.
    asked: bool,
    interim: usize,
    /// A head that is not whole yet, or was so just now.
    held: Vec<u8>,
    /// So many bytes at the start of `held` may be handed on.
    cleared: usize,
    malformed: Option<Malformed>,
}

impl<S> Strict<S> {
    /// Heads may have `head` bytes and `fields` lines.
    pub(crate) fn new(stream: S, traffic: Arc<Traffic>, head: usize, fields: usize) -> Strict<S> {
        Strict {
            stream,
            traffic,
            limits: Limits { head, target: 0, fields },
            next: Next::Nothing,
            answered: Due::default(),
            asked: false,
            interim: 0,
            held: Vec::new(),
            cleared: 0,
            malformed: None,
        }
    }

    /// Takes bytes that were just read, and says how many of them may be handed on at once; the rest is
    /// held. Nothing is handed on of a read in which something is wrong, but what stands before an answer's end.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        if self.held.is_empty() {
            let now = self.advance(bytes)?;
            if self.malformed.is_none() {
                self.held.extend_from_slice(&bytes[now..]);
            }
            return Ok(now);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        self.cleared = self.advance(&held)?;
        if self.malformed.is_some() {
            held.truncate(self.cleared);
        }
        self.held = held;
        Ok(0)
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.next {
                Next::Nothing => match self.due() {
                    Ok(walk) => self.next = Next::Head(walk),
                    Err(excess) if at > 0 => {
                        // Known before the reader of the answer finds its end, and lets go of the connection.
                        self.traffic.exceed();
                        self.malformed = Some(excess);
                        break;
                    }
                    Err(excess) => return Err(excess),
                },
                Next::Head(walk) => match walk.go_on(&bytes[at..], &self.limits)? {
                    None => break,
                    Some(head) => {
                        at += head.length;
                        self.next = self.behind(&head)?;
                    }
                },
                Next::Body(body) => at += body.follow(&bytes[at..])?,
                Next::Tunnel => at = bytes.len(),
            }
            if let Next::Body(body) = &self.next
                && body.is_over()
            {
                self.next = Next::Nothing;
                self.asked = false;
            }
        }
        Ok(at)
    }

    /// An answer begins, if one is due: nothing of a second request was written when what belongs to
    /// nobody arrives behind the first answer.
    fn due(&mut self) -> Result<AnswerWalk, Malformed> {
        let due = self.traffic.due();
        let is_first = self.answered == Due::default();
        if due == self.answered || !(self.asked || is_first) {
            return Err(Malformed::Excess);
        }
        self.answered = due;
        self.interim = 0;
        Ok(AnswerWalk::default())
    }

    fn behind(&mut self, head: &WalkedAnswer) -> Result<Next, Malformed> {
        if head.status == 101 {
            return Ok(Next::Tunnel);
        }
        if head.is_interim() {
            self.interim += 1;
            return match self.interim <= MAX_INTERIM {
                true => Ok(Next::Head(AnswerWalk::default())),
                false => Err(Malformed::Interim),
            };
        }
        Ok(Next::Body(BodyWalk::of(head.framing(self.answered.to_head()))))
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.cleared -= count;
        if count == self.held.len() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        } else {
            self.held.drain(..count);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            if let Some(malformed) = this.malformed {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.take(fresh).unwrap_or_else(|malformed| {
                this.malformed = Some(malformed);
                0
            });
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asked = true;
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asked = true;
        Pin::new(&mut this.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
