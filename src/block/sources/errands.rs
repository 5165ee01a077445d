//! What a change leaves to write: the copies of what was taken, and the removal of those that were lifted.
//!
//! They are written by a thread of its own, so that a disk that stalls holds up no look at the lists.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use disk::FULL_LOOK;
use parking_lot::{Condvar, Mutex};

use super::kept::{Copy, Kept};
use super::shown::Body;
use crate::index::Table;

/// The copies, and what is still to be written of them.
pub(super) struct Errands {
    pub(super) kept: Kept,
    waiting: Mutex<Waiting>,
    rung: Condvar,
    /// Held while some are run: what is written later of a file was meant later.
    turn: Mutex<()>,
}

/// At most one for each list: the last one meant.
#[derive(Default)]
struct Waiting {
    errands: BTreeMap<PathBuf, Errand>,
    /// They are for changes that are in force by now.
    is_due: bool,
    stop: bool,
}

impl Waiting {
    /// What is told of a copy is worth nothing without the copy.
    fn put_back(&mut self, file: PathBuf, left: Errand) {
        if self.errands.get(&file).is_none_or(|later| matches!(later, Errand::KeepFacts(_))) {
            self.errands.insert(file, left);
        }
    }
}

pub(super) enum Errand {
    Keep(Copy, Body, Arc<Table>),
    /// The table of a copy that is kept.
    KeepTable(Copy, Arc<Table>),
    /// What is told of a copy that is kept.
    KeepFacts(Copy),
    Remove,
}

impl Errands {
    pub(super) fn new(kept: Kept) -> Errands {
        Errands { kept, waiting: Mutex::default(), rung: Condvar::new(), turn: Mutex::new(()) }
    }

    /// Takes the place of what was meant for this list before.
    pub(super) fn add(&self, file: PathBuf, errand: Errand) {
        self.waiting.lock().errands.insert(file, errand);
    }

