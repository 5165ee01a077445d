//! List files and folders: read, watched, and kept in force against accidents.
//!
//! [`Sources`] takes looks at the disk and says what came of them; it neither sleeps nor watches, so
//! all its rules can be tried with hints and times made up. [`watch`] is the thread that drives it.
//!
//! A list changes whole or not at all: a version with a bad line, a half-written save, a file that
//! vanished, was emptied, or lost most of its rules leaves the version before in force, and says so.

mod board;
mod check;
mod error;
mod kept;
mod load;
mod reload;
mod shown;
mod source;
mod survey;
mod thread;
mod trail;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::watch::Hint;
use terms::{Digest, Timestamp};

pub use board::{Board, SourceStatus};
pub use check::check;
pub use error::{Problem, SourceError};
pub use thread::{Watching, watch};

use crate::index::{self, Table};
use crate::rule::Rule;
use kept::{Copy, Kept};
use shown::{Content, Shown};
use source::{InForce, Occasion, SETTLING, Seen, Source, Trouble};
use survey::{Survey, survey};
use thread::Bell;
use trail::{Evidence, Trail};
use verdict::{Former, Verdict, Word};

/// How often everything is looked at whether or not there was a hint: network file systems give none.
const FULL_LOOK: Duration = Duration::from_secs(30);

/// When a file that was touched just now is looked at once more: its next change may leave the same
/// stamp.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// All list files that `lists` stands for.
pub struct Sources {
    roots: Vec<Root>,
    /// In the order in which they decide.
    sources: BTreeMap<Rank, Source>,
    kept: Kept,
    /// What is still to be written to the state folder: `None` removes a copy.
    errands: BTreeMap<PathBuf, Option<(Copy, Vec<u8>)>>,
    board: Board,
    bell: Arc<Bell>,
    full_look_at: Option<Instant>,
}

/// A file's place in the order: by its name, then by its whole path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(OsString, PathBuf);

impl Rank {
    fn of(file: &Path) -> Rank {
        Rank(file.file_name().unwrap_or_default().to_owned(), file.to_owned())
    }
}

/// A path that `lists` names.
struct Root {
    path: PathBuf,
    state: RootState,
    absent_since: Option<Instant>,
}

enum RootState {
    /// There, or a file whose source tells how it is.
    Present,
    /// Was there.
    Vanished,
    /// Was gone when the operator said `reload`: nothing is expected of it.
    Lifted,
    /// Was named by a reload, and was not there.
    Missing,
    /// Can't be listed, or some of what is in it can't be taken.
    Refused(Vec<SourceError>),
}

/// What came of a look, a reload or a start.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new version is in force; `before` is the number of rules of the one it replaced.
    Applied {
        file: PathBuf,
        hash: Digest,
        rules: usize,
        before: usize,
    },
    /// What the file shows can't be taken; what was in force stays.
    Refused {
        file: PathBuf,
        errors: Vec<SourceError>,
    },
    Vanished {
        file: PathBuf,
    },
    /// Truncated to nothing; its rules stay in force.
    Emptied {
        file: PathBuf,
    },
    /// Holds under half of its rules; the former ones stay in force.
    Shrunk {
        file: PathBuf,
        from: usize,
        to: usize,
    },
    /// The file shows again what is in force.
    Restored {
        file: PathBuf,
    },
    /// Its rules are no longer in force.
    Lifted {
        file: PathBuf,
        rules: usize,
    },
}

impl Change {
    /// Whether other rules are in force than before.
    pub fn alters_rules(&self) -> bool {
        matches!(self, Change::Applied { .. } | Change::Lifted { .. })
    }

    pub fn file(&self) -> &Path {
        match self {
            Change::Applied { file, .. }
            | Change::Refused { file, .. }
            | Change::Vanished { file }
            | Change::Emptied { file }
            | Change::Shrunk { file, .. }
            | Change::Restored { file }
            | Change::Lifted { file, .. } => file,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file().display())?;
        match self {
            Change::Applied { rules, before, .. } => write!(f, "in force with {rules} rules (before: {before})"),
            Change::Refused { errors, .. } => Trouble::Refused(errors.clone()).fmt(f),
            Change::Vanished { .. } => Trouble::Vanished.fmt(f),
            Change::Emptied { .. } => Trouble::Emptied.fmt(f),
            Change::Shrunk { from, to, .. } => Trouble::Shrunk { from: *from, to: *to }.fmt(f),
            Change::Restored { .. } => f.write_str("shows again what is in force"),
            Change::Lifted { rules, .. } => write!(f, "lifted, with {rules} rules"),
        }
    }
}

/// What a look came to.
#[derive(Debug, Default)]
pub struct Look {
    pub changes: Vec<Change>,
    /// A look is due after this time even without a hint.
    pub again_in: Option<Duration>,
}

