//! What a client sends, walked before hyper sees it: whole heads only, one request at a time, and no byte
//! of a body that leaves a doubt about where it ends.
//!
//! hyper gets the bytes of a head when all of it is there and nothing in it is ambiguous, and the next
//! head when the answer before it has left. So the bytes of two answers never stand in hyper's buffer
//! together, and a connection's progress is always that of one answer.

use terms::wire::framing::{BadBody, BodyWalk};
use terms::wire::head::{BadHead, Limits, RequestWalk};

/// What the next byte from the client belongs to.
#[derive(Debug)]
enum Next {
    Head(RequestWalk),
    Body(BodyWalk),
}

/// What a client sent that is not handed on, and all that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Head(BadHead),
    /// Of a request whose head is still held.
    Body(BadBody),
    /// Of one whose head was handed on.
    RestOfBody(BadBody),
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
    /// Before the head that is next.
    empty_lines: usize,
    refused: Option<Refused>,
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
        let next = Next::Head(RequestWalk::default());
        Preface { limits, next, held: Vec::new(), cleared: 0, in_progress: false, empty_lines: 0, refused: None }
    }

    /// Takes bytes that were just read, and gives back those that may be handed on at once, at most
    /// `room`; the rest is held. Nothing is copied of a request that comes in one piece.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8], room: usize) -> &'a [u8] {
        if !self.held.is_empty() {
            self.held.extend_from_slice(bytes);
            self.clear();
            return &[];
        }
        let cleared = self.advance(bytes);
        let now = cleared.min(room);
        self.held.extend_from_slice(&bytes[now..]);
        self.cleared = cleared - now;
        &bytes[..now]
    }

    /// The answer to the head that was handed on last has left.
    pub(super) fn answered(&mut self) {
        self.in_progress = false;
        self.clear();
    }

    /// Why nothing more is handed on than what is ready.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Whether reading more makes sense: a client that sends the next requests ahead is not read
    /// without end.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() - self.cleared > self.limits.head
    }

    pub(super) fn waiting(&self) -> Waiting {
        match self.next {
            Next::Body(_) => Waiting::Body,
            Next::Head(_) if self.in_progress => Waiting::Answer,
            Next::Head(_) if self.held.is_empty() => Waiting::Request,
            Next::Head(_) => Waiting::RestOfHead,
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

    /// What of a request is there that was refused or whose head never became whole.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.held[self.cleared..]
    }

    fn clear(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.cleared += self.advance(&held[self.cleared..]);
        self.held = held;
    }

    /// How many of `bytes`, from their start, may be handed on.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        // Where in `bytes` the head stands whose body follows.
        let mut head_at = None;
        while at < bytes.len() && self.refused.is_none() {
            match &mut self.next {
                Next::Body(body) => match body.follow(&bytes[at..]) {
                    Ok(count) => at += count,
                    Err(bad) => {
                        self.refused = Some(head_at.map_or(Refused::RestOfBody(bad), |_| Refused::Body(bad)));
                        return head_at.unwrap_or(at);
                    }
                },
                Next::Head(_) if self.in_progress => break,
                Next::Head(_) if bytes[at..].starts_with(b"\r\n") && self.empty_lines < MAX_EMPTY_LINES => {
                    self.empty_lines += 1;
                    at += 2;
                }
                Next::Head(walk) => match walk.go_on(&bytes[at..], &self.limits) {
                    Ok(None) => break,
                    Ok(Some(head)) => {
                        head_at = Some(at);
                        at += head.length;
                        self.in_progress = true;
                        self.empty_lines = 0;
                        self.next = Next::Body(BodyWalk::of(head.framing));
                    }
                    Err(bad) => self.refused = Some(Refused::Head(bad)),
                },
            }
            if let Next::Body(body) = &self.next
                && body.is_over()
            {
                self.next = Next::Head(RequestWalk::default());
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 256, target: 64, fields: 8 };
    const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

    /// Everything that comes of `bytes`, handed on in pieces of at most `room`.
    fn pass(preface: &mut Preface, bytes: &[u8], room: usize) -> Vec<u8> {
        let mut passed = preface.take(bytes, room).to_vec();
        passed.extend(drain(preface, room));
        passed
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
        assert_eq!(pass(&mut preface, &GET[..10], 99), b"");
        assert_eq!(preface.waiting(), Waiting::RestOfHead);
        assert_eq!(pass(&mut preface, &GET[10..], 99), GET);
        assert_eq!(preface.waiting(), Waiting::Answer);
    }

    #[test]
    fn the_next_head_waits_for_the_answer() {
        for room in [1, 7, 999] {
            let mut preface = Preface::new(LIMITS);
            assert_eq!(pass(&mut preface, &[GET, GET].concat(), room), GET);
            preface.answered();
            assert_eq!(drain(&mut preface, room), GET);
        }
    }

    #[test]
    fn a_body_passes_and_its_end_is_found() {
        let mut preface = Preface::new(LIMITS);
        let post = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc";
        assert_eq!(pass(&mut preface, post, 99), post);
        assert_eq!(preface.waiting(), Waiting::Body);
        preface.answered();
        assert_eq!(pass(&mut preface, &[b"de", GET].concat(), 99), [b"de", GET].concat());
    }

    #[test]
    fn what_is_refused_is_not_handed_on() {
        let bad = b"GET /a HTTP/1.1\nHost: h\n\n";
        let mut preface = Preface::new(LIMITS);
        assert_eq!(pass(&mut preface, bad, 99), b"");
        assert_eq!(preface.refused(), Some(Refused::Head(BadHead::BareLineEnd)));
        assert_eq!(preface.unfinished(), bad);
    }

    #[test]
    fn a_body_that_is_refused_takes_its_head_with_it_if_that_is_still_here() {
        let head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (good, bad) = (&b"3\r\nabc\r\n"[..], &b"zz\r\n"[..]);
        let mut preface = Preface::new(LIMITS);
        let whole = [head, good, bad].concat();
        assert_eq!(pass(&mut preface, &whole, 999), b"");
        assert_eq!(preface.refused(), Some(Refused::Body(BadBody::Size)));
        assert_eq!(preface.unfinished(), whole);

        let mut preface = Preface::new(LIMITS);
        assert_eq!(pass(&mut preface, &[head, good].concat(), 999), [head, good].concat());
        assert_eq!(pass(&mut preface, bad, 999), b"");
        assert_eq!(preface.refused(), Some(Refused::RestOfBody(BadBody::Size)));
        assert_eq!(pass(&mut preface, GET, 999), b"", "nor what follows");
    }

    #[test]
    fn the_next_head_may_be_a_bad_one() {
        let mut preface = Preface::new(LIMITS);
        assert_eq!(pass(&mut preface, &[GET, b"GET /a\r\n\r\n"].concat(), 999), GET);
        assert_eq!(preface.refused(), None);
        preface.answered();
        assert_eq!(preface.refused(), Some(Refused::Head(BadHead::RequestLine)));
        assert_eq!(drain(&mut preface, 999), b"");
    }

    #[test]
    fn a_few_empty_lines_before_a_request_are_let_through() {
        let mut preface = Preface::new(LIMITS);
        assert_eq!(pass(&mut preface, &[b"\r\n\r\n", GET].concat(), 99), [b"\r\n\r\n", GET].concat());
        let mut preface = Preface::new(LIMITS);
        for _ in 0..5 {
            pass(&mut preface, b"\r\n", 99);
        }
        assert_eq!(preface.refused(), Some(Refused::Head(BadHead::RequestLine)), "however they come");
    }
}
