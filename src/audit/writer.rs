//! The thread that turns records into lines, lines into segments, and forces them to the disk.
//!
//! It looks at the queue every few milliseconds while answers come, and sleeps while none do. A write
//! that fails is tried again until it succeeds: what was taken from the queue stays in the segment's
//! buffer, so nothing is lost and nothing is written twice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use terms::{Clock, Moment, Timestamp, Verdict};

use crate::files::{Folder, SegmentId};
use crate::inlet::{Down, Inlet, Item, Waiter};
use crate::line::{Encoder, Event, Forms};
use crate::pack::Packer;
use crate::segment::{Link, Segment};
use crate::settings::{Settings, Sync};
use crate::window::Served;

/// How long lines gather before they are written together: what they cost then is shared, and they
/// are seen far within the second that is promised.
const GATHER: Duration = Duration::from_millis(20);

/// After so long without a record the thread sleeps until one comes.
const IDLE: Duration = Duration::from_millis(500);

/// An idle thread looks at the clock this often, to see it step.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Lines in one write; bounds the buffer.
const BATCH: usize = 4_096;

/// How far the wall clock may run away from the steady one between two looks.
const STEP: Duration = Duration::from_secs(1);

/// Pauses between tries while writing fails, doubling from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long a log that can't be written is tried at the end before what waits is given up.
const LAST_TRIES: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// More is waiting.
    Busy,
    /// All is written; something was.
    Wrote,
    Quiet,
    /// The last line is written and sealed.
    Concluded,
}

pub struct Writer {
    settings: Settings,
    clock: Clock,
    inlet: Arc<Inlet>,
    folder: Folder,
    packer: Packer,
    encoder: Encoder,
    segment: Option<Segment>,
    /// Number of the segment that is open, or of the last one.
    number: u64,
    /// Where the next segment starts.
    link: Link,
    /// Of the last line.
    time: Timestamp,
    /// What ended before that was taken from the queue.
    taken_until: Timestamp,
    /// When the open segment got its first line.
    opened: Instant,
    last_sync: Instant,
    last_look: Moment,
    waiters: Vec<(u64, Waiter)>,
    marks: Vec<SyncSender<()>>,
    /// Served answers whose lines are not written yet.
    served: Vec<Served>,
    added: u64,
    stopped: bool,
}

impl Writer {
    pub fn new(settings: Settings, clock: Clock, inlet: Arc<Inlet>, link: Link) -> io::Result<Writer> {
        let folder = Folder::of(&settings.dir);
        let now = clock.now();
        Ok(Writer {
            packer: Packer::start(folder.clone(), inlet.clone())?,
            encoder: Encoder::new(&settings.node, settings.run, Forms::of(&settings)),
            settings,
            clock,
            inlet,
            folder,
            segment: None,
            number: 0,
            link,
            time: now.wall,
            taken_until: now.wall,
            opened: now.steady,
            last_sync: now.steady,
            last_look: now,
            waiters: Vec::new(),
            marks: Vec::new(),
            served: Vec::new(),
            added: 0,
            stopped: false,
        })
    }

    /// The first lines of a run, on the disk when this returns.
    pub fn begin(&mut self, events: &[Event]) -> io::Result<()> {
        let now = self.clock.now();
        for event in events {
            self.note(event, now)?;
        }
        self.write()?;
        self.sync(now)
    }

    /// Writes until the log is closed.
    pub fn run(mut self) {
        let inlet = self.inlet.clone();
        let _shut = ShutAtEnd(&inlet);
        let mut pause = PAUSES.0;
        let mut last_wrote = Instant::now();
        let mut closing_since = None;
        loop {
            let closing = inlet.is_closing();
            match self.turn(closing) {
                Ok(Turn::Concluded) => return,
                Ok(turn) => {
                    self.works_again();
                    pause = PAUSES.0;
                    if turn != Turn::Quiet {
                        last_wrote = Instant::now();
                    }
                    if turn != Turn::Busy && !closing {
                        self.rest(last_wrote.elapsed());
                    }
                }
                Err(error) => {
                    self.fails(&error);
                    if closing && closing_since.get_or_insert_with(Instant::now).elapsed() > LAST_TRIES {
                        tracing::error!("the evidence log is closed with lines that could not be written");
                        inlet.numbers.shed.fetch_add(self.added, Relaxed);
                        return;
                    }
                    std::thread::park_timeout(pause);
                    pause = PAUSES.1.min(pause * 2);
                }
            }
        }
    }

