//! An entry in a coding: found, joined while it is made, or to be made.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use terms::{Ask, Body, Encoded, Moment, Proof, UrlKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::decoding::{Decoded, Decoding, Encoding, Undecodable};
use super::turns::Turns;
use super::{Coding, fields};
use crate::answer::Hit;
use crate::entry::{self, Entry, Extent, Growth, Seat};
use crate::flight::{Outcome, Table, Underway};
use crate::writer::Writer;
use crate::{Cache, Caching, Inner};

/// Which representation of what was found answers a request (RFC 9110 section 3.2).
#[derive(Default)]
pub(crate) enum Representation {
    /// There is one.
    #[default]
    Only,
    /// As it came, and others get it compressed.
    AsItCame,
    Coded(Box<Coded>),
}

pub(crate) struct Coded {
    pub coding: Coding,
    /// `None` where no byte of it is asked for, and none is there.
    pub entry: Option<Arc<Entry>>,
    pub seat: Option<Seat>,
}

impl Representation {
    pub fn is_coded(&self) -> bool {
        matches!(self, Representation::Coded(_))
    }

    /// Makes the fields of what came those of this.
    pub fn shape(&self, fields: &mut HeaderMap) {
        match self {
            Representation::Only => {}
            Representation::AsItCame => fields::vary(fields),
            Representation::Coded(coded) => {
                fields::vary(fields);
                let length = coded.entry.as_ref().and_then(|entry| entry.length());
                fields::shape(fields, coded.coding, length);
            }
        }
    }

    /// `origin` is the proof of what came.
    pub fn proof(&self, origin: Proof) -> Proof {
        match self {
            Representation::Only | Representation::AsItCame => origin,
            Representation::Coded(coded) => {
                origin.in_coding(coded.entry.as_ref().map_or(Proof::None, |entry| entry.proof()))
            }
        }
    }
}

/// An entry in a coding, to be made of another one's bytes.
pub struct Making {
    /// What it is made of.
    pub source: Body,
    /// Of those bytes.
    pub origin: Proof,
    pub writer: Writer,
    /// To be kept until it is made.
    pub room: Room,
}

/// What coders take of memory at a time, in MiB, for all sites.
const MOST_ROOM: usize = 128;

/// A coder's share of [`MOST_ROOM`], for one coding.
#[must_use]
pub struct Room {
    pub coding: Coding,
    _permit: OwnedSemaphorePermit,
}

/// What decoders take of memory at a time, in MiB, for all sites: they keep what a stranger has them keep.
const MOST_DECODING: usize = 256;

/// Where coders and decoders find room. Who finds none does without.
pub(crate) struct Rooms {
    coders: Arc<Semaphore>,
    decoders: Arc<Semaphore>,
    /// For whole bodies.
    turns: Turns,
}

impl Rooms {
    pub fn new() -> Rooms {
        let room = |mebibytes| Arc::new(Semaphore::new(mebibytes));
        Rooms { coders: room(MOST_ROOM), decoders: room(MOST_DECODING), turns: Turns::new() }
    }

    pub fn decoding(&self, encoding: Encoding) -> Decoding {
        let Encoding::One(coding) = encoding else { return Decoding::failed(Undecodable::Coding) };
        // The largest window that each takes, and what comes with it.
        let mebibytes = match coding {
            Coding::Zstd => 9,
            Coding::Br => 17,
            Coding::Gzip => 1,
        };
        match self.decoders.clone().try_acquire_many_owned(mebibytes) {
            Ok(permit) => Decoding::new(coding, Some(permit)),
            Err(_) => Decoding::failed(Undecodable::NoRoom),
        }
    }

    /// What a whole body is without its coding, when it is its turn.
    pub async fn decoded(&self, encoding: Encoding, chunks: Vec<Bytes>) -> Result<Decoded, Undecodable> {
        self.turns.take(move || Decoding::of(encoding, &chunks)).await.unwrap_or(Err(Undecodable::NoRoom))
    }

    /// As measured at the levels that are in use, rounded up.
    fn take(&self, coding: Coding) -> Option<Room> {
        let mebibytes = match coding {
            Coding::Zstd => 4,
            Coding::Br => 8,
            Coding::Gzip => 1,
        };
        let permit = self.coders.clone().try_acquire_many_owned(mebibytes).ok()?;
        Some(Room { coding, _permit: permit })
    }
}

