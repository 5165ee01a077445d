//! How much one address, and all of them, may ask at a time: of the edge, or of a site.
//!
//! Nothing is kept of anybody, and next to nothing is done, where no limit is set.

mod crowd;
mod pace;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use terms::Refusal;

use pace::{Addresses, Pace};

pub use crowd::{Crowd, Place};

/// So many in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least one.
    pub count: u32,
    pub per: Duration,
}

/// What is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of the edge, connections; of a site, requests under way.
    pub connections_per_address: Option<u32>,
    pub requests_per_address: Option<Rate>,
    /// So many requests of an address may come at once; as many as its rate names where it is `None`.
    pub burst: Option<u32>,
    /// Of all addresses together.
    pub requests: Option<Rate>,
}

/// The limits in force, and what was asked of late. They may change while requests are counted: what an
/// address has used up it has used up under the new ones, too.
pub struct Quota {
    limits: ArcSwap<Limits>,
    /// Looked at first, for most have none.
    has_limits: AtomicBool,
    start: Instant,
    addresses: OnceLock<Addresses>,
    all: AtomicU64,
    crowd: Arc<Crowd>,
}

#[derive(Default)]
struct Limits {
    connections: Option<u32>,
    per_address: Option<Pace>,
    all: Option<Pace>,
}

impl Limits {
    fn of(settings: Settings) -> Limits {
        let pace = |rate: Rate, burst: Option<u32>| Pace::of(rate, burst.unwrap_or(rate.count));
        Limits {
            connections: settings.connections_per_address,
            per_address: settings.requests_per_address.map(|rate| pace(rate, settings.burst)),
            all: settings.requests.map(|rate| pace(rate, None)),
        }
    }

    fn is_none(&self) -> bool {
        self.connections.is_none() && self.per_address.is_none() && self.all.is_none()
    }
}

impl Default for Quota {
    fn default() -> Quota {
        Quota {
            limits: ArcSwap::default(),
            has_limits: AtomicBool::new(false),
            start: Instant::now(),
            addresses: OnceLock::new(),
            all: AtomicU64::new(0),
            crowd: Arc::default(),
        }
    }
}

impl Quota {
    pub fn set(&self, settings: Settings) {
        let limits = Limits::of(settings);
        let has_limits = !limits.is_none();
        self.limits.store(Arc::new(limits));
        self.has_limits.store(has_limits, Relaxed);
    }

    /// Counts one request more at `now`, unless it is one too many. Gives the place that it takes until its
    /// answer has left, where these are limited.
    pub fn admit(&self, client: IpAddr, now: Instant) -> Result<Option<Place>, Refusal> {
        if !self.has_limits.load(Relaxed) {
            return Ok(None);
        }
        let limits = self.limits.load();
        let now = nanos(now.saturating_duration_since(self.start));
        let too_many = |wait| Refusal::TooManyRequests { wait: Duration::from_nanos(wait) };
        if let Some(pace) = limits.per_address {
            self.addresses.get_or_init(Addresses::default).pour(client, pace, now).map_err(too_many)?;
        }
        if let Some(pace) = limits.all {
            pace.pour_into(&self.all, now).map_err(too_many)?;
        }
        let Some(most) = limits.connections else { return Ok(None) };
        // When a place becomes free nobody knows.
        self.crowd.enter(client, most).map(Some).ok_or(Refusal::TooManyRequests { wait: Duration::from_secs(1) })
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Whom an address stands for: itself, or of IPv6 its /64, which is the least that a subscriber has
/// (RFC 6177 section 2).
fn household(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // No network of IPv6 that is in use begins like this.
        IpAddr::V4(address) => 1 << 63 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, seconds: u64) -> Option<Rate> {
        Some(Rate { count, per: Duration::from_secs(seconds) })
    }

    fn quota(settings: Settings) -> (Quota, Instant) {
        let quota = Quota::default();
        quota.set(settings);
        let start = quota.start;
        (quota, start)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn wait(asked: Result<Option<Place>, Refusal>) -> Option<Duration> {
        match asked {
            Ok(_) => None,
            Err(Refusal::TooManyRequests { wait }) => Some(wait),
            Err(other) => panic!("{other}"),
        }
    }

    /// At rate 2/s with a burst of 3: who asks when, and how long it is to wait.
    #[test]
    fn an_address_has_a_burst_and_then_a_rate() {
        let settings = Settings { requests_per_address: rate(2, 1), burst: Some(3), ..Settings::default() };
        let (quota, start) = quota(settings);
        let millis = Duration::from_millis;
        for (at, who, expected) in [
            (0, "192.0.2.1", None),
            (0, "192.0.2.1", None),
            (0, "192.0.2.1", None),
            (0, "192.0.2.1", Some(millis(500))),
            (0, "192.0.2.2", None),
            (499, "192.0.2.1", Some(millis(1))),
            (500, "192.0.2.1", None),
            (501, "192.0.2.1", Some(millis(499))),
            (9000, "192.0.2.1", None),
            (9000, "192.0.2.1", None),
            (9000, "192.0.2.1", None),
            (9000, "192.0.2.1", Some(millis(500))),
        ] {
            assert_eq!(wait(quota.admit(address(who), start + millis(at))), expected, "{who} at {at} ms");
        }
    }

    #[test]
    fn a_rate_alone_is_its_own_burst() {
        let (quota, start) = quota(Settings { requests_per_address: rate(6, 60), ..Settings::default() });
        let refused = (0..9).filter(|_| quota.admit(address("192.0.2.1"), start).is_err()).count();
        assert_eq!(refused, 3);
        let later = start + Duration::from_secs(10);
        assert!(quota.admit(address("192.0.2.1"), later).is_ok());
        assert!(quota.admit(address("192.0.2.1"), later).is_err());
    }

    #[test]
    fn neighbours_in_one_64_are_one() {
        let (quota, start) = quota(Settings { requests_per_address: rate(1, 1), ..Settings::default() });
        for (who, is_admitted) in [
            ("2001:db8::1", true),
            ("2001:db8::ffff:2", false),
            ("2001:db8:0:1::1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
        ] {
            assert_eq!(quota.admit(address(who), start).is_ok(), is_admitted, "{who}");
        }
    }

    #[test]
    fn all_together_have_a_rate_too() {
        let (quota, start) = quota(Settings { requests: rate(2, 1), ..Settings::default() });
        let asked: Vec<bool> =
            (1..=4).map(|host| quota.admit(IpAddr::from([192, 0, 2, host]), start).is_ok()).collect();
        assert_eq!(asked, [true, true, false, false]);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let (quota, start) = quota(Settings { connections_per_address: Some(2), ..Settings::default() });
        let one = quota.admit(address("192.0.2.1"), start).unwrap();
        let _two = quota.admit(address("192.0.2.1"), start).unwrap();
        assert!(quota.admit(address("192.0.2.1"), start).is_err());
        assert!(quota.admit(address("192.0.2.2"), start).is_ok());
        drop(one);
        assert!(quota.admit(address("192.0.2.1"), start).is_ok());
    }

    #[test]
    fn what_was_used_up_stays_so_under_other_limits() {
        let (quota, start) = quota(Settings { requests_per_address: rate(1, 60), ..Settings::default() });
        assert!(quota.admit(address("192.0.2.1"), start).is_ok());
        quota.set(Settings { requests_per_address: rate(2, 60), burst: Some(1), ..Settings::default() });
        assert!(quota.admit(address("192.0.2.1"), start).is_err());
        quota.set(Settings::default());
        assert!(quota.admit(address("192.0.2.1"), start).is_ok());
    }
}
