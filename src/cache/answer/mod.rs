//! From an entry to an answer: conditionals, ranges, `Age`, `Cache-Status`.

pub(crate) mod conditional;
mod multipart;
pub(crate) mod range;
mod sliced;
pub(crate) mod status;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AGE, CACHE_STATUS, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, StatusCode};
use terms::wire::range::{Part, Parts, Ranges, Selected, unsatisfied};
use terms::{Answer, Ask, Body, CacheUse, Departures, Digest, Moment, Proof, Timestamp, Url};

use crate::coding::Representation;
use crate::entry::{Entry, Seat};
use crate::memory::Memory;
use crate::policy::Forward;
use crate::{Caching, Pass};
use multipart::Multipart;
use sliced::Source;
use status::Forwarded;

pub use sliced::Feeder;
pub use status::show_key;

static REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// An entry that answers a request, and by what way the request came to it.
pub struct Hit {
    pub entry: Arc<Entry>,
    pub how: CacheUse,
    pub(crate) seat: Option<Seat>,
    pub(crate) forward: Option<Forwarded>,
    /// Fields that this asker gets, and nobody after.
    pub(crate) alone: Option<Arc<HeaderMap>>,
    pub(crate) feeder: Option<Arc<Feeder>>,
    pub(crate) representation: Representation,
}

/// What of an entry a request gets.
enum Form {
    Whole,
    NotModified,
    /// One.
    Part(Parts),
    Several(Multipart),
    Unsatisfiable {
        length: u64,
    },
}

impl Hit {
    /// From the store, without a word to the origin.
    pub(crate) fn stored(entry: Arc<Entry>, how: CacheUse) -> Hit {
        let representation = Representation::Only;
        Hit { entry, how, seat: None, forward: None, alone: None, feeder: None, representation }
    }

    pub(crate) fn fetched(entry: Arc<Entry>, how: CacheUse, seat: Seat, why: Forward, status: StatusCode) -> Hit {
        let collapsed = (how == CacheUse::Collapsed).then_some(true);
        let forward = Forwarded { why, status, collapsed, stored: false };
        Hit { seat: Some(seat), forward: Some(forward), ..Hit::stored(entry, how) }
    }

    /// Whether its bytes lie in slices: then it wants a [`Feeder`].
    pub fn is_sliced(&self) -> bool {
        self.entry.slicing().is_some()
    }

    /// Whether its bytes lie in slices, and some of those that `ask` is for are not here.
    pub(crate) fn lacks_slices(&self, memory: &Memory, ask: &Ask, now: Moment) -> bool {
        self.is_sliced()
            && ask.method == Method::GET
            && !self.has(&self.form(ask, &self.entry.fields(), now.wall), memory)
    }

    /// The request goes past the cache in its place.
    pub fn into_pass(self) -> Pass {
        Pass::waited_in_vain(self.forward.map_or(Forward::Bypass, |forward| forward.why))
    }

    pub fn fed_by(self, feeder: Feeder) -> Hit {
        Hit { feeder: Some(Arc::new(feeder)), ..self }
    }

    /// In place of what the origin failed to give; `status` is what it answered, if it did.
    pub(crate) fn in_place(
        entry: Arc<Entry>,
        why: Forward,
        collapsed: Option<bool>,
        status: Option<StatusCode>,
    ) -> Hit {
        let forward = status.map(|status| Forwarded { why, status, collapsed, stored: false });
        Hit { forward, ..Hit::stored(entry, CacheUse::Stale) }
    }

    /// By which name its records know it: the store's own where that is what was asked for, so that all share one.
    pub fn url(&self, asked: &Arc<Url>) -> Arc<Url> {
        if self.entry.url().key() == asked.key() { self.entry.url().clone() } else { asked.clone() }
    }

