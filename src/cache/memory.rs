//! Entries at rest, bounded in bytes.
//!
//! All variants of a URL hang on one key, so that one purge takes them all. Look-ups take no lock of
//! ours. Whoever puts something in or takes it out by name holds the flight table's lock.

mod table;

use std::collections::BTreeSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use moka::policy::EvictionPolicy;
use terms::{Moment, Url, UrlKey};

use crate::Numbers;
use crate::coding::Coding;
use crate::doorkeeper::Doorkeeper;
use crate::entry::Entry;
use crate::index::Index;
use crate::kept::Refused;
use crate::policy::Unstorable;
use crate::purge::Purged;
use crate::tags::Tag;
use table::Table;

pub(crate) use table::Used;

/// Of one URL. What varies by more is not worth its room.
const MOST_VARIANTS: usize = 32;

/// How many URLs are remembered as not to be waited for.
const MOST_APART: u64 = 65_536;

/// For how long, in seconds. A URL whose answers become storable is noticed by the next fetch anyway.
const APART_FOR: u64 = 60;

pub(crate) struct Memory {
    table: Table<Variants>,
    apart: moka::sync::Cache<UrlKey, Moment, BuildHasherDefault<KeyHasher>>,
    pub index: Index,
    doorkeeper: Doorkeeper,
    size: u64,
    most_per_url: u64,
    /// Something was compressed in this run: where nothing is, nothing is looked for.
    has_coded: AtomicBool,
    numbers: Arc<Numbers>,
}

/// The entries of one URL, the one most recent by its `Date` first. Most are one.
#[derive(Clone)]
pub(crate) enum Variants {
    One(Arc<Entry>),
    Several(Arc<[Arc<Entry>]>),
}

impl Variants {
    fn new(mut entries: Vec<Arc<Entry>>) -> Option<Variants> {
        match entries.len() {
            0 | 1 => entries.pop().map(Variants::One),
            _ => Some(Variants::Several(entries.into())),
        }
    }

    pub fn entries(&self) -> &[Arc<Entry>] {
        match self {
            Variants::One(entry) => std::slice::from_ref(entry),
            Variants::Several(entries) => entries,
        }
    }

    /// RFC 9111 section 4: of several that match, the most recent.
    pub fn select(&self, asked: &HeaderMap) -> Option<&Arc<Entry>> {
        self.entries().iter().find(|entry| entry.head().variant.matches(asked))
    }

    pub fn latest(&self) -> Option<&Arc<Entry>> {
        self.entries().first()
    }

    fn bytes(&self) -> u64 {
        self.entries().iter().map(|entry| entry.bytes()).sum()
    }

    fn bodies(&self) -> u64 {
        self.entries().iter().map(|entry| entry.body_bytes()).sum()
    }

    /// By what they are found in the index. They have one URL.
    fn tags(&self) -> BTreeSet<Tag> {
        let places = self.latest().into_iter().flat_map(|entry| entry.url().readings().map(Tag::place));
        places.chain(self.entries().iter().flat_map(|entry| entry.head().tags())).collect()
    }
}

