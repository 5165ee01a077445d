//! Whole bodies are decoded in turns: a few at a time, and each once for all who want it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use terms::Encoded;
use tokio::sync::Semaphore;

/// Whole bodies that are decoded at a time: each takes a thread. More wait for their turn.
const AT_ONCE: usize = 4;

pub(crate) struct Turns {
    free: Arc<Semaphore>,
    /// For each body that is wanted, by where it lies: who has a queue holds its body as well, so nothing else lies there.
    queues: Mutex<HashMap<usize, Weak<Semaphore>>>,
}

impl Turns {
    pub fn new() -> Turns {
        Turns { free: Arc::new(Semaphore::new(AT_ONCE)), queues: Mutex::default() }
    }

    /// Has a stored body decoded, or waits for who has: that takes neither a turn nor a thread. If that one leaves
    /// before its turn, or fails, the next in the queue takes over.
    pub async fn decode(&self, body: Arc<dyn Encoded>) {
        let queue = self.queue(&body);
        let Ok(first) = queue.acquire_owned().await else { return };
        if body.is_undecoded() {
            let decode = move || {
                body.decode();
                drop(first);
            };
            self.take(decode).await;
        }
    }

    /// `None` where it failed, or the process ends. The work goes on without who waits for it, and so its turn does.
    pub async fn take<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = self.free.clone().acquire_owned().await.ok()?;
        let work = move || {
            let found = work();
            drop(turn);
            found
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    fn queue(&self, body: &Arc<dyn Encoded>) -> Arc<Semaphore> {
        let mut queues = self.queues.lock();
        // As often as it would grow, what nobody waits for is swept out: no more stays than was wanted at once.
        if queues.len() == queues.capacity() {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = queues.entry(Arc::as_ptr(body).addr()).or_default();
        queue.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Semaphore::new(1));
            *queue = Arc::downgrade(&new);
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use parking_lot::Condvar;
    use terms::{Digest, Refusal};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A body whose decoding ends when the test lets it.
    #[derive(Debug, Default)]
    struct Slow {
        decodes: AtomicUsize,
        is_decoded: AtomicBool,
        fails: AtomicUsize,
        go: Mutex<bool>,
        gone: Condvar,
    }

    impl Slow {
        fn failing(times: usize) -> Arc<Slow> {
            Arc::new(Slow { fails: times.into(), ..Slow::default() })
        }

        fn go(&self) {
            *self.go.lock() = true;
            self.gone.notify_all();
        }

        /// Once as many have begun.
        async fn begun(&self, times: usize) {
            let begun = async {
                while self.decodes.load(SeqCst) < times {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(SOON, begun).await.expect("it has its turn");
        }

        fn outcome(&self) -> (usize, bool) {
            (self.decodes.load(SeqCst), self.is_decoded.load(SeqCst))
        }
    }

    impl Encoded for Slow {
        fn digest(&self) -> Option<Digest> {
            None
        }

        fn decoded(&self) -> Option<Digest> {
            None
        }

        fn undecodable(&self) -> Option<Refusal> {
            None
        }

        fn is_undecoded(&self) -> bool {
            !self.is_decoded.load(SeqCst)
        }

        fn decode(&self) {
            self.decodes.fetch_add(1, SeqCst);
            let mut go = self.go.lock();
            self.gone.wait_while_for(&mut go, |go| !*go, SOON);
            let is_failing = self.fails.load(SeqCst) > 0;
            if is_failing {
                self.fails.fetch_sub(1, SeqCst);
                panic!("as the test wants it");
            }
            self.is_decoded.store(true, SeqCst);
        }
    }

    type Wait<'t> = Pin<Box<dyn Future<Output = ()> + Send + 't>>;

    /// As many who want it, each of whom has come as far as it can.
    fn waiting<'t>(turns: &'t Turns, body: &Arc<Slow>, count: usize) -> Vec<Wait<'t>> {
        let wait = |_| {
            let mut wait: Wait<'t> = Box::pin(turns.decode(body.clone()));
            assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            wait
        };
        (0..count).map(wait).collect()
    }

    async fn all(waits: Vec<Wait<'_>>) {
        for wait in waits {
            tokio::time::timeout(SOON, wait).await.expect("nobody is left waiting");
        }
    }

    #[tokio::test]
    async fn what_many_want_is_decoded_once_and_takes_one_turn() {
        let (turns, wanted, others) = (Turns::new(), Slow::failing(0), [(); AT_ONCE - 1].map(|()| Slow::failing(0)));
        let waits = waiting(&turns, &wanted, 100);
        let beside: Vec<_> = others.iter().flat_map(|other| waiting(&turns, other, 1)).collect();
        for body in others.iter().chain([&wanted]) {
            body.begun(1).await;
            body.go();
        }
        all(waits).await;
        all(beside).await;
        assert_eq!(wanted.outcome(), (1, true));
        assert_eq!(others.map(|other| other.outcome()), [(1, true); AT_ONCE - 1]);
    }

    #[tokio::test]
    async fn the_next_takes_over_from_who_leaves_before_its_turn() {
        let (turns, wanted, others) = (Turns::new(), Slow::failing(0), [(); AT_ONCE].map(|()| Slow::failing(0)));
        let before: Vec<_> = others.iter().flat_map(|other| waiting(&turns, other, 1)).collect();
        let mut waits = waiting(&turns, &wanted, 3);
        drop(waits.remove(0));
        others.iter().for_each(|other| other.go());
        all(before).await;
        wanted.go();
        all(waits).await;
        assert_eq!(wanted.outcome(), (1, true));
    }

    #[tokio::test]
    async fn who_leaves_while_it_is_decoded_is_not_needed() {
        let (turns, wanted) = (Turns::new(), Slow::failing(0));
        let mut waits = waiting(&turns, &wanted, 3);
        wanted.begun(1).await;
        drop(waits.remove(0));
        let next = waits.remove(0);
        let next = tokio::time::timeout(Duration::ZERO, next).await;
        assert!(next.is_err(), "it waits for the one that is under way");
        wanted.go();
        all(waits).await;
        assert_eq!(wanted.outcome(), (1, true));
    }

    #[tokio::test]
    async fn the_next_takes_over_from_who_fails() {
        let (turns, wanted) = (Turns::new(), Slow::failing(2));
        let waits = waiting(&turns, &wanted, 5);
        wanted.go();
        all(waits).await;
        assert_eq!(wanted.outcome(), (3, true));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_forgotten() {
        let turns = Turns::new();
        // Held, so that each lies somewhere else.
        let bodies: Vec<_> = (0..200).map(|_| Slow::failing(0)).collect();
        for body in &bodies {
            let waits = waiting(&turns, body, 2);
            body.go();
            all(waits).await;
        }
        assert!(turns.queues.lock().len() < 10, "{}", turns.queues.lock().len());
    }
}
