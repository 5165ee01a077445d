//! `seawall run`: the edge, from a config.

use crate::app;
use crate::config;

use super::exit::{Exit, Failure};
use super::reach::ConfigArg;
use super::serve;

/// Run the edge from a config
///
/// Prints `edge URL` and `admin URL`, one a line for each listener, once they accept. TERM and INT
/// drain, a second INT leaves at once; HUP reloads, USR1 opens the access log again. The config's file is watched: saved is in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall run
  seawall run -c /etc/seawall/seawall.toml")]
pub struct Run {
    #[command(flatten)]
    config: ConfigArg,
}

impl Run {
    pub fn run(self) -> Result<Exit, Failure> {
        let written = config::Written::read(&self.config.locate()?).map_err(Failure::config)?;
        let meant = written.judge().map_err(Failure::config)?;
        serve::Host::begin()?.block_on(async |signals| {
            let running = app::start(meant, Some(written), signals).await?;
            serve::announce(&running)?;
            running.until_stopped().await
        })
    }
}
