//! What an ask is answered with, and what the log may say of it.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, StatusCode};

use crate::wire::range::Parts;
use crate::{Body, CacheUse, Departures, Digest, Refusal};

/// The digest of the full representation behind an answer: known, or known once its last byte came.
#[derive(Clone, Debug, Default)]
pub enum Proof {
    #[default]
    None,
    Known(Digest),
    Later(Arc<OnceLock<Digest>>),
    /// What came from the origin, and what was made of it here by a content coding.
    Coded(Arc<[Proof; 2]>),
    /// What came from the origin in a content coding.
    Encoded(Arc<dyn Encoded>),
}

/// The full representation behind an answer, which the origin sent in a content coding.
pub trait Encoded: Debug + Send + Sync {
    /// Of the bytes as they came.
    fn digest(&self) -> Option<Digest>;

    /// Of what they are without the coding. `None`: not known yet, or not to be known.
    fn decoded(&self) -> Option<Digest>;

    /// Why that is not to be known: what somebody is told who may get nothing that was not judged.
    fn undecodable(&self) -> Option<Refusal>;

    /// Whether all of it is here, and nobody has looked yet what it is without the coding.
    fn is_undecoded(&self) -> bool;

    /// Looks. Blocks the thread for as long as decoding takes; does nothing where it is not
    /// [undecoded](Encoded::is_undecoded).
    fn decode(&self);
}

impl Proof {
    /// Of what is served in a coding of ours.
    #[must_use]
    pub fn in_coding(self, served: Proof) -> Proof {
        Proof::Coded(Arc::new([self, served]))
    }

    /// Of what came from the origin.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Proof::None => None,
            Proof::Known(digest) => Some(*digest),
            Proof::Later(cell) => cell.get().copied(),
            Proof::Coded(both) => both[0].digest(),
            Proof::Encoded(encoded) => encoded.digest(),
        }
    }

    /// Of what is served.
    pub fn served(&self) -> Option<Digest> {
        match self {
            Proof::Coded(both) => both[1].digest(),
            as_it_came => as_it_came.digest(),
        }
    }

    /// Of the same content as other bytes: as it is served, where that is not as it came; without the coding that it
    /// came in.
    pub fn other(&self) -> Option<Digest> {
        match self {
            Proof::Coded(both) => both[1].digest(),
            Proof::Encoded(encoded) => encoded.decoded(),
            Proof::None | Proof::Known(_) | Proof::Later(_) => None,
        }
    }

    /// Whether it is known once the last byte came.
    pub fn is_awaited(&self) -> bool {
        match self {
            Proof::None | Proof::Known(_) => false,
            Proof::Later(cell) => cell.get().is_none(),
            Proof::Coded(both) => both.iter().any(Proof::is_awaited),
            Proof::Encoded(encoded) => encoded.digest().is_none(),
        }
    }

    /// Why nobody can know what it is without its coding.
    pub fn undecodable(&self) -> Option<Refusal> {
        match self {
            Proof::None | Proof::Known(_) | Proof::Later(_) => None,
            Proof::Coded(both) => both[0].undecodable(),
            Proof::Encoded(encoded) => encoded.undecodable(),
        }
    }

    /// What nobody has looked yet what it is without its coding.
    pub fn undecoded(&self) -> Option<&Arc<dyn Encoded>> {
        match self {
            Proof::Encoded(encoded) if encoded.is_undecoded() => Some(encoded),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coded_here_has_two_digests() {
        let (origin, served) = (Digest::of(b"origin"), Digest::of(b"served"));
        let plain = Proof::Known(origin);
        assert_eq!((plain.digest(), plain.served(), plain.other()), (Some(origin), Some(origin), None));
        assert!(!plain.is_awaited());
        let cell = Arc::new(OnceLock::new());
        let both = plain.in_coding(Proof::Later(cell.clone()));
        assert_eq!((both.digest(), both.served(), both.other()), (Some(origin), None, None));
        assert!(both.is_awaited());
        cell.set(served).unwrap();
        assert_eq!((both.digest(), both.served(), both.other()), (Some(origin), Some(served), Some(served)));
        assert!(!both.is_awaited());
    }
}
