//! Interim answers (RFC 9110 section 15.2) on their way from an origin to the client that waits for the
//! final one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use crate::wire::fields::strip_hop_by_hop;

/// Waiting to be sent to a client, at most: an origin sends one or two, and a slow client must not make many
/// pile up.
const MOST: usize = 4;

/// Where a client's connection hears interim answers: one request at a time.
#[derive(Clone, Default)]
pub struct Interims(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Counts requests: what is said for another one is heard by nobody.
    turn: u64,
    listens: bool,
    heads: VecDeque<(StatusCode, HeaderMap)>,
    waker: Option<Waker>,
}

/// The way of one request's interim answers. Says nothing to nobody by default.
#[derive(Clone, Default)]
pub struct Voice(Option<(Interims, u64)>);

impl Interims {
    /// Begins to listen for a request.
    pub fn listen(&self) -> Voice {
        let mut state = self.0.lock();
        state.turn += 1;
        state.listens = true;
        state.heads.clear();
        Voice(Some((self.clone(), state.turn)))
    }

    /// The final answer is there: what comes now is too late. Returns what was said and not yet heard.
    pub fn end(&self) -> VecDeque<(StatusCode, HeaderMap)> {
        let mut state = self.0.lock();
        state.listens = false;
        state.waker = None;
        std::mem::take(&mut state.heads)
    }

    /// The next head that was said.
    pub fn poll_next(&self, cx: &Context<'_>) -> Poll<(StatusCode, HeaderMap)> {
        let mut state = self.0.lock();
        if let Some(head) = state.heads.pop_front() {
            return Poll::Ready(head);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Voice {
    /// Hands on an interim answer. 100 and 101 belong to the hop they came over: the one was asked for by this
    /// edge, if by anyone, the other is no interim answer to a client that did not ask for it.
    pub fn say(&self, status: StatusCode, fields: &HeaderMap) {
        let Voice(Some((interims, turn))) = self else { return };
        if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let mut state = interims.0.lock();
        if !state.listens || state.turn != *turn || state.heads.len() >= MOST {
            return;
        }
        let mut fields = fields.clone();
        strip_hop_by_hop(&mut fields);
        // RFC 9110 section 8.6: there is no content whose length it could be.
        fields.remove(CONTENT_LENGTH);
        state.heads.push_back((status, fields));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Voice")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CONNECTION, LINK};

    use super::*;

    fn next(interims: &Interims) -> Option<(u16, HeaderMap)> {
        match interims.poll_next(&Context::from_waker(Waker::noop())) {
            Poll::Ready((status, fields)) => Some((status.as_u16(), fields)),
            Poll::Pending => None,
        }
    }

    fn hints() -> HeaderMap {
        [(LINK, HeaderValue::from_static("</a.css>")), (CONNECTION, HeaderValue::from_static("close"))]
            .into_iter()
            .collect()
    }

    #[test]
    fn what_is_said_for_a_request_is_heard_in_its_turn_alone() {
        let interims = Interims::default();
        let first = interims.listen();
        first.say(StatusCode::EARLY_HINTS, &hints());
        let (status, fields) = next(&interims).unwrap();
        assert_eq!((status, fields.len(), &fields[LINK]), (103, 1, &HeaderValue::from_static("</a.css>")));
        interims.end();
        first.say(StatusCode::EARLY_HINTS, &hints());
        let second = interims.listen();
        first.say(StatusCode::EARLY_HINTS, &hints());
        assert!(next(&interims).is_none(), "it is for another request");
        second.say(StatusCode::PROCESSING, &HeaderMap::new());
        assert_eq!(next(&interims), Some((102, HeaderMap::new())));
    }

    #[test]
    fn what_belongs_to_a_hop_stays_there_and_many_do_not_pile_up() {
        let interims = Interims::default();
        let voice = interims.listen();
        voice.say(StatusCode::CONTINUE, &HeaderMap::new());
        voice.say(StatusCode::SWITCHING_PROTOCOLS, &HeaderMap::new());
        assert!(next(&interims).is_none());
        (0..2 * MOST).for_each(|_| voice.say(StatusCode::EARLY_HINTS, &hints()));
        assert_eq!(std::iter::from_fn(|| next(&interims)).count(), MOST);
        Voice::default().say(StatusCode::EARLY_HINTS, &hints());
    }
}
