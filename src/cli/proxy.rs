//! `seawall proxy`: the edge before one origin, from arguments alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::app;
use crate::config::{self, units};

use super::exit::{Exit, Failure};
use super::serve;

/// Run a caching proxy with no config file
///
/// One origin, any host. Without --state, list versions, live blocks and evidence live in a temporary
/// folder, which is removed at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall proxy --listen 127.0.0.1:8080 --to http://127.0.0.1:3000
  seawall proxy --listen 0.0.0.0:80 --to http://10.0.0.7 --blocklist blocklist.d --state state")]
pub struct Proxy {
    /// Where clients connect; may be given more than once. Port 0 takes a free port, which is printed
    #[arg(long, value_name = "ADDR", required = true)]
    listen: Vec<SocketAddr>,
    /// The origin, as http://host:port
    #[arg(long, value_name = "URL")]
    to: String,
    /// Where operators connect [default: a free port on loopback, printed]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", hide_default_value = true)]
    admin: SocketAddr,
    /// A block list, or a folder of them, watched; may be given more than once
    #[arg(long, value_name = "PATH")]
    blocklist: Vec<PathBuf>,
    /// The state folder, kept from run to run [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Memory for cached bodies
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = units::size)]
    memory: u64,
}

impl Proxy {
    pub fn run(self) -> Result<Exit, Failure> {
        let host = serve::Host::begin()?;
        let (state, temporary) = match self.state {
            Some(state) => (state, None),
            None => {
                let folder = serve::temporary_folder("seawall-proxy-")?;
                (folder.path().join("state"), Some(folder))
            }
        };
        let mut meant = config::single(self.listen, &self.to, self.admin, self.blocklist, state, self.memory)
            .map_err(Failure::usage)?;
        if temporary.is_some() {
            meant.cache.keep = false;
            let shown = meant.state.display();
            super::tell(&format!("seawall: state is in {shown}, removed at the end; keep it with --state DIR\n"));
        }
        let done = host.block_on(async |signals| {
            let running = app::start(meant, None, signals).await?;
            serve::announce(&running)?;
            running.until_stopped().await
        });
        temporary.into_iter().for_each(serve::remove);
        done
    }
}
