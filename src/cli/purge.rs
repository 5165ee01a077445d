//! `seawall purge`: cached copies removed.

use anyhow::Context;
use serde_json::{Value, json};
use terms::Url;

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, bytes, count, printable};
use super::reach::Reach;

/// Remove the cached copies of a URL, every variant
///
/// It is fetched anew when it is asked for again; to stop serving it, use `seawall block`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall purge https://photos.example/a.jpg
  seawall purge --dry-run 'https://photos.example/view?id=7'")]
pub struct Purge {
    url: String,
    /// Say what would be purged, and purge nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

impl Purge {
    pub fn run(self) -> Result<Exit, Failure> {
        let url = Url::parse(&self.url).with_context(|| format!("{:?} is no URL that can be named", self.url))?;
        let format = self.format.format;
        let mut output = Output::stdout();
        if self.dry_run {
            match format {
                Format::Text => {
                    output.line(format!("would purge every cached copy of {}", printable(url.canonical())))?
                }
                _ => output.json(&json!({"url": url.canonical(), "dry_run": true}), format)?,
            }
        } else {
            let reply = self.reach.admin()?.ask("POST", "/api/v1/purge", Some(&json!({"url": self.url})))?;
            let number = |name| reply.json.get(name).and_then(Value::as_u64).unwrap_or(0);
            let (objects, freed) = (count(number("objects"), "object"), bytes(number("bytes")));
            match format {
                Format::Text => output.line(format!("purged {objects}, {freed}"))?,
                Format::Json => output.line(&reply.text)?,
                Format::Jsonl => output.json(&reply.json, format)?,
            }
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}
