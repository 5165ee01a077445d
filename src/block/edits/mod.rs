//! Live edits: rules that were added while running, by people and programs.
//!
//! The store is the truth: one file an edit, written durably before the edit is acknowledged, and
//! with it what the log and the hooks have yet to be told. The table is derived from it. A crash
//! anywhere is mended by telling, through the same code, what [`Edits::pending`] still holds.
//!
//! ```text
//! state/blocks/ID.json
//! ```

mod edit;
mod page;
mod trial;
mod who;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::durable;
use parking_lot::Mutex;
use terms::{Digest, Hasher, Timestamp};

pub use edit::{Draft, DraftError, EditRule, Event, EventKind, MAX_RULES};
pub use page::{BadCursor, Block, Page, WantedEdits};
pub use trial::{Lifting, Trial};
pub use who::{BadWho, Who};

use crate::index::{Compiler, Part, Source, Table};
use crate::list::NOBODY_KNOWS_WHERE;
use crate::rule::Rule;
use crate::settings::Allowed;
use edit::{Stored, StoredEvent, is_id, rule_id};

/// Live rules in all: for them a new edit is compiled in some 20 ms. A list file bears more.
const MAX_LIVE: usize = 200_000;

/// Rules of the newest edits that are read into keys again with each edit; those of older ones are kept so.
const NEWEST: usize = 2_000;

/// The edits, and the table of what of them is in force.
pub struct Edits {
    dir: PathBuf,
    state: Mutex<State>,
}

struct State {
    edits: HashMap<String, Live>,
    /// The order in which they decide and are listed.
    order: BTreeSet<Place>,
    table: Arc<Table>,
    older: Option<Older>,
    /// [`NEWEST`]
    newest: usize,
}

type Place = (Timestamp, String);

/// The rules of all edits up to one, which have not changed since.
struct Older {
    part: Part,
    ids: Vec<Arc<str>>,
    last: Place,
}

struct Live {
    stored: Stored,
    /// All of the draft, lifted ones too.
    rules: Vec<Rule>,
    /// Of `stored`.
    digest: Digest,
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
    /// It is stored, and its rules are in the table.
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

    /// The table of a store that another process may hold open; empty if there is none.
    pub fn read(dir: &Path) -> Result<Arc<Table>, EditsError> {
        Ok(load(dir)?.table)
    }

    /// Stores an edit durably, with the event to be told. What was lifted of the same draft is in
    /// force again. Blocks while it writes and compiles.
    pub fn add(&self, draft: Draft, allowed: Allowed, at: Timestamp) -> Result<Added, AddError> {
        let rules = draft.read()?;
        let mut state = self.state.lock();
        let mut stored = match state.admit(&draft, &rules, allowed)? {
            Some(known) if known.is_whole() => return Ok(known.repeated()),
            Some(known) => {
                let lifted = BTreeSet::new();
                Stored { draft, at, lifted, receipt: None, ..known.stored.clone() }
            }
            None => Stored::new(draft, at),
        };
        let event = stored.add_event(EventKind::BlockAdded, at, stored.draft.by.clone(), stored.numbers().collect());
        self.store(&stored).map_err(|source| AddError::Io { path: self.dir.clone(), source })?;
        let live = Live::new(stored, rules);
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
        let (edit, mut stored) = (live.stored.draft.id.clone(), live.stored.clone());
        stored.lifted.extend(&lifted);
        let event = stored.add_event(EventKind::BlockLifted, at, by, lifted);
        self.store(&stored)?;
        let Some(live) = state.remove(&edit) else { return Ok(None) };
        let live = Live::new(stored, live.rules);
        let event = live.event(&event);
        state.put(live);
        state.compile();
        Ok(Some(event))
    }

    /// What the log and the hooks have yet to be told, oldest first.
    pub fn pending(&self) -> Vec<Event> {
        let state = self.state.lock();
        let pending = |live: &Live| live.stored.pending.iter().map(|event| live.event(event)).collect::<Vec<_>>();
        let mut events: Vec<Event> = state.edits.values().flat_map(pending).collect();
        events.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        events
    }

    /// Keeps durably what is about to be told of an event, so that after a crash the very same is told
    /// again.
    pub fn word(&self, event: &Event, receipt: &serde_json::Value) -> io::Result<()> {
        let mut state = self.state.lock();
        let Some(live) = state.edits.get_mut(&event.edit) else { return Ok(()) };
        let mut stored = live.stored.clone();
        if let Some(pending) = stored.pending.iter_mut().find(|pending| pending.id == event.id) {
            pending.receipt = Some(receipt.clone());
            self.store(&stored)?;
            live.stored = stored;
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
            stored.receipt = receipt;
        }
        if stored.pending.is_empty() && stored.live().next().is_none() {
            durable::remove(&self.path(&event.edit))?;
            state.remove(&event.edit);
            return Ok(());
        }
        self.store(&stored)?;
        if let Some(live) = state.edits.get_mut(&event.edit) {
            live.stored = stored;
        }
        Ok(())
    }

    /// The rules in force. The id of each is that of a [`terms::ruling::RuleOrigin::Edit`].
    pub fn table(&self) -> Arc<Table> {
        self.state.lock().table.clone()
    }

