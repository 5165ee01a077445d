//! What is known of the bytes behind URLs that a digest rule stopped, so that the next ask is refused
//! before its first byte. Not the authority: what is forgotten is judged again when its bytes come.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use terms::{Digest, Timestamp, Url, UrlKey};

/// URLs that are remembered, the newest of them.
const MOST: usize = 65_536;

/// How long at least: the bytes behind a URL may change.
const KNOWN_FOR: Duration = Duration::from_secs(300);

/// How long at most, whatever an origin says of how long its answer holds.
const KNOWN_AT_MOST: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Default)]
pub(crate) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    /// Until when, too.
    digests: HashMap<UrlKey, (Digest, Timestamp)>,
    order: VecDeque<UrlKey>,
}

impl Known {
    /// For as long as the answer would have been fresh, if that is known.
    pub(crate) fn remember(&self, url: &Url, digest: Digest, fresh_for: Option<Duration>, now: Timestamp) {
        let until = now.plus(fresh_for.unwrap_or_default().clamp(KNOWN_FOR, KNOWN_AT_MOST));
        let state = &mut *self.0.lock();
        match state.digests.entry(url.key()) {
            Entry::Occupied(mut before) if before.get().0 == digest => before.get_mut().1 = until.max(before.get().1),
            Entry::Occupied(mut before) => drop(before.insert((digest, until))),
            Entry::Vacant(vacant) => {
                vacant.insert((digest, until));
                state.order.push_back(url.key());
            }
        }
        if state.order.len() > MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.digests.remove(&oldest);
        }
    }

    pub(crate) fn digest(&self, url: &Url, now: Timestamp) -> Option<Digest> {
        let state = self.0.lock();
        let (digest, until) = state.digests.get(&url.key())?;
        (now < *until).then_some(*digest)
    }

    pub(crate) fn forget(&self, url: &Url) {
        // Its place in the order goes to waste until it is its turn.
        self.0.lock().digests.remove(&url.key());
    }

    pub(crate) fn forget_all(&self) {
        *self.0.lock() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_known_for_a_while() {
        let known = Known::default();
        let url = Url::parse("h.example/a").unwrap();
        let (digest, now) = (Digest::of(b"a"), Timestamp::from_secs(1_000));
        assert_eq!(known.digest(&url, now), None);
        known.remember(&url, digest, None, now);
        assert_eq!(known.digest(&url, now.plus(Duration::from_secs(299))), Some(digest));
        assert_eq!(known.digest(&url, now.plus(KNOWN_FOR)), None);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let known = Known::default();
        let url = |n: usize| Url::parse(&format!("h.example/{n}")).unwrap();
        let (digest, now) = (Digest::of(b"a"), Timestamp::from_secs(1_000));
        (0..=MOST).for_each(|n| known.remember(&url(n), digest, None, now));
        assert_eq!(known.digest(&url(0), now), None);
        assert_eq!(known.digest(&url(1), now), Some(digest));
        assert_eq!(known.digest(&url(MOST), now), Some(digest));
    }
}
