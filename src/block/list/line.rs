//! One line: a rule, then `name=value` pairs, then perhaps a comment.

use std::sync::Arc;

use terms::{BlockStatus, Timestamp};

use super::bad_line::{Fault, quoted};
use super::subject;
use crate::rule::{Attributes, Rule, Subject};

/// Attributes that a rule may have, and those that a later version will take.
const NAMES: [&str; 6] = ["notice", "reason", "status", "from", "until", "query"];
const LATER: [&str; 3] = ["authority", "page", "disclose"];

/// Reads a line of text without its end; `None` if no rule stands on it. The rule's line number is 0.
pub(super) fn read(text: &str) -> Result<Option<Rule>, Fault> {
    let mut words = Words { text, at: 0 };
    let Some((start, word)) = words.next_word() else { return Ok(None) };
    let (subject, exception) = subject::read(word, start)?;
    let mut attributes = Attributes::default();
    let mut named: Vec<&str> = Vec::new();
    while let Some(pair) = words.next_attribute()? {
        if named.contains(&pair.name) {
            return Err(Fault::new(pair.start, format!("{} stands twice; leave one of them out", pair.name)));
        }
        named.push(pair.name);
        set(&mut attributes, &pair, &subject)?;
    }
    if let (Some(from), Some(until)) = (attributes.from, attributes.until)
        && until <= from
    {
        return Err(Fault::new(start, "`until` is not later than `from`, so the rule would never hold; swap the two"));
    }
    Ok(Some(Rule { text: Arc::from(word), subject, exception, attributes, line: 0 }))
}

/// An attribute as written: where its name and its value begin, and both.
struct Pair<'a> {
    start: usize,
    name: &'a str,
    value_start: usize,
    value: String,
}

fn set(attributes: &mut Attributes, pair: &Pair<'_>, subject: &Subject) -> Result<(), Fault> {
    let wrong = |what: String| Err(Fault::new(pair.value_start, what));
    let value = pair.value.as_str();
    match pair.name {
        "notice" => attributes.notice = Some(Arc::from(value)),
        "reason" => attributes.reason = Some(Arc::from(value)),
        "status" => match BlockStatus::from_text(value) {
            Some(status) => attributes.status = status,
            None => return wrong(format!("{} is no status of a rule; write 451, 410, 404 or 403", quoted(value))),
        },
        "from" => attributes.from = Some(time(pair)?),
        "until" => attributes.until = Some(time(pair)?),
        "query" => match (value, subject) {
            ("exact", Subject::Url(_) | Subject::Prefix(_)) => attributes.exact_query = true,
            ("exact", _) => return wrong("query=exact goes with a URL; a host or a digest has no query".into()),
            _ => return wrong(format!("{} says nothing about the query; the one value is `exact`", quoted(value))),
        },
        name => return Err(Fault::new(pair.start, unknown(name))),
    }
    Ok(())
}

fn time(pair: &Pair<'_>) -> Result<Timestamp, Fault> {
    Timestamp::parse(&pair.value).ok_or_else(|| {
        let what = format!(
            "{} is no time; write a date such as 2027-01-31 (00:00 UTC) or RFC 3339, such as 2027-01-31T09:00:00Z",
            quoted(&pair.value)
        );
        Fault::new(pair.value_start, what)
    })
}

/// What to say of a name that can't be served.
fn unknown(name: &str) -> String {
    if name == "geo" {
        return "geo needs a database of places, and this version has none; a rule without geo holds everywhere".into();
    }
    if LATER.contains(&name) {
        return format!("the attribute {name} comes with a later version; leave it out");
    }
    let lower = name.to_lowercase();
    let nearest = NAMES.iter().map(|known| (strsim::damerau_levenshtein(&lower, known), known)).min();
    let all = NAMES.join(", ");
    match nearest {
        Some((distance, known)) if distance <= known.len() / 2 => {
            format!("there is no attribute {}; did you mean {known}? ({all})", quoted(name))
        }
        _ => format!("there is no attribute {}; there are {all}", quoted(name)),
    }
}

/// Walks a line from blank to blank.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl<'a> Words<'a> {
    /// Goes to the next thing on the line; false when nothing is left but blanks and a comment.
    fn advance(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|&&byte| is_blank(byte)).count();
        self.at < self.text.len() && !self.text[self.at..].starts_with('#')
    }

    /// What stands before the next blank, and where it begins.
    fn next_word(&mut self) -> Option<(usize, &'a str)> {
        if !self.advance() {
            return None;
        }
        let start = self.at;
        let length = self.text[start..].find([' ', '\t']).unwrap_or(self.text.len() - start);
        self.at = start + length;
        Some((start, &self.text[start..self.at]))
    }

    fn next_attribute(&mut self) -> Result<Option<Pair<'a>>, Fault> {
        if !self.advance() {
            return Ok(None);
        }
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest.find(['=', ' ', '\t']).unwrap_or(rest.len());
        let name = &rest[..end];
        if !rest[end..].starts_with('=') {
            return Err(Fault::new(start, no_value(name)));
        }
        self.at = start + end + 1;
        let value_start = self.at;
        let value =
            if self.text[self.at..].starts_with('"') { self.quoted_value(name)? } else { self.bare_value(name)? };
        if let Some((at, _)) = self.text[value_start..self.at].char_indices().find(|(_, c)| c.is_control()) {
            return Err(Fault::new(value_start + at, format!("a control character stands in {name}; leave it out")));
        }
        if value.is_empty() {
            return Err(Fault::new(
                value_start,
                format!("{name} has no value; leave the attribute out, or give it one"),
            ));
        }
        Ok(Some(Pair { start, name, value_start, value }))
    }

    fn bare_value(&mut self, name: &str) -> Result<String, Fault> {
        let rest = &self.text[self.at..];
        let value = &rest[..rest.find([' ', '\t']).unwrap_or(rest.len())];
        if let Some(at) = value.find('"') {
            let what = format!(
                "a quote stands inside the value of {name}; put the whole value in quotes, and \\\" for this one"
            );
            return Err(Fault::new(self.at + at, what));
        }
        self.at += value.len();
        Ok(value.to_owned())
    }

    /// A value from its opening quote to the closing one, with `\"` and `\\` inside.
    fn quoted_value(&mut self, name: &str) -> Result<String, Fault> {
        let opening = self.at;
        let mut value = String::new();
        let mut characters = self.text[opening + 1..].char_indices();
        while let Some((offset, character)) = characters.next() {
            let at = opening + 1 + offset;
            match character {
                '"' => {
                    self.at = at + 1;
                    return match self.text.as_bytes().get(self.at) {
                        Some(&byte) if !is_blank(byte) => {
                            Err(Fault::new(self.at, "a blank is missing behind the closing quote"))
                        }
                        _ => Ok(value),
                    };
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    _ => return Err(Fault::new(at, "only \\\" and \\\\ can be escaped; write \\\\ for a backslash")),
                },
                other => value.push(other),
            }
        }
        Err(Fault::new(
            opening,
            format!("the quote that opens the value of {name} is not closed; end the value with \""),
        ))
    }
}

/// What to say of a word behind a rule that is no attribute.
fn no_value(name: &str) -> String {
    if NAMES.contains(&name) {
        return format!("{name} has no value; write {name}=…");
    }
    format!(
        "{} is no attribute; attributes are name=value, values with blanks stand in \"…\", and a comment begins with #",
        quoted(name)
    )
}
