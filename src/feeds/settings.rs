use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use net::Reach;
use terms::{Digest, Network, Networks};

/// Characters of a URL that name its file, beside its digest.
const MAX_STEM: usize = 64;

/// A URL that is asked again and again, and the file that holds what it served last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// What people are shown, everywhere: it holds no secret. No two feeds have the same.
    pub name: Arc<str>,
    /// Fit for [`net::Target::parse`]. [`KEY`] in it stands for what `key_file` holds.
    pub url: String,
    /// Where [`place`] says.
    pub file: PathBuf,
    pub key_file: Option<PathBuf>,
    /// Fields that the request carries, a line each.
    pub headers_file: Option<PathBuf>,
    /// PEM file with the authorities that vouch for the server; the system's where it is `None`.
    pub ca_file: Option<PathBuf>,
    pub every: Duration,
    /// For a whole check, redirects included.
    pub timeout: Duration,
    /// Bytes, on the wire as well as decoded.
    pub max_size: u64,
    /// Networks that are asked though they are none of the internet's.
    pub allow_private: Vec<Network>,
    /// How long what is in force may go unconfirmed.
    pub max_age: Duration,
    pub on_stale: OnStale,
}

impl Feed {
    pub(crate) fn reach(&self) -> Reach {
        Reach::Public { and: Networks::new(&self.allow_private) }
    }
}

/// What becomes of requests when a feed was not confirmed for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// Its rules hold on, and operators are told.
    #[default]
    Keep,
    /// All requests are refused: what may have been forbidden meanwhile is not served.
    FailClosed,
}

/// What stands in a URL for the key.
pub const KEY: &str = "{key}";

/// The folder of feeds in a state folder.
pub fn folder(state: &Path) -> PathBuf {
    state.join("feeds")
}

/// The file of a feed: of the last segment of its path, by which lists are ordered, and of what tells it from others.
/// One that ends in `.toml` is read so.
pub fn place(state: &Path, name: &str, url: &str) -> PathBuf {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let last = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("feed");
    let ending = if last.ends_with(".toml") { "toml" } else { "txt" };
    let stem = last.strip_suffix(".toml").or(last.strip_suffix(".txt")).unwrap_or(last);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem: String = stem.chars().take(MAX_STEM).map(plain).collect();
    let digest = Digest::of(format!("{name}\n{url}").as_bytes()).hex().to_string();
    folder(state).join(format!("{}~{}.{ending}", stem.trim_start_matches('.'), &digest[..16]))
}
