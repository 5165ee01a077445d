//! A stored response: a head that never changes, and a body that may still be growing.
//!
//! A hit, a follower and the first asker read the same thing by the same code.

mod chunks;
mod counted;
mod encoded;
mod growth;
mod head;
mod packed;
mod places;
mod reader;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::DATE;
use http::{HeaderMap, StatusCode};
use terms::wire::range::Parts;
use terms::{Body, Digest, Encoded, Moment, Proof, Timestamp, Url, UrlKey};

pub(crate) use encoded::EncodedBody;
pub(crate) use growth::{Growth, Halt};
pub(crate) use head::{Arrived, Head};
pub(crate) use places::Seat;

use crate::coding::{Decoded, Encoding, Undecodable};
use crate::index;
use crate::policy::date::FieldDate;
use crate::slices::Slicing;
use reader::Reader;
pub(crate) use whole::Whole;

/// One response of an origin, as it is stored or about to be.
pub struct Entry {
    url: Arc<Url>,
    fill: u64,
    head: Head,
    content: Content,
    /// It was purged softly: it answers nobody before the origin has validated it.
    softened: AtomicBool,
    extent: Extent,
}

/// The bytes of an entry. What only a growing body needs is not kept with one at rest.
#[derive(Clone)]
enum Content {
    /// With the length that the origin declared.
    Growing(Arc<Growth>, Option<u64>),
    AtRest(Whole),
}

/// How much of a representation an entry's body is.
#[derive(Clone)]
pub(crate) enum Extent {
    Whole,
    /// All of it, in the content coding that the origin sent it in.
    Encoded(Arc<EncodedBody>),
    /// Nothing of it: the bytes lie in slices.
    Sliced(Arc<Slicing>),
    Slice(Box<Slice>),
    /// All of it, in a content coding of ours.
    Coded(Box<Coded>),
}

/// One slice, kept under a key of its own.
#[derive(Clone)]
pub(crate) struct Slice {
    pub key: UrlKey,
    pub place: Parts,
    pub of: Arc<Slicing>,
}

/// What was made here of another entry's bytes, kept under a key of its own.
#[derive(Clone)]
pub(crate) struct Coded {
    pub key: UrlKey,
    /// Of those bytes.
    pub origin: Proof,
}

/// What an entry takes beside its own fields and its bytes: its place in the table, the counts of what is shared, the
/// allocator's share. Measured by `benches/purge.rs`.
const OVERHEAD: usize = 192;

// Of a million entries, each byte is a megabyte; and the next size that the allocator has is 320.
const _: () = assert!(size_of::<Entry>() + 2 * size_of::<usize>() <= 256);

impl Entry {
    /// `declared` is the length that the origin declared.
    pub(crate) fn new(url: Arc<Url>, fill: u64, head: Head, body: Arc<Growth>, declared: Option<u64>) -> Entry {
        let content = Content::Growing(body, declared);
        Entry { url, fill, head, content, softened: AtomicBool::new(false), extent: Extent::Whole }
    }

    /// The whole, in the content coding that the origin sent it in.
    pub(crate) fn encoded_in(self, encoding: Encoding) -> Entry {
        match (&self.content, encoding) {
            (_, Encoding::Identity) | (Content::AtRest(_), _) => self,
            (Content::Growing(growth, _), _) => {
                let extent = Extent::Encoded(Arc::new(EncodedBody::new(encoding, growth.digest_cell())));
                self.with_extent(extent)
            }
        }
    }

    pub(crate) fn with_extent(self, extent: Extent) -> Entry {
        Entry { extent, ..self }
    }

    /// The same bytes under another head.
    pub(crate) fn with_head(&self, head: Head) -> Entry {
        Entry {
            url: self.url.clone(),
            fill: self.fill,
            head,
            content: self.content.clone(),
            softened: AtomicBool::new(false),
            extent: self.extent.clone(),
        }
    }

    /// The same response once its body is whole.
    pub(crate) fn at_rest(&self, whole: Whole) -> Entry {
        let head = self.head.at_rest(whole.length(), self.declared().is_some());
        if let Some(encoded) = self.encoded() {
            encoded.rest(&whole);
        }
        Entry { content: Content::AtRest(whole), ..self.with_head(head) }
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

    /// Whether it is the very same response, under the same head or another. Both are of one key.
    pub(crate) fn has_body_of(&self, other: &Entry) -> bool {
        self.fill == other.fill
    }

    /// What it is kept under.
    pub(crate) fn key(&self) -> UrlKey {
        match &self.extent {
            Extent::Slice(slice) => slice.key,
            Extent::Coded(coded) => coded.key,
            Extent::Whole | Extent::Encoded(_) | Extent::Sliced(_) => self.url.key(),
        }
    }

    pub(crate) fn slicing(&self) -> Option<&Arc<Slicing>> {
        match &self.extent {
            Extent::Sliced(slicing) => Some(slicing),
            Extent::Whole | Extent::Encoded(_) | Extent::Slice(_) | Extent::Coded(_) => None,
        }
    }

    /// Which part of the representation its body is, if it is a slice.
    pub(crate) fn place(&self) -> Option<&Parts> {
        match &self.extent {
            Extent::Slice(slice) => Some(&slice.place),
            Extent::Whole | Extent::Encoded(_) | Extent::Sliced(_) | Extent::Coded(_) => None,
        }
    }

    /// How what this is a slice of is cut.
    pub(crate) fn cut_from(&self) -> Option<&Arc<Slicing>> {
        match &self.extent {
            Extent::Slice(slice) => Some(&slice.of),
            Extent::Whole | Extent::Encoded(_) | Extent::Sliced(_) | Extent::Coded(_) => None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.extent, Extent::Whole | Extent::Encoded(_) | Extent::Coded(_))
    }

    /// Whether it was made here of another entry's bytes.
    pub(crate) fn is_coded(&self) -> bool {
        matches!(self.extent, Extent::Coded(_))
    }

    /// Of the same content as other bytes, which a rule may name as well: of those that this was made of here, or of what
    /// it is without the content coding that it came in, if somebody has looked.
    pub fn other_digest(&self) -> Option<Digest> {
        match &self.extent {
            Extent::Coded(coded) => coded.origin.digest(),
            Extent::Encoded(encoded) => encoded.decoded(),
            Extent::Whole | Extent::Sliced(_) | Extent::Slice(_) => None,
        }
    }

    /// The number of the fetch that made the bytes.
    pub fn fill(&self) -> u64 {
        self.fill
    }

    /// Of the full representation; `None` while it grows, and where it was never seen whole.
    pub fn digest(&self) -> Option<Digest> {
        match &self.content {
            _ if !self.is_whole() => None,
            Content::Growing(growth, _) => growth.digest(),
            Content::AtRest(whole) => Some(whole.digest),
        }
    }

    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The origin's fields, less what belongs to its hop, in a table made for the caller.
    pub fn fields(&self) -> HeaderMap {
        self.head.fields()
    }

    /// When the origin made it.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        let received = self.head.stored.freshness.received().wall;
        FieldDate::read(&self.fields(), DATE, received).at()
    }

