//! Where stored things stand: found by key, and left in the order in which they came, unless they were used.
//!
//! A look-up reads one of many shards, and none waits for a table of a million to be made larger. The order is
//! that of all shards together: each tells since when its oldest stands there.

use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashlink::LinkedHashMap;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use terms::UrlKey;

use super::KeyHasher;

/// Of a million URLs, each has four thousand: what is done to a whole shard takes a millisecond at most.
const SHARDS: usize = 256;

/// How many are spared in a row for having been used, where one has to go. More would make one store wait for a
/// look at all of them.
const MOST_SPARED: usize = 64;

pub(super) struct Table<V> {
    shards: Box<[RwLock<Shard<V>>]>,
    /// Of each shard, when its oldest came; [`NEVER`] where there is none.
    oldest: Box<[AtomicU64]>,
    came: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// Oldest first.
type Shard<V> = LinkedHashMap<UrlKey, Place<V>, BuildHasherDefault<KeyHasher>>;

struct Place<V> {
    value: V,
    came: u64,
    used: AtomicBool,
}

/// Whether something was used since it came, or since it was spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Used {
    Never,
    Since,
}

impl<V> Place<V> {
    fn is_used(&self) -> Used {
        if self.used.load(Ordering::Relaxed) { Used::Since } else { Used::Never }
    }
}

impl<V: Clone> Table<V> {
    pub fn new() -> Table<V> {
        Table {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            oldest: (0..SHARDS).map(|_| AtomicU64::new(NEVER)).collect(),
            came: AtomicU64::new(0),
        }
    }

    /// For an answer: it is spared when something has to go.
    pub fn used(&self, key: UrlKey) -> Option<V> {
        let shard = self.shards[shard_of(key)].read();
        let place = shard.get(&key)?;
        // A look is cheaper than a write, which takes the line from all other cores.
        if !place.used.load(Ordering::Relaxed) {
            place.used.store(true, Ordering::Relaxed);
        }
        Some(place.value.clone())
    }

    pub fn look(&self, key: UrlKey) -> Option<V> {
        self.shards[shard_of(key)].read().get(&key).map(|place| place.value.clone())
    }

    pub fn holds(&self, key: UrlKey) -> bool {
        self.shards[shard_of(key)].read().contains_key(&key)
    }

    /// Puts it behind all others; what stood under the key is handed back.
    pub fn put(&self, key: UrlKey, value: V) -> Option<V> {
        self.change(shard_of(key), |shard| {
            let place = Place { value, came: self.next(), used: AtomicBool::new(false) };
            shard.insert(key, place).map(|before| before.value)
        })
    }

    pub fn take(&self, key: UrlKey) -> Option<V> {
        self.change(shard_of(key), |shard| {
            let gone = shard.remove(&key);
            // It keeps what was taken for the next ones, and a purge may have left it nearly empty.
            if shard.capacity() > 4 * shard.len() + 64 {
                shard.shrink_to_fit();
            }
            gone.map(|place| place.value)
        })
    }

    /// Puts it behind all others, as it is.
    pub fn renew(&self, key: UrlKey) {
        self.change(shard_of(key), |shard| {
            if let Some(place) = shard.remove(&key) {
                shard.insert(key, Place { came: self.next(), ..place });
            }
        });
    }

