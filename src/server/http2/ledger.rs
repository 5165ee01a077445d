//! What has left of each answer on a connection, counted where the bytes leave.
//!
//! An account is opened before h2 gets an answer's head, and closed, with the answer's record, when the
//! frame that ends its stream was handed to the kernel, or when it is clear that it never will be.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use block::Lane;
use h2::Reason;
use parking_lot::Mutex;

use super::frames::{Frame, Kind, Seen, Walk};
use super::{BROKEN, FLOOD, MALFORMED, toll};
use crate::telemetry::EdgeNumbers;
use crate::witness::{Draft, End, Outcome};

/// What may still arrive of a stream that was cut. With more of it unsent, the whole connection goes.
const MAY_ARRIVE: u64 = 128 * 1024;

struct Account {
    /// `None`: too little is known for a record.
    draft: Option<Box<Draft>>,
    lane: Arc<Lane>,
    /// What is recorded if the answer does not come to its end.
    outcome: Outcome,
    /// Body bytes handed to the socket.
    written: u64,
    is_whole: bool,
    is_overdue: bool,
    waiting: Option<Waker>,
}

pub(super) struct Ledger {
    numbers: Arc<EdgeNumbers>,
    state: Mutex<State>,
}

struct State {
    walk: Walk,
    answers: HashMap<u32, Account>,
    /// Streams whose last frame is written and not flushed.
    ended: Vec<u32>,
    /// Body bytes that h2 has framed and the socket did not take yet: they leave whatever happens.
    framed: Vec<(u32, u32)>,
    /// The last stream that h2 answered itself, with 431: a reset follows that is no other refusal.
    refused_by_h2: u32,
}

impl Ledger {
    pub(super) fn new(numbers: Arc<EdgeNumbers>) -> Ledger {
        let state = State {
            walk: Walk::of_server(),
            answers: HashMap::new(),
            ended: Vec::new(),
            framed: Vec::new(),
            refused_by_h2: 0,
        };
        Ledger { numbers, state: Mutex::new(state) }
    }

    pub(super) fn open(&self, stream: u32, draft: Option<Box<Draft>>, lane: Arc<Lane>) {
        let account = Account {
            draft,
            lane,
            outcome: Outcome::AsAnswered,
            written: 0,
            is_whole: false,
            is_overdue: false,
            waiting: None,
        };
        self.state.lock().answers.insert(stream, account);
    }

