//! Leaky buckets by the generic cell rate algorithm (ITU-T I.371): all that is kept of one is the moment at
//! which it will have run dry.
//!
//! Moments are nanoseconds since one that all of them share.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::{Rate, household, nanos};

/// How fast a bucket runs dry, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Nanoseconds that one request takes to run out.
    each: u64,
    /// Nanoseconds that a full bucket takes.
    full: u64,
}

impl Pace {
    /// `burst` requests at once fill a bucket.
    pub(super) fn of(rate: Rate, burst: u32) -> Pace {
        let each = (nanos(rate.per) / u64::from(rate.count.max(1))).max(1);
        Pace { each, full: each.saturating_mul(u64::from(burst.max(1))) }
    }

    /// Pours one request into a bucket that is dry at `dry`. Gives when it is dry then, or how long to wait
    /// until there is room.
    fn pour(self, dry: u64, now: u64) -> Result<u64, u64> {
        let then = dry.max(now).saturating_add(self.each);
        match (then - now).checked_sub(self.full) {
            None | Some(0) => Ok(then),
            Some(over) => Err(over),
        }
    }

    pub(super) fn pour_into(self, bucket: &AtomicU64, now: u64) -> Result<(), u64> {
        let mut dry = bucket.load(Relaxed);
        loop {
            match bucket.compare_exchange_weak(dry, self.pour(dry, now)?, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => dry = other,
            }
        }
    }
}

/// Locks, so that addresses seldom wait for each other.
const SHARDS: usize = 64;
/// Addresses of a shard: 131,072 in all, some 5 MB. More than ask at once in earnest; of a flood from more, the
/// rest goes uncounted, for one limit an address can't hold it. The limit for all addresses can.
const MOST: usize = 2048;
/// Between two looks at a shard for buckets that are dry, and where it is full.
const SWEEP: u64 = 60_000_000_000;
const SWEEP_FULL: u64 = 1_000_000_000;

/// A bucket for each address that asked of late.
pub(super) struct Addresses {
    shards: [Mutex<Shard>; SHARDS],
    /// Keyed, so that nobody can choose addresses that share a lock.
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    dry: HashMap<u64, u64>,
    swept: u64,
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Addresses {
    pub(super) fn pour(&self, address: IpAddr, pace: Pace, now: u64) -> Result<(), u64> {
        let who = household(address);
        let place = self.hasher.hash_one(who) as usize % SHARDS;
        let mut shard = self.shards[place].lock();
        if let Some(dry) = shard.dry.get_mut(&who) {
            *dry = pace.pour(*dry, now)?;
        } else if shard.has_room(now) {
            shard.dry.insert(who, pace.pour(0, now)?);
        }
        Ok(())
    }
}

impl Shard {
    fn has_room(&mut self, now: u64) -> bool {
        let wait = if self.dry.len() < MOST { SWEEP } else { SWEEP_FULL };
        if now.saturating_sub(self.swept) >= wait {
            self.swept = now;
            self.dry.retain(|_, dry| *dry > now);
        }
        self.dry.len() < MOST
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flood_of_addresses_takes_no_more_memory_and_is_forgotten() {
        let addresses = Addresses::default();
        let pace = Pace::of(Rate { count: 1, per: Duration::from_secs(1) }, 1);
        let held = || addresses.shards.iter().map(|shard| shard.lock().dry.len()).sum::<usize>();
        for address in 0..(SHARDS * MOST * 2) as u32 {
            assert_eq!(addresses.pour(Ipv4Addr::from_bits(address).into(), pace, 1), Ok(()));
        }
        assert!(held() <= SHARDS * MOST && held() > SHARDS * MOST / 2, "{}", held());
        for address in 0..10_000 {
            assert_eq!(addresses.pour(Ipv4Addr::from_bits(1 << 31 | address).into(), pace, 3 * SWEEP_FULL), Ok(()));
        }
        assert_eq!(held(), 10_000);
    }

    proptest! {
        /// In no stretch of time may more pass than the burst and what the rate allows.
        #[test]
        fn no_more_passes_than_the_rate_and_the_burst(
            count in 1u32..50, burst in 1u32..20, steps in prop::collection::vec(0u64..200_000_000, 1..200)
        ) {
            let pace = Pace::of(Rate { count, per: Duration::from_secs(1) }, burst);
            let (mut now, mut dry, mut passed) = (0, 0, Vec::new());
            for step in steps {
                now += step;
                match pace.pour(dry, now) {
                    Ok(then) => {
                        dry = then;
                        passed.push(now);
                    }
                    // Who waits as long as it is told may pass.
                    Err(wait) => prop_assert!(pace.pour(dry, now + wait).is_ok()),
                }
            }
            for (index, from) in passed.iter().enumerate() {
                for (before, to) in passed[index..].iter().enumerate() {
                    prop_assert!((before as u64) < u64::from(burst) + (to - from) / pace.each);
                }
            }
        }
    }
}
