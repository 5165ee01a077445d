//! What the disk shows of one list file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use terms::{Digest, Hasher, Timestamp};

use super::error::{Problem, SourceError};

/// A list is read whole; ten million rules take about a quarter of this.
const MAX_BYTES: u64 = 2 << 30;

/// Bytes of a file from which on they are hashed beside the reading.
const WORTH_A_THREAD: u64 = 8 << 20;

/// Bytes that are read, and then hashed, at once; and how many such pieces may wait.
const PIECE: usize = 1 << 20;
const QUEUED: usize = 4;

/// Clocks of file systems tick coarsely: a file touched less than this ago may change once more
/// without its stamp telling.
const FRESH: Duration = Duration::from_secs(2);

/// What tells, without reading, that a file is another or was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Device and inode.
    pub file: (u64, u64),
    pub size: u64,
    /// Microseconds since 1970.
    written: i64,
    changed: i64,
}

impl Stamp {
    fn of(facts: &Metadata) -> Stamp {
        let micros = |secs: i64, nanos: i64| secs.saturating_mul(1_000_000).saturating_add(nanos / 1000);
        Stamp {
            file: (facts.dev(), facts.ino()),
            size: facts.size(),
            written: micros(facts.mtime(), facts.mtime_nsec()),
            changed: micros(facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// Whether the file was touched within `span` of `now`, before or after.
    pub fn is_within(&self, span: Duration, now: Timestamp) -> bool {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let touched = self.written.max(self.changed);
        (now.micros().saturating_sub(span)..=now.micros().saturating_add(span)).contains(&touched)
    }

    /// Whether the file was touched so short a time before `now`, or since, that it may be another under this stamp.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let span = i64::try_from(FRESH.as_micros()).unwrap_or(i64::MAX);
        self.written.max(self.changed) >= now.micros().saturating_sub(span)
    }
}

/// A file as a look found it.
#[derive(Debug)]
pub(crate) enum Shown {
    Absent,
    Unreadable(SourceError),
    Content(Content),
}

#[derive(Debug)]
pub(crate) struct Content {
    pub stamp: Stamp,
    pub hash: Digest,
    pub bytes: Vec<u8>,
    /// Nobody wrote to the file while it was read.
    pub steady: bool,
}

/// [`Shown`], as far as two looks compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Absent,
    Unreadable,
    Content(Digest),
}

impl Shown {
    pub fn mark(&self) -> Mark {
        match self {
            Shown::Absent => Mark::Absent,
            Shown::Unreadable(_) => Mark::Unreadable,
            Shown::Content(content) => Mark::Content(content.hash),
        }
    }

    pub fn is_steady(&self) -> bool {
        !matches!(self, Shown::Content(Content { steady: false, .. }))
    }
}

pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|facts| Stamp::of(&facts))
}

