//! List files and folders: read, watched, and kept in force against accidents.
//!
//! [`Sources`] takes looks at the disk and says what came of them; it neither sleeps nor watches, so
//! all its rules can be tried with hints and times made up. [`watch`] is the thread that drives it.
//!
//! A list changes whole or not at all: a version with a bad line, a half-written save, a file that
//! vanished, was emptied, or lost most of its rules leaves the version before in force, and says so.

mod board;
mod body;
mod change;
mod check;
mod compile;
mod errands;
mod error;
mod kept;
mod load;
mod pieces;
mod proof;
mod reload;
mod root;
pub(crate) mod shown;
mod source;
mod survey;
mod thread;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::watch::Hint;
use disk::{Bell, Evidence, FULL_LOOK, Trail};
use terms::Timestamp;

pub use board::{Board, SourceStatus};
pub use change::Change;
pub use check::check;
pub use compile::Compiled;
use compile::compile;
pub use error::{Problem, SourceError};
pub use reload::Naming;
pub use thread::{Watching, watch};

use crate::index::Table;
use crate::settings::{Allowed, Listed};
use errands::{Errand, Errands};
use kept::Copy;
use proof::Proof;
use root::{Root, RootState};
use shown::{Content, Shown};
use source::{InForce, Occasion, Seen, Source, Trouble};
use verdict::{Former, Verdict, Word};

/// When a file that was touched just now is looked at once more: its next change may leave the same
/// stamp.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// All list files that `lists` stands for.
pub struct Sources {
    roots: Vec<Root>,
    /// What is said of those that are named themselves.
    listed: BTreeMap<PathBuf, Listed>,
    /// In the order in which they decide.
    sources: BTreeMap<Rank, Source>,
    /// Of them, those that are in force until [`Sources::let_go`].
    leaving: BTreeSet<Rank>,
    errands: Arc<Errands>,
    board: Board,
    bell: Arc<Bell>,
    full_look_at: Option<Instant>,
    /// The large file that is being hashed.
    proof: Option<Proof>,
}

/// A file's place in the order: by its name, then by its whole path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(OsString, PathBuf);

