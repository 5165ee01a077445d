//! A fetch under way, and those who wait for it.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use terms::wire::range::Selected;
use terms::{Ask, CacheUse, Refusal, Url, UrlKey};
use tokio::sync::watch;

use crate::answer::Hit;
use crate::answer::range;
use crate::entry::{Entry, Growth, Seat};
use crate::kept::Meanwhile;
use crate::memory::{KeyHasher, Memory};
use crate::policy::directives::RequestDirectives;
use crate::policy::{Failure, Forward};
use crate::purge::Awaited;
use crate::tags::{Tag, Tags};
use crate::{Numbers, Pass};

/// What is known of a fetch while it runs. The fill writes it, all who wait read it.
pub(crate) struct Underway {
    pub number: u64,
    pub url: Arc<Url>,
    /// Of what it fetches: the URL, or a slice of it.
    pub key: UrlKey,
    pub why: Forward,
    /// The fields of the request that started it.
    pub asked: HeaderMap,
    pub growth: Arc<Growth>,
    tags: Mutex<Awaited>,
    /// What comes of it answers any range.
    pub opens_slices: bool,
    held_back: AtomicU64,
    outcome: watch::Sender<Option<Outcome>>,
}

/// What came of a fetch, once its head was there.
#[derive(Clone)]
pub(crate) enum Outcome {
    Entry {
        entry: Arc<Entry>,
        status: StatusCode,
        for_many: bool,
        /// Fields for the starter alone.
        alone: Option<Arc<HeaderMap>>,
    },
    /// The origin failed, and what is stored may stand in; its answer's status, if there was one.
    InPlace {
        entry: Arc<Entry>,
        status: Option<StatusCode>,
        /// It does so by the starter's wish alone, who takes it for so many seconds beyond its lifetime.
        wish: Option<u64>,
    },
    Private,
    /// It can't be told from one slice: each asks for itself.
    Unsliced,
    Refused(Refusal),
}

impl Outcome {
    /// Whether what is stored stands in for this, and is still there.
    pub fn stands_in_for(&self, refusal: &Refusal, memory: &Memory) -> bool {
        let Outcome::InPlace { entry, .. } = self else { return false };
        Failure::of(refusal).is_some() && memory.holds(entry) && !entry.is_softened()
    }
}

impl Underway {
    pub fn new(number: u64, url: Arc<Url>, why: Forward, asked: HeaderMap, growth: Arc<Growth>) -> Underway {
        let (key, tags) = (url.key(), Mutex::new(Awaited::default()));
        let outcome = watch::Sender::new(None);
        Underway {
            number,
            url,
            key,
            why,
            asked,
            growth,
            tags,
            opens_slices: false,
            held_back: AtomicU64::new(0),
            outcome,
        }
    }

    /// It makes what is kept under `key` of an entry that is here.
    pub fn of_coding(number: u64, url: Arc<Url>, key: UrlKey, growth: Arc<Growth>) -> Underway {
        Underway::of_slice(number, url, key, growth)
    }

    /// It fetches a slice of `key`, of what is known.
    pub fn of_slice(number: u64, url: Arc<Url>, key: UrlKey, growth: Arc<Growth>) -> Underway {
        Underway { key, ..Underway::new(number, url, Forward::Partial, HeaderMap::new(), growth) }
    }

