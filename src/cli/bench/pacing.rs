//! When requests are due, and who sends which.
//!
//! At a set rate the plan is an open loop: request `n` is due at a moment that no answer can move, so a
//! server that stalls finds all those due in the stall waiting for it, as its users would. Whoever sent
//! the next request only after the last answer would leave just those out ("coordinated omission").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// A whole number of requests in a unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u64,
    pub per: Duration,
}

/// More than one machine sends, and little enough for the arithmetic below.
const MOST_A_UNIT: u64 = 100_000_000;

impl Rate {
    pub fn per_second(self) -> f64 {
        self.count as f64 / self.per.as_secs_f64()
    }

    /// How long after the start request `number` (from 0) is due.
    fn due_after(self, number: u64) -> Duration {
        nanos(u128::from(number) * self.per.as_nanos() / u128::from(self.count))
    }

    /// How many requests are due before `elapsed`.
    fn due_before(self, elapsed: Duration) -> u64 {
        let due = (elapsed.as_nanos() * u128::from(self.count)).div_ceil(self.per.as_nanos());
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// `5000/s`, `300/m`, `10/h`; a number alone is a second's.
pub fn rate(text: &str) -> Result<Rate, String> {
    let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("write a number and /s, /m or /h, such as \"5000/s\", not {text:?}")),
    };
    match count.parse() {
        Ok(count @ 1..=MOST_A_UNIT) => Ok(Rate { count, per: Duration::from_secs(seconds) }),
        _ => Err(format!("write a whole number from 1 to {MOST_A_UNIT} before the unit, such as \"5000/s\"")),
    }
}

/// When the run is over.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub duration: Option<Duration>,
    pub requests: Option<u64>,
}

impl Limit {
    fn is_over(self, number: u64, elapsed: Duration) -> bool {
        self.requests.is_some_and(|most| number >= most) || self.duration.is_some_and(|most| elapsed >= most)
    }
}

/// A request that is to be sent now.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Counted from 0.
    pub number: u64,
    pub due: Instant,
    /// Whether a connection was free when it came due. Only then is the sender to blame for a late start.
    pub was_free: bool,
}

/// What was due and not sent, because every connection was busy to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// How many had waited how long by then, in slices of the schedule.
    pub waited: Vec<(Duration, u64)>,
}

impl Unsent {
    pub fn count(&self) -> u64 {
        self.waited.iter().map(|(_, count)| count).sum()
    }
}

/// What is due at the end of the run may still wait this long for a connection: longer than a hiccup,
/// and no longer than anybody likes to look at a bar that is full.
const GRACE: Duration = Duration::from_secs(1);
/// The pacer looks this often whether the run was stopped.
const LOOK: Duration = Duration::from_millis(50);
/// Slices of [`Unsent`]: they bound the work, and their width is far below what a percentile shows.
const SLICES: u64 = 1_000;

/// Hands out turns.
pub struct Turns {
    start: Instant,
    rate: Option<Rate>,
    limit: Limit,
    next: AtomicU64,
    /// One permit for each request that is due and that nobody has taken.
    due: Semaphore,
    stopped: AtomicBool,
}

impl Turns {
    /// Starts now. Without a rate a request is due whenever somebody asks for a turn.
    pub fn start(rate: Option<Rate>, limit: Limit) -> std::io::Result<Arc<Turns>> {
        let turns = Arc::new(Turns {
            start: Instant::now(),
            rate,
            limit,
            next: AtomicU64::new(0),
            due: Semaphore::new(0),
            stopped: AtomicBool::new(false),
        });
        if let Some(rate) = rate {
            let paced = turns.clone();
            // A thread, since the runtime's timer knows only milliseconds.
            thread::Builder::new().name("pacer".to_owned()).spawn(move || paced.pace(rate))?;
        }
        Ok(turns)
    }

