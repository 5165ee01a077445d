//! How far the answer on a connection has come, counted where the bytes leave.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use block::{Blocked, Lane};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use memchr::memmem::Finder;
use parking_lot::Mutex;
use terms::{Body, BodyError};

use super::relay::Relay;
use crate::witness::{Draft, End, Outcome, Trace};

/// An answer whose bytes are on their way.
struct Current {
    draft: Box<Draft>,
    ticket: Option<u64>,
    framing: Framing,
    /// Bytes written on the connection when the answer's head was complete.
    body_from: Option<u64>,
    head_end: HeadEnd,
    /// Body bytes that hyper took.
    taken: u64,
    /// What the framing adds to them.
    overhead: u64,
    ended: bool,
    /// No other answer may follow it.
    is_last: bool,
    failed: Option<BodyError>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// The end of the connection ends the body.
    Close,
}

/// An answer of which the kernel has everything, and the peer maybe not.
struct Sent {
    ticket: u64,
    /// Bytes written on the connection at its end.
    end: u64,
    trace: Trace,
}

/// With this much not known to have been sent, the kernel is asked before the next answer; below it, small
/// answers pile up in the register and are asked about together.
const ASK_ABOVE: u64 = 64 * 1024;
const ASK_ABOVE_ANSWERS: usize = 8;

#[derive(Default)]
struct State {
    written: u64,
    current: Option<Current>,
    sent: VecDeque<Sent>,
    /// The last answer has left.
    has_ended: bool,
}

/// Shared by the three that know something of an answer: the IO type, the body that hyper polls, and
/// the task that may cut the connection. All run in one task, so the lock never waits.
pub(super) struct Progress {
    lane: Arc<Lane>,
    pub(super) relay: Relay,
    state: Mutex<State>,
}

impl Progress {
    pub(super) fn new(lane: Arc<Lane>) -> Progress {
        Progress { lane, relay: Relay::default(), state: Mutex::default() }
    }

    /// An answer begins: nothing of it has been written. `is_last`: none may follow it.
    pub(super) fn begin(&self, draft: Box<Draft>, framing: Framing, is_last: bool) {
        let ticket = draft.ticket();
        self.state.lock().current = Some(Current {
            draft,
            ticket,
            framing,
            body_from: None,
            head_end: HeadEnd::default(),
            taken: 0,
            overhead: 0,
            ended: false,
            is_last,
            failed: None,
        });
    }

    /// So many bytes of interim answers were written. They belong to no answer that is counted.
    pub(super) fn wrote_interim(&self, count: usize) {
        self.state.lock().written += count as u64;
    }

