//! Diagnostics on stderr, which nothing that the edge does waits for, or fails with.
//!
//! Whoever logs leaves the line in a queue, and a thread writes it. What there is no room for, and what can't be
//! written, is dropped; as soon as it can be, one line says how many, where they are missing.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use disk::Lines;
use parking_lot::{Condvar, Mutex};
use terms::Clock;
use tracing_subscriber::EnvFilter;

/// h2 warns of what clients do, as often as they do it.
const FILTER: &str = "info,h2=error";

/// Bytes of lines that may wait, a thousand lines or two: what is said while a reader pauses. A pipe holds 64 KiB.
const ROOM: usize = 256 * 1024;

/// How long what waits may take to be written at the end.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// Lines that were dropped, of this process: it has one stderr, and one subscriber.
static DROPPED: AtomicU64 = AtomicU64::new(0);

pub(super) fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// Diagnostics are written while it lives. Dropped, it writes what waits, as far as that can be done within a moment:
/// blocks the thread.
pub struct Diagnostics(Arc<Queue>);

impl Diagnostics {
    /// Sends what is logged, and what is said of panics, to stderr. `SEAWALL_LOG` says how much (`warn`, `info`, `debug`,
    /// or a directive). Fails where the system gives no thread or descriptor.
    pub fn begin() -> io::Result<Diagnostics> {
        let filter = EnvFilter::try_from_env("SEAWALL_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
        let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let queue = Arc::new(Queue::default());
        let (ours, mut writer) = (queue.clone(), Writer { lines: Lines::beside(io::stderr())?, missing: 0 });
        std::thread::Builder::new().name("diagnostics".to_owned()).spawn(move || writer.run(&ours))?;
        // The subscriber tells of its own errors by `eprintln!`, which panics where that can't be written.
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).log_internal_errors(false);
        // A second subscriber in one process (tests) is no reason to stop.
        if subscriber.with_writer(queue.clone()).try_init().is_ok() {
            let ours = queue.clone();
            std::panic::set_hook(Box::new(move |panic| ours.tell_panic(panic)));
        }
        Ok(Diagnostics(queue))
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        self.0.settle();
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Something waits.
    filled: Condvar,
    /// Nothing does, and nothing is being written.
    settled: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many lines behind these there was no room for.
    dropped: u64,
    is_writing: bool,
}

impl Queue {
    fn push(&self, lines: &[u8]) {
        let mut waiting = self.waiting.lock();
        // What comes behind a gap belongs to it until the writer has been there: so the gap has one place.
        if waiting.dropped > 0 || waiting.lines.len() + lines.len() > ROOM {
            let count = Lines::count(lines);
            waiting.dropped += count;
            DROPPED.fetch_add(count, Relaxed);
        } else {
            waiting.lines.extend_from_slice(lines);
        }
        self.filled.notify_one();
    }

    /// Waits for lines, and puts them in place of those that were written. Returns how many are missing behind them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        lines.clear();
        let mut waiting = self.waiting.lock();
        waiting.is_writing = false;
        while waiting.lines.is_empty() && waiting.dropped == 0 {
            self.settled.notify_all();
            self.filled.wait(&mut waiting);
        }
        std::mem::swap(&mut waiting.lines, lines);
        waiting.is_writing = true;
        std::mem::take(&mut waiting.dropped)
    }

    /// Waits until everything is written, for a moment at most.
    fn settle(&self) {
        let deadline = Instant::now() + LAST_WRITES;
        let mut waiting = self.waiting.lock();
        while waiting.is_writing || !waiting.lines.is_empty() || waiting.dropped > 0 {
            if self.settled.wait_until(&mut waiting, deadline).timed_out() {
                return;
            }
        }
    }

    /// A panic while another unwinds ends the process, so this is written first where it can be.
    fn tell_panic(&self, panic: &PanicHookInfo<'_>) {
        let thread = std::thread::current();
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        self.push(format!("thread '{}' {panic}\n{trace}", thread.name().unwrap_or("unnamed")).as_bytes());
        self.settle();
    }
}

impl io::Write for &Queue {
    /// The subscriber writes an event at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.push(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Writer {
    lines: Lines,
    /// How many lines were dropped of which nothing is said yet.
    missing: u64,
}

