//! `seawall lists`: all that is in force, written as one list.

use std::sync::Arc;

use block::list::{Denylist, written};
use block::{Edits, Table};
use clap::ValueEnum;

use super::check::{lists_unusable, read_lists};
use super::exit::{Exit, Failure};
use super::output::{Output, count, printable};
use super::reach::ConfigArg;

/// Write the rules of all lists and live blocks as one list
///
/// They are read from the disk, whether or not a Seawall runs: lists as they are now, and live blocks from the state
/// folder. What the format can't say is counted on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall lists > all.txt
  seawall lists --format ipfs-deny > gateway.deny")]
pub struct Lists {
    #[command(flatten)]
    config: ConfigArg,
    /// What is written
    #[arg(long, value_enum, default_value_t = Form::Seawall)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A list of Seawall's, which says all of it
    Seawall,
    /// A compact denylist, of the rules that name paths of IPFS
    IpfsDeny,
}

impl Lists {
    pub fn run(self) -> Result<Exit, Failure> {
        let (_, meant) = self.config.load()?;
        let lists = read_lists(&meant).map_err(|errors| Failure::config(lists_unusable(&errors)))?;
        let edits = Edits::read(&meant.state.join("blocks")).map_err(Failure::config)?;
        let tables: Vec<Arc<Table>> =
            edits.tables().iter().cloned().chain(lists.into_iter().map(|list| list.table)).collect();
        let mut output = Output::stdout();
        match self.format {
            Form::Seawall => write_rules(&mut output, &tables)?,
            Form::IpfsDeny => write_denylist(&mut output, &tables)?,
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}

fn write_rules(output: &mut Output, tables: &[Arc<Table>]) -> anyhow::Result<()> {
    let mut before = None;
    for table in tables.iter().filter(|table| !table.is_empty()) {
        let name = table.file().unwrap_or("live blocks");
        // Live blocks may stand in several tables.
        if before.replace(name) != Some(name) {
            output.line(format!("# {}", printable(name)))?;
        }
        for (word, attributes) in table.wording() {
            output.line(written(&word, &attributes))?;
            if output.is_reader_gone() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn write_denylist(output: &mut Output, tables: &[Arc<Table>]) -> anyhow::Result<()> {
    let mut list = Denylist::default();
    for (word, attributes) in tables.iter().flat_map(|table| table.wording()) {
        list.add(&word, &attributes);
    }
    output.raw(Denylist::HEADER.as_bytes())?;
    list.items().try_for_each(|item| output.line(item))?;
    if list.left_out() > 0 {
        super::tell(&format!(
            "seawall: not written, since a denylist can't say it: {}\n",
            count(list.left_out(), "rule")
        ));
    }
    Ok(())
}