impl Look {
    fn again_in(&mut self, span: Duration) {
        self.again_in = Some(self.again_in.map_or(span, |before| before.min(span)));
    }
}

impl Sources {
    /// Looks at what the disk shows, and takes what has settled. Reads and compiles, and writes copies
    /// that were left to write: off the request path.
    pub fn look(&mut self, hints: &[Hint], now: Instant, wall: Timestamp) -> Look {
        let mut look = Look::default();
        self.run_errands();
        let is_full = self.full_look_at.is_none_or(|at| now.duration_since(at) >= FULL_LOOK);
        if is_full {
            self.full_look_at = Some(now);
        }
        let occasion = Occasion { now, wall, is_full };
        self.look_at_roots(now, &mut look);
        for rank in self.ranks() {
            let Some(source) = self.sources.get_mut(&rank) else { continue };
            source.trail = Trail::of(&source.file);
            let evidence = source.trail.evidence(hints);
            match source.look(evidence, occasion) {
                Seen::Nothing => {}
                Seen::Unsettled(left) => look.again_in(left),
                Seen::Settled(shown, evidence) => look.changes.extend(self.settle(&rank, shown, evidence, wall)),
            }
        }
        if self.sources.values().any(Source::is_fresh) {
            look.again_in(SECOND_LOOK);
        }
        if look.changes.iter().any(Change::alters_rules) {
            // For the errands, once the change is in force.
            look.again_in(Duration::ZERO);
        }
        self.publish();
        look
    }

    /// The tables in force, in the order in which they decide.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        self.board.tables()
    }

    pub fn status(&self) -> Arc<Vec<SourceStatus>> {
        self.board.status()
    }

    /// The same for those who can't wait for a look that is under way.
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// The folders to watch, so that no change goes without a hint.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders: BTreeSet<PathBuf> = self.roots.iter().map(|root| root.path.clone()).collect();
        folders.extend(self.roots.iter().flat_map(|root| Trail::of(&root.path).folders()));
        folders.extend(self.sources.values().flat_map(|source| source.trail.folders()));
        folders.retain(|folder| folder.is_dir());
        folders
    }

    fn ranks(&self) -> Vec<Rank> {
        self.sources.keys().cloned().collect()
    }

    fn add_file(&mut self, file: PathBuf) {
        self.sources.entry(Rank::of(&file)).or_insert_with(|| Source::new(file));
    }

    /// Adds what a folder holds; returns what is wrong with it, but for files that were known before
    /// and tell it themselves.
    fn add_files(&mut self, files: Vec<PathBuf>, mut odd: Vec<SourceError>) -> Vec<SourceError> {
        odd.retain(|error| !self.sources.contains_key(&Rank::of(&error.file)));
        files.into_iter().for_each(|file| self.add_file(file));
        odd
    }

    fn has_file_of(&self, root: &Path) -> bool {
        self.sources.contains_key(&Rank::of(root))
    }

    fn look_at_roots(&mut self, now: Instant, look: &mut Look) {
        let mut roots = std::mem::take(&mut self.roots);
        for root in &mut roots {
            let shown = survey(&root.path);
            if !matches!(shown, Survey::Absent) {
                root.absent_since = None;
            }
            match shown {
                Survey::File => {
                    root.state = RootState::Present;
                    self.add_file(root.path.clone());
                }
                Survey::Folder(files, odd) => look.changes.extend(root.refuse(self.add_files(files, odd))),
                Survey::Unreadable(error) => look.changes.extend(root.refuse(vec![error])),
                // A file's own source finds out that it is gone.
                Survey::Absent if self.has_file_of(&root.path) => {}
                Survey::Absent => match root.state {
                    RootState::Vanished | RootState::Lifted | RootState::Missing => {}
                    RootState::Present | RootState::Refused(_) => {
                        let since = *root.absent_since.get_or_insert(now);
                        match SETTLING.checked_sub(now.duration_since(since)) {
                            None | Some(Duration::ZERO) => {
                                root.state = RootState::Vanished;
                                look.changes.push(Change::Vanished { file: root.path.clone() });
                            }
                            Some(left) => look.again_in(left),
                        }
                    }
                },
            }
        }
        self.roots = roots;
    }

    /// Makes something of what a file shows for good.
    fn settle(&mut self, rank: &Rank, shown: Shown, evidence: Evidence, wall: Timestamp) -> Option<Change> {
        let source = self.sources.get_mut(rank)?;
        let before = source.stamp();
        source.note(&shown, wall);
        match shown {
            Shown::Absent if source.in_force.is_none() => {
                let source = self.sources.remove(rank)?;
                source.trouble.map(|_| Change::Restored { file: source.file })
            }
            Shown::Absent => Some(source.hold(Trouble::Vanished)),
            Shown::Unreadable(error) => Some(source.hold(Trouble::Refused(vec![error]))),
            Shown::Content(content) => {
                let word = Word::of_disk(before, content.stamp, evidence == Evidence::Renamed);
                self.take(rank, content, word, wall)
            }
        }
    }

    fn take(&mut self, rank: &Rank, content: Content, word: Word, wall: Timestamp) -> Option<Change> {
        let source = self.sources.get_mut(rank)?;
        let file = source.file.clone();
        match verdict::judge(&file, source.former(), &content, word) {
            Verdict::Same => source.trouble.take().map(|_| Change::Restored { file }),
            Verdict::Hold(trouble) => Some(source.hold(trouble)),
            Verdict::Take(rules) => {
                let before = source.former().map_or(0, |former| former.rules);
                let former = content.former(rules.len(), wall);
                source.put_in_force(rules, former);
                source.trouble = None;
                self.errands.insert(file.clone(), Some((Copy::new(&file, &former), content.bytes)));
                Some(Change::Applied { file, hash: former.hash, rules: former.rules, before })
            }
        }
    }

    fn lift(&mut self, rank: &Rank) -> Option<Change> {
        let source = self.sources.remove(rank)?;
        self.errands.insert(source.file.clone(), None);
        let rules = source.former().map_or(0, |former| former.rules);
        Some(Change::Lifted { file: source.file, rules })
    }

    /// Writes what a change left to write, after the change itself was in force. What fails is tried
    /// again at the next look.
    fn run_errands(&mut self) {
        for (file, errand) in std::mem::take(&mut self.errands) {
            let done = match &errand {
                Some((copy, bytes)) => self.kept.put(copy, bytes),
                None => self.kept.remove(&file),
            };
            if let Err(error) = done {
                tracing::error!(
                    file = %file.display(), %error,
                    "can't keep the copy of a list's last good version in the state folder; trying again"
                );
                self.errands.insert(file, errand);
            }
        }
    }

    fn publish(&self) {
        let tables = self.sources.values().filter_map(|source| Some(source.in_force.as_ref()?.table.clone()));
        let of_roots = self.roots.iter().filter_map(Root::status);
        let status = of_roots.chain(self.sources.values().map(Source::status)).collect();
        self.board.publish(tables.collect(), status);
    }
}

