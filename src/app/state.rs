//! The state folder: who this node is, which run this is, and that nobody else is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use disk::{Lock, LockError, durable};

use crate::config::Meant;

/// How long a run that was killed may take to be gone, with the programs that it was starting for hooks.
const PATIENCE: Duration = Duration::from_secs(2);

/// The folder, held for as long as this lives.
pub(super) struct State {
    folder: PathBuf,
    pub(super) node: String,
    /// Counts the starts, from 1.
    pub(super) run: u64,
    _lock: Lock,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("another seawall runs in the state folder {0}: stop it, or give this one a folder of its own")]
    Locked(PathBuf),
    #[error("the state folder {path} can't be used")]
    Unusable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold what was written there: restore it, or move the state folder away to start anew")]
    Damaged { path: PathBuf },
}

impl State {
    pub(super) fn open(folder: &Path) -> Result<State, StateError> {
        let unusable = |source| StateError::Unusable { path: folder.to_owned(), source };
        durable::private_folder(folder).map_err(unusable)?;
        let lock = Lock::take(&folder.join("lock"), PATIENCE).map_err(|error| match error {
            LockError::Held => StateError::Locked(folder.to_owned()),
            LockError::Io(source) => unusable(source),
        })?;
        for room in ["blocks", "lists", "hooks", "audit", "cache"] {
            durable::private_folder(&folder.join(room)).map_err(unusable)?;
        }
        let node = kept(
            &folder.join("node"),
            || uuid::Uuid::new_v4().to_string(),
            |text| uuid::Uuid::parse_str(text).map(|uuid| uuid.to_string()).ok(),
        )?;
        let last = kept(&folder.join("run"), || "0".to_owned(), |text| text.parse::<u64>().ok())?;
        let run = last + 1;
        durable::write(&folder.join("run"), format!("{run}\n").as_bytes()).map_err(unusable)?;
        Ok(State { folder: folder.to_owned(), node, run, _lock: lock })
    }

    /// Where what is stored is kept over a restart.
    pub(super) fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// The log's settings: what the config says, and what only this folder knows.
    pub(super) fn audit_settings(&self, meant: &Meant) -> Result<audit::Settings, StateError> {
        let key = kept(
            &self.folder.join("audit.key"),
            || uuid::Uuid::new_v4().simple().to_string(),
            |text| uuid::Uuid::parse_str(text).map(uuid::Uuid::into_bytes).ok(),
        )?;
        let audit = &meant.audit;
        Ok(audit::Settings {
            dir: self.folder.join("audit"),
            node: self.node.clone(),
            run: self.run,
            segment_size: audit.segment_size,
            segment_age: audit.segment_age,
            sync: audit.sync,
            high_water: audit.high_water,
            on_pressure: audit.on_pressure,
            client: audit.client,
            url_query: audit.url_query,
            key,
        })
    }
}

/// The value in a small file; a missing file is written first.
fn kept<T>(path: &Path, fresh: impl Fn() -> String, read: impl Fn(&str) -> Option<T>) -> Result<T, StateError> {
    let unusable = |source| StateError::Unusable { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = fresh();
            durable::write(path, format!("{text}\n").as_bytes()).map_err(unusable)?;
            text
        }
        Err(error) => return Err(unusable(error)),
    };
    read(text.trim()).ok_or_else(|| StateError::Damaged { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_stays_and_the_run_counts_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = State::open(folder.path()).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Locked(_))));
        let (node, run) = (first.node.clone(), first.run);
        drop(first);
        let second = State::open(folder.path()).unwrap();
        assert_eq!((second.node.clone(), second.run), (node, run + 1));
    }

    #[test]
    fn a_damaged_run_is_not_guessed_at() {
        let folder = tempfile::tempdir().unwrap();
        drop(State::open(folder.path()).unwrap());
        fs::write(folder.path().join("run"), "x").unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Damaged { .. })));
    }
}
