//! What the log says of one answer.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, StatusCode};

use crate::wire::range::Parts;
use crate::{Digest, RequestId, Ruling, Timestamp, Url};

/// What came of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Served,
    Blocked,
    /// Stopped on its way by a rule that came into force.
    Cut,
    Failed,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Verdict::Served, Verdict::Blocked, Verdict::Cut, Verdict::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Served => "served",
            Verdict::Blocked => "blocked",
            Verdict::Cut => "cut",
            Verdict::Failed => "failed",
        }
    }
}

/// What the cache had to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheUse {
    Hit,
    Miss,
    Stale,
    Revalidated,
    Collapsed,
    Pass,
    Tunnel,
    /// The answer was made here.
    None,
}

impl CacheUse {
    pub const ALL: [CacheUse; 8] = [
        CacheUse::Hit,
        CacheUse::Miss,
        CacheUse::Stale,
        CacheUse::Revalidated,
        CacheUse::Collapsed,
        CacheUse::Pass,
        CacheUse::Tunnel,
        CacheUse::None,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            CacheUse::Hit => "hit",
            CacheUse::Miss => "miss",
            CacheUse::Stale => "stale",
            CacheUse::Revalidated => "revalidated",
            CacheUse::Collapsed => "collapsed",
            CacheUse::Pass => "pass",
            CacheUse::Tunnel => "tunnel",
            CacheUse::None => "none",
        }
    }
}

/// How an answer differs from the origin's word: a small set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departures(u16);

impl Departures {
    /// `Repr-Digest` was added.
    pub const REPR_DIGEST: Departures = Departures(1);
    /// An answer with `Set-Cookie` was stored.
    pub const STORED_SET_COOKIE: Departures = Departures(2);

    /// A rule of the site changed its fields.
    pub const HEADER_RULE: Departures = Departures(4);

    /// How long it holds is a rule of the site's.
    pub const TTL_OVERRIDE: Departures = Departures(8);
    /// An error that holds for as long as a rule of the site's says.
    pub const NEGATIVE_TTL: Departures = Departures(16);
    /// It is what the origin has for another query: a rule of the site's takes the two as one.
    pub const KEY_RULE: Departures = Departures(32);
    /// A rule of the site's made it go past the cache.
    pub const BYPASS_RULE: Departures = Departures(64);

    /// A rule of the site's let it be used once it was stale.
    pub const STALE_RULE: Departures = Departures(128);

    /// It was compressed here.
    pub const COMPRESSED: Departures = Departures(256);

    const NAMES: [(Departures, &'static str); 9] = [
        (Departures::REPR_DIGEST, "repr-digest"),
        (Departures::STORED_SET_COOKIE, "stored-set-cookie"),
        (Departures::HEADER_RULE, "header-rule"),
        (Departures::TTL_OVERRIDE, "ttl-override"),
        (Departures::NEGATIVE_TTL, "negative-ttl"),
        (Departures::KEY_RULE, "key-rule"),
        (Departures::BYPASS_RULE, "bypass-rule"),
        (Departures::STALE_RULE, "stale-rule"),
        (Departures::COMPRESSED, "compressed"),
    ];

    pub fn add(&mut self, other: Departures) {
        self.0 |= other.0;
    }

    /// As numbers that mean the same in this version.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// `None` where this version doesn't know one of them.
    pub fn from_bits(bits: u16) -> Option<Departures> {
        let known = Self::NAMES.iter().fold(0, |all, (one, _)| all | one.0);
        (bits & !known == 0).then_some(Departures(bits))
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.0 & one.0 != 0).map(|(_, name)| name)
    }
}

/// One answer on the edge, compact: the log's writer turns it into a line.
#[derive(Debug, Clone)]
pub struct Record {
    pub began: Timestamp,
    pub ended: Timestamp,
    pub site: Option<Arc<str>>,
    pub id: RequestId,
    pub method: Method,
    /// `None` where the URL can't be named.
    pub url: Option<Arc<Url>>,
    pub status: StatusCode,
    pub verdict: Verdict,
    pub ruling: Option<Arc<Ruling>>,
    /// The version of the index the answer was last judged by.
    pub list: u64,
    pub cache: CacheUse,
    /// The number of the fetch that made the bytes.
    pub fill: Option<u64>,
    pub origin_digest: Option<Digest>,
    pub digest: Option<Digest>,
    pub departures: Departures,
    /// What of the representation was asked for and sent.
    pub range: Parts,
    /// Body bytes handed to the kernel; at a cut, less what it still held.
    pub bytes: u64,
    pub complete: bool,
    pub client: IpAddr,
}
