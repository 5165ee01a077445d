//! When a stale response may be used (RFC 9111 section 4.2.4, RFC 5861).

use std::time::Duration;

use terms::{Moment, Refusal};

use super::Stored;
use super::directives::ResponseDirectives;
use super::freshness::Freshness;
use crate::Caching;

/// For how long a response is used beyond its lifetime while its origin gives no answer, where it says
/// nothing of that: long enough for a night without anybody to mend it, and not for longer than people
/// remember what they saw.
const WITHOUT_AN_ANSWER: Duration = Duration::from_secs(24 * 60 * 60);

/// What a response says of its use once it is stale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staleness {
    /// Prohibited by must-revalidate, proxy-revalidate and s-maxage, whoever asks for it. So is what says
    /// nothing of how long it holds, and can't be guessed to: it may well be one client's alone.
    pub never: bool,
    /// It is s-maxage alone that prohibits it.
    pub never_by_s_maxage: bool,
    /// While it is validated behind the client's back, in seconds.
    meanwhile: u32,
    /// Where the origin fails, in seconds.
    if_error: Option<u32>,
}

impl Staleness {
    pub fn of(directives: &ResponseDirectives, freshness: &Freshness) -> Staleness {
        let revalidates = directives.must_revalidate || directives.proxy_revalidate;
        let allowed = directives.stale_while_revalidate.is_some() || directives.stale_if_error.is_some();
        let prohibited = revalidates || !(freshness.is_known() || allowed);
        Staleness {
            never: prohibited || directives.s_maxage.is_some(),
            never_by_s_maxage: !prohibited && directives.s_maxage.is_some(),
            meanwhile: directives.stale_while_revalidate.map_or(0, in_32_bits),
            if_error: directives.stale_if_error.map(in_32_bits),
        }
    }

    pub fn meanwhile(&self) -> Duration {
        Duration::from_secs(self.meanwhile.into())
    }
}

/// What a directive says is 2³¹ at most.
fn in_32_bits(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// How an origin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It says so itself: 500, 502, 503, 504.
    Error,
    /// No answer was to be had: the cache is disconnected from it.
    NoAnswer,
}

impl Failure {
    /// `None` for what has nothing to do with the origin, a block above all.
    pub fn of(refusal: &Refusal) -> Option<Failure> {
        match refusal {
            Refusal::OriginUnreachable(_) | Refusal::OriginBroken(_) | Refusal::OriginTimeout => {
                Some(Failure::NoAnswer)
            }
            // It may be well: too much was asked of it at a time.
            Refusal::OriginBusy => Some(Failure::Error),
            _ => None,
        }
    }
}

impl Stored {
    /// Whether it will answer anybody, if only where its origin fails. `validates`: the origin can be asked whether
    /// it still holds.
    pub fn is_of_use(&self, validates: bool, caching: &Caching, now: Moment) -> bool {
        validates
            || self.freshness.is_fresh(now)
            || self.freshness.staleness(now) < self.staleness.meanwhile()
            || self.serves_on(Failure::NoAnswer, caching, now)
    }

    /// Whether this response is used in place of an answer that the origin failed to give. What says how
    /// long it holds on errors is used for no longer; the others are used where section 4.2.4 allows it to a
    /// cache that is disconnected.
    pub fn serves_on(&self, failure: Failure, caching: &Caching, now: Moment) -> bool {
        if self.validate_always || self.staleness.never || (self.sets_cookie && !caching.store_set_cookie) {
            return false;
        }
        let most = match (self.staleness.if_error, failure) {
            (Some(most), _) => Duration::from_secs(most.into()),
            // What the origin never let be used without being asked is not used for want of an answer.
            (None, Failure::NoAnswer) if self.freshness.has_lifetime() => WITHOUT_AN_ANSWER,
            (None, Failure::NoAnswer) => return false,
            (None, Failure::Error) => return false,
        };
        self.freshness.staleness(now) <= most
    }

    /// Whether it is used so because the client takes it for `accepted` beyond its lifetime (RFC 5861 section 4), and
    /// it forbids that not.
    pub fn serves_on_wish(&self, accepted: Duration, caching: &Caching, now: Moment) -> bool {
        let is_forbidden =
            self.validate_always || self.staleness.never || (self.sets_cookie && !caching.store_set_cookie);
        let most = self.staleness.if_error.map_or(accepted, |most| accepted.min(Duration::from_secs(most.into())));
        !is_forbidden && self.freshness.has_lifetime() && self.freshness.staleness(now) <= most
    }
}
