//! What a command prints to stdout.
//!
//! Text is for people: what could make a terminal do something is escaped. JSON and CSV are for
//! programs. A reader that goes away (`| head`) is no error: the rest is not written.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::Context;
use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

/// The forms of a command's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON value.
    Json,
    /// A JSON value a line.
    Jsonl,
}

/// `--output`, for the commands that have data to print.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct FormatArg {
    /// The form of what is printed
    #[arg(long = "output", value_enum, value_name = "FORM", default_value_t)]
    pub format: Format,
}

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Bold,
    Good,
    Bad,
}

/// Where a command prints.
pub struct Output {
    out: Box<dyn Write>,
    colour: bool,
    reader_gone: bool,
}

impl Output {
    pub fn stdout() -> Output {
        let stdout = io::stdout();
        let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = stdout.is_terminal() && unset("NO_COLOR") && !dumb;
        Output { out: Box::new(BufWriter::new(stdout)), colour, reader_gone: false }
    }

    /// Whether nobody reads any more, so that a long output can end early.
    pub fn is_reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// Whether whoever read stdout is gone though nothing was written since: a pipe says so of itself.
    pub fn has_lost_reader(&self) -> bool {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        poll(&mut asked, Some(&Timespec::default())).is_ok() && asked[0].revents().intersects(gone)
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.reader_gone {
            return Ok(());
        }
        let written = self.out.write_all(bytes);
        self.judge(written)
    }

    /// Writes text that holds nothing foreign, or nothing foreign that isn't escaped, and ends the line.
    pub fn line(&mut self, text: impl AsRef<str>) -> anyhow::Result<()> {
        self.raw(text.as_ref().as_bytes())?;
        self.raw(b"\n")
    }

    /// Names beside values, the values under each other, all escaped.
    pub fn pairs(&mut self, pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> anyhow::Result<()> {
        let width = pairs.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
        for (name, value) in pairs {
            let (name, value) = (printable(name.as_ref()), printable(value.as_ref()));
            self.line(format!("{name:width$}  {value}").trim_end())?;
        }
        Ok(())
    }

    /// Rows under a heading, each cell escaped.
    pub fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        let text = table(heading, rows);
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let first = self.paint(Paint::Bold, first);
        self.line(first)?;
        self.raw(rest.as_bytes())
    }

    /// Rows as those of a table, without its heading.
    pub fn rows(&mut self, rows: &[Vec<String>]) -> anyhow::Result<()> {
        let text = table(&[], rows);
        self.raw(text.trim_start_matches('\n').as_bytes())
    }

    /// One JSON value: readable as `json`, on one line as `jsonl`.
    pub fn json(&mut self, value: &impl Serialize, format: Format) -> anyhow::Result<()> {
        let text = match format {
            Format::Jsonl => serde_json::to_string(value),
            Format::Text | Format::Json => serde_json::to_string_pretty(value),
        };
        self.line(text.context("this can't be written as JSON")?)
    }

    /// `text`, coloured if this goes to a terminal.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => "1",
            Paint::Good => "32",
            Paint::Bad => "31",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub fn flush(&mut self) -> anyhow::Result<()> {
        if self.reader_gone {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.judge(flushed)
    }

    fn judge(&mut self, written: io::Result<()>) -> anyhow::Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                // What is buffered would be tried again when the buffer is dropped.
                self.out = Box::new(io::sink());
                Ok(())
            }
            written => written.context("stdout can't be written"),
        }
    }
}

/// `text` with every character escaped that a terminal could obey: controls, and those that turn the
/// direction of what follows.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// The same, but lines and tabs stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let obeyed = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() || turns) && !keep(c)
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Columns as wide as their widest cell, two blanks between them.
fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(heading.iter().map(ToString::to_string).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| printable(cell).into_owned()).collect()))
        .collect();
    let width_of = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Bytes as people read them: `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 rule`, `2 rules`.
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        assert_eq!(printable("plain é \u{1F30A}"), "plain é \u{1F30A}");
        assert_eq!(printable("\x1b[31mred\r\n\x07\u{9b}\u{202e}"), "\\u{1b}[31mred\\r\\n\\u{7}\\u{9b}\\u{202e}");
        assert_eq!(printable_lines("a\n\tb\x1b"), "a\n\tb\\u{1b}");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["a".to_owned(), "long".to_owned(), String::new()], vec!["bcd".to_owned(), "\x08".to_owned()]];
        assert_eq!(table(&[], &rows), "\na    long\nbcd  \\u{8}\n");
        assert_eq!(table(&["id", "x", "y"], &rows), "id   x      y\na    long\nbcd  \\u{8}\n");
    }

    #[test]
    fn bytes_are_rounded_to_a_unit() {
        let shown = [0, 1023, 1024, 1536, 1_048_575, 3 << 20, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "3.0 MiB", "16777216.0 TiB"]);
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is() {
        let mut output = Output { out: Box::new(Closed), colour: false, reader_gone: false };
        output.line("a").unwrap();
        assert!(output.is_reader_gone());
        output.line("b").unwrap();
        output.flush().unwrap();
        let mut output = Output { out: Box::new(BufWriter::new(Full)), colour: false, reader_gone: false };
        output.line("a").unwrap();
        assert!(output.flush().is_err());
    }

    #[test]
    fn colour_is_for_terminals() {
        let mut output = Output { out: Box::new(io::sink()), colour: false, reader_gone: false };
        assert_eq!(output.paint(Paint::Bad, "no"), "no");
        output.colour = true;
        assert_eq!(output.paint(Paint::Bad, "no"), "\x1b[31mno\x1b[0m");
    }
}
