//! Programs and servers that are told of events.
//!
//! A delivery is a file in the outbox from before its event is acknowledged until the hook has
//! taken it: [`Hooks::enqueue`] writes it durably, one task a hook hands it over, in order, at least
//! once. What no attempt could deliver for a day is buried in `dead/`, where an operator finds it; moved
//! back into the hook's folder, it is taken up with the next reload or start, behind what waits there.
//!
//! ```text
//! state/hooks/NAME/ORDER~KIND~ID.json         the exact bytes the hook gets
//! state/hooks/dead/NAME~ORDER~KIND~ID.json
//! ```

mod exec;
mod outbox;
mod settings;
mod signature;
mod webhook;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use disk::durable;
use parking_lot::Mutex;
use serde::Serialize;
use terms::{Clock, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use outbox::Outbox;
pub use settings::*;
pub use signature::{SecretError, Secrets};

/// How long an attempt under way may go on once the room closes; it is killed then, and made again
/// after the next start.
const CLOSING_GRACE: Duration = Duration::from_secs(5);

/// Together with the order and the separators they fit into the 255 bytes of a file's name.
const MAX_NAME: usize = 64;
const MAX_KIND: usize = 32;
const MAX_ID: usize = 100;

/// How patient delivery is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// One attempt's time; then the program is killed, or the server given up.
    pub timeout: Duration,
    /// The wait after a first failure; it doubles with each one that follows.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// The age, counted from [`Hooks::enqueue`], at which a failing delivery is buried.
    pub give_up: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            timeout: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            give_up: Duration::from_secs(24 * 60 * 60),
        }
    }
}

#[derive(Debug, Default)]
pub struct Numbers {
    /// Deliveries that wait for a hook in use: a gauge.
    pub pending: AtomicU64,
    pub delivered: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// Files in `dead/`: a gauge, counted at the start and when one is added.
    pub dead: AtomicU64,
}

#[derive(Debug, thiserror::Error)]
pub enum HooksError {
    #[error("a hook named {0:?}: a name is 1 to 64 of A-Z a-z 0-9 . _ -, not \"dead\", and begins with no dot")]
    Name(String),
    #[error("two hooks are named {0:?}: give each a name of its own")]
    Twice(String),
    #[error("the hook {0:?} has no program: exec = [\"PROGRAM\", \"ARGUMENT\", …]")]
    NoProgram(String),
    #[error("the outbox of hooks in {}", folder.display())]
    Outbox { folder: PathBuf, source: io::Error },
    #[error("hooks need a tokio runtime")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
}

/// The hooks in use and their outbox.
pub struct Hooks {
    dir: PathBuf,
    clock: Clock,
    pace: Pace,
    runtime: Handle,
    numbers: Arc<Numbers>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    hooks: BTreeMap<String, Worker>,
    /// Tasks of hooks that were taken out of use and may still have an attempt under way.
    leaving: BTreeMap<String, JoinHandle<()>>,
}

struct Worker {
    outbox: Arc<Outbox>,
    /// `None` tells the task to end.
    hook: watch::Sender<Option<Arc<Hook>>>,
    task: JoinHandle<()>,
}

impl Worker {
    fn hears_of(&self, kind: &str) -> bool {
        self.hook.borrow().as_ref().is_some_and(|hook| hook.on.iter().any(|heard| heard == kind))
    }
}

/// What a program reads on its standard input, and a server in the body of a POST.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: Timestamp,
    data: &'a serde_json::Value,
}

impl Hooks {
    /// Opens the outbox in `dir`, which is created if need be, and starts delivering what waits in
    /// it, at once. Reads the disk.
    pub fn open(dir: &Path, hooks: Vec<Hook>, clock: Clock) -> Result<Hooks, HooksError> {
        Hooks::open_at_pace(dir, hooks, clock, Pace::default())
    }

    pub fn open_at_pace(dir: &Path, hooks: Vec<Hook>, clock: Clock, pace: Pace) -> Result<Hooks, HooksError> {
        let opened = Hooks {
            dir: dir.to_owned(),
            clock,
            pace,
            runtime: Handle::try_current()?,
            numbers: Arc::default(),
            running: Mutex::default(),
        };
        durable::private_folder(&dir.join(outbox::DEAD)).map_err(|source| opened.failed(outbox::DEAD, source))?;
        opened.reconfigure(hooks)?;
        outbox::warn_of_strangers(dir, |name| opened.running.lock().hooks.contains_key(name));
        Ok(opened)
    }