    /// A body of so many bytes at most is seen to its end before anybody gets any of it.
    pub fn hold_back(&self, most: u64) {
        self.held_back.store(most, Ordering::Relaxed);
    }

    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    /// Tells all who wait; what was told first stands.
    pub fn tell(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(outcome);
            }
            first
        });
    }

    pub async fn outcome(&self) -> Outcome {
        let mut told = self.outcome.subscribe();
        match told.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The sender lives as long as this does.
            Ok(None) | Err(_) => Outcome::Refused(Refusal::Internal),
        }
    }

    pub fn entry(&self) -> Option<Arc<Entry>> {
        match self.outcome.borrow().as_ref() {
            Some(Outcome::Entry { entry, .. }) => Some(entry.clone()),
            _ => None,
        }
    }

    /// The head is there. What carries a tag that was purged while it was waited for is not stored.
    pub fn land(&self, tags: Tags) {
        if self.tags.lock().land(tags) {
            self.growth.forbid_storing();
        }
    }

    /// Whether a purge by `tag` concerns this fetch, as far as that is known.
    pub fn may_carry(&self, tag: Tag) -> bool {
        self.tags.lock().purge(tag, || self.growth.forbid_storing())
    }

    /// Whether a request should wait for this fetch. `known` is a stored response of the same URL: what
    /// its answers vary by is likely what this one's does.
    pub fn suits(&self, ask: &Ask, known: Option<&Entry>) -> bool {
        let Some(entry) = self.entry() else {
            let differs = known.is_some_and(|e| e.head().variant.tells_apart(&self.asked, &ask.fields));
            return (self.opens_slices || range::asked(ask).is_none()) && !differs;
        };
        let head = entry.head();
        self.has_reached(ask, &entry)
            && head.stored.may_answer(ask.present.authorization)
            && head.variant.matches(&ask.fields)
    }

    /// What lies far ahead comes sooner from the origin.
    fn has_reached(&self, ask: &Ask, entry: &Entry) -> bool {
        if !ask.present.range {
            return true;
        }
        let Some(ranges) = range::asked_of(ask, &entry.fields(), ask.began.wall) else { return true };
        if !entry.has_parts() {
            return true;
        }
        let Some(length) = entry.length() else { return false };
        let reached = self.growth.length();
        match ranges.within(length, 0) {
            Selected::Whole | Selected::Unsatisfiable => true,
            Selected::Parts(parts) => parts.parts.iter().all(|part| part.first <= reached),
        }
    }
}

/// A starter's place in its own fetch: it waits like any other.
pub struct Flight {
    pub(crate) underway: Arc<Underway>,
    pub(crate) seat: Seat,
}

/// What a fetch turned out to be for one who waited. `P` is the reply that is for the starter alone,
/// which comes from the fetch itself.
pub enum Landed<P = ()> {
    Entry(Hit),
    Private(P),
    /// Another's answer was waited for, and can't be used.
    Pass(Pass),
}

impl Flight {
    pub fn url(&self) -> &Arc<Url> {
        &self.underway.url
    }

    pub fn number(&self) -> u64 {
        self.underway.number
    }

    /// Waits until the head is there. The fill ends the wait, by landing, failing or being dropped.
    pub async fn landed(self) -> Result<Landed, Refusal> {
        match self.underway.outcome().await {
            Outcome::Entry { entry, status, alone, .. } => {
                let validated = status == StatusCode::NOT_MODIFIED;
                let how = if validated { CacheUse::Revalidated } else { CacheUse::Miss };
                let hit = Hit::fetched(entry, how, self.seat, self.underway.why, status);
                Ok(Landed::Entry(Hit { alone, ..hit }))
            }
            Outcome::InPlace { entry, status, .. } => {
                Ok(Landed::Entry(Hit::in_place(entry, self.underway.why, None, status)))
            }
            Outcome::Private => Ok(Landed::Private(())),
            Outcome::Unsliced => Ok(Landed::Pass(Pass::waited_in_vain(self.underway.why))),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }
}

/// A request that waits for what another one started.
pub struct Follower {
    flight: Flight,
    why: Forward,
    asked: HeaderMap,
    authorized: bool,
}

impl Follower {
    pub(crate) fn new(underway: Arc<Underway>, ask: &Ask, why: Forward) -> Follower {
        let seat = Seat::take(&underway.growth);
        Follower {
            flight: Flight { underway, seat },
            why,
            asked: ask.fields.clone(),
            authorized: ask.present.authorization,
        }
    }

