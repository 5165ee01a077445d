use std::sync::atomic::{AtomicU64, Ordering};

/// What the cache holds and has done. Read at any time; each number is right by itself.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Bytes of bodies and heads at rest.
    pub bytes: AtomicU64,
    /// Entries at rest; each variant is one.
    pub objects: AtomicU64,
    /// Entries that left for want of room.
    pub evictions: AtomicU64,
    /// Fetches under way.
    pub fills: AtomicU64,
    /// Bytes of bodies that are still arriving.
    pub bytes_in_flight: AtomicU64,
    /// Fetches under way that nobody reads any more.
    pub orphans: AtomicU64,
}

impl Numbers {
    pub(crate) fn add(number: &AtomicU64, amount: u64) {
        number.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(number: &AtomicU64, amount: u64) {
        number.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(crate) fn read(number: &AtomicU64) -> u64 {
        number.load(Ordering::Relaxed)
    }
}
