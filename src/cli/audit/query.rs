//! `seawall audit query`: lines of the evidence, chosen by what they say.

use anyhow::anyhow;
use audit::Line;
use clap::ValueEnum;

use super::super::exit::{Exit, Failure};
use super::super::output::{Output, printable};
use super::Evidence;
use super::filter::FilterArgs;
use super::readable::{cell, readable};

/// Ask the log what was served, refused, cut
///
/// All that is set must match; an event matches by what it tells. No match is no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall audit query state/audit --url https://photos.example/a/stolen.jpg
  seawall audit query -c config/seawall.toml --notice N-17 --since 2026-11-01 --output csv")]
pub struct Query {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    filter: FilterArgs,
    /// The form of what is printed
    #[arg(long = "output", value_enum, value_name = "FORM", default_value_t)]
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// The lines as they stand in the log.
    Jsonl,
    /// The lines as one array.
    Json,
    /// RFC 4180, with a heading.
    Csv,
}

impl Query {
    pub fn run(self) -> Result<Exit, Failure> {
        let (folder, meant) = self.evidence.place()?;
        let form = self.form;
        let filter = self.filter.filter(meant.as_ref());
        let mut printer = Printer { output: Output::stdout(), form, printed: 0 };
        printer.begin()?;
        let mut written = Ok(());
        let asked = audit::query(&folder, &filter, &mut |line| {
            written = printer.line(line);
            written.is_ok() && !printer.output.is_reader_gone()
        });
        written?;
        printer.end()?;
        match asked {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(anyhow!(error).into()),
        }
    }
}

/// Prints lines as they come.
struct Printer {
    output: Output,
    form: Form,
    printed: u64,
}

/// Beside an answer's columns, those of an event.
const EVENT_COLUMNS: [&str; 2] = ["event", "data"];

impl Printer {
    fn begin(&mut self) -> anyhow::Result<()> {
        match self.form {
            Form::Text | Form::Jsonl => Ok(()),
            Form::Json => self.output.raw(b"["),
            Form::Csv => self.output.raw(csv_row(columns().map(str::to_owned)).as_bytes()),
        }
    }

    fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        self.printed += 1;
        match self.form {
            Form::Text => self.output.line(printable(&readable(&line.fields()))),
            Form::Jsonl => self.output.line(line.text),
            Form::Json => {
                self.output.raw(if self.printed == 1 { b"\n" } else { b",\n" })?;
                self.output.raw(line.text.as_bytes())
            }
            Form::Csv => {
                let fields = line.fields();
                self.output
                    .raw(csv_row(columns().map(|name| fields.get(name).map_or_else(String::new, cell))).as_bytes())
            }
        }
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.form == Form::Json {
            self.output.raw(if self.printed == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        self.output.flush()
    }
}

fn columns() -> impl Iterator<Item = &'static str> {
    audit::COLUMNS.into_iter().chain(EVENT_COLUMNS)
}

/// RFC 4180 section 2.
fn csv_row(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let cells = ["a", "b,c", "say \"x\"", "two\nlines", ""].map(str::to_owned);
        assert_eq!(csv_row(cells.into_iter()), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\r\n");
    }
}
