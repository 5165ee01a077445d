//! Whether the rules in force may be gone by still: what feeds say of themselves, and until when it counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use feeds::{FeedStatus, OnStale};
use serde_json::json;
use terms::Timestamp;

use super::Takedown;

impl Takedown {
    /// Looks how feeds stand whenever one was asked. Runs for as long as the edge.
    pub async fn keep_feeds(self: Arc<Self>) {
        loop {
            self.supply.feeds.checked().await;
            let takedown = self.clone();
            // A panic there was told when it happened.
            let _ = tokio::task::spawn_blocking(move || takedown.look_at_feeds()).await;
        }
    }

    /// Says until when the rules in force may be gone by, and tells which feeds turned bad, or good again.
    pub fn look_at_feeds(&self) {
        let fail_closed = |feed: &FeedStatus| feed.on_stale == OnStale::FailClosed;
        let ends = self.feeds().into_iter().filter(fail_closed).map(|feed| feed.good_until());
        self.blocks.set_good_until(ends.min().unwrap_or(Timestamp::from_micros(i64::MAX)));
        for (name, error) in self.supply.feeds.news() {
            let Some(error) = error else {
                tracing::info!("{name}: answers again");
                continue;
            };
            let what = format!("{name}: can't be fetched, and what was in force of it stays: {error}");
            tracing::error!("{what}");
            self.list_errors.fetch_add(1, Relaxed);
            let data = json!({ "file": *name, "what": what, "list": self.blocks.version() });
            self.teller.tell("list-refused", self.clock.wall(), data);
        }
    }

    /// How each feed stands, by what of it is in force.
    pub fn feeds(&self) -> Vec<FeedStatus> {
        let sources = self.sources();
        let is_behind = self.unpublished.load(Relaxed);
        self.supply.feeds.status(|name| {
            let source = sources.iter().find(|source| source.file.to_str() == Some(name));
            source?.hash.filter(|_| !is_behind)
        })
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
