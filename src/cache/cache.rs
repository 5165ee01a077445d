//! The cache: one decision for each request, and the ways to take something out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{IF_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, Method, StatusCode};
use terms::{Ask, CacheUse, Moment, Refusal, Url, UrlKey};

use crate::answer::{Hit, range};
use crate::coding::Rooms;
use crate::entry::{Entry, Growth};
use crate::fill::Fill;
use crate::flight::{Flights, Follower, Table, Underway};
use crate::kept::InForce;
use crate::memory::Memory;
use crate::parts::{Partly, Wholes};
use crate::pass::Pass;
use crate::policy::directives::RequestDirectives;
use crate::policy::{Forward, Reuse};
use crate::slices::Want;
use crate::{Caching, Numbers, Settings};

/// Of a node's answers, what may be used again. A handle: clones are the same cache.
#[derive(Clone)]
pub struct Cache(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Bytes, as the settings say.
    memory_size: u64,
    max_object: AtomicU64,
    pub memory: Memory,
    pub flights: Flights,
    pub wholes: Wholes,
    pub rooms: Rooms,
    pub numbers: Arc<Numbers>,
    fetches: AtomicU64,
    pub in_force: InForce,
}

/// Bytes of small bodies in flight beyond what large ones may take.
const MOST_FOR_SMALL: u64 = 16 * 1024 * 1024;

/// What the cache makes of a request. What is larger than a hit is boxed: most are one, and are handed on some times.
pub enum Lookup {
    Fresh(Hit),
    /// Stale, and to be used; the fetch renews it behind the client's back, unless one is under way.
    Stale(Hit, Option<Box<Fill>>),
    Miss(Box<Fill>),
    Filling(Box<Follower>),
    Pass(Pass),
    /// The request passes, and the whole of which it asks for a part is fetched beside it.
    Beside(Pass, Box<Fill>),
}

/// What the store has for a request.
enum Found {
    Usable(Hit),
    /// It is stale, and used while it is renewed.
    Meanwhile(Hit, Absent),
    Absent(Absent),
    /// What is stored, or could be, has nothing to do with this request.
    Unfit(Forward),
}

pub(crate) struct Absent {
    why: Forward,
    /// Stored, and to be validated first.
    validates: Option<Arc<Entry>>,
    /// Stored and stale: it may stand in where the origin fails.
    stale: Option<Arc<Entry>>,
    /// Any stored response of the URL: it shows by what answers vary.
    known: Option<Arc<Entry>>,
    /// Others may wait for what is fetched in its place.
    pub joinable: bool,
}

impl Absent {
    /// What comes of the fetch is for its starter, whatever is stored.
    pub fn alone(why: Forward) -> Absent {
        Absent { why, validates: None, stale: None, known: None, joinable: false }
    }
}

impl Found {
    fn hit(&self) -> Option<&Hit> {
        match self {
            Found::Usable(hit) | Found::Meanwhile(hit, _) => Some(hit),
            Found::Absent(_) | Found::Unfit(_) => None,
        }
    }
}

impl Cache {
    pub fn new(settings: Settings) -> Cache {
        let numbers = Arc::new(Numbers::default());
        Cache(Arc::new(Inner {
            memory: Memory::new(settings.memory, numbers.clone()),
            flights: Flights::new(numbers.clone()),
            wholes: Wholes::new(),
            rooms: Rooms::new(),
            memory_size: settings.memory,
            max_object: AtomicU64::new(settings.max_object),
            numbers,
            fetches: AtomicU64::new(0),
            in_force: InForce::default(),
        }))
    }

    /// From now on larger bodies are not stored.
    pub fn set_max_object(&self, bytes: u64) {
        self.0.max_object.store(bytes, Ordering::Relaxed);
    }