    fn turn(&mut self, closing: bool) -> io::Result<Turn> {
        let now = self.clock.now();
        // What an earlier turn could not write goes first, so that the buffer stays within a batch.
        self.write()?;
        if self.is_segment_done(now) {
            self.seal(now)?;
        }
        self.look_at_clock(now)?;
        self.tell_shed(now)?;
        let more = self.drain()?;
        self.taken_until = if more { self.time } else { now.wall };
        let wrote = self.added > 0;
        self.write()?;
        // Nobody waits any more where the other end is gone.
        self.marks.drain(..).for_each(|passed| passed.send(()).unwrap_or(()));
        if self.is_sync_due(now) {
            self.sync(now)?;
        }
        match (more, closing) {
            (true, _) => Ok(Turn::Busy),
            (false, true) => self.conclude(now),
            (false, false) if wrote => Ok(Turn::Wrote),
            (false, false) => Ok(Turn::Quiet),
        }
    }

    /// Adds a batch of what waits; whether there is more.
    fn drain(&mut self) -> io::Result<bool> {
        if self.inlet.is_empty() {
            return Ok(false);
        }
        self.open_segment()?;
        for _ in 0..BATCH {
            match self.inlet.pop() {
                None => return Ok(false),
                Some(Item::Record(record)) => {
                    let seq = self.add(record.ended, |encoder, out, seq, time| encoder.record(out, seq, time, &record));
                    if record.verdict == Verdict::Served {
                        self.served.extend(Served::of(seq, self.time, record));
                    }
                }
                Some(Item::Event { event, at, waiter }) => {
                    let seq = self.add(at, |encoder, out, seq, time| encoder.event(out, seq, time, &event));
                    self.waiters.extend(waiter.map(|waiter| (seq, waiter)));
                }
                Some(Item::Mark(passed)) => self.marks.push(passed),
            }
            if self.is_segment_full() {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Adds an event of the log's own.
    fn note(&mut self, event: &Event, now: Moment) -> io::Result<()> {
        self.open_segment()?;
        self.add(now.wall, |encoder, out, seq, time| encoder.event(out, seq, time, event));
        Ok(())
    }

    fn open_segment(&mut self) -> io::Result<()> {
        if self.segment.is_none() {
            let id = SegmentId { run: self.settings.run, number: self.number + 1 };
            self.segment = Some(Segment::create(&self.folder, id, self.link)?);
            self.number += 1;
            self.opened = Instant::now();
        }
        Ok(())
    }

    /// Adds a line to the open segment; `time` never steps back.
    fn add(&mut self, time: Timestamp, encode: impl FnOnce(&mut Encoder, &mut Vec<u8>, u64, Timestamp)) -> u64 {
        self.time = self.time.max(time);
        let Some(segment) = &mut self.segment else { return 0 };
        self.added += 1;
        segment.add(|out, seq| encode(&mut self.encoder, out, seq, self.time))
    }

    /// Writes what was added; from here on others see it.
    fn write(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let bytes = segment.flush()?;
        if bytes == 0 {
            return Ok(());
        }
        let numbers = &self.inlet.numbers;
        numbers.lines.fetch_add(std::mem::take(&mut self.added), Relaxed);
        numbers.bytes.fetch_add(bytes, Relaxed);
        numbers.written_seq.store(segment.end().seq.saturating_sub(1), Relaxed);
        if !self.served.is_empty() {
            let mut window = self.inlet.window.lock();
            self.served.drain(..).for_each(|served| window.push(served));
        }
        Ok(())
    }

    fn is_sync_due(&self, now: Moment) -> bool {
        if self.segment.as_ref().is_none_or(Segment::is_synced) {
            return false;
        }
        match self.settings.sync {
            _ if !self.waiters.is_empty() => true,
            Sync::Line => true,
            Sync::Interval(interval) => now.steady.duration_since(self.last_sync) >= interval,
            Sync::Segment => false,
        }
    }

    fn sync(&mut self, now: Moment) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.sync()?;
        self.last_sync = now.steady;
        let numbers = &self.inlet.numbers;
        numbers.settled_until.store(self.taken_until.micros(), Relaxed);
        numbers.synced_seq.store(segment.end().seq.saturating_sub(1), Relaxed);
        for (seq, waiter) in self.waiters.drain(..) {
            // One that no longer waits is gone.
            let _ = waiter.try_send(Ok(seq));
        }
        Ok(())
    }

    fn is_segment_full(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.size() >= self.settings.segment_size)
    }

    fn is_segment_done(&self, now: Moment) -> bool {
        let Some(segment) = &self.segment else { return false };
        segment.is_sealed()
            || self.is_segment_full()
            || now.steady.duration_since(self.opened) >= self.settings.segment_age
    }

    /// Ends the open segment and hands it to the packer.
    fn seal(&mut self, now: Moment) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        if !segment.is_sealed() {
            self.time = self.time.max(now.wall);
            segment.seal(&mut self.encoder, self.time);
            self.added += 1;
        }
        self.write()?;
        self.sync(now)?;
        if let Some(segment) = self.segment.take() {
            self.link = segment.end();
            self.packer.take(segment.id());
            self.inlet.numbers.segments_sealed.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn conclude(&mut self, now: Moment) -> io::Result<Turn> {
        if !self.stopped {
            self.note(&Event::new("stopped"), now)?;
            self.stopped = true;
        }
        self.seal(now)?;
        Ok(Turn::Concluded)
    }

    /// Compares how far both clocks came since the last look.
    fn look_at_clock(&mut self, now: Moment) -> io::Result<()> {
        let expected = self.last_look.wall.plus(now.steady.duration_since(self.last_look.steady));
        if now.wall.since(expected).max(expected.since(now.wall)) > STEP {
            let event =
                Event::new("clock-stepped").with("expected", expected.to_string()).with("found", now.wall.to_string());
            self.note(&event, now)?;
        }
        self.last_look = now;
        Ok(())
    }

    /// That records were lost is itself a record.
    fn tell_shed(&mut self, now: Moment) -> io::Result<()> {
        if !self.inlet.has_lost() {
            return Ok(());
        }
        // Past this nothing fails, so that no number is taken and not told.
        self.open_segment()?;
        let Some(lost) = self.inlet.take_lost() else { return Ok(()) };
        let span = Event::new("shed").with("from", lost.from.to_string()).with("to", lost.to.to_string());
        self.note(&span.with("records", lost.records), now)
    }

    fn rest(&mut self, idle: Duration) {
        let is_synced = self.segment.as_ref().is_none_or(Segment::is_synced);
        if idle < IDLE {
            std::thread::park_timeout(GATHER);
        } else {
            self.sleep(is_synced);
        }
        // Whatever waits now came during the rest.
        if is_synced {
            self.taken_until = self.clock.wall();
            self.inlet.numbers.settled_until.store(self.taken_until.micros(), Relaxed);
        }
    }

    fn sleep(&self, is_synced: bool) {
        let mut longest = LONGEST_SLEEP;
        if self.segment.is_some() {
            longest = longest.min(self.settings.segment_age.saturating_sub(self.opened.elapsed()));
        }
        if let (false, Sync::Interval(interval)) = (is_synced, self.settings.sync) {
            longest = longest.min(interval.saturating_sub(self.last_sync.elapsed()));
        }
        // A due time that is a moment away is not waited for in a busy loop.
        self.inlet.sleep(longest.max(GATHER));
    }

    fn fails(&mut self, error: &io::Error) {
        let numbers = &self.inlet.numbers;
        numbers.write_failures.fetch_add(1, Relaxed);
        if !numbers.failing.swap(true, Relaxed) {
            let folder = self.folder.path().display();
            tracing::error!(%error, %folder, "the evidence log can't be written");
        }
        for (_, waiter) in self.waiters.drain(..) {
            let _ = waiter.try_send(Err(Down));
        }
    }

    fn works_again(&self) {
        if self.inlet.numbers.failing.swap(false, Relaxed) {
            tracing::info!("the evidence log is written again; nothing that was taken is lost");
        }
    }
}

/// Whatever ends the thread, nobody waits for it afterwards.
struct ShutAtEnd<'a>(&'a Inlet);

impl Drop for ShutAtEnd<'_> {
    fn drop(&mut self) {
        self.0.shut();
    }
}
