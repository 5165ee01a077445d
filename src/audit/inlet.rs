//! The way from the requests to the writer: a queue into which pushing never waits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use terms::{Record, Timestamp};

use crate::line::Event;
use crate::numbers::Numbers;
use crate::settings::OnPressure;
use crate::window::Window;

/// The log can't say that a line is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evidence log can't be written: look at its folder's disk, and at this process's error log")]
pub struct Down;

/// How many items may wait above the high-water mark: room for answers that were in flight when the
/// door closed, for blocks, which are answered in any case, and for events. Beyond it, items are shed.
const ABOVE_HIGH_WATER: usize = 131_072;

/// Waiting items at which the writer is woken before its time.
const MANY: usize = 4_096;

#[derive(Debug)]
pub enum Item {
    Record(Record),
    Event {
        event: Event,
        at: Timestamp,
        /// Told the `seq` once the line is on the disk.
        waiter: Option<Waiter>,
    },
    /// Told once everything before it is written.
    Mark(SyncSender<()>),
}

impl Item {
    /// When what it tells of was over.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Item::Record(record) => Some(record.ended),
            Item::Event { at, .. } => Some(*at),
            Item::Mark(_) => None,
        }
    }
}

/// Records and events for which there was no room: how many, and the times of the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub records: u64,
    pub from: Timestamp,
    pub to: Timestamp,
}

pub type Waiter = SyncSender<Result<u64, Down>>;

/// What the requests, the writer and the roof share.
#[derive(Debug)]
pub struct Inlet {
    items: SegQueue<Item>,
    bound: usize,
    /// The bound for the records of answers, where it is another.
    record_bound: usize,
    high_water: usize,
    on_pressure: OnPressure,
    lost: Mutex<Option<Lost>>,
    asleep: AtomicBool,
    closing: AtomicBool,
    down: AtomicBool,
    writer: OnceLock<Thread>,
    pub window: Mutex<Window>,
    pub numbers: Numbers,
}

impl Inlet {
    pub fn new(high_water: usize, on_pressure: OnPressure) -> Inlet {
        let bound = high_water.saturating_add(ABOVE_HIGH_WATER);
        Inlet {
            items: SegQueue::new(),
            bound,
            record_bound: if on_pressure == OnPressure::Shed { high_water } else { bound },
            high_water,
            on_pressure,
            lost: Mutex::default(),
            asleep: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            down: AtomicBool::new(false),
            writer: OnceLock::new(),
            window: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    /// Takes an item, or counts it as shed.
    pub fn push(&self, item: Item) {
        // The order of these steps, and of those in `sleep`, is what makes a sleeper be woken: the
        // length rises before `asleep` is read here, and is read there after `asleep` is set.
        let before = self.numbers.queue.fetch_add(1, Ordering::SeqCst);
        let bound = if matches!(item, Item::Record(_)) { self.record_bound } else { self.bound };
        if before >= bound || self.is_down() {
            self.numbers.queue.fetch_sub(1, Ordering::SeqCst);
            self.lose(&item);
            return;
        }
        self.items.push(item);
        if before == MANY || (self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)) {
            self.wake();
        }
    }

    pub fn pop(&self) -> Option<Item> {
        let item = self.items.pop()?;
        self.numbers.queue.fetch_sub(1, Ordering::SeqCst);
        Some(item)
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a new answer may begin.
    pub fn has_room(&self) -> bool {
        self.on_pressure == OnPressure::Shed || !self.is_behind()
    }

    pub fn is_behind(&self) -> bool {
        self.numbers.queue.load(Ordering::Relaxed) >= self.high_water
            || self.numbers.failing.load(Ordering::Relaxed)
            || self.is_down()
    }

    fn lose(&self, item: &Item) {
        let Some(at) = item.at() else { return };
        self.numbers.shed.fetch_add(1, Ordering::Relaxed);
        let mut lost = self.lost.lock();
        let all = lost.get_or_insert(Lost { records: 0, from: at, to: at });
        *all = Lost { records: all.records + 1, from: all.from.min(at), to: all.to.max(at) };
    }

    pub fn has_lost(&self) -> bool {
        self.lost.lock().is_some()
    }

    /// What was lost since this was asked last.
    pub fn take_lost(&self) -> Option<Lost> {
        self.lost.lock().take()
    }

    /// Names the thread to wake.
    pub fn serve(&self, writer: Thread) {
        let _ = self.writer.set(writer);
    }

    pub fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// For the writer: waits at most this long, or until something is pushed into the empty queue.
    pub fn sleep(&self, at_most: Duration) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.numbers.queue.load(Ordering::SeqCst) == 0 && !self.is_closing() {
            std::thread::park_timeout(at_most);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Asks the writer to write what is there and to stop.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// The writer is gone: nothing is taken any more, and what still waits is shed.
    pub fn shut(&self) {
        self.down.store(true, Ordering::SeqCst);
        while let Some(item) = self.pop() {
            self.lose(&item);
        }
    }

    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item::Event { event: Event::new("purged"), at: Timestamp::from_secs(0), waiter: None }
    }

    #[test]
    fn above_the_mark_there_is_no_room_and_above_the_bound_items_are_shed() {
        let inlet = Inlet::new(2, OnPressure::Wait(Duration::ZERO));
        inlet.push(item());
        assert!(inlet.has_room());
        inlet.push(item());
        assert!(!inlet.has_room());
        for _ in 0..ABOVE_HIGH_WATER + 3 {
            inlet.push(item());
        }
        assert_eq!(inlet.numbers.queue.load(Ordering::Relaxed), ABOVE_HIGH_WATER + 2);
        assert_eq!(inlet.numbers.shed.load(Ordering::Relaxed), 3);
        inlet.shut();
        assert_eq!(inlet.numbers.queue.load(Ordering::Relaxed), 0);
        assert!(!inlet.has_room());
    }

    #[test]
    fn no_push_is_slept_through() {
        // The writer's waits are so long that a lost wake-up would never end the test.
        let inlet = std::sync::Arc::new(Inlet::new(10, OnPressure::Shed));
        let sleeper = {
            let inlet = inlet.clone();
            std::thread::spawn(move || {
                let mut taken = 0;
                inlet.serve(std::thread::current());
                while taken < 2_000 {
                    match inlet.pop() {
                        Some(_) => taken += 1,
                        None => inlet.sleep(Duration::from_secs(3600)),
                    }
                }
            })
        };
        for turn in 0..2_000 {
            inlet.push(item());
            if turn % 3 == 0 {
                std::thread::yield_now();
            }
        }
        sleeper.join().unwrap();
    }
}