    /// Every key: those that were used before those that were not, and what came last before what came first.
    pub fn by_use(&self) -> Vec<(Used, UrlKey)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            all.extend(shard.iter().map(|(key, place)| (place.is_used(), place.came, *key)));
        }
        all.sort_unstable_by_key(|(used, came, _)| std::cmp::Reverse((*used, *came)));
        all.into_iter().map(|(used, _, key)| (used, key)).collect()
    }

    /// Takes out the oldest that was not used since it came, or since it was spared; `newest`, for which room is
    /// made, not before all others.
    pub fn evict(&self, newest: UrlKey) -> Option<(UrlKey, V)> {
        for spared in 0..=MOST_SPARED {
            let (oldest, since) = self
                .oldest
                .iter()
                .map(|since| since.load(Ordering::Relaxed))
                .enumerate()
                .min_by_key(|(_, since)| *since)?;
            if since == NEVER {
                return None;
            }
            let evicted = self.change(oldest, |shard| {
                let (key, place) = shard.pop_front()?;
                if spared == MOST_SPARED || !(key == newest || place.used.load(Ordering::Relaxed)) {
                    return Some((key, place.value));
                }
                shard.insert(key, Place { came: self.next(), used: AtomicBool::new(false), ..place });
                None
            });
            if evicted.is_some() {
                return evicted;
            }
        }
        None
    }

    /// All that stand here, shard by shard. What comes in meanwhile may be missed.
    pub fn all(&self) -> impl Iterator<Item = (UrlKey, V)> {
        self.shards.iter().flat_map(|shard| {
            let shard = shard.read();
            let all: Vec<_> = shard.iter().map(|(key, place)| (*key, place.value.clone())).collect();
            all
        })
    }

    /// Under the shard's lock, so that what came later stands behind.
    fn next(&self) -> u64 {
        self.came.fetch_add(1, Ordering::Relaxed)
    }

    fn change<R>(&self, index: usize, change: impl FnOnce(&mut Shard<V>) -> R) -> R {
        let mut shard = self.shards[index].write();
        let result = change(&mut shard);
        self.oldest[index].store(shard.front().map_or(NEVER, |(_, place)| place.came), Ordering::Relaxed);
        result
    }
}

/// By other bits than those by which a shard finds it.
fn shard_of(key: UrlKey) -> usize {
    key.words()[0] as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> UrlKey {
        UrlKey::from_words([n, n])
    }

    fn table(of: std::ops::Range<u64>) -> Table<u64> {
        let table = Table::new();
        for n in of {
            table.put(key(n), n);
        }
        table
    }

    fn evicted(table: &Table<u64>, newest: u64) -> Option<u64> {
        table.evict(key(newest)).map(|(_, value)| value)
    }

    #[test]
    fn the_oldest_goes_first_whatever_shard_it_stands_in() {
        let table = table(0..1_000);
        assert_eq!(table.put(key(3), 3), Some(3), "it came anew");
        let gone: Vec<_> = std::iter::from_fn(|| evicted(&table, 2_000)).collect();
        let expected: Vec<_> = (0..1_000).filter(|n| *n != 3).chain([3]).collect();
        assert_eq!(gone, expected);
        assert_eq!(evicted(&table, 0), None);
    }

    #[test]
    fn what_was_used_is_spared_once() {
        let table = table(0..10);
        assert_eq!((table.used(key(0)), table.look(key(1)), table.used(key(11))), (Some(0), Some(1), None));
        let gone: Vec<_> = (0..10).filter_map(|_| evicted(&table, 11)).collect();
        assert_eq!(gone, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
    }

    #[test]
    fn what_was_used_stands_before_what_came_later() {
        let table = table(0..6);
        assert!(table.used(key(2)).is_some() && table.used(key(1)).is_some());
        table.renew(key(3));
        table.renew(key(7));
        let order: Vec<_> = table.by_use().into_iter().map(|(used, key)| (used, key.words()[0])).collect();
        let never = [3, 5, 4, 0].map(|n| (Used::Never, n));
        assert_eq!(order, [&[(Used::Since, 2), (Used::Since, 1)][..], &never].concat());
        let gone: Vec<_> = (0..6).filter_map(|_| evicted(&table, 11)).collect();
        assert_eq!(gone, [0, 4, 5, 3, 1, 2]);
    }

    #[test]
    fn what_is_new_does_not_go_for_its_own_sake() {
        let table = table(0..10);
        assert!((0..9).all(|n| table.used(key(n)).is_some()));
        assert_eq!(evicted(&table, 9), Some(0));
        assert_eq!(evicted(&self::table(9..10), 9), Some(9), "unless there is nothing else");
    }

    #[test]
    fn one_eviction_spares_no_more_than_its_bound() {
        let count = 4 * MOST_SPARED as u64;
        let table = table(0..count);
        assert!((0..count).all(|n| table.used(key(n)).is_some()));
        assert_eq!(evicted(&table, count), Some(MOST_SPARED as u64));
    }

    #[test]
    fn what_was_taken_is_gone_and_its_room_given_back() {
        let table = table(0..100_000);
        assert_eq!(table.all().count(), 100_000);
        assert!((0..100_000).all(|n| table.take(key(n)) == Some(n)));
        assert_eq!((table.all().count(), table.take(key(0)), table.holds(key(0))), (0, None, false));
        assert!(table.shards.iter().all(|shard| shard.read().capacity() <= 64));
    }
}
