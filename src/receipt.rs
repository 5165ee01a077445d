//! Receipts: what an operator gets for an edit, and what log and hooks are told of it.

use audit::LastServed;
use block::Attributes;
use block::edits::{EditRule, Event, Who};
use serde::Serialize;
use terms::Timestamp;

use crate::purge::Freed;

/// A statement of what is in force since when.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The id of the edit.
    pub id: String,
    pub notice: Option<String>,
    pub reason: Option<String>,
    /// When it was asked for, and who did.
    pub at: Timestamp,
    pub by: Option<Who>,
    /// The version of the index from which on the edit holds.
    pub list: u64,
    pub in_force_at: Timestamp,
    pub rules: Vec<ReceiptRule>,
    pub purged: Freed,
    /// Answers and fetches under way that were cut.
    pub cut: usize,
    /// What the log's recent window knows of the last answer with any of this.
    pub last_served: Option<LastServed>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReceiptRule {
    pub id: String,
    pub rule: String,
}

/// What a publication of the index brought with it.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub list: u64,
    pub at: Timestamp,
    pub cut: usize,
    pub purged: Freed,
}

impl Receipt {
    pub fn of(event: &Event, taken: Taken, last_served: Option<LastServed>) -> Receipt {
        Receipt {
            id: event.edit.clone(),
            notice: event.notice.clone().or_else(|| first_of(event, |attributes| attributes.notice.as_deref())),
            reason: event.reason.clone().or_else(|| first_of(event, |attributes| attributes.reason.as_deref())),
            at: event.at,
            by: event.by.clone(),
            list: taken.list,
            in_force_at: taken.at,
            rules: event.rules.iter().map(ReceiptRule::of).collect(),
            purged: taken.purged,
            cut: taken.cut,
            last_served,
        }
    }
}

/// What the first rule says that says it in its own line.
fn first_of(event: &Event, pick: fn(&Attributes) -> Option<&str>) -> Option<String> {
    event.rules.iter().find_map(|one| pick(&one.rule.attributes)).map(str::to_owned)
}

impl ReceiptRule {
    fn of(rule: &EditRule) -> ReceiptRule {
        ReceiptRule { id: rule.id.to_string(), rule: rule.rule.text.to_string() }
    }
}
