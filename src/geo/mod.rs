//! Where clients are: as trusted proxies say, or by a database of places that is watched, and swapped while the edge
//! serves.
//!
//! A new database is taken when it was renamed into its place, or when two looks agree on it. One that can't be used
//! leaves the one before in force, and says so until it can.

mod database;
mod watch;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use block::Places;
use disk::Bell;
use http::HeaderName;
use parking_lot::Mutex;
use terms::country::Doubt;
use terms::{Country, Residence};

pub use database::{Database, DatabaseError};
use watch::Followed;
pub use watch::watch;

/// What tells where clients are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Absolute.
    pub database: Option<PathBuf>,
    /// The field in which trusted proxies say it. What it says comes first.
    pub header: Option<HeaderName>,
    /// What holds for a client of whom neither tells it.
    pub unknown: Doubt,
}

impl Settings {
    /// Whether anything tells it at all. If not, rules for some countries hold everywhere.
    pub fn tells(&self) -> bool {
        self.database.is_some() || self.header.is_some()
    }
}

/// Nothing tells it, at first.
#[derive(Default)]
pub struct Geo {
    in_force: ArcSwap<Source>,
    followed: Mutex<Option<Followed>>,
    trouble: Mutex<Option<String>>,
    /// Databases that could not be taken.
    errors: AtomicU64,
    bell: Arc<Bell>,
}

#[derive(Clone, Default)]
struct Source {
    settings: Settings,
    database: Option<Arc<Database>>,
}

/// What is to tell where clients are, and does not yet.
pub struct Prepared(Source);

impl Geo {
    /// Reads the database that `settings` name, unless it is the one in force. Waits for the disk.
    pub fn prepare(&self, settings: &Settings) -> Result<Prepared, DatabaseError> {
        let before = self.in_force.load().database.clone();
        let is_it = |database: &Database, path: &PathBuf| {
            database.path() == path && database.face().is_some() && database.face() == disk::Face::of(path)
        };
        let database = match &settings.database {
            None => None,
            Some(path) => match before.filter(|before| is_it(before, path)) {
                Some(before) => Some(before),
                None => Some(Arc::new(Database::open(path)?)),
            },
        };
        Ok(Prepared(Source { settings: settings.clone(), database }))
    }

    /// Says whether that is another word than before on where clients are.
    pub fn carry_out(&self, prepared: Prepared) -> bool {
        let Prepared(source) = prepared;
        let mut followed = self.followed.lock();
        *followed = source.database.as_deref().map(Followed::new);
        *self.trouble.lock() = None;
        let before = self.in_force.swap(Arc::new(source.clone()));
        drop(followed);
        self.bell.ring();
        let same_database = match (&before.database, &source.database) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        !same_database || before.settings != source.settings
    }

    /// What is to tell it.
    pub fn settings(&self) -> Settings {
        self.in_force.load().settings.clone()
    }

    /// For the guard to ask.
    pub fn places(self: &Arc<Geo>) -> Box<Places> {
        let geo = self.clone();
        Box::new(move |address, told| geo.residence(address, told))
    }

    /// `told` is what a trusted proxy said.
    pub fn residence(&self, address: IpAddr, told: Option<Country>) -> Residence {
        let source = self.in_force.load();
        let found = told.or_else(|| source.database.as_ref()?.country(address));
        found.map_or(Residence::Unknown(source.settings.unknown), Residence::In)
    }

    /// The database in force.
    pub fn database(&self) -> Option<Arc<Database>> {
        self.in_force.load().database.clone()
    }

    /// Why the database in force is not what its file shows, a sentence.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().clone()?;
        Some(format!("{trouble}; the database of before stays in force"))
    }

    /// How many databases could not be taken.
    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }
}
