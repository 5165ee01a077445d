//! The TOML format: a rule a `[[rule]]` table, with the attributes of the plain format beside what it
//! covers.
//!
//! ```toml
//! [[rule]]
//! url = "https://photos.example/a/stolen.jpg"   # or prefix, host, digest, pattern
//! notice = "N-17"
//!
//! [[rule]]
//! prefix = "https://photos.example/albums/open/"
//! except = true                                 # or except = "a rule", in the place of the others
//! ```
//!
//! What a rule covers is read by the reader of the plain format, and told in its words.

use std::collections::HashSet;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::attributes::{NAMES, Pair, Reading, unknown};
use super::bad_line::{BadLine, Fault, quoted};
use super::subject;
use super::text::{BYTE_ORDER_MARK, MAX_LINE, MAX_REPORTED, take_share};
use crate::pattern::Share;
use crate::rule::{Attributes, Rule, Subject};

/// A document is taken apart whole, at many times its size; longer lists are plain text.
const MAX_DOCUMENT: usize = 64 << 20;

/// Keys that say what a rule covers.
const SUBJECTS: [&str; 5] = ["url", "prefix", "host", "digest", "pattern"];

/// Reads a list of the TOML format. Either all its rules are good, or the first bad ones come back.
/// `share` is what the patterns of other lists take.
pub fn read(bytes: &[u8], share: Share) -> Result<Vec<Rule>, Vec<BadLine>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let one = |fault: Fault, text: &str| Err(vec![Lines::of(text).bad(fault)]);
    if bytes.len() > MAX_DOCUMENT {
        let what =
            format!("a list in TOML holds {} MiB at most; write a longer one as plain text, *.txt", MAX_DOCUMENT >> 20);
        return one(Fault::new(0, what), "");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let what = "this byte is not UTF-8; save the list as UTF-8";
            return one(Fault::new(error.valid_up_to(), what), &String::from_utf8_lossy(bytes));
        }
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    // The first error alone: a bracket left open makes nonsense of all that follows.
    if let Some(first) = errors.first() {
        let at = first.span().map_or(0, |span| span.start);
        return one(Fault::new(at, format!("this is not TOML: {}", first.message())), text);
    }
    read_document(document.get_ref(), text, share)
}

fn read_document(document: &DeTable<'_>, text: &str, mut share: Share) -> Result<Vec<Rule>, Vec<BadLine>> {
    let lines = Lines::of(text);
    let (mut rules, mut bad) = (Vec::new(), Vec::new());
    let mut shared: HashSet<Arc<Attributes>> = HashSet::new();
    for (key, value) in document.iter() {
        let tables = match (key.get_ref().as_ref(), value.get_ref()) {
            ("rule", DeValue::Array(tables)) => tables,
            ("rule", _) => {
                bad.push(lines.bad(Fault::new(value.span().start, "rules are tables, each under [[rule]]")));
                continue;
            }
            (other, _) => {
                let what = format!("there is no {}; a list holds [[rule]] tables", quoted(other));
                bad.push(lines.bad(Fault::new(key.span().start, what)));
                continue;
            }
        };
        for table in tables.iter() {
            let read = read_table(table, text).and_then(|(rule, at)| Ok((take_share(rule, &mut share)?, at)));
            match read {
                Ok((rule, at)) => rules.push(Rule {
                    line: lines.number(at),
                    attributes: held_once(&mut shared, rule.attributes),
                    ..rule
                }),
                Err(fault) => bad.push(lines.bad(fault)),
            }
            if bad.len() == MAX_REPORTED {
                return Err(bad);
            }
        }
    }
    if bad.is_empty() { Ok(rules) } else { Err(bad) }
}

fn held_once(shared: &mut HashSet<Arc<Attributes>>, attributes: Arc<Attributes>) -> Arc<Attributes> {
    match shared.get(&attributes) {
        Some(known) => known.clone(),
        None => {
            shared.insert(attributes.clone());
            attributes
        }
    }
}

/// One rule, and where what it covers stands.
fn read_table(table: &Spanned<DeValue<'_>>, text: &str) -> Result<(Rule, usize), Fault> {
    let start = table.span().start;
    let DeValue::Table(keys) = table.get_ref() else {
        return Err(Fault::new(start, "a rule is a table: write [[rule]], and what it covers beneath"));
    };
    let known = |name: &str| SUBJECTS.contains(&name) || NAMES.contains(&name) || name == "except";
    if let Some((key, _)) = keys.iter().find(|(key, _)| !known(key.get_ref())) {
        let all: Vec<&str> = SUBJECTS.into_iter().chain(["except"]).chain(NAMES).collect();
        return Err(Fault::new(key.span().start, unknown(key.get_ref(), &all)));
    }
    let covered = Covered::of(keys, start)?;
    let (subject, exception) = covered.read(text)?;
    let mut attributes = Reading::default();
    for name in NAMES {
        if let Some((key, value)) = keys.get_key_value(name) {
            let pair =
                Pair { start: key.span().start, name, value_start: value.span().start, value: attribute(name, value)? };
            attributes.add(&pair, &subject)?;
        }
    }
    let attributes = Arc::new(attributes.finish(start)?);
    Ok((Rule { text: Arc::from(covered.word), subject, exception, attributes, line: 0 }, covered.span.start))
}