    /// The answer to `ask`, for which this entry was looked up.
    pub fn answer(mut self, ask: &Ask, caching: &Caching, now: Moment) -> Answer {
        let mut fields = self.entry.fields();
        let form = self.form(ask, &fields, now.wall);
        let lacks_some = self.feeder.as_ref().is_some_and(|feeder| !self.has(&form, feeder.memory()));
        if self.how == CacheUse::Hit && ask.method == Method::GET && lacks_some {
            self.how = CacheUse::Miss;
        }
        let entry = &self.entry;
        self.dress(&form, &mut fields);
        let mut departures = self.departures(ask);
        if caching.repr_digest && self.add_repr_digest(&form, &mut fields) {
            departures.add(Departures::REPR_DIGEST);
        }
        let status = shape(&form, &ask.fields, entry.status(), &mut fields);
        self.add_age(&mut fields, now);
        // Who gets no body does not read it either: nobody may be left to fetch it for.
        let is_read = ask.method != Method::HEAD && !matches!(form, Form::NotModified | Form::Unsatisfiable { .. });
        self.add_cache_status(&mut fields, now, is_read);
        Answer {
            status,
            fields,
            cache: self.how,
            // Slices come from many.
            fill: (!self.is_sliced()).then(|| entry.fill()),
            origin_proof: match form {
                Form::Unsatisfiable { .. } => Proof::None,
                _ => self.representation.proof(entry.proof()),
            },
            departures,
            range: match &form {
                Form::Part(parts) => parts.clone(),
                Form::Several(multipart) => multipart.parts.clone(),
                _ => Parts::default(),
            },
            body: self.body(form, ask),
            close: false,
        }
    }

    /// What the site wants otherwise than the standard has to do with it.
    fn departures(&self, ask: &Ask) -> Departures {
        let head = self.entry.head();
        let mut departures = head.departures;
        if ask.url.as_ref().is_ok_and(|asked| asked.target() != self.entry.url().target()) {
            departures.add(Departures::KEY_RULE);
        }
        if self.how == CacheUse::Stale && head.stored.is_never_stale() {
            departures.add(Departures::STALE_RULE);
        }
        if head.sets_cookie {
            departures.add(Departures::STORED_SET_COOKIE);
        }
        if self.representation.is_coded() {
            departures.add(Departures::COMPRESSED);
        }
        departures
    }

    /// Makes the stored fields those of what answers.
    fn dress(&self, form: &Form, fields: &mut HeaderMap) {
        if matches!(form, Form::Unsatisfiable { .. }) {
            fields.clear();
        } else {
            self.representation.shape(fields);
        }
        if let Some(alone) = &self.alone {
            fields.extend(HeaderMap::clone(alone));
        }
    }

    fn form(&self, ask: &Ask, stored: &HeaderMap, now: Timestamp) -> Form {
        if self.is_unmodified(ask, stored, now) {
            return Form::NotModified;
        }
        // Of what is coded here no part is offered.
        if self.entry.status() != StatusCode::OK || self.representation.is_coded() {
            return Form::Whole;
        }
        // Where the length is not known, a part can't be named.
        match (range::asked_of(ask, stored, now), self.entry.length()) {
            (Some(ranges), Some(length)) if self.entry.has_parts() => {
                self.select(&ranges, stored.get(CONTENT_TYPE), length)
            }
            _ => Form::Whole,
        }
    }

    /// Whether the client has it. RFC 9110 section 13.2.1: preconditions are ignored where the answer would not be
    /// a 2xx.
    pub(crate) fn is_unmodified(&self, ask: &Ask, stored: &HeaderMap, now: Timestamp) -> bool {
        self.entry.status() == StatusCode::OK
            && ask.present.conditions
            && ask.is_get_or_head()
            && conditional::not_modified(&ask.fields, stored, now)
    }

    fn select(&self, ranges: &Ranges, content_type: Option<&HeaderValue>, length: u64) -> Form {
        let mut parts = match ranges.within(length, multipart::overhead(content_type, length)) {
            Selected::Whole => return Form::Whole,
            Selected::Unsatisfiable => return Form::Unsatisfiable { length },
            Selected::Parts(parts) if parts.parts.len() == 1 => return Form::Part(parts),
            Selected::Parts(parts) => parts,
        };
        if self.entry.is_growing() {
            // They come in this order; while one is waited for, nothing need be kept for the others' sake.
            parts.parts.sort_by_key(|part| part.first);
        }
        Form::Several(Multipart::new(parts, content_type, length))
    }

    fn body(self, form: Form, ask: &Ask) -> Body {
        if let Representation::Coded(coded) = self.representation {
            return match (form, coded.entry) {
                (Form::Whole, Some(entry)) if ask.method != Method::HEAD => entry.read(coded.seat, 0, None),
                _ => Body::Empty,
            };
        }
        let source = Source { entry: self.entry, feeder: self.feeder };
        match form {
            Form::NotModified | Form::Unsatisfiable { .. } => Body::Empty,
            _ if ask.method == Method::HEAD => Body::Empty,
            Form::Whole => source.read(self.seat, 0, None),
            Form::Part(Parts { ref parts, .. }) => match parts.first() {
                Some(part) => source.read(self.seat, part.first, Some(part.last + 1)),
                None => Body::Empty,
            },
            Form::Several(multipart) => multipart.body(source, self.seat),
        }
    }

