//! What came of the requests, counted.

use std::time::Duration;

use hdrhistogram::Histogram;
use http::StatusCode;

use super::checks::Check;
use super::pacing::Unsent;

/// How a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, or no TLS on it.
    Connect,
    /// No whole answer within `--timeout`.
    Timeout,
    /// The connection ended, by a reset or a close, before the head of an answer.
    Reset,
    /// What came is no HTTP.
    Malformed,
}

impl Fault {
    pub const ALL: [Fault; 4] = [Fault::Connect, Fault::Timeout, Fault::Reset, Fault::Malformed];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Connect => "connect",
            Fault::Timeout => "timeout",
            Fault::Reset => "reset",
            Fault::Malformed => "malformed",
        }
    }
}

/// What came of one request.
#[derive(Debug)]
pub enum Outcome {
    Answered {
        status: StatusCode,
        bytes: u64,
        check: Check,
    },
    /// The head came, and not all of the body.
    Cut {
        bytes: u64,
    },
    Failed {
        fault: Fault,
        error: String,
    },
}

/// When, beside what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From when it was due to the end.
    pub corrected: Duration,
    /// From when it was sent to the end.
    pub from_send: Duration,
    /// From when it was due to when it was sent, where a connection was free: the sender's own fault.
    pub late: Option<Duration>,
}

/// An hour, in microseconds: longer than any timeout one waits for.
const LONGEST: u64 = 3_600_000_000;
/// Wrong answers that are shown one by one.
pub const SHOWN: usize = 5;

/// Latencies from 1 µs to an hour to three digits; what is longer counts as an hour.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    fn new() -> Result<Latencies, hdrhistogram::CreationError> {
        Histogram::new_with_bounds(1, LONGEST, 3).map(Latencies)
    }

    fn add(&mut self, latency: Duration, times: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record_n(micros.max(1), times);
    }

    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_micros(self.0.value_at_percentile(percent))
    }

    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean() / 1e6)
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

/// The counts. About half a megabyte, most of it the histograms.
pub struct Tally {
    /// Whole answers by the first digit of their status, without 451.
    pub classes: [u64; 10],
    /// 451.
    pub blocked: u64,
    pub cut: u64,
    pub faults: [u64; Fault::ALL.len()],
    /// Bytes of bodies, also of those that were cut.
    pub bytes: u64,
    pub right: u64,
    pub wrong: u64,
    /// Requests that waited for a connection to become free.
    pub waited: u64,
    pub unsent: u64,
    /// Of whole answers, and, as the least that it can be, of what timed out or was never sent.
    pub corrected: Latencies,
    /// Of whole answers and of what timed out.
    pub from_send: Latencies,
    pub late: Latencies,
    /// The first error of each kind, in the order of [`Fault::ALL`].
    pub errors: [Option<String>; Fault::ALL.len()],
    /// The first wrong answers, in words.
    pub wrongs: Vec<String>,
}

impl Tally {
    pub fn new() -> Result<Tally, hdrhistogram::CreationError> {
        Ok(Tally {
            classes: [0; 10],
            blocked: 0,
            cut: 0,
            faults: [0; Fault::ALL.len()],
            bytes: 0,
            right: 0,
            wrong: 0,
            waited: 0,
            unsent: 0,
            corrected: Latencies::new()?,
            from_send: Latencies::new()?,
            late: Latencies::new()?,
            errors: Default::default(),
            wrongs: Vec::new(),
        })
    }

    /// `url` is asked for only where it is shown.
    pub fn add(&mut self, outcome: Outcome, times: Times, url: impl FnOnce() -> String) {
        match times.late {
            Some(late) => self.late.add(late, 1),
            None => self.waited += 1,
        }
        match outcome {
            Outcome::Answered { status, bytes, check } => {
                match status {
                    StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => self.blocked += 1,
                    _ => self.classes[usize::from(status.as_u16() / 100)] += 1,
                }
                self.bytes += bytes;
                self.check(check, url);
                self.timed(times);
            }
            Outcome::Cut { bytes } => {
                self.bytes += bytes;
                self.cut += 1;
            }
            Outcome::Failed { fault, error } => {
                self.faults[fault as usize] += 1;
                self.errors[fault as usize].get_or_insert(error);
                if fault == Fault::Timeout {
                    self.timed(times);
                }
            }
        }
    }

    fn timed(&mut self, times: Times) {
        self.corrected.add(times.corrected, 1);
        self.from_send.add(times.from_send, 1);
    }

