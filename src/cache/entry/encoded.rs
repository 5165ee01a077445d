//! A body that the origin sent in a content coding: what it is without, once somebody has looked.

use std::fmt;
use std::sync::{Arc, OnceLock};

use terms::{Digest, Encoded, Refusal};

use super::whole::Whole;
use crate::coding::{Decoded, Decoding, Encoding, Undecodable};

/// Shared by all heads of one body, and by the answers of it that are under way.
pub(crate) struct EncodedBody {
    encoding: Encoding,
    /// Of the bytes as they came.
    came: Arc<OnceLock<Digest>>,
    decoded: OnceLock<Result<Decoded, Undecodable>>,
    /// Once it is at rest.
    whole: OnceLock<Whole>,
}

impl EncodedBody {
    pub fn new(encoding: Encoding, came: Arc<OnceLock<Digest>>) -> EncodedBody {
        EncodedBody { encoding, came, decoded: OnceLock::new(), whole: OnceLock::new() }
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn rest(&self, whole: &Whole) {
        let _ = self.whole.set(whole.clone());
    }

    /// What a decoder found that saw all of it.
    pub fn found(&self, decoded: Result<Decoded, Undecodable>) {
        let _ = self.decoded.set(decoded);
    }

    pub fn is_unknown(&self) -> bool {
        self.whole.get().is_some() && self.look().is_none_or(|decoded| decoded.is_err())
    }

    pub fn look(&self) -> Option<Result<Decoded, Undecodable>> {
        self.decoded.get().copied()
    }
}

impl fmt::Debug for EncodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.encoding, self.came.get(), self.decoded.get())
    }
}

impl Encoded for EncodedBody {
    fn digest(&self) -> Option<Digest> {
        self.came.get().copied()
    }

    fn decoded(&self) -> Option<Digest> {
        Some(self.look()?.ok()?.digest)
    }

    fn undecodable(&self) -> Option<Refusal> {
        self.look()?.err().map(Refusal::from)
    }

    fn is_undecoded(&self) -> bool {
        self.whole.get().is_some() && self.decoded.get().is_none()
    }

    fn decode(&self) {
        if let Some(whole) = self.whole.get() {
            self.decoded.get_or_init(|| Decoding::of(self.encoding, whole.chunks()));
        }
    }
}
