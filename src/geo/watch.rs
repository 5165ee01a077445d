//! Looking at the database when there is reason to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use disk::watch::Hint;
use disk::{Evidence, Face, Lookout, Next, Settled, Settling, Trail};

use super::{Database, DatabaseError, Geo, Source};

/// The file of the database, and whether what it shows has settled.
pub(super) struct Followed {
    path: PathBuf,
    settling: Settling<Option<Face>>,
}

impl Followed {
    pub(super) fn new(database: &Database) -> Followed {
        Followed { path: database.path().to_owned(), settling: Settling::new(database.face()) }
    }
}

/// What came of a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Nothing,
    /// Something that may not last; look again after this time.
    Unsettled(Duration),
    Refused,
    Taken,
}

/// Takes a new database when its file holds one, until what it returns is dropped. `moved` is told of it.
pub fn watch(geo: Arc<Geo>, moved: impl Fn() + Send + 'static) -> std::io::Result<Lookout> {
    let (bell, folders) = (geo.bell.clone(), geo.folders());
    disk::look_on("geo", bell, folders, move |hints| {
        let looked = geo.look(hints, Instant::now());
        if looked == Looked::Taken {
            moved();
        }
        let again_in = match looked {
            Looked::Unsettled(left) => Some(left),
            _ => None,
        };
        Next { folders: geo.folders(), again_in, took: false }
    })
}

impl Geo {
    fn folders(&self) -> BTreeSet<PathBuf> {
        let path = self.followed.lock().as_ref().map(|followed| followed.path.clone());
        path.map(|path| Trail::of(&path).folders()).unwrap_or_default()
    }

    /// Waits for the disk.
    pub(super) fn look(&self, hints: &[Hint], now: Instant) -> Looked {
        let path = {
            let mut followed = self.followed.lock();
            let Some(Followed { path, settling }) = followed.as_mut() else { return Looked::Nothing };
            let (face, trail) = (Face::of(path), Trail::of(path));
            let is_whole = face.is_some() && trail.evidence(hints) == Evidence::Renamed;
            match settling.see(face, is_whole, now) {
                Settled::Same => return Looked::Nothing,
                Settled::NotYet(left) => return Looked::Unsettled(left),
                Settled::Changed => path.clone(),
            }
        };
        // Read without the lock: a reload must not wait for it.
        let opened = Database::open(&path);
        self.settle(&path, opened)
    }

    fn settle(&self, path: &PathBuf, opened: Result<Database, DatabaseError>) -> Looked {
        let mut followed = self.followed.lock();
        // A reload may have named another one meanwhile.
        let Some(now) = followed.as_mut().filter(|followed| followed.path == *path) else { return Looked::Nothing };
        match opened {
            Ok(database) => {
                let (kind, built) = (database.kind().to_owned(), database.built());
                // What was read is what is in force, whatever the file shows by now.
                now.settling = Settling::new(database.face());
                let settings = self.in_force.load().settings.clone();
                self.in_force.store(Arc::new(Source { settings, database: Some(Arc::new(database)) }));
                *self.trouble.lock() = None;
                tracing::info!(kind, %built, "another database of places is in force");
                Looked::Taken
            }
            Err(error) => {
                tracing::error!("{error}; the database of before stays in force");
                self.errors.fetch_add(1, Relaxed);
                *self.trouble.lock() = Some(error.to_string());
                Looked::Refused
            }
        }
    }
}
