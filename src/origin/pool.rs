//! The connections to one origin: how many there may be, which rest, and who waits.
//!
//! Every connection holds a [`Slot`], from before it is dialled until it is closed; there are as many
//! slots as the settings allow connections. Who asks gets the connection that rested least (the
//! likeliest to be alive, and those at the bottom grow old and go), else a free slot to dial with,
//! else a place in a queue. What comes free goes to the head of the queue and to nobody else.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::Numbers;
use crate::connection::{Connection, Settled};

/// Beyond this many waiting for one origin, another one is told to come back later at once: behind
/// 256 connections and this many in front of it, it would hardly be served before its time is up.
const MAX_WAITERS: usize = 1024;

/// Origins commonly keep an idle connection for 5 to 75 s; one this old is rather dialled anew.
const MAX_IDLE: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(15);

pub(crate) struct Pool {
    max: usize,
    state: Mutex<State>,
    numbers: Arc<Numbers>,
}

struct State {
    /// The one that rested least is last.
    idle: Vec<Connection>,
    /// Slots given out: to connections in use, idle, and being dialled.
    slots: usize,
    waiters: VecDeque<oneshot::Sender<Grant>>,
    sweeping: bool,
}

/// The right to one connection. Dropping it passes the right on.
pub(crate) struct Slot(Weak<Pool>);

impl Slot {
    /// A slot of no pool: for a connection that is counted nowhere.
    pub(crate) fn of_none() -> Slot {
        Slot(Weak::new())
    }
}

pub(crate) enum Grant {
    Pooled(Connection),
    Fresh(Slot),
}

enum Place {
    Granted(Grant),
    Queued(oneshot::Receiver<Grant>),
    Full,
}

impl Pool {
    pub(crate) fn new(max: usize, numbers: Arc<Numbers>) -> Arc<Pool> {
        let state = State { idle: Vec::new(), slots: 0, waiters: VecDeque::new(), sweeping: false };
        // None at all would leave every request waiting for what can't come.
        Arc::new(Pool { max: max.max(1), state: Mutex::new(state), numbers })
    }

    /// A connection, or the right to dial one; `None` when the queue is full or `patience` is over.
    pub(crate) async fn take(self: &Arc<Pool>, patience: Duration) -> Option<Grant> {
        match self.place(Instant::now()) {
            Place::Granted(grant) => Some(grant),
            Place::Full => None,
            // A grant that arrives as the time runs out is dropped with its channel, and so passed on.
            Place::Queued(grant) => match timeout(patience, grant).await {
                Ok(grant) => grant.ok(),
                Err(_) => {
                    self.strike_off();
                    None
                }
            },
        }
    }

    /// Those at the head of the queue who left it: all have the same patience, so they leave in turn.
    fn strike_off(&self) {
        let mut state = self.state.lock();
        while state.waiters.front().is_some_and(|waiter| waiter.is_closed()) {
            state.waiters.pop_front();
        }
        self.publish(&state);
    }

    fn place(self: &Arc<Pool>, now: Instant) -> Place {
        // Dropped after the lock is released: a slot takes the lock on its way out.
        let mut dead = Vec::new();
        let mut state = self.state.lock();
        let mut found = None;
        while let Some(connection) = state.idle.pop() {
            if connection.is_open() && connection.idle_for(now) < MAX_IDLE {
                found = Some(connection);
                break;
            }
            dead.push(connection);
        }
        let place = match found {
            Some(connection) => Place::Granted(Grant::Pooled(connection)),
            None if state.slots < self.max => {
                state.slots += 1;
                Place::Granted(Grant::Fresh(Slot(Arc::downgrade(self))))
            }
            None => state.queue(),
        };
        self.publish(&state);
        drop(state);
        place
    }

