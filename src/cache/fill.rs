//! The right and the duty to fetch.

mod slice;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use http::header::{
    HeaderMap, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use terms::{Ask, Moment, Refusal, Url};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::status::Forwarded;
use crate::entry::{Arrived, Entry, Halt, Seat};
use crate::flight::{Flight, Outcome, Underway};
use crate::parts::OwnSeat;
use crate::policy::directives::RequestDirectives;
use crate::policy::validators::Validators;
use crate::policy::{Failure, Forward, Unstorable};
use crate::slices::Want;
use crate::writer::{Stop, Writer};
use crate::{Caching, Inner};

/// What an origin answered, before anything was taken from it.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    pub status: StatusCode,
    pub fields: HeaderMap,
}

/// What is wrong with a 206 to a request without a range.
pub const UNASKED_PART: &str = "a 206 (Partial Content), though no range was asked for";

/// A fetch to be made. Whatever becomes of it, those who wait are told: at the latest when this, or the
/// [`Writer`] that comes of it, is dropped.
pub struct Fill {
    underway: Arc<Underway>,
    cache: Arc<Inner>,
    caching: Caching,
    /// The stored entry that is asked about.
    validates: Option<Arc<Entry>>,
    /// A stored entry that may stand in where the origin fails.
    stale: Option<Arc<Entry>>,
    conditions: HeaderMap,
    want: Want,
    own: Option<OwnSeat>,
    /// The duty to tell those who wait is still here.
    owed: bool,
}

/// What the origin's head makes of a fetch.
#[allow(clippy::large_enum_variant)] // one a fetch, taken apart at once: a box would cost more
pub enum Landing {
    /// The body goes here, whole.
    Store(Writer),
    /// 304: what was stored holds again. Discard the body.
    Refreshed,
    /// The reply is for the starter alone; the cache keeps nothing of it.
    Private(Private),
    /// The reply is of no use to anyone, and all who wait were told so. Discard the body.
    Refused,
}

/// A reply that is not shared.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    pub reason: Unstorable,
    why: Forward,
}

impl Private {
    /// This cache's member of `Cache-Status`, to stand behind the origin's own.
    pub fn cache_status(&self, status: StatusCode) -> HeaderValue {
        Forwarded { why: self.why, status, collapsed: None, stored: false }.value(None)
    }
}

impl Fill {
    pub(crate) fn new(
        underway: Arc<Underway>,
        cache: Arc<Inner>,
        caching: Caching,
        validates: Option<Arc<Entry>>,
        stale: Option<Arc<Entry>>,
        want: Want,
    ) -> Fill {
        let mut conditions = HeaderMap::new();
        if let Some(entry) = &validates {
            Validators::of(&entry.fields()).ask(&mut conditions);
        }
        Fill { underway, cache, caching, validates, stale, conditions, want, own: None, owed: true }
    }

    /// It goes on whoever reads it, as long as it is to be stored.
    pub(crate) fn for_the_store(mut self, room: OwnedSemaphorePermit) -> Fill {
        self.underway.growth.ask_again();
        self.own = Some(OwnSeat::take(&self.underway.growth, room));
        self
    }

    /// No part is handed out before all of it was seen.
    pub fn withhold_parts(&self) {
        self.underway.growth.withhold_parts();
    }

    /// Nobody gets any of a body of so many bytes at most before its digest was judged.
    pub fn hold_back(&self, most: u64) {
        self.underway.hold_back(most);
    }

    /// Unique within a run.
    pub fn number(&self) -> u64 {
        self.underway.number
    }

    pub fn url(&self) -> &Arc<Url> {
        &self.underway.url
    }

    /// The preconditions that validate what is stored; empty where nothing is.
    pub fn conditions(&self) -> &HeaderMap {
        &self.conditions
    }