    /// Decides what becomes of `ask`, whose URL is `url`.
    ///
    /// # Errors
    ///
    /// [`Refusal::OnlyIfCached`], where the client wants nothing but a stored answer and none can be used.
    pub fn look_up(&self, ask: &Ask, url: &Arc<Url>, caching: &Caching, now: Moment) -> Result<Lookup, Refusal> {
        let wishes = RequestDirectives::of(ask);
        let passes = passes(ask);
        let is_bypassed = passes.is_none() && caching.rules.bypass.covers(ask, url);
        let found = match passes.or(is_bypassed.then_some(Forward::Bypass)) {
            Some(why) => Found::Unfit(why),
            None => self.0.find(ask, url, &wishes, caching, now),
        };
        let lacks_slices = found.hit().is_some_and(|hit| hit.lacks_slices(&self.0.memory, ask, now));
        // RFC 9111 section 5.2.1.7.
        if wishes.only_if_cached && ask.is_get_or_head() && (lacks_slices || found.hit().is_none()) {
            return Err(Refusal::OnlyIfCached);
        }
        // Section 5.2.1.5: what is fetched for it is not stored, be it a slice.
        if wishes.no_store && lacks_slices {
            return Ok(Lookup::Pass(Pass::at_once(Forward::Partial)));
        }
        let mut absent = match found {
            Found::Usable(hit) => return Ok(Lookup::Fresh(hit)),
            Found::Meanwhile(hit, _) if wishes.no_store => return Ok(Lookup::Stale(hit, None)),
            Found::Meanwhile(hit, absent) => return Ok(self.meanwhile(ask, url, caching, hit, absent)),
            Found::Unfit(why) => return Ok(Lookup::Pass(Pass::at_once(why).by_rule(is_bypassed))),
            // Section 5.2.1.5: what is fetched for it is not stored, so others have no part in it.
            Found::Absent(absent) if wishes.no_store => return Ok(Lookup::Pass(Pass::at_once(absent.why))),
            Found::Absent(absent) => absent,
        };
        let mut table = self.0.flights.lock();
        absent.joinable = match table.joinable(url.key()) {
            Some(_) if caching.rules.no_collapse => false,
            Some(underway) if underway.suits(ask, absent.known.as_deref()) => {
                underway.growth.ask_again();
                return Ok(Lookup::Filling(Box::new(Follower::new(underway.clone(), ask, absent.why))));
            }
            Some(_) => false,
            None => {
                // What was under way at the first look may be stored by now.
                if let Found::Usable(hit) = self.0.find(ask, url, &wishes, caching, now) {
                    return Ok(Lookup::Fresh(hit));
                }
                !self.0.memory.is_apart(url.key(), now)
            }
        };
        Ok(self.begin(&mut table, ask, url, caching, absent, now))
    }

    /// A range on a miss is forwarded as a range, unless its whole is worth fetching.
    fn begin(
        &self,
        table: &mut Table,
        ask: &Ask,
        url: &Arc<Url>,
        caching: &Caching,
        absent: Absent,
        now: Moment,
    ) -> Lookup {
        if let Some(opening) = self.opening(ask, caching, &absent) {
            return Lookup::Miss(Box::new(self.start(table, ask, url, caching, absent, opening)));
        }
        match range::asked(ask).filter(|_| absent.validates.is_none()) {
            None if !absent.joinable && absent.validates.is_none() && is_better_passed(ask) => {
                Lookup::Pass(Pass::at_once(absent.why))
            }
            None => Lookup::Miss(Box::new(self.start(table, ask, url, caching, absent, Want::Whole))),
            // Where answers are hardly ever stored, a whole is fetched for nothing.
            Some(_) if !absent.joinable => Lookup::Pass(Pass::for_part(absent.why)),
            Some(ranges) => match self.0.wholes.decide(url.key(), &ranges, self.0.max_object(), now) {
                Partly::Forwarded => Lookup::Pass(Pass::for_part(absent.why)),
                Partly::FromWhole(room) => {
                    let whole = self.start(table, ask, url, caching, absent, Want::Whole).for_the_store(room);
                    Lookup::Miss(Box::new(whole))
                }
                Partly::Beside(room) => {
                    let pass = Pass::for_part(absent.why);
                    let whole = self.start(table, ask, url, caching, absent, Want::Whole).for_the_store(room);
                    Lookup::Beside(pass, Box::new(whole))
                }
            },
        }
    }

