//! Rules whose hour comes or goes, and what could not be done at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::json;

use super::Takedown;

/// How often is looked whether something is still to be told.
const RETRY: Duration = Duration::from_secs(30);

impl Takedown {
    /// Puts rules in force whose hour has come, takes those out whose hour is over, and tells what
    /// could not be told before. Runs for as long as the edge.
    pub async fn keep_time(self: Arc<Self>) {
        let mut judged = self.clock.wall();
        loop {
            let boundary = self.blocks.index().next_boundary(judged);
            let wait = boundary.map_or(RETRY, |at| at.since(self.clock.wall()).min(RETRY));
            tokio::select! {
                () = self.boundaries.notified() => continue,
                () = tokio::time::sleep(wait) => {}
            }
            let takedown = self.clone();
            let now = self.clock.wall();
            let is_due = boundary.is_some_and(|at| at <= now) || self.unpublished.swap(false, Relaxed);
            judged = if is_due { now } else { judged };
            // A failure is told by the one who meets it, and met again with the next look.
            let _ = tokio::task::spawn_blocking(move || takedown.keep_up(is_due)).await;
        }
    }

    fn keep_up(&self, is_due: bool) {
        if is_due {
            let taken = self.put_in_force(&mut self.since.lock());
            match taken {
                Ok(taken) => {
                    let data = json!({ "what": "the time of a rule came or went", "list": taken.list,
                        "in_force_at": taken.at, "cut": taken.cut, "purged": taken.purged });
                    self.tell_or_say("list-applied", taken.at, &data);
                }
                Err(error) => {
                    self.unpublished.store(true, Relaxed);
                    tracing::error!("what came in force can't be published yet: {error}");
                }
            }
        }
        if let Err(error) = self.tell_pending() {
            tracing::error!("what is in force is not told of yet: {error}");
        }
    }
}
