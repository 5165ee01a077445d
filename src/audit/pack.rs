//! Compressing sealed segments, away from the thread that writes.
//!
//! The frame is made beside its place, synced and renamed, and only then the lines are removed: a
//! crash leaves either the lines, or the frame, or both, and packing again ends in the same state.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use disk::durable;
use terms::{Digest, Hasher};

use crate::files::{Folder, SegmentId};
use crate::inlet::Inlet;
use crate::sum::{self, End, Sum};

/// Fast enough for hundreds of MB a second, and lines of one site shrink to a tenth.
const LEVEL: i32 = 1;

/// How long to wait before a segment that could not be packed is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// Puts a sealed segment's zstd frame in the place of its lines.
pub fn pack(folder: &Folder, id: SegmentId) -> io::Result<()> {
    let digest = compress(folder, id)?;
    note_digest(folder, id, digest)?;
    durable::rename(&folder.packing(id), &folder.packed(id))?;
    durable::remove(&folder.plain(id))
}

fn compress(folder: &Folder, id: SegmentId) -> io::Result<Digest> {
    let mut lines = File::open(folder.plain(id))?;
    let out = Hashing { file: File::create(folder.packing(id))?, hasher: Hasher::new() };
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(lines.metadata()?.len()))?;
    io::copy(&mut lines, &mut encoder)?;
    let Hashing { file, hasher } = encoder.finish()?;
    file.sync_all()?;
    Ok(hasher.finish())
}

/// Writes the `Z` frame, in the place of one that an earlier try may have left. A file that can't be
/// read is left as it is, for `verify` to name.
fn note_digest(folder: &Folder, id: SegmentId, digest: Digest) -> io::Result<()> {
    let path = folder.sum(id);
    let mut bytes = std::fs::read(&path)?;
    let sum = Sum::parse(&bytes);
    if sum.end == End::Unreadable {
        return Ok(());
    }
    let at = sum.frames().len();
    bytes.truncate(at);
    sum::write_packed(&mut bytes, digest);
    let file = File::options().write(true).open(&path)?;
    file.write_all_at(&bytes[at..], at as u64)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()
}

struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The thread that packs what it is handed.
#[derive(Debug)]
pub struct Packer {
    sender: Option<Sender<SegmentId>>,
    thread: Option<JoinHandle<()>>,
}

impl Packer {
    pub fn start(folder: Folder, inlet: Arc<Inlet>) -> io::Result<Packer> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("audit-packer".to_owned())
            .spawn(move || work(&folder, &inlet, &receiver))?;
        Ok(Packer { sender: Some(sender), thread: Some(thread) })
    }

    /// Takes a sealed segment. If the thread is gone, the next start packs it.
    pub fn take(&self, id: SegmentId) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(id);
        }
    }
}

impl Drop for Packer {
    /// Waits until everything taken was tried.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(folder: &Folder, inlet: &Inlet, receiver: &Receiver<SegmentId>) {
    let mut waiting = Vec::new();
    loop {
        let next = if waiting.is_empty() {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(PAUSE)
        };
        if let Ok(id) = next {
            waiting.push(id);
        }
        waiting.retain(|id| match pack(folder, *id) {
            Ok(()) => false,
            Err(error) => {
                inlet.numbers.pack_failures.fetch_add(1, Relaxed);
                tracing::error!(segment = %id, %error, "a sealed segment can't be compressed; its lines stay as they are");
                true
            }
        });
        if next == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
