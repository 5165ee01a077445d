//! How an origin is: what checks say of it, and what requests do.
//!
//! [`State`] is pure: time is an argument. Checks take an origin out and bring it back; requests that
//! fail in a row eject it for a while, which grows when it fails again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::settings::{Check, Ejection};

/// Whether an origin is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Up,
    /// Requests to it failed: it is left alone for a while.
    Ejected,
    /// Checks say that it can't serve.
    Down,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Up => "up",
            Standing::Ejected => "ejected",
            Standing::Down => "down",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Requests that failed in a row.
    failures: u32,
    ejected: Option<Ejected>,
    is_down: bool,
    /// Checks in a row that spoke against where it stands.
    against: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ejected {
    until: Instant,
    lasts: Duration,
}

impl State {
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        match self.ejected {
            _ if self.is_down => Standing::Down,
            Some(ejected) if now < ejected.until => Standing::Ejected,
            _ => Standing::Up,
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.failures = 0;
        if let Some(ejected) = &mut self.ejected {
            // Asked all the same, because no other was better: it is well again.
            ejected.until = ejected.until.min(now);
            // It has to stand for as long as it was out before the past is forgotten.
            if now >= ejected.until + ejected.lasts {
                self.ejected = None;
            }
        }
    }

    /// A request failed. Says for how long that ejects it, if it does.
    pub(crate) fn failed(&mut self, rule: &Ejection, now: Instant) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < rule.failures || self.standing(now) == Standing::Ejected {
            return None;
        }
        // Once back, one failure is enough: the count goes down only by an answer.
        let lasts = self.ejected.map_or(rule.time, |before| before.lasts.saturating_mul(2)).min(rule.longest);
        self.ejected = Some(Ejected { until: now + lasts, lasts });
        Some(lasts)
    }

    /// A check came to its end. Says where the origin stands from now on, if that changed.
    pub(crate) fn checked(&mut self, is_good: bool, rule: &Check) -> Option<Standing> {
        if is_good != self.is_down {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        let enough = if is_good { rule.rise } else { rule.fall };
        if self.against < enough {
            return None;
        }
        self.is_down = !is_good;
        self.against = 0;
        if is_good {
            // Whatever made requests fail before it went down is over.
            self.failures = 0;
            self.ejected = None;
        }
        Some(if is_good { Standing::Up } else { Standing::Down })
    }

    /// Without checks there is nothing that could bring it back.
    pub(crate) fn forget_checks(&mut self) {
        self.is_down = false;
        self.against = 0;
    }
}

/// The state of one origin as it is shared, and how often what happened to it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) state: Mutex<State>,
    pub(crate) ejections: AtomicU64,
    /// Requests that went to another origin because this one failed.
    pub(crate) retried: AtomicU64,
    pub(crate) checks_failed: AtomicU64,
}

impl Health {
    /// What a reload takes over: a copy, so that what ends under the old config has no part in the new.
    pub(crate) fn carried_over(&self) -> Health {
        let copy = |number: &AtomicU64| AtomicU64::new(number.load(Relaxed));
        Health {
            state: Mutex::new(self.state.lock().clone()),
            ejections: copy(&self.ejections),
            retried: copy(&self.retried),
            checks_failed: copy(&self.checks_failed),
        }
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        self.state.lock().standing(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Ejection = Ejection { failures: 3, time: Duration::from_secs(10), longest: Duration::from_secs(35) };

    fn check(rise: u32, fall: u32) -> Check {
        Check {
            path: "/".to_owned(),
            host: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise,
            fall,
            statuses: Vec::new(),
        }
    }

    /// A state that failures have just ejected at `now` for the first time.
    fn ejected(now: Instant) -> State {
        let mut state = State::default();
        for expected in [None, None, Some(RULE.time)] {
            assert_eq!(state.failed(&RULE, now), expected);
        }
        state
    }

    #[test]
    fn only_failures_in_a_row_eject() {
        let now = Instant::now();
        let mut state = State::default();
        for _ in 0..10 {
            assert_eq!(state.failed(&RULE, now), None);
            assert_eq!(state.failed(&RULE, now), None);
            state.answered(now);
        }
        assert_eq!(state.standing(now), Standing::Up);
        assert_eq!(ejected(now).standing(now), Standing::Ejected);
    }

    #[test]
    fn an_ejection_ends_by_itself_and_grows_up_to_a_bound() {
        let mut now = Instant::now();
        let mut state = ejected(now);
        assert_eq!(state.failed(&RULE, now), None, "what was under way when it was ejected does not count twice");
        for lasts in [10, 20, 35, 35].map(Duration::from_secs) {
            assert_eq!(state.standing(now + lasts - Duration::from_millis(1)), Standing::Ejected);
            now += lasts;
            assert_eq!(state.standing(now), Standing::Up);
            assert_eq!(state.failed(&RULE, now), Some((lasts * 2).min(RULE.longest)), "one more failure is enough");
        }
    }

    #[test]
    fn the_past_is_forgotten_after_as_long_a_time_in_service() {
        let start = Instant::now();
        for (answered_after, next) in [(19, 20), (20, 10)] {
            let mut state = ejected(start);
            let now = start + Duration::from_secs(answered_after);
            state.answered(now);
            state.failed(&RULE, now);
            state.failed(&RULE, now);
            assert_eq!(state.failed(&RULE, now), Some(Duration::from_secs(next)), "{answered_after}");
        }
    }

    #[test]
    fn an_answer_brings_it_back_at_once() {
        let now = Instant::now();
        let mut state = ejected(now);
        state.answered(now);
        assert_eq!(state.standing(now), Standing::Up);
    }

    #[test]
    fn checks_in_a_row_decide() {
        // Good and bad ones, and what each makes of it: `u`p, `d`own, or no change.
        for (rise, fall, checks, turns) in [
            (1, 1, "+-+-", ".dud"),
            (2, 3, "---++", "..d.u"),
            (2, 3, "--+--+---", "........d"),
            (3, 1, "-++-+++", "d.....u"),
        ] {
            let mut state = State::default();
            let rule = check(rise, fall);
            let told: String = checks
                .chars()
                .map(|check| match state.checked(check == '+', &rule) {
                    Some(Standing::Up) => 'u',
                    Some(_) => 'd',
                    None => '.',
                })
                .collect();
            assert_eq!(told, turns, "rise {rise}, fall {fall}: {checks}");
        }
    }

    #[test]
    fn coming_up_ends_an_ejection_and_going_down_outlasts_one() {
        let now = Instant::now();
        let (mut state, rule) = (ejected(now), check(1, 1));
        state.checked(false, &rule);
        assert_eq!(state.standing(now + RULE.longest), Standing::Down);
        state.checked(true, &rule);
        assert_eq!(state.standing(now), Standing::Up);
    }
}
