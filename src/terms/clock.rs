//! Time as a value. Only this module asks the system what time it is.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 UTC; written as RFC 3339 with six decimals and `Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub fn plus(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub fn to_system_time(self) -> SystemTime {
        match u64::try_from(self.0) {
            Ok(micros) => UNIX_EPOCH + Duration::from_micros(micros),
            Err(_) => UNIX_EPOCH,
        }
    }

    pub fn from_system_time(time: SystemTime) -> Timestamp {
        match time.duration_since(UNIX_EPOCH) {
            Ok(span) => Timestamp(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
            Err(_) => Timestamp(0),
        }
    }

    /// Reads a date (`2027-01-31`, meaning 00:00 UTC) or an RFC 3339 time with an offset.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp(time.as_microsecond()));
        }
        if text.len() != "YYYY-MM-DD".len() {
            return None;
        }
        let midnight: jiff::Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
        Some(Timestamp(midnight.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999999Z"),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("neither a date nor an RFC 3339 time"))
    }
}

/// One instant by both clocks: the one people read, and the one that never steps.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: Timestamp,
    pub steady: Instant,
}

/// Where the time comes from: the system, or a test that moves it by hand.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock that stands at `start` until [`Clock::advance`] or [`Clock::set`] moves it.
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Some(Arc::new(AtomicI64::new(start.0))))
    }

    /// Moves a manual clock; the system's is not moved.
    pub fn advance(&self, span: Duration) {
        if let Some(hand) = &self.0 {
            hand.fetch_add(micros(span), Ordering::Relaxed);
        }
    }

    /// Sets a manual clock, back as well.
    pub fn set(&self, at: Timestamp) {
        if let Some(hand) = &self.0 {
            hand.store(at.0, Ordering::Relaxed);
        }
    }

    pub fn now(&self) -> Moment {
        let steady = Instant::now();
        let wall = match &self.0 {
            Some(hand) => Timestamp(hand.load(Ordering::Relaxed)),
            None => WALL.at(steady),
        };
        Moment { wall, steady }
    }

    pub fn wall(&self) -> Timestamp {
        self.now().wall
    }
}

/// The system's wall clock as a distance from the steady one, so that one look at the steady clock
/// tells both. The distance is taken anew every [`Wall::GOOD_FOR`]: a step of the wall clock shows
/// within that.
struct Wall {
    start: Instant,
    /// Microseconds since the epoch at `start`.
    offset: AtomicI64,
    /// Microseconds since `start` from which the offset is too old.
    stale_at: AtomicI64,
}

static WALL: LazyLock<Wall> = LazyLock::new(|| {
    let start = Instant::now();
    Wall { start, offset: AtomicI64::new(Wall::measure(start)), stale_at: AtomicI64::new(micros(Wall::GOOD_FOR)) }
});

impl Wall {
    const GOOD_FOR: Duration = Duration::from_millis(1);

    fn at(&self, steady: Instant) -> Timestamp {
        let passed = micros(steady.saturating_duration_since(self.start));
        let stale_at = self.stale_at.load(Ordering::Relaxed);
        if passed >= stale_at {
            let next = passed.saturating_add(micros(Self::GOOD_FOR));
            // One of those who find it too old measures; the offset of the others is as good.
            if self.stale_at.compare_exchange(stale_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.offset.store(Self::measure(self.start), Ordering::Relaxed);
            }
        }
        Timestamp(self.offset.load(Ordering::Relaxed).saturating_add(passed))
    }

    /// Microseconds since the epoch at `start`.
    fn measure(start: Instant) -> i64 {
        let look = Look::best(Look::now);
        look.wall.0.saturating_sub(micros(look.steady.saturating_duration_since(start)))
    }
}

/// A look at both clocks. A thread that is put to sleep amid it finds them further apart than they are.
#[derive(Clone, Copy)]
struct Look {
    steady: Instant,
    wall: Timestamp,
    /// From before the first clock was read until after the second was.
    took: Duration,
}

impl Look {
    /// What takes longer was interrupted.
    const LONGEST: Duration = Duration::from_micros(20);
    /// A machine that interrupts this many in a row has no time to spare.
    const MOST: u32 = 8;

    fn now() -> Look {
        let steady = Instant::now();
        let wall = Timestamp::from_system_time(SystemTime::now());
        Look { steady, wall, took: steady.elapsed() }
    }

    /// The first that was not interrupted, or the least so.
    fn best(mut look: impl FnMut() -> Look) -> Look {
        let mut best = look();
        for _ in 1..Self::MOST {
            if best.took <= Self::LONGEST {
                break;
            }
            let next = look();
            if next.took < best.took {
                best = next;
            }
        }
        best
    }
}

fn micros(span: Duration) -> i64 {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(span.subsec_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_rfc_3339_with_six_decimals() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(1_790_000_000_000_001).to_string(), "2026-09-21T14:13:20.000001Z");
    }

    #[test]
    fn the_wall_clock_is_the_systems() {
        let clock = Clock::system();
        for _ in 0..1000 {
            let before = Timestamp::from_system_time(SystemTime::now());
            let wall = clock.wall();
            let after = Timestamp::from_system_time(SystemTime::now());
            // Either clock may be slewed against the other while the distance is good.
            let slew = Duration::from_micros(100);
            assert!(before <= wall.plus(slew) && wall <= after.plus(slew), "{before} {wall} {after}");
        }
    }

    #[test]
    fn a_look_that_was_interrupted_is_taken_again() {
        for (took, expected, looks) in [
            (&[5_u64, 1][..], 5, 1),
            (&[30_000, 20, 1], 20, 2),
            (&[900, 30_000, 400, 500, 600, 700, 800, 900, 1], 400, 8),
        ] {
            let steady = Instant::now();
            let mut turns = took.iter();
            let best = Look::best(|| {
                let took = Duration::from_micros(*turns.next().unwrap());
                Look { steady, wall: Timestamp::default(), took }
            });
            assert_eq!(best.took, Duration::from_micros(expected), "{took:?}");
            assert_eq!(took.len() - turns.len(), looks, "{took:?}");
        }
    }

    #[test]
    fn reads_dates_and_times() {
        let midnight = Timestamp::parse("2027-01-31");
        assert_eq!(midnight, Timestamp::parse("2027-01-31T00:00:00Z"));
        assert_eq!(midnight, Timestamp::parse("2027-01-31T01:00:00+01:00"));
        for text in ["", "tomorrow", "2027-13-01", "2027-01-31T00:00", "2027-1-3"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
