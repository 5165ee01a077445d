//! Being told that something in a folder changed.
//!
//! Folders are watched, never files: editors and ConfigMaps replace a file by rename, and a watch
//! on the file itself goes dead after the first one. What arrives is a hint, no more: events are
//! lost when the kernel's queue overflows, and network file systems give none, so whoever watches
//! looks for himself, and looks from time to time in any case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::face::Face;

/// What an event says. Paths are those of the real folder (no links in it) and the name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Something changed, or events were lost: look again.
    Look,
    /// Somebody wrote into this file, or cut it short.
    Written(PathBuf),
    /// A writer closed this file.
    Closed(Save),
    /// This name was put in place by a rename: whole, in one step.
    Renamed(Save),
}

impl Hint {
    pub fn closed(path: PathBuf) -> Hint {
        Hint::Closed(Save::seen(path))
    }

    pub fn renamed(path: PathBuf) -> Hint {
        Hint::Renamed(Save::seen(path))
    }
}

/// What a save left behind, as it stood when the hint of it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    path: PathBuf,
    face: Option<Face>,
}

impl Save {
    fn seen(path: PathBuf) -> Save {
        Save { face: Face::of(&path), path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing was written there since.
    pub fn stands(&self) -> bool {
        self.face == Face::of(&self.path)
    }
}

/// Watches on a set of folders, not on those inside them.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// Which folder (device and inode) stood under a path when the watch was set: another one there
    /// now needs a new watch.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    refused: BTreeSet<PathBuf>,
}

impl Watch {
    /// Starts with no folder. `hint` is called on a thread of the watcher's own; it must not block,
    /// panic, or call back into this watch. Where the system gives no watcher, there are no hints
    /// and [`Watch::is_complete`] says so.
    pub fn new(hint: impl Fn(Hint) + Send + 'static) -> Watch {
        let watcher = notify::recommended_watcher(move |event| tell(event, &hint));
        if let Err(error) = &watcher {
            tracing::warn!(
                %error,
                "the system gives no file watcher, so changes are only found by looking from time to time; \
                 see fs.inotify.max_user_instances"
            );
        }
        Watch { watcher: watcher.ok(), watched: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// Makes `folders` the watched ones. A folder that is not there is left out. Returns whether a
    /// watch was added: what happened in that folder until now gave no hint.
    pub fn set_folders(&mut self, folders: BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        // Two spellings of one folder would share a watch in the kernel, and dropping one drops both.
        let wanted: BTreeMap<PathBuf, (u64, u64)> = folders
            .into_iter()
            .filter_map(|folder| {
                let real = fs::canonicalize(folder).ok()?;
                let facts = fs::metadata(&real).ok().filter(fs::Metadata::is_dir)?;
                Some((real, (facts.dev(), facts.ino())))
            })
            .collect();
        self.watched.retain(|folder, identity| {
            let keep = wanted.get(folder) == Some(identity);
            if !keep {
                // Fails where the kernel dropped the watch along with the folder.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        self.refused.retain(|folder| wanted.contains_key(folder));
        let mut added = false;
        for (folder, identity) in wanted {
            if self.watched.contains_key(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(&folder);
                    self.watched.insert(folder, identity);
                    added = true;
                }
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => {
                    if self.refused.insert(folder.clone()) {
                        tracing::warn!(
                            folder = %folder.display(), %error,
                            "can't watch this folder, so changes in it are only found by looking from time to time; \
                             see fs.inotify.max_user_watches"
                        );
                    }
                }
            }
        }
        added
    }

    /// Whether every folder asked for that exists is watched. If not, look more often.
    pub fn is_complete(&self) -> bool {
        self.watcher.is_some() && self.refused.is_empty()
    }
}

fn tell(event: notify::Result<Event>, hint: &impl Fn(Hint)) {
    let Ok(event) = event else { return hint(Hint::Look) };
    let each = |event: Event, of: fn(PathBuf) -> Hint| event.paths.into_iter().map(of).for_each(hint);
    match event.kind {
        // Our own reading opens and closes files: looking again at that would never end.
        EventKind::Access(AccessKind::Open(_) | AccessKind::Close(AccessMode::Read)) => {}
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => each(event, Hint::closed),
        EventKind::Modify(ModifyKind::Data(_)) => each(event, Hint::Written),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => each(event, Hint::renamed),
        // An overflow comes as `Other` with the flag `Rescan`, and names no path.
        _ => hint(Hint::Look),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::{self, Receiver};
    use std::time::{Duration, Instant};

    use notify::event::Flag;

    use super::*;

    fn watch_of(folders: &[&PathBuf]) -> (Watch, Receiver<Hint>) {
        let (sender, receiver) = mpsc::channel();
        let mut watch = Watch::new(move |hint| {
            let _ = sender.send(hint);
        });
        assert!(watch.set_folders(folders.iter().map(|&folder| folder.clone()).collect()));
        (watch, receiver)
    }

    fn wait_for(hints: &Receiver<Hint>, wanted: &Hint) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let left = || deadline.saturating_duration_since(Instant::now());
        while hints.recv_timeout(left()).unwrap_or_else(|_| panic!("no {wanted:?}")) != *wanted {}
    }

    #[test]
    fn a_close_after_writing_and_a_rename_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        let (_watch, hints) = watch_of(&[&real]);
        let mut file = fs::File::create(real.join("new")).unwrap();
        file.write_all(b"x").unwrap();
        drop(file);
        wait_for(&hints, &Hint::closed(real.join("new")));
        fs::rename(real.join("new"), real.join("list")).unwrap();
        wait_for(&hints, &Hint::renamed(real.join("list")));
    }

    #[test]
    fn reading_gives_no_hint() {
        let folder = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        fs::write(real.join("list"), b"x").unwrap();
        let (_watch, hints) = watch_of(&[&real]);
        fs::read(real.join("list")).unwrap();
        // Events come in order: were there one for the reading, it would come before this one.
        fs::rename(real.join("list"), real.join("moved")).unwrap();
        assert_eq!(hints.recv_timeout(Duration::from_secs(10)).unwrap(), Hint::Look);
        assert_eq!(hints.recv_timeout(Duration::from_secs(10)).unwrap(), Hint::renamed(real.join("moved")));
    }

    #[test]
    fn a_folder_that_was_replaced_is_watched_anew() {
        let above = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(above.path()).unwrap().join("lists");
        fs::create_dir(&folder).unwrap();
        let (mut watch, hints) = watch_of(&[&folder]);
        fs::rename(&folder, folder.with_extension("old")).unwrap();
        fs::create_dir(&folder).unwrap();
        assert!(watch.set_folders(BTreeSet::from([folder.clone()])));
        assert!(!watch.set_folders(BTreeSet::from([folder.clone()])), "nothing left to add");
        fs::write(folder.join("list"), b"x").unwrap();
        wait_for(&hints, &Hint::closed(folder.join("list")));
        assert!(watch.is_complete());
    }

    #[test]
    fn a_link_to_a_folder_and_the_folder_are_one_watch() {
        let above = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(above.path()).unwrap();
        let (folder, link) = (real.join("lists"), real.join("link"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let (mut watch, hints) = watch_of(&[&folder, &link]);
        watch.set_folders(BTreeSet::from([link]));
        fs::write(folder.join("list"), b"x").unwrap();
        wait_for(&hints, &Hint::closed(folder.join("list")));
    }

    #[test]
    fn lost_events_and_errors_ask_for_a_look() {
        let told = |event| {
            let hints = std::cell::RefCell::new(Vec::new());
            tell(event, &|hint| hints.borrow_mut().push(hint));
            hints.into_inner()
        };
        assert_eq!(told(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))), [Hint::Look]);
        assert_eq!(told(Err(notify::Error::generic("broken"))), [Hint::Look]);
        assert_eq!(told(Ok(Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any))))), []);
    }
}
