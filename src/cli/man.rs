//! `seawall man`: the manual, made of what `--help` says.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use super::exit::{Exit, Failure};
use super::output::Output;

/// Print a page of the manual, or write all of them into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall man audit tail | man -l -
  seawall man --to /usr/local/share/man/man1")]
pub struct Man {
    /// The command that the page is about; without one, it is about all
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    command: Vec<String>,
    /// A folder that is there, for a page a command: seawall.1, seawall-audit-tail.1 and so on
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Man {
    pub fn run(self) -> Result<Exit, Failure> {
        let mut whole = Cli::command().disable_help_subcommand(true);
        // Gives each command its whole name.
        whole.build();
        if let Some(folder) = self.to {
            let failed = || format!("the manual can't be written into {}", folder.display());
            clap_mangen::generate_to(whole, &folder).with_context(failed)?;
            return Ok(Exit::Done);
        }
        let command = find(&whole, &self.command).map_err(Failure::usage)?;
        let mut page = Vec::new();
        Page::new(command.clone()).render(&mut page).context("the page can't be made")?;
        let mut output = Output::stdout();
        output.raw(&page)?;
        output.flush()?;
        Ok(Exit::Done)
    }
}

fn find<'c>(whole: &'c Command, words: &[String]) -> anyhow::Result<&'c Command> {
    words.iter().try_fold(whole, |command, word| {
        let known = || command.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
        let instead =
            || if command.has_subcommands() { format!("it has {}", known()) } else { "it has none".to_owned() };
        command
            .find_subcommand(word)
            .with_context(|| anyhow!("{word:?} is no command of {}; {}", command.get_name(), instead()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(words: &[&str]) -> anyhow::Result<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(find(&Cli::command(), &words)?.get_name().to_owned())
    }

    #[test]
    fn a_page_is_found_by_the_words_of_its_command() {
        assert_eq!(page(&[]).unwrap(), "seawall");
        assert_eq!(page(&["audit", "tail"]).unwrap(), "tail");
        let unknown = page(&["audit", "tale"]).unwrap_err().to_string();
        assert!(unknown.contains("\"tale\"") && unknown.contains("tail"), "{unknown}");
        assert!(page(&["run", "x"]).unwrap_err().to_string().contains("it has none"));
    }
}
