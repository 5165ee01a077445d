//! The edits as the process holds them, and the tables of what of them is in force.
//!
//! There are two tables at most, since each is one more for every look-up: one of the older edits, which is not compiled
//! anew as edits come and go, and one of those behind, which is. What is lifted of the first is lifted from its table.
//! Now and then both become one ([`Joining`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use terms::{Digest, Hasher, Timestamp};

use super::live::Live;
use super::order::{Order, Place};
use crate::index::{LiveRules, Run};

/// Rules of the newest edits beyond which they are joined with the older ones, once what was asked for is done: so many
/// are compiled within 2 ms, with what hosts of the same content take. As many of the older ones may be lifted.
const NEWEST: usize = 1_000;

/// Rules of the newest edits beyond which they are joined at once: they would be compiled with each edit until then.
const MOST_NEWEST: usize = 16_000;

pub(super) struct State {
    pub(super) edits: HashMap<String, Arc<Live>>,
    pub(super) order: Order,
    pub(super) in_force: LiveRules,
    older: Option<Older>,
    /// Of edits that are being joined, what has become of them meanwhile.
    since: Option<Since>,
    /// How often edits were given out to be joined.
    joinings: u64,
    /// [`NEWEST`], [`MOST_NEWEST`]
    pub(super) bounds: (usize, usize),
}

/// All edits up to one.
struct Older {
    run: Run,
    /// As they were when the table was compiled, and where in it each begins.
    edits: Vec<(u32, Arc<Live>)>,
}

/// The edits of some moment, to be compiled into one table while others come and go.
pub struct Joining {
    order: Order,
    number: u64,
}

/// What came of it.
pub struct Joined {
    older: Option<Older>,
    number: u64,
}

struct Since {
    number: u64,
    /// The last of those edits.
    last: Arc<Live>,
    /// Of edits as they were, the rules that were lifted.
    lifted: Vec<(Arc<Live>, Vec<usize>)>,
}

impl Joining {
    /// Takes some 2 µs a rule, and no lock.
    pub fn compile(self) -> Joined {
        Joined { older: Older::of(&self.order), number: self.number }
    }
}

impl Joined {
    /// The rules that were in force at that moment.
    pub fn live(&self) -> LiveRules {
        LiveRules::new(self.older.as_ref().map(|older| older.run.table().clone()), || Digest::ZERO)
    }
}

impl Default for State {
    fn default() -> State {
        let order = Order::default();
        let in_force = LiveRules::new([], hash(order.clone()));
        let bounds = (NEWEST, MOST_NEWEST);
        State { edits: HashMap::new(), order, in_force, older: None, since: None, joinings: 0, bounds }
    }
}

impl State {
    /// The edit that an id is about, and which of its rules: those in force of all, or the one. `None`: there is none.
    pub(super) fn meant(&self, id: &str) -> Option<(&Arc<Live>, BTreeSet<usize>)> {
        let (edit, number) = match id.split_once(':') {
            Some((edit, number)) => (edit, Some(number.parse::<usize>().ok()?)),
            None => (id, None),
        };
        let live = self.edits.get(edit)?;
        let meant: BTreeSet<usize> = match number {
            Some(number) => live.stored.is_live(number).then_some(number).into_iter().collect(),
            None => live.stored.live().collect(),
        };
        (!meant.is_empty()).then_some((live, meant))
    }

    /// Takes up an edit, in the place of what is known under its id. [`State::compile`] puts in force what came.
    pub(super) fn put(&mut self, live: Live) {
        let live = Arc::new(live);
        let former = self.edits.insert(live.id().to_owned(), live.clone());
        let (stays, moves): (Option<&Arc<Live>>, _) = match &former {
            Some(former) if former.place() == live.place() => (Some(former), None),
            former => (None, former.as_ref()),
        };
        let comes = match stays {
            Some(former) => {
                let gone: Vec<usize> = live.stored.lifted.difference(&former.stored.lifted).copied().collect();
                self.lift_of_older(former, &gone);
                !former.stored.lifted.is_subset(&live.stored.lifted)
            }
            None => !live.is_lifted(),
        };
        if let Some(former) = moves {
            self.lift_of_older(former, &former.stored.live().collect::<Vec<usize>>());
            self.order.remove(former.place());
        }
        if comes {
            // What comes among the older edits has them compiled anew.
            self.older = self.older.take().filter(|older| older.last() < live.place());
            self.since = self.since.take().filter(|since| since.last.place() < live.place());
        }
        self.order.put(live);
    }

