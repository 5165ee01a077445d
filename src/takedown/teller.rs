//! Who tells log and hooks of lists: a thread of its own, so that a disk that stalls holds up no look at them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use audit::Log;
use hooks::Hooks;
use parking_lot::Mutex;
use serde_json::Value;
use terms::Timestamp;

use crate::herald;

/// What may wait to be told: as many lists as change at once, in most houses. Past it, changes wait for their turn
/// to be told of.
const WAITING: usize = 1024;

pub(super) struct Teller(Mutex<Option<Telling>>);

struct Telling {
    words: SyncSender<Word>,
    thread: JoinHandle<()>,
}

enum Word {
    Event {
        kind: &'static str,
        at: Timestamp,
        data: Value,
    },
    /// Answered once everything before it is told.
    Mark(SyncSender<()>),
}

impl Teller {
    pub(super) fn start(log: Log, hooks: Arc<Hooks>) -> std::io::Result<Teller> {
        let (words, told) = sync_channel(WAITING);
        let telling = move || tell_each(&log, &hooks, &told);
        let thread = std::thread::Builder::new().name("list-events".to_owned()).spawn(telling)?;
        Ok(Teller(Mutex::new(Some(Telling { words, thread }))))
    }

    /// Has it told of, in the order in which this is called.
    pub(super) fn tell(&self, kind: &'static str, at: Timestamp, data: Value) {
        self.send(Word::Event { kind, at, data });
    }

    /// Waits until everything is told that was to be told before this call.
    pub(super) fn settle(&self) {
        let (mark, told) = sync_channel(1);
        self.send(Word::Mark(mark));
        // An error: nobody tells any more.
        let _ = told.recv();
    }

    fn send(&self, word: Word) {
        let words = self.0.lock().as_ref().map(|telling| telling.words.clone());
        let untold = match words {
            Some(words) => words.send(word).err().map(|lost| lost.0),
            None => Some(word),
        };
        if let Some(Word::Event { kind, data, .. }) = untold {
            tracing::error!(kind, %data, "not told of: this edge is stopping");
        }
    }

    /// Tells what waits, and ends. What comes later is not told.
    pub(super) fn close(&self) {
        if let Some(Telling { words, thread }) = self.0.lock().take() {
            drop(words);
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}

fn tell_each(log: &Log, hooks: &Hooks, told: &Receiver<Word>) {
    for word in told {
        match word {
            Word::Event { kind, at, data } => herald::tell_or_say(log, hooks, kind, at, &data),
            // Who asked may have left.
            Word::Mark(mark) => drop(mark.send(())),
        }
    }
}
