//! What an ask is answered with, and what the log may say of it.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, StatusCode};

use crate::wire::range::Parts;
use crate::{Body, CacheUse, Departures, Digest};

/// The digest of the full representation behind an answer: known, or known once its last byte came.
#[derive(Clone, Debug, Default)]
pub enum Proof {
    #[default]
    None,
    Known(Digest),
    Later(Arc<OnceLock<Digest>>),
}

impl Proof {
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Proof::None => None,
            Proof::Known(digest) => Some(*digest),
            Proof::Later(cell) => cell.get().copied(),
        }
    }
}

/// A head, a body, and the facts that the record of this answer is made of.
pub struct Answer {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: Body,
    pub cache: CacheUse,
    /// The number of the fetch that made the bytes.
    pub fill: Option<u64>,
    pub origin_proof: Proof,
    pub departures: Departures,
    pub range: Parts,
    /// The answer must be the last on its connection.
    pub close: bool,
}

impl Answer {
    /// An answer that the cache and the origin have nothing to do with.
    pub fn made_here(status: StatusCode, fields: HeaderMap, body: Body) -> Answer {
        Answer {
            status,
            fields,
            body,
            cache: CacheUse::None,
            fill: None,
            origin_proof: Proof::None,
            departures: Departures::default(),
            range: Parts::default(),
            close: false,
        }
    }
}
