//! A thread that looks at the disk when there is reason to: on a hint, and from time to time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::watch::{Hint, Watch};

/// How often everything is looked at whether or not there was a hint: network file systems give none.
pub const FULL_LOOK: Duration = Duration::from_secs(30);

/// How often is looked at everything where the system gives no hints, or not of all folders.
const UNHINTED_LOOK: Duration = Duration::from_secs(2);

/// Hints come in bursts: how long the rest of one is awaited.
const GATHERING: Duration = Duration::from_millis(10);

/// While a file of a gigabyte is being written, each look reads it, for nothing. Such looks take at most half
/// the time, but never wait longer than this.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Hints that are kept between two looks. Forgetting some only costs a save its shortcut.
const MAX_HINTS: usize = 4096;

/// Looks until it is dropped.
pub struct Lookout {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

/// When to look again.
#[derive(Debug, Default)]
pub struct Next {
    /// The folders to watch from now on.
    pub folders: BTreeSet<PathBuf>,
    /// A look is due after this time even without a hint.
    pub again_in: Option<Duration>,
    /// Something came of the look, however long it took.
    pub took: bool,
}

impl Next {
    /// How long is rested between a hint and the look at it.
    fn rest(&self, looking: Duration) -> Duration {
        if self.took { GATHERING } else { looking.clamp(GATHERING, LONGEST_REST) }
    }
}

/// Starts a thread of this name. `look` is called on it at once, and then with the hints that came since it
/// was called before, in their order. `folders` are watched before this returns, so that no later change
/// goes without its hint.
pub fn look_on(
    name: &str,
    bell: Arc<Bell>,
    folders: BTreeSet<PathBuf>,
    mut look: impl FnMut(&[Hint]) -> Next + Send + 'static,
) -> std::io::Result<Lookout> {
    let rung = bell.clone();
    let mut watch = Watch::new(move |hint| rung.hint(hint));
    watch.set_folders(folders);
    let rung = bell.clone();
    let looking = move || {
        let mut hints = Vec::new();
        loop {
            let began = Instant::now();
            let next = look(&hints);
            let rest = next.rest(began.elapsed());
            // What happened in a folder before it was watched gave no hint.
            let wait = match watch.set_folders(next.folders) {
                true => Duration::ZERO,
                false => next.again_in.unwrap_or(FULL_LOOK),
            };
            let unasked = if watch.is_complete() { FULL_LOOK } else { UNHINTED_LOOK };
            match rung.wait(wait.min(unasked), rest) {
                Some(heard) => hints = heard,
                None => return,
            }
        }
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(looking)?;
    Ok(Lookout { bell, thread: Some(thread) })
}

impl Drop for Lookout {
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

/// Where hints are left for the thread.
#[derive(Default)]
pub struct Bell {
    heard: Mutex<Heard>,
    rung: Condvar,
}

#[derive(Default)]
struct Heard {
    hints: Vec<Hint>,
    stop: bool,
}

impl Bell {
    /// Asks for a look.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_came_to_nothing_is_rested_after_and_one_that_took_something_is_not() {
        let rest = |took, millis| Next { took, ..Next::default() }.rest(Duration::from_millis(millis)).as_millis();
        let rests = [(1, 10), (200, 200), (60_000, 5_000)];
        assert_eq!(rests.map(|(millis, _)| rest(false, millis)), rests.map(|(_, rested)| rested));
        assert_eq!(rests.map(|(millis, _)| rest(true, millis)), [10; 3]);
    }
}
