//! What is wrong with a config, where, and what to do: rendered as
//!
//! ```text
//! config/seawall.toml:12:1: `memry` is not a key of [cache]
//!    12 | memry = "1GiB"
//!       | ^^^^^
//!       = did you mean `memory`?
//! ```

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::hidden;

/// Bytes of the config's text.
pub(super) type Span = Range<usize>;

/// Faults shown at once. More are counted, not shown: nobody reads them, and each costs a search
/// for its line.
const SHOWN: usize = 100;

/// Characters of a source line that are shown. Of a longer one, those around the fault.
const LINE_SHOWN: usize = 160;

/// A value that can't be used, and what to write instead. It doesn't know where it stands: it may
/// have come from a file or from an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {help}")]
pub struct Wrong {
    pub what: String,
    pub help: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), help: help.into() }
    }

    /// A part of the design that is not built yet, and what to do without it.
    pub(super) fn later(name: &str, instead: &str) -> Wrong {
        Wrong::new(format!("{name} comes with a later version"), format!("this version does not know it: {instead}"))
    }
}

/// Why there is no config to run.
#[derive(Debug, thiserror::Error)]
pub enum Errors {
    #[error("{}: can't be read: {source}; name the config with -c FILE", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: is larger than {limit} bytes; is it the right file?", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("there is no config: neither {}; name one with -c FILE", .looked_at.join(" nor "))]
    NotFound { looked_at: Vec<String> },
    #[error("{}", Shown(path, faults, *more))]
    Faults { path: PathBuf, faults: Vec<Fault>, more: usize },
}

/// One thing that is wrong, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub wrong: Wrong,
    /// The source line, or what is shown of it: nothing that a URL in it may hold as a secret.
    source: String,
    /// Characters of `source` before the marked ones, and how many are marked.
    marked: (usize, usize),
}

/// The faults found so far in one text.
pub(super) struct Faults<'t> {
    text: &'t str,
    found: Vec<(Span, Wrong)>,
}

impl<'t> Faults<'t> {
    pub(super) fn of(text: &'t str) -> Faults<'t> {
        Faults { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &Span, wrong: Wrong) {
        self.found.push((at.clone(), wrong));
    }

    /// The line, from 1, on which `at` begins.
    pub(super) fn line(&self, at: &Span) -> usize {
        line_and_start(self.text, at.start).0
    }

    /// `value` if nothing was found wrong.
    pub(super) fn or<T>(self, value: T, path: &Path) -> Result<T, Errors> {
        if self.found.is_empty() { Ok(value) } else { Err(self.errors(path)) }
    }

    pub(super) fn errors(mut self, path: &Path) -> Errors {
        self.found.sort_by_key(|(at, _)| at.start);
        let more = self.found.len().saturating_sub(SHOWN);
        self.found.truncate(SHOWN);
        let faults = self.found.into_iter().map(|(at, wrong)| place(self.text, &at, wrong)).collect();
        Errors::Faults { path: path.to_owned(), faults, more }
    }
}

/// The number of the line, from 1, that holds the byte `offset`, and where that line starts.
fn line_and_start(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    (before.iter().filter(|&&byte| byte == b'\n').count() + 1, start)
}

fn place(text: &str, at: &Span, wrong: Wrong) -> Fault {
    let offset = text.floor_char_boundary(at.start);
    let (line, start) = line_and_start(text, offset);
    let rest = &text[start..];
    let source = rest.split('\n').next().unwrap_or(rest).trim_end_matches('\r');
    let column = text[start..offset].chars().count();
    let end = text.floor_char_boundary(at.end).clamp(offset, offset.max(start + source.len()));
    let end = column + text[offset..end].chars().count();

    let chars = hidden::line(source);
    let shown_of = |chars: &[Option<char>]| chars.iter().flatten().count();
    let (before, upto) = (column.min(chars.len()), end.min(chars.len()));
    let (before, width) = (shown_of(&chars[..before]), shown_of(&chars[before..upto]).max(1));
    let skipped = if shown_of(&chars) > LINE_SHOWN { before.saturating_sub(LINE_SHOWN / 2) } else { 0 };
    let source = chars.into_iter().flatten().skip(skipped).take(LINE_SHOWN).map(printable).collect();
    let marked = (before - skipped, width.min(LINE_SHOWN.saturating_sub(before - skipped).max(1)));
    Fault { line, column: column + 1, wrong, source, marked }
}

/// A terminal must not obey what stands in a file.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// Foreign text as it may stand within a message.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", short.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
}

struct Shown<'f>(&'f Path, &'f [Fault], usize);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(path, faults, more) = self;
        for (index, fault) in faults.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{fault}", path.display())?;
        }
        match more {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, width) = self.marked;
        let indent: String = self.source.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{}:{}: {}", self.line, self.column, self.wrong.what)?;
        writeln!(f, "{:>5} | {}", self.line, self.source)?;
        writeln!(f, "{:>5} | {indent}{}", "", "^".repeat(width))?;
        write!(f, "{:>5} = {}", "", self.wrong.help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, at: Span) -> Fault {
        place(text, &at, Wrong::new("it is wrong", "mend it"))
    }

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = "a = 1\r\nbé = \"ü\"\n";
        let at = text.find("\"ü").unwrap();
        let fault = fault(text, at..at + 4);
        assert_eq!((fault.line, fault.column), (2, 6));
        assert_eq!(fault.to_string(), "2:6: it is wrong\n    2 | bé = \"ü\"\n      |      ^^^\n      = mend it");
    }

    #[test]
    fn marks_one_place_at_the_end_of_the_text() {
        for text in ["", "a", "a\n"] {
            let fault = fault(text, text.len()..text.len());
            assert_eq!(fault.marked.1, 1, "{text:?}");
        }
    }

    #[test]
    fn keeps_tabs_and_hides_control_characters() {
        let fault = fault("\ta = \x1b[31m", 1..2);
        assert_eq!(fault.to_string(), "1:2: it is wrong\n    1 | \ta = \u{fffd}[31m\n      | \t^\n      = mend it");
    }

    #[test]
    fn cuts_long_lines_around_the_fault() {
        let text = format!("{}x{}", "a".repeat(1000), "b".repeat(1000));
        let fault = fault(&text, 1000..1001);
        assert_eq!(fault.column, 1001);
        assert_eq!(fault.source.chars().count(), LINE_SHOWN);
        assert_eq!(fault.source.chars().nth(fault.marked.0), Some('x'));
    }

    #[test]
    fn marks_what_it_means_where_something_before_it_is_hidden() {
        let text = "a = [\"https://h.example/?s3cret\"]; b = c";
        let at = text.find('b').unwrap();
        let told = fault(text, at..at + 1);
        assert_eq!(told.column, at + 1, "in the file");
        let marked = format!("1 | a = [\"https://h.example/?…\"]; b = c\n      | {}^\n", " ".repeat(30));
        assert!(told.to_string().contains(&marked), "{told}");
        let at = text.find("s3").unwrap();
        assert!(fault(text, at + 2..at + 6).to_string().contains(" | a = [\"https://h.example/?…\"]; b = c\n"));
    }

    proptest::proptest! {
        #[test]
        fn places_any_span_of_any_text(text in ".{0,40}(\n.{0,300}){0,3}", start in 0usize..400, length in 0usize..400) {
            let fault = fault(&text, start.min(text.len())..(start + length).min(text.len()));
            let _ = fault.to_string();
        }
    }
}
