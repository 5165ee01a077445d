//! RFC 9111 as decisions: pure functions of what was asked, what is stored, and the time.
//!
//! Each branch stands under the clause that it obeys. Two questions are answered here: may this
//! response be stored ([`storable`]), and may what is stored answer this request ([`Stored::reuse`]).
//!
//! Left out on purpose: partial responses (section 3.3), which are kept as slices of their own.

pub mod date;
pub mod directives;
pub mod freshness;
mod invalidation;
mod post;
mod stale;
mod storable;
pub mod validators;
pub mod vary;

use std::time::Duration;

use terms::Moment;

use crate::Caching;
use directives::{RequestDirectives, ResponseDirectives, Scope};
use freshness::Freshness;
use stale::Staleness;

pub use invalidation::{also_invalidated, invalidates};
pub use post::stands_for_get;
pub use stale::Failure;
pub use storable::{Unstorable, storable};

/// Why a request goes on to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache has no part in such requests.
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    /// Something fresh is stored, and the request does not take it.
    Request,
    Stale,
    /// Some of what is asked for is stored, not all of it.
    Partial,
}

impl Forward {
    pub const fn as_str(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
            Forward::Partial => "partial",
        }
    }
}

/// What decides over the reuse of a stored response.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    pub freshness: Freshness,
    /// `no-cache`: not without validation.
    validate_always: bool,
    /// It won't change while it is fresh (RFC 8246).
    immutable: bool,
    staleness: Staleness,
    /// It may answer requests with `Authorization`.
    for_authorized: bool,
    sets_cookie: bool,
}

/// Whether a stored response answers a request that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    Fresh,
    /// Stale, and the client takes it.
    Stale,
    /// Stale, and used while the origin is asked behind the client's back.
    Meanwhile,
    /// Not before the origin was asked whether it still holds.
    Validate(Forward),
    /// The site would not store it any more: it is as if it were not there.
    Replace(Forward),
    /// It says nothing to this request.
    Unfit(Forward),
}

impl Reuse {
    /// What is purged softly answers nobody without the origin's word.
    #[must_use]
    pub fn unless(self, is_softened: bool) -> Reuse {
        match self {
            Reuse::Fresh | Reuse::Stale | Reuse::Meanwhile if is_softened => Reuse::Validate(Forward::Stale),
            other => other,
        }
    }
}

impl Stored {
    pub fn new(directives: &ResponseDirectives, freshness: Freshness, sets_cookie: bool) -> Stored {
        Stored {
            freshness,
            validate_always: directives.no_cache == Scope::Everything,
            immutable: directives.immutable,
            staleness: Staleness::of(directives, &freshness),
            for_authorized: allows_authorized(directives),
            sets_cookie,
        }
    }

    /// Section 4, of a response whose URL and variant match.
    pub fn reuse(&self, wishes: &RequestDirectives, authorized: bool, caching: &Caching, now: Moment) -> Reuse {
        // Validation would keep the cookie, and hand it to the one who asks.
        if self.sets_cookie && !caching.store_set_cookie {
            return Reuse::Replace(Forward::UriMiss);
        }
        if !self.may_answer(authorized) {
            return Reuse::Unfit(Forward::Request);
        }
        // Section 5.2.2.4.
        if self.validate_always {
            return Reuse::Validate(Forward::Stale);
        }
        if self.freshness.is_fresh(now) {
            // Sections 5.2.1.1, 5.2.1.3, 5.2.1.4: advice, which the operator chooses to follow or not.
            let refreshes = caching.client_refresh && self.disappoints(wishes, now);
            return if refreshes { Reuse::Validate(Forward::Request) } else { Reuse::Fresh };
        }
        let staleness = self.freshness.staleness(now);
        // RFC 5861 section 3. That s-maxage prohibits it too is what many who send both don't mean.
        let is_prohibited =
            self.staleness.never && !(self.staleness.never_by_s_maxage && caching.rules.stale_with_s_maxage);
        // Section 5.2.1.1: max-age holds beside max-stale.
        let refreshes = caching.client_refresh && self.disappoints(wishes, now);
        if staleness < self.staleness.meanwhile() && !refreshes && !is_prohibited {
            return Reuse::Meanwhile;
        }
        if self.staleness.never {
            return Reuse::Validate(Forward::Stale);
        }
        // Sections 4.2.4 and 5.2.1.2.
        let accepted = wishes.max_stale.map(Duration::from_secs);
        if !refreshes && accepted.is_some_and(|most| staleness <= most) {
            return Reuse::Stale;
        }
        Reuse::Validate(Forward::Stale)
    }

    /// Whether the response prohibits its use once it is stale.
    pub fn is_never_stale(&self) -> bool {
        self.staleness.never
    }

    fn disappoints(&self, wishes: &RequestDirectives, now: Moment) -> bool {
        // RFC 8246 section 2.1: only who says no-cache outright wants to hear it from the origin.
        if self.immutable && self.freshness.is_fresh(now) {
            return wishes.no_cache;
        }
        let age = self.freshness.age(now);
        let too_old = wishes.max_age.is_some_and(|most| age > Duration::from_secs(most));
        let too_near =
            wishes.min_fresh.is_some_and(|least| self.freshness.ttl(now) < i64::try_from(least).unwrap_or(i64::MAX));
        wishes.no_cache || too_old || too_near
    }

    /// Section 3.5 forbids the one half: to reuse what answered an authorised request. The other half, to
    /// answer an authorised request with what anybody got, it leaves open. Few origins that know their
    /// users say `Vary: Authorization`, so both need the response's word here.
    pub fn may_answer(&self, authorized: bool) -> bool {
        !authorized || self.for_authorized
    }

    /// Section 4: whether it may answer those, too, who asked while it was being fetched.
    pub fn is_for_many(&self) -> bool {
        !self.validate_always && self.freshness.is_fresh_on_arrival()
    }
}

fn allows_authorized(directives: &ResponseDirectives) -> bool {
    // Section 3.5.
    directives.must_revalidate || directives.public || directives.s_maxage.is_some()
}

#[cfg(test)]
mod tests;
