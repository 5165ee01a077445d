//! Purges: what is stored goes, or must be validated before it is used again.
//!
//! First nothing that is under way may be stored or joined any more; then what is stored is looked
//! through, a few keys at a time under the lock of the flights, for as long as it takes to take them out. So what
//! was fetched before a purge answers nobody who asks after it, and no request waits for one that looks
//! at a million entries.

use std::sync::Arc;

use http::HeaderMap;
use terms::{Digest, Url, UrlKey};

use crate::Cache;
use crate::entry::Entry;
use crate::flight::Underway;
use crate::kept::{self, Meanwhile};
use crate::tags::{Tag, Tags};

/// How many keys are looked after before others get the lock: a hundred microseconds' work at most. By each alone,
/// most of a large purge would be spent on waiting for it.
const TURN: usize = 32;

/// What a purge is about.
pub enum Aim<'a> {
    /// All that this covers by its URL or its digest. Every entry is looked at.
    Covered(&'a dyn Fn(&Url, Option<Digest>) -> bool),
    /// The same of rules in force: they are asked again before anything answers.
    Blocked(&'a dyn Fn(&Url, Option<Digest>) -> bool),
    /// A URL in every spelling, under its own host and under those that are as good as it.
    Same(&'a Url, &'a dyn Fn(&str, &str) -> bool),
    Tagged(Tag),
    /// A group of the origin of this URL (RFC 9875).
    Grouped(Tag, &'a Url),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It goes.
    Hard,
    /// It stays, to be validated before it is used again.
    Soft,
}

/// What was taken out, or made stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Entries; each variant is one.
    pub objects: u64,
    pub bytes: u64,
}

impl Purged {
    pub(crate) fn of(entries: &[Arc<Entry>]) -> Purged {
        Purged { objects: entries.len() as u64, bytes: entries.iter().map(|entry| entry.bytes()).sum() }
    }

    fn add(&mut self, other: Purged) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

impl Aim<'_> {
    fn covers(&self, entry: &Entry) -> bool {
        match self {
            Aim::Covered(covers) | Aim::Blocked(covers) => {
                let other = entry.other_digest();
                covers(entry.url(), entry.digest()) || (other.is_some() && covers(entry.url(), other))
            }
            Aim::Same(url, are_one) => entry.url().is_same_where(url, are_one),
            Aim::Tagged(tag) | Aim::Grouped(tag, _) => entry.head().has_tag(*tag),
        }
    }

    /// Has it held for what is still to be taken up: hard, as far as it can be told by tags. Rules in force are asked
    /// of each.
    fn note(&self, meanwhile: &mut Meanwhile) {
        match self {
            Aim::Covered(_) => meanwhile.note_everything(),
            Aim::Blocked(_) => {}
            Aim::Same(url, _) => meanwhile.note(url.readings().map(Tag::place)),
            Aim::Tagged(tag) | Aim::Grouped(tag, _) => meanwhile.note(std::iter::once(*tag)),
        }
    }

    /// Of a fetch under way no digest is known, and tags only behind its head.
    fn may_cover(&self, underway: &Underway) -> bool {
        match self {
            Aim::Covered(covers) | Aim::Blocked(covers) => covers(&underway.url, None),
            Aim::Same(url, are_one) => underway.url.is_same_where(url, are_one),
            Aim::Tagged(tag) => underway.may_carry(*tag),
            // A group is of one origin: it is no business of the fetches from others.
            Aim::Grouped(tag, of) => is_same_server(&underway.url, of) && underway.may_carry(*tag),
        }
    }
}

impl Cache {
    /// Takes out every variant of what `aim` covers, or makes it stale. Of a fetch under way, what is covered
    /// will not be stored, and nobody joins it; where only its head will tell, nobody joins it either.
    pub fn purge(&self, aim: &Aim<'_>, force: Force) -> Purged {
        self.outdate(aim);
        let mut purged = Purged::default();
        let mut keys = self.keys(aim);
        loop {
            let turn: Vec<UrlKey> = keys.by_ref().take(TURN).collect();
            if turn.is_empty() {
                break;
            }
            purged.add(self.purge_keys(&turn, aim, force));
        }
        if !matches!(aim, Aim::Blocked(_)) {
            kept::revoke(&self.0.in_force);
        }
        purged
    }

    /// What a purge would take out now, or make stale. It changes nothing.
    pub fn count(&self, aim: &Aim<'_>) -> Purged {
        let mut found = Purged::default();
        for variants in self.keys(aim).filter_map(|key| self.0.memory.look(key)) {
            let covered: Vec<_> = variants.entries().iter().filter(|entry| aim.covers(entry)).cloned().collect();
            found.add(Purged::of(&covered));
        }
        found
    }

    /// Under which keys there may be something that `aim` covers, each once.
    fn keys<'a>(&'a self, aim: &'a Aim<'_>) -> Box<dyn Iterator<Item = UrlKey> + 'a> {
        let memory = &self.0.memory;
        match aim {
            Aim::Covered(_) | Aim::Blocked(_) => Box::new(memory.keys(|entry| aim.covers(entry))),
            Aim::Tagged(tag) | Aim::Grouped(tag, _) => Box::new(memory.index.keys(*tag)),
            Aim::Same(url, _) => Box::new(memory.keys_at(url).into_iter()),
        }
    }

    /// Takes out what is stored under this very URL (RFC 9111 section 4.4); see
    /// [`policy::invalidates`](crate::policy::invalidates). Slices of it are found no more, and age out.
    pub fn invalidate(&self, url: &Url) -> Purged {
        let key = url.key();
        let mut table = self.0.flights.lock();
        table.outdate(|underway| underway.url.key() == key);
        if let Some(meanwhile) = &mut table.meanwhile {
            meanwhile.note(url.readings().map(Tag::place));
        }
        let gone = self.0.memory.remove(key, |_| true);
        gone.iter().for_each(|entry| self.0.memory.take_coded(entry));
        drop(table);
        kept::revoke(&self.0.in_force);
        Purged::of(&gone)
    }

    /// Takes out what belongs to the groups that an answer to `url` names as changed (RFC 9875 section 3). A
    /// group's members take no others with them.
    pub fn invalidate_groups(&self, url: &Url, fields: &HeaderMap) -> Purged {
        let mut purged = Purged::default();
        for group in Tag::invalidated_groups(url, fields) {
            purged.add(self.purge(&Aim::Grouped(group, url), Force::Hard));
        }
        purged
    }

    fn outdate(&self, aim: &Aim<'_>) {
        let mut table = self.0.flights.lock();
        if let Some(meanwhile) = &mut table.meanwhile {
            aim.note(meanwhile);
        }
        // What a tag's purge only may concern is stored all the same, if its head says so.
        match aim {
            Aim::Tagged(_) | Aim::Grouped(..) => table.part(|underway| aim.may_cover(underway)),
            _ => table.outdate(|underway| aim.may_cover(underway)),
        }
    }

    /// What goes is dropped without the lock: that takes longer than to take it out.
    fn purge_keys(&self, keys: &[UrlKey], aim: &Aim<'_>, force: Force) -> Purged {
        let table = self.0.flights.lock();
        match force {
            Force::Hard => {
                let gone: Vec<_> =
                    keys.iter().flat_map(|key| self.0.memory.remove(*key, |entry| aim.covers(entry))).collect();
                drop(table);
                Purged::of(&gone)
            }
            Force::Soft => {
                let mut purged = Purged::default();
                keys.iter().for_each(|key| purged.add(self.0.memory.soften(*key, |entry| aim.covers(entry))));
                purged
            }
        }
    }
}