impl Root {
    fn new(path: PathBuf) -> Root {
        Root { path, state: RootState::Present, absent_since: None }
    }

    /// Notes what can't be taken, if anything; a change only where there was no such thing before.
    fn refuse(&mut self, errors: Vec<SourceError>) -> Option<Change> {
        let was_refused = matches!(self.state, RootState::Refused(_));
        if errors.is_empty() {
            let was_troubled = !matches!(self.state, RootState::Present | RootState::Lifted);
            self.state = RootState::Present;
            return was_troubled.then(|| Change::Restored { file: self.path.clone() });
        }
        self.state = RootState::Refused(errors.clone());
        (!was_refused).then(|| Change::Refused { file: self.path.clone(), errors })
    }

    fn status(&self) -> Option<SourceStatus> {
        let trouble = match &self.state {
            RootState::Present | RootState::Lifted => return None,
            RootState::Vanished => Trouble::Vanished,
            RootState::Missing => Trouble::Refused(vec![SourceError::new(&self.path, Problem::Missing)]),
            RootState::Refused(errors) => Trouble::Refused(errors.clone()),
        };
        let trouble = Some(trouble.to_string());
        Some(SourceStatus { file: self.path.clone(), rules: 0, loaded_at: None, hash: None, trouble })
    }

    /// Whether it stands for this file.
    fn covers(&self, file: &Path) -> bool {
        self.path == file || file.parent() == Some(&self.path)
    }
}

impl Source {
    fn put_in_force(&mut self, rules: Vec<Rule>, former: Former) {
        let name = index::Source::File(Arc::from(self.file.to_string_lossy()));
        let table = Arc::new(Table::compile(name, rules, former.hash));
        self.in_force = Some(InForce { table, former });
    }

    /// Leaves in force what is, and says why.
    fn hold(&mut self, trouble: Trouble) -> Change {
        let file = self.file.clone();
        self.trouble = Some(trouble.clone());
        match trouble {
            Trouble::Vanished => Change::Vanished { file },
            Trouble::Emptied => Change::Emptied { file },
            Trouble::Refused(errors) => Change::Refused { file, errors },
            Trouble::Shrunk { from, to } => Change::Shrunk { file, from, to },
        }
    }

    fn status(&self) -> SourceStatus {
        let former = self.former();
        SourceStatus {
            file: self.file.clone(),
            rules: former.map_or(0, |former| former.rules),
            loaded_at: former.map(|former| former.taken_at),
            hash: former.map(|former| former.hash),
            trouble: self.trouble.as_ref().map(Trouble::to_string),
        }
    }
}

#[cfg(test)]
mod tests;
