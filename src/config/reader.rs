//! Takes a TOML document apart, key by key, and remembers what nobody asked for.
//!
//! A key is known because some code asks for it; there is no second list to keep in step. So the same
//! code is run twice: over nothing, to learn what it asks for, and over the document.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::choice::{self, Choices};
use super::errors::{Faults, Span, Wrong};
use super::keys::{self, Keys, Kind, path};
use super::units;
use crate::quota::Rate;

type Spanned<'i> = toml::Spanned<DeValue<'i>>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

pub(super) struct Reader<'t> {
    faults: Faults<'t>,
    keys: Keys,
    task: Task,
    unknown: Vec<(&'static str, At<String>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// There is no document: what is asked for becomes known.
    Learn,
    Read,
}

/// One table, or the place where it would stand.
pub(super) struct Section<'r, 't, 'd> {
    reader: &'r mut Reader<'t>,
    /// The path of its keys: empty for the top of the file.
    name: &'static str,
    table: Option<&'d DeTable<'d>>,
    pub(super) at: Span,
}

impl<'t> Reader<'t> {
    /// What `read` asks for.
    pub(super) fn learn<T>(read: fn(Section<'_, '_, '_>) -> T) -> Keys {
        let mut reader =
            Reader { faults: Faults::of(""), keys: Keys::default(), task: Task::Learn, unknown: Vec::new() };
        read(Section { reader: &mut reader, name: "", table: None, at: 0..0 });
        reader.keys
    }

    /// `keys` are those that will be asked for.
    pub(super) fn new(text: &'t str, keys: Keys) -> Reader<'t> {
        Reader { faults: Faults::of(text), keys, task: Task::Read, unknown: Vec::new() }
    }

    pub(super) fn top<'d>(&mut self, table: &'d DeTable<'d>) -> Section<'_, 't, 'd> {
        Section { reader: self, name: "", table: Some(table), at: 0..0 }
    }

    pub(super) fn finish(mut self) -> Faults<'t> {
        for (table, key) in self.unknown {
            self.faults.add(&key.at, self.keys.unknown(table, &key.value));
        }
        self.faults
    }
}

impl<'t, 'd> Section<'_, 't, 'd> {
    fn value(&mut self, key: &'static str, kind: Kind) -> Option<&'d Spanned<'d>> {
        if self.reader.task == Task::Learn {
            self.reader.keys.add(self.name, key, kind);
        }
        self.table?.get(key)
    }