fn is_same_server(one: &Url, other: &Url) -> bool {
    (one.host(), one.port()) == (other.host(), other.port())
}

/// The tags of a fetch: those of its head, or, while it is waited for, those that were purged meanwhile.
pub(crate) enum Awaited {
    Purged(Vec<Tag>),
    Known(Tags),
}

impl Default for Awaited {
    fn default() -> Awaited {
        Awaited::Purged(Vec::new())
    }
}

/// Purges that a fetch remembers while it waits for its head. After more, it is not stored.
const MOST_REMEMBERED: usize = 64;

impl Awaited {
    /// Whether one of the tags was purged while the head was waited for.
    pub fn land(&mut self, tags: Tags) -> bool {
        let is_purged = match self {
            Awaited::Purged(purged) => purged.iter().any(|tag| tags.contains(*tag)),
            Awaited::Known(_) => false,
        };
        *self = Awaited::Known(tags);
        is_purged
    }

    /// Whether a purge of `tag` concerns the fetch, or may; `forbid` is called where it is certain, or can't
    /// be remembered.
    pub fn purge(&mut self, tag: Tag, forbid: impl FnOnce()) -> bool {
        match self {
            Awaited::Known(tags) => {
                let is_covered = tags.contains(tag);
                if is_covered {
                    forbid();
                }
                is_covered
            }
            Awaited::Purged(purged) => {
                match purged.len() {
                    MOST_REMEMBERED => forbid(),
                    _ => purged.push(tag),
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
