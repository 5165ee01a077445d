//! The start: every list as it is, or as it last was good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use disk::SETTLING;
use terms::Timestamp;

use super::compile::{Compiled, compile, compile_if_new};
use super::errands::{Errand, Errands};
use super::kept::{Copy, Kept};
use super::shown::{Content, Mark, ReadLong, Shown, hash, read, read_by, stamp};
use super::source::Trouble;
use super::survey::{Survey, survey_listed};
use super::verdict::{Verdict, Word, judge};
use super::{Change, Problem, Rank, Root, RootState, SourceError, Sources};
use crate::index::Table;
use crate::list::Foreign;
use crate::settings::{Listed, Settings};

/// How often a list that is being written at the start is read again before it is taken as it is;
/// the looks that follow mend it.
const PATIENCE: usize = 10;

impl Sources {
    /// Reads the lists that the settings name. A list that is bad, missing, emptied or shrunk is
    /// replaced by the copy of its last good version; without one it is an error. Writes nothing:
    /// what changed since the last run is kept once it is watched.
    ///
    /// The changes are those since the last run.
    pub fn load(settings: &Settings, wall: Timestamp) -> Result<(Sources, Vec<Change>), Vec<SourceError>> {
        let kept = Kept::new(settings.state.join("lists"));
        let mut copies = kept.all()?;
        kept.adopt_key(copies.values());
        let mut sources = Sources {
            roots: settings.lists.iter().cloned().map(Root::new).collect(),
            listed: by_path(&settings.lists),
            sources: BTreeMap::new(),
            leaving: BTreeSet::new(),
            errands: Arc::new(Errands::new(kept)),
            board: Default::default(),
            bell: Default::default(),
            full_look_at: None,
            proof: None,
        };
        sources.board.set_geo(settings.geo);
        let (mut changes, mut errors) = (Vec::new(), Vec::new());
        let is_named = |file: &&PathBuf| sources.roots.iter().any(|root| root.covers(file));
        let named: Vec<PathBuf> = copies.keys().filter(is_named).cloned().collect();
        named.into_iter().for_each(|file| sources.add_file(file));
        errors.extend(sources.survey_roots(&mut changes));
        for rank in sources.ranks() {
            match sources.start(&rank, copies.remove(&rank.1), wall) {
                Ok(change) => changes.extend(change),
                Err(bad) => errors.extend(bad),
            }
        }
        // What is left are copies of files that `lists` no longer names.
        for (file, copy) in copies {
            sources.errands.add(file, Errand::Remove);
            changes.push(Change::Lifted { file: copy.shown(), rules: copy.rules });
        }
        sources.publish();
        if errors.is_empty() { Ok((sources, changes)) } else { Err(errors) }
    }

    fn survey_roots(&mut self, changes: &mut Vec<Change>) -> Vec<SourceError> {
        let mut errors = Vec::new();
        let mut roots = std::mem::take(&mut self.roots);
        for root in &mut roots {
            let has_copies = self.sources.keys().any(|rank| root.covers(&rank.1));
            match survey_listed(&root.listed) {
                Survey::File => self.add_file(root.path().to_owned()),
                Survey::Folder(files, odd) => errors.extend(self.add_files(files, odd)),
                Survey::Absent if self.has_file_of(root.path()) => {}
                Survey::Absent if has_copies => {
                    root.state = RootState::Vanished;
                    changes.push(Change::Vanished { file: root.listed.shown() });
                }
                Survey::Absent => errors.push(root.listed.missing()),
                Survey::Unreadable(error) if has_copies => changes.extend(root.refuse(vec![error])),
                Survey::Unreadable(error) => errors.push(error),
            }
        }
        self.roots = roots;
        errors
    }

