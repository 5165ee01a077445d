//! What a client may send that carries nothing: a toll on each such frame, paid from a credit that time
//! and answers fill.
//!
//! h2 bounds what a flood makes it *keep* (see [`super`]); each frame costs work all the same, and a
//! connection that only makes work is one that few machines need to wear a server down.

use std::time::Duration;

use tokio::time::Instant;

use super::frames::{Frame, Kind};

/// More than a page of a hundred pictures spends, whose reader leaves at once.
const MOST: u32 = 1_000;

/// One unit comes back in this time: enough for probes of the round trip (gRPC sends some PINGs a
/// second), too little for a flood.
const ONE_IN: Duration = Duration::from_millis(20);

pub(super) struct Toll {
    credit: u32,
    since: Instant,
}

impl Toll {
    pub(super) fn new(now: Instant) -> Toll {
        Toll { credit: MOST, since: now }
    }

    /// Pays for a frame. Says whether there was credit enough.
    pub(super) fn pay(&mut self, frame: &Frame, now: Instant) -> bool {
        let price = price(frame);
        self.refill(now);
        let enough = self.credit >= price;
        self.credit = self.credit.saturating_sub(price);
        enough
    }

    pub(super) fn earn(&mut self, units: u32) {
        self.credit = self.credit.saturating_add(units).min(MOST);
    }

    fn refill(&mut self, now: Instant) {
        let units = now.saturating_duration_since(self.since).as_millis() / ONE_IN.as_millis();
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // What is left of a unit counts on.
        self.since += ONE_IN * units;
        self.earn(units);
    }
}

/// What is earned by an answer that left in full: more than the one RST_STREAM that may follow it.
pub(super) const ANSWER: u32 = 10;

/// What is earned by a DATA frame that was written: a client that opens its window for every KiB is odd,
/// and no attacker.
pub(super) fn earned_by_data(bytes: u32) -> u32 {
    1 + bytes / 1024
}

fn price(frame: &Frame) -> u32 {
    match frame.kind {
        // A request that is taken back was begun all the same (CVE-2023-44487).
        Kind::Reset => 5,
        // Each may change every stream's window.
        Kind::Settings => 10,
        Kind::Priority | Kind::Ping | Kind::GoAway | Kind::WindowUpdate | Kind::Other => 1,
        // Bounded by streams and by what h2 lets a head and a body be.
        Kind::Headers | Kind::Continuation | Kind::Data => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http2::frames::{Seen, Walk};

    fn frame(kind: u8) -> Frame {
        let mut found = None;
        Walk::of_server().along(&[0, 0, 0, kind, 0, 0, 0, 0, 1], |seen| {
            if let Seen::Begun(frame) = seen {
                found = Some(frame);
            }
        });
        found.unwrap()
    }

    #[test]
    fn a_flood_of_any_kind_runs_out_of_credit() {
        let now = Instant::now();
        for kind in [0x2, 0x3, 0x4, 0x6, 0x7, 0x8, 0x10] {
            let mut toll = Toll::new(now);
            let paid = (0..).take_while(|_| toll.pay(&frame(kind), now)).take(10_000).count();
            assert!((100..=1_000).contains(&paid), "{paid} frames of kind {kind}");
        }
    }

    #[test]
    fn time_and_answers_bring_credit_back_up_to_a_bound() {
        let start = Instant::now();
        let mut toll = Toll::new(start);
        let reset = frame(0x3);
        while toll.pay(&reset, start) {}
        let later = start + Duration::from_secs(1);
        assert_eq!((0..).take_while(|_| toll.pay(&reset, later)).count(), 10);
        toll.earn(ANSWER);
        assert!(toll.pay(&reset, later));
        let much_later = later + Duration::from_secs(3600);
        assert_eq!((0..).take_while(|_| toll.pay(&reset, much_later)).count(), 200);
    }
}
