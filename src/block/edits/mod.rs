//! Live edits: rules that were added while running, by people and programs.
//!
//! The store is the truth: one file an edit, written durably before the edit is acknowledged, and
//! with it what the log and the hooks have yet to be told. The tables are derived from it. A crash
//! anywhere is mended by telling, through the same code, what [`Edits::pending`] still holds.
//!
//! ```text
//! state/blocks/ID.json
//! ```

mod edit;
mod kept;
mod live;
mod order;
mod page;
mod state;
mod trial;
mod who;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::durable;
use parking_lot::Mutex;
use terms::Timestamp;

pub use edit::{Draft, DraftError, EditRule, Event, EventKind, MAX_RULES};
pub use page::{BadCursor, Block, MAX_PAGE, Page, WantedEdits};
pub use state::{Joined, Joining};
pub use trial::{Lifting, Trial};
pub use who::{BadWho, Who};

use crate::index::LiveRules;
use crate::list::NOBODY_KNOWS_WHERE;
use crate::settings::Allowed;
use edit::{Stored, is_id};
use kept::KeptReceipt;
use live::Live;
use state::State;

/// Live rules in all: each takes some 2 KB where it is an edit by itself, and now and then all are compiled anew, which takes
/// a third of a second. A list file bears more.
const MAX_LIVE: usize = 200_000;

/// The edits, and the tables of what of them is in force.
pub struct Edits {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, thiserror::Error)]
pub enum EditsError {
    #[error("{}: not a live edit: {what}; mend it, or move it away to lift its rules", file.display())]
    Damaged { file: PathBuf, what: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error("another edit has the id {0:?}: choose another, or leave it out")]
    Conflict(String),
    #[error("there are {MAX_LIVE} live rules: put long lists into files")]
    Full,
    /// Says which bound, and what to do.
    #[error("{0}")]
    Patterns(String),
    #[error("{NOBODY_KNOWS_WHERE}")]
    Geo,
    #[error("the edit can't be stored in {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// What came of adding an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is stored, and its rules are in force with the next publication.
    New(Event),
    /// It was there already, all of it. With what the client was told then, if that is known.
    Same(Event, Option<serde_json::Value>),
}

