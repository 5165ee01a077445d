//! Files that are kept as URLs serve them.
//!
//! A feed is asked again and again, for what it serves now unless that is what is there already, and what is new takes
//! the place of its file whole or not at all. What stands in the file is nobody's business here: who reads it watches it
//! as any other.
//!
//! A task for each feed asks, so that a slow one holds up no other. Whom a name leads to is not for its zone to choose:
//! only addresses of the internet are asked, and those that the config names ([`net::Reach`]).

mod decode;
mod facts;
mod fetch;
mod keeper;
mod secrets;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use terms::{Clock, Digest, Timestamp, causes};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use facts::Folders;
pub use keeper::Heard;
use keeper::{Keeper, Round, Wish};

pub use decode::DecodeError;
pub use fetch::FetchError;
pub use secrets::{SecretError, is_open, read_fields, read_key};
pub use settings::{Feed, KEY, OnStale, place};

/// Wishes for a check that wait; more are told that one is under way.
const WISHES: usize = 4;

/// A clock that is set right by a little more than this has what it confirmed before in the future: that proves nothing.
const SET_BACK: Duration = Duration::from_secs(60);

/// The feeds in use, and their folder.
pub struct Feeds {
    folders: Folders,
    clock: Clock,
    runtime: Handle,
    /// By name.
    running: Mutex<BTreeMap<Arc<str>, Worker>>,
    /// The files that were fetched for the feeds that come into use next: these need not be asked at once.
    fetched: Mutex<BTreeSet<PathBuf>>,
    /// Each feed's last turn from good to bad or back that nobody was told of.
    news: Arc<Mutex<News>>,
    checked: Arc<Notify>,
}

/// What is wrong with feeds that turned bad, by name; `None` with one that is good again.
pub type News = BTreeMap<Arc<str>, Option<Arc<str>>>;

struct Worker {
    keeper: Arc<Keeper>,
    feed: watch::Sender<Arc<Feed>>,
    wishes: mpsc::Sender<Wish>,
    task: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How one feed stands.
#[derive(Clone, Debug)]
pub struct FeedStatus {
    pub name: Arc<str>,
    /// When it last served what stands in its file, or said that it does.
    pub checked_at: Option<Timestamp>,
    /// The last such time at which that was in force.
    pub confirmed_at: Option<Timestamp>,
    /// Why the last check failed, if it did.
    pub error: Option<Arc<str>>,
    pub unchanged: u64,
    pub fetched: u64,
    pub failed: u64,
    pub max_age: Duration,
    pub on_stale: OnStale,
}

impl FeedStatus {
    /// Until when what is in force counts as what the feed serves.
    pub fn good_until(&self) -> Timestamp {
        self.confirmed_at.map_or(Timestamp::from_micros(i64::MIN), |at| at.plus(self.max_age))
    }
}

impl Feeds {
    /// Of this folder, which is created if need be; none in use.
    pub fn open(state: &Path, clock: Clock) -> io::Result<Feeds> {
        Ok(Feeds {
            folders: Folders::open(&settings::folder(state))?,
            clock,
            runtime: Handle::try_current().map_err(io::Error::other)?,
            running: Mutex::default(),
            fetched: Mutex::default(),
            news: Arc::default(),
            checked: Arc::default(),
        })
    }

    /// Asks those that are not in use and of which there is nothing, each once within its timeout, all beside one
    /// another. Gives those of which there still is nothing, and why.
    pub async fn fetch_missing(&self, feeds: &[Feed]) -> Vec<(Arc<str>, FetchError)> {
        // What was fetched for feeds that did not come into use is old by now.
        self.fetched.lock().clear();
        let mut asked = JoinSet::new();
        let is_missing = |feed: &&Feed| !self.is_in_use(feed) && !feed.file.exists();
        for feed in feeds.iter().filter(is_missing).cloned().map(Arc::new) {
            let (folders, clock) = (self.folders.clone(), self.clock.clone());
            asked.spawn(async move {
                let keeper = Arc::new(Keeper::open(folders, clock, &feed));
                match keeper.check(&feed).await {
                    Ok(_) => Ok(feed.file.clone()),
                    Err(error) => Err((feed.name.clone(), error)),
                }
            });
        }
        let (fetched, failed): (Vec<_>, Vec<_>) = asked.join_all().await.into_iter().partition(Result::is_ok);
        self.fetched.lock().extend(fetched.into_iter().flatten());
        failed.into_iter().filter_map(Result::err).collect()
    }

    /// Makes these the feeds in use. One whose settings are the same is left as it is; the rest are asked at once, but
    /// for those that were fetched for this. Reads the files: blocks.
    pub fn follow(&self, feeds: &[Feed]) {
        // Before the lock, for a file may be large.
        let new = feeds.iter().filter(|feed| !self.is_in_use(feed));
        let open = |feed: &Feed| Arc::new(Keeper::open(self.folders.clone(), self.clock.clone(), feed));
        let mut keepers: BTreeMap<Arc<str>, Arc<Keeper>> = new.map(|feed| (feed.name.clone(), open(feed))).collect();
        let mut running = self.running.lock();
        let mut before = std::mem::take(&mut *running);
        for feed in feeds.iter().cloned().map(Arc::new) {
            let same = before.remove(&feed.name).filter(|worker| worker.feed.borrow().file == feed.file);
            let worker = match same {
                Some(worker) => {
                    worker.feed.send_if_modified(|now| {
                        let is_other = *now != feed;
                        *now = feed.clone();
                        is_other
                    });
                    worker
                }
                None => self.start(feed.clone(), keepers.remove(&feed.name).unwrap_or_else(|| open(&feed))),
            };
            running.insert(feed.name.clone(), worker);
        }
        self.news.lock().retain(|name, _| running.contains_key(name));
    }

