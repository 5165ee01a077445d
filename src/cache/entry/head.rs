//! The head of an entry: everything that is made once, when the response comes in.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::Entry;
use http::header::{
    AGE, CACHE_STATUS, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TRANSFER_ENCODING,
};
use terms::wire::fields::strip_hop_by_hop;
use terms::wire::range::{Part, Parts};
use terms::{Departures, Moment, Url};

use crate::Caching;
use crate::ReplyHead;
use crate::answer::range;
use crate::coding::Encoding;
use crate::index;
use crate::policy::date::{self, FieldDate};
use crate::policy::directives::ResponseDirectives;
use crate::policy::freshness::{self, Freshness};
use crate::policy::validators::{self, Validators};
use crate::policy::vary::{Variant, Vary};
use crate::policy::{Stored, Unstorable, storable};
use crate::rules::Lifetimes;
use crate::tags::{Tag, Tags};

use super::packed::Packed;

#[derive(Clone)]
pub(crate) struct Head {
    pub status: StatusCode,
    /// With the header block of an answer, but `Age` and this cache's member of `Cache-Status`. Its `Date`
    /// never changes.
    packed: Packed,
    pub stored: Stored,
    pub variant: Variant,
    pub has_validators: bool,
    /// The origin's answer was not made for this request: it carried `Age`.
    pub had_age: bool,
    /// Caches before this one left their word.
    pub had_cache_status: bool,
    pub sets_cookie: bool,
    /// What rules of the site's made of it.
    pub departures: Departures,
}

/// A response as it arrived, ready to be judged.
pub(crate) struct Arrived {
    status: StatusCode,
    fields: HeaderMap,
    /// What of its fields is for the asker alone.
    alone: Option<Arc<HeaderMap>>,
    directives: ResponseDirectives,
    freshness: Freshness,
    declared: Option<u64>,
    had_age: bool,
    departures: Departures,
}

/// How many fields an answer gets beside the stored ones: `Age`, `Cache-Status`, the request's id, `Via`, a few
/// at a site's wish. A table that is large enough from the beginning spares every hit a second one.
const ROOM: usize = 6;

/// Response fields that section 3.1 of RFC 9111 forbids to store, and that no hop strips.
static NEVER_STORED: HeaderName = HeaderName::from_static("proxy-authentication-info");

