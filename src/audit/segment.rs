//! A segment that is open: a file of lines and the `.sum` beside it.
//!
//! Lines are *added* to a buffer, *flushed* to the files by one write each, *synced* to the disk, and
//! at last the segment is *sealed*. Every step may fail and be tried again: a flush writes at a fixed
//! offset, so that a second try overwrites what a first one left, and nothing stands there twice.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use disk::durable;
use terms::{Digest, Timestamp};

use crate::chain::{self, Chain};
use crate::files::{Folder, SegmentId};
use crate::line::{Encoder, Seal};
use crate::sum;

/// Where a segment starts, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The final hash of the lines before.
    pub hash: Digest,
    /// The `seq` of the next line.
    pub seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The last line is added, though perhaps not on the disk yet.
    Sealed,
}

#[derive(Debug)]
pub struct Segment {
    id: SegmentId,
    file: File,
    sum: File,
    start: Link,
    /// Of all lines added.
    chain: Chain,
    lines: u64,
    pending: Vec<u8>,
    pending_frames: Vec<u8>,
    /// Bytes of whole lines in the file, and how many of them are known to be on the disk.
    flushed: u64,
    synced: u64,
    sum_flushed: u64,
    /// A sync failed: what the kernel then drops it does not write again by itself.
    tail_in_doubt: bool,
    state: State,
}

/// An open segment as recovery found it: whole lines, and frames for each of them.
#[derive(Debug)]
pub struct Resumed {
    pub start: Link,
    pub chain: Chain,
    pub lines: u64,
    pub bytes: u64,
    pub frames: u64,
    /// All of them were on the disk at the last sync.
    pub synced: bool,
    pub sealed: bool,
}

