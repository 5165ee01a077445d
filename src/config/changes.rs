//! What differs between two configs, key by key.

use std::fmt;

use serde_json::Value;

use super::in_force::{self, Row, Table, tables};
use super::meant::{Meant, Site};
use super::{feed, hidden};

/// One difference. It is shown as a line without control characters of its own making, to the operator
/// alone: values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `edge.drain`; of a table that came or went, its name alone.
    pub key: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Came { title: String },
    Went { title: String },
    Changed { title: String, key: &'static str, before: Value, now: Value },
}

/// Whose values are shown to nobody: header rules hold what origins know this edge by.
const NEVER_SHOWN: [&str; 1] = ["site.header"];

/// All differences, tables matched by their names.
pub fn changes(before: &Meant, now: &Meant) -> Vec<Change> {
    let (mut before, now) = (tables(before), tables(now));
    let mut all = Vec::new();
    for table in now {
        match before.iter().position(|other| is_same_table(other, &table)) {
            Some(place) => all.extend(between(before.swap_remove(place), table)),
            None => all.push(Change { key: table.name.to_owned(), what: What::Came { title: table.title } }),
        }
    }
    let gone = before.into_iter();
    all.extend(gone.map(|table| Change { key: table.name.to_owned(), what: What::Went { title: table.title } }));
    all
}

/// Whether nothing of a site changed, what stands in the files of its `ca` and its tokens included.
pub fn is_same_site(one: &Site, other: &Site) -> bool {
    one.plan == other.plan && one.purging == other.purging && in_force::site(one) == in_force::site(other)
}

fn is_same_table(one: &Table, other: &Table) -> bool {
    (one.name, &one.title) == (other.name, &other.title)
}

fn between(before: Table, now: Table) -> impl Iterator<Item = Change> {
    let Table { name, title, rows } = now;
    let value_before =
        move |key| before.rows.iter().find(|row| row.key == key).map_or(Value::Null, |row| row.value.clone());
    rows.into_iter().map(move |row| (value_before(row.key), row)).filter(|(before, now)| *before != now.value).map(
        move |(before, now): (Value, Row)| Change {
            key: format!("{name}.{}", now.key),
            what: What::Changed { title: title.clone(), key: now.key, before, now: now.value },
        },
    )
}

impl Change {
    /// Where something changed, without the values: for logs, evidence and hooks.
    pub fn place(&self) -> String {
        match &self.what {
            What::Changed { title, key, .. } => format!("{title}: {key}"),
            What::Came { .. } | What::Went { .. } => self.to_string(),
        }
    }

    /// A value as it is shown: of queries no more than that they are others.
    fn marked(&self, value: &Value) -> Value {
        match (self.key.as_str(), value) {
            ("takedown.lists", lists) => feed::with_marks(lists),
            ("hook.url", Value::String(url)) => hidden::marked_url(url).into(),
            _ => value.clone(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Changed { .. } if NEVER_SHOWN.contains(&self.key.as_str()) => f.write_str(&self.place()),
            What::Came { title } => write!(f, "{title}: new"),
            What::Went { title } => write!(f, "{title}: removed"),
            What::Changed { title, key, before, now } => {
                let (before, now) = (self.marked(before), self.marked(now));
                write!(f, "{title}: {key} = {now}, was {before}")
            }
        }
    }
}
