//! The access log: a line for each answer that has a record, for the tools that count and graph.
//!
//! It is not evidence. An answer never waits for it: what the writer's thread has not caught up with is dropped
//! and counted, and nothing in the file shows a gap. Off, it costs an answer one look at a flag.
//!
//! `line` makes the bytes, `sink` is where they go, `writer` is the thread between.

mod line;
mod sink;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use audit::{ClientForm, Forms};
use parking_lot::Mutex;
use terms::Record;

use line::Encoder;
use sink::Sink;
use writer::Writer;

pub use line::Noted;

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: none are made.
    #[default]
    Off,
    Stdout,
    /// It is appended to.
    File(PathBuf),
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An object.
    #[default]
    Json,
    /// Apache's and nginx's "combined": `client - - [time] "request" status bytes "referer" "user agent"`.
    Combined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub destination: Destination,
    pub format: Format,
    pub client: ClientForm,
}

/// What it has been through; all count up.
#[derive(Debug, Default)]
pub struct Numbers {
    pub lines: AtomicU64,
    /// Lines that there was no room for, or that could not be written.
    pub dropped: AtomicU64,
    /// Attempts to write or to open again that failed.
    pub failures: AtomicU64,
}

#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    #[error("the access log can't be written to {}: {source}; make its folder, or name another file in log.access", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the access log can't be written to standard output: {0}")]
    Stdout(#[source] io::Error),
    #[error("the access log has no thread: {0}")]
    Thread(#[source] io::Error),
}

/// Lines that may wait for the writer: some tenths of a second at the rate of a busy edge, a few megabytes.
const QUEUE: usize = 8_192;

/// How long what waits may take to be written at the end.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// What is written to the access log, wherever that goes at the moment.
pub struct AccessLog {
    is_on: AtomicBool,
    way: ArcSwapOption<Way>,
    forms: Forms,
    numbers: Arc<Numbers>,
}

/// The way to one destination. When it is dropped, the writer writes what waits, and ends.
struct Way {
    settings: Settings,
    items: SyncSender<Item>,
    reopen: Arc<AtomicBool>,
    /// Disconnected when the writer has ended.
    ended: Arc<Mutex<Receiver<()>>>,
}

enum Item {
    Line(Box<(Record, Noted)>),
    /// Look whether something is asked of you.
    Wake,
}

/// A change of the settings of which nothing can fail any more.
pub struct Prepared(Change);

enum Change {
    None,
    Off,
    To(Way),
}

impl AccessLog {
    /// It is off until settings say otherwise. `forms`: how the evidence tells of URLs, and of clients unless
    /// settings say otherwise.
    pub fn new(forms: Forms) -> AccessLog {
        AccessLog { is_on: AtomicBool::new(false), way: ArcSwapOption::empty(), forms, numbers: Arc::default() }
    }

    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Whether anything need be noted of an ask.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Takes an answer. Never waits.
    pub fn push(&self, record: Record, noted: Noted) {
        let way = self.way.load();
        let Some(way) = &*way else { return };
        if way.items.try_send(Item::Line(Box::new((record, noted)))).is_err() {
            self.numbers.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Opens what the settings name, beside what is written to now.
    pub fn prepare(&self, settings: &Settings) -> Result<Prepared, AccessLogError> {
        if self.way.load().as_ref().is_some_and(|way| way.settings == *settings) {
            return Ok(Prepared(Change::None));
        }
        let Some(sink) = Sink::open(&settings.destination)? else { return Ok(Prepared(Change::Off)) };
        let (items, queue) = sync_channel(QUEUE);
        let (end, ended) = sync_channel(0);
        let reopen = Arc::new(AtomicBool::new(false));
        let encoder = Encoder::new(settings.format, self.forms.with_client(settings.client));
        let writer = Writer::new(queue, sink, encoder, reopen.clone(), self.numbers.clone());
        let run = move || {
            let _end = end;
            writer.run();
        };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(run).map_err(AccessLogError::Thread)?;
        let ended = Arc::new(Mutex::new(ended));
        Ok(Prepared(Change::To(Way { settings: settings.clone(), items, reopen, ended })))
    }

    /// Answers that end from now on are written there.
    pub fn carry_out(&self, prepared: Prepared) {
        match prepared.0 {
            Change::None => {}
            Change::Off => {
                self.is_on.store(false, Relaxed);
                self.way.store(None);
            }
            Change::To(way) => {
                self.way.store(Some(Arc::new(way)));
                self.is_on.store(true, Relaxed);
            }
        }
    }

    /// Closes the file and opens it again by its name: it was renamed.
    pub fn reopen(&self) {
        if let Some(way) = &*self.way.load() {
            way.reopen.store(true, Relaxed);
            // If there is no room, the writer is awake.
            let _ = way.items.try_send(Item::Wake);
        }
    }

    /// Writes what waits, as far as that can be done within a moment: blocks the thread.
    pub fn close(&self) {
        self.is_on.store(false, Relaxed);
        let Some(way) = self.way.swap(None) else { return };
        let ended = way.ended.clone();
        drop(way);
        if ended.lock().recv_timeout(LAST_WRITES) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log takes no more: its last lines are given up");
        }
    }
}

#[cfg(test)]
mod tests;
