//! What POST was answered with is stored where its origin lets it stand for GET.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use terms::{Ask, Url};

use crate::cache::Absent;
use crate::policy::directives::RequestDirectives;
use crate::policy::{Forward, stands_for_get};
use crate::slices::Want;
use crate::{Cache, Caching, Fill};

impl Cache {
    /// How often something was purged or invalidated so far.
    pub fn purges(&self) -> u64 {
        self.0.flights.lock().purges
    }

    /// The fill that takes in what `ask`, a POST, was answered with, if that answers GET as well. Whether it may be
    /// stored, the fill's landing says. `purges` is how often something had been purged when the request went out, and what it
    /// invalidated itself: after any other purge nothing is stored, since nobody knew of this fetch.
    pub fn fill_by_post(
        &self,
        ask: &Ask,
        url: &Arc<Url>,
        (status, fields): (StatusCode, &HeaderMap),
        caching: &Caching,
        purges: u64,
    ) -> Option<Fill> {
        let stands = stands_for_get(url, ask.client.scheme, status, fields)
            && !RequestDirectives::of(ask).no_store
            && !caching.rules.bypass.covers(ask, url);
        // The origin was asked by this very URL: what made its answer is all in the name.
        let name = stands.then(|| caching.rules.key.name(ask, url)).filter(|name| name.target() == url.target())?;
        let mut table = self.0.flights.lock();
        if table.purges != purges {
            return None;
        }
        Some(self.start(&mut table, ask, &name, caching, Absent::alone(Forward::Method), Want::Whole))
    }
}