impl Segment {
    /// Makes the files of a new segment.
    pub fn create(folder: &Folder, id: SegmentId, start: Link) -> io::Result<Segment> {
        let mut frames = Vec::new();
        sum::write_synced(&mut frames, start.hash);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.plain(id))?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("segment {id} holds lines already")));
        }
        let sum = File::create(folder.sum(id))?;
        sum.write_all_at(&frames, 0)?;
        sum.sync_data()?;
        durable::sync_folder(folder.path())?;
        Ok(Segment {
            id,
            file,
            sum,
            start,
            chain: Chain::from(start.hash),
            lines: 0,
            pending: Vec::new(),
            pending_frames: Vec::new(),
            flushed: 0,
            synced: 0,
            sum_flushed: frames.len() as u64,
            tail_in_doubt: false,
            state: State::Open,
        })
    }

    /// Goes on with what recovery left of a segment.
    pub fn resume(folder: &Folder, id: SegmentId, found: Resumed) -> io::Result<Segment> {
        let open = |path| OpenOptions::new().read(true).write(true).open(path);
        Ok(Segment {
            id,
            file: open(folder.plain(id))?,
            sum: open(folder.sum(id))?,
            start: found.start,
            chain: found.chain,
            lines: found.lines,
            pending: Vec::new(),
            pending_frames: Vec::new(),
            flushed: found.bytes,
            synced: if found.synced { found.bytes } else { 0 },
            sum_flushed: found.frames,
            tail_in_doubt: false,
            state: if found.sealed { State::Sealed } else { State::Open },
        })
    }

    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Bytes of all lines added.
    pub fn size(&self) -> u64 {
        self.flushed + self.pending.len() as u64
    }

    /// The place after the last line added.
    pub fn end(&self) -> Link {
        Link { hash: self.chain.hash(), seq: self.start.seq + self.lines }
    }

    pub fn is_synced(&self) -> bool {
        self.pending.is_empty() && self.synced == self.flushed
    }

    pub fn is_sealed(&self) -> bool {
        self.state == State::Sealed
    }

    /// Adds the line that `encode` writes for the `seq` it is told, and returns that `seq`.
    pub fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>, u64)) -> u64 {
        let seq = self.end().seq;
        let from = self.pending.len();
        encode(&mut self.pending, seq);
        let line = &self.pending[from..];
        self.chain.push(line);
        sum::write_line(&mut self.pending_frames, chain::mark(line));
        self.pending.push(b'\n');
        self.lines += 1;
        seq
    }

    /// Adds the last line, once.
    pub fn seal(&mut self, encoder: &mut Encoder, time: Timestamp) {
        if self.is_sealed() {
            return;
        }
        let Link { hash, seq } = self.end();
        let seal =
            Seal { lines: self.lines, first: self.start.seq, last: seq.saturating_sub(1), prev: self.start.hash, hash };
        self.add(|out, seq| encoder.seal(out, seq, time, &seal));
        self.state = State::Sealed;
    }

    /// Writes what was added, and returns how many bytes that were. After an error nothing of it
    /// counts as written, and all of it is kept.
    pub fn flush(&mut self) -> io::Result<u64> {
        let count = self.pending.len() as u64;
        if count == 0 {
            return Ok(0);
        }
        let written = self
            .file
            .write_all_at(&self.pending, self.flushed)
            .and_then(|()| self.sum.write_all_at(&self.pending_frames, self.sum_flushed));
        if let Err(error) = written {
            // So that readers don't meet half a line. If this fails too, the next flush overwrites
            // it with the same bytes, and after a crash recovery cuts it.
            let _ = self.file.set_len(self.flushed);
            let _ = self.sum.set_len(self.sum_flushed);
            return Err(error);
        }
        self.flushed += count;
        self.sum_flushed += self.pending_frames.len() as u64;
        self.pending.clear();
        self.pending_frames.clear();
        Ok(count)
    }

    /// Flushes, and forces everything to the disk. A sealed segment's `.sum` is forced, too.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.is_synced() {
            return Ok(());
        }
        if self.tail_in_doubt {
            self.write_tail_again()?;
        }
        if let Err(error) = self.file.sync_data() {
            self.tail_in_doubt = true;
            return Err(error);
        }
        self.tail_in_doubt = false;
        let mut frame = Vec::new();
        sum::write_synced(&mut frame, self.chain.hash());
        self.sum.write_all_at(&frame, self.sum_flushed)?;
        if self.is_sealed() {
            self.sum.sync_data()?;
        }
        self.sum_flushed += frame.len() as u64;
        self.synced = self.flushed;
        Ok(())
    }

    /// After a failed sync, Linux takes the pages for clean: only a new write makes it try again.
    fn write_tail_again(&self) -> io::Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        let mut at = self.synced;
        while at < self.flushed {
            let count = buffer.len().min(usize::try_from(self.flushed - at).unwrap_or(usize::MAX));
            let Some(piece) = buffer.get_mut(..count) else { break };
            self.file.read_exact_at(piece, at)?;
            self.file.write_all_at(piece, at)?;
            at += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a full disk leaves is written over by the next try, once.
    #[test]
    fn what_a_failed_flush_held_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        std::fs::create_dir(folder.path()).unwrap();
        let id = SegmentId { run: 1, number: 1 };
        let mut segment = Segment::create(&folder, id, Link { hash: Chain::GENESIS, seq: 1 }).unwrap();
        segment.add(|out, _| out.extend_from_slice(b"one"));
        segment.flush().unwrap();

        let full = || OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        for is_sum_full in [false, true] {
            segment.add(|out, seq| out.extend_from_slice(format!("line {seq}").as_bytes()));
            let disk = if is_sum_full { &mut segment.sum } else { &mut segment.file };
            let good = std::mem::replace(disk, full());
            assert!(segment.flush().is_err());
            assert!(segment.sync().is_err());
            let lines = std::fs::read(folder.plain(id)).unwrap();
            assert!(lines.ends_with(b"\n") && !segment.is_synced());
            *(if is_sum_full { &mut segment.sum } else { &mut segment.file }) = good;
            segment.sync().unwrap();
        }
        assert_eq!(std::fs::read(folder.plain(id)).unwrap(), b"one\nline 2\nline 3\n");
        let sum = sum::Sum::read(&folder.sum(id)).unwrap().unwrap();
        assert_eq!(sum.marks, [chain::mark(b"one"), chain::mark(b"line 2"), chain::mark(b"line 3")]);
        assert_eq!(sum.syncs.last().unwrap().hash, segment.end().hash);
    }

    #[test]
    fn a_tail_in_doubt_is_written_again_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        std::fs::create_dir(folder.path()).unwrap();
        let id = SegmentId { run: 1, number: 1 };
        let mut segment = Segment::create(&folder, id, Link { hash: Chain::GENESIS, seq: 1 }).unwrap();
        segment.add(|out, _| out.resize(300_000, b'a'));
        segment.sync().unwrap();
        segment.add(|out, _| out.resize(out.len() + 700_000, b'b'));
        segment.flush().unwrap();
        let before = std::fs::read(folder.plain(id)).unwrap();
        segment.tail_in_doubt = true;
        segment.sync().unwrap();
        assert_eq!(std::fs::read(folder.plain(id)).unwrap(), before);
    }
}
