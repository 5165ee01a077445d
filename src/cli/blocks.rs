//! `seawall blocks`: the live rules, and the rules of lists, page by page.

use anyhow::anyhow;
use serde_json::{Map, Value, json};
use terms::Timestamp;

use super::client::{Admin, encoded};
use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output};
use super::reach::Reach;

/// List the live blocks, or all rules, and search them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall blocks
  seawall blocks --all --url https://photos.example/a/stolen.jpg
  seawall blocks --notice N-17 --since 2027-01-01
  seawall blocks --all --search leak --output jsonl | head")]
pub struct Blocks {
    /// With this in the rule, its notice or its reason
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Of this notice
    #[arg(long, value_name = "ID")]
    notice: Option<String>,
    /// That cover this URL
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// That name this host, or one under it
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Asked for then or later: a date (00:00 UTC) or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["all", "source"])]
    since: Option<String>,
    /// Asked for by somebody with this in the name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "source"])]
    by: Option<String>,
    /// The rules of list files, too
    #[arg(long)]
    all: bool,
    /// The rules of this list file alone: its path, or the last part of it
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    source: Option<String>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// Rules that are asked for at once.
const PAGE: usize = 1000;

/// What is listed: its name in the API, and the columns that people read.
struct Listing {
    name: &'static str,
    heading: &'static [&'static str],
}

const LIVE: Listing =
    Listing { name: "blocks", heading: &["id", "rule", "notice", "reason", "geo", "standing", "at", "by"] };
const OF_FILES: Listing =
    Listing { name: "rules", heading: &["file", "line", "rule", "notice", "reason", "geo", "standing"] };

fn time(text: &str) -> Result<String, String> {
    let is_time = Timestamp::parse(text).is_some();
    is_time.then(|| text.to_owned()).ok_or_else(|| "write a date such as 2027-01-31, or RFC 3339".to_owned())
}

impl Blocks {
    pub fn run(self) -> Result<Exit, Failure> {
        let admin = self.reach.admin()?;
        let mut output = Output::stdout();
        let listings = match (&self.source, self.all) {
            (Some(_), _) => &[OF_FILES][..],
            (None, true) => &[LIVE, OF_FILES],
            (None, false) => &[LIVE],
        };
        let mut all = Map::new();
        for listing in listings {
            let mut rows = Vec::new();
            let mut count = 0;
            each_page(&admin, listing.name, &self.query(), |page| {
                match self.format.format {
                    Format::Jsonl => page.iter().try_for_each(|row| output.json(row, Format::Jsonl))?,
                    Format::Text => print(&mut output, listing, &page, count == 0)?,
                    Format::Json => rows.extend(page.iter().cloned()),
                }
                count += page.len();
                Ok(!output.is_reader_gone())
            })?;
            all.insert(listing.name.to_owned(), json!(rows));
            if count == 0 && self.format.format == Format::Text {
                output.line(nothing(listing, self.query().is_empty()))?;
            }
        }
        if self.format.format == Format::Json {
            output.json(&all, Format::Json)?;
        }
        output.flush()?;
        Ok(Exit::Done)
    }

    fn query(&self) -> String {
        let asked = [
            ("query", &self.search),
            ("notice", &self.notice),
            ("url", &self.url),
            ("host", &self.host),
            ("since", &self.since),
            ("by", &self.by),
            ("source", &self.source),
        ];
        let said = asked.into_iter().filter_map(|(name, text)| Some(format!("&{name}={}", encoded(text.as_ref()?))));
        said.collect()
    }
}

fn nothing(listing: &Listing, is_all: bool) -> &'static str {
    match (listing.name, is_all) {
        ("blocks", true) => "no live blocks; those of list files: seawall blocks --all",
        ("blocks", false) => "no live block is so",
        (_, true) => "no rules in list files",
        (_, false) => "no rule of a list file is so",
    }
}

/// Each page has columns of its own width, so that none waits for the last.
fn print(output: &mut Output, listing: &Listing, page: &[Value], is_first: bool) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = page.iter().map(|rule| row(listing, rule)).collect();
    match (page.is_empty(), is_first) {
        (true, _) => Ok(()),
        (false, true) => output.table(listing.heading, &rows),
        (false, false) => output.rows(&rows),
    }
}

fn row(listing: &Listing, rule: &Value) -> Vec<String> {
    let cell = |name| match rule.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    listing.heading.iter().copied().map(cell).collect()
}

/// Calls `take` with what each page holds, while there are more and it wants them. A page of a search may hold nothing.
fn each_page(
    admin: &Admin,
    name: &str,
    query: &str,
    mut take: impl FnMut(Vec<Value>) -> anyhow::Result<bool>,
) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let from = after.as_deref().map(|after| format!("&after={}", encoded(after))).unwrap_or_default();
        let mut page = admin.ask("GET", &format!("/api/v1/{name}?limit={PAGE}{query}{from}"), None)?.json;
        let rows = match page.get_mut(name).map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => return Err(anyhow!("the admin listener's answer holds no `{name}`: is it Seawall?").into()),
        };
        let next = match page.get("next") {
            None | Some(Value::Null) => None,
            Some(Value::String(next)) => Some(next.clone()),
            Some(other) => Some(other.to_string()),
        };
        // A server that sends a page to itself would keep us here for ever.
        if next.is_some() && next == after {
            return Err(anyhow!("the admin listener's pages go in a circle").into());
        }
        if !take(rows)? || next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_row() {
        let block = json!({"id": "r1-1", "rule": "https://a/b", "receipt": "r1", "notice": null, "reason": "R", "geo": "DE",
            "standing": "over", "at": "T", "by": "desk"});
        assert_eq!(row(&LIVE, &block), ["r1-1", "https://a/b", "-", "R", "DE", "over", "T", "desk"]);
        let line = json!({"file": "a.txt", "line": 7, "rule": "a.example", "standing": "over"});
        assert_eq!(row(&OF_FILES, &line), ["a.txt", "7", "a.example", "-", "-", "-", "over"]);
    }
}