    /// Takes back a connection whose answer ended, if it is fit for another.
    pub(crate) fn give_back(mut connection: Connection) {
        match connection.settled() {
            Settled::Fit => Pool::rest(connection, Instant::now()),
            Settled::Unfit => {}
            Settled::Unsure => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
                runtime.spawn(async move {
                    if let Settled::Fit = connection.settle().await {
                        Pool::rest(connection, Instant::now());
                    }
                });
            }
        }
    }

    fn rest(mut connection: Connection, now: Instant) {
        // The site may be gone by now; its connections go with it.
        let Some(pool) = connection.slot().0.upgrade() else { return };
        connection.rest(now);
        let mut state = pool.state.lock();
        if let Some(Grant::Pooled(connection)) = state.hand_on(Grant::Pooled(connection)) {
            state.idle.push(connection);
            if !state.sweeping {
                state.sweeping = true;
                tokio::spawn(sweep(Arc::downgrade(&pool)));
            }
        }
        pool.publish(&state);
    }

    fn release(&self, slot: Slot) {
        let mut state = self.state.lock();
        if let Some(Grant::Fresh(mut slot)) = state.hand_on(Grant::Fresh(slot)) {
            // Spent: it must not come back here when it is dropped.
            slot.0 = Weak::new();
            state.slots -= 1;
        }
        self.publish(&state);
    }

    /// Closes what rested too long or was closed by the origin. Returns whether any is left.
    fn close_old(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let (kept, old): (Vec<_>, Vec<_>) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|connection| connection.is_open() && connection.idle_for(now) < MAX_IDLE);
        state.idle = kept;
        state.sweeping = !state.idle.is_empty();
        let left = state.sweeping;
        self.publish(&state);
        drop(state);
        drop(old);
        left
    }

    fn publish(&self, state: &State) {
        let idle = state.idle.len() as u64;
        self.numbers.idle.store(idle, Ordering::Relaxed);
        self.numbers.in_use.store((state.slots as u64).saturating_sub(idle), Ordering::Relaxed);
        self.numbers.waiting.store(state.waiters.len() as u64, Ordering::Relaxed);
    }
}

impl State {
    fn queue(&mut self) -> Place {
        if self.waiters.len() >= MAX_WAITERS {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        if self.waiters.len() >= MAX_WAITERS {
            return Place::Full;
        }
        let (waiter, grant) = oneshot::channel();
        self.waiters.push_back(waiter);
        Place::Queued(grant)
    }

    /// Gives to the first who still waits; back comes what nobody wanted.
    fn hand_on(&mut self, mut grant: Grant) -> Option<Grant> {
        while let Some(waiter) = self.waiters.pop_front() {
            match waiter.send(grant) {
                Ok(()) => return None,
                Err(back) => grant = back,
            }
        }
        Some(grant)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.release(Slot(std::mem::take(&mut self.0)));
        }
    }
}

