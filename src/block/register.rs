//! The register of what is under way, and the cut.
//!
//! Whatever carries bytes of a URL to somebody, or into the cache, has a [`Lane`]. A new index judges
//! every lane again: the one that carries something blocked is told so, and whoever owns it stops.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use terms::{Proof, Ruling, Timestamp, Url};

use crate::index::Index;

/// Shards of the register, so that connections that open and close don't wait for one lock.
const SHARDS: usize = 16;

/// One thing under way: what is carried, and by which index it was last judged.
struct UnderWay {
    ticket: u64,
    url: Arc<Url>,
    proof: Proof,
    list: u64,
}

#[derive(Default)]
struct State {
    under_way: VecDeque<UnderWay>,
    last_ticket: u64,
    blocked: Vec<Blocked>,
    waker: Option<Waker>,
}

/// What a new index covers of that which is under way on a lane.
#[derive(Clone, Debug)]
pub struct Blocked {
    pub ticket: u64,
    pub ruling: Arc<Ruling>,
}

/// One way on which bytes go out, in order: a connection, a stream of one, or a fill.
#[derive(Default)]
pub struct Lane {
    state: Mutex<State>,
}

impl Lane {
    /// Puts something under way; the ticket takes it off again. Its list version must be compared with
    /// the current index *afterwards*, or a rule that came in between is missed.
    pub(crate) fn enter(&self, url: Arc<Url>, proof: Proof, list: u64) -> u64 {
        let mut state = self.state.lock();
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.under_way.push_back(UnderWay { ticket, url, proof, list });
        ticket
    }

    /// Takes what `ticket` stands for, and all before it, off the lane: those bytes have arrived.
    pub fn arrived(&self, ticket: u64) {
        let mut state = self.state.lock();
        while state.under_way.front().is_some_and(|one| one.ticket <= ticket) {
            state.under_way.pop_front();
        }
        state.blocked.retain(|blocked| blocked.ticket > ticket);
    }

    /// The list version that `ticket` was last judged by, while it is under way.
    pub fn list(&self, ticket: u64) -> Option<u64> {
        let state = self.state.lock();
        state.under_way.iter().find(|one| one.ticket == ticket).map(|one| one.list)
    }

    /// Whether anything under way is blocked.
    pub fn is_blocked(&self) -> bool {
        !self.state.lock().blocked.is_empty()
    }

    /// Resolves once something under way is blocked, with all that is.
    pub async fn blocked(&self) -> Vec<Blocked> {
        poll_fn(|cx| self.poll_blocked(cx)).await
    }

    pub fn poll_blocked(&self, cx: &mut Context<'_>) -> Poll<Vec<Blocked>> {
        let mut state = self.state.lock();
        if !state.blocked.is_empty() {
            return Poll::Ready(state.blocked.clone());
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Judges all that is under way by `index`; says how much of it became blocked.
    fn judge(&self, index: &Index, now: Timestamp) -> usize {
        let mut state = self.state.lock();
        let State { under_way, blocked, waker, .. } = &mut *state;
        let before = blocked.len();
        for one in under_way.iter_mut().filter(|one| one.list < index.version()) {
            one.list = index.version();
            let digest = one.proof.digest();
            let ruling = index
                .judge(&one.url, now)
                .or_else(|| digest.and_then(|digest| index.judge_digest(&one.url, &digest, now)));
            if let Some(ruling) = ruling
                && !blocked.iter().any(|blocked| blocked.ticket == one.ticket)
            {
                blocked.push(Blocked { ticket: one.ticket, ruling: Arc::new(ruling) });
            }
        }
        let found = blocked.len() - before;
        if found > 0
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
        found
    }
}

/// All lanes that there are.
pub(crate) struct Register {
    shards: [Mutex<Vec<Weak<Lane>>>; SHARDS],
}

impl Register {
    pub(crate) fn new() -> Register {
        Register { shards: std::array::from_fn(|_| Mutex::new(Vec::new())) }
    }

    /// A new lane; it leaves the register when its last owner drops it.
    pub(crate) fn open(&self) -> Arc<Lane> {
        let lane = Arc::new(Lane::default());
        let shard = (Arc::as_ptr(&lane) as usize >> 8) % SHARDS;
        let mut lanes = self.shards[shard].lock();
        // Doubling is when the gone ones are swept out, so that a lane costs the same on average
        // whether the register is small or large.
        if lanes.len() == lanes.capacity() {
            lanes.retain(|lane| lane.strong_count() > 0);
        }
        lanes.push(Arc::downgrade(&lane));
        lane
    }

    pub(crate) fn judge(&self, index: &Index, now: Timestamp) -> usize {
        let mut found = 0;
        for shard in &self.shards {
            let lanes: Vec<Arc<Lane>> = shard.lock().iter().filter_map(Weak::upgrade).collect();
            found += lanes.iter().map(|lane| lane.judge(index, now)).sum::<usize>();
        }
        found
    }
}
