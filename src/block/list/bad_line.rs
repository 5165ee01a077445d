//! A line that can't be read, as it is shown to whoever wrote it.

use std::fmt;

/// Characters of a bad line that are shown.
const MAX_SOURCE: usize = 400;

/// Where a list goes wrong, and what to do about it.
///
/// `what` may quote the list and `source` is taken from it: whoever prints them escapes control
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1; 0 for a rule that stands in no file.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What is wrong, and what to write instead.
    pub what: String,
    /// The line as it stands, at most 400 characters of it.
    pub source: String,
}

// By hand: thiserror takes a field named `source` for the error beneath.
impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "column {}: {}", self.column, self.what),
            line => write!(f, "line {line}, column {}: {}", self.column, self.what),
        }
    }
}

impl std::error::Error for BadLine {}

/// What is wrong at a byte of a line, before the line is known by its number.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Fault {
        Fault { at, what: what.into() }
    }

    /// `text` is the line with what isn't UTF-8 replaced, up to the fault at least unchanged.
    pub(super) fn in_line(self, line: u32, text: &str) -> BadLine {
        let before = text.char_indices().take_while(|(at, _)| *at < self.at).count();
        let mut source: String = text.chars().take(MAX_SOURCE).collect();
        if source.len() < text.len() {
            source.push('…');
        }
        BadLine { line, column: u32::try_from(before + 1).unwrap_or(u32::MAX), what: self.what, source }
    }
}

/// `text` as it can stand in a message: quoted, and not longer than a message bears.
pub(super) fn quoted(text: &str) -> String {
    const MAX_QUOTE: usize = 60;
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
