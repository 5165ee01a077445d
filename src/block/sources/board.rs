//! What of the sources is in force, for readers who must not wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use terms::{Digest, Timestamp};

use crate::index::Table;
use crate::list::{Format, Unread};
use crate::pattern::Share;
use crate::settings::Allowed;

/// The last finished look's result. Clones show the same.
#[derive(Clone, Default)]
pub struct Board(Arc<Notes>);

#[derive(Default)]
struct Notes {
    posted: ArcSwap<Posted>,
    /// What the patterns of the live edits take, told here for the lists to leave them room.
    live: Mutex<Share>,
    /// As [`Allowed::geo`].
    geo: AtomicBool,
}

#[derive(Default)]
struct Posted {
    tables: Vec<Arc<Table>>,
    status: Arc<Vec<SourceStatus>>,
}

/// How one list file stands; or a folder, where something is wrong with the folder.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    pub file: PathBuf,
    /// The format of others that it is read as.
    pub format: Option<Format>,
    /// Rules of it in force.
    pub rules: usize,
    /// When those were taken.
    pub loaded_at: Option<Timestamp>,
    pub hash: Option<Digest>,
    /// What is wrong and what to do, where the file shows something else than is in force.
    pub trouble: Option<String>,
    /// What of the version in force no rule holds.
    pub unread: Arc<Unread>,
}

impl Board {
    /// The tables in force, in the order in which they decide.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        self.0.posted.load().tables.clone()
    }

    pub fn status(&self) -> Arc<Vec<SourceStatus>> {
        self.0.posted.load().status.clone()
    }

    /// What live edits may take and say beside all lists.
    pub fn allowed(&self) -> Allowed {
        let share = self.0.posted.load().tables.iter().map(|table| table.share()).sum();
        Allowed { share, geo: self.geo() }
    }

    /// Says whether there is something that tells where clients are.
    pub(super) fn set_geo(&self, geo: bool) -> bool {
        self.0.geo.swap(geo, Relaxed) != geo
    }

    pub(super) fn geo(&self) -> bool {
        self.0.geo.load(Relaxed)
    }

    pub fn set_live_share(&self, share: Share) {
        *self.0.live.lock() = share;
    }

    pub(super) fn live_share(&self) -> Share {
        *self.0.live.lock()
    }

    pub(super) fn publish(&self, tables: Vec<Arc<Table>>, status: Vec<SourceStatus>) {
        self.0.posted.store(Arc::new(Posted { tables, status: Arc::new(status) }));
    }
}
