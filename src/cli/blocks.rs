//! `seawall blocks`: the live edits in force, page by page.

use anyhow::anyhow;
use serde_json::{Value, json};

use super::client::{Admin, encoded};
use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output};
use super::reach::Reach;

/// List the live blocks
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall blocks
  seawall blocks --output jsonl | grep N-17")]
pub struct Blocks {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// Blocks that are asked for at once.
const PAGE: usize = 500;

impl Blocks {
    pub fn run(self) -> Result<Exit, Failure> {
        let admin = self.reach.admin()?;
        let mut output = Output::stdout();
        match self.format.format {
            Format::Jsonl => each_page(&admin, |blocks| {
                for block in &blocks {
                    output.json(block, Format::Jsonl)?;
                }
                Ok(!output.is_reader_gone())
            })?,
            format => {
                let mut all = Vec::new();
                each_page(&admin, |blocks| {
                    all.extend(blocks);
                    Ok(true)
                })?;
                print(&mut output, all, format)?;
            }
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}

fn print(output: &mut Output, all: Vec<Value>, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output.json(&json!({ "blocks": all }), format);
    }
    if all.is_empty() {
        return output.line("no live blocks; those of list files stand in the files");
    }
    output.table(&HEADING, &all.iter().map(row).collect::<Vec<_>>())
}

const HEADING: [&str; 7] = ["id", "rule", "notice", "reason", "geo", "at", "by"];

fn row(block: &Value) -> Vec<String> {
    let cell = |name| match block.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    HEADING.map(cell).to_vec()
}

/// Calls `take` with the blocks of each page, while there are more and it wants them.
fn each_page(admin: &Admin, mut take: impl FnMut(Vec<Value>) -> anyhow::Result<bool>) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let from = after.as_deref().map(|after| format!("&after={}", encoded(after))).unwrap_or_default();
        let mut page = admin.ask("GET", &format!("/api/v1/blocks?limit={PAGE}{from}"), None)?.json;
        let blocks = match page.get_mut("blocks").map(Value::take) {
            Some(Value::Array(blocks)) => blocks,
            _ => return Err(anyhow!("the admin listener's answer holds no `blocks`: is it Seawall?").into()),
        };
        let next = match page.get("next") {
            None | Some(Value::Null) => None,
            Some(Value::String(next)) => Some(next.clone()),
            Some(other) => Some(other.to_string()),
        };
        // A server that sends a page to itself would keep us here for ever.
        if next.is_some() && next == after {
            return Err(anyhow!("the admin listener's pages of blocks go in a circle").into());
        }
        if !take(blocks)? || next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_row() {
        let block = json!({"id": "r1-1", "rule": "https://a/b", "receipt": "r1", "notice": null, "reason": "R", "at": "T", "by": "desk"});
        assert_eq!(row(&block), ["r1-1", "https://a/b", "-", "R", "-", "T", "desk"]);
    }
}
