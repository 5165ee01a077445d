//! Every key that the config knows, and what its value is.

use std::collections::BTreeMap;

use terms::nearest;

use super::errors::{Wrong, quoted};

/// What a value is, as far as its type says. Tables are named by the path of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    Duration,
    Size,
    /// So many in a unit of time.
    Rate,
    /// Bytes a second.
    ByteRate,
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A text, or a list of them.
    Texts,
    /// A number, or a list of them.
    Numbers,
    Table(&'static str),
    Tables(&'static str),
    /// A text or a table, or a list of such.
    TextsOrTables(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// Its table can't do without it.
    pub(super) required: bool,
}

/// Keys by table and name.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<(&'static str, &'static str), Key>);

impl Keys {
    pub(super) fn add(&mut self, table: &'static str, key: &'static str, kind: Kind) {
        let required = self.0.get(&(table, key)).is_some_and(|known| known.required);
        self.0.insert((table, key), Key { kind, required });
    }

    /// What kind it is may be learnt before or after.
    pub(super) fn require(&mut self, table: &'static str, key: &'static str) {
        self.0.entry((table, key)).or_insert(Key { kind: Kind::Text, required: true }).required = true;
    }

    pub(super) fn contains(&self, table: &'static str, key: &str) -> bool {
        self.of(table).any(|(known, _)| known == key)
    }

    pub(super) fn has_table(&self, name: &'static str) -> bool {
        self.of(name).next().is_some()
    }

    /// The keys of a table.
    pub(super) fn of(&self, table: &'static str) -> impl Iterator<Item = (&'static str, &Key)> {
        let from = self.0.range((table, "")..);
        from.take_while(move |((place, _), _)| *place == table).map(|((_, key), known)| (*key, known))
    }

    /// What to say of a key that nobody asked for.
    pub(super) fn unknown(&self, table: &'static str, key: &str) -> Wrong {
        Wrong::new(format!("{} is not a key of {}", quoted(key), heading(table)), self.instead_of(table, key))
    }

    fn instead_of(&self, table: &'static str, key: &str) -> String {
        let places = |key: &str| {
            let places = self.0.keys().filter(|(_, known)| *known == key).map(|(place, _)| heading(place));
            places.collect::<Vec<_>>().join(" or ")
        };
        if let Some(near) = nearest(key, self.of(table).map(|(known, _)| known)) {
            return format!("did you mean `{near}`?");
        }
        match nearest(key, self.0.keys().map(|(_, known)| *known)) {
            Some(same) if same == key => format!("`{key}` stands in {}", places(key)),
            Some(near) => format!("did you mean `{near}` in {}?", places(near)),
            None => format!("it has {}", self.of(table).map(|(known, _)| known).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// What to say of a table without a key that it can't do without.
pub(super) fn missing(table: &str, key: &str) -> String {
    match table {
        "" => format!("there is no [[{key}]]"),
        table => format!("this {} has no `{key}`", heading(table)),
    }
}

/// How a table is called in messages.
fn heading(table: &str) -> String {
    match table {
        "" => "the top of the file".to_owned(),
        "site" | "site.route" | "site.redirect" | "site.header" | "hook" => format!("[[{table}]]"),
        table => format!("[{table}]"),
    }
}

pub(super) fn path(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