impl Writer {
    fn run(&mut self, queue: &Queue) {
        let mut lines = Vec::new();
        loop {
            let dropped = queue.take(&mut lines);
            self.write(&lines, dropped);
        }
    }

    /// Writes lines, behind which some are missing.
    fn write(&mut self, lines: &[u8], dropped: u64) {
        self.tell_missing();
        let lost = match self.missing {
            0 => self.lines.write(lines).map_or_else(|(lost, _)| lost, |()| 0),
            _ => Lines::count(lines),
        };
        DROPPED.fetch_add(lost, Relaxed);
        self.missing += lost + dropped;
        self.tell_missing();
    }

    fn tell_missing(&mut self) {
        if self.missing == 0 {
            return;
        }
        let (now, missing) = (Clock::system().now().wall, self.missing);
        let line =
            format!("{now}  WARN {}: {missing} lines are missing here: they could not be written\n", module_path!());
        if self.lines.write(line.as_bytes()).is_ok() {
            self.missing = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{PipeReader, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    /// What a writer has written, in a file.
    struct Written {
        folder: tempfile::TempDir,
        writer: Writer,
    }

    impl Written {
        fn nothing() -> Written {
            let folder = tempfile::tempdir().unwrap();
            let lines = Lines::to(File::create(folder.path().join("log")).unwrap());
            Written { folder, writer: Writer { lines, missing: 0 } }
        }

        fn write_what_waits(&mut self, queue: &Queue) {
            let mut lines = Vec::new();
            let dropped = queue.take(&mut lines);
            self.writer.write(&lines, dropped);
        }

        /// Its lines, those that tell of a gap cut down to the number.
        fn lines(&self) -> Vec<String> {
            let text = fs::read_to_string(self.folder.path().join("log")).unwrap();
            let cut = |line: &str| match line.split_once(" lines are missing here") {
                Some((before, _)) => before.rsplit(' ').next().unwrap().to_owned(),
                None => line.to_owned(),
            };
            text.lines().map(cut).collect()
        }
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_says_so_where_it_is_missing() {
        let (queue, mut written) = (Queue::default(), Written::nothing());
        let long = "x".repeat(ROOM - 3) + "\n";
        queue.push(b"a\n");
        queue.push(long.as_bytes());
        // The second would fit, but stand before the gap.
        queue.push(b"b\n");
        let before = dropped();
        queue.push(b"c\n");
        assert!(dropped() > before);
        written.write_what_waits(&queue);
        queue.push(b"d\n");
        written.write_what_waits(&queue);
        let lines = written.lines();
        assert_eq!(lines, ["a", long.trim_end(), "2", "d"]);
    }

    #[test]
    fn what_could_not_be_written_is_told_of_once_it_can_be() {
        let (queue, mut written) = (Queue::default(), Written::nothing());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("unwritable"), "").unwrap();
        let unwritable = Lines::to(File::open(folder.path().join("unwritable")).unwrap());
        let writable = std::mem::replace(&mut written.writer.lines, unwritable);
        for line in ["a\n", "b\nc\n"] {
            queue.push(line.as_bytes());
            written.write_what_waits(&queue);
        }
        written.writer.lines = writable;
        queue.push(b"d\n");
        written.write_what_waits(&queue);
        assert_eq!(written.lines(), ["3", "d"]);
    }

    /// A queue that a thread writes to a pipe, with more in it than the pipe holds; and who reads it.
    fn long_queue() -> (Arc<Queue>, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let queue = Arc::new(Queue::default());
        queue.push("a line\n".repeat(ROOM / 7).as_bytes());
        let ours = queue.clone();
        let mut writer = Writer { lines: Lines::to(File::from(OwnedFd::from(writer))), missing: 0 };
        std::thread::spawn(move || writer.run(&ours));
        (queue, reader)
    }

    fn is_settled(queue: &Queue) -> bool {
        let waiting = queue.waiting.lock();
        !waiting.is_writing && waiting.lines.is_empty()
    }

    #[test]
    fn the_end_waits_for_what_is_read() {
        let (queue, mut reader) = long_queue();
        std::thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        drop(Diagnostics(queue.clone()));
        assert!(is_settled(&queue));
    }

    #[test]
    fn the_end_does_not_wait_for_ever_for_what_nobody_reads() {
        let (queue, _unread) = long_queue();
        drop(Diagnostics(queue.clone()));
        assert!(!is_settled(&queue));
    }
}