impl Cache {
    /// Room for a coder, if there is.
    pub fn room(&self, coding: Coding) -> Option<Room> {
        self.0.rooms.take(coding)
    }

    /// Finds out what a stored body is without its content coding, when it is its turn: once for all who want to know.
    pub async fn decode(&self, undecoded: Arc<dyn Encoded>) {
        self.0.rooms.turns.decode(undecoded).await;
    }

    /// What takes the bytes of a body that passes, and tells what they are without the coding that `fields` name;
    /// `None` where they name none.
    pub fn decoding(&self, fields: &HeaderMap) -> Option<Decoding> {
        match Encoding::of(fields) {
            Encoding::Identity => None,
            encoding => Some(self.0.rooms.decoding(encoding)),
        }
    }

    /// The hit, as a client that says what codings it takes is best answered. What it then reads may have to be made.
    pub fn represent(&self, mut hit: Hit, ask: &Ask, caching: &Caching, now: Moment) -> (Hit, Option<Box<Making>>) {
        let entry = &hit.entry;
        let compression = caching.compression.as_deref().filter(|_| ask.is_get_or_head() && !hit.is_sliced());
        let Some(compression) = compression else { return (hit, None) };
        let fields = entry.fields();
        if !compression.covers(entry.status(), &fields, entry.length()) {
            return (hit, None);
        }
        hit.representation = Representation::AsItCame;
        let Some(coding) = compression.wanted(ask) else { return (hit, None) };
        let is_read = ask.method == Method::GET && !hit.is_unmodified(ask, &fields, now.wall);
        let Some((coded, making)) = self.0.coded(&mut hit, coding, is_read, caching, now) else { return (hit, None) };
        hit.representation = Representation::Coded(Box::new(coded));
        (hit, making)
    }
}

impl Inner {
    /// `None` where there is no room to make it.
    fn coded(
        self: &Arc<Self>,
        hit: &mut Hit,
        coding: Coding,
        is_read: bool,
        caching: &Caching,
        now: Moment,
    ) -> Option<(Coded, Option<Box<Making>>)> {
        let key = hit.entry.url().key().coding(hit.entry.fill(), coding as u64);
        let stored = || self.memory.find(key).and_then(|variants| variants.latest().cloned());
        let coded = |entry, seat| Coded { coding, entry, seat };
        if let Some(entry) = stored() {
            return Some((coded(Some(entry), None), None));
        }
        if !is_read {
            return Some((coded(None, None), None));
        }
        let mut table = self.flights.lock();
        // What was being made at the first look may be stored by now.
        if let Some(entry) = stored() {
            return Some((coded(Some(entry), None), None));
        }
        if let Some(underway) = table.joinable(key) {
            let seat = Seat::take(&underway.growth);
            return Some((coded(underway.entry(), Some(seat)), None));
        }
        let room = self.rooms.take(coding)?;
        let (entry, seat, making) = self.begin(&mut table, hit, key, room, caching, now);
        Some((coded(Some(entry), Some(seat)), Some(Box::new(making))))
    }

    fn begin(
        self: &Arc<Self>,
        table: &mut Table,
        hit: &mut Hit,
        key: UrlKey,
        room: Room,
        caching: &Caching,
        now: Moment,
    ) -> (Arc<Entry>, Seat, Making) {
        let growth = Arc::new(Growth::new(self.numbers.clone()));
        if caching.lease.has_ended() {
            growth.forbid_storing();
        }
        if self.memory.was_missed_before(key) {
            growth.ask_again();
        }
        let of = &hit.entry;
        let underway = Arc::new(Underway::of_coding(self.next_fetch(), of.url().clone(), key, growth.clone()));
        let head = of.head().of_coding();
        underway.land(head.tags().collect());
        let (seat, origin) = (Seat::take(&growth), of.proof());
        let entry = Entry::new(of.url().clone(), of.fill(), head, growth, None);
        let entry = Arc::new(entry.with_extent(Extent::Coded(Box::new(entry::Coded { key, origin: origin.clone() }))));
        let outcome = Outcome::Entry { entry: entry.clone(), status: StatusCode::OK, for_many: true, alone: None };
        // Whoever joins finds the entry at once.
        underway.tell(outcome.clone());
        self.flights.enter(table, &underway, true);
        let source = of.read(hit.seat.take(), 0, None);
        let writer = Writer::new(underway, self.clone(), entry.clone(), outcome, None, now);
        (entry, seat, Making { source, origin, writer, room })
    }
}
