//! One live edit: what was asked for, and what has become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use terms::{Digest, Hasher, Timestamp};

use super::kept::{KeptDraft, KeptReceipt};
use super::who::Who;
use crate::list::{self, BadLine};
use crate::rule::Rule;

/// Rules of one edit: more belong in a list file.
pub const MAX_RULES: usize = 100_000;

/// Bytes of all rules of one edit.
const MAX_BYTES: usize = 16 << 20;

/// An edit as it is asked for. The same rules and attributes under the same id are the same edit, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// 1 to 64 of `A-Za-z0-9._-`, not beginning with a dot.
    pub id: String,
    /// Each as a line of a text list holds it.
    pub rules: Vec<String>,
    /// Attributes of every rule, by name, as a text list writes them but without quotes: `notice`,
    /// `reason`, `status`, `from`, `until`, `query`, `geo`, `authority`, `page`, `disclose`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Who asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Who>,
}

#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the id {0:?}: an id is 1 to 64 of A-Z a-z 0-9 . _ - and begins with no dot")]
    Id(String),
    #[error("there is no rule")]
    Empty,
    #[error("more than {MAX_RULES} rules, or {} MiB of them: put them into a list file", MAX_BYTES >> 20)]
    TooMany,
    #[error(
        "the attribute {0:?}: attributes are notice, reason, status, from, until, query, geo, authority, page, disclose"
    )]
    Attribute(String),
    #[error("the attributes hold more than {} KiB", list::MAX_LINE >> 10)]
    LongAttributes,
    /// `number` counts from 1.
    #[error("rule {number}, column {}: {}", bad.column, bad.what)]
    Rule { number: usize, bad: BadLine },
}

impl Draft {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn is_same(&self, other: &Draft) -> bool {
        (&self.id, &self.rules, &self.attributes) == (&other.id, &other.rules, &other.attributes)
    }

    /// The rules, read and numbered as they stand.
    pub fn read(&self) -> Result<Vec<Rule>, DraftError> {
        if !is_id(&self.id) {
            return Err(DraftError::Id(self.id.clone()));
        }
        // A name is written into a line, where a blank or a `#` would end it.
        if let Some(name) = self.attributes.keys().find(|name| !name.bytes().all(|byte| byte.is_ascii_lowercase())) {
            return Err(DraftError::Attribute(name.clone()));
        }
        // Every rule carries them all, as a line of a list would.
        if self.attributes.values().map(String::len).sum::<usize>() > list::MAX_LINE {
            return Err(DraftError::LongAttributes);
        }
        if self.rules.is_empty() {
            return Err(DraftError::Empty);
        }
        if self.rules.len() > MAX_RULES || self.rules.iter().map(String::len).sum::<usize>() > MAX_BYTES {
            return Err(DraftError::TooMany);
        }
        let attributes = self.attributes_of_a_line();
        let read = |(at, line): (usize, &String)| {
            read_with(line, &attributes).map_err(|bad| DraftError::Rule { number: at + 1, bad })
        };
        self.rules.iter().enumerate().map(read).collect()
    }

    fn attributes_of_a_line(&self) -> String {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        self.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", quoted(value))).collect()
    }
}

/// Reads a rule with more attributes, which go before its own so that no comment hides them. One that
/// stands in both is an error of the line.
fn read_with(line: &str, attributes: &str) -> Result<Rule, BadLine> {
    let alone = list::read_rule(line)?;
    if attributes.is_empty() {
        return Ok(alone);
    }
    let word = line.find(&*alone.text).map_or(0, |at| at + alone.text.len());
    list::read_rule(&format!("{}{attributes}{}", &line[..word], &line[word..]))
}

/// Whether a text can be the id of an edit, and so the name of a file.
pub(super) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(is_plain)
}

/// An edit as its file holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub draft: Arc<KeptDraft>,
    pub at: Timestamp,
    /// The numbers, from 1, of the rules that are no longer in force.
    pub lifted: BTreeSet<usize>,
    /// What the log and the hooks have yet to be told, oldest first.
    pub pending: Vec<StoredEvent>,
    /// Makes the ids of events unique: microseconds since 1970, raised where needed.
    pub last_event: i64,
    /// What the client was told.
    pub receipt: Option<KeptReceipt>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredEvent {
    pub id: String,
    pub kind: EventKind,
    pub at: Timestamp,
    /// The numbers of the rules it is about.
    pub rules: BTreeSet<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Who>,
    /// What is told of it, once that is known.
    #[serde(default)]
    pub receipt: Option<KeptReceipt>,
}

impl Stored {
    pub fn new(draft: Draft, at: Timestamp) -> Stored {
        let (lifted, pending) = (BTreeSet::new(), Vec::new());
        Stored { draft: Arc::new(draft.into()), at, lifted, pending, last_event: 0, receipt: None }
    }

    pub fn add_event(
        &mut self,
        kind: EventKind,
        at: Timestamp,
        by: Option<Who>,
        rules: BTreeSet<usize>,
    ) -> StoredEvent {
        self.last_event = at.micros().max(self.last_event.saturating_add(1));
        let id = format!("{}.{}", self.draft.id, self.last_event);
        let event = StoredEvent { id, kind, at, rules, by, receipt: None };
        self.pending.push(event.clone());
        event
    }

    pub fn numbers(&self) -> RangeInclusive<usize> {
        1..=self.draft.rules.len()
    }

    /// Another where other rules are in force.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        let texts = self.live().filter_map(|number| self.draft.rules.get(number - 1));
        let attributes = self.draft.attributes.iter().flat_map(|(name, value)| [name, value]);
        hasher.update(&(self.draft.attributes.len() as u64).to_be_bytes());
        for text in [&self.draft.id].into_iter().chain(attributes).chain(texts) {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finish()
    }

    /// The numbers of the rules in force.
    pub fn live(&self) -> impl Iterator<Item = usize> + '_ {
        self.numbers().filter(|number| !self.lifted.contains(number))
    }

    pub fn is_live(&self, number: usize) -> bool {
        self.numbers().contains(&number) && !self.lifted.contains(&number)
    }
}

/// What an edit did: what the log and the hooks are told, and what a receipt is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Another for each event; of `A-Za-z0-9._-`, at most 100 bytes.
    pub id: String,
    /// The id of the edit, which is that of its receipt.
    pub edit: String,
    pub kind: EventKind,
    /// When it was asked for, and who did.
    pub at: Timestamp,
    pub by: Option<Who>,
    /// Of the edit; a rule's own is among its attributes.
    pub notice: Option<String>,
    pub reason: Option<String>,
    pub rules: Vec<EditRule>,
    /// What is told of it. `Some`: it may have been told already, and must be told in the same words.
    pub receipt: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    BlockAdded,
    BlockLifted,
}

impl EventKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::BlockAdded => "block-added",
            EventKind::BlockLifted => "block-lifted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditRule {
    /// `EDIT:NUMBER`; by it the rule alone can be lifted.
    pub id: Arc<str>,
    pub rule: Rule,
}

/// The colon stands in no edit's id, so that none is taken for a rule's.
pub(super) fn rule_id(edit: &str, number: usize) -> Arc<str> {
    Arc::from(format!("{edit}:{number}"))
}
