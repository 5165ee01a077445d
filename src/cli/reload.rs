//! `seawall reload`: config and lists read again.

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, Paint, printable};
use super::reach::Reach;

/// Have the running one read its config and its lists again, and ask its feeds
///
/// Sites, limits, lists, hooks and listeners change without a dropped request. What needs a restart is
/// refused by name, and the old config stays whole. The same as the signal HUP. A saved config is taken
/// without it; lists that vanished, were emptied or shrank are only let go by it. Feeds have 10 s to answer; a
/// slower one is taken when it comes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall check && seawall reload
  seawall reload --accept-shrink")]
pub struct Reload {
    /// Take lists that came to hold under half of their former rules
    #[arg(long)]
    accept_shrink: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

impl Reload {
    pub fn run(self) -> Result<Exit, Failure> {
        let body = json!({"accept_shrink": self.accept_shrink});
        let reply = self.reach.admin()?.ask("POST", "/api/v1/reload", Some(&body))?;
        let mut output = Output::stdout();
        match self.format.format {
            Format::Text => {
                let said = output.paint(Paint::Good, "reloaded");
                output.line(said)?;
                for change in reply.json.get("changed").and_then(Value::as_array).into_iter().flatten() {
                    let change = change.as_str().map_or_else(|| change.to_string(), str::to_owned);
                    output.line(format!("  {}", printable(&change)))?;
                }
            }
            Format::Json => output.line(&reply.text)?,
            Format::Jsonl => output.json(&reply.json, Format::Jsonl)?,
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}
