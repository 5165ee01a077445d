//! One edit of the store, with its rules as they are read.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use terms::Digest;

use super::Added;
use super::edit::{EditRule, Event, EventKind, Stored, StoredEvent, rule_id};
use super::kept::KeptReceipt;
use super::order::Place;
use crate::rule::Rule;

/// It never changes: what becomes of an edit is another one.
pub(super) struct Live {
    pub(super) stored: Stored,
    /// All of the draft, lifted ones too.
    pub(super) rules: Arc<[Rule]>,
    digest: OnceLock<Digest>,
}

impl Live {
    pub(super) fn new(stored: Stored, rules: Arc<[Rule]>) -> Live {
        Live { stored, rules, digest: OnceLock::new() }
    }

    /// The same rules, and as many of them in force: told of, or yet to be.
    pub(super) fn told(&self, stored: Stored) -> Live {
        Live { stored, rules: self.rules.clone(), digest: self.digest.clone() }
    }

    pub(super) fn id(&self) -> &str {
        &self.stored.draft.id
    }

    pub(super) fn place(&self) -> Place<'_> {
        (self.stored.at, self.id())
    }

    /// That of `stored`, which is made when it is first asked for.
    pub(super) fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.stored.digest())
    }

    /// None of its rules is lifted.
    pub(super) fn is_whole(&self) -> bool {
        self.stored.lifted.is_empty()
    }

    /// All of them are.
    pub(super) fn is_lifted(&self) -> bool {
        self.len() == 0
    }

    /// How many of its rules are in force.
    pub(super) fn len(&self) -> usize {
        self.rules.len().saturating_sub(self.stored.lifted.len())
    }

    pub(super) fn rule(&self, number: usize) -> Option<&Rule> {
        self.rules.get(number.checked_sub(1)?)
    }

    pub(super) fn in_force(&self) -> impl Iterator<Item = (Arc<str>, &Rule)> {
        self.stored.live().filter_map(|number| Some((rule_id(self.id(), number), self.rule(number)?)))
    }

    /// Rules of the edit, by their numbers.
    pub(super) fn numbered(&self, numbers: &BTreeSet<usize>) -> Vec<EditRule> {
        let one = |&number: &usize| Some(EditRule { id: rule_id(self.id(), number), rule: self.rule(number)?.clone() });
        numbers.iter().filter_map(one).collect()
    }

    pub(super) fn event(&self, event: &StoredEvent) -> Event {
        let draft = &self.stored.draft;
        Event {
            id: event.id.clone(),
            edit: draft.id.clone(),
            kind: event.kind,
            at: event.at,
            by: event.by.clone(),
            notice: draft.attribute("notice").map(str::to_owned),
            reason: draft.attribute("reason").map(str::to_owned),
            rules: self.numbered(&event.rules),
            receipt: event.receipt.as_ref().and_then(KeptReceipt::value),
        }
    }

    pub(super) fn repeated(&self) -> Added {
        let (kind, at, rules) = (EventKind::BlockAdded, self.stored.at, self.stored.numbers().collect());
        let mut again = self.stored.clone();
        let told = match again.pending.iter().rfind(|event| event.kind == kind) {
            Some(event) => event.clone(),
            None => again.add_event(kind, at, again.draft.by.clone(), rules),
        };
        Added::Same(self.event(&told), self.stored.receipt.as_ref().and_then(KeptReceipt::value))
    }
}