    /// Where answers are hardly ever stored, or are for the asker alone, a slice more would be fetched for nothing;
    /// and what was stored whole is renewed whole.
    pub(crate) fn opening(&self, ask: &Ask, caching: &Caching, absent: &Absent) -> Option<Want> {
        let size = caching.slices.filter(|size| *size <= self.0.max_object())?;
        let is_cut = match absent.validates.as_ref().or(absent.stale.as_ref()) {
            Some(before) => before.slicing().is_some(),
            None => absent.joinable && !ask.present.authorization,
        };
        is_cut.then(|| Want::opening(ask, size))
    }

    pub(crate) fn start(
        &self,
        table: &mut Table,
        ask: &Ask,
        url: &Arc<Url>,
        caching: &Caching,
        absent: Absent,
        want: Want,
    ) -> Fill {
        let number = self.0.next_fetch();
        let growth = Arc::new(Growth::new(self.0.numbers.clone()));
        let outdated = caching.lease.has_ended();
        if outdated {
            growth.forbid_storing();
        }
        if self.0.memory.was_missed_before(url.key()) {
            growth.ask_again();
        }
        let mut underway = Underway::new(number, url.clone(), absent.why, ask.fields.clone(), growth);
        underway.opens_slices = matches!(want, Want::Opening { .. });
        let underway = Arc::new(underway);
        self.0.flights.enter(table, &underway, absent.joinable && !outdated);
        Fill::new(underway, self.0.clone(), caching.clone(), absent.validates, absent.stale, want)
    }

    /// Takes an entry out of the store; who reads it reads on. Says whether it was there.
    pub fn forget(&self, entry: &Arc<Entry>) -> bool {
        self.0.forget_body(entry)
    }

    pub fn numbers(&self) -> &Numbers {
        &self.0.numbers
    }
}