/// Runs while connections rest, so that a quiet site doesn't keep them for ever.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP_EVERY).await;
        match pool.upgrade() {
            Some(pool) if pool.close_old(Instant::now()) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Settings};
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    const SOON: Duration = Duration::from_secs(5);
    const BRIEFLY: Duration = Duration::from_millis(20);

    fn pool(max: usize) -> (Arc<Pool>, Arc<Numbers>) {
        let numbers = Arc::new(Numbers::default());
        (Pool::new(max, numbers.clone()), numbers)
    }

    async fn slot(pool: &Arc<Pool>, patience: Duration) -> Option<Slot> {
        match pool.take(patience).await? {
            Grant::Fresh(slot) => Some(slot),
            Grant::Pooled(_) => panic!("nothing was pooled"),
        }
    }

    #[tokio::test]
    async fn there_are_as_many_slots_as_the_cap() {
        let (pool, numbers) = pool(2);
        let first = slot(&pool, SOON).await;
        let _second = slot(&pool, SOON).await.unwrap();
        assert!(slot(&pool, BRIEFLY).await.is_none());
        assert_eq!(numbers.in_use.load(Ordering::Relaxed), 2);
        assert_eq!(numbers.waiting.load(Ordering::Relaxed), 0);
        drop(first);
        assert_eq!(numbers.in_use.load(Ordering::Relaxed), 1);
        slot(&pool, SOON).await.unwrap();
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_first_who_still_waits() {
        let (pool, numbers) = pool(1);
        let held = slot(&pool, SOON).await.unwrap();
        let Place::Queued(given_up) = pool.place(Instant::now()) else { panic!() };
        let Place::Queued(mut first) = pool.place(Instant::now()) else { panic!() };
        let Place::Queued(mut second) = pool.place(Instant::now()) else { panic!() };
        drop(given_up);
        drop(held);
        let granted = first.try_recv().unwrap();
        assert!(second.try_recv().is_err());
        drop(granted);
        // A grant that nobody picks up is passed on as well.
        drop(second);
        assert_eq!(numbers.in_use.load(Ordering::Relaxed), 0);
        slot(&pool, BRIEFLY).await.unwrap();
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_those_who_left_make_room() {
        let (pool, _) = pool(1);
        let _held = slot(&pool, SOON).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITERS {
            let Place::Queued(grant) = pool.place(Instant::now()) else { panic!() };
            waiting.push(grant);
        }
        assert!(matches!(pool.place(Instant::now()), Place::Full));
        waiting.pop();
        assert!(matches!(pool.place(Instant::now()), Place::Queued(_)));
    }

    #[tokio::test]
    async fn a_slot_outlives_its_pool() {
        let (pool, _) = pool(1);
        let held = slot(&pool, SOON).await.unwrap();
        drop(pool);
        drop(held);
    }

    /// A connection to nobody in particular that has a slot of the pool.
    async fn connection(pool: &Arc<Pool>) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let settings = Settings {
            address,
            tls: None,
            connect_timeout: SOON,
            first_byte_timeout: SOON,
            between_bytes_timeout: SOON,
            max_connections: 2,
        };
        let connection = Connection::open(&settings, slot(pool, SOON).await.unwrap()).await.unwrap();
        (connection, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn who_rested_least_is_taken_and_who_rested_too_long_is_closed() {
        let (pool, numbers) = pool(2);
        let start = Instant::now();
        let ((old, _far), (new, _away)) = (connection(&pool).await, connection(&pool).await);
        Pool::rest(old, start);
        Pool::rest(new, start + MAX_IDLE / 2);
        assert_eq!(numbers.idle.load(Ordering::Relaxed), 2);

        let Place::Granted(Grant::Pooled(new)) = pool.place(start + MAX_IDLE / 2) else { panic!() };
        assert_eq!(new.idle_for(start + MAX_IDLE), MAX_IDLE / 2);
        assert!(pool.close_old(start + MAX_IDLE / 2), "the old one is not too old yet");
        Pool::rest(new, start + MAX_IDLE / 2);
        assert!(pool.close_old(start + MAX_IDLE), "the new one is left");
        assert_eq!(numbers.idle.load(Ordering::Relaxed), 1);
        assert!(!pool.close_old(start + 2 * MAX_IDLE));
        assert!(matches!(pool.place(start), Place::Granted(Grant::Fresh(_))));
        assert_eq!(numbers.in_use.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_too_old_makes_room_for_a_fresh_one() {
        let (pool, _) = pool(1);
        let (old, mut far) = connection(&pool).await;
        let start = Instant::now();
        Pool::rest(old, start);
        let Place::Queued(mut grant) = pool.place(start + MAX_IDLE) else { panic!() };
        assert!(matches!(grant.try_recv(), Ok(Grant::Fresh(_))));
        assert_eq!(timeout(SOON, far.read(&mut [0])).await.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_given_back_goes_to_the_first_who_waits() {
        let (pool, numbers) = pool(1);
        let (connection, _far) = connection(&pool).await;
        let Place::Queued(mut grant) = pool.place(Instant::now()) else { panic!() };
        Pool::rest(connection, Instant::now());
        assert!(matches!(grant.try_recv(), Ok(Grant::Pooled(_))));
        assert_eq!(numbers.idle.load(Ordering::Relaxed), 0);
    }
}