impl Memory {
    pub fn new(bytes: u64, numbers: Arc<Numbers>) -> Memory {
        let apart = moka::sync::Cache::builder()
            .max_capacity(MOST_APART)
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildHasherDefault::default());
        Memory {
            table: Table::new(),
            apart,
            index: Index::default(),
            doorkeeper: Doorkeeper::new(bytes),
            size: bytes,
            most_per_url: bytes / 16,
            has_coded: AtomicBool::new(false),
            numbers,
        }
    }

    /// Whether this was asked for of late, and was not there. From now on it was.
    pub fn was_missed_before(&self, key: UrlKey) -> bool {
        self.doorkeeper.asked_before(key)
    }

    /// Whether `more` bytes of this URL can be stored without anything else having to leave for them that may
    /// be worth more.
    pub fn has_room(&self, key: UrlKey, more: u64) -> bool {
        Numbers::read(&self.numbers.bytes).saturating_add(more) <= self.size || self.table.holds(key)
    }

    /// For an answer: what is found is kept for longer than what nobody asks for.
    pub fn find(&self, key: UrlKey) -> Option<Variants> {
        self.table.used(key)
    }

    /// The same for whoever only wants to know.
    pub fn look(&self, key: UrlKey) -> Option<Variants> {
        self.table.look(key)
    }

    /// Whether what this is the record of is still the one that is stored.
    pub fn is_cut_so(&self, record: &Entry) -> bool {
        let same = |entry: &Arc<Entry>| entry.slicing() == record.slicing();
        self.table.look(record.key()).is_some_and(|variants| variants.entries().iter().any(same))
    }

    /// The record of an object in slices, by the version of how it was cut.
    pub fn record(&self, url: &Url, version: u64) -> Option<Arc<Entry>> {
        let variants = self.table.look(url.key())?;
        let is_it = |entry: &&Arc<Entry>| entry.slicing().is_some_and(|slicing| slicing.version == version);
        variants.entries().iter().find(is_it).cloned()
    }

    /// Stores what an earlier run had stored. What is there already is newer, and has to leave for nothing.
    pub fn take_up(&self, entry: Arc<Entry>, request: &HeaderMap, used: Used) -> Result<(), Refused> {
        let key = entry.key();
        let before = self.table.look(key);
        let mut entries = before.as_ref().map_or_else(Vec::new, |variants| variants.entries().to_vec());
        if entries.iter().any(|other| other.head().variant.matches(request)) {
            return Err(Refused::Newer);
        }
        let of_url = before.map_or(0, |variants| variants.bytes() + entry.bytes());
        if !self.has_spare(entry.bytes()) || entries.len() >= MOST_VARIANTS || of_url > self.most_per_url {
            return Err(Refused::NoRoom);
        }
        entries.push(entry);
        entries.sort_by_cached_key(|entry| std::cmp::Reverse(entry.date()));
        self.put(key, entries);
        if used == Used::Since {
            self.table.used(key);
        }
        Ok(())
    }

    /// Whether so many bytes can be stored and nothing has to leave.
    pub fn has_spare(&self, bytes: u64) -> bool {
        Numbers::read(&self.numbers.bytes).saturating_add(bytes) <= self.size
    }

    /// Every key, that which should leave last first.
    pub fn by_use(&self) -> Vec<(Used, UrlKey)> {
        self.table.by_use()
    }

    /// They leave in this order, and after all others.
    pub fn reorder(&self, keys: impl Iterator<Item = UrlKey>) {
        keys.for_each(|key| self.table.renew(key));
    }

    /// Stores an entry and drops those that its request would have been answered with.
    pub fn keep(&self, entry: Arc<Entry>, asked: &HeaderMap) {
        let key = entry.key();
        if entry.head().stored.is_for_many() {
            self.apart.invalidate(&key);
        }
        if entry.is_coded() {
            self.has_coded.store(true, Ordering::Relaxed);
        }
        let mut entries = vec![entry];
        let before = self.table.look(key);
        let before = before.as_ref().map_or(&[][..], Variants::entries);
        entries.extend(before.iter().filter(|other| !other.head().variant.matches(asked)).cloned());
        self.cap(&mut entries);
        // A stable sort: of the same second, the one that came last is the most recent.
        entries.sort_by_cached_key(|entry| std::cmp::Reverse(entry.date()));
        let fills: Vec<u64> = entries.iter().map(|entry| entry.fill()).collect();
        self.put(key, entries);
        before.iter().filter(|gone| !fills.contains(&gone.fill())).for_each(|gone| self.take_coded(gone));
    }

    /// Takes out what was compressed of the bytes of an entry that is no more: nobody is led to it.
    pub fn take_coded(&self, gone: &Entry) {
        if self.has_coded.load(Ordering::Relaxed) && !gone.is_coded() {
            for coding in Coding::ALL {
                self.take(gone.url().key().coding(gone.fill(), coding as u64));
            }
        }
    }

    /// Drops what is beyond the bounds of one URL. The first is new and stays.
    fn cap(&self, entries: &mut Vec<Arc<Entry>>) {
        entries.truncate(MOST_VARIANTS);
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|entry| {
            bytes += entry.bytes();
            bytes <= self.most_per_url
        });
        let fitting = fitting.count().max(1);
        entries.truncate(fitting);
    }

    fn put(&self, key: UrlKey, entries: Vec<Arc<Entry>>) {
        let Some(variants) = Variants::new(entries) else {
            self.take(key);
            return;
        };
        let tags = variants.tags();
        Numbers::add(&self.numbers.bytes, variants.bytes());
        Numbers::add(&self.numbers.bodies_at_rest, variants.bodies());
        Numbers::add(&self.numbers.objects, variants.entries().len() as u64);
        // First those that are new, then those that are no more: who reads the index meanwhile finds it.
        tags.iter().for_each(|tag| self.index.add(*tag, key));
        if let Some(before) = self.table.put(key, variants) {
            before.tags().difference(&tags).for_each(|tag| self.index.remove(*tag, key));
            self.left(&before);
        }
    }

    fn take(&self, key: UrlKey) -> Option<Variants> {
        let gone = self.table.take(key)?;
        gone.tags().iter().for_each(|tag| self.index.remove(*tag, key));
        self.left(&gone);
        Some(gone)
    }

    fn left(&self, variants: &Variants) {
        Numbers::subtract(&self.numbers.bytes, variants.bytes());
        Numbers::subtract(&self.numbers.bodies_at_rest, variants.bodies());
        Numbers::subtract(&self.numbers.objects, variants.entries().len() as u64);
    }

    /// Takes out the entries that `covers` covers, and hands them over to be dropped.
    pub fn remove(&self, key: UrlKey, covers: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let Some(before) = self.table.look(key) else { return Vec::new() };
        let (gone, kept): (Vec<_>, Vec<_>) = before.entries().iter().cloned().partition(|entry| covers(entry));
        if !gone.is_empty() {
            self.put(key, kept);
        }
        gone
    }

    /// Whether this very entry is there.
    pub fn has(&self, entry: &Entry) -> bool {
        let is_it = |other: &Arc<Entry>| std::ptr::eq(&**other, entry);
        self.table.look(entry.key()).is_some_and(|variants| variants.entries().iter().any(is_it))
    }

    /// Makes the entries that `covers` covers stale.
    pub fn soften(&self, key: UrlKey, covers: impl Fn(&Entry) -> bool) -> Purged {
        let Some(variants) = self.table.look(key) else { return Purged::default() };
        let covered: Vec<_> = variants.entries().iter().filter(|entry| covers(entry)).cloned().collect();
        covered.iter().for_each(|entry| entry.soften());
        Purged::of(&covered)
    }

    /// Whether the response is still there, under whatever head.
    pub fn holds(&self, entry: &Entry) -> bool {
        let variants = self.table.look(entry.key());
        variants.is_some_and(|variants| variants.entries().iter().any(|other| other.has_body_of(entry)))
    }

    /// Whether the entry is still there of whose bytes this one was made.
    pub fn holds_source_of(&self, coded: &Entry) -> bool {
        let variants = self.table.look(coded.url().key());
        variants.is_some_and(|variants| variants.entries().iter().any(|other| other.fill() == coded.fill()))
    }

    /// What is stored where `url` is, in any of its readings, stands under these keys: each once, though it has
    /// several readings itself.
    pub fn keys_at(&self, url: &Url) -> Vec<UrlKey> {
        let keys = url.readings().flat_map(|one| self.index.keys(Tag::place(one)));
        let words: BTreeSet<[u64; 2]> = keys.map(UrlKey::words).collect();
        words.into_iter().map(UrlKey::from_words).collect()
    }

    /// The keys of all URLs of which an entry is covered. Takes no lock for long: what comes in meanwhile
    /// may be missed.
    pub fn keys(&self, covers: impl Fn(&Entry) -> bool) -> impl Iterator<Item = UrlKey> {
        let covered = move |variants: &Variants| variants.entries().iter().any(|entry| covers(entry));
        self.table.all().filter(move |(_, variants)| covered(variants)).map(|(key, _)| key)
    }

    pub fn each(&self, mut visit: impl FnMut(&Entry)) {
        self.table.all().for_each(|(_, variants)| variants.entries().iter().for_each(|entry| visit(entry)));
    }

    /// Takes out what was not used for longest, if there is too much, and hands it over to be dropped. `newest` is
    /// what came last.
    pub fn evict(&self, newest: UrlKey) -> Option<Variants> {
        if Numbers::read(&self.numbers.bytes) <= self.size {
            return None;
        }
        let (key, gone) = self.table.evict(newest)?;
        gone.tags().iter().for_each(|tag| self.index.remove(*tag, key));
        self.left(&gone);
        Numbers::add(&self.numbers.evictions, gone.entries().len() as u64);
        gone.entries().iter().for_each(|entry| self.take_coded(entry));
        Some(gone)
    }

    /// From now on askers of this URL don't wait for each other.
    pub fn set_apart(&self, key: UrlKey, reason: Unstorable, now: Moment) {
        // An insert costs far more than a look.
        if reason.lasts() && !self.was_set_apart(key, now, APART_FOR / 2) {
            self.apart.insert(key, now);
        }
    }

    pub fn is_apart(&self, key: UrlKey, now: Moment) -> bool {
        self.was_set_apart(key, now, APART_FOR)
    }

    fn was_set_apart(&self, key: UrlKey, now: Moment, within: u64) -> bool {
        self.apart.get(&key).is_some_and(|since| now.steady.saturating_duration_since(since.steady).as_secs() < within)
    }
}

/// A [`UrlKey`] is a keyed hash already.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests;