impl Arrived {
    pub fn read(head: &ReplyHead, sent: Moment, received: Moment, caching: &Caching) -> Arrived {
        let mut fields = head.fields.clone();
        let framed_by_chunks = fields.contains_key(TRANSFER_ENCODING);
        strip_hop_by_hop(&mut fields);
        fields.remove(&NEVER_STORED);
        // RFC 9110 section 6.6.1: a recipient with a clock records when a response without Date came.
        if FieldDate::read(&fields, DATE, received.wall).at().is_none() {
            fields.insert(DATE, date::write(received.wall));
        }
        let directives = ResponseDirectives::read(&fields);
        let alone = take_out(&mut fields, &directives);
        let freshness = Freshness::of(head.status, &fields, &directives, sent, received);
        let declared = match head.status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => Some(0),
            _ if framed_by_chunks => None,
            _ => content_length(&fields),
        };
        if declared.is_none() {
            fields.remove(CONTENT_LENGTH);
        }
        let had_age = fields.remove(AGE).is_some();
        let departures = Departures::default();
        let arrived =
            Arrived { status: head.status, fields, alone, directives, freshness, declared, had_age, departures };
        arrived.by_rules(&caching.rules.lifetimes)
    }

    /// A response that was stored in another process; `declared` is its length.
    pub fn kept(
        status: StatusCode,
        fields: HeaderMap,
        freshness: Freshness,
        declared: u64,
        had_age: bool,
        departures: Departures,
    ) -> Arrived {
        let directives = ResponseDirectives::read(&fields);
        let declared = Some(declared);
        Arrived { status, fields, alone: None, directives, freshness, declared, had_age, departures }
    }

    /// Whether it will answer anybody.
    pub fn is_of_use(&self, caching: &Caching, now: Moment) -> bool {
        let validates = self.status == StatusCode::OK && Validators::of(&self.fields).any();
        let stored = Stored::new(&self.directives, self.freshness, self.fields.contains_key(SET_COOKIE));
        stored.is_of_use(validates, caching, now)
    }

    pub fn with_freshness(self, freshness: Freshness) -> Arrived {
        Arrived { freshness, ..self }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::of(&self.fields)
    }

    /// Fields that are handed to the one who asked, and stored for nobody.
    pub fn alone(&self) -> Option<Arc<HeaderMap>> {
        self.alone.clone()
    }

    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// The one part that a 206 holds, and the length of the whole; `None` where it doesn't say, or contradicts
    /// itself.
    pub fn part(&self) -> Option<(Part, u64)> {
        let Parts { parts, length } = Parts::enclosed(&self.fields)?;
        let part = *parts.first()?;
        let fits = self.declared.is_none_or(|declared| declared == part.bytes());
        Some((part, length?)).filter(|_| fits)
    }

    /// The 200 of which this 206 holds a part (RFC 9111 section 3.3).
    pub fn into_whole(mut self, length: u64) -> Arrived {
        range::strip_for_206(&HeaderMap::new(), &mut self.fields);
        self.fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Arrived { status: StatusCode::OK, declared: Some(length), ..self }
    }

    /// Whether the 200 could be stored of which this holds a part.
    pub fn part_is_storable(&self, asked: &HeaderMap, caching: &Caching) -> Result<(), Unstorable> {
        storable(asked, StatusCode::OK, &self.fields, &self.directives, &self.freshness, caching)
    }

    pub fn declared(&self) -> Option<u64> {
        self.declared
    }

    pub fn storable(&self, url: &Url, asked: &HeaderMap, caching: &Caching) -> Result<(), Unstorable> {
        storable(asked, self.status, &self.fields, &self.directives, &self.freshness, caching)?;
        Tags::read(url, &self.fields).map(|_| ()).ok_or(Unstorable::TooManyTags)
    }

    /// Whether this 304 speaks of that stored response.
    pub fn speaks_of(&self, stored: &Head) -> bool {
        Validators::of(&self.fields).identify(Validators::of(&stored.fields()))
    }

    /// The stored response, whose body has `length` bytes, as this 304 updates it (RFC 9111 section 3.2).
    pub fn update(self, stored: &Head, length: Option<u64>, caching: &Caching) -> Arrived {
        let mut fields = validators::updated(stored.fields(), &self.fields, caching.store_set_cookie);
        let directives = ResponseDirectives::read(&fields);
        // The 304 may repeat fields without repeating whom they are for.
        let alone = take_out(&mut fields, &directives).or(self.alone);
        let freshness = self.freshness.for_fields(stored.status, &fields, &directives);
        let updated = Arrived {
            status: stored.status,
            fields,
            alone,
            directives,
            freshness,
            declared: length,
            had_age: self.had_age,
            departures: Departures::default(),
        };
        updated.by_rules(&caching.rules.lifetimes)
    }

    /// With the time left that the site's rules give it.
    fn by_rules(mut self, lifetimes: &Lifetimes) -> Arrived {
        let (by_origin, status) = (self.freshness.left_on_arrival(), self.status.as_u16());
        let is_explicit = freshness::is_explicit(&self.fields, &self.directives);
        let error = lifetimes.of_error(status).filter(|_| !is_explicit);
        let left = match (error, lifetimes.ttl) {
            (Some(ttl), _) => ttl,
            (None, Some(ttl)) if status < 400 => ttl,
            _ if lifetimes.no_heuristics && !is_explicit => Duration::ZERO,
            _ => by_origin,
        };
        let left = lifetimes.max_ttl.map_or(left, |most| left.min(most));
        if left != by_origin {
            self.freshness = self.freshness.with_left(left);
            self.departures = if error.is_some() { Departures::NEGATIVE_TTL } else { Departures::TTL_OVERRIDE };
        }
        self
    }

    pub fn into_head(self, url: &Url, asked: &HeaderMap) -> Head {
        let variant = match Vary::read(&self.fields) {
            Vary::Fields(names) => Variant::of(&names, asked),
            // Not storable: whoever asked gets it, and it is never looked up.
            Vary::Anything => Variant::default(),
        };
        let sets_cookie = self.fields.contains_key(SET_COOKIE);
        // Where there are too many tags, it is not storable.
        let tags = Tags::read(url, &self.fields).unwrap_or_default();
        Head {
            status: self.status,
            packed: Packed::new(&tags, &self.fields),
            stored: Stored::new(&self.directives, self.freshness, sets_cookie),
            variant,
            has_validators: Validators::of(&self.fields).any(),
            had_age: self.had_age,
            had_cache_status: self.fields.contains_key(CACHE_STATUS),
            sets_cookie,
            departures: self.departures,
        }
    }
}

impl Head {
    /// The head that is stored once the body's length is known. `declared` is whether the origin declared it.
    pub fn at_rest(&self, length: u64, declared: bool) -> Head {
        if declared {
            return Head { packed: self.packed.copied(), ..self.clone() };
        }
        let mut fields = self.fields();
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Head { packed: Packed::new(&self.tags().collect(), &fields), ..self.clone() }
    }

    /// Of a slice of what this is the head of: nobody is answered from it alone.
    pub fn of_slice(&self) -> Head {
        Head {
            status: StatusCode::PARTIAL_CONTENT,
            packed: Packed::new(&self.tags().collect(), &HeaderMap::new()),
            stored: self.stored,
            variant: Variant::default(),
            departures: self.departures,
            has_validators: false,
            had_age: false,
            had_cache_status: false,
            sets_cookie: false,
        }
    }

    /// Of the same in a coding: nobody is answered from it alone.
    pub fn of_coding(&self) -> Head {
        Head { status: self.status, ..self.of_slice() }
    }

    /// A table that has room for what an answer adds.
    pub fn fields(&self) -> HeaderMap {
        self.packed.fields(ROOM)
    }

    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        self.packed.tags()
    }

    pub fn has_tag(&self, tag: Tag) -> bool {
        self.tags().any(|other| other == tag)
    }

    pub fn bytes(&self) -> u64 {
        let slots = self.tags().count() * index::BYTES;
        (self.packed.bytes() + self.variant.bytes() + slots) as u64
    }
}

/// RFC 9111 sections 5.2.2.4 and 5.2.2.7: what the qualified forms name is left out of what is stored, or of
/// what others get, which here is the same.
fn take_out(fields: &mut HeaderMap, directives: &ResponseDirectives) -> Option<Arc<HeaderMap>> {
    let mut alone = HeaderMap::new();
    for name in directives.for_the_asker() {
        if let Entry::Occupied(lines) = fields.entry(name) {
            let (name, lines) = lines.remove_entry_mult();
            alone.extend(lines.map(|line| (name.clone(), line)));
        }
    }
    (!alone.is_empty()).then(|| Arc::new(alone))
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter();
    let first = lines.next()?;
    let digits = first.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits?.parse().ok()?;
    lines.all(|line| line == first).then_some(length)
}
