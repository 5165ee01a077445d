//! What is told of a list.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use terms::Digest;

use super::error::SourceError;
use super::source::Trouble;
use crate::list::Unread;

/// What came of a look, a reload or a start.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new version is in force; `before` is the number of rules of the one it replaced.
    Applied {
        file: PathBuf,
        hash: Digest,
        rules: usize,
        before: usize,
        /// What of it no rule holds.
        unread: Arc<Unread>,
    },
    /// What the file shows can't be taken; what was in force stays.
    Refused {
        file: PathBuf,
        errors: Vec<SourceError>,
    },
    Vanished {
        file: PathBuf,
    },
    /// Truncated to nothing; its rules stay in force.
    Emptied {
        file: PathBuf,
    },
    /// Holds under half of its rules; the former ones stay in force.
    Shrunk {
        file: PathBuf,
        from: usize,
        to: usize,
    },
    /// The file shows again what is in force.
    Restored {
        file: PathBuf,
    },
    /// Its rules are no longer in force.
    Lifted {
        file: PathBuf,
        rules: usize,
    },
}

impl Change {
    /// Whether other rules are in force than before.
    pub fn alters_rules(&self) -> bool {
        matches!(self, Change::Applied { .. } | Change::Lifted { .. })
    }

    pub fn file(&self) -> &Path {
        match self {
            Change::Applied { file, .. }
            | Change::Refused { file, .. }
            | Change::Vanished { file }
            | Change::Emptied { file }
            | Change::Shrunk { file, .. }
            | Change::Restored { file }
            | Change::Lifted { file, .. } => file,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file().display())?;
        match self {
            Change::Applied { rules, before, unread, .. } => {
                write!(f, "in force, rules: {rules} (before: {before})")?;
                let kinds: Vec<String> =
                    unread.tallies().iter().map(|one| format!("{} {}", one.kind.as_str(), one.count)).collect();
                if kinds.is_empty() { Ok(()) } else { write!(f, "; not held: {}", kinds.join(", ")) }
            }
            Change::Refused { errors, .. } => Trouble::Refused(errors.clone()).fmt(f),
            Change::Vanished { .. } => Trouble::Vanished.fmt(f),
            Change::Emptied { .. } => Trouble::Emptied.fmt(f),
            Change::Shrunk { from, to, .. } => Trouble::Shrunk { from: *from, to: *to }.fmt(f),
            Change::Restored { .. } => f.write_str("shows again what is in force"),
            Change::Lifted { rules, .. } => write!(f, "lifted, rules: {rules}"),
        }
    }
}
