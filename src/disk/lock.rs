//! One process at a time in a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// An exclusive lock that the kernel drops with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process holds it")]
    Held,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lock {
    /// Takes the lock on `path`, which is created if need be, or says at once that it is held.
    pub fn take(path: &Path) -> Result<Lock, LockError> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held),
            Err(errno) => Err(LockError::Io(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(LockError::Held)));
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }
}