    /// `count` bytes at the start of `buffers` were written.
    pub(super) fn wrote(&self, buffers: &[IoSlice<'_>], count: usize) {
        let mut state = self.state.lock();
        let before = state.written;
        state.written += count as u64;
        let State { written, current, .. } = &mut *state;
        if let Some(current) = current
            && current.body_from.is_none()
        {
            match current.whole_length() {
                // The usual answer goes out whole, and its body is what ends it.
                Some(length) if buffers.iter().map(|one| one.len()).sum::<usize>() == count => {
                    current.body_from = Some(written.saturating_sub(length));
                }
                _ => current.find_body(before, buffers, count),
            }
        }
    }

    /// The kernel has all that hyper had. Says whether that completed an answer behind which there may be
    /// another.
    pub(super) fn flushed(&self) -> bool {
        let mut state = self.state.lock();
        if !state.current.as_ref().is_some_and(|current| current.ended) {
            return false;
        }
        let Some(current) = state.current.take() else { return false };
        let end = state.written;
        let Current { draft, ticket, taken, is_last, .. } = current;
        let list = ticket.and_then(|ticket| self.lane.list(ticket));
        let trace = draft.end(End { bytes: taken, complete: true, outcome: Outcome::AsAnswered, list });
        if let Some(ticket) = ticket {
            state.sent.push_back(Sent { ticket, end, trace });
        }
        state.has_ended = is_last;
        !is_last
    }

    /// Whether the last answer of the connection has left: what else the client sent is not looked at.
    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    /// Whether so much is not known to have arrived that the kernel should be asked.
    pub(super) fn should_ask(&self) -> bool {
        let state = self.state.lock();
        match state.sent.front() {
            Some(first) => state.sent.len() > ASK_ABOVE_ANSWERS || state.written - first.end > ASK_ABOVE,
            None => false,
        }
    }

    /// The kernel holds `unsent` bytes: what stands before them has arrived.
    pub(super) fn arrived(&self, unsent: u64) {
        let mut state = self.state.lock();
        let sent = state.written.saturating_sub(unsent);
        while state.sent.front().is_some_and(|one| one.end <= sent) {
            if let Some(sent) = state.sent.pop_front() {
                self.lane.arrived(sent.ticket);
            }
        }
    }

    /// The connection is being reset with `unsent` bytes in the kernel: they are thrown away.
    pub(super) fn cut(&self, blocked: &[Blocked], unsent: u64) {
        let mut state = self.state.lock();
        let mut thrown = unsent;
        if let Some(current) = state.current.take() {
            let ruling = blocked.iter().find(|one| Some(one.ticket) == current.ticket);
            let held = current.body_held(state.written, thrown);
            thrown = thrown.saturating_sub(current.written(state.written));
            let outcome = match ruling {
                Some(one) => Outcome::Cut(one.ruling.clone()),
                None => Outcome::Broken,
            };
            current.close(held, outcome, &self.lane);
        }
        // The newest bytes are the ones that the kernel still held.
        let mut end_of_next = state.written;
        while let Some(sent) = state.sent.pop_back() {
            let before = state.sent.back().map_or(0, |sent| sent.end);
            let lost = thrown.min(end_of_next.min(sent.end).saturating_sub(before));
            thrown -= lost;
            end_of_next = before;
            if lost > 0
                && let Some(one) = blocked.iter().find(|one| one.ticket == sent.ticket)
            {
                sent.trace.cut_after_record(&one.ruling, lost);
            }
        }
    }

    /// Whether only a reset tells the truth: the fetch behind the answer was cut before the answer was,
    /// or a body failed whose regular end is the connection's.
    pub(super) fn must_reset(&self) -> bool {
        let state = self.state.lock();
        state.current.as_ref().is_some_and(|current| match &current.failed {
            Some(BodyError::Cut(_)) => true,
            Some(_) => current.framing == Framing::Close,
            None => false,
        })
    }

    /// The connection is over, with `unsent` bytes that nobody will get.
    pub(super) fn close(&self, unsent: u64) {
        let mut state = self.state.lock();
        let written = state.written;
        if let Some(current) = state.current.take() {
            let held = current.body_held(written, unsent);
            let outcome = match current.failed {
                Some(BodyError::Cut(ref ruling)) => Outcome::Cut(ruling.clone()),
                Some(_) => Outcome::Broken,
                None => Outcome::AsAnswered,
            };
            current.close(held, outcome, &self.lane);
        }
        for sent in state.sent.drain(..) {
            self.lane.arrived(sent.ticket);
        }
    }

    /// The body that hyper polls, watched.
    pub(super) fn watch(self: &Arc<Self>, body: Body) -> Watched {
        Watched { body, progress: self.clone(), failed: None }
    }

    fn took(&self, count: usize) {
        if let Some(current) = &mut self.state.lock().current {
            current.taken += count as u64;
            // hyper asks no further behind the last byte of a known length.
            current.ended |= current.framing == Framing::Length(current.taken);
            if current.framing == Framing::Chunked {
                current.overhead += chunk_overhead(count);
            }
        }
    }

    fn ended(&self, failed: Option<BodyError>) {
        if let Some(current) = &mut self.state.lock().current {
            current.ended = failed.is_none() && current.failed.is_none();
            if failed.is_some() {
                current.failed = failed;
            }
        }
    }
}

/// Finds the empty line behind a head, in bytes that come in pieces. Nothing is copied of them but the
/// last three.
#[derive(Default)]
struct HeadEnd {
    tail: [u8; 3],
    kept: usize,
}

static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

impl HeadEnd {
    /// Where in `part` the body begins.
    fn find(&mut self, part: &[u8]) -> Option<usize> {
        let mut seam = [0; 6];
        let ahead = part.len().min(3);
        seam[..self.kept].copy_from_slice(&self.tail[..self.kept]);
        seam[self.kept..self.kept + ahead].copy_from_slice(&part[..ahead]);
        if self.kept > 0
            && let Some(at) = EMPTY_LINE.find(&seam[..self.kept + ahead])
        {
            return Some(at + 4 - self.kept);
        }
        let mut start = 0;
        while let Some(at) = EMPTY_LINE.find(&part[start..]) {
            let end = start + at + 4;
            if !part[start..].starts_with(b"HTTP/1.1 1") {
                return Some(end);
            }
            start = end;
        }
        let rest = &part[start..];
        let seen = &seam[..self.kept + ahead];
        let last = if rest.len() >= 3 { rest } else { seen };
        self.kept = last.len().min(3);
        self.tail[..self.kept].copy_from_slice(&last[last.len() - self.kept..]);
        None
    }
}

/// Size line, and the CR LF behind the data (RFC 9112 section 7.1).
fn chunk_overhead(count: usize) -> u64 {
    let digits = (usize::BITS - count.leading_zeros()).div_ceil(4);
    u64::from(digits) + 4
}

impl Current {
    /// Looks for the end of the head in what was just written; a 1xx head before it does not count.
    fn find_body(&mut self, before: u64, buffers: &[IoSlice<'_>], count: usize) {
        let (mut from, mut left) = (before, count);
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(left)];
            if let Some(end) = self.head_end.find(part) {
                self.body_from = Some(from + end as u64);
                return;
            }
            from += part.len() as u64;
            left -= part.len();
            if left == 0 {
                return;
            }
        }
    }

