//! The register of what is under way, and the cut.
//!
//! Whatever carries bytes of a URL to somebody, or into the cache, has a [`Lane`]. A new index judges
//! every lane again: the one that carries something blocked is told so, and whoever owns it stops.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use terms::{Encoded, Proof, Ruling, Timestamp, Url};

use crate::guard::{Clearance, Places, residence};
use crate::index::{Case, Index};

/// Shards of the register, so that connections that open and close don't wait for one lock.
const SHARDS: usize = 16;

/// One thing under way: what is carried, and by which index it was last judged.
struct UnderWay {
    ticket: u64,
    url: Arc<Url>,
    /// Other URLs of the same bytes.
    aliases: Box<[Arc<Url>]>,
    proof: Proof,
    clearance: Clearance,
}

impl UnderWay {
    fn judge(&self, by: &Judging<'_>) -> Option<Ruling> {
        let whom = residence(by.places, self.clearance.audience);
        let case = Case { now: by.now, whom: &whom };
        let (digest, other) = (self.proof.digest(), self.proof.other());
        let judge = |url: &Arc<Url>| {
            let ruling = match &digest {
                Some(digest) => by.index.judge_known(url, digest, case),
                None => by.index.judge(url, case),
            };
            ruling.or_else(|| by.index.judge_digest(url, other.as_ref()?, case))
        };
        judge(&self.url).or_else(|| self.aliases.iter().find_map(judge))
    }
}

#[derive(Default)]
struct State {
    under_way: VecDeque<UnderWay>,
    last_ticket: u64,
    blocked: Vec<Blocked>,
    /// Somebody wants to know what has arrived.
    asked: bool,
    waker: Option<Waker>,
}

/// What a new index covers of that which is under way on a lane.
#[derive(Clone, Debug)]
pub struct Blocked {
    pub ticket: u64,
    pub ruling: Arc<Ruling>,
    round: Arc<Round>,
}

/// One judging of all lanes: what of them it found blocked, until each of those has arrived after all or
/// is cut.
#[derive(Debug, Default)]
pub struct Round {
    tally: Mutex<Tally>,
    settled: Condvar,
    undecoded: Mutex<Vec<Arc<dyn Encoded>>>,
}

/// How long it may take until all that is blocked has stopped.
const CUT_WITHIN: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Tally {
    open: usize,
    cut: usize,
}

impl Round {
    /// How many answers were cut. Waits until that is clear of all of them, but not longer than
    /// [`CUT_WITHIN`]; those that are not clear by then are counted as cut. Blocks the thread.
    pub fn cut(&self) -> usize {
        let deadline = Instant::now() + CUT_WITHIN;
        let mut tally = self.tally.lock();
        self.settled.wait_while_until(&mut tally, |tally| tally.open > 0, deadline);
        tally.cut + tally.open
    }

    /// What is under way in a content coding, and might be forbidden for what it is without.
    pub fn undecoded(&self) -> Vec<Arc<dyn Encoded>> {
        std::mem::take(&mut self.undecoded.lock())
    }

    fn found(&self) {
        self.tally.lock().open += 1;
    }

    fn settle(&self, cut: bool) {
        let mut tally = self.tally.lock();
        tally.open = tally.open.saturating_sub(1);
        tally.cut += usize::from(cut);
        if tally.open == 0 {
            self.settled.notify_all();
        }
    }
}

/// What a lane carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// Answers to clients.
    #[default]
    Answers,
    /// A fetch for the cache: cut like an answer, and not counted as one.
    Fill,
}

/// One way on which bytes go out, in order: a connection, a stream of one, or a fill.
#[derive(Default)]
pub struct Lane {
    load: Load,
    state: Mutex<State>,
}

impl Lane {
    /// Puts something under way; the ticket takes it off again. Its list version must be compared with
    /// the current index *afterwards*, or a rule that came in between is missed.
    pub(crate) fn enter(&self, url: Arc<Url>, aliases: Box<[Arc<Url>]>, proof: Proof, clearance: Clearance) -> u64 {
        let mut state = self.state.lock();
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.under_way.push_back(UnderWay { ticket, url, aliases, proof, clearance });
        ticket
    }

    /// Takes what `ticket` stands for, and all before it, off the lane: those bytes have arrived.
    pub fn arrived(&self, ticket: u64) {
        let mut state = self.state.lock();
        while state.under_way.front().is_some_and(|one| one.ticket <= ticket) {
            state.under_way.pop_front();
        }
        let arrived = state.blocked.extract_if(.., |blocked| blocked.ticket <= ticket);
        arrived.for_each(|blocked| self.settle(&blocked, false));
    }

    /// Takes back what `ticket` put under way, and nothing else: no byte of it has been handed on.
    pub(crate) fn withdraw(&self, ticket: u64) {
        let mut state = self.state.lock();
        state.under_way.retain(|one| one.ticket != ticket);
        let withdrawn = state.blocked.extract_if(.., |blocked| blocked.ticket == ticket);
        withdrawn.for_each(|blocked| self.settle(&blocked, false));
    }