    /// The length of the full body, where it is known.
    pub fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Growing(growth, declared) => growth.settled().map(Whole::length).or(*declared),
            Content::AtRest(whole) => Some(whole.length()),
        }
    }

    /// The length that the origin declared, while the body grows.
    pub(crate) fn declared(&self) -> Option<u64> {
        match &self.content {
            Content::Growing(_, declared) => *declared,
            Content::AtRest(_) => None,
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Its body, if all of it is here.
    pub(crate) fn whole(&self) -> Option<&Whole> {
        match &self.content {
            Content::Growing(growth, _) => growth.settled(),
            Content::AtRest(whole) => Some(whole),
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.whole().is_some()
    }

    /// Whether it is stored, or will be when it settles.
    pub(crate) fn is_storable(&self) -> bool {
        match &self.content {
            Content::Growing(growth, _) => growth.is_storable(),
            Content::AtRest(_) => true,
        }
    }

    pub(crate) fn forbid_storing(&self) {
        if let Content::Growing(growth, _) = &self.content {
            growth.forbid_storing();
        }
    }

    /// Whether parts can be read and may be handed out. What is not kept has lost its first bytes perhaps.
    pub(crate) fn has_parts(&self) -> bool {
        match &self.content {
            _ if self.slicing().is_some() || self.is_settled() => true,
            Content::Growing(growth, _) => !(growth.withholds_parts() || growth.is_windowed()),
            Content::AtRest(_) => true,
        }
    }

    /// The body, if the origin sent it in a content coding.
    pub(crate) fn encoded(&self) -> Option<&Arc<EncodedBody>> {
        match &self.extent {
            Extent::Encoded(encoded) => Some(encoded),
            Extent::Whole | Extent::Sliced(_) | Extent::Slice(_) | Extent::Coded(_) => None,
        }
    }

    /// What a rule might name for what it is without its content coding, which is not known: nobody has looked yet, or
    /// it can't be decoded.
    pub fn undecoded(&self) -> Option<Arc<dyn Encoded>> {
        self.encoded().filter(|encoded| encoded.is_unknown()).map(|encoded| encoded.clone() as Arc<dyn Encoded>)
    }

    /// What it is without the content coding that it came in, if somebody has looked.
    pub fn decoded(&self) -> Option<Result<Decoded, Undecodable>> {
        self.encoded()?.look()
    }

    /// For how long who asks for the URL would be answered with this; `None` where that may be something else for
    /// every asker.
    pub fn answers_for(&self, now: Moment) -> Option<Duration> {
        let ttl = u64::try_from(self.head.stored.freshness.ttl(now)).unwrap_or(0);
        self.head.variant.is_of_all_or_by_coding().then(|| Duration::from_secs(ttl))
    }

    pub(crate) fn proof(&self) -> Proof {
        if let Some(encoded) = self.encoded() {
            return Proof::Encoded(encoded.clone());
        }
        match &self.content {
            _ if !self.is_whole() => Proof::None,
            Content::Growing(growth, _) => growth.proof(),
            Content::AtRest(whole) => Proof::Known(whole.digest),
        }
    }

    /// Whether its bytes come in one order, from the first to the last.
    pub(crate) fn is_growing(&self) -> bool {
        self.is_whole() && !self.is_settled()
    }

    /// What it weighs at rest.
    pub fn bytes(&self) -> u64 {
        let slots = self.url.readings().count() * index::BYTES;
        let own = size_of::<Entry>() + self.encoded().map_or(0, |_| size_of::<EncodedBody>());
        self.body_bytes() + self.head.bytes() + (own + self.url.bytes() + slots + OVERHEAD) as u64
    }

    /// Of which its body has so many.
    pub(crate) fn body_bytes(&self) -> u64 {
        if self.slicing().is_some() { 0 } else { self.length().unwrap_or(0) }
    }

    /// The bytes from `first` to before `end`, or to the end of the body. A body that still grows is read
    /// from `seat`.
    pub(crate) fn read(&self, seat: Option<Seat>, first: u64, end: Option<u64>) -> Body {
        match &self.content {
            Content::AtRest(whole) => whole.read(first, end),
            Content::Growing(growth, declared) => match growth.settled() {
                Some(whole) => whole.read(first, end),
                None => {
                    let seat = seat.unwrap_or_else(|| Seat::take(growth));
                    Body::stream(Reader::new(seat, first, end.or(*declared)))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
