//! What tells, without reading, that a file is another or was written to.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file as it stood at a moment. Clocks of file systems tick coarsely: two writes of one tick that leave the
/// same size have one face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// Device and inode.
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
}

impl Face {
    /// `None` where nothing stands.
    pub fn of(path: &Path) -> Option<Face> {
        let facts = fs::metadata(path).ok()?;
        let written = (facts.mtime(), facts.mtime_nsec());
        Some(Face { file: (facts.dev(), facts.ino()), size: facts.size(), written })
    }
}