    fn settle(&self, blocked: &Blocked, cut: bool) {
        if self.load == Load::Answers {
            blocked.round.settle(cut);
        }
    }

    /// The list version that `ticket` was last judged by, while it is under way.
    pub fn list(&self, ticket: u64) -> Option<u64> {
        let state = self.state.lock();
        state.under_way.iter().find(|one| one.ticket == ticket).map(|one| one.clearance.list)
    }

    /// Whether anything under way is blocked.
    pub fn is_blocked(&self) -> bool {
        !self.state.lock().blocked.is_empty()
    }

    /// Resolves once something under way is blocked, with all that is.
    pub async fn blocked(&self) -> Vec<Blocked> {
        poll_fn(|cx| self.poll_blocked(cx, false)).await
    }

    /// The same for an owner that looks only now and then what has arrived: with nothing, where it is to look now.
    pub async fn blocked_or_asked(&self) -> Vec<Blocked> {
        poll_fn(|cx| self.poll_blocked(cx, true)).await
    }

    fn poll_blocked(&self, cx: &mut Context<'_>, or_asked: bool) -> Poll<Vec<Blocked>> {
        let mut state = self.state.lock();
        if !state.blocked.is_empty() || (or_asked && std::mem::take(&mut state.asked)) {
            return Poll::Ready(state.blocked.clone());
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// How much of what is under way `index` would have cut that is not cut already. Its owner is asked whether that
    /// has arrived by now.
    fn count(&self, by: &Judging<'_>) -> usize {
        let mut state = self.state.lock();
        let is_cut = |one: &UnderWay| state.blocked.iter().any(|blocked| blocked.ticket == one.ticket);
        let count = state.under_way.iter().filter(|one| !is_cut(one) && one.judge(by).is_some()).count();
        if count > 0 {
            state.asked = true;
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
        count
    }

    /// Judges all that is under way by `index`, and wakes the owner if something of it became blocked.
    fn judge(&self, by: &Judging<'_>, round: &Arc<Round>) {
        let index = by.index;
        let mut state = self.state.lock();
        let State { under_way, blocked, waker, .. } = &mut *state;
        let before = blocked.len();
        for one in under_way.iter_mut().filter(|one| one.clearance.list < index.version()) {
            match one.judge(by) {
                None => match one.proof.undecoded().filter(|_| index.has_digest_rules()) {
                    // To be judged once more, when that is known.
                    Some(undecoded) => round.undecoded.lock().push(undecoded.clone()),
                    // Only what lets something through is what it was last judged by.
                    None => one.clearance.list = index.version(),
                },
                Some(_) if blocked.iter().any(|blocked| blocked.ticket == one.ticket) => {}
                Some(ruling) => {
                    let (ticket, ruling) = (one.ticket, Arc::new(ruling));
                    blocked.push(Blocked { ticket, ruling, round: round.clone() });
                }
            }
        }
        if self.load == Load::Answers {
            blocked[before..].iter().for_each(|_| round.found());
        }
        if blocked.len() > before
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Its owner has stopped carrying: what was blocked did not arrive.
        let blocked = std::mem::take(&mut self.state.get_mut().blocked);
        blocked.iter().for_each(|blocked| self.settle(blocked, true));
    }
}

/// By what all that is under way is judged.
pub(crate) struct Judging<'i> {
    pub(crate) index: &'i Index,
    pub(crate) places: &'i Places,
    pub(crate) now: Timestamp,
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
    pub(crate) fn open(&self, load: Load) -> Arc<Lane> {
        let lane = Arc::new(Lane { load, state: Mutex::default() });
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

    /// What is under way of this load that `index` would have cut, as far as its owners know.
    pub(crate) fn count(&self, load: Load, by: &Judging<'_>) -> usize {
        let of_shard = |shard: &Mutex<Vec<Weak<Lane>>>| {
            let lanes: Vec<Arc<Lane>> = shard.lock().iter().filter_map(Weak::upgrade).collect();
            lanes.iter().filter(|lane| lane.load == load).map(|lane| lane.count(by)).sum::<usize>()
        };
        self.shards.iter().map(of_shard).sum()
    }

    /// Judges all that is under way. Fills come last: whoever reads of one that is cut ends with it, and
    /// would be gone uncounted.
    pub(crate) fn judge(&self, by: &Judging<'_>) -> Arc<Round> {
        let round = Arc::new(Round::default());
        let mut fills = Vec::new();
        for shard in &self.shards {
            let mut lanes: Vec<Arc<Lane>> = shard.lock().iter().filter_map(Weak::upgrade).collect();
            fills.extend(lanes.extract_if(.., |lane| lane.load == Load::Fill));
            lanes.iter().for_each(|lane| lane.judge(by, &round));
        }
        fills.iter().for_each(|fill| fill.judge(by, &round));
        round
    }
}
