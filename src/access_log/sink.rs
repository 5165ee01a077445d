//! Where lines go: a file that is appended to, or standard output.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use disk::Lines;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{AccessLogError, Destination};

/// Clients and what they read: for the owner, and a group that may look.
const MODE: u32 = 0o640;

pub(super) struct Sink {
    lines: Lines,
    /// `None`: standard output.
    path: Option<PathBuf>,
}

impl Sink {
    /// `None` where nothing is written.
    pub(super) fn open(destination: &Destination) -> Result<Option<Sink>, AccessLogError> {
        let (lines, path) = match destination {
            Destination::Off => return Ok(None),
            Destination::Stdout => (Lines::beside(io::stdout()).map_err(AccessLogError::Stdout)?, None),
            Destination::File(path) => {
                let failed = |source| AccessLogError::File { path: path.clone(), source };
                (Lines::to(append_to(path).map_err(failed)?), Some(path.clone()))
            }
        };
        Ok(Some(Sink { lines, path }))
    }

    /// By its name again; the old file stays where that fails.
    pub(super) fn open_again(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.lines = Lines::to(append_to(path)?);
        }
        Ok(())
    }

    /// Writes whole lines, or as much of them as it can: the error comes with how many lines were lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        self.lines.write(lines)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads is an error, and nothing to wait for.
    options.append(true).create(true).mode(MODE).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}
