//! Who is let into a full memory: what was asked for a second time within a window. A scan of what nobody
//! asks for again so passes by what is in use.
//!
//! The window is two Bloom filters, of now and of before. A false "asked before" stores what is not worth
//! it, which is harmless.

use std::hash::{BuildHasher, BuildHasherDefault};

use parking_lot::Mutex;
use terms::UrlKey;

use crate::memory::KeyHasher;

pub(crate) struct Doorkeeper(Mutex<Window>);

struct Window {
    now: Box<[u64]>,
    before: Box<[u64]>,
    /// How many keys stand in `now`.
    keys: usize,
}

/// What an object commonly takes: a window of as many URLs as would fill the memory.
const USUAL_OBJECT: u64 = 4096;
/// With [`PROBES`], one in 400 is taken for another.
const BITS_PER_KEY: u64 = 16;
const PROBES: u64 = 4;
/// Of one filter. The most takes 4 MiB, and is cleared within a millisecond.
const BITS: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 25;

impl Doorkeeper {
    /// For a memory of so many bytes.
    pub fn new(memory: u64) -> Doorkeeper {
        let bits = (memory / USUAL_OBJECT * BITS_PER_KEY).clamp(*BITS.start(), *BITS.end()).next_power_of_two();
        let filter = || vec![0; usize::try_from(bits / 64).unwrap_or(0)].into_boxed_slice();
        Doorkeeper(Mutex::new(Window { now: filter(), before: filter(), keys: 0 }))
    }

    /// Whether it was asked for within the window. From now on it was.
    pub fn asked_before(&self, key: UrlKey) -> bool {
        let hash = BuildHasherDefault::<KeyHasher>::default().hash_one(key);
        let mut window = self.0.lock();
        let asked_now = window.insert(hash);
        asked_now || contains(&window.before, hash)
    }
}

impl Window {
    /// Whether it was in the newer filter already.
    fn insert(&mut self, hash: u64) -> bool {
        if contains(&self.now, hash) {
            return true;
        }
        if self.keys as u64 * BITS_PER_KEY >= self.now.len() as u64 * 64 {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.fill(0);
            self.keys = 0;
        }
        places(&self.now, hash).for_each(|(word, bit)| self.now[word] |= bit);
        self.keys += 1;
        false
    }
}

fn contains(filter: &[u64], hash: u64) -> bool {
    places(filter, hash).all(|(word, bit)| filter[word] & bit != 0)
}

/// The words and their bits in which a key stands; there is a power of two of them.
fn places(filter: &[u64], hash: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
    let last = filter.len() as u64 * 64 - 1;
    let step = hash.rotate_left(32) | 1;
    (0..PROBES)
        .map(move |n| hash.wrapping_add(n.wrapping_mul(step)) & last)
        .map(|at| ((at / 64) as usize, 1 << (at % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ask;

    fn key(n: usize) -> UrlKey {
        ask("GET", &format!("/{n}"), &[]).1.key()
    }

    #[test]
    fn who_asks_twice_is_known() {
        let keeper = Doorkeeper::new(1 << 20);
        assert_eq!([keeper.asked_before(key(1)), keeper.asked_before(key(2))], [false, false]);
        assert_eq!([keeper.asked_before(key(1)), keeper.asked_before(key(2))], [true, true]);
    }

    #[test]
    fn hardly_anybody_is_taken_for_another() {
        let keeper = Doorkeeper::new(1 << 20);
        // A window of the least size holds 4,096 keys.
        let mistaken = (0..4_096).filter(|n| keeper.asked_before(key(*n))).count();
        assert!(mistaken < 41, "{mistaken} of 4,096");
    }

    #[test]
    fn what_was_asked_for_long_ago_is_forgotten() {
        let keeper = Doorkeeper::new(1 << 20);
        keeper.asked_before(key(0));
        let ask = |n| {
            keeper.asked_before(key(n));
        };
        (1..=4_096).for_each(ask);
        assert!(keeper.asked_before(key(0)), "a window later it is still known");
        (10_000..20_000).for_each(ask);
        let known = (1..=100).filter(|n| keeper.asked_before(key(*n))).count();
        assert!(known < 10, "two windows later {known} of 100 still are");
    }
}
