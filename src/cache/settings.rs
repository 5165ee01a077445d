use std::sync::Arc;

use crate::coding::Compression;
use crate::rules::Rules;
use crate::{Background, Lease};

/// What the cache may take, for the whole node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of entries at rest: their bodies, their heads, and what each takes beside them.
    pub memory: u64,
    /// Bodies larger than this many bytes stream through and are not stored.
    pub max_object: u64,
    /// What is stored is kept over a restart.
    pub keep: bool,
    /// Bytes on the disk that it may take, at most.
    pub keep_max: u64,
}

/// How a site's answers are cached. The defaults are the letter of RFC 9111, and where that leaves a
/// choice, the safe one.
#[derive(Clone, Debug, Default)]
pub struct Caching {
    /// Store answers that carry `Set-Cookie`.
    pub store_set_cookie: bool,
    /// Let a client's `no-cache`, `max-age`, `min-fresh` and `Pragma` force a fetch.
    pub client_refresh: bool,
    /// Add `Repr-Digest` (RFC 9530) where the digest is known.
    pub repr_digest: bool,
    /// What it wants otherwise.
    pub rules: Arc<Rules>,
    /// Fetch and keep what is larger than so many bytes in slices of so many.
    pub slices: Option<u64>,
    /// Compress what it can gain by.
    pub compression: Option<Arc<Compression>>,
    /// Each site has one of its own.
    pub lease: Lease,
    /// So has each of this.
    pub background: Background,
}

impl Caching {
    /// Whether it stores the same under the same names, for as long.
    pub fn stores_as(&self, other: &Caching) -> bool {
        let (one, other_rules) = (&self.rules, &other.rules);
        self.store_set_cookie == other.store_set_cookie
            && one.lifetimes == other_rules.lifetimes
            && one.key == other_rules.key
    }

    /// The same as a text, for what outlives the process.
    pub fn storing_as(&self) -> String {
        format!("{} {:?} {:?}", self.store_set_cookie, self.rules.lifetimes, self.rules.key)
    }
}
