//! Whether the rules in force may be gone by still: what feeds say of themselves, and until when it counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use feeds::{FeedStatus, OnStale};
use serde_json::json;
use terms::Timestamp;

use super::Takedown;
use super::time::LOOK;

/// So that a look that was due then finds it past its time.
const JUST_PAST: Duration = Duration::from_millis(5);

impl Takedown {
    /// Looks how feeds stand whenever one was asked, and when one becomes stale. Runs for as long as the edge.
    pub async fn keep_feeds(self: Arc<Self>) {
        let mut stale = BTreeSet::new();
        loop {
            let now = self.clock.wall();
            let ends = self.feeds().into_iter().map(|feed| feed.good_until()).filter(|end| *end >= now);
            let wait = ends.min().map_or(LOOK, |end| end.since(now).saturating_add(JUST_PAST).min(LOOK));
            tokio::select! {
                () = self.supply.feeds.checked() => {}
                () = tokio::time::sleep(wait) => {}
            }
            let (takedown, before) = (self.clone(), std::mem::take(&mut stale));
            let look = move || {
                takedown.look_at_feeds();
                takedown.tell_of_stale(&before)
            };
            // A panic there was told when it happened.
            stale = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        }
    }

    /// Tells which feeds became stale, or cease to be; returns those that are. One that answered when it was asked last is
    /// asked: where the clock was set, or the machine slept, its next check may be far off.
    fn tell_of_stale(&self, before: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        let (now, feeds) = (self.clock.wall(), self.feeds());
        let (stale, good): (Vec<_>, Vec<_>) = feeds.iter().partition(|feed| now > feed.good_until());
        for feed in stale.iter().filter(|feed| !before.contains(&feed.name)) {
            if let Some(trouble) = self.trouble_with(feed) {
                self.tell_of_feed(&feed.name, &trouble);
            }
            if feed.error.is_none() {
                self.supply.feeds.ask(&feed.name);
            }
        }
        for feed in good.iter().filter(|feed| before.contains(&feed.name)) {
            tracing::info!("{}: confirmed again", feed.name);
        }
        stale.into_iter().map(|feed| feed.name.clone()).collect()
    }

    /// Says until when the rules in force may be gone by, and tells which feeds turned bad, or good again.
    pub fn look_at_feeds(&self) {
        // An older look has no word after a newer one.
        let _look = self.looks.lock();
        let fail_closed = |feed: &FeedStatus| feed.on_stale == OnStale::FailClosed;
        let ends = self.feeds().into_iter().filter(fail_closed).map(|feed| feed.good_until());
        self.blocks.set_good_until(ends.min().unwrap_or(Timestamp::from_micros(i64::MAX)));
        for (name, error) in self.supply.feeds.news() {
            let Some(error) = error else {
                tracing::info!("{name}: answers again");
                continue;
            };
            self.tell_of_feed(&name, &format!("can't be fetched, and what was in force of it stays: {error}"));
        }
    }

    fn tell_of_feed(&self, name: &str, trouble: &str) {
        let what = format!("{name}: {trouble}");
        tracing::error!("{what}");
        self.list_errors.fetch_add(1, Relaxed);
        let data = json!({ "file": name, "what": what, "list": self.blocks.version() });
        self.teller.tell("list-refused", self.clock.wall(), data);
    }

    /// How each feed stands, by what of it is in force: in the index, which lists that were read may be ahead of.
    pub fn feeds(&self) -> Vec<FeedStatus> {
        let index = self.blocks.index();
        let table = |name: &str| index.tables().iter().find(|table| table.file() == Some(name));
        self.supply.feeds.status(|name| Some(table(name)?.hash()))
    }

    pub(super) fn feed_troubles(&self) -> Vec<String> {
        self.feeds().iter().filter_map(|feed| Some(format!("{}: {}", feed.name, self.trouble_with(feed)?))).collect()
    }

    /// What is wrong with a feed itself, if anything: what it serves is told of as of any list.
    pub fn trouble_with(&self, feed: &FeedStatus) -> Option<String> {
        let (now, error) = (self.clock.wall(), feed.error.as_deref());
        if now <= feed.good_until() {
            return error.map(|error| format!("the last check failed: {error}"));
        }
        let age = feed.confirmed_at.map(|at| format!(" for {} s", now.since(at).as_secs())).unwrap_or_default();
        let held = match feed.on_stale {
            OnStale::Keep => "its rules stay in force",
            OnStale::FailClosed => "requests are answered with 503 until it is",
        };
        let why = error.map(|error| format!(" ({error})")).unwrap_or_default();
        Some(format!("stale: not confirmed{age}{why}; {held}"))
    }
}