    /// Whether all bytes of the form are stored, or on their way by one fetch.
    fn has(&self, form: &Form, memory: &Memory) -> bool {
        let Some(slicing) = self.entry.slicing() else { return true };
        let whole = [Part { first: 0, last: slicing.length.saturating_sub(1) }];
        let parts = match form {
            Form::NotModified | Form::Unsatisfiable { .. } => return true,
            Form::Whole => &whole[..],
            Form::Part(parts) => &parts.parts,
            Form::Several(multipart) => &multipart.parts.parts,
        };
        sliced::has_slices(memory, &self.entry, slicing, parts)
    }

    fn add_repr_digest(&self, form: &Form, fields: &mut HeaderMap) -> bool {
        let speaks_of_it =
            matches!(form, Form::Whole | Form::Part(_) | Form::Several(_)) && self.entry.status() == StatusCode::OK;
        let digest = match &self.representation {
            Representation::Coded(coded) => coded.entry.as_ref().and_then(|entry| entry.digest()),
            Representation::Only | Representation::AsItCame => self.entry.digest(),
        };
        match digest {
            Some(digest) if speaks_of_it && !fields.contains_key(&REPR_DIGEST) => {
                fields.insert(&REPR_DIGEST, repr_digest(digest));
                true
            }
            _ => false,
        }
    }

    /// RFC 9111 section 5.1: `Age` says that the answer was not made or validated for this request.
    fn add_age(&self, fields: &mut HeaderMap, now: Moment) {
        let for_this_request = self.forward.is_some() && matches!(self.how, CacheUse::Miss | CacheUse::Revalidated);
        if !for_this_request || self.entry.head().had_age {
            fields.insert(AGE, number(self.entry.head().stored.freshness.age(now).as_secs()));
        }
    }

    fn add_cache_status(&self, fields: &mut HeaderMap, now: Moment, is_read: bool) {
        let ttl = self.entry.head().stored.freshness.ttl(now);
        let member = match self.forward {
            // From the store, but for slices that are fetched on the way.
            None if self.how == CacheUse::Miss => HeaderValue::from_static("seawall; fwd=partial"),
            // RFC 9211 section 2.1: so is a stale one that is used because the origin can't be reached.
            None => status::hit(ttl),
            Some(forward) if self.how == CacheUse::Stale => forward.value(Some(ttl)),
            Some(forward) => {
                // A 304 stores nothing that was not stored before; a body of unknown length may turn out too large.
                let stored = forward.status != StatusCode::NOT_MODIFIED
                    && (is_read || self.entry.is_settled())
                    && self.entry.length().is_some()
                    && self.entry.is_storable();
                Forwarded { stored, ..forward }.value(None)
            }
        };
        if self.entry.head().had_cache_status {
            status::add(fields, member);
        } else {
            fields.insert(CACHE_STATUS, member);
        }
    }
}

/// The value of `Repr-Digest` (RFC 9530 section 3).
fn repr_digest(digest: Digest) -> HeaderValue {
    let text = format!("sha-256=:{}:", STANDARD.encode(digest.as_bytes()));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A number as a field's value, in one allocation.
fn number(number: u64) -> HeaderValue {
    HeaderValue::from_str(itoa::Buffer::new().format(number)).unwrap_or_else(|_| HeaderValue::from(number))
}

/// Makes the fields of a stored answer those of the form; gives its status.
fn shape(form: &Form, asked: &HeaderMap, stored: StatusCode, fields: &mut HeaderMap) -> StatusCode {
    match form {
        Form::Whole => stored,
        Form::NotModified => {
            conditional::strip_for_304(fields);
            StatusCode::NOT_MODIFIED
        }
        Form::Part(parts) => {
            range::strip_for_206(asked, fields);
            fields.insert(CONTENT_RANGE, range::content_range(parts));
            fields.insert(CONTENT_LENGTH, HeaderValue::from(parts.bytes()));
            StatusCode::PARTIAL_CONTENT
        }
        Form::Several(multipart) => {
            range::strip_for_206(asked, fields);
            fields.insert(CONTENT_TYPE, multipart.content_type());
            fields.insert(CONTENT_LENGTH, HeaderValue::from(multipart.length()));
            StatusCode::PARTIAL_CONTENT
        }
        Form::Unsatisfiable { length } => {
            fields.insert(CONTENT_RANGE, unsatisfied(*length));
            fields.insert(CONTENT_LENGTH, HeaderValue::from(0));
            StatusCode::RANGE_NOT_SATISFIABLE
        }
    }
}

#[cfg(test)]
mod tests;
