//! How busy the machine is, as a thread feels it that wants to run now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Feels until it is dropped.
pub struct Pulse(Arc<Shared>);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Milliseconds.
    longest: AtomicU64,
}

impl Pulse {
    pub fn feel() -> Pulse {
        const BEAT: Duration = Duration::from_millis(5);
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        std::thread::spawn(move || {
            while !ours.stop.load(SeqCst) {
                let due = Instant::now() + BEAT;
                std::thread::sleep(BEAT);
                ours.longest.fetch_max(due.elapsed().as_millis() as u64, SeqCst);
            }
        });
        Pulse(shared)
    }

    /// The longest that it was late so far. Whatever takes a few turns of several threads may be late by as many
    /// times this.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.0.longest.load(SeqCst))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.stop.store(true, SeqCst);
    }
}
