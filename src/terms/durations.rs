//! How long things took, counted by bucket: what a histogram shows.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts durations. Counting is two additions, without a lock.
#[derive(Debug, Default)]
pub struct Durations {
    /// One for each of [`Durations::BOUNDS`], and one for what took longer; none counts what another counts.
    buckets: [AtomicU64; Durations::BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// An upper bound in seconds, inclusive, and what lies between it and the one before.
    pub buckets: [(f64, u64); Durations::BOUNDS.len() + 1],
    /// Seconds of all.
    pub sum: f64,
    pub count: u64,
}

impl Durations {
    /// Upper bounds in microseconds, inclusive: a hit takes less than the first, and who waits longer than the
    /// last has left.
    pub const BOUNDS: [u64; 14] = [
        500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000,
    ];

    pub fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(Self::BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub fn counted(&self) -> Counted {
        let mut counted = Counted { buckets: [(f64::INFINITY, 0); Self::BOUNDS.len() + 1], sum: 0.0, count: 0 };
        for (at, bucket) in counted.buckets.iter_mut().enumerate() {
            if let Some(bound) = Self::BOUNDS.get(at) {
                bucket.0 = *bound as f64 / 1e6;
            }
            bucket.1 = self.buckets[at].load(Relaxed);
            counted.count += bucket.1;
        }
        counted.sum = self.micros.load(Relaxed) as f64 / 1e6;
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_once_where_it_belongs() {
        let durations = Durations::default();
        for (micros, bound) in
            [(0, 0.0005), (500, 0.0005), (501, 0.001), (10_000_000, 10.0), (10_000_001, f64::INFINITY)]
        {
            let before = durations.counted();
            durations.count(Duration::from_micros(micros));
            let after = durations.counted();
            assert_eq!(after.count, before.count + 1);
            let grown = after.buckets.iter().zip(before.buckets).filter(|(after, before)| **after != *before);
            assert_eq!(grown.map(|(after, _)| after.0).collect::<Vec<_>>(), [bound], "{micros}");
        }
        assert_eq!(durations.counted().sum, 20.001002);
    }
}
