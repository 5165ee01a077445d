//! A stored response: a head that never changes, and a body that may still be growing.
//!
//! A hit, a follower and the first asker read the same thing by the same code.

mod chunks;
mod counted;
mod growth;
mod head;
mod places;
mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::DATE;
use http::{HeaderMap, StatusCode};
use terms::body::Shared;
use terms::wire::range::Parts;
use terms::{Body, Digest, Proof, Timestamp, Url, UrlKey};

pub(crate) use growth::{Growth, Halt};
pub(crate) use head::{Arrived, Head};
pub(crate) use places::Seat;

use crate::policy::date::FieldDate;
use crate::slices::Slicing;
use reader::Reader;

/// One response of an origin, as it is stored or about to be.
pub struct Entry {
    url: Arc<Url>,
    fill: u64,
    head: Arc<Head>,
    body: Arc<Growth>,
    /// It was purged softly: it answers nobody before the origin has validated it.
    softened: AtomicBool,
    extent: Extent,
}

/// How much of a representation an entry's body is.
#[derive(Clone)]
pub(crate) enum Extent {
    Whole,
    /// Nothing of it: the bytes lie in slices.
    Sliced(Arc<Slicing>),
    /// One slice, kept under a key of its own.
    Slice {
        key: UrlKey,
        place: Parts,
    },
}

/// What an entry takes beside its bytes: its own fields, its place in the table, the allocator's share.
const OVERHEAD: u64 = 1024;

impl Entry {
    pub(crate) fn new(url: Arc<Url>, fill: u64, head: Head, body: Arc<Growth>) -> Entry {
        Entry { url, fill, head: Arc::new(head), body, softened: AtomicBool::new(false), extent: Extent::Whole }
    }

    pub(crate) fn with_extent(self, extent: Extent) -> Entry {
        Entry { extent, ..self }
    }

    /// The same bytes under another head.
    pub(crate) fn with_head(&self, head: Head) -> Entry {
        let entry = Entry::new(self.url.clone(), self.fill, head, self.body.clone());
        entry.with_extent(self.extent.clone())
    }

    pub fn url(&self) -> &Arc<Url> {
        &self.url
    }

    pub(crate) fn soften(&self) {
        self.softened.store(true, Ordering::Release);
    }

    pub(crate) fn is_softened(&self) -> bool {
        self.softened.load(Ordering::Acquire)
    }

    /// Whether it is the very same response, under the same head or another.
    pub(crate) fn has_body_of(&self, other: &Entry) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// What it is kept under.
    pub(crate) fn key(&self) -> UrlKey {
        match self.extent {
            Extent::Slice { key, .. } => key,
            Extent::Whole | Extent::Sliced(_) => self.url.key(),
        }
    }

    pub(crate) fn slicing(&self) -> Option<&Arc<Slicing>> {
        match &self.extent {
            Extent::Sliced(slicing) => Some(slicing),
            Extent::Whole | Extent::Slice { .. } => None,
        }
    }

    /// Which part of the representation its body is, if it is a slice.
    pub(crate) fn place(&self) -> Option<&Parts> {
        match &self.extent {
            Extent::Slice { place, .. } => Some(place),
            Extent::Whole | Extent::Sliced(_) => None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.extent, Extent::Whole)
    }

    /// The number of the fetch that made the bytes.
    pub fn fill(&self) -> u64 {
        self.fill
    }

    /// Of the full representation; `None` while it grows, and where it was never seen whole.
    pub fn digest(&self) -> Option<Digest> {
        if self.is_whole() { self.body.digest() } else { None }
    }

    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The origin's fields, less what belongs to its hop.
    pub fn fields(&self) -> &HeaderMap {
        &self.head.fields
    }

    /// When the origin made it.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        let received = self.head.stored.freshness.received().wall;
        FieldDate::read(&self.head.fields, DATE, received).at()
    }

    /// The length of the full body, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.body.settled().map(|settled| settled.length).or(self.head.declared)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn growth(&self) -> &Arc<Growth> {
        &self.body
    }

    /// Whether parts can be read and may be handed out. What is not kept has lost its first bytes perhaps.
    pub(crate) fn has_parts(&self) -> bool {
        self.slicing().is_some()
            || self.body.settled().is_some()
            || !(self.body.withholds_parts() || self.body.is_windowed())
    }

    pub(crate) fn proof(&self) -> Proof {
        if self.is_whole() { self.body.proof() } else { Proof::None }
    }

    /// Whether its bytes come in one order, from the first to the last.
    pub(crate) fn is_growing(&self) -> bool {
        self.is_whole() && self.body.settled().is_none()
    }

    /// What it weighs at rest.
    pub(crate) fn bytes(&self) -> u64 {
        self.body_bytes() + self.head.bytes() + OVERHEAD
    }

    /// Of which its body has so many.
    pub(crate) fn body_bytes(&self) -> u64 {
        if self.slicing().is_some() { 0 } else { self.length().unwrap_or(0) }
    }

    /// The bytes from `first` to before `end`, or to the end of the body. A body that still grows is read
    /// from `seat`.
    pub(crate) fn read(&self, seat: Option<Seat>, first: u64, end: Option<u64>) -> Body {
        if let Some(settled) = self.body.settled() {
            let end = end.unwrap_or(settled.length).min(settled.length);
            let length = end.saturating_sub(first);
            return match length {
                0 => Body::Empty,
                _ => Body::Shared(Shared::part(settled.chunks.clone(), first, length)),
            };
        }
        let seat = seat.unwrap_or_else(|| Seat::take(&self.body));
        Body::stream(Reader::new(seat, first, end.or(self.head.declared)))
    }
}

#[cfg(test)]
mod tests;
