//! Telling a save that is done from one that is under way.

use std::time::{Duration, Instant};

/// How far apart two looks that agree are, for a save to count as done.
pub const SETTLING: Duration = Duration::from_millis(300);

/// What something shows, `M` telling two states of it apart, and since when.
#[derive(Debug)]
pub struct Settling<M> {
    settled: M,
    waiting: Option<(M, Instant)>,
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is what it was.
    Same,
    /// It is another state, which may not last: look again after this time.
    NotYet(Duration),
    Changed,
}

impl<M: PartialEq> Settling<M> {
    pub fn new(settled: M) -> Settling<M> {
        Settling { settled, waiting: None }
    }

    /// Takes what a look showed that began at `now`. `whole`: there is evidence that it is no half of a save.
    pub fn see(&mut self, shown: M, whole: bool, now: Instant) -> Settled {
        if shown == self.settled {
            self.waiting = None;
            return Settled::Same;
        }
        let age = match &self.waiting {
            Some((waiting, since)) if *waiting == shown => now.duration_since(*since),
            _ => Duration::ZERO,
        };
        if whole || age >= SETTLING {
            self.waiting = None;
            self.settled = shown;
            return Settled::Changed;
        }
        if age.is_zero() {
            self.waiting = Some((shown, seen_by(now)));
        }
        Settled::NotYet(SETTLING - age)
    }
}

/// When a look that began at `now` is over. A thread may be put to sleep amid it: only from here on is it known
/// how long what was seen has lasted.
pub fn seen_by(now: Instant) -> Instant {
    now.max(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks made up, that take no time.
    fn ahead() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn two_looks_that_agree_or_evidence_make_it_settled() {
        let start = ahead();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut file = Settling::new("old");
        assert_eq!(file.see("old", false, at(0)), Settled::Same);
        assert_eq!(file.see("ha", false, at(10)), Settled::NotYet(SETTLING));
        assert_eq!(file.see("half", false, at(200)), Settled::NotYet(SETTLING));
        assert_eq!(file.see("half", false, at(400)), Settled::NotYet(Duration::from_millis(100)));
        assert_eq!(file.see("half", false, at(500)), Settled::Changed);
        assert_eq!(file.see("half", false, at(501)), Settled::Same);
        assert_eq!(file.see("whole", true, at(502)), Settled::Changed);
    }

    #[test]
    fn a_look_that_took_long_saw_what_it_saw_at_its_end() {
        let long_ago = Instant::now() - 2 * SETTLING;
        let mut file = Settling::new("old");
        assert_eq!(file.see("half", false, long_ago), Settled::NotYet(SETTLING));
        let now = Instant::now();
        assert!(matches!(file.see("half", false, now), Settled::NotYet(left) if left > Duration::ZERO));
        assert_eq!(file.see("half", false, now + SETTLING), Settled::Changed);
    }

    #[test]
    fn what_came_back_meanwhile_was_no_change() {
        let start = ahead();
        let mut file = Settling::new("old");
        assert_eq!(file.see("new", false, start), Settled::NotYet(SETTLING));
        assert_eq!(file.see("old", false, start + SETTLING / 2), Settled::Same);
        assert_eq!(file.see("new", false, start + SETTLING), Settled::NotYet(SETTLING));
    }
}