    /// The rules in force, a page at a time, by the time of their edit; `after` is the `next` of the
    /// page before. A page holds 1 to 1,000 rules, and of those that are wanted perhaps none: a bounded number is looked at.
    pub fn list(&self, after: Option<&str>, limit: usize, wanted: &WantedEdits) -> Result<Page, BadCursor> {
        page::page(&self.state.lock(), after, limit, wanted)
    }

    fn store(&self, stored: &Stored) -> io::Result<()> {
        durable::write(&self.path(&stored.draft.id), &serde_json::to_vec(stored)?)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

impl State {
    /// The edit that an id is about, and which of its rules: those in force of all, or the one. `None`: there is none.
    fn meant(&self, id: &str) -> Option<(&Live, BTreeSet<usize>)> {
        let (edit, number) = match id.split_once(':') {
            Some((edit, number)) => (edit, Some(number.parse::<usize>().ok()?)),
            None => (id, None),
        };
        let live = self.edits.get(edit)?;
        let meant: BTreeSet<usize> =
            live.stored.live().filter(|one| number.is_none_or(|number| number == *one)).collect();
        (!meant.is_empty()).then_some((live, meant))
    }

    fn put(&mut self, live: Live) {
        let id = live.stored.draft.id.clone();
        self.remove(&id);
        let place = (live.stored.at, id.clone());
        self.older = self.older.take().filter(|older| older.last < place);
        self.order.insert(place);
        self.edits.insert(id, live);
    }

    fn remove(&mut self, id: &str) -> Option<Live> {
        let (id, live) = self.edits.remove_entry(id)?;
        let place = (live.stored.at, id);
        if live.in_force().next().is_some() {
            self.older = self.older.take().filter(|older| older.last < place);
        }
        self.order.remove(&place);
        Some(live)
    }

    fn compile(&mut self) {
        let (mut part, mut ids) = (Part::default(), Vec::new());
        let after = self.older.as_ref().map_or(Bound::Unbounded, |older| Bound::Excluded(older.last.clone()));
        for live in self.order.range((after, Bound::Unbounded)).filter_map(|(_, id)| self.edits.get(id)) {
            for (id, rule) in live.in_force() {
                ids.push(id);
                part.add(rule);
            }
        }
        if part.len() > self.newest && self.older.take().is_some() {
            return self.compile();
        }
        let mut compiler = Compiler::default();
        let mut all = Vec::new();
        if let Some(older) = &self.older {
            compiler.append(&older.part, 0);
            all.extend_from_slice(&older.ids);
        }
        compiler.append(&part, 0);
        all.extend_from_slice(&ids);
        let mut hasher = Hasher::new();
        let digests = self.order.iter().filter_map(|(_, id)| self.edits.get(id)).map(|live| live.digest);
        digests.for_each(|digest| hasher.update(digest.as_bytes()));
        self.table = Arc::new(compiler.finish(Source::Edits { ids: all }, hasher.finish()));
        if let Some(last) = self.order.last()
            && part.len() > self.newest
        {
            self.older = Some(Older { part, ids, last: last.clone() });
        }
    }
}

impl Live {
    fn new(stored: Stored, rules: Vec<Rule>) -> Live {
        let digest = stored.digest();
        Live { stored, rules, digest }
    }

    /// None of its rules is lifted.
    fn is_whole(&self) -> bool {
        self.stored.lifted.is_empty()
    }

    fn in_force(&self) -> impl Iterator<Item = (Arc<str>, &Rule)> {
        let numbered = |number: usize| Some((rule_id(&self.stored.draft.id, number), self.rules.get(number - 1)?));
        self.stored.live().filter_map(numbered)
    }

    fn event(&self, event: &StoredEvent) -> Event {
        let draft = &self.stored.draft;
        let rule = |&number: &usize| {
            let rule = self.rules.get(number.checked_sub(1)?)?.clone();
            Some(EditRule { id: rule_id(&draft.id, number), rule })
        };
        Event {
            id: event.id.clone(),
            edit: draft.id.clone(),
            kind: event.kind,
            at: event.at,
            by: event.by.clone(),
            notice: draft.attribute("notice").map(str::to_owned),
            reason: draft.attribute("reason").map(str::to_owned),
            rules: event.rules.iter().filter_map(rule).collect(),
            receipt: event.receipt.clone(),
        }
    }

    fn repeated(&self) -> Added {
        let (kind, at, rules) = (EventKind::BlockAdded, self.stored.at, self.stored.numbers().collect());
        let mut again = self.stored.clone();
        let told = match again.pending.iter().rfind(|event| event.kind == kind) {
            Some(event) => event.clone(),
            None => again.add_event(kind, at, again.draft.by.clone(), rules),
        };
        Added::Same(self.event(&told), self.stored.receipt.clone())
    }
}

fn load(dir: &Path) -> Result<State, EditsError> {
    let empty = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::of(b""));
    let mut state =
        State { edits: HashMap::new(), order: BTreeSet::new(), table: Arc::new(empty), older: None, newest: NEWEST };
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
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if stored.draft.id != id {
        return Err(damaged(format!("it holds the edit {:?}", stored.draft.id)));
    }
    let rules = stored.draft.read().map_err(|error| damaged(error.to_string()))?;
    Ok(Some(Live::new(stored, rules)))
}

#[cfg(test)]
mod tests;
