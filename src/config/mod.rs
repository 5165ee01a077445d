//! The config: [`typed`] as it is written, [`meant`] as it is run.
//!
//! [`load`] and [`parse`] either give a [`Meant`] that nothing needs to check again, or all that is
//! wrong, each with its line and column. [`single`] makes the config of the commands that have no file.

mod changes;
mod choice;
mod compression;
mod describe;
mod errors;
mod feed;
mod geo;
mod header;
mod hidden;
mod hook;
mod hosts;
mod in_force;
mod judge;
mod keys;
mod limits;
mod listeners;
mod lists;
mod meant;
mod origins;
mod paths;
mod purging;
mod reader;
mod rules;
mod schema;
mod site;
mod spelling;
mod surprises;
mod typed;
pub mod units;
mod ways;
mod words;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use terms::Digest;
use toml::de::DeTable;

use crate::sites::HostPattern;

pub use changes::{Change, changes, is_same_site};
pub use describe::describe;
pub use errors::{Errors, Fault, Wrong};
pub use hook::EVENTS;
pub use in_force::in_force;
pub use meant::{Admin, Audit, Edge, Listener, Meant, Route, Site, Takedown};
pub use schema::schema;
pub use surprises::{Surprise, surprises};

/// Where a config is looked for when none is named.
pub const PLACES: [&str; 2] = ["config/seawall.toml", "/etc/seawall/seawall.toml"];

/// Bytes of a config. A hundred thousand sites fit.
const MAX_FILE: u64 = 16 << 20;

/// The config that is named, or the first of [`PLACES`] that is there.
pub fn locate(named: Option<PathBuf>) -> Result<PathBuf, Errors> {
    let found = named.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.exists()));
    found.ok_or_else(|| Errors::NotFound { looked_at: PLACES.map(str::to_owned).to_vec() })
}

/// Reads the config in the file `path`. Relative paths in it start from its folder.
pub fn load(path: &Path) -> Result<Meant, Errors> {
    Written::read(path)?.judge()
}

/// What a config's file held at one moment.
#[derive(Clone, Debug)]
pub struct Written {
    /// As the operator named it.
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl Written {
    pub fn read(path: &Path) -> Result<Written, Errors> {
        let unreadable = |source| Errors::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Errors::TooLarge { path: path.to_owned(), limit: MAX_FILE });
        }
        Ok(Written { path: path.to_owned(), bytes })
    }

    /// Tells it from what the file holds at other moments.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// In bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether its last line is whole, as editors leave it.
    pub fn ends_a_line(&self) -> bool {
        self.bytes.ends_with(b"\n")
    }

    /// Where the file lies: what relative paths in it start from.
    pub fn folder(&self) -> PathBuf {
        let whole = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        whole.parent().unwrap_or(Path::new("/")).to_owned()
    }

    /// The state folder, as far as it can be told whatever else is wrong with the config: it may be another one.
    pub fn likely_state(&self) -> PathBuf {
        let text = String::from_utf8_lossy(&self.bytes);
        let (document, _) = DeTable::parse_recoverable(&text);
        let dir = document
            .get_ref()
            .get("state")
            .and_then(|state| state.get_ref().as_table()?.get("dir")?.get_ref().as_str());
        dir.map_or_else(|| meant::state_beside(&self.folder()), |dir| self.folder().join(dir))
    }

    pub fn judge(&self) -> Result<Meant, Errors> {
        let path = &self.path;
        let whole = std::path::absolute(path).map_err(|source| Errors::Unreadable { path: path.clone(), source })?;
        let base = whole.parent().unwrap_or(Path::new("/"));
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => parse(text, path, base),
            Err(error) => {
                let text = String::from_utf8_lossy(&self.bytes);
                let mut faults = errors::Faults::of(&text);
                let at = error.valid_up_to()..error.valid_up_to() + 1;
                faults.add(&at, Wrong::new("this is not UTF-8", "save the file in UTF-8"));
                Err(faults.errors(path))
            }
        }
    }
}

/// Reads the config in `text`. Faults show it as `path_shown`; relative paths start from `base`.
///
/// On disk nothing is looked at, but the files of `ca` and of webhooks, whether those of `tls` and `geo.database` are
/// there, whether `state.dir` is a folder, and the system's trusted certificates.
pub fn parse(text: &str, path_shown: &Path, base: &Path) -> Result<Meant, Errors> {
    let (file, faults) = typed::read(text).map_err(|faults| faults.errors(path_shown))?;
    let mut judge = judge::Judge::new(faults, base);
    let meant = judge.file(file);
    judge.faults.or(meant, path_shown)
}

/// The config of a command that has no file: one site for any host.
///
/// `lists` and `state` are taken relative to the current folder.
pub fn single(
    listen: Vec<SocketAddr>,
    to: &str,
    admin: SocketAddr,
    lists: Vec<PathBuf>,
    state: PathBuf,
    memory: u64,
) -> Result<Meant, Wrong> {
    if listen.is_empty() {
        return Err(Wrong::new("the edge listens nowhere", "write --listen 127.0.0.1:8080"));
    }
    if !judge::MEMORY_BOUNDS.contains(&memory) {
        return Err(judge::out_of_bounds(memory, &judge::MEMORY_BOUNDS, units::show_size));
    }
    let admin = Admin { address: admin, ..Admin::default() };
    if admin.is_exposed() {
        return Err(listeners::exposed(admin.address, "listen on 127.0.0.1, or write a config with admin.tls"));
    }
    let site = Site::one("proxy", vec![HostPattern::Any], origins::alone(to)?);
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    Ok(Meant {
        edge: Edge {
            listeners: listen.into_iter().map(|address| Listener { address, tls: None, h2c: false }).collect(),
            ..Edge::default()
        },
        limits: crate::quota::Settings::default(),
        admin,
        cache: meant::cache_of(memory),
        takedown: Takedown {
            lists: lists.into_iter().map(|path| absolute(path).into()).collect(),
            ..Takedown::default()
        },
        geo: crate::geo::Settings::default(),
        state: absolute(state),
        log: meant::no_access_log(&Audit::default()),
        audit: Audit::default(),
        sites: vec![site],
        hooks: Vec::new(),
    })
}
