//! What the disk shows of one list file.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use terms::{Digest, Timestamp};

pub(crate) use super::body::Body;
use super::body::{Digested, LONG};
use super::compile::{Made, is_text};
use super::error::{Problem, SourceError};
use crate::settings::Listed;

/// The longest list; ten million rules take about half of this.
pub(super) const MAX_BYTES: u64 = 2 << 30;

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
    pub body: Body,
    /// Nobody wrote to the file while it was read.
    pub steady: bool,
    /// What was made of it as it was read.
    pub made: Option<Made>,
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
pub(super) fn read(listed: &Listed) -> Shown {
    read_by(listed, &mut digest)
}

/// Reads what is not to be held: says its digest, and what else was made of it.
pub(super) type ReadLong<'r> = dyn FnMut(&Body) -> io::Result<(Digested, Option<Made>)> + 'r;

pub(super) fn digest(body: &Body) -> io::Result<(Digested, Option<Made>)> {
    Ok((body.digest()?, None))
}

/// As [`read`], where more is made of a long list than its digest.
pub(super) fn read_by(listed: &Listed, read_long: &mut ReadLong<'_>) -> Shown {
    let path = &*listed.path;
    // What is compiled as a whole is held from the start, and no table stands for it should its bytes go.
    let long = if is_text(listed) { LONG } else { u64::MAX };
    match try_read_by(path, MAX_BYTES, long, read_long) {
        Ok(shown) => shown,
        Err(error) if is_absent(&error) => Shown::Absent,
        Err(error) => Shown::Unreadable(SourceError::new(path, Problem::Unreadable(Arc::new(error)))),
    }
}

/// What a list file is known by. `None` where it is no file that can be read, or is being written.
pub(super) fn hash(path: &Path) -> Option<(Stamp, Digest)> {
    match try_read(path, MAX_BYTES).ok()? {
        Shown::Content(content) if content.steady => Some((content.stamp, content.hash)),
        _ => None,
    }
}

pub(crate) fn try_read(path: &Path, limit: u64) -> io::Result<Shown> {
    try_read_by(path, limit, LONG, &mut digest)
}

fn try_read_by(path: &Path, limit: u64, long: u64, read_long: &mut ReadLong<'_>) -> io::Result<Shown> {
    let file = disk::open(path)?;
    let facts = file.metadata()?;
    if facts.is_dir() {
        return Ok(Shown::Absent);
    }
    if !facts.is_file() {
        return Ok(Shown::Unreadable(SourceError::new(path, Problem::Odd)));
    }
    let before = Stamp::of(&facts);
    let too_large = Ok(Shown::Unreadable(SourceError::new(path, Problem::TooLarge { limit })));
    let body = match before.size {
        size if size > limit => return too_large,
        size if size < long => {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            (&file).take(limit + 1).read_to_end(&mut bytes)?;
            Body::Held(bytes)
        }
        size => Body::Long { file: file.try_clone()?, size },
    };
    if body.size() > limit {
        return too_large;
    }
    let (Digested { hash, size }, made) = match &body {
        Body::Held(bytes) => (Digested { hash: Digest::of(bytes), size: body.size() }, None),
        Body::Long { .. } => read_long(&body)?,
    };
    let stamp = Stamp::of(&file.metadata()?);
    let steady = stamp == before && stamp.size == size;
    Ok(Shown::Content(Content { stamp, hash, body, steady, made }))
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
            assert_eq!(read(&folder.path().join(name).into()).mark(), Mark::Absent, "{name}");
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo.txt");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(read(&path.into()), Shown::Unreadable(SourceError { problem: Problem::Odd, .. })));
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
