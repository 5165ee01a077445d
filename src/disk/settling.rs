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

    /// Takes what is shown now. `whole`: there is evidence that it is no half of a save.
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
            self.waiting = Some((shown, now));
        }
        Settled::NotYet(SETTLING - age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_that_agree_or_evidence_make_it_settled() {
        let start = Instant::now();
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
    fn what_came_back_meanwhile_was_no_change() {
        let start = Instant::now();
        let mut file = Settling::new("old");
        assert_eq!(file.see("new", false, start), Settled::NotYet(SETTLING));
        assert_eq!(file.see("old", false, start + SETTLING / 2), Settled::Same);
        assert_eq!(file.see("new", false, start + SETTLING), Settled::NotYet(SETTLING));
    }
}
