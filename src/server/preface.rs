//! What a client sends, walked before hyper sees it: whole heads only, one request at a time.
//!
//! hyper gets the bytes of a head when all of it is there and nothing in it is ambiguous, and the next
//! head when the answer before it has left. So the bytes of two answers never stand in hyper's buffer
//! together, and a connection's progress is always that of one answer.

use terms::wire::framing::BodyEnd;
use terms::wire::head::{BadHead, Limits, walk};

/// What the next byte from the client belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Head,
    Body(BodyEnd),
}

/// The bytes that were read and may not be handed on yet, and what they belong to.
pub(super) struct Preface {
    limits: Limits,
    next: Next,
    held: Vec<u8>,
    /// So many bytes at the start of `held` may be handed on.
    cleared: usize,
    /// A head was handed on whose answer has not left.
    in_progress: bool,
}

/// RFC 9112 section 2.2 asks to skip at least one empty line before a request line; more are noise.
const MAX_EMPTY_LINES: usize = 4;

/// What a client waits for, which says how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing of a request is there.
    Request,
    RestOfHead,
    Body,
    /// All of the request is there: the edge's turn.
    Answer,
}

impl Preface {
    pub(super) fn new(limits: Limits) -> Preface {
        Preface { limits, next: Next::Head, held: Vec::new(), cleared: 0, in_progress: false }
    }

    /// Takes bytes that were just read, and gives back those that may be handed on at once, at most
    /// `room`; the rest is held. Nothing is copied of a request that comes in one piece.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8], room: usize) -> Result<&'a [u8], BadHead> {
        if !self.held.is_empty() {
            self.held.extend_from_slice(bytes);
            self.clear()?;
            return Ok(&[]);
        }
        let (cleared, verdict) = self.advance(bytes);
        let now = cleared.min(room);
        self.held.extend_from_slice(&bytes[now..]);
        self.cleared = cleared - now;
        verdict.map(|()| &bytes[..now])
    }

    /// The answer to the head that was handed on last has left.
    pub(super) fn answered(&mut self) -> Result<(), BadHead> {
        self.in_progress = false;
        self.clear()
    }

    /// Whether reading more makes sense: a client that sends the next requests ahead is not read
    /// without end.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() - self.cleared > self.limits.head
    }

    pub(super) fn waiting(&self) -> Waiting {
        match self.next {
            Next::Body(_) => Waiting::Body,
            Next::Head if self.in_progress => Waiting::Answer,
            Next::Head if self.held.is_empty() => Waiting::Request,
            Next::Head => Waiting::RestOfHead,
        }
    }

    /// Up to `room` of the held bytes that may be handed on.
    pub(super) fn ready(&self, room: usize) -> &[u8] {
        &self.held[..self.cleared.min(room)]
    }

    /// `count` of the held bytes were handed on.
    pub(super) fn handed_on(&mut self, count: usize) {
        self.cleared -= count;
        if count == self.held.len() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        } else {
            self.held.drain(..count);
        }
    }

    /// What of a head is there that was refused or never became whole.
    pub(super) fn unfinished_head(&self) -> &[u8] {
        &self.held[self.cleared..]
    }

    fn clear(&mut self) -> Result<(), BadHead> {
        let held = std::mem::take(&mut self.held);
        let (cleared, verdict) = self.advance(&held[self.cleared..]);
        self.held = held;
        self.cleared += cleared;
        verdict
    }

    /// How many of `bytes`, from their start, may be handed on; and whether the head behind them is
    /// refused.
    fn advance(&mut self, bytes: &[u8]) -> (usize, Result<(), BadHead>) {
        let mut at = 0;
        let mut empty_lines = 0;
        while at < bytes.len() {
            match &mut self.next {
                Next::Body(end) => {
                    at += end.follow(&bytes[at..]);
                    if end.is_reached() {
                        self.next = Next::Head;
                    }
                }
                Next::Head if self.in_progress => break,
                Next::Head if bytes[at..].starts_with(b"\r\n") && empty_lines < MAX_EMPTY_LINES => {
                    empty_lines += 1;
                    at += 2;
                }
                Next::Head => {
                    let head = match walk(&bytes[at..], &self.limits) {
                        Ok(Some(head)) => head,
                        Ok(None) => break,
                        Err(refused) => return (at, Err(refused)),
                    };
                    at += head.length;
                    self.in_progress = true;
                    let end = BodyEnd::of(head.framing);
                    if !end.is_reached() {
                        self.next = Next::Body(end);
                    }
                }
            }
        }
        (at, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 256, target: 64, fields: 8 };
    const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

    /// Everything that comes of `bytes`, handed on in pieces of at most `room`.
    fn pass(preface: &mut Preface, bytes: &[u8], room: usize) -> Result<Vec<u8>, BadHead> {
        let mut passed = preface.take(bytes, room)?.to_vec();
        passed.extend(drain(preface, room));
        Ok(passed)
    }

    fn drain(preface: &mut Preface, room: usize) -> Vec<u8> {
        let mut passed = Vec::new();
        while !preface.ready(room).is_empty() {
            let ready = preface.ready(room).to_vec();
            preface.handed_on(ready.len());
            passed.extend(ready);
        }
        passed
    }

    #[test]
    fn a_head_is_handed_on_when_it_is_whole() {
        let mut preface = Preface::new(LIMITS);
        assert_eq!(preface.waiting(), Waiting::Request);
        assert_eq!(pass(&mut preface, &GET[..10], 99).unwrap(), b"");
        assert_eq!(preface.waiting(), Waiting::RestOfHead);
        assert_eq!(pass(&mut preface, &GET[10..], 99).unwrap(), GET);
        assert_eq!(preface.waiting(), Waiting::Answer);
    }

    #[test]
    fn the_next_head_waits_for_the_answer() {
        for room in [1, 7, 999] {
            let mut preface = Preface::new(LIMITS);
            assert_eq!(pass(&mut preface, &[GET, GET].concat(), room).unwrap(), GET);
            preface.answered().unwrap();
            assert_eq!(drain(&mut preface, room), GET);
        }
    }

    #[test]
    fn a_body_passes_and_its_end_is_found() {
        let mut preface = Preface::new(LIMITS);
        let post = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc";
        assert_eq!(pass(&mut preface, post, 99).unwrap(), post);
        assert_eq!(preface.waiting(), Waiting::Body);
        preface.answered().unwrap();
        assert_eq!(pass(&mut preface, &[b"de", GET].concat(), 99).unwrap(), [b"de", GET].concat());
    }

    #[test]
    fn what_is_refused_is_not_handed_on() {
        let bad = b"GET /a HTTP/1.1\nHost: h\n\n";
        let mut preface = Preface::new(LIMITS);
        assert_eq!(preface.take(bad, 99), Err(BadHead::BareLineEnd));
        assert_eq!(drain(&mut preface, 99), b"");
        assert_eq!(preface.unfinished_head(), bad);
    }

    #[test]
    fn a_few_empty_lines_before_a_request_are_let_through() {
        let mut preface = Preface::new(LIMITS);
        assert_eq!(pass(&mut preface, &[b"\r\n\r\n", GET].concat(), 99).unwrap(), [b"\r\n\r\n", GET].concat());
        let mut preface = Preface::new(LIMITS);
        assert_eq!(preface.take(&b"\r\n".repeat(9), 99), Err(BadHead::RequestLine));
    }
}
