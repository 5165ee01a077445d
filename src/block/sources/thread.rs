//! The thread that looks when there is reason to.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use disk::watch::{Hint, Watch};
use parking_lot::{Condvar, Mutex};
use terms::Clock;

use super::{Change, FULL_LOOK, Sources};

/// How often is looked at everything where the system gives no hints, or not of all folders.
const UNHINTED_LOOK: Duration = Duration::from_secs(2);

/// Hints come in bursts: how long the rest of one is awaited.
const GATHERING: Duration = Duration::from_millis(10);

/// While a list of a gigabyte is being written, each look reads it. Looking takes at most half the
/// time, but never waits longer than this.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Hints that are kept between two looks. Forgetting some only costs a save its shortcut.
const MAX_HINTS: usize = 4096;

/// Watches and looks until it is dropped.
pub struct Watching {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread. `on_change` is called on it, without the lock on `sources`, for each look that
/// came to something. Who publishes tables there and elsewhere takes them from the [`super::Board`]
/// under the same lock that it publishes under, so that no older ones overtake newer ones.
pub fn watch(
    sources: Arc<Mutex<Sources>>,
    clock: Clock,
    on_change: impl Fn(Vec<Change>) + Send + 'static,
) -> std::io::Result<Watching> {
    let (bell, folders) = {
        let sources = sources.lock();
        (sources.bell.clone(), sources.folders())
    };
    let rung = bell.clone();
    let mut watch = Watch::new(move |hint| rung.hint(hint));
    // Before this returns, so that no save after the start goes without its hint.
    watch.set_folders(folders);
    let rung = bell.clone();
    let looking = move || look_on(&sources, &clock, &rung, watch, on_change);
    let thread = std::thread::Builder::new().name("lists".into()).spawn(looking)?;
    Ok(Watching { bell, thread: Some(thread) })
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.bell.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}

fn look_on(sources: &Mutex<Sources>, clock: &Clock, bell: &Bell, mut watch: Watch, on_change: impl Fn(Vec<Change>)) {
    let mut hints = Vec::new();
    loop {
        let now = clock.now();
        let (look, folders) = {
            let mut sources = sources.lock();
            (sources.look(&hints, now.steady, now.wall), sources.folders())
        };
        if !look.changes.is_empty() {
            on_change(look.changes);
        }
        // What happened in a folder before it was watched gave no hint.
        let wait = match watch.set_folders(folders) {
            true => Duration::ZERO,
            false => look.again_in.unwrap_or(FULL_LOOK),
        };
        let unasked = if watch.is_complete() { FULL_LOOK } else { UNHINTED_LOOK };
        let rest = now.steady.elapsed().clamp(GATHERING, LONGEST_REST);
        match bell.wait(wait.min(unasked), rest) {
            Some(heard) => hints = heard,
            None => return,
        }
    }
}

/// Where hints are left for the thread.
#[derive(Default)]
pub(super) struct Bell {
    heard: Mutex<Heard>,
    rung: Condvar,
}

#[derive(Default)]
struct Heard {
    hints: Vec<Hint>,
    stop: bool,
}

impl Bell {
    pub fn ring(&self) {
        self.hint(Hint::Look);
    }

    fn hint(&self, hint: Hint) {
        let mut heard = self.heard.lock();
        if hint == Hint::Look && heard.hints.last() == Some(&Hint::Look) {
            return;
        }
        // All or none: what is said of a file holds only together with what was said after it.
        if heard.hints.len() >= MAX_HINTS {
            heard.hints.clear();
        }
        heard.hints.push(hint);
        self.rung.notify_one();
    }

    fn stop(&self) {
        self.heard.lock().stop = true;
        self.rung.notify_one();
    }

    /// Waits for hints, at most `wait`, and once there are some `rest` for what follows them. `None`:
    /// stop.
    fn wait(&self, wait: Duration, rest: Duration) -> Option<Vec<Hint>> {
        let mut heard = self.heard.lock();
        let end = Instant::now() + wait;
        self.rung.wait_while_until(&mut heard, |heard| heard.hints.is_empty() && !heard.stop, end);
        if !heard.hints.is_empty() {
            let end = Instant::now() + rest;
            self.rung.wait_while_until(&mut heard, |heard| !heard.stop, end);
        }
        if heard.stop { None } else { Some(std::mem::take(&mut heard.hints)) }
    }
}
