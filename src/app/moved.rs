//! Hosts that are served from elsewhere since a reload: what is stored of them goes.

use std::sync::Arc;

use cache::{Aim, Cache, Force, Purged};

use terms::Url;

use crate::sites::Sites;

/// Takes out the copies that what serves their URLs now might not have fetched alike. What the sites that
/// were replaced still fetch is not stored.
pub(super) fn purge(before: &Sites, now: &Sites, cache: &Cache) -> Purged {
    let stays = |one: &&Arc<_>| now.all().iter().any(|other| Arc::ptr_eq(one, other));
    if before.all().len() == now.all().len() && before.all().iter().all(|site| stays(&site)) {
        return Purged::default();
    }
    for site in before.all().iter().filter(|site| !stays(site)) {
        site.caching.lease.end();
    }
    let is_moved = |url: &Url, _| match (before.of_host(url.host()), now.of_host(url.host())) {
        (Some(one), Some(other)) => !Arc::ptr_eq(one, other) && !one.fetches_as(other),
        (one, other) => one.is_some() || other.is_some(),
    };
    cache.purge(&Aim::Covered(&is_moved), Force::Hard)
}