    /// `count` bytes at the start of `buffers` were written. Says what the client earned by taking them.
    pub(super) fn wrote(&self, buffers: &[IoSlice<'_>], count: usize) -> u32 {
        let mut state = self.state.lock();
        let (mut walk, mut earned, mut left) = (state.walk, 0, count);
        state.framed.clear();
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(left)];
            left -= part.len();
            walk.along(part, |seen| match seen {
                Seen::Begun(_) => {}
                Seen::Passed(frame, bytes) => state.passed(&frame, bytes),
                Seen::Ended(frame, code) => earned += self.ended(&mut state, &frame, code),
            });
        }
        state.walk = walk;
        earned
    }

    /// `buffers` were offered to the socket, which took none of them.
    pub(super) fn offered(&self, buffers: &[IoSlice<'_>]) {
        let mut state = self.state.lock();
        let mut walk = state.walk;
        state.framed.clear();
        for buffer in buffers {
            walk.along(buffer, |seen| {
                if let Seen::Passed(frame, bytes) = seen
                    && frame.kind == Kind::Data
                {
                    state.framed.push((frame.stream, bytes));
                }
            });
        }
    }

    fn ended(&self, state: &mut State, frame: &Frame, code: u32) -> u32 {
        let account = state.answers.get_mut(&frame.stream);
        match (frame.kind, account) {
            (Kind::GoAway, _) => match Reason::from(code) {
                Reason::NO_ERROR => {}
                Reason::ENHANCE_YOUR_CALM => self.numbers.refused(FLOOD),
                _ => self.numbers.refused(BROKEN),
            },
            (Kind::Reset, Some(_)) => state.ended.push(frame.stream),
            (Kind::Reset, None) if frame.stream == state.refused_by_h2 => {}
            (Kind::Reset, None) if Reason::from(code) == Reason::PROTOCOL_ERROR => {
                self.numbers.refused(MALFORMED);
            }
            (Kind::Headers, None) if frame.ends_stream() => {
                state.refused_by_h2 = frame.stream;
                self.numbers.refused("head-too-large");
            }
            (_, Some(account)) if frame.ends_stream() => {
                account.is_whole = true;
                state.ended.push(frame.stream);
            }
            _ => {}
        }
        let answered = if frame.ends_stream() { toll::ANSWER } else { 0 };
        answered + if frame.kind == Kind::Data { toll::earned_by_data(frame.length) } else { 0 }
    }

    /// The kernel has all that was written.
    pub(super) fn flushed(&self) {
        let mut state = self.state.lock();
        for stream in std::mem::take(&mut state.ended) {
            if let Some(account) = state.answers.remove(&stream) {
                let bytes = account.written;
                account.close(bytes);
            }
        }
    }

    /// The answer is being stopped: if its end has not been written by now, this is why.
    pub(super) fn stopping(&self, stream: u32, outcome: Outcome) {
        if let Some(account) = self.state.lock().answers.get_mut(&stream) {
            account.outcome = outcome;
        }
    }

    /// The client does not want the rest.
    pub(super) fn left(&self, stream: u32) {
        let mut state = self.state.lock();
        if let Some(account) = state.answers.remove(&stream) {
            let bytes = account.written + state.framed(stream);
            account.close(bytes);
        }
    }

    /// The answer was cut, and the frame that says so can't be written.
    pub(super) fn overdue(&self, stream: u32) {
        if let Some(account) = self.state.lock().answers.get_mut(&stream) {
            account.is_overdue = true;
        }
    }

    /// Records what is overdue, if little enough of it is still on this side: `unsent` in the kernel, the
    /// rest of a frame in h2. Says whether that held for all of it.
    pub(super) fn settle_overdue(&self, unsent: u64) -> bool {
        let mut state = self.state.lock();
        let overdue: Vec<u32> =
            state.answers.iter().filter(|(_, account)| account.is_overdue).map(|(stream, _)| *stream).collect();
        for stream in overdue {
            let framed = state.framed(stream);
            let written = state.answers.get(&stream).map_or(0, |account| account.written);
            if unsent.min(written) + framed > MAY_ARRIVE {
                return false;
            }
            if let Some(account) = state.answers.remove(&stream) {
                account.close(written + framed);
            }
        }
        true
    }

    /// The connection is over. `thrown_away` bytes that were written nobody will get: of each answer at
    /// most so many, and as which answers' they were is not known, none of them is counted.
    pub(super) fn close(&self, thrown_away: u64, is_reset: bool) {
        for (_, mut account) in self.state.lock().answers.drain() {
            account.is_whole = false;
            if is_reset && matches!(account.outcome, Outcome::AsAnswered) {
                account.outcome = Outcome::Broken;
            }
            let bytes = account.written.saturating_sub(thrown_away);
            account.close(bytes);
        }
    }

    /// Body bytes of an answer that were handed to the socket, while its account is open.
    pub(super) fn written(&self, stream: u32) -> Option<u64> {
        self.state.lock().answers.get(&stream).map(|account| account.written)
    }

    /// Resolves when an answer's account is closed.
    pub(super) async fn closed(&self, stream: u32) {
        poll_fn(|cx| self.poll_closed(stream, cx)).await;
    }

    fn poll_closed(&self, stream: u32, cx: &Context<'_>) -> Poll<()> {
        match self.state.lock().answers.get_mut(&stream) {
            None => Poll::Ready(()),
            Some(account) => {
                account.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    fn passed(&mut self, frame: &Frame, bytes: u32) {
        if frame.kind == Kind::Data
            && let Some(account) = self.answers.get_mut(&frame.stream)
        {
            account.written += u64::from(bytes);
        }
    }

    fn framed(&self, stream: u32) -> u64 {
        self.framed.iter().filter(|(of, _)| *of == stream).map(|(_, bytes)| u64::from(*bytes)).sum()
    }
}

impl Account {
    fn close(self, bytes: u64) {
        let Account { draft, lane, outcome, is_whole, waiting, .. } = self;
        if let Some(draft) = draft {
            let ticket = draft.ticket();
            let list = ticket.and_then(|ticket| lane.list(ticket));
            let outcome = if is_whole { Outcome::AsAnswered } else { outcome };
            draft.end(End { bytes, complete: is_whole, outcome, list });
            if let Some(ticket) = ticket.filter(|_| is_whole) {
                lane.arrived(ticket);
            }
        }
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0x0;
    const RESET: u8 = 0x3;
    const END_STREAM: u8 = 0x1;

    fn frame(kind: u8, flags: u8, stream: u8, length: usize) -> Vec<u8> {
        let [.., one, two, three] = (length as u32).to_be_bytes();
        [&[one, two, three, kind, flags, 0, 0, 0, stream][..], &vec![0; length]].concat()
    }

    fn ledger(streams: &[u32]) -> Ledger {
        let ledger = Ledger::new(Arc::default());
        streams.iter().for_each(|stream| ledger.open(*stream, None, Arc::default()));
        ledger
    }

    fn wrote(ledger: &Ledger, bytes: &[u8]) {
        ledger.wrote(&[IoSlice::new(bytes)], bytes.len());
    }

    #[test]
    fn bytes_are_counted_by_stream_and_an_end_closes_the_account_when_flushed() {
        let ledger = ledger(&[1, 3]);
        let bytes = [frame(DATA, 0, 1, 300), frame(DATA, 0, 3, 20), frame(DATA, END_STREAM, 1, 7)].concat();
        let (head, body) = bytes.split_at(5);
        ledger.wrote(&[IoSlice::new(head), IoSlice::new(body)], 9 + 100);
        assert_eq!((ledger.written(1), ledger.written(3)), (Some(100), Some(0)));
        wrote(&ledger, &bytes[109..]);
        assert_eq!((ledger.written(1), ledger.written(3)), (Some(307), Some(20)));
        ledger.flushed();
        assert_eq!((ledger.written(1), ledger.written(3)), (None, Some(20)));
        wrote(&ledger, &frame(RESET, 0, 3, 4));
        ledger.flushed();
        assert_eq!(ledger.written(3), None);
    }

    #[test]
    fn what_is_overdue_is_settled_unless_too_much_of_it_may_arrive() {
        for (written, framed, unsent, is_settled) in [
            (500_000, 0, MAY_ARRIVE, true),
            (500_000, 0, MAY_ARRIVE + 1, false),
            // What is unsent can't be more of it than there is.
            (1_000, 0, 500_000, true),
            (500_000, 10_000, MAY_ARRIVE - 10_000, true),
            (500_000, 10_000, MAY_ARRIVE - 9_999, false),
        ] {
            let ledger = ledger(&[1, 3]);
            wrote(&ledger, &frame(DATA, 0, 1, written));
            wrote(&ledger, &frame(DATA, 0, 3, 500_000));
            ledger.offered(&[IoSlice::new(&frame(DATA, 0, 3, 16_000)), IoSlice::new(&frame(DATA, 0, 1, framed))]);
            ledger.overdue(1);
            assert_eq!(ledger.settle_overdue(unsent), is_settled, "{written} {framed} {unsent}");
            assert_eq!(ledger.written(1).is_none(), is_settled);
            assert_eq!(ledger.written(3), Some(500_000), "no other answer is touched");
        }
    }
}
