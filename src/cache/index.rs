//! Which URLs carry a tag: found without a look at every entry.
//!
//! What puts a URL's entries into memory adds them here first, and what takes them out removes them after, so that
//! what is stored is always found. Memory's bound is the index's: each slot is weighed with its entry.

use std::collections::BTreeSet;
use std::ops::Bound;

use parking_lot::Mutex;
use terms::UrlKey;

use crate::tags::Tag;

/// A fetch that settles while a large purge reads seldom waits for the same one.
const SHARDS: usize = 16;

/// How many keys are read before others get their turn.
const PAGE: usize = 256;

/// A tag and a URL: eight bytes each word, so that no padding stands between them.
type Slot = (Tag, [u64; 2]);

/// What a slot takes of a tree whose nodes are full by two thirds.
pub(crate) const BYTES: usize = 48;

/// Trees, not tables: no insert waits until a million slots are moved.
#[derive(Default)]
pub(crate) struct Index([Mutex<BTreeSet<Slot>>; SHARDS]);

impl Index {
    fn shard(&self, tag: Tag) -> &Mutex<BTreeSet<Slot>> {
        &self.0[tag.bits() as usize % SHARDS]
    }

    pub fn add(&self, tag: Tag, key: UrlKey) {
        self.shard(tag).lock().insert((tag, key.words()));
    }

    pub fn remove(&self, tag: Tag, key: UrlKey) {
        self.shard(tag).lock().remove(&(tag, key.words()));
    }

    /// The keys that carry a tag. Those that come in meanwhile may be missed.
    pub fn keys(&self, tag: Tag) -> impl Iterator<Item = UrlKey> {
        let mut after = None;
        std::iter::from_fn(move || {
            let page = self.page(tag, after)?;
            after = page.last().copied();
            Some(page.into_iter().map(UrlKey::from_words))
        })
        .flatten()
    }

    fn page(&self, tag: Tag, after: Option<[u64; 2]>) -> Option<Vec<[u64; 2]>> {
        let from = after.map_or(Bound::Included((tag, [0; 2])), |key| Bound::Excluded((tag, key)));
        let shard = self.shard(tag).lock();
        let slots = shard.range((from, Bound::Included((tag, [u64::MAX; 2]))));
        let page: Vec<[u64; 2]> = slots.map(|(_, key)| *key).take(PAGE).collect();
        (!page.is_empty()).then_some(page)
    }

    #[cfg(test)]
    pub fn slots(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_there_until_it_is_removed() {
        let index = Index::default();
        let (tag, other) = (Tag::named(b"a"), Tag::named(b"b"));
        let key = UrlKey::from_words([1, 2]);
        index.add(tag, key);
        index.add(tag, key);
        index.add(other, key);
        assert_eq!(index.keys(tag).collect::<Vec<_>>(), [key]);
        index.remove(tag, key);
        index.remove(tag, key);
        assert_eq!((index.keys(tag).count(), index.slots()), (0, 1));
    }

    #[test]
    fn all_keys_of_a_tag_are_read_page_by_page() {
        let index = Index::default();
        let tags: Vec<Tag> = (0..40_u8).map(|n| Tag::named(&[n])).collect();
        for tag in &tags {
            (0..3 * PAGE as u64).for_each(|n| index.add(*tag, UrlKey::from_words([n, u64::MAX - n])));
        }
        for tag in tags {
            assert_eq!(index.keys(tag).count(), 3 * PAGE);
        }
    }
}