    /// The asker's fields less its own preconditions and range, which are met here, with those of the cache.
    pub fn request_fields(&self, ask: &Ask) -> HeaderMap {
        let mut fields = ask.fields.clone();
        for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
            fields.remove(name);
        }
        fields.extend(self.conditions.clone());
        fields.extend(self.want.range().map(|range| (RANGE, range)));
        fields
    }

    /// The starter's place. To be taken once, before the fetch begins.
    pub fn flight(&self) -> Flight {
        Flight { underway: self.underway.clone(), seat: Seat::take(&self.underway.growth) }
    }

    /// Resolves when nobody waits for this fetch any more, or a rule broke it off. Before the head is
    /// there, a fetch is not worth going on with for nobody.
    pub async fn stopped(&self) -> Stop {
        let halt = poll_fn(|cx| match self.underway.growth.poll_halt(cx) {
            Poll::Ready(Halt::Deserted) if !self.cache.close_if_deserted(&self.underway) => Poll::Pending,
            other => other,
        });
        stop_of(halt.await)
    }

    /// Says what the origin's head makes of this fetch. `sent` is when the request went out, `received`
    /// when the head was there.
    pub fn land(mut self, head: &ReplyHead, sent: Moment, received: Moment) -> Landing {
        let arrived = Arrived::read(head, sent, received, &self.caching);
        match &self.validates {
            Some(stored) if arrived.status() == StatusCode::NOT_MODIFIED => {
                let stored = stored.clone();
                self.land_unmodified(&stored, arrived, received)
            }
            _ => match std::mem::replace(&mut self.want, Want::Whole) {
                Want::Slice { of, index } => self.land_slice(&of, index, &arrived, received),
                Want::Opening { .. } if arrived.status() == StatusCode::RANGE_NOT_SATISFIABLE => {
                    // The asker's range may be beyond the end; that tells nothing of others'.
                    self.pass_by()
                }
                Want::Opening { size, index } if arrived.status() == StatusCode::PARTIAL_CONTENT => {
                    self.want = Want::Opening { size, index };
                    self.land_opening(size, index, arrived, received)
                }
                Want::Opening { .. } | Want::Whole => self.land_full(arrived, received),
            },
        }
    }

    /// RFC 9111 section 4.3.4.
    fn land_unmodified(&mut self, stored: &Arc<Entry>, arrived: Arrived, received: Moment) -> Landing {
        if !arrived.speaks_of(stored.head()) {
            self.cache.forget(stored);
            self.settle(Outcome::Refused(Refusal::OriginBroken(
                "a 304 (Not Modified) whose validators are not those that were asked about".into(),
            )));
            return Landing::Refused;
        }
        let updated = arrived.update(stored.head(), stored.length(), &self.caching);
        let storable = updated.storable(&self.underway.url, &self.underway.asked, &self.caching).is_ok();
        let alone = updated.alone();
        let entry = Arc::new(stored.with_head(updated.into_head(&self.underway.url, &self.underway.asked)));
        self.underway.land(entry.head().tags().collect());
        let for_many = storable && entry.head().stored.is_for_many();
        if storable {
            self.cache.renew(&self.underway, entry.clone());
        } else {
            self.cache.forget(stored);
        }
        self.set_apart_unless(for_many, received);
        self.settle(Outcome::Entry { entry, status: StatusCode::NOT_MODIFIED, for_many, alone });
        Landing::Refreshed
    }

    fn land_full(&mut self, arrived: Arrived, received: Moment) -> Landing {
        let (status, declared) = (arrived.status(), arrived.declared());
        // RFC 9110 section 15.3.7: it answers a range, and none was asked for. Taken for the whole it would
        // poison the store, handed on it would be taken for the whole elsewhere.
        if status == StatusCode::PARTIAL_CONTENT {
            self.settle(Outcome::Refused(Refusal::OriginBroken(UNASKED_PART.into())));
            return Landing::Refused;
        }
        // RFC 9111 section 4.3.3: of a 5xx, "act as if the server failed to respond".
        if let Some(outcome) =
            is_failure(status).then(|| self.stand_in(Failure::Error, Some(status), received)).flatten()
        {
            self.settle(outcome);
            return Landing::Refused;
        }
        let judged =
            arrived.storable(&self.underway.url, &self.underway.asked, &self.caching).and_then(|()| match declared {
                Some(length) if length > self.cache.max_object() => Err(Unstorable::TooLarge),
                _ => Ok(()),
            });
        if let Err(reason) = judged {
            // What the origin has now is not stored; what it had must not be used any more.
            if let Some(stale) = self.stale.take().filter(|_| reason.lasts() && !status.is_server_error()) {
                self.cache.forget(&stale);
            }
            self.cache.memory.set_apart(self.underway.url.key(), reason, received);
            self.settle(Outcome::Private);
            return Landing::Private(Private { reason, why: self.underway.why });
        }
        let (alone, encoding) = (arrived.alone(), arrived.encoding());
        let head = arrived.into_head(&self.underway.url, &self.underway.asked);
        self.underway.land(head.tags().collect());
        let for_many = head.stored.is_for_many();
        let growth = self.underway.growth.clone();
        let entry = Entry::new(self.underway.url.clone(), self.number(), head, growth, declared);
        let entry = Arc::new(entry.encoded_in(encoding));
        self.set_apart_unless(for_many, received);
        let outcome = Outcome::Entry { entry: entry.clone(), status, for_many, alone };
        // Where all of it is held back, its end may fail those who wait as its head may.
        let is_held = self.underway.held_back() > 0;
        let stand_in = if is_held { self.stand_in(Failure::NoAnswer, None, received) } else { None };
        self.owed = false; // it is the writer's
        let (underway, cache, own) = (self.underway.clone(), self.cache.clone(), self.own.take());
        Landing::Store(Writer::new(underway, cache, entry, outcome, own, received).with_stand_in(stand_in))
    }

    /// Nothing came of the fetch. All who wait get what is stored, if it may stand in, or the same refusal, so
    /// that no stampede follows.
    pub fn fail(mut self, refusal: Refusal, now: Moment) {
        let stand_in = Failure::of(&refusal).and_then(|failure| self.stand_in(failure, None, now));
        self.settle(stand_in.unwrap_or(Outcome::Refused(refusal)));
    }

    /// What is stored, if it may stand in for an answer of this status, or for none.
    fn stand_in(&self, failure: Failure, status: Option<StatusCode>, now: Moment) -> Option<Outcome> {
        let stale = self.stale.as_ref().filter(|entry| self.cache.memory.holds(entry) && !entry.is_softened());
        let (entry, stored) = stale.map(|entry| (entry.clone(), &entry.head().stored))?;
        if stored.serves_on(failure, &self.caching, now) {
            return Some(Outcome::InPlace { entry, status, wish: None });
        }
        let wish = RequestDirectives::read(&self.underway.asked).stale_if_error?;
        let is_taken = stored.serves_on_wish(Duration::from_secs(wish), &self.caching, now);
        is_taken.then_some(Outcome::InPlace { entry, status, wish: Some(wish) })
    }

    /// Where each asker needs the origin's word of its own, waiting would only make a queue.
    fn set_apart_unless(&self, for_many: bool, now: Moment) {
        if !for_many {
            self.cache.memory.set_apart(self.underway.url.key(), Unstorable::NeverReusable, now);
            self.cache.flights.lock().close(&self.underway);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.owed = false;
        self.cache.flights.leave(&mut self.cache.flights.lock(), &self.underway);
        self.underway.tell(outcome);
    }
}

/// RFC 5861 section 4.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

impl Drop for Fill {
    fn drop(&mut self) {
        if self.owed {
            self.settle(Outcome::Refused(Refusal::Internal));
        }
    }
}

pub(crate) fn stop_of(halt: Halt) -> Stop {
    match halt {
        Halt::Deserted => Stop::Deserted,
        Halt::Aborted(error) => Stop::Aborted(error),
    }
}
