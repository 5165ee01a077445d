//! One feed: what is known of it, and each time it is asked.

use std::sync::Arc;
use std::time::Duration;

use net::Backoff;
use parking_lot::Mutex;
use terms::{Clock, Digest, Timestamp, causes};
use tokio::sync::{mpsc, oneshot, watch};

use crate::facts::{Facts, Folders, Validators};
use crate::fetch::{Coming, FetchError, fetch};
use crate::settings::Feed;

/// After a failure a feed is asked again sooner than usual, then at doubling distances.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest distance, where the usual one isn't longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is known of one feed.
pub(crate) struct Keeper {
    folders: Folders,
    clock: Clock,
    pub known: Mutex<Known>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Of the file that is there; `None` as well where that may be another.
    pub facts: Option<Facts>,
    /// What of the feed was in force when that was last said.
    in_force: Option<Digest>,
    /// When the feed last served what was in force.
    pub confirmed_at: Option<Timestamp>,
    /// Why the last check failed, if it did.
    pub error: Option<Arc<str>>,
    pub unchanged: u64,
    pub fetched: u64,
    pub failed: u64,
}

impl Known {
    /// Says what of the feed is in force: it is confirmed as often as the feed serves that.
    pub fn confirm(&mut self, in_force: Option<Digest>) {
        self.in_force = in_force;
        if let Some(facts) = &self.facts
            && in_force == Some(facts.hash)
        {
            self.confirmed_at = Some(facts.checked_at);
        }
    }
}

impl Keeper {
    /// Reads what is there: blocks.
    pub fn open(folders: Folders, clock: Clock, feed: &Feed) -> Keeper {
        let facts = folders.read(&feed.file);
        let confirmed_at = facts.as_ref().and_then(|facts| facts.confirmed_at);
        let known = Known { facts, confirmed_at, ..Known::default() };
        Keeper { folders, clock, known: Mutex::new(known) }
    }

    /// Asks once. What is new is in its place when this returns.
    pub async fn check(self: &Arc<Self>, feed: &Arc<Feed>) -> Result<Heard, FetchError> {
        let outcome = self.try_check(feed).await;
        let mut known = self.known.lock();
        match &outcome {
            Ok(Heard::Unchanged) => known.unchanged += 1,
            Ok(Heard::New) => known.fetched += 1,
            Err(_) => known.failed += 1,
        }
        known.error = outcome.as_ref().err().map(|error| Arc::from(causes(error)));
        outcome
    }

    async fn try_check(self: &Arc<Self>, feed: &Arc<Feed>) -> Result<Heard, FetchError> {
        let (keeper, ours) = (self.clone(), feed.clone());
        let have = tokio::task::spawn_blocking(move || keeper.have(&ours)).await?;
        let asked_at = self.clock.wall();
        let coming = fetch(feed.clone(), have, self.folders.coming(), asked_at).await?;
        let (keeper, feed) = (self.clone(), feed.clone());
        Ok(tokio::task::spawn_blocking(move || keeper.take(&feed, coming, asked_at)).await??)
    }

    /// What the feed need not serve again: what stands in the file. Where something else is in force, somebody may have
    /// written to that, and it is read: blocks.
    fn have(&self, feed: &Feed) -> Option<Validators> {
        let (facts, in_force) = {
            let known = self.known.lock();
            (known.facts.clone()?, known.in_force)
        };
        let is_there = match in_force == Some(facts.hash) {
            true => feed.file.exists(),
            false => self.folders.read(&feed.file).is_some_and(|kept| kept.hash == facts.hash),
        };
        if !is_there {
            self.known.lock().facts = None;
        }
        is_there.then_some(facts.validators)
    }

    /// Blocks. What was served is as old as the question.
    fn take(&self, feed: &Feed, coming: Option<Coming>, asked_at: Timestamp) -> std::io::Result<Heard> {
        let (before, confirmed_at) = {
            let known = self.known.lock();
            (known.facts.clone(), known.confirmed_at)
        };
        let mut heard = Heard::Unchanged;
        let facts = match (coming, before) {
            (Some(Coming { draft, hash, validators }), before) => {
                let is_there = before.is_some_and(|before| before.hash == hash) && feed.file.exists();
                if !is_there {
                    // If a step of it fails, the file may be either.
                    self.known.lock().facts = None;
                    draft.put(&feed.file)?;
                    heard = Heard::New;
                }
                Facts { validators, hash, checked_at: asked_at, confirmed_at }
            }
            (None, Some(before)) => Facts { checked_at: asked_at, confirmed_at, ..before },
            // Without facts the feed is asked for the whole.
            (None, None) => return Ok(heard),
        };
        self.folders.write(&feed.file, &facts)?;
        self.known.lock().facts = Some(facts);
        Ok(heard)
    }
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Unchanged,
    /// The file is another now.
    New,
}

/// Somebody who wants to be told how a check went.
pub(crate) type Wish = oneshot::Sender<Result<Heard, Arc<str>>>;

/// Is called after each check, with what went wrong.
pub(crate) type Checked = dyn Fn(&Feed, Option<&FetchError>) + Send + Sync;

/// What the task of one feed works with.
pub(crate) struct Round {
    pub keeper: Arc<Keeper>,
    /// Another means: ask now, by these settings.
    pub feed: watch::Receiver<Arc<Feed>>,
    pub wishes: mpsc::Receiver<Wish>,
    pub checked: Box<Checked>,
}

impl Round {
    /// Asks for as long as the feed is in use. The first time is now, unless it was asked a moment ago.
    pub async fn go_on(mut self, mut wait: Duration) {
        let mut failures = None;
        loop {
            let wish = tokio::select! {
                () = tokio::time::sleep(wait) => None,
                changed = self.feed.changed() => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                Some(wish) = self.wishes.recv() => Some(wish),
            };
            let feed = self.feed.borrow_and_update().clone();
            let outcome = self.keeper.check(&feed).await;
            wait = match &outcome {
                Ok(_) => {
                    failures = None;
                    // Shortened at random, so that not all who follow a feed ask at once.
                    Backoff::new(feed.every, feed.every).step()
                }
                Err(error) => {
                    let longest = feed.every.max(LONGEST_WAIT);
                    let usual =
                        failures.get_or_insert_with(|| Backoff::new(FIRST_WAIT.min(feed.every), longest)).step();
                    usual.max(asked_for(error))
                }
            };
            (self.checked)(&feed, outcome.as_ref().err());
            if let Some(wish) = wish {
                // Who asked may have left.
                let _ = wish.send(outcome.map_err(|error| causes(&error).into()));
            }
        }
    }
}

fn asked_for(error: &FetchError) -> Duration {
    match error {
        FetchError::Status { retry_after: Some(wait), .. } => *wait,
        _ => Duration::ZERO,
    }
}
