//! Entries at rest, bounded in bytes.
//!
//! All variants of a URL hang on one key, so that one purge takes them all. Look-ups take no lock of
//! ours. Whoever puts something in or takes it out by name holds the flight table's lock.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use terms::{Moment, UrlKey};

use crate::Numbers;
use crate::doorkeeper::Doorkeeper;
use crate::entry::Entry;
use crate::index::Index;
use crate::policy::Unstorable;
use crate::purge::Purged;
use crate::tags::Tag;

/// Of one URL. What varies by more is not worth its room.
const MOST_VARIANTS: usize = 32;

/// moka's weights are 32 bits wide: counted in these, an object may have 256 GiB.
const UNIT: u64 = 64;

/// How many URLs are remembered as not to be waited for.
const MOST_APART: u64 = 65_536;

/// For how long, in seconds. A URL whose answers become storable is noticed by the next fetch anyway.
const APART_FOR: u64 = 60;

pub(crate) struct Memory {
    urls: moka::sync::Cache<UrlKey, Arc<Variants>, BuildHasherDefault<KeyHasher>>,
    apart: moka::sync::Cache<UrlKey, Moment, BuildHasherDefault<KeyHasher>>,
    pub index: Arc<Index>,
    doorkeeper: Doorkeeper,
    size: u64,
    most_per_url: u64,
    numbers: Arc<Numbers>,
}

/// The entries of one URL, the one most recent by its `Date` first.
pub(crate) struct Variants {
    entries: Box<[Arc<Entry>]>,
    bytes: u64,
    /// Those of the bodies alone.
    bodies: u64,
}

impl Variants {
    fn new(entries: Vec<Arc<Entry>>) -> Arc<Variants> {
        let bytes = entries.iter().map(|entry| entry.bytes()).sum();
        let bodies = entries.iter().map(|entry| entry.body_bytes()).sum();
        Arc::new(Variants { entries: entries.into(), bytes, bodies })
    }

    /// RFC 9111 section 4: of several that match, the most recent.
    pub fn select(&self, asked: &HeaderMap) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.head().variant.matches(asked))
    }

    pub fn latest(&self) -> Option<&Arc<Entry>> {
        self.entries.first()
    }

    /// By what they are found in the index. They have one URL.
    fn tags(&self) -> impl Iterator<Item = Tag> {
        let places = self.entries.first().into_iter().flat_map(|entry| entry.url().readings().map(Tag::place));
        places.chain(self.entries.iter().flat_map(|entry| entry.head().tags.iter()))
    }
}

impl Memory {
    pub fn new(bytes: u64, numbers: Arc<Numbers>) -> Memory {
        let index = Arc::new(Index::default());
        let (told, indexed) = (numbers.clone(), index.clone());
        let urls = moka::sync::Cache::builder()
            .max_capacity(bytes / UNIT)
            .weigher(|_, variants: &Arc<Variants>| u32::try_from(variants.bytes / UNIT + 1).unwrap_or(u32::MAX))
            // TinyLFU refuses for ever what is large and asked for seldom.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |key, variants: Arc<Variants>, cause| {
                variants.tags().for_each(|tag| indexed.subtract(tag, *key));
                left(&told, &variants, cause);
            })
            .build_with_hasher(BuildHasherDefault::default());
        let apart = moka::sync::Cache::builder()
            .max_capacity(MOST_APART)
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildHasherDefault::default());
        Memory {
            urls,
            apart,
            index,
            doorkeeper: Doorkeeper::new(bytes),
            size: bytes,
            most_per_url: bytes / 16,
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
        Numbers::read(&self.numbers.bytes).saturating_add(more) <= self.size || self.urls.contains_key(&key)
    }

    pub fn find(&self, key: UrlKey) -> Option<Arc<Variants>> {
        self.urls.get(&key)
    }

    /// Whether what this is the record of is still the one that is stored.
    pub fn is_cut_so(&self, record: &Entry) -> bool {
        let same = |entry: &Arc<Entry>| entry.slicing() == record.slicing();
        self.find(record.key()).is_some_and(|variants| variants.entries.iter().any(same))
    }

    /// Stores an entry and drops those that its request would have been answered with.
    pub fn keep(&self, entry: Arc<Entry>, asked: &HeaderMap) {
        let key = entry.key();
        if entry.head().stored.is_for_many() {
            self.apart.invalidate(&key);
        }
        let mut entries = vec![entry];
        if let Some(before) = self.urls.get(&key) {
            entries.extend(before.entries.iter().filter(|other| !other.head().variant.matches(asked)).cloned());
        }
        self.cap(&mut entries);
        // A stable sort: of the same second, the one that came last is the most recent.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.date()));
        self.put(key, entries);
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
        if entries.is_empty() {
            self.urls.invalidate(&key);
            return;
        }
        let variants = Variants::new(entries);
        Numbers::add(&self.numbers.bytes, variants.bytes);
        Numbers::add(&self.numbers.bodies_at_rest, variants.bodies);
        Numbers::add(&self.numbers.objects, variants.entries.len() as u64);
        variants.tags().for_each(|tag| self.index.add(tag, key));
        self.urls.insert(key, variants);
    }

    /// Takes out the entries that `covers` covers.
    pub fn remove(&self, key: UrlKey, covers: impl Fn(&Entry) -> bool) -> Purged {
        let Some(before) = self.urls.get(&key) else { return Purged::default() };
        let (gone, kept): (Vec<_>, Vec<_>) = before.entries.iter().cloned().partition(|entry| covers(entry));
        if !gone.is_empty() {
            self.put(key, kept);
        }
        Purged { objects: gone.len() as u64, bytes: gone.iter().map(|entry| entry.bytes()).sum() }
    }

    /// Makes the entries that `covers` covers stale.
    pub fn soften(&self, key: UrlKey, covers: impl Fn(&Entry) -> bool) -> Purged {
        let Some(variants) = self.urls.get(&key) else { return Purged::default() };
        let covered: Vec<_> = variants.entries.iter().filter(|entry| covers(entry)).collect();
        covered.iter().for_each(|entry| entry.soften());
        Purged { objects: covered.len() as u64, bytes: covered.iter().map(|entry| entry.bytes()).sum() }
    }

    /// Whether the response is still there, under whatever head.
    pub fn holds(&self, entry: &Entry) -> bool {
        let variants = self.urls.get(&entry.key());
        variants.is_some_and(|variants| variants.entries.iter().any(|other| other.has_body_of(entry)))
    }

    /// The keys of all URLs of which an entry is covered. Takes no lock for long: what comes in meanwhile
    /// may be missed.
    pub fn keys(&self, covers: impl Fn(&Entry) -> bool) -> impl Iterator<Item = UrlKey> {
        let covered = move |variants: &Variants| variants.entries.iter().any(|entry| covers(entry));
        self.urls.iter().filter(move |(_, variants)| covered(variants)).map(|(key, _)| *key)
    }

    /// moka evicts when it finds time; this is the time, lest many inserts at once pile up.
    pub fn tidy(&self) {
        self.urls.run_pending_tasks();
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

fn left(numbers: &Numbers, variants: &Variants, cause: RemovalCause) {
    let objects = variants.entries.len() as u64;
    Numbers::subtract(&numbers.bytes, variants.bytes);
    Numbers::subtract(&numbers.bodies_at_rest, variants.bodies);
    Numbers::subtract(&numbers.objects, objects);
    if cause == RemovalCause::Size {
        Numbers::add(&numbers.evictions, objects);
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
