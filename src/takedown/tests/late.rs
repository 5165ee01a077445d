//! What is under way in a content coding when rules come that ask for digests.

use std::sync::OnceLock;
use std::thread::{self, ThreadId};
use std::time::Instant;

use block::{Audience, Lane, Load};
use parking_lot::Condvar;
use terms::{Encoded, Refusal};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A body that becomes its name, once the test lets it be decoded.
#[derive(Debug)]
struct Coded {
    name: &'static str,
    is_broken: bool,
    decoded: OnceLock<Digest>,
    decoders: Mutex<Vec<ThreadId>>,
    may: Mutex<bool>,
    let_go: Condvar,
}

impl Coded {
    fn new(name: &'static str) -> Arc<Coded> {
        let is_broken = name == "broken";
        let (decoded, decoders) = (OnceLock::new(), Mutex::default());
        Arc::new(Coded { name, is_broken, decoded, decoders, may: Mutex::new(false), let_go: Condvar::new() })
    }

    fn let_go(&self) {
        *self.may.lock() = true;
        self.let_go.notify_all();
    }

    fn decoders(&self) -> Vec<ThreadId> {
        self.decoders.lock().clone()
    }
}

impl Encoded for Coded {
    fn digest(&self) -> Option<Digest> {
        Some(Digest::of(format!("{} in a coding", self.name).as_bytes()))
    }

    fn decoded(&self) -> Option<Digest> {
        self.decoded.get().copied()
    }

    fn undecodable(&self) -> Option<Refusal> {
        None
    }

    fn is_undecoded(&self) -> bool {
        self.decoded.get().is_none()
    }

    fn decode(&self) {
        self.decoded.get_or_init(|| {
            self.decoders.lock().push(thread::current().id());
            self.let_go.wait_while_for(&mut self.may.lock(), |may| !*may, SOON);
            assert!(!self.is_broken, "as the test wants it");
            Digest::of(self.name.as_bytes())
        });
    }
}

struct Bench {
    _state: tempfile::TempDir,
    clock: Clock,
    takedown: Takedown,
}

impl Bench {
    fn new() -> Bench {
        let (state, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
        let takedown = takedown(state.path(), 1 << 20, &clock);
        Bench { _state: state, clock, takedown }
    }

    /// Has it on its way to somebody.
    fn send(&self, body: &Arc<Coded>) -> Arc<Lane> {
        let (blocks, now) = (&self.takedown.blocks, self.clock.wall());
        let url = Arc::new(Url::parse("https://h.example/a").unwrap());
        let (lane, clearance) = (blocks.lane(Load::Answers), blocks.judge(&url, Audience::Anybody, now).unwrap());
        blocks.enter(&lane, clearance, (&url, &[]), &Proof::Encoded(body.clone()), now).unwrap();
        lane
    }

    fn block(&self, name: &str) {
        let rules = vec![Digest::of(name.as_bytes()).to_string()];
        let draft = Draft { id: name.into(), rules, attributes: BTreeMap::new(), by: None };
        self.takedown.block(draft).unwrap();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        thread::yield_now();
    }
}

#[tokio::test]
async fn one_thread_judges_all_that_several_publications_leave() {
    let bench = Bench::new();
    let (first, fine, second) = (Coded::new("first"), Coded::new("fine"), Coded::new("second"));
    let lanes = [&first, &fine].map(|body| bench.send(body));
    bench.block("first");
    until("one is begun", || first.decoders().len() + fine.decoders().len() == 1);
    bench.block("other");
    let last = bench.send(&second);
    bench.block("second");
    bench.block("another");
    [&first, &fine, &second].iter().for_each(|body| body.let_go());
    until("what is forbidden is cut", || lanes[0].is_blocked() && last.is_blocked());
    until("all are decoded", || !fine.is_undecoded());
    assert!(!lanes[1].is_blocked());
    let decoders: Vec<_> = [&first, &fine, &second].iter().map(|body| body.decoders()).collect();
    assert_eq!(decoders, vec![vec![decoders[0][0]]; 3]);
}

#[tokio::test]
async fn a_decoder_that_fails_takes_no_other_with_it() {
    let bench = Bench::new();
    let bodies = ["broken", "first", "broken", "second"].map(Coded::new);
    let lanes = bodies.each_ref().map(|body| bench.send(body));
    bodies.iter().for_each(|body| body.let_go());
    bench.block("first");
    until("the first is cut", || lanes[1].is_blocked());
    bench.block("second");
    until("the second is cut", || lanes[3].is_blocked());
    assert!(!lanes[0].is_blocked() && !lanes[2].is_blocked());
}

#[tokio::test]
async fn what_nobody_carries_any_more_is_not_kept_to_be_decoded() {
    let bench = Bench::new();
    let (at, behind) = (Coded::new("at"), Coded::new("behind"));
    let _lane = bench.send(&at);
    bench.block("first");
    until("it is begun", || !at.decoders().is_empty());
    let lane = bench.send(&behind);
    bench.block("second");
    let owed = Arc::downgrade(&behind);
    drop((lane, behind));
    assert!(owed.upgrade().is_none());
    at.let_go();
}

#[tokio::test]
async fn its_thread_ends_with_the_body_that_it_is_at() {
    let close: fn(Takedown) -> Option<Takedown> = |takedown| {
        takedown.close();
        Some(takedown)
    };
    for end in [close, |_| None] {
        let bench = Bench::new();
        let (blocks, bodies) = (bench.takedown.blocks.clone(), [Coded::new("one"), Coded::new("two")]);
        let _lanes = bodies.each_ref().map(|body| bench.send(body));
        bench.block("other");
        let begun = || bodies.iter().map(|body| body.decoders().len()).sum::<usize>();
        until("it is at one", || begun() == 1);
        let left = end(bench.takedown);
        bodies.iter().for_each(|body| body.let_go());
        until("it ends", || Arc::strong_count(&blocks) == 1 + usize::from(left.is_some()));
        assert_eq!(begun(), 1);
    }
}
