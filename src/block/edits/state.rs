//! The edits as the process holds them, and the tables of what of them is in force.
//!
//! There are two tables at most, since each is one more for every look-up: one of the older edits, which is not compiled
//! anew as edits come and go, and one of those behind, which is. What is lifted of the first is lifted from its table.
//! Now and then both become one ([`State::join`]).

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
    /// [`NEWEST`], [`MOST_NEWEST`]
    pub(super) bounds: (usize, usize),
}

/// All edits up to one.
struct Older {
    run: Run,
    /// As they were when the table was compiled, and where in it each begins.
    edits: Vec<(u32, Arc<Live>)>,
}

impl Default for State {
    fn default() -> State {
        let order = Order::default();
        let in_force = LiveRules::new([], hash(order.clone()));
        State { edits: HashMap::new(), order, in_force, older: None, bounds: (NEWEST, MOST_NEWEST) }
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
        }
        self.order.put(live);
    }

    fn lift_of_older(&mut self, live: &Live, numbers: &[usize]) {
        if let Some(older) = self.older.as_mut().filter(|_| !numbers.is_empty()) {
            older.lift(live.place(), numbers);
        }
    }

    /// Forgets an edit of which nothing is in force.
    pub(super) fn forget(&mut self, id: &str) {
        if let Some(live) = self.edits.remove(id) {
            self.order.remove(live.place());
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
        }
        let newest = Run::compile(self.newest().flat_map(|live| live.in_force()));
        let older = self.older.as_ref().map(|older| older.run.table().clone());
        self.in_force = LiveRules::new(older.into_iter().chain([newest.table().clone()]), hash(self.order.clone()));
    }

    /// Holds the same rules in one table where those of the newest edits have become many, or those that are lifted of the
    /// older ones. False where there is nothing to be done. It takes some 2 µs a rule.
    pub(super) fn join(&mut self) -> bool {
        let lifted = self.older.as_ref().map_or(0, |older| older.run.lifted());
        let is_due = self.count_newest() > self.bounds.0 || lifted > self.bounds.0;
        if is_due {
            self.older = Older::of(&self.order);
            self.compile();
        }
        is_due
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