    /// As [`Errands::add`], where nothing is meant for this list that is still to be done. Whether it was added.
    pub(super) fn add_if_none_waits(&self, file: PathBuf, errand: Errand) -> bool {
        match self.waiting.lock().errands.entry(file) {
            Entry::Vacant(place) => {
                place.insert(errand);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Has what is told of a copy be this, whether that is kept by now or waits to be.
    pub(super) fn add_facts(&self, file: PathBuf, facts: Copy) {
        match self.waiting.lock().errands.entry(file) {
            Entry::Vacant(place) => {
                place.insert(Errand::KeepFacts(facts));
            }
            Entry::Occupied(mut waiting) => match waiting.get_mut() {
                Errand::Keep(copy, ..) | Errand::KeepFacts(copy) => *copy = facts,
                Errand::KeepTable(..) | Errand::Remove => {}
            },
        }
    }

    /// The changes that they are for are in force, and are being told of.
    pub(super) fn ring(&self) {
        self.waiting.lock().is_due = true;
        self.rung.notify_one();
    }

    /// Writes what waits. What fails waits on, unless something else is meant for its list meanwhile. Whether any failed.
    pub(super) fn run(&self) -> bool {
        let _turn = self.turn.lock();
        let errands = std::mem::take(&mut self.waiting.lock().errands);
        let mut has_failed = false;
        for (file, errand) in errands {
            if let Err((error, left)) = self.run_one(&file, errand) {
                has_failed = true;
                tracing::error!(
                    file = %file.display(), %error,
                    "can't keep the copy of a list's last good version in the state folder; trying again"
                );
                self.waiting.lock().put_back(file, *left);
            }
        }
        has_failed
    }

    /// An error comes with what is left to do.
    fn run_one(&self, file: &Path, errand: Errand) -> Result<(), (std::io::Error, Box<Errand>)> {
        match errand {
            Errand::Keep(copy, body, table) => {
                let kept = match self.kept.put(&copy, &body) {
                    Ok(true) => return self.run_one(file, Errand::KeepTable(copy, table)),
                    // Its table does for a start as well.
                    Ok(false) => self.kept.put_image_alone(&copy, &table),
                    Err(error) => Err(error),
                };
                kept.map_err(|error| (error, Box::new(Errand::Keep(copy, body, table))))
            }
            Errand::KeepTable(copy, table) => {
                self.kept.put_image(&copy, &table).map_err(|error| (error, Box::new(Errand::KeepTable(copy, table))))
            }
            Errand::KeepFacts(copy) => {
                self.kept.put_facts(&copy).map_err(|error| (error, Box::new(Errand::KeepFacts(copy))))
            }
            Errand::Remove => self.kept.remove(file).map_err(|error| (error, Box::new(Errand::Remove))),
        }
    }

    /// Waits until there is something to write, or what failed is to be tried again. Whether to go on.
    fn wait(&self, has_failed: bool) -> bool {
        let mut waiting = self.waiting.lock();
        if has_failed && !waiting.stop {
            self.rung.wait_for(&mut waiting, FULL_LOOK);
            waiting.is_due = true;
        }
        while (waiting.errands.is_empty() || !waiting.is_due) && !waiting.stop {
            self.rung.wait(&mut waiting);
        }
        waiting.is_due = false;
        !waiting.stop
    }
}

/// The thread that runs errands. What waits when it is dropped is tried once more.
pub(super) struct Runner {
    errands: Arc<Errands>,
    thread: Option<JoinHandle<()>>,
}

impl Runner {
    /// `told` waits until everything that is in force is told of: a copy that stood before that would, after a crash
    /// in between, keep the next start from telling of it. `written` is called when some were run.
    pub(super) fn start(
        errands: Arc<Errands>,
        told: impl Fn() + Send + 'static,
        written: impl Fn() + Send + 'static,
    ) -> std::io::Result<Runner> {
        let running = errands.clone();
        let run = move || {
            running.kept.sweep();
            let mut has_failed = false;
            while running.wait(has_failed) {
                told();
                has_failed = running.run();
                written();
            }
            told();
            running.run();
        };
        let thread = std::thread::Builder::new().name("list-copies".to_owned()).spawn(run)?;
        Ok(Runner { errands, thread: Some(thread) })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.errands.waiting.lock().stop = true;
        self.errands.rung.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use terms::{Digest, Timestamp};

    use super::super::verdict::{Former, Most};
    use super::*;
    use crate::index::Source;

    fn keep(bytes: &[u8]) -> Errand {
        let former = Former {
            hash: Digest::of(bytes),
            read_as: None,
            rules: 1,
            size: bytes.len() as u64,
            taken_at: Timestamp::from_secs(1),
            most: Most { rules: 1, until: Timestamp::from_secs(1) },
        };
        let table = Table::compile(Source::File("/lists/a.txt".into()), Vec::new(), former.hash);
        Errand::Keep(
            Copy::new(&PathBuf::from("/lists/a.txt").into(), &former, None),
            Body::Held(bytes.to_vec()),
            Arc::new(table),
        )
    }

    fn kept(errands: &Errands) -> Vec<Vec<u8>> {
        let copies = errands.kept.all().unwrap();
        copies.values().map(|copy| errands.kept.bytes(copy)).collect()
    }

    #[test]
    fn what_fails_waits_on_unless_something_else_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("lists");
        let errands = Errands::new(Kept::new(lists.clone()));
        fs::write(&lists, b"in the way").unwrap();
        errands.add("/lists/a.txt".into(), keep(b"one"));
        errands.run();
        assert_eq!(errands.waiting.lock().errands.len(), 1);
        errands.add("/lists/a.txt".into(), keep(b"two"));
        fs::remove_file(&lists).unwrap();
        errands.run();
        assert_eq!(kept(&errands), [b"two"]);
        errands.add("/lists/a.txt".into(), Errand::Remove);
        errands.run();
        assert!(kept(&errands).is_empty());
    }

    #[test]
    fn what_fails_is_not_given_up_for_what_is_told_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let errands = Errands::new(Kept::new(folder.path().join("lists")));
        let Errand::Keep(copy, ..) = keep(b"one") else { panic!() };
        let told = || Errand::KeepFacts(copy.clone());
        assert!(errands.add_if_none_waits("/lists/a.txt".into(), told()));
        assert!(!errands.add_if_none_waits("/lists/a.txt".into(), told()));
        errands.waiting.lock().put_back("/lists/a.txt".into(), keep(b"one"));
        assert!(!errands.run());
        assert_eq!(kept(&errands), [b"one"]);
        errands.waiting.lock().put_back("/lists/a.txt".into(), Errand::Remove);
        errands.waiting.lock().put_back("/lists/a.txt".into(), keep(b"two"));
        assert!(!errands.run());
        assert!(kept(&errands).is_empty(), "what was meant later holds");
    }

    #[test]
    fn what_waits_when_the_thread_is_stopped_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let errands = Arc::new(Errands::new(Kept::new(folder.path().join("lists"))));
        let (written, told) = std::sync::mpsc::channel();
        let runner = Runner::start(errands.clone(), || (), move || written.send(()).unwrap_or_default()).unwrap();
        errands.add("/lists/a.txt".into(), keep(b"one"));
        errands.ring();
        told.recv_timeout(FULL_LOOK).unwrap();
        assert_eq!(kept(&errands), [b"one"], "it is told once it is written");
        errands.add("/lists/a.txt".into(), keep(b"two"));
        drop(runner);
        assert_eq!(kept(&errands), [b"two"]);
    }
}