    /// Puts one list in force. What is wrong with it is an error only where there is no copy.
    fn start(&mut self, rank: &Rank, copy: Option<Copy>, wall: Timestamp) -> Result<Option<Change>, Vec<SourceError>> {
        let image = match self.start_with_image(rank, copy.as_ref(), wall) {
            Started::InForce => return Ok(None),
            Started::Not(image) => image,
        };
        let allowed = self.allowed_beside(rank);
        let Some(source) = self.sources.get_mut(rank) else { return Ok(None) };
        let listed = source.listed.clone();
        let known = copy.as_ref().map(|copy| copy.size);
        let shown = read_settled(&listed, wall, &mut |body| compile_if_new(&listed, body, known, allowed));
        source.note(&shown, wall);
        let trouble = match shown {
            Shown::Content(content) => match self.start_with(rank, content, copy.as_ref(), wall) {
                Ok(change) => return Ok(change),
                Err(trouble) => {
                    self.sources.entry(rank.clone()).and_modify(|source| source.forget_if_passing(&trouble));
                    trouble
                }
            },
            Shown::Unreadable(error) => Trouble::Refused(vec![error]),
            Shown::Absent => source.listed.gone(),
        };
        self.start_with_copy(rank, copy, image, trouble).map(Some)
    }

    /// Puts the kept table of a list in force, if that is what the list still holds: by its stamp, where it is known
    /// under which it does, and the first look reads it; by its hash elsewhere, which is taken while the table is
    /// read.
    fn start_with_image(&mut self, rank: &Rank, copy: Option<&Copy>, wall: Timestamp) -> Started {
        let allowed = self.allowed_beside(rank);
        let (Some(source), Some(copy)) = (self.sources.get_mut(rank), copy) else { return Started::Not(None) };
        if self.errands.kept.lacks_image(copy) {
            return Started::Not(None);
        }
        source.kept_stamp = copy.proof();
        let is_proven = copy.proof().filter(|kept| stamp(&source.listed.path) == Some(*kept));
        let (image, seen) = match is_proven {
            Some(stamp) => (self.errands.kept.image(copy), Some((stamp, copy.hash))),
            None => std::thread::scope(|scope| {
                let image = std::thread::Builder::new().spawn_scoped(scope, || self.errands.kept.image(copy));
                let seen = hash(&source.listed.path);
                (image.ok().and_then(|image| image.join().ok()).flatten(), seen)
            }),
        };
        let is_read_alike = copy.read_as == source.listed.foreign().map(Foreign::mark);
        let is_allowed = |table: &Table| {
            let says_more = !allowed.geo && table.first_of_countries().is_some();
            !says_more && allowed.share.plus(table.share()).excess().is_none()
        };
        let image = image.filter(|table| is_read_alike && is_allowed(table));
        match (image, seen) {
            (Some(table), Some((stamp, digest))) if digest == copy.hash && self.errands.kept.has_bytes(copy) => {
                match is_proven {
                    Some(_) => source.note_unread(Mark::Content(digest), stamp),
                    None => source.note_mark(Mark::Content(digest), Some(stamp), wall),
                }
                source.put_in_force(of_image(table), copy.former());
                Started::InForce
            }
            (image, _) => Started::Not(image),
        }
    }