    fn lift_of_older(&mut self, live: &Arc<Live>, numbers: &[usize]) {
        if numbers.is_empty() {
            return;
        }
        if let Some(older) = &mut self.older {
            older.lift(live.place(), numbers);
        }
        if let Some(since) = &mut self.since {
            since.lifted.push((live.clone(), numbers.to_vec()));
        }
    }

    /// Forgets an edit of which nothing is in force.
    pub(super) fn forget(&mut self, id: &str) {
        if let Some(live) = self.edits.remove(id) {
            self.order.remove(live.place());
        }
        if self.edits.is_empty() {
            (self.older, self.since) = (None, None);
        }
    }

    fn newest(&self) -> impl Iterator<Item = &Arc<Live>> {
        let last = self.older.as_ref().map(Older::last);
        self.order.from(move |place| last.is_some_and(|last| place <= last))
    }

    fn count_newest(&self) -> usize {
        self.newest().map(|live| live.len()).sum()
    }

    pub(super) fn compile(&mut self) {
        if self.count_newest() > self.bounds.1 {
            self.older = Older::of(&self.order);
            self.since = None;
        }
        let newest = Run::compile(self.newest().flat_map(|live| live.in_force()));
        let older = self.older.as_ref().map(|older| older.run.table().clone());
        self.in_force = LiveRules::new(older.into_iter().chain([newest.table().clone()]), hash(self.order.clone()));
    }

    /// Gives all edits out where the rules of the newest have become many, or those that are lifted of the older ones.
    pub(super) fn begin_join(&mut self) -> Option<Joining> {
        let lifted = self.older.as_ref().map_or(0, |older| older.run.lifted());
        let is_due = self.count_newest() > self.bounds.0 || lifted > self.bounds.0;
        let last = self.order.last().filter(|_| is_due)?.clone();
        self.joinings += 1;
        self.since = Some(Since { number: self.joinings, last, lifted: Vec::new() });
        Some(Joining { order: self.order.clone(), number: self.joinings })
    }

    /// Holds the same rules in that table. False where it is of no use any more: edits came among those of it, or others
    /// were given out since.
    pub(super) fn end_join(&mut self, Joined { mut older, number }: Joined) -> bool {
        let Some(since) = self.since.take_if(|since| since.number == number) else { return false };
        if let Some(older) = &mut older {
            since.lifted.iter().for_each(|(live, numbers)| older.lift(live.place(), numbers));
        }
        self.older = older;
        self.compile();
        true
    }
}

impl Older {
    /// `None` where there are no edits.
    fn of(order: &Order) -> Option<Older> {
        let mut next = 0;
        let numbered = |live: &Arc<Live>| {
            let start = next;
            next += live.len() as u32;
            (start, live.clone())
        };
        let edits: Vec<(u32, Arc<Live>)> = order.iter().map(numbered).collect();
        let run = Run::compile(order.iter().flat_map(|live| live.in_force()));
        (!edits.is_empty()).then_some(Older { run, edits })
    }

    fn last(&self) -> Place<'_> {
        self.edits.last().map_or((Timestamp::from_micros(i64::MIN), ""), |(_, live)| live.place())
    }

    /// Lifts rules of the edit at a place, if it is one of these: by their numbers in it, ascending.
    fn lift(&mut self, place: Place<'_>, numbers: &[usize]) {
        let Ok(at) = self.edits.binary_search_by(|(_, live)| live.place().cmp(&place)) else { return };
        let (start, live) = &self.edits[at];
        let mut lifted_before = live.stored.lifted.iter().zip(1_u32..).peekable();
        let mut missing = 0;
        let in_table = |&number: &usize| {
            while let Some((_, count)) = lifted_before.next_if(|(lifted, _)| **lifted < number) {
                missing = count;
            }
            Some((start + number as u32 - 1 - missing, live.rule(number)?))
        };
        self.run.lift(numbers.iter().filter_map(in_table));
    }
}

/// Of what the rules in force were read from.
fn hash(order: Order) -> impl FnOnce() -> Digest {
    move || {
        let mut hasher = Hasher::new();
        let in_force = order.iter().filter(|live| !live.is_lifted());
        in_force.for_each(|live| hasher.update(live.digest().as_bytes()));
        hasher.finish()
    }
}
