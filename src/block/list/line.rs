//! One line: a rule, then `name=value` pairs, then perhaps a comment.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use memchr::memchr2;

use super::attributes::{NAMES, Pair, Reading};
use super::bad_line::{Fault, quoted};
use super::subject;
use crate::rule::{Attributes, Rule, Subject};

/// Reads a line of text without its end; `None` if no rule stands on it. The rule's line number is 0.
pub(super) fn read(text: &str, read_before: &mut ReadBefore) -> Result<Option<Rule>, Fault> {
    let mut words = Words { text, at: 0 };
    let Some((start, word)) = words.next_word() else { return Ok(None) };
    let (subject, exception) = subject::read(word, start)?;
    let written = &text[words.at..];
    let known = read_before.of(&subject);
    let attributes = match known.find(written) {
        Some(attributes) => attributes,
        None => {
            let mut attributes = Reading::default();
            while let Some(pair) = words.next_attribute()? {
                attributes.add(&pair, &subject)?;
            }
            known.remember(written, attributes.finish(start)?)
        }
    };
    Ok(Some(Rule { text: Arc::from(word), subject, exception, attributes, line: 0 }))
}

/// Attributes as they were written behind other rules: most lines of a list say the same as another near
/// them. Those behind URLs apart, since they bear more.
#[derive(Default)]
pub(super) struct ReadBefore {
    behind_urls: Known,
    behind_others: Known,
}

#[derive(Default)]
struct Known {
    last: Option<(Box<str>, Arc<Attributes>)>,
    all: HashMap<Box<str>, Arc<Attributes>, RandomState>,
}

impl ReadBefore {
    fn of(&mut self, subject: &Subject) -> &mut Known {
        match subject {
            Subject::Url(_) | Subject::Prefix(_) => &mut self.behind_urls,
            _ => &mut self.behind_others,
        }
    }
}

impl Known {
    fn find(&mut self, written: &str) -> Option<Arc<Attributes>> {
        if let Some((last, attributes)) = &self.last
            && **last == *written
        {
            return Some(attributes.clone());
        }
        let attributes = self.all.get(written)?;
        self.last = Some((written.into(), attributes.clone()));
        Some(attributes.clone())
    }

    fn remember(&mut self, written: &str, attributes: Attributes) -> Arc<Attributes> {
        const MOST: usize = 4096;
        const LONGEST: usize = 1024;
        let attributes = Arc::new(attributes);
        if self.all.len() == MOST {
            self.all.clear();
        }
        if written.len() <= LONGEST {
            self.all.insert(written.into(), attributes.clone());
            self.last = Some((written.into(), attributes.clone()));
        }
        attributes
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
        let rest = &self.text.as_bytes()[start..];
        self.at = start + memchr2(b' ', b'\t', rest).unwrap_or(rest.len());
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

/// Where an attribute stands in a line that was read.
pub(crate) fn place_of(name: &str, text: &str) -> Option<usize> {
    let mut words = Words { text, at: 0 };
    words.next_word()?;
    while let Ok(Some(pair)) = words.next_attribute() {
        if pair.name == name {
            return Some(pair.start);
        }
    }
    None
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