    /// Whether it is in use, by whatever settings.
    pub fn is_in_use(&self, feed: &Feed) -> bool {
        self.running.lock().get(&feed.name).is_some_and(|worker| worker.feed.borrow().file == feed.file)
    }

    /// Removes what is kept of those of them that are not in use: there is nothing of them then, and whoever needs them
    /// asks. Blocks.
    pub fn forget<'a>(&self, feeds: impl Iterator<Item = &'a Feed>) -> io::Result<()> {
        feeds.filter(|feed| !self.is_in_use(feed)).try_for_each(|feed| self.folders.remove(&feed.file))
    }

    /// Removes the files of feeds that are not in use. Blocks.
    pub fn sweep(&self) -> io::Result<()> {
        let used: Vec<PathBuf> = self.running.lock().values().map(|worker| worker.feed.borrow().file.clone()).collect();
        self.folders.remove_but(&used)
    }

    fn start(&self, feed: Arc<Feed>, keeper: Arc<Keeper>) -> Worker {
        let wait = if self.fetched.lock().remove(&feed.file) { feed.every } else { Duration::ZERO };
        let (settings, receiver) = watch::channel(feed);
        let (wishes, asked_for) = mpsc::channel(WISHES);
        let (news, checked, is_bad) = (self.news.clone(), self.checked.clone(), Mutex::new(false));
        let tell = move |feed: &Feed, error: Option<&FetchError>| {
            let was_bad = std::mem::replace(&mut *is_bad.lock(), error.is_some());
            if was_bad != error.is_some() {
                news.lock().insert(feed.name.clone(), error.map(|error| causes(error).into()));
            }
            checked.notify_one();
        };
        let round = Round { keeper: keeper.clone(), feed: receiver, wishes: asked_for, checked: Box::new(tell) };
        let task = self.runtime.spawn(round.go_on(wait));
        Worker { keeper, feed: settings, wishes, task }
    }

    /// Asks those of these names now, beside one another, and waits for each, `patience` at most. Gives each, with
    /// whether it served something else than before, or what went wrong; what is slower goes on behind it.
    pub async fn poll(&self, names: &[Arc<str>], patience: Duration) -> Vec<(Arc<str>, Result<Heard, Arc<str>>)> {
        let running = |name: &Arc<str>| Some((name.clone(), self.running.lock().get(name)?.wishes.clone()));
        let workers: Vec<_> = names.iter().filter_map(running).collect();
        let mut asked = JoinSet::new();
        for (name, wishes) in workers {
            asked.spawn(async move {
                let (wish, told) = oneshot::channel();
                if wishes.try_send(wish).is_err() {
                    return (name, Err(Arc::from("it is being asked already")));
                }
                let outcome = match tokio::time::timeout(patience, told).await {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(_)) => Err(Arc::from("it is no longer asked")),
                    Err(_) => Err(Arc::from(format!("no answer within {patience:?}; it is still being asked"))),
                };
                (name, outcome)
            });
        }
        asked.join_all().await
    }

    /// Has one asked now, and waits for nothing.
    pub fn ask(&self, name: &str) {
        if let Some(worker) = self.running.lock().get(name) {
            let (wish, _) = oneshot::channel();
            // Where others wait for it, it is asked for them.
            let _ = worker.wishes.try_send(wish);
        }
    }

    /// Waits until one was asked.
    pub async fn checked(&self) {
        self.checked.notified().await;
    }

    /// The feeds that turned bad or good since this was last asked.
    pub fn news(&self) -> News {
        std::mem::take(&mut *self.news.lock())
    }

    /// How each stands, in the order of their names, after it is said of what digest the rules of each are that are in
    /// force.
    pub fn status(&self, in_force: impl Fn(&str) -> Option<Digest>) -> Vec<FeedStatus> {
        let running = self.running.lock();
        let latest = self.clock.wall().plus(SET_BACK);
        let of = |(name, worker): (&Arc<str>, &Worker)| {
            let feed = worker.feed.borrow();
            let mut known = worker.keeper.known.lock();
            known.confirm(in_force(name));
            FeedStatus {
                name: name.clone(),
                checked_at: known.facts.as_ref().map(|facts| facts.checked_at),
                confirmed_at: known.confirmed_at.filter(|at| *at <= latest),
                error: known.error.clone(),
                unchanged: known.unchanged,
                fetched: known.fetched,
                failed: known.failed,
                max_age: feed.max_age,
                on_stale: feed.on_stale,
            }
        };
        running.iter().map(of).collect()
    }

    /// Asks no more.
    pub fn close(&self) {
        self.running.lock().clear();
    }
}

#[cfg(test)]
mod tests;
