//! The life of a notice: this page, top to bottom.
//!
//! An edit is made durable, compiled, put in force; what is under way is cut; copies are purged; log
//! and hooks are told. A list that changes, and a rule whose hour comes, join that way where they are
//! in force. A crash anywhere on it is mended by walking the rest of it again.

mod affected;
mod content;
mod dry_run;
mod freshness;
mod late;
mod tell;
mod teller;
mod time;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use audit::{Log, Served};
use block::edits::{AddError, Added, Draft, Event, Who};
use block::sources::Board;
use block::{Blocks, Case, Change, Edits, Index, Naming, Sources};
use cache::{Aim, Cache, Force};
use feeds::Feeds;
use hooks::Hooks;
use parking_lot::Mutex;
use serde_json::{Value, json};
use terms::{Clock, Digest, Timestamp, Url};
use tokio::sync::Notify;

use crate::purge::Freed;
use crate::receipt::{Receipt, Taken};

pub use affected::{MOST_ROWS, Rows};
pub use dry_run::DryRun;
use late::Late;
use teller::Teller;
pub use view::Lists;

/// Where rules come from, but for live edits.
pub struct Supply {
    pub sources: Arc<Mutex<Sources>>,
    /// What keeps some of the files that those are read from.
    pub feeds: Arc<Feeds>,
}

pub struct Takedown {
    blocks: Arc<Blocks>,
    /// The store of live edits, from which their part of the index is derived.
    edits: Edits,
    supply: Supply,
    board: Board,
    cache: Cache,
    log: Log,
    hooks: Arc<Hooks>,
    teller: Teller,
    late: Late,
    clock: Clock,
    /// Held from the store to the publication, so that no older rules overtake newer ones; by an edit until
    /// it is told, for as long as disks take. What is shown to whoever asks waits for none of it.
    turn: Mutex<Turn>,
    /// When other rules came in force last, in microseconds since 1970.
    since: AtomicI64,
    list_errors: AtomicU64,
    /// What is stored, read or meant could not be put in force. Told within a turn.
    unpublished: AtomicBool,
    /// Rings when the next boundary of a rule's time may have moved.
    boundaries: Notify,
    /// Rings when live edits have changed.
    edited: Notify,
    /// Held while it is said until when the rules in force may be gone by.
    looks: Mutex<()>,
}

/// The right to put other rules in force.
struct Turn;

/// What came of asking for a block.
pub enum Done {
    /// In force now, by this receipt.
    Now(Value),
    /// It was in force already, by this one.
    Before(Value),
}