impl Inner {
    /// Numbers fetches, from 1.
    pub fn next_fetch(&self) -> u64 {
        self.fetches.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Bytes of the largest body that is stored.
    pub fn max_object(&self) -> u64 {
        self.max_object.load(Ordering::Relaxed)
    }

    fn find(&self, ask: &Ask, url: &Url, wishes: &RequestDirectives, caching: &Caching, now: Moment) -> Found {
        let Some(variants) = self.memory.find(url.key()) else {
            return Found::Absent(Absent::alone(Forward::UriMiss));
        };
        let absent = |why| Absent { known: variants.latest().cloned(), ..Absent::alone(why) };
        let Some(entry) = variants.select(&ask.fields) else {
            return Found::Absent(absent(Forward::VaryMiss));
        };
        // RFC 9110 section 13.2.1: only what was a 200 is answered with 304.
        let validates = || (entry.status() == StatusCode::OK && entry.head().has_validators).then(|| entry.clone());
        let stale = || Absent { validates: validates(), stale: Some(entry.clone()), ..absent(Forward::Stale) };
        // Nobody has seen all of it.
        if entry.slicing().is_some() && caching.slices.is_none() {
            return Found::Absent(absent(Forward::UriMiss));
        }
        match entry.head().stored.reuse(wishes, ask.present.authorization, caching, now).unless(entry.is_softened()) {
            Reuse::Fresh => Found::Usable(Hit::stored(entry.clone(), CacheUse::Hit)),
            Reuse::Stale => Found::Usable(Hit::stored(entry.clone(), CacheUse::Stale)),
            Reuse::Meanwhile => Found::Meanwhile(Hit::stored(entry.clone(), CacheUse::Stale), stale()),
            Reuse::Validate(Forward::Stale) => Found::Absent(stale()),
            Reuse::Validate(why) => Found::Absent(Absent { validates: validates(), ..absent(why) }),
            Reuse::Replace(why) => Found::Absent(absent(why)),
            Reuse::Unfit(why) => Found::Unfit(why),
        }
    }

    /// Stores an entry, unless it was purged since its fetch began. Says whether it did. What was made of another
    /// entry is of use beside that one alone.
    pub fn keep(&self, underway: &Underway, entry: Arc<Entry>) -> bool {
        self.keep_if(underway, entry, |entry| !entry.is_coded() || self.memory.holds_source_of(entry))
    }

    /// The same for one that has a stored one's body: what was purged meanwhile does not come back.
    pub fn renew(&self, underway: &Underway, entry: Arc<Entry>) -> bool {
        self.keep_if(underway, entry, |entry| self.memory.holds(entry))
    }

    fn keep_if(&self, underway: &Underway, entry: Arc<Entry>, may: impl FnOnce(&Entry) -> bool) -> bool {
        let table = self.flights.lock();
        let storable = underway.growth.is_storable() && may(&entry);
        let key = entry.key();
        if storable {
            self.memory.keep(entry, &underway.asked);
        }
        drop(table);
        self.make_room(key);
        storable
    }

    /// Stores an entry in place of a stored one whose body it has, unless that was purged meanwhile.
    pub fn exchange(&self, stored: &Entry, entry: Arc<Entry>, asked: &HeaderMap) {
        let table = self.flights.lock();
        let key = entry.key();
        if self.memory.holds(stored) && !stored.is_softened() {
            self.memory.keep(entry, asked);
        }
        drop(table);
        self.make_room(key);
    }

    /// For what was stored under `key`. One goes at a time: where many small ones leave for a large one, nobody is to
    /// wait for all of them.
    fn make_room(&self, key: UrlKey) {
        loop {
            let table = self.flights.lock();
            let evicted = self.memory.evict(key);
            drop(table);
            if evicted.is_none() {
                return;
            }
        }
    }

    /// Lets nobody join any more, if nobody is there. Who comes at the last moment is not let down: seats
    /// of followers are taken under the same lock.
    pub fn close_if_deserted(&self, underway: &Arc<Underway>) -> bool {
        let mut table = self.flights.lock();
        let deserted = !underway.growth.has_readers();
        if deserted {
            table.close(underway);
        }
        deserted
    }

    /// Takes out the record of what turned out to be cut no more.
    pub fn forget_slicing(&self, record: &Entry) {
        let _table = self.flights.lock();
        self.memory.remove(record.key(), |other| other.slicing() == record.slicing());
    }

    /// Takes out one entry.
    pub fn forget(&self, entry: &Arc<Entry>) {
        let _table = self.flights.lock();
        self.memory.remove(entry.key(), |other| std::ptr::eq(other, &**entry));
        self.memory.take_coded(entry);
    }

    /// Takes out what has the body of an entry, under whatever head. Says whether there was anything.
    pub fn forget_body(&self, entry: &Arc<Entry>) -> bool {
        let _table = self.flights.lock();
        let gone = self.memory.remove(entry.key(), |other| other.has_body_of(entry));
        self.memory.take_coded(entry);
        !gone.is_empty()
    }

    /// Bodies in flight, and those that are read though they were taken out, may take a quarter of what bodies at
    /// rest may, and one of the largest in any case. Beyond that they are not kept. `more` bytes are of a body of
    /// so many as far as is known; small ones have some room of their own, lest a few large ones that trickle in
    /// keep everything else from being stored.
    pub fn exceeds_budget(&self, more: u64, body: u64) -> bool {
        let budget = (self.memory_size / 4).max(self.max_object());
        let own = if body <= budget / 16 { (budget / 4).min(MOST_FOR_SMALL) } else { 0 };
        self.numbers.in_flight().saturating_add(more) > budget + own
    }
}

/// Where answers are hardly ever stored, the client's own preconditions are best met by the origin, and
/// so is HEAD.
fn is_better_passed(ask: &Ask) -> bool {
    ask.present.conditions || ask.method != Method::GET
}

/// Why a request has to do with nothing that is stored.
fn passes(ask: &Ask) -> Option<Forward> {
    if !ask.is_get_or_head() {
        return Some(Forward::Method);
    }
    if ask.present.body || ask.present.upgrade {
        return Some(Forward::Bypass);
    }
    // RFC 9111 section 4.3.2: a cache must not evaluate what only applies to an origin.
    let for_the_origin = |name| ask.fields.contains_key(name);
    (ask.present.conditions && (for_the_origin(IF_MATCH) || for_the_origin(IF_UNMODIFIED_SINCE)))
        .then_some(Forward::Request)
}

#[cfg(test)]
mod tests;
