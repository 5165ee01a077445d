//! The operator's word: `reload`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use terms::{Clock, Timestamp};

use super::load::by_path;
use super::shown::Shown;
use super::source::{Occasion, Seen, Trouble};
use super::survey::{Survey, survey_listed};
use super::verdict::Word;
use super::{Change, Rank, Root, RootState, Sources};
use crate::settings::Listed;

/// How often a list that is being written is looked at before it is left to the looks that follow.
const PASSES: usize = 4;

/// On whose word lists are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The operator's: all of them are read again, what vanished is lifted, what was emptied is taken, and
    /// with `accept_shrink` what shrank.
    Reload { accept_shrink: bool },
    /// The config's, which changed: those named before are left as they are.
    Config,
}

impl Sources {
    /// Makes `lists` the named ones, and takes what the files show, as far as `naming` goes. `geo` as in
    /// [`crate::Allowed`]. A bad list is
    /// refused, and what was in force of it stays. What is to be lifted stays in force, too, until
    /// [`Sources::let_go`].
    ///
    /// Blocks while it reads and compiles, and some 300 ms where a file was touched a moment ago.
    pub fn reload(&mut self, lists: &[Listed], geo: bool, naming: Naming, clock: &Clock) -> Vec<Change> {
        let before: BTreeSet<PathBuf> = match naming {
            Naming::Reload { .. } => BTreeSet::new(),
            Naming::Config => self.roots.iter().map(|root| root.path().to_owned()).collect(),
        };
        let read_anew = self.name(lists, geo);
        self.add_what_is_there();
        // A config that was saved is no word on what a list lost.
        let word = match naming {
            Naming::Reload { accept_shrink } => Word::Operator { accept_shrink },
            Naming::Config => Word::InPlace,
        };
        let is_left = |file: &Path| before.iter().any(|root| root == file || file.parent() == Some(root));
        let mut unsettled = self.ranks();
        unsettled.retain(|rank| (!is_left(&rank.1) || read_anew.contains(rank)) && !self.leaving.contains(rank));
        let mut changes = Vec::new();
        for _ in 0..PASSES {
            let now = clock.now();
            let occasion = Occasion { now: now.steady, wall: now.wall, is_full: true };
            let mut wait = Duration::ZERO;
            unsettled.retain(|rank| {
                let Some(source) = self.sources.get_mut(rank) else { return false };
                match source.look_for_operator(occasion) {
                    Seen::Nothing | Seen::Unproven => false,
                    Seen::Unsettled(left) => {
                        wait = wait.max(left);
                        true
                    }
                    Seen::Settled(shown, _) => {
                        changes.extend(self.settle_by_word(rank, shown, word, now.wall));
                        false
                    }
                }
            });
            if unsettled.is_empty() {
                break;
            }
            std::thread::sleep(wait);
        }
        changes.extend(self.settle_roots_by_word(&before));
        self.publish();
        // The thread has new folders to watch.
        self.bell.ring();
        changes
    }

    /// Lifts what the last reload left for it: what is no longer named, or by the operator's word no longer
    /// there.
    pub fn let_go(&mut self) -> Vec<Change> {
        let leaving = std::mem::take(&mut self.leaving);
        let changes = leaving.iter().filter_map(|rank| self.lift(rank)).collect();
        self.publish();
        self.bell.ring();
        changes
    }

    /// Makes `lists` the roots; the files that none of them covers are to leave. Returns those that may be read
    /// otherwise from now on.
    fn name(&mut self, lists: &[Listed], geo: bool) -> BTreeSet<Rank> {
        let mut before = std::mem::take(&mut self.roots);
        self.roots = lists
            .iter()
            .map(|listed| match before.iter().position(|root| root.path() == listed.path) {
                Some(at) => Root { listed: listed.clone(), ..before.swap_remove(at) },
                None => Root { state: RootState::Missing, ..Root::new(listed.clone()) },
            })
            .collect();
        let is_named = |rank: &Rank| self.roots.iter().any(|root| root.covers(&rank.1));
        self.leaving = self.sources.keys().filter(|rank| !is_named(rank)).cloned().collect();
        self.listed = by_path(lists);
        let says_more = self.board.set_geo(geo);
        let mut read_anew = BTreeSet::new();
        for (rank, source) in &mut self.sources {
            let foreign = self.listed.get(&source.listed.path).and_then(|listed| listed.foreign.as_ref());
            // What was refused for its countries may be good now.
            if source.listed.foreign.as_ref() != foreign || (says_more && source.trouble.is_some()) {
                source.listed.foreign = foreign.cloned();
                read_anew.insert(rank.clone());
            }
        }
        read_anew
    }

    fn add_what_is_there(&mut self) {
        let all: Vec<Listed> = self.roots.iter().map(|root| root.listed.clone()).collect();
        for listed in all {
            match survey_listed(&listed) {
                Survey::File => self.add_file(listed.path),
                Survey::Folder(files, _) => files.into_iter().for_each(|file| self.add_file(file)),
                Survey::Absent | Survey::Unreadable(_) => {}
            }
        }
    }

    fn settle_by_word(&mut self, rank: &Rank, shown: Shown, word: Word, wall: Timestamp) -> Option<Change> {
        let source = self.sources.get_mut(rank)?;
        source.note(&shown, wall);
        match shown {
            // A feed is lifted by taking it out of `lists` alone.
            Shown::Absent if source.listed.name.is_some() => Some(source.hold(source.listed.gone())),
            Shown::Absent => {
                self.leaving.insert(rank.clone());
                None
            }
            Shown::Unreadable(error) => Some(source.hold(Trouble::Refused(vec![error]))),
            Shown::Content(content) => {
                // Of one that was emptied in place, the status asks for this word and no other.
                let was_emptied = matches!(source.trouble, Some(Trouble::Emptied)) && content.body.size() == 0;
                let word = if was_emptied { Word::Operator { accept_shrink: true } } else { word };
                self.take(rank, content, word, wall)
            }
        }
    }

    /// But for those of `left`.
    fn settle_roots_by_word(&mut self, left: &BTreeSet<PathBuf>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut roots = std::mem::take(&mut self.roots);
        for root in roots.iter_mut().filter(|root| !left.contains(root.path())) {
            root.absent_since = None;
            match survey_listed(&root.listed) {
                Survey::File => root.state = RootState::Present,
                Survey::Folder(files, odd) => {
                    root.state = RootState::Present;
                    changes.extend(root.refuse(self.add_files(files, odd)));
                }
                Survey::Unreadable(error) => {
                    root.state = RootState::Present;
                    changes.extend(root.refuse(vec![error]));
                }
                Survey::Absent if self.has_file_of(root.path()) => {}
                Survey::Absent => match root.state {
                    RootState::Missing => {
                        let errors = vec![root.listed.missing()];
                        changes.push(Change::Refused { file: root.listed.shown(), errors });
                    }
                    _ => root.state = RootState::Lifted,
                },
            }
        }
        self.roots = roots;
        changes
    }
}