/// What came of naming the lists: a sentence for each that changed.
pub struct Named {
    pub taken: Vec<String>,
    pub refused: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum TakedownError {
    #[error(transparent)]
    Add(#[from] AddError),
    #[error("the state folder can't be written: {0}")]
    Io(#[from] std::io::Error),
}

impl Takedown {
    pub fn new(
        blocks: Arc<Blocks>,
        edits: Edits,
        supply: Supply,
        cache: Cache,
        log: Log,
        hooks: Arc<Hooks>,
        clock: Clock,
    ) -> std::io::Result<Takedown> {
        let board = supply.sources.lock().board();
        Ok(Takedown {
            board,
            teller: Teller::start(log.clone(), hooks.clone())?,
            late: Late::start(blocks.clone(), clock.clone())?,
            turn: Mutex::new(Turn),
            since: AtomicI64::new(clock.wall().micros()),
            list_errors: AtomicU64::new(0),
            unpublished: AtomicBool::new(false),
            boundaries: Notify::new(),
            edited: Notify::new(),
            looks: Mutex::default(),
            blocks,
            edits,
            supply,
            cache,
            log,
            hooks,
            clock,
        })
    }

    /// Puts an edit in force. When this returns, the edit is durable, holds for every request that
    /// begins from now on, what it covers and was under way is cut, and copies are gone. The same edit
    /// under the same id gives its receipt again.
    pub fn block(&self, draft: Draft) -> Result<Done, TakedownError> {
        let turn = self.turn.lock();
        match self.edits.add(draft, self.board.allowed(), self.clock.wall())? {
            Added::Same(_, Some(receipt)) => Ok(Done::Before(receipt)),
            Added::Same(event, None) => self.carry_out(&event, &turn).map(Done::Before),
            Added::New(event) => self.carry_out(&event, &turn).map(Done::Now),
        }
    }

    /// Lifts an edit by its id, or one rule by the rule's; gives a receipt. `None`: nothing has that id.
    pub fn lift(&self, id: &str, by: Option<Who>) -> Result<Option<Value>, TakedownError> {
        let turn = self.turn.lock();
        match self.edits.lift(id, by, self.clock.wall())? {
            Some(event) => self.carry_out(&event, &turn).map(Some),
            None => Ok(None),
        }
    }

    /// The way of an edit that is durable. Its receipt is made once and kept with it before anybody is
    /// told: who is told again after a crash is told the same.
    fn carry_out(&self, edit: &Event, turn: &Turn) -> Result<Value, TakedownError> {
        let receipt = match &edit.receipt {
            Some(receipt) => receipt.clone(),
            None => self.enforce(edit, turn)?,
        };
        match self.tell_of_edit(edit, &receipt) {
            Ok(()) => self.edits.settle(edit, Some(receipt.clone()))?,
            // In force all the same; what is pending is told again later.
            Err(error) => tracing::error!(id = edit.edit, "in force, but not told of: {error}"),
        }
        self.edited.notify_one();
        Ok(receipt)
    }

    fn enforce(&self, edit: &Event, turn: &Turn) -> Result<Value, TakedownError> {
        let taken = self.put_in_force(turn)?;
        let own = self.blocks.index().of_rules(edit.rules.iter().map(|one| &one.rule));
        let by_digest = |served: &Served| served.digest.is_some_and(|digest| own.is_about_digest(&digest));
        let last_served = self.log.last_served(|served| own.is_about(&served.url) || by_digest(served));
        let receipt = json!(Receipt::of(edit, taken, last_served));
        self.edits.word(edit, &receipt)?;
        Ok(receipt)
    }

    /// Compiles, publishes, cuts, purges, in this order: from the publication on nothing new is served,
    /// the cut stops what is under way, and purging is housekeeping that no answer waits for.
    fn put_in_force(&self, _: &Turn) -> Result<Taken, TakedownError> {
        let live = self.edits.live();
        self.board.set_live_share(live.share());
        let published = self.blocks.publish(live, self.board.tables());
        self.unpublished.store(published.is_err(), Relaxed);
        let index = published?;
        let at = self.clock.wall();
        self.since.store(at.micros(), Relaxed);
        let round = self.blocks.cut(at);
        self.late.judge_again(round.undecoded());
        let cut = round.cut();
        let purged = self.purge_blocked(&index, at);
        self.blocks.shelf().look(index.tables(), at);
        self.boundaries.notify_one();
        Ok(Taken { list: index.version(), at, cut, purged })
    }

    fn purge_blocked(&self, index: &Index, now: Timestamp) -> Freed {
        let case = Case::of_anybody(now);
        let by_digest = |url: &Url, digest: Digest| {
            let is_forbidden = index.judge_digest(url, &digest, case).is_some();
            if is_forbidden {
                self.blocks.remember(url, digest, None, now);
            }
            is_forbidden
        };
        let covers = |url: &Url, digest: Option<Digest>| {
            index.judge(url, case).is_some() || digest.is_some_and(|digest| by_digest(url, digest))
        };
        self.cache.purge(&Aim::Blocked(&covers), Force::Hard).into()
    }

    /// Lists changed on disk, or could not be taken.
    pub fn lists_changed(&self, changes: &[Change]) {
        let turn = self.turn.lock();
        // Another look may have come between: whoever comes first puts in force what both saw.
        let is_in_force = self.blocks.index().is_of(&self.board.tables());
        let taken = if is_in_force { Ok(self.unchanged()) } else { self.put_in_force(&turn) };
        drop(turn);
        match taken {
            Ok(taken) => changes.iter().for_each(|change| self.tell_of_list(change, taken)),
            Err(error) => tracing::error!("changed lists are not in force yet; this is tried again: {error}"),
        }
        self.look_at_feeds();
    }

    fn unchanged(&self) -> Taken {
        Taken { list: self.blocks.version(), at: self.clock.wall(), cut: 0, purged: Freed::default() }
    }

    /// Makes these the lists, and reads as many of them again as `naming` says. Of those that can't be
    /// taken, what was in force stays; so does what is to be lifted, until [`Takedown::let_go`]. `geo`: their rules may
    /// hold in some countries alone.
    pub fn name_lists(&self, lists: &[block::Listed], geo: bool, naming: Naming) -> Named {
        let changes = self.supply.sources.lock().reload(lists, geo, naming, &self.clock);
        self.lists_changed(&changes);
        let is_taken = |change: &&Change| change.alters_rules() || matches!(change, Change::Restored { .. });
        let (taken, refused): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(is_taken);
        let told = |changes: Vec<&Change>| changes.iter().map(ToString::to_string).collect();
        Named { taken: told(taken), refused: told(refused) }
    }

    /// Lifts what is no longer named: to be done once no site serves it that would not be served by name.
    pub fn let_go(&self) -> Vec<String> {
        let changes = self.supply.sources.lock().let_go();
        self.lists_changed(&changes);
        changes.iter().map(ToString::to_string).collect()
    }

    /// Walks the rest of the way for edits that were durable when an earlier run ended, and tells what
    /// changed in the lists since.
    pub fn resume(&self, changes: &[Change]) -> Result<(), TakedownError> {
        self.warn_of_patterns();
        self.tell_pending()?;
        changes.iter().for_each(|change| self.tell_of_list(change, self.unchanged()));
        self.teller.settle();
        Ok(())
    }

    fn tell_pending(&self) -> Result<(), TakedownError> {
        for edit in self.edits.pending() {
            let turn = self.turn.lock();
            self.carry_out(&edit, &turn)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
