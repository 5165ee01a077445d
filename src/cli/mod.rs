//! The command line: a file a command, and what they share.
//!
//! `client` talks to a running Seawall, `reach` finds it, `serve` is one; `output` is what people and
//! programs read, `exit` what a shell does.

mod audit;
mod bench;
mod block;
mod blocks;
mod check;
mod client;
mod completions;
mod connection;
mod demo;
mod dry_run;
mod exit;
mod lists;
mod man;
mod output;
mod proxy;
mod purge;
mod reach;
mod reload;
mod run;
mod serve;
mod status;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};
use output::printable_lines;

const ABOUT: &str = "A caching reverse proxy that stops serving a noticed URL at once, and proves it";

const EXAMPLES: &str = "\
Try it, with nothing else on the machine:
  seawall demo
Put it before an origin, with no config file:
  seawall proxy --listen 127.0.0.1:8080 --to http://127.0.0.1:3000 --blocklist blocklist.d
The real thing:
  seawall check -c config/seawall.toml && seawall run -c config/seawall.toml

Environment: SEAWALL_CONFIG, SEAWALL_ADMIN and SEAWALL_TOKEN_FILE stand for -c, --admin and --token-file.
Exit codes: 0 done, 1 failed, 2 usage, 10 blocked, 69 not reachable, 78 config.";

#[derive(Debug, Parser)]
#[command(name = "seawall", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Proxy(proxy::Proxy),
    Run(run::Run),
    Check(check::Check),
    Why(why::Why),
    Lists(lists::Lists),
    Block(block::Block),
    Unblock(block::Unblock),
    Blocks(blocks::Blocks),
    Purge(purge::Purge),
    Status(status::Status),
    Reload(reload::Reload),
    Bench(bench::Bench),
    #[command(subcommand)]
    Audit(audit::Audit),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Parses the command line, runs the command, and says on stderr what went wrong.
pub fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            tell(&format!("seawall: {}\n", printable_lines(&failure.to_string())));
            ExitCode::from(failure.code())
        }
    }
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Command::Demo(demo) => demo.run(),
            Command::Proxy(proxy) => proxy.run(),
            Command::Run(run) => run.run(),
            Command::Check(check) => check.run(),
            Command::Why(why) => why.run(),
            Command::Lists(lists) => lists.run(),
            Command::Block(block) => block.run(),
            Command::Unblock(unblock) => unblock.run(),
            Command::Blocks(blocks) => blocks.run(),
            Command::Purge(purge) => purge.run(),
            Command::Status(status) => status.run(),
            Command::Reload(reload) => reload.run(),
            Command::Bench(bench) => bench.run(),
            Command::Audit(audit) => audit.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}

/// Writes to stderr; `eprint!` would panic where nobody reads it.
fn tell(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests;
