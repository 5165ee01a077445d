//! Listing the live rules, a page at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use terms::{Countries, Timestamp};

use super::Who;
use super::edit::rule_id;
use super::live::Live;
use super::order::Place;
use super::state::State;
use crate::rule::{Rule, Standing, standing};
use crate::wanted::Wanted;

/// Rules of a page.
pub const MAX_PAGE: usize = 1000;

/// A live rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub id: Arc<str>,
    /// Without its attributes.
    pub rule: Arc<str>,
    /// The id of its edit.
    pub receipt: String,
    pub notice: Option<Arc<str>>,
    pub reason: Option<Arc<str>>,
    /// In which countries it holds, if not in all.
    pub geo: Option<Countries>,
    /// From when and until when it holds, if not always.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// When its edit was asked for, and who did.
    pub at: Timestamp,
    pub by: Option<Who>,
}

impl Block {
    fn of(live: &Live, number: usize, rule: &Rule) -> Block {
        Block {
            id: rule_id(live.id(), number),
            rule: rule.text.clone(),
            receipt: live.id().to_owned(),
            notice: rule.attributes.notice.clone(),
            reason: rule.attributes.reason.clone(),
            geo: rule.attributes.geo.clone(),
            from: rule.attributes.from,
            until: rule.attributes.until,
            at: live.stored.at,
            by: live.stored.draft.by.clone(),
        }
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        standing(self.from, self.until, now)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub blocks: Vec<Block>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the `next` of a page")]
pub struct BadCursor(String);

/// A place in the order: that of a rule, which need not be there any more.
struct Cursor {
    at: Timestamp,
    edit: String,
    number: usize,
}

impl BadCursor {
    pub(crate) fn of(text: &str) -> BadCursor {
        BadCursor(text.to_owned())
    }
}

impl Cursor {
    fn read(text: &str) -> Result<Cursor, BadCursor> {
        Cursor::parse(text).ok_or_else(|| BadCursor(text.to_owned()))
    }

    fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.splitn(3, ':');
        let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
        Some(Cursor { at, edit: parts.next()?.to_owned(), number: parts.next()?.parse().ok()? })
    }

    fn write(&self) -> String {
        format!("{}:{}:{}", self.at.micros(), self.edit, self.number)
    }
}

/// Rules that are looked at for one page: edits wait meanwhile.
const MOST_LOOKS: usize = 20_000;

/// Which live rules are looked for, beside what [`Wanted`] says of any.
#[derive(Clone, Debug, Default)]
pub struct WantedEdits {
    pub rules: Wanted,
    /// Part of who asked for it, in whatever case of ASCII.
    pub by: Option<String>,
    /// Asked for then, or later.
    pub since: Option<Timestamp>,
}

impl WantedEdits {
    fn takes(&self, live: &Live) -> bool {
        let by = live.stored.draft.by.as_ref().map_or("", AsRef::as_ref).to_ascii_lowercase();
        self.by.as_ref().is_none_or(|part| by.contains(&part.to_ascii_lowercase()))
    }
}

/// An edit, and rules of it that are in force.
type Candidates<'s> = (&'s Live, Box<dyn Iterator<Item = usize> + 's>);

/// The rules of these ids, by their edits in the order of these.
fn named<'s>(state: &'s State, ids: &HashSet<Arc<str>>) -> Vec<Candidates<'s>> {
    let mut edits: BTreeMap<Place<'_>, (&Live, BTreeSet<usize>)> = BTreeMap::new();
    for (live, numbers) in ids.iter().filter_map(|id| state.meant(id)) {
        edits.entry(live.place()).or_insert((live, BTreeSet::new())).1.extend(numbers);
    }
    edits.into_values().map(|(live, numbers)| (live, Box::new(numbers.into_iter()) as Box<_>)).collect()
}

pub(super) fn page(state: &State, after: Option<&str>, limit: usize, wanted: &WantedEdits) -> Result<Page, BadCursor> {
    let limit = limit.clamp(1, MAX_PAGE);
    let after = after.map(Cursor::read).transpose()?;
    let start = match &after {
        Some(cursor) => Some((cursor.at, cursor.edit.as_str())),
        None => wanted.since.map(|since| (since, "")),
    };
    let is_before = |place: Place<'_>| start.is_some_and(|start| place < start);
    let edits: Box<dyn Iterator<Item = Candidates<'_>>> = match &wanted.rules.ids {
        Some(ids) => Box::new(named(state, ids).into_iter().skip_while(move |(live, _)| is_before(live.place()))),
        None => Box::new(state.order.from(is_before).map(|live| (&**live, Box::new(live.stored.live()) as Box<_>))),
    };
    let mut page = Page { blocks: Vec::new(), next: None };
    let (mut last, mut left) = (None, MOST_LOOKS);
    for (live, numbers) in edits {
        let key = live.place();
        let seen = match &after {
            Some(cursor) if (cursor.at, cursor.edit.as_str()) == key => cursor.number,
            _ => 0,
        };
        if !wanted.takes(live) {
            continue;
        }
        for number in numbers.filter(|number| *number > seen) {
            if page.blocks.len() == limit || left == 0 {
                page.next = last.as_ref().map(Cursor::write);
                return Ok(page);
            }
            left -= 1;
            last = Some(Cursor { at: key.0, edit: key.1.to_owned(), number });
            let Some(rule) = live.rule(number) else { continue };
            if !wanted.rules.takes(rule) {
                continue;
            }
            page.blocks.push(Block::of(live, number, rule));
        }
    }
    Ok(page)
}
