//! The tables of an index: those of the live edits, then those of list files.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use terms::Digest;

use super::Table;
use super::key::Key;
use super::slots::{Rules, Slots};
use crate::pattern::Share;

/// The live rules: in one table or a few, in the order in which they decide. How they are spread over them makes no
/// difference to what is judged and told.
#[derive(Clone)]
pub struct LiveRules {
    tables: Vec<Arc<Table>>,
    hash: Arc<LazyLock<Digest, Box<dyn FnOnce() -> Digest + Send>>>,
}

impl LiveRules {
    /// `hash` makes the digest of what the rules were read from, once somebody asks for it. Empty tables are left out.
    pub(crate) fn new(
        tables: impl IntoIterator<Item = Arc<Table>>,
        hash: impl FnOnce() -> Digest + Send + 'static,
    ) -> LiveRules {
        let tables = tables.into_iter().filter(|table| !table.is_empty()).collect();
        LiveRules { tables, hash: Arc::new(LazyLock::new(Box::new(hash))) }
    }

    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// What their patterns take of what all may take.
    pub fn share(&self) -> Share {
        self.tables.iter().map(|table| table.share()).sum()
    }

    /// Equal where equal rules stand in equal order. Who asks first may wait for it to be made.
    pub fn hash(&self) -> Digest {
        **self.hash
    }

    /// With more rules, which decide behind those that there are.
    pub(super) fn and(&self, more: Arc<Table>) -> LiveRules {
        let mut all = self.clone();
        all.tables.push(more);
        all
    }
}

impl From<Arc<Table>> for LiveRules {
    fn from(table: Arc<Table>) -> LiveRules {
        let hash = table.hash();
        LiveRules::new([table], move || hash)
    }
}

/// A table with keys, by its number, and what is looked into first.
pub(super) struct Keyed {
    pub(super) number: usize,
    slots: Arc<Slots>,
}

impl Keyed {
    pub(super) fn of(tables: &[Arc<Table>]) -> Vec<Keyed> {
        let numbered = tables.iter().enumerate().filter(|(_, table)| !table.slots.is_empty());
        numbered.map(|(number, table)| Keyed { number, slots: table.slots.clone() }).collect()
    }

    /// Rules under a key, lifted ones too, and [`super::slots::ASK_PAIRS`] perhaps as the last of them.
    pub(super) fn find(&self, key: Key) -> Rules<'_> {
        self.slots.find(key)
    }

    #[inline]
    pub(super) fn may_hold(&self, upper: u64) -> bool {
        self.slots.may_hold(upper)
    }

    #[inline]
    pub(super) fn prefetch(&self, upper: u64) {
        self.slots.prefetch(upper);
    }
}

/// All of them, in the order in which they decide.
pub(super) struct Tables {
    all: Vec<Arc<Table>>,
    live: LiveRules,
}

impl Tables {
    pub(super) fn new(live: LiveRules, files: Vec<Arc<Table>>) -> Tables {
        Tables { all: live.tables.iter().cloned().chain(files).collect(), live }
    }

    pub(super) fn live(&self) -> &LiveRules {
        &self.live
    }

    pub(super) fn files(&self) -> &[Arc<Table>] {
        &self.all[self.live.tables.len()..]
    }

    pub(super) fn is_live(&self, number: usize) -> bool {
        number < self.live.tables.len()
    }
}

impl Deref for Tables {
    type Target = [Arc<Table>];

    fn deref(&self) -> &[Arc<Table>] {
        &self.all
    }
}
