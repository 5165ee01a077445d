//! Ranges of what is not stored: forwarded as they are and answered at once. The whole is fetched when a part
//! of it is asked for a second time, if it is known to fit.
//!
//! A fetch of the whole costs its origin more than the client pays for it, so it takes two asks within a while,
//! and there are few of them at a time.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use moka::policy::EvictionPolicy;
use terms::wire::range::{Parts, Ranges, Selected};
use terms::{Ask, Moment, Url, UrlKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::range;
use crate::entry::{Arrived, Growth, Seat};
use crate::memory::KeyHasher;
use crate::{Cache, Caching, ReplyHead};

/// How many URLs are remembered as asked for in part.
const MOST_ONCE: u64 = 65_536;

/// For how long, in seconds.
const ONCE_FOR: u64 = 600;

/// Fetches of a whole at a time that go on whoever reads them.
const MOST_WHOLES: usize = 32;

/// What begins this near to the beginning comes about as soon with the whole as by a fetch of its own.
const NEAR: u64 = 1024 * 1024;

/// What is known of wholes of which parts are asked for.
pub(crate) struct Wholes {
    once: moka::sync::Cache<UrlKey, Seen, BuildHasherDefault<KeyHasher>>,
    room: Arc<Semaphore>,
}

#[derive(Clone, Copy)]
struct Seen {
    length: u64,
    at: Moment,
}

/// The cache's own seat at a body that it wants whole: the fetch goes on though nobody else reads it.
pub(crate) struct OwnSeat {
    _seat: Seat,
    _room: OwnedSemaphorePermit,
}

impl OwnSeat {
    pub fn take(growth: &Arc<Growth>, room: OwnedSemaphorePermit) -> OwnSeat {
        OwnSeat { _seat: Seat::take(growth), _room: room }
    }
}

/// What becomes of a range on a miss.
pub(crate) enum Partly {
    Forwarded,
    /// From the whole, as it comes.
    FromWhole(OwnedSemaphorePermit),
    /// Forwarded, and the whole is fetched beside it.
    Beside(OwnedSemaphorePermit),
}

impl Wholes {
    pub fn new() -> Wholes {
        let once = moka::sync::Cache::builder()
            .max_capacity(MOST_ONCE)
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(BuildHasherDefault::default());
        Wholes { once, room: Arc::new(Semaphore::new(MOST_WHOLES)) }
    }

    /// Decides what becomes of `ranges` of `key`, which is not stored.
    pub fn decide(&self, key: UrlKey, ranges: &Ranges, max_object: u64, now: Moment) -> Partly {
        let is_recent = |seen: &Seen| now.steady.saturating_duration_since(seen.at.steady).as_secs() < ONCE_FOR;
        let seen = self.once.get(&key).filter(|seen| is_recent(seen) && seen.length <= max_object);
        let room = seen.and_then(|_| self.room.clone().try_acquire_owned().ok());
        let (Some(Seen { length, .. }), Some(room)) = (seen, room) else { return Partly::Forwarded };
        // Should nothing come of it, it takes two asks again.
        self.once.invalidate(&key);
        match ranges.within(length, 0) {
            Selected::Parts(parts) if parts.parts.iter().any(|part| part.first > NEAR) => Partly::Beside(room),
            _ => Partly::FromWhole(room),
        }
    }
}

impl Cache {
    /// Notes what an origin answered to a range that was forwarded ([`Pass::is_part`](crate::Pass::is_part)): who
    /// asks next may have the whole fetched.
    pub fn saw_part(&self, ask: &Ask, url: &Url, reply: ReplyHead, caching: &Caching, now: Moment) {
        if let Some(length) = whole_length(ask, url, reply, caching, now) {
            self.0.wholes.once.insert(url.key(), Seen { length, at: now });
        }
    }
}

/// Of the whole, if it could be stored.
fn whole_length(ask: &Ask, url: &Url, mut reply: ReplyHead, caching: &Caching, now: Moment) -> Option<u64> {
    let length = match reply.status {
        StatusCode::OK => None,
        StatusCode::PARTIAL_CONTENT => Some(length_of(ask, &Parts::enclosed(&reply.fields)?)?),
        _ => return None,
    };
    if let Some(length) = length {
        reply.fields.insert(CONTENT_LENGTH, length.into());
        reply.fields.remove(CONTENT_RANGE);
    }
    let whole = Arrived::read(&ReplyHead { status: StatusCode::OK, ..reply }, now, now, caching);
    whole.storable(url, &ask.fields, caching).ok()?;
    whole.declared()
}

/// The length of which `enclosed` is a part; `None` where that is not the part that was asked for.
fn length_of(ask: &Ask, enclosed: &Parts) -> Option<u64> {
    let length = enclosed.length?;
    let selected = range::asked(ask)?.within(length, 0);
    (selected == Selected::Parts(enclosed.clone())).then_some(length)
}

#[cfg(test)]
mod tests;
