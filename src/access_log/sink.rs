//! Where lines go: a file that is appended to, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{AccessLogError, Destination};

/// Clients and what they read: for the owner, and a group that may look.
const MODE: u32 = 0o640;

pub(super) struct Sink {
    file: File,
    /// `None`: standard output.
    path: Option<PathBuf>,
    /// A line was written in part.
    is_torn: bool,
}

impl Sink {
    /// `None` where nothing is written.
    pub(super) fn open(destination: &Destination) -> Result<Option<Sink>, AccessLogError> {
        let (file, path) = match destination {
            Destination::Off => return Ok(None),
            Destination::Stdout => (stdout().map_err(AccessLogError::Stdout)?, None),
            Destination::File(path) => {
                let failed = |source| AccessLogError::File { path: path.clone(), source };
                (append_to(path).map_err(failed)?, Some(path.clone()))
            }
        };
        Ok(Some(Sink { file, path, is_torn: false }))
    }

    /// By its name again; the old file stays where that fails.
    pub(super) fn open_again(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.file = append_to(path)?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Writes whole lines, or as much of them as it can: the error comes with how many lines were lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        let mut rest = lines;
        if self.is_torn {
            self.file.write_all(b"\n").map_err(|error| (count(lines), error))?;
            self.is_torn = false;
        }
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    self.is_torn = lines[..lines.len() - rest.len()].last().is_some_and(|last| *last != b'\n');
                    return Err((count(rest), outcome.err().unwrap_or(io::ErrorKind::WriteZero.into())));
                }
            }
        }
        Ok(())
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// A descriptor of its own: whoever else writes there is not kept out by a write that takes long.
fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads is an error, and nothing to wait for.
    options.append(true).create(true).mode(MODE).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}
