//! `seawall run`: the edge, from a config.

use crate::app;

use super::exit::{Exit, Failure};
use super::reach::ConfigArg;
use super::serve;

/// Run the edge from a config
///
/// Prints `edge URL` and `admin URL`, one a line for each listener, once they accept. TERM and INT
/// drain, a second INT leaves at once; HUP reloads.
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
        let (path, meant) = self.config.load()?;
        serve::block_on(async {
            let running = app::start(meant, Some(path)).await?;
            serve::announce(&running)?;
            running.until_stopped().await
        })
    }
}
