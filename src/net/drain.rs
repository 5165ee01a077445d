//! An orderly end: one signal that all who serve can see, and a count of those still serving.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

struct Shared {
    draining: watch::Sender<bool>,
    live: watch::Sender<usize>,
}

/// The side that ends things. Dropping it signals nothing.
pub struct Drain(Arc<Shared>);

/// The side that is told. Cheap to clone; one for each listener and connection.
#[derive(Clone)]
pub struct Draining(Arc<Shared>);

/// One live connection. It counts until it is dropped.
pub struct Live(Arc<Shared>);

impl Drain {
    pub fn new() -> Drain {
        Drain(Arc::new(Shared { draining: watch::Sender::new(false), live: watch::Sender::new(0) }))
    }

    pub fn watch(&self) -> Draining {
        Draining(self.0.clone())
    }

    /// Tells everyone to come to an end. Doing it twice is doing it once.
    pub fn trigger(&self) {
        self.0.draining.send_replace(true);
    }

    /// How many connections are live now.
    pub fn live(&self) -> usize {
        *self.0.live.borrow()
    }

    /// Waits until no connection is live, but not longer than `within`. Returns how many are left.
    pub async fn finished(&self, within: Duration) -> usize {
        let mut live = self.0.live.subscribe();
        // The sender lives in `self`, so an error of the wait can only be the time running out.
        let _ = timeout(within, live.wait_for(|&count| count == 0)).await;
        self.live()
    }
}

impl Default for Drain {
    fn default() -> Drain {
        Drain::new()
    }
}

impl Draining {
    pub fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Returns when the signal was given; at once if it was already. Safe to cancel.
    pub async fn signaled(&self) {
        let mut draining = self.0.draining.subscribe();
        // The sender lives in `self`: this can't fail.
        let _ = draining.wait_for(|&signal| signal).await;
    }

    /// Counts a connection for as long as the value returned lives.
    pub fn enter(&self) -> Live {
        self.0.live.send_modify(|count| *count += 1);
        Live(self.0.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn every_watcher_sees_the_signal_early_or_late() {
        let drain = Drain::new();
        let early = drain.watch();
        let waiting = tokio::spawn({
            let early = early.clone();
            async move { early.signaled().await }
        });
        assert!(!early.is_draining());
        drain.trigger();
        drain.trigger();
        timeout(SOON, waiting).await.unwrap().unwrap();
        timeout(SOON, drain.watch().signaled()).await.unwrap();
        assert!(early.is_draining());
    }

    #[tokio::test]
    async fn no_signal_no_return() {
        let watcher = {
            let drain = Drain::new();
            drain.watch()
        };
        assert!(timeout(Duration::from_millis(20), watcher.signaled()).await.is_err());
    }

    #[tokio::test]
    async fn finished_waits_for_the_last_to_leave() {
        let drain = Drain::new();
        let watcher = drain.watch();
        let (first, second) = (watcher.enter(), watcher.enter());
        assert_eq!(drain.live(), 2);
        tokio::spawn(async move {
            watcher.signaled().await;
            drop((first, second));
        });
        drain.trigger();
        assert_eq!(drain.finished(SOON).await, 0);
    }

    #[tokio::test]
    async fn finished_says_who_is_left_at_the_deadline() {
        let drain = Drain::new();
        let staying = drain.watch().enter();
        let leaving = drain.watch().enter();
        drop(leaving);
        assert_eq!(drain.finished(Duration::from_millis(20)).await, 1);
        drop(staying);
        assert_eq!(drain.finished(Duration::ZERO).await, 0);
    }
}
