//! `seawall purge`: cached copies removed, or made stale.

use anyhow::anyhow;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, bytes, count, printable};
use super::reach::Reach;
use crate::purge::{BadTarget, Target};

/// Remove cached copies, every variant: of a URL, of all under it, by tag, by site, or all
///
/// What is purged is fetched anew when it is asked for again; to stop serving it, use `seawall block`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall purge https://photos.example/a.jpg
  seawall purge --prefix https://photos.example/albums --soft
  seawall purge --tag user-17
  seawall purge --pattern '^https://photos\\.example/.*\\.css$' --dry-run")]
#[group(id = "target", required = true, multiple = false, args = ["url", "prefix", "pattern", "tag", "site", "all"])]
pub struct Purge {
    /// A URL, in every spelling, with just its query
    url: Option<String>,
    /// This path and everything below it, under every query
    #[arg(long, value_name = "URL")]
    prefix: Option<String>,
    /// What this regular expression matches, as a pattern of a block list does
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
    /// What its origin gave this tag, by Surrogate-Key or Cache-Tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// All of a site's hosts
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Make the copies stale: the origin is asked whether they still hold before they are used again
    #[arg(long)]
    soft: bool,
    /// Say what would be purged now, and purge nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// What was named: its key in the API, its value there, and what people call it.
struct Named {
    key: &'static str,
    value: Value,
    what: String,
}

impl Purge {
    pub fn run(self) -> Result<Exit, Failure> {
        let named = self.named()?;
        let mut output = Output::stdout();
        let body = json!({ named.key: named.value, "soft": self.soft, "dry_run": self.dry_run });
        let reply = self.reach.admin()?.ask("POST", "/api/v1/purge", Some(&body))?;
        let number = |name| reply.json.get(name).and_then(Value::as_u64).unwrap_or(0);
        let freed = format!("{}, {}", count(number("objects"), "object"), bytes(number("bytes")));
        let text = match (self.dry_run, self.soft) {
            (true, true) => format!("would make stale {}: {freed}", printable(&named.what)),
            (true, false) => format!("would purge {}: {freed}", printable(&named.what)),
            (false, true) => format!("made stale {freed}"),
            (false, false) => format!("purged {freed}"),
        };
        match self.format.format {
            Format::Text => output.line(text)?,
            Format::Json => output.line(&reply.text)?,
            format @ Format::Jsonl => output.json(&reply.json, format)?,
        }
        output.flush()?;
        Ok(Exit::Done)
    }

    fn named(&self) -> Result<Named, Failure> {
        let read = |key: &'static str, text: &str, read: fn(&str) -> Result<Target, BadTarget>| {
            let target = read(text).map_err(|error| Failure::from(anyhow!("{text:?}: {error}")))?;
            let what = match target {
                Target::Url(url) => format!("every cached copy of {}", url.canonical()),
                Target::Prefix(prefix) => format!("every cached copy under {}", prefix.canonical()),
                Target::Pattern(pattern) => format!("every cached copy that {pattern:?} matches"),
                Target::Tag(name) => format!("every cached copy with the tag {name}"),
                Target::Site(..) | Target::All => "every cached copy".to_owned(),
            };
            Ok(Named { key, value: json!(text), what })
        };
        match (&self.url, &self.prefix, &self.pattern, &self.tag, &self.site) {
            (Some(url), ..) => read("url", url, Target::url),
            (_, Some(prefix), ..) => read("prefix", prefix, Target::prefix),
            (_, _, Some(pattern), ..) => read("pattern", pattern, Target::pattern),
            (_, _, _, Some(tag), _) => read("tag", tag, Target::tag),
            (_, _, _, _, Some(site)) => {
                Ok(Named { key: "site", value: json!(site), what: format!("every cached copy of site {site}") })
            }
            _ => Ok(Named { key: "all", value: json!(true), what: "every cached copy".to_owned() }),
        }
    }
}
