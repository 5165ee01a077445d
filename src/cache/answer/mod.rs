//! From an entry to an answer: conditionals, one range, `Age`, `Cache-Status`.

pub(crate) mod conditional;
pub(crate) mod range;
pub(crate) mod status;

use std::sync::Arc;

use http::header::{AGE, CACHE_STATUS, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use terms::record::Part;
use terms::{Answer, Ask, Body, CacheUse, Departures, Moment, Proof, Timestamp};

use crate::Caching;
use crate::entry::{Entry, Seat};
use crate::policy::Forward;
use range::Wanted;
use status::Forwarded;

static REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// An entry that answers a request, and by what way the request came to it.
pub struct Hit {
    pub entry: Arc<Entry>,
    pub how: CacheUse,
    pub(crate) seat: Option<Seat>,
    pub(crate) forward: Option<Forwarded>,
    /// Fields that this asker gets, and nobody after.
    pub(crate) alone: Option<Arc<HeaderMap>>,
}

/// What of an entry a request gets.
enum Form {
    Whole,
    NotModified,
    Part(Part),
    Unsatisfiable { length: u64 },
}

impl Hit {
    /// From the store, without a word to the origin.
    pub(crate) fn stored(entry: Arc<Entry>, how: CacheUse) -> Hit {
        Hit { entry, how, seat: None, forward: None, alone: None }
    }

    pub(crate) fn fetched(entry: Arc<Entry>, how: CacheUse, seat: Seat, why: Forward, status: StatusCode) -> Hit {
        let collapsed = (how == CacheUse::Collapsed).then_some(true);
        let forward = Forwarded { why, status, collapsed, stored: false };
        Hit { entry, how, seat: Some(seat), forward: Some(forward), alone: None }
    }

    /// The answer to `ask`, for which this entry was looked up.
    pub fn answer(self, ask: &Ask, caching: &Caching, now: Moment) -> Answer {
        let form = self.form(ask, now.wall);
        let entry = &self.entry;
        let mut fields = match &form {
            Form::Unsatisfiable { .. } => HeaderMap::new(),
            _ => entry.fields().clone(),
        };
        if let Some(alone) = &self.alone {
            fields.extend(HeaderMap::clone(alone));
        }
        let mut departures = Departures::default();
        if caching.repr_digest && self.add_repr_digest(&form, &mut fields) {
            departures.add(Departures::REPR_DIGEST);
        }
        if entry.head().sets_cookie {
            departures.add(Departures::STORED_SET_COOKIE);
        }
        let status = shape(&form, entry.status(), &mut fields);
        self.add_age(&mut fields, now);
        self.add_cache_status(&mut fields, now);
        Answer {
            status,
            fields,
            cache: self.how,
            fill: Some(entry.fill()),
            origin_proof: match form {
                Form::Unsatisfiable { .. } => Proof::None,
                _ => entry.proof(),
            },
            departures,
            range: match form {
                Form::Part(part) => Some(part),
                _ => None,
            },
            body: self.body(&form, ask),
            close: false,
        }
    }

    fn form(&self, ask: &Ask, now: Timestamp) -> Form {
        // RFC 9110 section 13.2.1: preconditions are ignored where the answer would not be a 2xx.
        if self.entry.status() != StatusCode::OK {
            return Form::Whole;
        }
        let stored = self.entry.fields();
        if ask.present.conditions && conditional::not_modified(&ask.fields, stored, now) {
            return Form::NotModified;
        }
        // Section 14.2: GET alone has ranges. Of a windowed body the beginning may be gone.
        if !ask.present.range || ask.method != Method::GET || self.entry.is_windowed() {
            return Form::Whole;
        }
        let (Some(wanted), Some(length)) = (Wanted::read(&ask.fields), self.entry.length()) else { return Form::Whole };
        if !conditional::range_applies(&ask.fields, stored, now) {
            return Form::Whole;
        }
        wanted.within(length).map_or(Form::Unsatisfiable { length }, Form::Part)
    }

    fn body(self, form: &Form, ask: &Ask) -> Body {
        let (first, end) = match form {
            Form::NotModified | Form::Unsatisfiable { .. } => return Body::Empty,
            Form::Whole | Form::Part(_) if ask.method == Method::HEAD => return Body::Empty,
            Form::Whole => (0, None),
            Form::Part(part) => (part.first, Some(part.last + 1)),
        };
        self.entry.read(self.seat, first, end)
    }

    fn add_repr_digest(&self, form: &Form, fields: &mut HeaderMap) -> bool {
        let speaks_of_it = matches!(form, Form::Whole | Form::Part(_)) && self.entry.status() == StatusCode::OK;
        match self.entry.growth().settled() {
            Some(settled) if speaks_of_it && !fields.contains_key(&REPR_DIGEST) => {
                fields.insert(&REPR_DIGEST, settled.repr_digest.clone());
                true
            }
            _ => false,
        }
    }

    /// RFC 9111 section 5.1: `Age` says that the answer was not made or validated for this request.
    fn add_age(&self, fields: &mut HeaderMap, now: Moment) {
        let for_this_request = matches!(self.how, CacheUse::Miss | CacheUse::Revalidated);
        if !for_this_request || self.entry.head().had_age {
            fields.insert(AGE, number(self.entry.head().stored.freshness.age(now).as_secs()));
        }
    }

    fn add_cache_status(&self, fields: &mut HeaderMap, now: Moment) {
        let member = match self.forward {
            None => status::hit(self.entry.head().stored.freshness.ttl(now)),
            Some(forward) => {
                // A 304 stores nothing that was not stored before.
                let stored = forward.status != StatusCode::NOT_MODIFIED && self.entry.growth().is_storable();
                Forwarded { stored, ..forward }.value()
            }
        };
        if self.entry.head().had_cache_status {
            status::add(fields, member);
        } else {
            fields.insert(CACHE_STATUS, member);
        }
    }
}

/// A number as a field's value, in one allocation.
fn number(number: u64) -> HeaderValue {
    HeaderValue::from_str(itoa::Buffer::new().format(number)).unwrap_or_else(|_| HeaderValue::from(number))
}

/// Makes the fields of a stored answer those of the form; gives its status.
fn shape(form: &Form, stored: StatusCode, fields: &mut HeaderMap) -> StatusCode {
    match form {
        Form::Whole => stored,
        Form::NotModified => {
            conditional::strip_for_304(fields);
            StatusCode::NOT_MODIFIED
        }
        Form::Part(part) => {
            if let Some(value) = range::content_range(*part) {
                fields.insert(CONTENT_RANGE, value);
            }
            fields.insert(CONTENT_LENGTH, HeaderValue::from(part.last - part.first + 1));
            StatusCode::PARTIAL_CONTENT
        }
        Form::Unsatisfiable { length } => {
            if let Some(value) = range::unsatisfied(*length) {
                fields.insert(CONTENT_RANGE, value);
            }
            fields.insert(CONTENT_LENGTH, HeaderValue::from(0));
            StatusCode::RANGE_NOT_SATISFIABLE
        }
    }
}

#[cfg(test)]
mod tests;