    /// Bytes of the body, where hyper has taken all of them and adds none.
    fn whole_length(&self) -> Option<u64> {
        let whole = self.ended && self.framing == Framing::Length(self.taken);
        whole.then_some(self.taken)
    }

    /// Bytes of this answer that were written, its head not counted.
    fn written(&self, written: u64) -> u64 {
        self.body_from.map_or(0, |from| written.saturating_sub(from))
    }

    /// Body bytes that hyper took and that never left: those it holds, and `unsent` in the kernel.
    /// Framing counts as part of the chunk before it.
    fn body_held(&self, written: u64, unsent: u64) -> u64 {
        let in_hyper = (self.taken + self.overhead).saturating_sub(self.written(written));
        in_hyper + unsent.min(self.written(written))
    }

    fn close(self, held: u64, outcome: Outcome, lane: &Lane) {
        let list = self.ticket.and_then(|ticket| lane.list(ticket));
        self.draft.end(End { bytes: self.taken.saturating_sub(held), complete: false, outcome, list });
    }
}

/// A body that tells how far it has come.
pub(super) struct Watched {
    body: Body,
    progress: Arc<Progress>,
    /// How the body failed, until what came before that has left.
    failed: Option<BodyError>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.progress.took(data.len());
                }
            }
            Poll::Ready(Some(Err(error))) => {
                // hyper drops what it has not flushed, the head too: it is told a turn later.
                self.progress.ended(Some(error.clone()));
                self.failed = Some(error.clone());
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(None) => self.progress.ended(None),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // hyper asks `is_end_stream` and then drops a body without polling it to its end.
        if http_body::Body::is_end_stream(&self.body) {
            self.progress.ended(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";

    #[test]
    fn an_interim_head_is_not_the_answers() {
        let bytes = format!("HTTP/1.1 100 Continue\r\n\r\n{HEAD}body");
        assert_eq!(HeadEnd::default().find(bytes.as_bytes()), Some(bytes.len() - "body".len()));
    }

    proptest! {
        #[test]
        fn the_body_is_found_however_the_head_is_cut(cuts in prop::collection::vec(1_usize..6, 1..40)) {
            let bytes = format!("{HEAD}body\r\n\r\n");
            let (mut head_end, mut at, mut cuts) = (HeadEnd::default(), 0, cuts.iter().cycle());
            let found = loop {
                let end = (at + cuts.next().unwrap()).min(bytes.len());
                if let Some(found) = head_end.find(&bytes.as_bytes()[at..end]) {
                    break at + found;
                }
                at = end;
            };
            prop_assert_eq!(found, HEAD.len());
        }

        #[test]
        fn framing_adds_what_hyper_writes(count in 1_usize..100_000) {
            prop_assert_eq!(chunk_overhead(count), format!("{count:X}\r\n\r\n").len() as u64);
        }
    }
}
