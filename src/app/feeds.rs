//! Feeds, at a start and at a reload.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use block::sources::SourceError;
use feeds::{Feed, Feeds, Heard};
use terms::{Clock, causes};

use super::Parts;
use crate::config::Meant;

/// How long a reload waits for feeds that are asked anew. What is slower is taken when it comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The feeds of a start, and why there is nothing of some.
pub(super) struct Opened {
    pub(super) feeds: Arc<Feeds>,
    pub(super) missing: Vec<String>,
}

/// Asks once for feeds of which nothing is kept: a start needs them. The others are asked once it serves.
pub(super) async fn open(meant: &Meant) -> anyhow::Result<Opened> {
    let feeds = Feeds::open(&meant.state, Clock::system()).context("state/feeds can't be used")?;
    let missing = fetch_missing(&feeds, &meant.takedown.feeds).await;
    Ok(Opened { feeds: Arc::new(feeds), missing })
}

/// A sentence for each that is still missing.
pub(super) async fn fetch_missing(feeds: &Feeds, wanted: &[Feed]) -> Vec<String> {
    let failed = feeds.fetch_missing(wanted).await;
    failed.iter().map(|(name, error)| format!("{name}: can't be fetched: {}", causes(error))).collect()
}

/// Forgets feeds that come into use and are refused, so that they are asked again once they are mended: nobody asks for
/// what is there. Blocks.
pub(super) fn forget_refused(feeds: &Feeds, wanted: &[Feed], errors: &[SourceError]) {
    let is_refused = |feed: &&Feed| errors.iter().any(|error| error.file.to_str() == Some(&*feed.name));
    if let Err(error) = feeds.forget(wanted.iter().filter(is_refused)) {
        tracing::error!("feeds that can't be used stay in state/feeds, and are not asked again: {error}");
    }
}

/// What asking feeds came to: a sentence for each that served something else, and for each that gave no answer.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) fetched: Vec<String>,
    pub(super) failed: Vec<String>,
}

impl Parts {
    /// Has the feeds in use go by what is meant of them, and no others in use. With `asks`, they are asked at once.
    pub(super) async fn keep_feeds(&self, meant: &Meant, asks: bool) -> Asked {
        let feeds = &self.house.feeds;
        let stay: Vec<Feed> = meant.takedown.feeds.iter().filter(|feed| feeds.is_in_use(feed)).cloned().collect();
        let names: Vec<Arc<str>> = stay.iter().map(|feed| feed.name.clone()).collect();
        self.follow(stay).await;
        let mut asked = Asked::default();
        for (name, outcome) in if asks { feeds.poll(&names, PATIENCE).await } else { Vec::new() } {
            match outcome {
                Ok(Heard::Unchanged) => {}
                Ok(Heard::New) => asked.fetched.push(format!("{name}: fetched")),
                Err(error) => asked.failed.push(format!("{name}: can't be fetched: {error}")),
            }
        }
        asked
    }

    /// Makes the feeds that are meant the ones in use, once their rules are in force: until then a new one would count as
    /// stale, and might close the edge.
    pub(super) async fn follow_feeds(&self, meant: &Meant) {
        self.follow(meant.takedown.feeds.clone()).await;
    }

    async fn follow(&self, wanted: Vec<Feed>) {
        let feeds = self.house.feeds.clone();
        if tokio::task::spawn_blocking(move || feeds.follow(&wanted)).await.is_err() {
            tracing::error!("feeds are not followed");
        }
    }

    /// Removes what is kept of feeds that no list is any more.
    pub(super) async fn sweep_feeds(&self) {
        let (feeds, takedown) = (self.house.feeds.clone(), self.house.takedown.clone());
        let sweep = move || {
            takedown.look_at_feeds();
            feeds.sweep()
        };
        match tokio::task::spawn_blocking(sweep).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("files of feeds that are no longer named stay in state/feeds: {error}"),
            Err(_) => tracing::error!("files of feeds that are no longer named stay in state/feeds"),
        }
    }
}
