//! Listing the rules in force, a page at a time.

use std::ops::Bound;
use std::sync::Arc;

use terms::{Countries, Timestamp};

use super::{State, Who};

const MAX_PAGE: usize = 1000;

/// A rule in force.
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
    /// When its edit was asked for, and who did.
    pub at: Timestamp,
    pub by: Option<Who>,
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

pub(super) fn page(state: &State, after: Option<&str>, limit: usize) -> Result<Page, BadCursor> {
    let limit = limit.clamp(1, MAX_PAGE);
    let after = after.map(Cursor::read).transpose()?;
    let start = match &after {
        Some(cursor) => Bound::Included((cursor.at, cursor.edit.clone())),
        None => Bound::Unbounded,
    };
    let mut page = Page { blocks: Vec::new(), next: None };
    let mut last = None;
    for key in state.order.range((start, Bound::Unbounded)) {
        let Some(live) = state.edits.get(&key.1) else { continue };
        let seen = match &after {
            Some(cursor) if (cursor.at, &cursor.edit) == (key.0, &key.1) => cursor.number,
            _ => 0,
        };
        for number in live.stored.live().filter(|number| *number > seen) {
            if page.blocks.len() == limit {
                page.next = last.as_ref().map(Cursor::write);
                return Ok(page);
            }
            let Some(rule) = live.rules.get(number - 1) else { continue };
            page.blocks.push(Block {
                id: super::rule_id(&key.1, number),
                rule: rule.text.clone(),
                receipt: key.1.clone(),
                notice: rule.attributes.notice.clone(),
                reason: rule.attributes.reason.clone(),
                geo: rule.attributes.geo.clone(),
                at: key.0,
                by: live.stored.draft.by.clone(),
            });
            last = Some(Cursor { at: key.0, edit: key.1.clone(), number });
        }
    }
    Ok(page)
}
