//! What of the sources is in force, for readers who must not wait.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use terms::{Digest, Timestamp};

use crate::index::Table;

/// The last finished look's result. Clones show the same.
#[derive(Clone, Default)]
pub struct Board(Arc<ArcSwap<Posted>>);

#[derive(Default)]
struct Posted {
    tables: Vec<Arc<Table>>,
    status: Arc<Vec<SourceStatus>>,
}

/// How one list file stands; or a folder, where something is wrong with the folder.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    pub file: PathBuf,
    /// Rules of it in force.
    pub rules: usize,
    /// When those were taken.
    pub loaded_at: Option<Timestamp>,
    pub hash: Option<Digest>,
    /// What is wrong and what to do, where the file shows something else than is in force.
    pub trouble: Option<String>,
}

impl Board {
    /// The tables in force, in the order in which they decide.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        self.0.load().tables.clone()
    }

    pub fn status(&self) -> Arc<Vec<SourceStatus>> {
        self.0.load().status.clone()
    }

    pub(super) fn publish(&self, tables: Vec<Arc<Table>>, status: Vec<SourceStatus>) {
        self.0.store(Arc::new(Posted { tables, status: Arc::new(status) }));
    }
}