    fn start_with(
        &mut self,
        rank: &Rank,
        mut content: Content,
        copy: Option<&Copy>,
        wall: Timestamp,
    ) -> Result<Option<Change>, Trouble> {
        let allowed = self.allowed_beside(rank);
        let Some(source) = self.sources.get_mut(rank) else { return Ok(None) };
        let listed = source.listed.clone();
        let before = copy.map(Copy::former);
        // Whether an empty file was emptied in place is not known; it is the safe assumption.
        let foreign = listed.foreign();
        let made = content.made.take();
        let anew = || compile(&listed, &content.body, content.hash, allowed);
        let compiled = || made.unwrap_or_else(anew);
        let (compiled, former) = match judge(&listed, before.as_ref(), &content, Word::InPlace, wall, compiled) {
            Verdict::Take(compiled) => {
                let former = content.former(foreign, compiled.table.len(), wall);
                (compiled, former)
            }
            Verdict::Same => {
                let compiled = anew().map_err(Trouble::Refused)?;
                let taken_at = before.map_or(wall, |before| before.taken_at);
                let former = content.former(foreign, compiled.table.len(), taken_at);
                (compiled, former)
            }
            Verdict::Hold(trouble) => return Err(trouble),
        };
        let former = former.behind(before.as_ref(), Word::InPlace);
        let Compiled { table, unread } = compiled.clone();
        source.put_in_force(compiled, former);
        let is_new = before.is_none_or(|before| (before.hash, before.read_as) != (former.hash, former.read_as));
        let copy_now = Copy::new(&listed, &former, source.proof());
        let errand = match copy {
            Some(copy) if !is_new && self.errands.kept.has_bytes(copy) => Errand::KeepTable(copy_now, table),
            _ => {
                source.kept_stamp = source.proof();
                Errand::Keep(copy_now, content.body, table)
            }
        };
        self.errands.add(listed.path.clone(), errand);
        let (file, before) = (listed.shown(), before.map_or(0, |before| before.rules));
        Ok(is_new.then_some(Change::Applied { file, hash: former.hash, rules: former.rules, before, unread }))
    }

    fn start_with_copy(
        &mut self,
        rank: &Rank,
        copy: Option<Copy>,
        image: Option<Arc<Table>>,
        trouble: Trouble,
    ) -> Result<Change, Vec<SourceError>> {
        let mut errors = match &trouble {
            Trouble::Refused(errors) => errors.clone(),
            Trouble::Vanished => vec![SourceError::new(&rank.1, Problem::Missing)],
            Trouble::Emptied | Trouble::Shrunk { .. } => Vec::new(),
        };
        let allowed = self.allowed_beside(rank);
        let (Some(source), Some(copy)) = (self.sources.get_mut(rank), copy) else { return Err(errors) };
        if let Some(table) = image {
            source.put_in_force(of_image(table), copy.former());
            return Ok(source.hold(trouble));
        }
        let (copy, body) = match self.errands.kept.last_with_bytes(copy) {
            Ok(last) => last,
            Err(error) => {
                errors.push(error);
                return Err(errors);
            }
        };
        let compiled = compile(&source.listed, &body, copy.hash, allowed)?;
        source.put_in_force(compiled, copy.former());
        Ok(source.hold(trouble))
    }
}

/// A kept table is of a list that is ours: nothing of it is left out.
fn of_image(table: Arc<Table>) -> Compiled {
    Compiled { table, unread: Arc::default() }
}

pub(super) fn by_path(lists: &[Listed]) -> BTreeMap<PathBuf, Listed> {
    lists.iter().map(|listed| (listed.path.clone(), listed.clone())).collect()
}

/// What came of a kept table.
enum Started {
    InForce,
    /// The list shows something else; with the table of its last good version, if that can be used.
    Not(Option<Arc<Table>>),
}

/// Reads a list at the start. One that may just be under a writer's hands, since it was touched a
/// moment ago and ends in the middle of a line, is read until two looks agree, and then as it is.
fn read_settled(listed: &Listed, wall: Timestamp, read_long: &mut ReadLong<'_>) -> Shown {
    let may_be_half = |shown: &Shown| match shown {
        Shown::Content(content) if content.steady => {
            let is_new = content.stamp.is_within(SETTLING, wall);
            is_new && content.body.size() > 0 && !content.body.ends_line()
        }
        Shown::Content(_) => true,
        Shown::Absent | Shown::Unreadable(_) => false,
    };
    let first = read_by(listed, read_long);
    if !may_be_half(&first) {
        return first;
    }
    drop(first);
    let mut shown = read(listed);
    for _ in 0..PATIENCE {
        std::thread::sleep(SETTLING);
        let before = std::mem::replace(&mut shown, read(listed));
        if shown.is_steady() && shown.mark() == before.mark() {
            break;
        }
    }
    read_by(listed, read_long)
}