/// What a rule covers, in the words of the plain format.
struct Covered {
    name: &'static str,
    word: String,
    span: std::ops::Range<usize>,
    /// Bytes of the word before what is written here.
    added: usize,
}

impl Covered {
    fn of(keys: &DeTable<'_>, start: usize) -> Result<Covered, Fault> {
        let except = keys.get("except");
        let (is_exception, names_exception) = match except.map(|except| (except.get_ref(), except.span().start)) {
            None => (false, false),
            Some((DeValue::Boolean(is), _)) => (*is, false),
            Some((DeValue::String(_), _)) => (true, true),
            Some((_, at)) => return Err(Fault::new(at, "`except` is true, or the rule that it makes an exception")),
        };
        let named = SUBJECTS.into_iter().chain(names_exception.then_some("except"));
        let mut found = named.filter_map(|name| Some((name, keys.get(name)?)));
        let Some((name, value)) = found.next() else {
            let what = format!("this rule doesn't say what it covers; give it one of {}", SUBJECTS.join(", "));
            return Err(Fault::new(start, what));
        };
        if let Some((other, value)) = found.next() {
            let what = format!("a rule covers one thing, and this names `{name}` and `{other}`; make two rules of it");
            return Err(Fault::new(value.span().start, what));
        }
        let written = short_text(name, value)?;
        let word = match name {
            "prefix" => prefix(&written),
            "pattern" => format!("~{}", written.strip_prefix('~').unwrap_or(&written)),
            _ => written.clone(),
        };
        let word = if is_exception { format!("!{word}") } else { word };
        let added = word.find(&*written).unwrap_or(0);
        Ok(Covered { name, word, span: value.span(), added })
    }

    fn read(&self, text: &str) -> Result<(Subject, bool), Fault> {
        let (subject, exception) = subject::read(&self.word, 0).map_err(|fault| self.place(fault, text))?;
        let kind = match &subject {
            Subject::Url(_) => "url",
            Subject::Prefix(_) => "prefix",
            Subject::Host(_) | Subject::HostTree(_) => "host",
            Subject::Digest(_) => "digest",
            Subject::Pattern(_) => "pattern",
        };
        if kind != self.name && self.name != "except" {
            let what = format!("this names no {}; as it is written, it stands under `{kind}`", self.name);
            return Err(Fault::new(self.span.start, what));
        }
        Ok((subject, exception))
    }

    /// A fault of the word, where it stands in the document; at the value where it is spelled with
    /// escapes.
    fn place(&self, fault: Fault, text: &str) -> Fault {
        let written = &self.word[self.added.min(self.word.len())..];
        let inner = text.get(self.span.start + 1..self.span.end.saturating_sub(1)).unwrap_or_default();
        let is_plain = !inner.is_empty() && written.starts_with(inner);
        let offset = match fault.at.checked_sub(self.added) {
            Some(at) if is_plain => 1 + at,
            _ => 0,
        };
        Fault { at: self.span.start + offset, ..fault }
    }
}

/// A prefix with or without the `/*` that it has in a list of the plain format.
fn prefix(written: &str) -> String {
    let written = written.split('#').next().unwrap_or_default();
    let (path, query) = written.find('?').map_or((written, ""), |at| written.split_at(at));
    let end = match path {
        path if path.ends_with("/*") => "",
        path if path.ends_with('/') => "*",
        _ => "/*",
    };
    format!("{path}{end}{query}")
}

fn short_text(name: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    let at = value.span().start;
    let DeValue::String(text) = value.get_ref() else {
        return Err(Fault::new(at, format!("{name} is a text; write it in quotes")));
    };
    if text.len() > MAX_LINE {
        return Err(Fault::new(at, format!("{name} holds more than {MAX_LINE} bytes")));
    }
    Ok(text.to_string())
}

/// An attribute's value as the plain format writes it: a status may be a number, a time a date, countries a list.
fn attribute(name: &'static str, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    let text = match (name, value.get_ref()) {
        ("status", DeValue::Integer(number)) => number.to_string(),
        ("from" | "until", DeValue::Datetime(time)) => time.to_string(),
        ("geo", DeValue::Array(countries)) => {
            let texts = countries.iter().map(|country| short_text(name, country));
            texts.collect::<Result<Vec<String>, Fault>>()?.join(",")
        }
        _ => short_text(name, value)?,
    };
    match text.chars().any(char::is_control) {
        true => Err(Fault::new(value.span().start, format!("a control character stands in {name}; leave it out"))),
        false => Ok(text),
    }
}

/// Where the lines of a document begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Lines<'t> {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Of the line that holds a byte, from 1.
    fn number(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }

    fn bad(&self, fault: Fault) -> BadLine {
        let number = self.number(fault.at);
        let start = self.starts.get(number as usize - 1).copied().unwrap_or(0);
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        Fault { at: fault.at - start, ..fault }.in_line(number, line.trim_end_matches('\r'))
    }
}