    /// Waits until the head is there. The answer may turn out to be another variant, or not for others
    /// (RFC 9111 section 4): then the request passes.
    pub async fn landed<P>(self) -> Result<Landed<P>, Refusal> {
        let Flight { underway, seat } = self.flight;
        match underway.outcome().await {
            Outcome::Entry { entry, status, for_many, .. } => {
                let head = entry.head();
                if for_many && head.stored.may_answer(self.authorized) && head.variant.matches(&self.asked) {
                    return Ok(Landed::Entry(Hit::fetched(entry, CacheUse::Collapsed, seat, self.why, status)));
                }
                Ok(Landed::Pass(Pass::waited_in_vain(self.why)))
            }
            Outcome::InPlace { entry, status, wish } => {
                let head = entry.head();
                let own = || RequestDirectives::read(&self.asked).stale_if_error;
                let is_taken = wish.is_none_or(|wish| own().is_some_and(|own| own >= wish));
                if is_taken && head.stored.may_answer(self.authorized) && head.variant.matches(&self.asked) {
                    return Ok(Landed::Entry(Hit::in_place(entry, self.why, Some(true), status)));
                }
                Ok(Landed::Pass(Pass::waited_in_vain(self.why)))
            }
            Outcome::Private | Outcome::Unsliced => Ok(Landed::Pass(Pass::waited_in_vain(self.why))),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }
}

/// All fetches under way, and which of them others may join.
pub(crate) struct Flights {
    table: Mutex<Table>,
    numbers: Arc<Numbers>,
}

/// Under this lock entries are put into memory and taken out by name, too, so that nothing that was
/// purged comes back. Nothing waits while it is held.
#[derive(Default)]
pub(crate) struct Table {
    joinable: HashMap<UrlKey, Arc<Underway>, BuildHasherDefault<KeyHasher>>,
    all: HashMap<u64, Arc<Underway>>,
    /// Purges and invalidations so far.
    pub purges: u64,
    /// While kept answers are taken up: what was purged since.
    pub meanwhile: Option<Meanwhile>,
}

impl Flights {
    pub fn new(numbers: Arc<Numbers>) -> Flights {
        Flights { table: Mutex::default(), numbers }
    }

    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    pub fn enter(&self, table: &mut Table, underway: &Arc<Underway>, joinable: bool) {
        if table.all.insert(underway.number, underway.clone()).is_none() {
            Numbers::add(&self.numbers.fills, 1);
        }
        if joinable {
            table.joinable.insert(underway.key, underway.clone());
        }
    }

    pub fn leave(&self, table: &mut Table, underway: &Arc<Underway>) {
        if table.all.remove(&underway.number).is_some() {
            Numbers::subtract(&self.numbers.fills, 1);
        }
        table.close(underway);
    }
}

impl Table {
    pub fn joinable(&self, key: UrlKey) -> Option<&Arc<Underway>> {
        self.joinable.get(&key)
    }

    /// Nobody joins any more; the fetch goes on for those who have.
    pub fn close(&mut self, underway: &Arc<Underway>) {
        if self.joinable.get(&underway.key).is_some_and(|there| Arc::ptr_eq(there, underway)) {
            self.joinable.remove(&underway.key);
        }
    }

    /// What these fetch will not be stored, and nobody joins them.
    pub fn outdate(&mut self, covers: impl Fn(&Underway) -> bool) {
        self.purges += 1;
        for underway in self.matching(covers) {
            underway.growth.forbid_storing();
            self.close(&underway);
        }
    }

    /// Nobody joins these any more.
    pub fn part(&mut self, covers: impl Fn(&Underway) -> bool) {
        self.purges += 1;
        for underway in self.matching(covers) {
            self.close(&underway);
        }
    }

    fn matching(&self, covers: impl Fn(&Underway) -> bool) -> Vec<Arc<Underway>> {
        self.all.values().filter(|underway| covers(underway)).cloned().collect()
    }
}
