//! Large objects in slices: what is known of the whole stands in one entry without bytes, the *record*, and each
//! slice is an entry of its own, fetched when somebody reads it and evicted when nobody does.
//!
//! Slices are combined as RFC 9111 section 3.4 allows: they all carry the strong validator of their record. One
//! that carries another ends the record, and who asks next starts over.

use std::hash::Hasher;
use std::sync::Arc;

use http::HeaderValue;
use terms::url::keyed_hasher;
use terms::wire::range::Part;
use terms::{Ask, Url, UrlKey};

use crate::answer::range;
use crate::entry::Entry;
use crate::policy::validators::Strong;

/// How an object is cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slicing {
    /// Bytes of each slice but the last.
    pub size: u64,
    /// Bytes of the whole.
    pub length: u64,
    /// What all slices share.
    pub validator: Strong,
    /// Keeps its slices apart from those of others that were cut from the same URL.
    pub version: u64,
}

impl Slicing {
    pub fn key(&self, url: &Url, index: u64) -> UrlKey {
        url.key().slice(self.version, index)
    }

    pub fn place(&self, index: u64) -> Part {
        place(self.size, index, self.length)
    }

    /// Whether slices of that one are slices of this one.
    pub fn continues(&self, size: u64, length: u64, validator: &Strong) -> bool {
        self.size == size && self.length == length && self.validator == *validator
    }
}

/// A version for what comes of this fetch. Unlike those of other runs: some of theirs may be kept.
pub(crate) fn version(fetch: u64) -> u64 {
    let mut hasher = keyed_hasher();
    hasher.write_u64(fetch);
    hasher.finish()
}

/// Where a slice lies in what has so many bytes.
fn place(size: u64, index: u64, length: u64) -> Part {
    let first = size.saturating_mul(index);
    Part { first, last: first.saturating_add(size).min(length).saturating_sub(1).max(first) }
}

/// What of a representation a fetch asks for.
pub(crate) enum Want {
    Whole,
    /// A slice of what is not known yet.
    Opening {
        size: u64,
        index: u64,
    },
    /// A slice of what is known.
    Slice {
        of: Arc<Entry>,
        index: u64,
    },
}

impl Want {
    /// The slice in which begins what is asked for. Of what is asked for from the end, the first: it tells where
    /// that is.
    pub fn opening(ask: &Ask, size: u64) -> Want {
        let first = range::asked(ask).and_then(|ranges| ranges.first()).unwrap_or(0);
        Want::Opening { size, index: first / size.max(1) }
    }

    /// Of a whole of so many bytes.
    pub fn place(&self, length: u64) -> Option<Part> {
        match self {
            Want::Whole => None,
            Want::Opening { size, index } => Some(place(*size, *index, length)),
            Want::Slice { of, index } => of.slicing().map(|slicing| slicing.place(*index)),
        }
    }

    /// The value of `Range`.
    pub fn range(&self) -> Option<HeaderValue> {
        let Part { first, last } = self.place(u64::MAX)?;
        HeaderValue::try_from(format!("bytes={first}-{last}")).ok()
    }
}
