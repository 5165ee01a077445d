//! What the tests stand on: the real binary between a scripted origin and clients that speak raw bytes.
//!
//! Nothing here knows the product's insides. When an [`Edge`] goes out of scope, [`check`] verifies
//! everything that must hold whatever the test was about.

pub mod answer;
pub mod bytes;
pub mod check;
pub mod client;
pub mod edge;
pub mod evidence;
pub mod http2;
pub mod kernel;
pub mod list;
pub mod mmdb;
pub mod origin;
pub mod port;
pub mod process;
pub mod pulse;
pub mod secured;
pub mod tls_front;

use std::time::{Duration, Instant};

pub use answer::Answer;
pub use bytes::{hmac_sha256, noise, sha256_hex};
pub use client::Client;
pub use edge::{Edge, HOST, until_none_is_cut};
pub use http2::Http2;
pub use list::List;
pub use origin::{Gate, Origin, Page, Reply, Step};
pub use port::Port;
pub use process::seawall;
pub use pulse::Pulse;
pub use secured::{Pair, Trusting};

/// For whatever should happen soon, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(60);

/// Looks until `look` finds something. The only place where tests wait for time to pass.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {SOON:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || look().then_some(()));
}

/// Waits for a moment that the test planned, to keep a rate.
pub fn at(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Looks for `time` that `holds` never stops to hold.
pub fn always(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        assert!(holds(), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
