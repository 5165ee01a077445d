//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Waits that double from `first` up to `cap`.
///
/// Each is shortened by up to a tenth at random, so that what failed together does not come back
/// together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, cap: Duration) -> Backoff {
        Backoff { first, cap, next: first.min(cap) }
    }

    /// The wait before the next attempt.
    pub fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.cap);
        wait.mul_f64(1.0 - 0.1 * fastrand::f64())
    }

    /// An attempt succeeded: the next failure waits `first` again.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.cap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(wait: Duration, millis: u64) -> bool {
        let full = Duration::from_millis(millis);
        wait <= full && wait >= full.mul_f64(0.9)
    }

    #[test]
    fn waits_double_up_to_the_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        for millis in [100, 200, 400, 500, 500] {
            let wait = backoff.step();
            assert!(around(wait, millis), "{wait:?} for {millis} ms");
        }
        backoff.reset();
        assert!(around(backoff.step(), 100));
    }

    #[test]
    fn a_first_wait_above_the_cap_is_the_cap() {
        let mut backoff = Backoff::new(Duration::from_secs(9), Duration::from_secs(1));
        assert!(around(backoff.step(), 1000));
        backoff.reset();
        assert!(around(backoff.step(), 1000));
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::MAX / 2);
        for _ in 0..200 {
            backoff.step();
        }
    }
}
