//! Fetches behind a client's back: what is stale is served at once, and renewed for the next one.

use std::sync::Arc;

use terms::{Ask, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Hit;
use crate::cache::Absent;
use crate::slices::Want;
use crate::{Cache, Caching, Lookup};

/// Such fetches of a site at a time. Nobody waits for them, so nobody's patience bounds them; what finds no
/// room is renewed by the next asker.
const MOST: usize = 16;

/// The room of a site for fetches that no client waits for.
#[derive(Clone, Debug)]
pub struct Background(Arc<Semaphore>);

impl Default for Background {
    fn default() -> Background {
        Background(Arc::new(Semaphore::new(MOST)))
    }
}

impl Background {
    fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

impl Cache {
    /// RFC 5861 section 3. One fetch at a time for a URL.
    pub(crate) fn meanwhile(
        &self,
        ask: &Ask,
        url: &Arc<Url>,
        caching: &Caching,
        hit: Hit,
        mut absent: Absent,
    ) -> Lookup {
        let mut table = self.0.flights.lock();
        let is_renewed = table.joinable(url.key()).is_some() || !self.0.memory.holds(&hit.entry);
        let room = match is_renewed || caching.lease.has_ended() {
            true => None,
            false => caching.background.room(),
        };
        absent.joinable = true;
        let want = self.opening(ask, caching, &absent).unwrap_or(Want::Whole);
        let fill = room.map(|room| self.start(&mut table, ask, url, caching, absent, want).for_the_store(room));
        Lookup::Stale(hit, fill.map(Box::new))
    }
}

#[cfg(test)]
mod tests;
