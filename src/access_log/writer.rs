//! The thread between the answers and the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::line::Encoder;
use super::sink::Sink;
use super::{Item, Numbers};

/// How long lines gather, so that they are written together: what a write and a wake-up cost is shared.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes at which they are written all the same.
const FULL: usize = 256 * 1024;

pub(super) struct Writer {
    queue: Receiver<Item>,
    sink: Sink,
    encoder: Encoder,
    /// Whole lines, not written yet.
    lines: Vec<u8>,
    reopen: Arc<AtomicBool>,
    numbers: Arc<Numbers>,
    is_failing: bool,
}

impl Writer {
    pub(super) fn new(
        queue: Receiver<Item>,
        sink: Sink,
        encoder: Encoder,
        reopen: Arc<AtomicBool>,
        numbers: Arc<Numbers>,
    ) -> Writer {
        Writer { queue, sink, encoder, lines: Vec::new(), reopen, numbers, is_failing: false }
    }

    /// Until nobody has lines any more.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            if matches!(first, Item::Line(_)) {
                std::thread::sleep(GATHER);
            }
            self.take(first);
            while let Ok(item) = self.queue.try_recv() {
                self.take(item);
            }
            self.write();
            if self.reopen.swap(false, Relaxed) {
                self.open_again();
            }
        }
    }

    fn take(&mut self, item: Item) {
        let Item::Line(answer) = item else { return };
        self.encoder.line(&mut self.lines, &answer.0, &answer.1);
        self.numbers.lines.fetch_add(1, Relaxed);
        if self.lines.len() >= FULL {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        match self.sink.write(&self.lines) {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                tracing::info!("the access log is written again");
            }
            Ok(()) => {}
            Err((lost, error)) => {
                self.numbers.dropped.fetch_add(lost, Relaxed);
                self.numbers.failures.fetch_add(1, Relaxed);
                if !self.is_failing {
                    self.is_failing = true;
                    tracing::error!(%error, "the access log can't be written: lines are dropped");
                }
            }
        }
        self.lines.clear();
    }

    fn open_again(&mut self) {
        if let Err(error) = self.sink.open_again() {
            self.numbers.failures.fetch_add(1, Relaxed);
            tracing::error!(%error, "the access log can't be opened again: lines go on to the old file");
        }
    }
}