impl Edits {
    /// Opens the store in `dir`, which is created if need be. The caller holds the lock on the state
    /// folder. A file that can't be read is an error: skipping it would lift its rules.
    pub fn open(dir: &Path) -> Result<Edits, EditsError> {
        let failed = |source| EditsError::Io { path: dir.to_owned(), source };
        durable::private_folder(dir).map_err(failed)?;
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".new-")) {
                // Left by a write that a crash interrupted.
                fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(Edits { dir: dir.to_owned(), state: Mutex::new(load(dir)?) })
    }

    /// The rules of a store that another process may hold open; none if there is no store.
    pub fn read(dir: &Path) -> Result<LiveRules, EditsError> {
        Ok(load(dir)?.in_force)
    }

    /// Stores an edit durably, with the event to be told. What was lifted of the same draft is in
    /// force again. Blocks while it writes and compiles.
    pub fn add(&self, draft: Draft, allowed: Allowed, at: Timestamp) -> Result<Added, AddError> {
        let rules = draft.read()?;
        let mut state = self.state.lock();
        let mut stored = match state.admit(&draft, &rules, allowed)? {
            Some(known) if known.is_whole() => return Ok(known.repeated()),
            Some(known) => {
                let (draft, lifted) = (Arc::new(draft.into()), BTreeSet::new());
                Stored { draft, at, lifted, receipt: None, ..known.stored.clone() }
            }
            None => Stored::new(draft, at),
        };
        let event = stored.add_event(EventKind::BlockAdded, at, stored.draft.by.clone(), stored.numbers().collect());
        self.store(&stored).map_err(|source| AddError::Io { path: self.dir.clone(), source })?;
        let live = Live::new(stored, rules.into());
        let event = live.event(&event);
        state.put(live);
        state.compile();
        Ok(Added::New(event))
    }

    /// Lifts an edit by its id, or one rule by the rule's, durably. `None`: nothing of that id is in
    /// force. Blocks as [`Edits::add`].
    pub fn lift(&self, id: &str, by: Option<Who>, at: Timestamp) -> io::Result<Option<Event>> {
        let mut state = self.state.lock();
        let Some((live, lifted)) = state.meant(id) else { return Ok(None) };
        let (rules, mut stored) = (live.rules.clone(), live.stored.clone());
        stored.lifted.extend(&lifted);
        let event = stored.add_event(EventKind::BlockLifted, at, by, lifted);
        self.store(&stored)?;
        let live = Live::new(stored, rules);
        let event = live.event(&event);
        state.put(live);
        state.compile();
        Ok(Some(event))
    }

    /// What the log and the hooks have yet to be told, oldest first.
    pub fn pending(&self) -> Vec<Event> {
        let state = self.state.lock();
        let pending = |live: &Arc<Live>| live.stored.pending.iter().map(|event| live.event(event)).collect::<Vec<_>>();
        let mut events: Vec<Event> = state.edits.values().flat_map(pending).collect();
        events.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        events
    }

    /// Keeps durably what is about to be told of an event, so that after a crash the very same is told
    /// again.
    pub fn word(&self, event: &Event, receipt: &serde_json::Value) -> io::Result<()> {
        let mut state = self.state.lock();
        let Some(live) = state.edits.get(&event.edit) else { return Ok(()) };
        let mut stored = live.stored.clone();
        if let Some(pending) = stored.pending.iter_mut().find(|pending| pending.id == event.id) {
            pending.receipt = Some(KeptReceipt::of(receipt)?);
            self.store(&stored)?;
            let live = live.told(stored);
            state.put(live);
        }
        Ok(())
    }

    /// Notes durably that an event was told, and with what receipt, which a repeated request is
    /// answered with. An edit of which nothing is in force and all is told leaves the store.
    pub fn settle(&self, event: &Event, receipt: Option<serde_json::Value>) -> io::Result<()> {
        let mut state = self.state.lock();
        let Some(live) = state.edits.get(&event.edit) else { return Ok(()) };
        let mut stored = live.stored.clone();
        stored.pending.retain(|pending| pending.id != event.id);
        if event.kind == EventKind::BlockAdded && receipt.is_some() {
            stored.receipt = receipt.as_ref().map(KeptReceipt::of).transpose()?;
        }
        if stored.pending.is_empty() && stored.live().next().is_none() {
            durable::remove(&self.path(&event.edit))?;
            state.forget(&event.edit);
            return Ok(());
        }
        self.store(&stored)?;
        let live = live.told(stored);
        state.put(live);
        Ok(())
    }

    /// The rules in force. The id of each is that of a [`terms::ruling::RuleOrigin::Edit`].
    pub fn live(&self) -> LiveRules {
        self.state.lock().in_force.clone()
    }

    /// What is to be compiled for the edits that follow to cost little, [`Edits::end_join`] what came of it. `None` where
    /// nothing is to be done, as is usual.
    pub fn begin_join(&self) -> Option<Joining> {
        self.state.lock().begin_join()
    }

    /// The same rules as are in force, held so. `None` where it came to nothing, for [`Edits::begin_join`] to be asked again.
    pub fn end_join(&self, joined: Joined) -> Option<LiveRules> {
        let mut state = self.state.lock();
        state.end_join(joined).then(|| state.in_force.clone())
    }

    /// The rules in force, a page at a time, by the time of their edit; `after` is the `next` of the
    /// page before. A page holds 1 to 1,000 rules, and of those that are wanted perhaps none: a bounded number is looked at.
    pub fn list(&self, after: Option<&str>, limit: usize, wanted: &WantedEdits) -> Result<Page, BadCursor> {
        page::page(&self.state.lock(), after, limit, wanted)
    }

    fn store(&self, stored: &Stored) -> io::Result<()> {
        durable::write_by(&self.path(&stored.draft.id), |file| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, stored)?;
            out.flush()
        })
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

fn load(dir: &Path) -> Result<State, EditsError> {
    let mut state = State::default();
    let failed = |source| EditsError::Io { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(state),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let file = entry.map_err(failed)?.path();
        if file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if let Some(live) = load_one(&file)? {
            state.put(live);
        }
    }
    state.compile();
    if let Some(joining) = state.begin_join() {
        state.end_join(joining.compile());
    }
    // Whoever asks for it later waits for what has changed since alone.
    state.in_force.hash();
    Ok(state)
}

/// `None` for a file that was removed since the folder was listed.
fn load_one(file: &Path) -> Result<Option<Live>, EditsError> {
    let damaged = |what: String| EditsError::Damaged { file: file.to_owned(), what };
    let id = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
    let id = id.filter(|id| is_id(id)).ok_or_else(|| damaged("its name is not ID.json".into()))?;
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(EditsError::Io { path: file.to_owned(), source }),
    };
    let mut stored: Stored = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if stored.draft.id != id {
        return Err(damaged(format!("it holds the edit {:?}", stored.draft.id)));
    }
    let rules = stored.draft.read().map_err(|error| damaged(error.to_string()))?;
    let numbers = stored.numbers();
    stored.lifted.retain(|number| numbers.contains(number));
    Ok(Some(Live::new(stored, rules.into())))
}

#[cfg(test)]
mod tests;