/// Reads a file through one descriptor, so that stamp, bytes and hash are of the same file whatever
/// happens to its name meanwhile. A folder is no list: its place as a file is empty.
pub(super) fn read(path: &Path) -> Shown {
    match try_read(path, MAX_BYTES) {
        Ok(shown) => shown,
        Err(error) if is_absent(&error) => Shown::Absent,
        Err(error) => Shown::Unreadable(SourceError::new(path, Problem::Unreadable(Arc::new(error)))),
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Opening a FIFO would wait for a writer without NONBLOCK.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What a list file is known by, without holding it in memory. `None` where it is no file that can be read, or
/// is being written.
pub(super) fn hash(path: &Path) -> Option<(Stamp, Digest)> {
    let mut file = open(path).ok()?;
    let facts = file.metadata().ok().filter(Metadata::is_file)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(buffer.get(..count)?);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if size > MAX_BYTES {
            return None;
        }
    }
    let stamp = Stamp::of(&file.metadata().ok()?);
    (stamp == Stamp::of(&facts) && stamp.size == size).then(|| (stamp, hasher.finish()))
}

pub(crate) fn try_read(path: &Path, limit: u64) -> io::Result<Shown> {
    let mut file = open(path)?;
    let facts = file.metadata()?;
    if facts.is_dir() {
        return Ok(Shown::Absent);
    }
    if !facts.is_file() {
        return Ok(Shown::Unreadable(SourceError::new(path, Problem::Odd)));
    }
    let before = Stamp::of(&facts);
    let (mut bytes, mut hasher) = match before.size.min(limit) {
        size @ WORTH_A_THREAD.. => read_and_hash(&mut file, usize::try_from(size).unwrap_or(0))?,
        size => (Vec::with_capacity(size as usize), Hasher::new()),
    };
    let known = bytes.len();
    (&mut file).take(limit + 1 - known as u64).read_to_end(&mut bytes)?;
    hasher.update(&bytes[known..]);
    if bytes.len() as u64 > limit {
        return Ok(Shown::Unreadable(SourceError::new(path, Problem::TooLarge { limit })));
    }
    let stamp = Stamp::of(&file.metadata()?);
    let steady = stamp == before && stamp.size == bytes.len() as u64;
    Ok(Shown::Content(Content { stamp, hash: hasher.finish(), bytes, steady }))
}

/// The first bytes of a file, as many as there are up to `size`. A thread hashes what was read while more is, where one
/// can be had.
fn read_and_hash(file: &mut File, size: usize) -> io::Result<(Vec<u8>, Hasher)> {
    let mut bytes = vec![0; size];
    let mut count = 0;
    let hasher: io::Result<Option<Hasher>> = std::thread::scope(|scope| {
        let (read, pieces) = sync_channel::<&[u8]>(QUEUED);
        let hash = |mut hasher: Hasher, piece: &[u8]| {
            hasher.update(piece);
            hasher
        };
        let hashing = Builder::new().name("list-hash".to_owned());
        let hashing = hashing.spawn_scoped(scope, move || pieces.into_iter().fold(Hasher::new(), hash)).ok();
        for piece in bytes.chunks_mut(PIECE) {
            let filled = fill(file, piece)?;
            count += filled;
            let (filled, empty) = piece.split_at(filled);
            let is_heard = hashing.is_none() || read.send(filled).is_ok();
            if !is_heard || !empty.is_empty() {
                break;
            }
        }
        drop(read);
        hashing
            .map(|hashing| hashing.join().map_err(|_| io::Error::other("the thread that hashes it ended")))
            .transpose()
    });
    bytes.truncate(count);
    let hasher = hasher?.unwrap_or_else(|| {
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        hasher
    });
    Ok((bytes, hasher))
}

/// Reads until `piece` is full or the file ends.
fn fill(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match file.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether an error says that nothing stands under a path (a link into nothing included).
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_folder_and_a_link_into_nothing_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        for name in ["no", "link", "no/further", "."] {
            assert_eq!(read(&folder.path().join(name)).mark(), Mark::Absent, "{name}");
        }
    }

    #[test]
    fn what_is_hashed_beside_the_reading_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        let bytes: Vec<u8> = (0..3 * PIECE as u32 + 77).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        // The file may have been longer, or shorter, when its size was asked for.
        for size in [bytes.len(), bytes.len() - 100, 2 * PIECE, bytes.len() + 100, bytes.len() + 2 * PIECE] {
            let (read, hasher) = read_and_hash(&mut File::open(&path).unwrap(), size).unwrap();
            let expected = &bytes[..size.min(bytes.len())];
            assert_eq!((read.len(), hasher.finish()), (expected.len(), Digest::of(expected)), "{size}");
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo.txt");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(read(&path), Shown::Unreadable(SourceError { problem: Problem::Odd, .. })));
    }

    #[test]
    fn what_is_too_large_is_refused_and_the_limit_itself_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, [b'x'; 100]).unwrap();
        assert!(matches!(try_read(&path, 100).unwrap(), Shown::Content(_)));
        let shown = try_read(&path, 99).unwrap();
        assert!(matches!(shown, Shown::Unreadable(SourceError { problem: Problem::TooLarge { limit: 99 }, .. })));
    }
}
