//! One process at a time in a folder.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often a lock that is held is tried.
const AGAIN: Duration = Duration::from_millis(10);

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
    /// Takes the lock on `path`, which is created if need be, or says after `patience` that it is held. Blocks
    /// the thread.
    ///
    /// Some patience is due to a holder that was killed: a process that it had just forked, to run another program
    /// in, has a copy of the lock until that program begins.
    pub fn take(path: &Path, patience: Duration) -> Result<Lock, LockError> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        let deadline = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(AGAIN),
                Err(Errno::WOULDBLOCK) => return Err(LockError::Held),
                Err(errno) => return Err(LockError::Io(errno.into())),
            }
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
        let first = Lock::take(&path, Duration::ZERO).unwrap();
        assert!(matches!(Lock::take(&path, Duration::ZERO), Err(LockError::Held)));
        drop(first);
        assert!(Lock::take(&path, Duration::ZERO).is_ok());
    }

    #[test]
    fn who_has_patience_gets_what_is_let_go_of_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(&path, Duration::from_secs(60)));
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }
}
