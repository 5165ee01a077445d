//! The config's file, followed: what it holds for good, each time that changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use disk::{Evidence, Lookout, Next, Settled, Settling, Trail};
use terms::Digest;
use tokio::sync::watch;

use crate::config::{Errors, Written};

/// What the file came to show; an error where it is gone or can't be read.
pub(super) type Saved = Arc<Result<Written, Errors>>;

/// The newest save, `None` until there is one.
pub(super) type Saves = watch::Receiver<Option<Saved>>;

/// Follows the file from which `known` was read. No file (a pipe, a device) is not followed.
pub(super) fn follow(known: &Written) -> std::io::Result<(Option<Lookout>, Saves)> {
    let (sender, saves) = watch::channel(None);
    let path = std::path::absolute(&known.path)?;
    if !path.is_file() {
        return Ok((None, saves));
    }
    let mut file = Followed::new(known);
    let lookout = disk::look_on("config", Arc::default(), Trail::of(&path).folders(), move |hints| {
        let now = Instant::now();
        let trail = Trail::of(&path);
        let mut next = Next { folders: trail.folders(), again_in: None, took: false };
        let shown = Written::read(&file.path);
        match file.see(&shown, trail.evidence(hints), now) {
            Settled::Same => {}
            Settled::NotYet(left) => next.again_in = Some(left),
            Settled::Changed => drop(sender.send_replace(Some(Arc::new(shown)))),
        }
        next
    })?;
    Ok((Some(lookout), saves))
}

/// Waits for the next save; for ever where none will come. Safe to cancel.
pub(super) async fn next(saves: &mut Option<Saves>) -> Option<Saved> {
    if let Some(some) = saves {
        match some.changed().await {
            Ok(()) => return some.borrow_and_update().clone(),
            Err(_) => *saves = None,
        }
    }
    std::future::pending().await
}

struct Followed {
    /// As the operator named it.
    path: PathBuf,
    /// Bytes, when it could be read last.
    length: usize,
    /// `None`: it can't be read.
    settling: Settling<Option<Digest>>,
}

impl Followed {
    fn new(known: &Written) -> Followed {
        Followed { path: known.path.clone(), length: known.length(), settling: Settling::new(Some(known.digest())) }
    }

    /// As with lists: a rename, or a close after writing that left the file no shorter and ended a line, is a
    /// save that is done.
    fn see(&mut self, shown: &Result<Written, Errors>, evidence: Evidence, now: Instant) -> Settled {
        let is_whole = match (shown, evidence) {
            (Ok(_), Evidence::Renamed) => true,
            (Ok(written), Evidence::Closed) => written.length() >= self.length && written.ends_a_line(),
            _ => false,
        };
        let settled = self.settling.see(shown.as_ref().ok().map(Written::digest), is_whole, now);
        if let (Settled::Changed, Ok(written)) = (settled, shown) {
            self.length = written.length();
        }
        settled
    }
}
