//! `seawall audit query`: lines of the evidence, chosen by what they say.

use anyhow::anyhow;
use audit::{Filter, Line};
use clap::ValueEnum;
use serde_json::{Map, Value};
use terms::{Digest, Timestamp, Url, Verdict};

use super::super::exit::{Exit, Failure};
use super::super::output::{Output, bytes, printable};
use super::Evidence;

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
    /// In any spelling
    #[arg(long, value_parser = url)]
    url: Option<Box<Url>>,
    /// Of the bytes, as served or as they came: sha256: and 64 hexadecimal digits
    #[arg(long, value_parser = digest)]
    digest: Option<Digest>,
    #[arg(long, value_name = "ID")]
    notice: Option<String>,
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// served, blocked, cut or failed
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// From then on: a date (00:00 UTC) or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Up to then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
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

fn url(text: &str) -> Result<Box<Url>, String> {
    Url::parse(text).map(Box::new).map_err(|error| error.to_string())
}

fn digest(text: &str) -> Result<Digest, String> {
    let whole = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::from_hex(whole).ok_or_else(|| "a digest is written sha256: and 64 hexadecimal digits".to_owned())
}

fn verdict(text: &str) -> Result<Verdict, String> {
    let known = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text);
    known.ok_or_else(|| format!("a verdict is one of {}", Verdict::ALL.map(Verdict::as_str).join(", ")))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let help = "write a date such as 2027-01-31 (00:00 UTC), or RFC 3339 such as 2027-01-31T09:00:00Z";
    Timestamp::parse(text).ok_or_else(|| help.to_owned())
}

impl Query {
    pub fn run(self) -> Result<Exit, Failure> {
        let folder = self.evidence.folder()?;
        let form = self.form;
        let filter = Filter {
            url: self.url.map(|url| *url),
            digest: self.digest,
            notice: self.notice,
            site: self.site,
            verdict: self.verdict,
            since: self.since,
            until: self.until,
        };
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

/// A value as it stands in a cell or a sentence.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// RFC 4180 section 2.
fn csv_row(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

/// One line for people: when, what came of it, of what, and for whose sake.
fn readable(fields: &Map<String, Value>) -> String {
    let text = |name: &str| fields.get(name).map(cell).unwrap_or_default();
    let place = format!("{}.{}", text("run"), text("seq"));
    let start = format!("{place:<8} {}", text("time"));
    if fields.contains_key("event") {
        return format!("{start}  event    {}  {}", text("event"), text("data")).trim_end().to_owned();
    }
    let url =
        if fields.get("url").is_none_or(Value::is_null) { "(a URL that can't be named)".into() } else { text("url") };
    let sent = bytes(fields.get("bytes").and_then(Value::as_u64).unwrap_or(0));
    let whole = if fields.get("complete") == Some(&Value::Bool(true)) { "" } else { " (not all)" };
    let (verdict, cache, status, method) = (text("verdict"), text("cache"), text("status"), text("method"));
    let mut line = format!("{start}  {verdict:<8} {status} {cache:<11} {method} {url}  {sent}{whole}");
    for name in ["notice", "rule"] {
        if fields.contains_key(name) {
            line += &format!("  {name}={}", text(name));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_one_readable_line() {
        let fields = json!({
            "run": 1, "seq": 7, "time": "2026-11-24T10:00:00.000000Z", "verdict": "cut", "status": 200, "cache": "miss",
            "method": "GET", "url": "https://a.example/slow", "bytes": 2048, "complete": false,
            "notice": "N-2", "rule": "https://a.example/slow",
        });
        let wanted = "1.7      2026-11-24T10:00:00.000000Z  cut      200 miss        GET https://a.example/slow  \
                      2.0 KiB (not all)  notice=N-2 rule=https://a.example/slow"
            .replace("N-2 rule", "N-2  rule");
        assert_eq!(readable(fields.as_object().unwrap()), wanted);
        let event = json!({"event": "started", "run": 1, "seq": 1, "time": "T"});
        assert_eq!(readable(event.as_object().unwrap()), "1.1      T  event    started");
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let cells = ["a", "b,c", "say \"x\"", "two\nlines", ""].map(str::to_owned);
        assert_eq!(csv_row(cells.into_iter()), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\r\n");
    }

    #[test]
    fn filters_are_checked_before_anything_is_read() {
        assert!(url("ftp://a/").is_err() && url("a.example/x").is_ok());
        assert!(verdict("Served").is_err() && verdict("cut") == Ok(Verdict::Cut));
        assert!(digest("sha256:ab").is_err() && digest(&"ab".repeat(32)).is_ok());
        assert!(time("yesterday").is_err() && time("2026-11-24").is_ok());
    }
}
