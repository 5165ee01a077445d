use std::sync::atomic::{AtomicU64, Ordering};

use crate::kept::Refused;

/// What the cache holds and has done. Read at any time; each number is right by itself.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Bytes of entries at rest: their bodies, their heads, and what each takes beside them.
    pub bytes: AtomicU64,
    /// Entries at rest; each variant is one.
    pub objects: AtomicU64,
    /// Entries that left for want of room.
    pub evictions: AtomicU64,
    /// Fetches under way.
    pub fills: AtomicU64,
    /// Bytes of bodies that are in memory for whatever reason: at rest, arriving, or taken out and still read.
    pub bytes_of_bodies: AtomicU64,
    /// Those of them that are at rest.
    pub bodies_at_rest: AtomicU64,
    /// Bytes that bodies under way have declared, and that have not come.
    pub bytes_announced: AtomicU64,
    /// Fetches under way that nobody reads any more.
    pub orphans: AtomicU64,
    pub kept: KeptNumbers,
}

/// What became of what the run before had kept.
#[derive(Debug, Default)]
pub struct KeptNumbers {
    /// Bytes of the file that are still to be read.
    pub left: AtomicU64,
    /// Entries taken up.
    pub objects: AtomicU64,
    /// Bytes of their bodies and heads.
    pub bytes: AtomicU64,
    /// Those that were not, in the order of [`Refused::ALL`].
    pub refused: [AtomicU64; Refused::ALL.len()],
}

impl KeptNumbers {
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().zip(&self.refused).map(|(why, number)| (why, Numbers::read(number)))
    }
}

impl Numbers {
    pub(crate) fn add(number: &AtomicU64, amount: u64) {
        number.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(number: &AtomicU64, amount: u64) {
        number.fetch_sub(amount, Ordering::Relaxed);
    }

    /// Bytes of bodies beside those at rest, those that are announced included.
    pub fn in_flight(&self) -> u64 {
        let beside = Numbers::read(&self.bytes_of_bodies).saturating_sub(Numbers::read(&self.bodies_at_rest));
        beside.saturating_add(Numbers::read(&self.bytes_announced))
    }

    pub(crate) fn read(number: &AtomicU64) -> u64 {
        number.load(Ordering::Relaxed)
    }
}