    /// Puts a delivery of this event into the outbox of every hook that hears of its `kind`. When it
    /// returns they are on the disk. Blocks while it writes. `id` and `kind` are of `A-Za-z0-9._-`, at
    /// most 100 and 32 bytes; a hook for which a delivery of the same `id` and `kind` waits gets no second.
    ///
    /// On an error the other hooks have theirs all the same; calling again is safe.
    pub fn enqueue(&self, id: &str, kind: &str, timestamp: Timestamp, data: &serde_json::Value) -> io::Result<()> {
        if !is_name(id, MAX_ID) || !is_name(kind, MAX_KIND) {
            let text = format!("an event {kind:?} with the id {id:?} can't be the name of a file");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let body = serde_json::to_vec(&Event { kind, timestamp, data })?;
        let now = self.clock.wall();
        let mut outcome = Ok(());
        // Held while writing, so that no hook leaves or comes back in between.
        let running = self.running.lock();
        for worker in running.hooks.values().filter(|worker| worker.hears_of(kind)) {
            let put = worker.outbox.put(now, kind, id, &body);
            outcome = outcome.and(put);
        }
        outcome
    }

    /// Makes `hooks` the ones in use; on an error those before stay. A hook that keeps its name keeps
    /// its deliveries and tries at once, those too that were moved back from the dead ones. What waits for
    /// one no longer in use stays on the disk. Blocks while it lists what waits.
    pub fn reconfigure(&self, hooks: Vec<Hook>) -> Result<(), HooksError> {
        let mut wanted = BTreeMap::new();
        for hook in hooks {
            check(&hook)?;
            if let Some(twin) = wanted.insert(hook.name.clone(), Arc::new(hook)) {
                return Err(HooksError::Twice(twin.name.clone()));
            }
        }
        let mut running = self.running.lock();
        running.leaving.retain(|_, task| !task.is_finished());
        for (name, worker) in running.hooks.iter().filter(|(name, _)| wanted.contains_key(*name)) {
            worker.outbox.look(self.clock.wall()).map_err(|source| self.failed(name, source))?;
        }
        self.count_dead()?;
        let new = wanted.values().filter(|hook| !running.hooks.contains_key(&hook.name));
        let opened: Vec<(Arc<Hook>, Outbox)> =
            new.map(|hook| Ok((Arc::clone(hook), self.open_outbox(&hook.name)?))).collect::<Result<_, HooksError>>()?;

        let Running { hooks, leaving } = &mut *running;
        for (name, worker) in hooks.extract_if(.., |name, _| !wanted.contains_key(name)) {
            worker.hook.send_replace(None);
            leaving.insert(name, worker.task);
        }
        for (name, worker) in hooks.iter() {
            // Even the same again is told: a file it names may be another.
            worker.hook.send_replace(wanted.get(name).cloned());
        }
        for (hook, outbox) in opened {
            let before = leaving.remove(&hook.name);
            hooks.insert(hook.name.clone(), self.start(hook, outbox, before));
        }
        Ok(())
    }

    fn open_outbox(&self, name: &str) -> Result<Outbox, HooksError> {
        let dead = self.dir.join(outbox::DEAD);
        Outbox::open(name, &self.dir.join(name), &dead, Arc::clone(&self.numbers), self.clock.wall())
            .map_err(|source| self.failed(name, source))
    }

    fn failed(&self, name: &str, source: io::Error) -> HooksError {
        HooksError::Outbox { folder: self.dir.join(name), source }
    }

    fn count_dead(&self) -> Result<(), HooksError> {
        let dead = outbox::count(&self.dir.join(outbox::DEAD)).map_err(|source| self.failed(outbox::DEAD, source))?;
        self.numbers.dead.store(dead, Ordering::Relaxed);
        Ok(())
    }

    /// Starts delivery; `before` is a task that may still be busy with the same outbox.
    fn start(&self, hook: Arc<Hook>, outbox: Outbox, before: Option<JoinHandle<()>>) -> Worker {
        let outbox = Arc::new(outbox);
        let (sender, receiver) = watch::channel(Some(hook));
        let round = worker::Round {
            outbox: Arc::clone(&outbox),
            hook: receiver,
            clock: self.clock.clone(),
            pace: self.pace,
            numbers: Arc::clone(&self.numbers),
        };
        let task = self.runtime.spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            round.deliver().await;
        });
        Worker { outbox, hook: sender, task }
    }

    pub fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    /// Ends all delivery. An attempt under way has some seconds to end, then it is killed.
    pub async fn close(&self) {
        let mut tasks: Vec<JoinHandle<()>> = Vec::new();
        {
            let mut running = self.running.lock();
            for worker in std::mem::take(&mut running.hooks).into_values() {
                worker.hook.send_replace(None);
                tasks.push(worker.task);
            }
            tasks.extend(std::mem::take(&mut running.leaving).into_values());
        }
        let deadline = tokio::time::Instant::now() + CLOSING_GRACE;
        for mut task in tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
    }
}

fn check(hook: &Hook) -> Result<(), HooksError> {
    if !is_name(&hook.name, MAX_NAME) || hook.name == outbox::DEAD {
        return Err(HooksError::Name(hook.name.clone()));
    }
    match &hook.call {
        Call::Exec(exec) if exec.first().is_none_or(String::is_empty) => Err(HooksError::NoProgram(hook.name.clone())),
        Call::Exec(_) => Ok(()),
        Call::Webhook(webhook) => {
            warn_of_secret(&hook.name, webhook);
            Ok(())
        }
    }
}

/// One that can't be read is no reason to run without the others: each attempt says so.
fn warn_of_secret(hook: &str, webhook: &Webhook) {
    let file = webhook.secret_file.display();
    match Secrets::read(&webhook.secret_file) {
        Err(error) => tracing::error!(hook, "nothing is delivered: {error}"),
        Ok(secrets) if secrets.is_open => tracing::warn!(hook, %file, "others can read this secret: chmod 600"),
        Ok(_) => {}
    }
}

/// A text that may be part of a file's name.
fn is_name(text: &str, longest: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=longest).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