impl Rank {
    fn of(file: &Path) -> Rank {
        Rank(file.file_name().unwrap_or_default().to_owned(), file.to_owned())
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
    /// Looks at what the disk shows, and takes what has settled. Reads and compiles: off the request path.
    pub fn look(&mut self, hints: &[Hint], now: Instant, wall: Timestamp) -> Look {
        let mut look = Look::default();
        let is_full = self.full_look_at.is_none_or(|at| now.duration_since(at) >= FULL_LOOK);
        if is_full {
            self.full_look_at = Some(now);
        }
        let occasion = Occasion { now, wall, is_full };
        self.look_at_roots(now, &mut look);
        for rank in self.ranks() {
            let Some(source) = self.sources.get_mut(&rank) else { continue };
            if self.leaving.contains(&rank) {
                continue;
            }
            source.trail = Trail::of(&source.listed.path);
            let is_renamed = source.trail.evidence(hints) == Evidence::Renamed;
            let allowed = is_renamed.then(|| self.allowed_beside(&rank));
            let Some(source) = self.sources.get_mut(&rank) else { continue };
            match source.look(hints, occasion, allowed) {
                Seen::Nothing => self.keep_proof(&rank),
                Seen::Unproven => self.prove(&rank, wall),
                Seen::Unsettled(left) => look.again_in(left),
                Seen::Settled(shown, evidence) => look.changes.extend(self.settle(&rank, shown, evidence, wall)),
            }
        }
        if self.sources.values().any(|source| source.is_unproven() || source.judged.is_none()) {
            look.again_in(SECOND_LOOK);
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
        let mut folders: BTreeSet<PathBuf> = self.roots.iter().map(|root| root.path().to_owned()).collect();
        folders.extend(self.roots.iter().flat_map(|root| Trail::of(root.path()).folders()));
        folders.extend(self.sources.values().flat_map(|source| source.trail.folders()));
        folders.retain(|folder| folder.is_dir());
        folders
    }

    fn ranks(&self) -> Vec<Rank> {
        self.sources.keys().cloned().collect()
    }

    fn add_file(&mut self, file: PathBuf) {
        let listed = self.listed.get(&file).cloned();
        self.sources.entry(Rank::of(&file)).or_insert_with(|| Source::new(listed.unwrap_or_else(|| file.into())));
    }

    /// Adds what a folder holds; returns what is wrong with it, but for files that were known before
    /// and tell it themselves.
    fn add_files(&mut self, files: Vec<PathBuf>, mut odd: Vec<SourceError>) -> Vec<SourceError> {
        odd.retain(|error| !self.sources.contains_key(&Rank::of(&error.file)));
        files.into_iter().for_each(|file| self.add_file(file));
        odd
    }

    fn has_file_of(&self, root: &Path) -> bool {
        let rank = Rank::of(root);
        self.sources.contains_key(&rank) && !self.leaving.contains(&rank)
    }

    /// Makes something of what a file shows for good.
    fn settle(&mut self, rank: &Rank, shown: Shown, evidence: Evidence, wall: Timestamp) -> Option<Change> {
        let source = self.sources.get_mut(rank)?;
        let before = source.stamp();
        source.note(&shown, wall);
        match shown {
            Shown::Absent if source.in_force.is_none() => {
                let source = self.sources.remove(rank)?;
                source.trouble.map(|_| Change::Restored { file: source.listed.shown() })
            }
            Shown::Absent => Some(source.hold(source.listed.gone())),
            Shown::Unreadable(error) => Some(source.hold(Trouble::Refused(vec![error]))),
            Shown::Content(content) => {
                let word = Word::of_disk(before, content.stamp, evidence == Evidence::Renamed);
                self.take(rank, content, word, wall)
            }
        }
    }

    /// Has a large file hashed, and heeds what came of the one before.
    fn prove(&mut self, rank: &Rank, wall: Timestamp) {
        if self.proof.as_ref().is_some_and(|proof| !proof.is_there()) {
            return;
        }
        let before = self.proof.take().map(|proof| (proof.of.clone(), proof.take()));
        if let Some((of, seen)) = before
            && let Some(source) = self.sources.get_mut(&of)
        {
            match source.heed(seen, wall) {
                true => self.keep_proof(&of),
                false => self.bell.ring(),
            }
            if of == *rank {
                return;
            }
        }
        self.proof = Proof::start(rank.clone(), self.bell.clone());
    }

    /// Has the next start know under which stamp a list shows what is in force, so that it need not read it first.
    fn keep_proof(&mut self, rank: &Rank) {
        let Some(source) = self.sources.get_mut(rank) else { return };
        let (Some(proof), Some(former)) = (source.proof(), source.former()) else { return };
        if source.kept_stamp == Some(proof) {
            return;
        }
        let copy = Copy::new(&source.listed, former, Some(proof));
        let path = source.listed.path.clone();
        if !copy.is_worth_an_image() || self.errands.add_if_none_waits(path, Errand::KeepFacts(copy)) {
            source.kept_stamp = Some(proof);
        }
    }

    /// What is taken of the patterns that there may be, but for those of one list and of those that leave:
    /// by the others in force, and by the live edits. What lists may say.
    fn allowed_beside(&self, rank: &Rank) -> Allowed {
        let others = self.sources.iter().filter(|(other, _)| *other != rank && !self.leaving.contains(other));
        let in_force = others.filter_map(|(_, source)| Some(source.in_force.as_ref()?.compiled.table.share()));
        Allowed { share: self.board.live_share().plus(in_force.sum()), geo: self.board.geo() }
    }

    fn take(&mut self, rank: &Rank, mut content: Content, word: Word, wall: Timestamp) -> Option<Change> {
        let allowed = self.allowed_beside(rank);
        let source = self.sources.get_mut(rank)?;
        let made = content.made.take();
        let compile = || made.unwrap_or_else(|| compile(&source.listed, &content.body, content.hash, allowed));
        match verdict::judge(&source.listed, source.former(), &content, word, wall, compile) {
            Verdict::Same => {
                if let Some(former) = source.accept(word) {
                    let copy = Copy::new(&source.listed, &former, source.kept_stamp);
                    self.errands.add_facts(source.listed.path.clone(), copy);
                }
                if let Some(InForce { compiled, former }) = &source.in_force {
                    let copy = Copy::new(&source.listed, former, source.kept_stamp);
                    if !self.errands.kept.has_bytes(&copy) {
                        let keep = Errand::Keep(copy, content.body, compiled.table.clone());
                        self.errands.add_if_none_waits(source.listed.path.clone(), keep);
                    }
                }
                source.trouble.take().map(|_| Change::Restored { file: source.listed.shown() })
            }
            Verdict::Hold(trouble) => {
                let is_told = trouble.may_pass() && source.trouble.as_ref().is_some_and(Trouble::may_pass);
                source.forget_if_passing(&trouble);
                let change = source.hold(trouble);
                (!is_told).then_some(change)
            }
            Verdict::Take(compiled) => {
                let before = source.former().map_or(0, |former| former.rules);
                let Compiled { table, unread } = compiled.clone();
                let former = content.former(source.listed.foreign(), table.len(), wall);
                let former = former.behind(source.former(), word);
                source.put_in_force(compiled, former);
                source.trouble = None;
                source.kept_stamp = source.proof();
                let (path, file) = (source.listed.path.clone(), source.listed.shown());
                let copy = Copy::new(&source.listed, &former, source.kept_stamp);
                self.errands.add(path, Errand::Keep(copy, content.body, table));
                Some(Change::Applied { file, hash: former.hash, rules: former.rules, before, unread })
            }
        }
    }

    fn lift(&mut self, rank: &Rank) -> Option<Change> {
        let source = self.sources.remove(rank)?;
        self.errands.add(source.listed.path.clone(), Errand::Remove);
        let rules = source.former().map_or(0, |former| former.rules);
        Some(Change::Lifted { file: source.listed.shown(), rules })
    }

    fn publish(&self) {
        let tables = self.sources.values().filter_map(|source| Some(source.in_force.as_ref()?.compiled.table.clone()));
        let of_roots = self.roots.iter().filter_map(Root::status);
        let status = of_roots.chain(self.sources.values().map(Source::status)).collect();
        self.board.publish(tables.collect(), status);
    }
}

impl Source {
    fn put_in_force(&mut self, compiled: Compiled, former: Former) {
        self.in_force = Some(InForce { compiled, former });
    }

    /// What is known of what is in force, where an operator's word on it is news.
    fn accept(&mut self, word: Word) -> Option<Former> {
        let former = &mut self.in_force.as_mut()?.former;
        former.accept(word).then_some(*former)
    }

    /// Leaves in force what is, and says why.
    fn hold(&mut self, trouble: Trouble) -> Change {
        let file = self.listed.shown();
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
            file: self.listed.shown(),
            format: self.listed.foreign().map(|foreign| foreign.format),
            rules: former.map_or(0, |former| former.rules),
            loaded_at: former.map(|former| former.taken_at),
            hash: former.map(|former| former.hash),
            trouble: self.trouble.as_ref().map(Trouble::to_string),
            unread: self.in_force.as_ref().map(|in_force| in_force.compiled.unread.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