    /// Has the keys of a table learnt that the document may hold or not.
    fn learn<T>(&mut self, name: &'static str, read: fn(Section<'_, 't, 'd>) -> T) {
        if self.reader.task == Task::Learn && !self.reader.keys.has_table(name) {
            read(Section { reader: self.reader, name, table: None, at: 0..0 });
        }
    }

    fn mismatch(&mut self, key: &str, wanted: &str, found: &Spanned<'_>) {
        let what = format!("`{}` is {wanted}, and this is {}", path(self.name, key), kind(found.get_ref()));
        self.reader.faults.add(&found.span(), Wrong::new(what, help_for(wanted, found.get_ref())));
    }

    /// A fault unless the table has `key`.
    pub(super) fn require(&mut self, key: &'static str, help: &str) {
        if self.reader.task == Task::Learn {
            self.reader.keys.require(self.name, key);
        } else if self.table.is_none_or(|table| !table.contains_key(key)) {
            self.reader.faults.add(&self.at, Wrong::new(keys::missing(self.name, key), help));
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.value(key, Kind::Text)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.mismatch(key, "a text", value);
        }
        Some(At { value: text?.to_owned(), at: value.span() })
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<At<bool>> {
        let value = self.value(key, Kind::Flag)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mismatch(key, "true or false", value);
        }
        Some(At { value: flag?, at: value.span() })
    }

    pub(super) fn number(&mut self, key: &'static str) -> Option<At<u64>> {
        let value = self.value(key, Kind::Number)?;
        let number = number(value);
        if number.is_none() {
            self.mismatch(key, "a whole number", value);
        }
        Some(At { value: number?, at: value.span() })
    }

    /// A list of numbers; one number stands for a list of one.
    pub(super) fn numbers(&mut self, key: &'static str) -> Option<At<Vec<At<u64>>>> {
        self.list(key, Kind::Numbers, "a list of whole numbers", number)
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Option<At<Duration>> {
        self.measured(key, Kind::Duration, "a duration", units::duration)
    }

    pub(super) fn size(&mut self, key: &'static str) -> Option<At<u64>> {
        self.measured(key, Kind::Size, "a size", units::size)
    }

    pub(super) fn rate(&mut self, key: &'static str) -> Option<At<Rate>> {
        self.measured(key, Kind::Rate, "a rate", units::rate)
    }

    /// In bytes a second.
    pub(super) fn byte_rate(&mut self, key: &'static str) -> Option<At<u64>> {
        self.measured(key, Kind::ByteRate, "a rate of bytes", units::byte_rate)
    }

    /// One of these words, and what it stands for.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: Choices<T>) -> Option<At<T>> {
        let value = self.value(key, Kind::Choice(choices.iter().map(|(word, _)| *word).collect()))?;
        self.read_as(key, value, "a text", |text| choice::choose(text, choices))
    }

    fn measured<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        wanted: &str,
        read: fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let value = self.value(key, kind)?;
        self.read_as(key, value, wanted, read)
    }

    fn read_as<T>(
        &mut self,
        key: &'static str,
        value: &Spanned<'_>,
        wanted: &str,
        read: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let Some(text) = value.get_ref().as_str() else {
            self.mismatch(key, wanted, value);
            return None;
        };
        match read(text) {
            Ok(read) => Some(At { value: read, at: value.span() }),
            Err(wrong) => {
                self.reader.faults.add(&value.span(), wrong);
                None
            }
        }
    }

    /// A list of texts; one text stands for a list of one.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        self.list(key, Kind::Texts, "a list of texts", text)
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        wanted: &str,
        read: fn(&Spanned<'_>) -> Option<T>,
    ) -> Option<At<Vec<At<T>>>> {
        let value = self.value(key, kind)?;
        let mut list = Vec::new();
        for item in items(value) {
            match read(item) {
                Some(read) => list.push(At { value: read, at: item.span() }),
                None => {
                    self.mismatch(key, wanted, item);
                    return None;
                }
            }
        }
        Some(At { value: list, at: value.span() })
    }

    /// Items that are texts or tables; one stands for a list of one.
    pub(super) fn texts_or_tables<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        text: fn(At<String>) -> T,
        table: fn(Section<'_, 't, 'd>) -> Option<T>,
    ) -> Option<At<Vec<T>>> {
        self.learn(name, table);
        let value = self.value(key, Kind::TextsOrTables(name))?;
        let mut read = Vec::new();
        let mut whole = true;
        for item in items(value) {
            match item.get_ref() {
                DeValue::String(found) => read.push(text(At { value: found.clone().into_owned(), at: item.span() })),
                DeValue::Table(found) => {
                    let section = Section { reader: self.reader, name, table: Some(found), at: item.span() };
                    match table(section) {
                        Some(item) => read.push(item),
                        None => whole = false,
                    }
                }
                _ => {
                    self.mismatch(key, "a list of texts or tables", item);
                    whole = false;
                }
            }
        }
        whole.then(|| At { value: read, at: value.span() })
    }

    /// A table; a missing one is read as an empty one.
    pub(super) fn table<T>(&mut self, key: &'static str, read: fn(Section<'_, 't, 'd>) -> T) -> T {
        let found = self.value(key, Kind::Table(key));
        let table = found.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (found, table) {
            self.mismatch(key, "a table", value);
        }
        let at = found.map_or(self.at.clone(), |value| value.span());
        read(Section { reader: self.reader, name: key, table, at })
    }

    /// A table within a table, `name` being its whole path; `None` where there is none.
    pub(super) fn inner<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        read: fn(Section<'_, 't, 'd>) -> Option<T>,
    ) -> Option<T> {
        self.learn(name, read);
        let value = self.value(key, Kind::Table(name))?;
        let Some(table) = value.get_ref().as_table() else {
            self.mismatch(key, "a table", value);
            return None;
        };
        read(Section { reader: self.reader, name, table: Some(table), at: value.span() })
    }

    /// The tables of an array of tables, in order; `name` is the path of their keys.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        read: fn(Section<'_, 't, 'd>) -> T,
    ) -> Option<At<Vec<T>>> {
        self.learn(name, read);
        let value = self.value(key, Kind::Tables(name))?;
        let Some(array) = value.get_ref().as_array() else {
            self.mismatch(key, "a list of tables", value);
            return None;
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => {
                    tables.push(read(Section { reader: self.reader, name, table: Some(table), at: item.span() }));
                }
                None => self.mismatch(key, "a list of tables", item),
            }
        }
        Some(At { value: tables, at: value.span() })
    }

    /// Whatever was not asked for has no business here.
    pub(super) fn end(self) {
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name = key.get_ref().as_ref();
            if !self.reader.keys.contains(self.name, name) {
                self.reader.unknown.push((self.name, At { value: name.to_owned(), at: key.span() }));
            }
        }
    }
}

fn items<'d>(value: &'d Spanned<'d>) -> impl Iterator<Item = &'d Spanned<'d>> {
    let (one, many) = match value.get_ref() {
        DeValue::Array(array) => (None, Some(array.iter())),
        _ => (Some(value), None),
    };
    one.into_iter().chain(many.into_iter().flatten())
}

fn number(value: &Spanned<'_>) -> Option<u64> {
    match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

fn text(value: &Spanned<'_>) -> Option<String> {
    value.get_ref().as_str().map(str::to_owned)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(number) if number.as_str().starts_with('-') => "a number below zero",
        DeValue::Integer(number) if u64::from_str_radix(number.as_str(), number.radix()).is_err() => "too large",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn help_for(wanted: &str, found: &DeValue<'_>) -> String {
    match (wanted, found) {
        ("a duration", DeValue::Integer(seconds)) => format!("for seconds write \"{seconds}s\""),
        ("a size", DeValue::Integer(bytes)) => {
            let bytes = u64::from_str_radix(bytes.as_str(), bytes.radix()).map(units::show_size);
            format!("for bytes write \"{}\"", bytes.unwrap_or_else(|_| "1GiB".to_owned()))
        }
        ("a rate", DeValue::Integer(count)) => format!("for so many a second write \"{count}/s\""),
        ("a rate", _) => "write a text such as \"100/s\" or \"600/m\"".to_owned(),
        ("a rate of bytes", _) => "write a text such as \"128B/s\"".to_owned(),
        ("a duration", _) => "write a text with a unit, such as \"250ms\", \"10s\" or \"5m\"".to_owned(),
        ("a size", _) => "write a text with a unit, such as \"256KiB\"".to_owned(),
        ("a list of tables", DeValue::Table(_)) => {
            "write [[site]], [[hook]] and the like, with two brackets".to_owned()
        }
        ("a text", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
            "put it between quotes".to_owned()
        }
        ("true or false", DeValue::String(_)) => "write true or false, without quotes".to_owned(),
        (wanted, _) => format!("write {wanted}"),
    }
}