    fn check(&mut self, check: Check, url: impl FnOnce() -> String) {
        match check {
            Check::Unchecked => {}
            Check::Right => self.right += 1,
            Check::Wrong { expected, found } => {
                self.wrong += 1;
                if self.wrongs.len() < SHOWN {
                    self.wrongs.push(format!("{}: {found}, not {expected}", url()));
                }
            }
        }
    }

    pub fn add_unsent(&mut self, unsent: &Unsent) {
        self.unsent += unsent.count();
        unsent.waited.iter().for_each(|(waited, count)| self.corrected.add(*waited, *count));
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Tally) -> Result<(), hdrhistogram::AdditionError> {
        let sum = |ours: &mut [u64], theirs: &[u64]| ours.iter_mut().zip(theirs).for_each(|(our, their)| *our += their);
        sum(&mut self.classes, &other.classes);
        sum(&mut self.faults, &other.faults);
        let Tally { blocked, cut, bytes, right, wrong, waited, unsent, .. } = other;
        for (our, their) in [
            (&mut self.blocked, blocked),
            (&mut self.cut, cut),
            (&mut self.bytes, bytes),
            (&mut self.right, right),
            (&mut self.wrong, wrong),
            (&mut self.waited, waited),
            (&mut self.unsent, unsent),
        ] {
            *our += their;
        }
        self.corrected.0.add(&other.corrected.0)?;
        self.from_send.0.add(&other.from_send.0)?;
        self.late.0.add(&other.late.0)?;
        for (our, their) in self.errors.iter_mut().zip(&other.errors) {
            *our = our.take().or_else(|| their.clone());
        }
        self.wrongs.extend(other.wrongs.iter().cloned());
        self.wrongs.truncate(SHOWN);
        Ok(())
    }

    /// Whole answers.
    pub fn answers(&self) -> u64 {
        self.classes.iter().sum::<u64>() + self.blocked
    }

    /// Requests that had no answer at all.
    pub fn failures(&self) -> u64 {
        self.faults.iter().sum()
    }

    /// Requests that ended, in whatever way.
    pub fn ended(&self) -> u64 {
        self.answers() + self.cut + self.failures()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn times(corrected: u32) -> Times {
        Times { corrected: MILLI * corrected, from_send: MILLI, late: None }
    }

    fn answered(status: StatusCode) -> Outcome {
        Outcome::Answered { status, bytes: 10, check: Check::Unchecked }
    }

    #[test]
    fn each_outcome_has_its_count_and_its_say_in_latency() {
        let mut tally = Tally::new().unwrap();
        let failed = |fault: Fault| Outcome::Failed { fault, error: fault.name().to_owned() };
        let mut outcomes = vec![
            answered(StatusCode::OK),
            answered(StatusCode::NOT_FOUND),
            answered(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS),
            Outcome::Cut { bytes: 5 },
        ];
        outcomes.extend(Fault::ALL.map(failed));
        outcomes.into_iter().for_each(|outcome| tally.add(outcome, times(2), String::new));
        assert_eq!((tally.classes[2], tally.classes[4], tally.blocked, tally.cut), (1, 1, 1, 1));
        assert_eq!((tally.faults, tally.bytes, tally.ended()), ([1; 4], 35, 8));
        assert_eq!(tally.corrected.count(), 4, "whole answers and the timeout");
        assert_eq!(tally.errors[Fault::Reset as usize].as_deref(), Some("reset"));
        tally.add_unsent(&Unsent { waited: vec![(MILLI * 900, 6)] });
        assert_eq!((tally.unsent, tally.corrected.count(), tally.from_send.count()), (6, 10, 4));
        assert_eq!(tally.corrected.max().as_millis(), 900);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut whole = Tally::new().unwrap();
        let mut parts = [Tally::new().unwrap(), Tally::new().unwrap()];
        for number in 0..1000_u32 {
            let wrong = Check::Wrong { expected: terms::Digest::ZERO, found: terms::Digest::of(b"") };
            let outcome = || Outcome::Answered { status: StatusCode::OK, bytes: 1, check: wrong };
            whole.add(outcome(), times(number), || number.to_string());
            parts[(number % 2) as usize].add(outcome(), times(number), || number.to_string());
        }
        let [mut sum, other] = parts;
        sum.merge(&other).unwrap();
        assert_eq!((sum.answers(), sum.wrong, sum.wrongs.len(), sum.bytes), (1000, 1000, SHOWN, 1000));
        for percent in [50.0, 99.0, 99.9, 100.0] {
            assert_eq!(sum.corrected.percentile(percent), whole.corrected.percentile(percent));
        }
    }
}
