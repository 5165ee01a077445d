//! The log as the rest of the house holds it.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use terms::{Clock, Record, Timestamp, Url};

use crate::again;
use crate::files::Folder;
use crate::inlet::{Down, Inlet, Item};
use crate::line::{Event, Forms};
use crate::numbers::Numbers;
use crate::recover::{self, Recovered};
use crate::settings::Settings;
use crate::window::{LastServed, Served};
use crate::writer::Writer;

/// How long a receipt waits for what was served last: where the disk is slow, it tells what is known.
const CATCHING_UP: Duration = Duration::from_millis(50);

/// How long [`Log::append`] waits for the disk. The line is written all the same when it comes late.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the evidence folder {} can't be used: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the evidence in {} holds run {held} already, and this start is run {run}: the state folder's `run` \
         is older than its `audit`; write {held} into `run`, or move `audit` away",
        path.display()
    )]
    RunExists { path: PathBuf, held: u64, run: u64 },
}

/// A handle on the evidence log of this run; clones share it. The last one to go closes it.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    folder: Folder,
    inlet: Arc<Inlet>,
    clock: Clock,
    run: u64,
    forms: Forms,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Seals what earlier runs left open, and starts run `settings.run`: its first line is `started`,
    /// then a `recovered` for each segment that was open. They are on the disk when this returns.
    ///
    /// Only one process may have the folder open: the caller holds the state folder's lock.
    pub fn open(settings: Settings, clock: Clock) -> Result<Log, OpenError> {
        let path = settings.dir.clone();
        let failed = |source| OpenError::Io { path: path.clone(), source };
        let folder = Folder::of(&settings.dir);
        disk::durable::private_folder(folder.path()).map_err(failed)?;
        let newest = folder.list().map_err(failed)?.last().map_or(0, |found| found.id.run);
        if newest >= settings.run {
            return Err(OpenError::RunExists { path, held: newest, run: settings.run });
        }
        let recovery = recover::recover(&folder, &settings, clock.wall()).map_err(failed)?;

        let inlet = Arc::new(Inlet::new(settings.high_water, settings.on_pressure));
        let (run, forms) = (settings.run, Forms::of(&settings));
        let mut events = vec![started(&settings)];
        events.extend(recovery.segments.iter().map(Recovered::event));
        let mut writer = Writer::new(settings, clock.clone(), inlet.clone(), recovery.link).map_err(failed)?;
        writer.begin(&events).map_err(failed)?;
        let thread =
            std::thread::Builder::new().name("audit-writer".to_owned()).spawn(move || writer.run()).map_err(failed)?;
        inlet.serve(thread.thread().clone());
        Ok(Log(Arc::new(Handle { folder, inlet, clock, run, forms, writer: Mutex::new(Some(thread)) })))
    }

    /// Takes the record of an answer. Never waits; the bound is kept at the door, by [`Log::has_room`].
    pub fn push(&self, record: Record) {
        self.0.inlet.push(Item::Record(record));
    }

    /// Takes an event. Never waits.
    pub fn event(&self, event: Event) {
        let at = self.0.clock.wall();
        self.0.inlet.push(Item::Event { event, at, waiter: None });
    }

    /// As [`Log::event`], and returns the line's `seq` once it is on the disk: blocks the thread.
    ///
    /// After an error the line is not known to be on the disk; it will be written when the log can be
    /// written again.
    pub fn append(&self, event: Event) -> Result<u64, Down> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let at = self.0.clock.wall();
        self.0.inlet.push(Item::Event { event, at, waiter: Some(sender) });
        self.0.inlet.wake();
        receiver.recv_timeout(PATIENCE).unwrap_or(Err(Down))
    }

    /// As [`Log::append`], for an event that may have been appended before, by this run or by one that
    /// crashed: where a line with the very same data stands, none is added. `since` is a moment before the
    /// first try. Reads the segments since then.
    pub fn append_again(&self, event: Event, since: Timestamp) -> Result<u64, Down> {
        let numbers = self.numbers();
        if numbers.failing.load(Relaxed) {
            // The first try may still wait for the disk.
            return Err(Down);
        }
        match again::find(&self.0.folder, &event, since) {
            Ok(Some(place)) if place.run == self.0.run && place.seq > numbers.synced_seq.load(Relaxed) => Err(Down),
            Ok(Some(place)) => Ok(place.seq),
            Ok(None) => self.append(event),
            Err(error) => {
                tracing::error!(%error, "the evidence can't be read: an event may stand there twice");
                self.append(event)
            }
        }
    }

    /// Whether a new answer may begin: the log is not behind, or answers are given all the same.
    pub fn has_room(&self) -> bool {
        self.0.inlet.has_room()
    }

    /// Whether more records wait than the high-water mark allows, or none can be written.
    pub fn is_behind(&self) -> bool {
        self.0.inlet.is_behind()
    }

    /// The recent window: the last answers that served something, oldest first.
    pub fn recent(&self) -> Vec<Served> {
        self.0.inlet.window.lock().all()
    }

    /// The newest served answer in the recent window that is covered. Answers appear in the window when their lines are
    /// written; those that ended before are waited for, some 50 ms at most: blocks the thread.
    pub fn last_served(&self, covers: impl Fn(&Served) -> bool) -> Option<LastServed> {
        self.catch_up();
        let served = self.0.inlet.window.lock().last(covers)?.clone();
        Some(LastServed {
            time: served.time,
            run: self.0.run,
            seq: served.seq,
            id: served.id.to_string(),
            url: self.0.forms.url(&served.url).into_owned(),
            status: served.status.as_u16(),
            bytes: served.bytes,
            complete: served.complete,
            digest: served.digest,
        })
    }

    fn catch_up(&self) {
        let (mark, passed) = std::sync::mpsc::sync_channel(1);
        self.0.inlet.push(Item::Mark(mark));
        self.0.inlet.wake();
        let _ = passed.recv_timeout(CATCHING_UP);
    }

    /// A URL as this log writes it.
    pub fn url<'a>(&self, url: &'a Url) -> Cow<'a, str> {
        self.0.forms.url(url)
    }

    /// How URLs and clients are written here.
    pub fn forms(&self) -> &Forms {
        &self.0.forms
    }

    /// The age of the oldest record or event that is not known to be on the disk; zero where there is none.
    pub fn lag(&self) -> Duration {
        let numbers = self.numbers();
        let is_settled = numbers.queue.load(Relaxed) == 0
            && numbers.written_seq.load(Relaxed) == numbers.synced_seq.load(Relaxed)
            && !numbers.failing.load(Relaxed);
        let until = Timestamp::from_micros(numbers.settled_until.load(Relaxed));
        if is_settled { Duration::ZERO } else { self.0.clock.wall().since(until) }
    }

    pub fn numbers(&self) -> &Numbers {
        &self.0.inlet.numbers
    }

    /// Writes what waits, then `stopped`, seals, and returns when the segment is compressed. What is
    /// pushed from now on may be shed. A second call waits for the first, and does nothing.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Handle {
    fn close(&self) {
        let mut writer = self.writer.lock();
        self.inlet.close();
        if let Some(thread) = writer.take()
            && thread.join().is_err()
        {
            tracing::error!("the evidence log's writer failed; the next start recovers its segment");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a reader must know of the run to read its lines.
fn started(settings: &Settings) -> Event {
    Event::new("started")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("client", settings.client.as_str())
        .with("url_query", settings.url_query.as_str())
}
