//! Rules whose hour comes or goes, pages that change, and what is not done at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use block::{Index, Kin};
use terms::Timestamp;

use super::Takedown;

/// How often pages are looked at: a few files at most.
const PAGES_LOOK: Duration = Duration::from_secs(1);

/// How often the clock is looked at, for it may be set; a machine that slept finds its timers late.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How often is looked whether something is still to be told.
const RETRY: Duration = Duration::from_secs(30);

impl Takedown {
    /// Puts rules in force whose hour has come, takes those out whose hour is over, and tells what
    /// could not be told before. Runs for as long as the edge.
    pub async fn keep_time(self: Arc<Self>) {
        let (mut judged, mut told) = (self.in_force_since(), Instant::now());
        loop {
            let now = self.clock.wall();
            let boundary = self.blocks.index().next_boundary(judged.min(now));
            let wait = boundary.map_or(LOOK, |at| at.since(now).min(LOOK));
            tokio::select! {
                () = self.boundaries.notified() => {
                    judged = self.in_force_since();
                    continue;
                }
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.wall();
            let is_past = has_boundary(&self.blocks.index(), judged, now);
            judged = now;
            let is_time_to_tell = told.elapsed() >= RETRY;
            if is_past || is_time_to_tell {
                told = Instant::now();
                let takedown = self.clone();
                let is_due = is_past || self.unpublished.load(Relaxed);
                // A failure is told by the one who meets it, and met again with the next look.
                let _ = tokio::task::spawn_blocking(move || takedown.keep_up(is_due)).await;
            }
        }
    }

    /// When all that is under way was judged last.
    fn in_force_since(&self) -> Timestamp {
        Timestamp::from_micros(self.since.load(Relaxed))
    }

    /// Shows pages as they change on the disk. Runs for as long as the edge.
    pub async fn keep_pages(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PAGES_LOOK).await;
            let index = self.blocks.index();
            if index.tables().iter().any(|table| table.pages().next().is_some()) {
                let takedown = self.clone();
                let look = move || takedown.blocks.shelf().look(index.tables(), takedown.clock.wall());
                // A panic there was told when it happened.
                let _ = tokio::task::spawn_blocking(look).await;
            }
        }
    }

    /// Has live edits held so that those that follow cost little, beside what goes on. Runs for as long as the edge.
    pub async fn keep_joined(self: Arc<Self>) {
        loop {
            self.edited.notified().await;
            let takedown = self.clone();
            // A panic there was told when it happened.
            let _ = tokio::task::spawn_blocking(move || takedown.join_edits()).await;
        }
    }

    pub(super) fn join_edits(&self) {
        let Some(joining) = self.edits.begin_join() else { return };
        let joined = joining.compile();
        // With what hosts of the same content take, which would have edits wait if it were made in their turn.
        let likewise = self.blocks.index().with_live(joined.live());
        let _turn = self.turn.lock();
        // Nothing comes into force by the way that could not be published.
        if self.unpublished.load(Relaxed) {
            return;
        }
        if let Some(live) = self.edits.end_join(joined) {
            self.blocks.hold(live, &likewise);
        }
    }

    pub(super) fn keep_up(&self, is_due: bool) {
        if is_due {
            let turn = self.turn.lock();
            let taken = self.put_in_force(&turn);
            drop(turn);
            self.tell_applied("the time of a rule came or went", taken);
            self.look_at_feeds();
        }
        if let Err(error) = self.tell_pending() {
            tracing::error!("what is in force is not told of yet: {error}");
        }
    }

    /// Clients are elsewhere than was told before, perhaps: judged by where they are now.
    pub fn places_changed(&self) {
        let turn = self.turn.lock();
        if self.blocks.index().first_of_countries().is_some() {
            let taken = self.put_in_force(&turn);
            drop(turn);
            self.tell_applied("what tells where clients are has changed", taken);
        }
    }

    /// Other hosts have the same content than before, perhaps: judged by what they have now.
    pub fn set_kin(&self, kin: Kin) {
        let turn = self.turn.lock();
        if self.blocks.set_kin(kin) {
            let taken = self.put_in_force(&turn);
            drop(turn);
            self.tell_applied("which hosts have the same content has changed", taken);
        }
    }
}

/// Whether a rule begins or ceases to hold between the two: what was judged at `one` may be judged otherwise at `other`,
/// which is before it where the clock was set back.
fn has_boundary(index: &Index, one: Timestamp, other: Timestamp) -> bool {
    index.next_boundary(one.min(other)).is_some_and(|at| at <= one.max(other))
}
