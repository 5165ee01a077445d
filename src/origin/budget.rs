//! How many requests may be sent a second time: when every origin is in trouble, retries only make it
//! worse.

use tokio::time::{Duration, Instant};

/// So many requests earn one retry: a tenth more load is what origins in trouble can be asked to bear.
const EARN_ONE: u32 = 10;
/// Earned without requests, so that a site with few of them has retries, too.
const EARNED_EVERY: Duration = Duration::from_secs(1);
/// What can be saved up. A burst beyond that would be a second wave behind the first.
const MOST: u32 = 10 * EARN_ONE;

#[derive(Debug)]
pub(crate) struct Budget {
    /// In tenths of a retry.
    saved: u32,
    earned_until: Instant,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Budget {
        Budget { saved: MOST, earned_until: now }
    }

    /// A request is sent for the first time.
    pub(crate) fn earn(&mut self) {
        self.saved = (self.saved + 1).min(MOST);
    }

    /// Whether one may be sent again; if so, it is paid for.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        let periods = now.saturating_duration_since(self.earned_until).as_secs() / EARNED_EVERY.as_secs();
        let earned = u32::try_from(periods).unwrap_or(u32::MAX);
        self.saved = self.saved.saturating_add(earned.saturating_mul(EARN_ONE)).min(MOST);
        self.earned_until += EARNED_EVERY * earned;
        let paid = self.saved.checked_sub(EARN_ONE);
        self.saved = paid.unwrap_or(self.saved);
        paid.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many retries are granted.
    fn granted(budget: &mut Budget, wanted: usize, now: Instant) -> usize {
        (0..wanted).filter(|_| budget.spend(now)).count()
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!(granted(&mut budget, 50, now + Duration::from_secs(3600)), 10);
    }

    #[test]
    fn in_the_long_run_a_tenth_of_the_requests_is_sent_again() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let mut again = granted(&mut budget, 50, now);
        for _ in 0..1000 {
            budget.earn();
            again += granted(&mut budget, 1, now);
        }
        assert_eq!(again, 10 + 100);
    }

    #[test]
    fn time_earns_a_little_too() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        granted(&mut budget, 50, now);
        for (after, expected) in [(999, 0), (1000, 1), (1999, 0), (2000, 1), (5000, 3)] {
            assert_eq!(granted(&mut budget, 50, now + Duration::from_millis(after)), expected, "{after}");
        }
    }
}