    /// The next turn; `None` when the run is over.
    pub async fn take(&self) -> Option<Turn> {
        let asked = Instant::now();
        let Some(rate) = self.rate else {
            let number = self.next.fetch_add(1, Relaxed);
            let is_over = self.stopped.load(Relaxed) || self.limit.is_over(number, asked - self.start);
            return (!is_over).then_some(Turn { number, due: asked, was_free: true });
        };
        self.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Relaxed);
        let due = self.start + rate.due_after(number);
        Some(Turn { number, due, was_free: asked <= due })
    }

    /// No further turn is given.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.due.close();
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was due by now and not sent. Asked when nobody takes turns any more.
    pub fn unsent(&self) -> Unsent {
        let Some(rate) = self.rate else { return Unsent::default() };
        let elapsed = self.elapsed();
        let (sent, due) = (self.next.load(Relaxed), self.total(rate).min(rate.due_before(elapsed)));
        let step = (due.saturating_sub(sent) / SLICES).max(1);
        let slices = (sent..due).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let waited = slices.map(|first| (elapsed - rate.due_after(first).min(elapsed), step.min(due - first)));
        Unsent { waited: waited.collect() }
    }

    /// How many requests the plan holds.
    fn total(&self, rate: Rate) -> u64 {
        let in_time = self.limit.duration.map_or(u64::MAX, |duration| rate.due_before(duration));
        in_time.min(self.limit.requests.unwrap_or(u64::MAX))
    }

    /// Releases each request when it is due, and ends the run when all that could be sent was.
    fn pace(&self, rate: Rate) {
        let total = self.total(rate);
        let mut released = 0;
        while released < total && !self.stopped.load(Relaxed) {
            // Those that are due at this very moment, too.
            let due = rate.due_before(self.elapsed() + Duration::from_nanos(1)).min(total);
            self.due.add_permits(usize::try_from(due - released).unwrap_or(0));
            released = due;
            thread::sleep(rate.due_after(released).saturating_sub(self.elapsed()).min(LOOK));
        }
        let until = self.limit.duration.map(|duration| duration + GRACE);
        while self.next.load(Relaxed) < total && !self.stopped.load(Relaxed) {
            let left = until.map_or(LOOK, |until| until.saturating_sub(self.elapsed()));
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LOOK));
        }
        self.due.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let read = |text| rate(text).map(Rate::per_second).ok();
        assert_eq!(["5000/s", "300/m", "36/h", "7"].map(read), [Some(5000.0), Some(5.0), Some(0.01), Some(7.0)]);
        for text in ["", "/s", "0/s", "-1/s", "1.5/s", "5/d", "5 /s", "999999999999/s"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn as_many_are_due_as_moments_have_passed(count in 1..=MOST_A_UNIT, number in 0..1_000_000_000_u64, seconds in 1..3600_u64) {
            let rate = Rate { count, per: Duration::from_secs(seconds) };
            let due = rate.due_after(number);
            proptest::prop_assert!(rate.due_before(due) <= number);
            proptest::prop_assert!(rate.due_before(due + Duration::from_nanos(1)) > number);
        }
    }

    #[tokio::test]
    async fn a_rate_is_held_and_no_answer_moves_it() {
        let limit = Limit { duration: None, requests: Some(200) };
        let turns = Turns::start(Some(Rate { count: 1000, per: Duration::from_secs(1) }), limit).unwrap();
        let mut taken = Vec::new();
        while let Some(turn) = turns.take().await {
            if turn.number == 20 {
                // An answer that takes its time: those due meanwhile are due when they were.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            taken.push(turn);
        }
        assert_eq!(taken.len(), 200);
        for (number, turn) in taken.iter().enumerate() {
            assert_eq!(turn.due, turns.start + Duration::from_millis(number as u64));
        }
        assert!(taken[21..110].iter().all(|turn| !turn.was_free), "they waited for a connection");
        assert_eq!(turns.unsent(), Unsent::default());
    }

    #[tokio::test]
    async fn a_number_of_requests_is_the_end() {
        for rate in [None, Some(Rate { count: 100_000, per: Duration::from_secs(1) })] {
            let turns = Turns::start(rate, Limit { duration: None, requests: Some(30) }).unwrap();
            let mut taken = 0;
            while turns.take().await.is_some() {
                taken += 1;
            }
            assert_eq!(taken, 30);
        }
    }

    #[tokio::test]
    async fn what_nobody_could_send_is_told_with_its_waiting() {
        let limit = Limit { duration: Some(Duration::from_secs(60)), requests: None };
        let turns = Turns::start(Some(Rate { count: 100_000, per: Duration::from_secs(1) }), limit).unwrap();
        for _ in 0..10 {
            turns.take().await.unwrap();
        }
        while turns.elapsed() < Duration::from_millis(50) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        turns.stop();
        assert!(turns.take().await.is_none());
        let unsent = turns.unsent();
        assert!(unsent.count() > 4_900 && unsent.waited.len() <= 2 * SLICES as usize, "{}", unsent.count());
        assert!(unsent.waited[0].0 >= Duration::from_millis(49));
        assert!(unsent.waited.windows(2).all(|two| two[0].0 > two[1].0));
    }
}
