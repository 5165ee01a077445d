//! Large files are hashed beside the looks, one at a time, so that a look at the others waits for none of them.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use disk::Bell;
use terms::Digest;

use super::Rank;
use super::shown::{Stamp, hash};

pub(super) struct Proof {
    pub of: Rank,
    thread: JoinHandle<Option<(Stamp, Digest)>>,
}

impl Proof {
    /// Rings when there is something to heed. `None` where no thread can be had: the next look tries again.
    pub fn start(of: Rank, bell: Arc<Bell>) -> Option<Proof> {
        let path = of.1.clone();
        let run = move || {
            let seen = hash(&path);
            bell.ring();
            seen
        };
        let thread = Builder::new().name("list-proof".to_owned()).spawn(run).ok()?;
        Some(Proof { of, thread })
    }

    pub fn is_there(&self) -> bool {
        self.thread.is_finished()
    }

    /// What the file showed; `None` where it was being written, or can't be read.
    pub fn take(self) -> Option<(Stamp, Digest)> {
        self.thread.join().ok().flatten()
    }
}
