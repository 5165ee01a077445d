//! The demo: an origin, an edge and its list in a temporary folder, and a tour of them.

mod origin;
mod pictures;
mod shell;
mod tour;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::app;
use crate::certificates;
use crate::config::Written;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::serve;
use tour::Tour;

/// See it work: an origin, the edge and a tour, with nothing else on the machine
///
/// List, state and evidence live in a temporary folder, which is removed at the end. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall demo
  seawall demo --listen 127.0.0.1:8000 --admin 127.0.0.1:0
  seawall demo --tls")]
pub struct Demo {
    /// Where clients connect [default: 127.0.0.1:8080, or the next free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where operators connect [default: 127.0.0.1:9090, or the next free port]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// The edge speaks https, with a self-signed certificate
    #[arg(long)]
    tls: bool,
}

const EDGE_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;
/// Ports that are looked at from the first one on.
const TRIES: u16 = 100;

const LIST_HEADING: &str = "\
# The demo's block list: one rule a line, in force as soon as the file is saved.
#   https://photos.example/a/stolen.jpg        notice=N-17 reason=\"DMCA 512(c)\"
#   https://photos.example/albums/private/*    notice=N-18
# Scheme and port play no part, and a rule without a query covers every query.
";

impl Demo {
    pub fn run(self) -> Result<Exit, Failure> {
        let listen = self.listen.map_or_else(|| free_port(EDGE_PORT, None), Ok)?;
        let admin = self.admin.map_or_else(|| free_port(ADMIN_PORT, Some(listen)), Ok)?;
        if !admin.ip().is_loopback() {
            return Err(Failure::usage(anyhow!(
                "--admin {admin}: the demo's admin listener is in clear; name a port of 127.0.0.1"
            )));
        }
        let host = serve::Host::begin()?;
        let folder = serve::temporary_folder("seawall-demo-")?;
        let place = Place { is_secured: self.tls, ..Place::of(folder.path()) };
        let done = host.block_on(|signals| show(&place, listen, admin, signals));
        serve::remove(folder);
        done
    }
}

async fn show(place: &Place, listen: SocketAddr, admin: SocketAddr, signals: app::Signals) -> anyhow::Result<()> {
    let origin = origin::start().await?;
    place.furnish(listen, admin, origin)?;
    let written = Written::read(&place.config)?;
    let running = app::start(written.judge()?, Some(written), signals).await?;
    let (edge_bound, admin_bound) = match (running.edges.first(), running.admin) {
        (Some((_, edge)), (_, admin)) => (*edge, admin),
        (None, _) => return Err(anyhow!("the edge listens nowhere")),
    };
    // The lines of the tour find the admin listener by the config, so no port in it may stand open.
    place.furnish(edge_bound, admin_bound, origin)?;
    serve::announce(&running)?;
    let tour = Tour { program: shell::this_program(), edge: edge_bound, place };
    let mut output = Output::stdout();
    tour.print(&mut output)?;
    output.flush()?;
    running.until_stopped().await
}

/// The demo's folder and what lies in it.
struct Place {
    config: PathBuf,
    list: PathBuf,
    state: PathBuf,
    /// Where the tour puts a copy of the evidence to tamper with.
    tampered: PathBuf,
    /// Whether the edge speaks https.
    is_secured: bool,
}

impl Place {
    fn of(folder: &Path) -> Place {
        Place {
            config: folder.join("seawall.toml"),
            list: folder.join("blocklist.d/demo.txt"),
            state: folder.join("state"),
            tampered: folder.join("tampered"),
            is_secured: false,
        }
    }

    /// The certificate to believe where the edge speaks https.
    fn certificate(&self) -> PathBuf {
        self.state.join(certificates::SELF_SIGNED)
    }

    fn evidence(&self) -> PathBuf {
        self.state.join("audit")
    }

    /// Writes the config, and the list where there is none.
    fn furnish(&self, listen: SocketAddr, admin: SocketAddr, origin: SocketAddr) -> anyhow::Result<()> {
        let listen = match self.is_secured {
            true => format!("{{ addr = \"{listen}\", tls = \"self-signed\" }}"),
            false => format!("\"{listen}\""),
        };
        let config = format!(
            "# The demo's config. A reload (`seawall reload -c` this file) takes what changes here.\n\
             [edge]\nlisten = [{listen}]\ndrain = \"2s\"\n\n\
             [admin]\nlisten = \"{admin}\"\n\n\
             [cache]\nkeep = false\n\n\
             [takedown]\nlists = [\"blocklist.d\"]\n\n\
             [[site]]\nname = \"demo\"\nhosts = [\"*\"]\norigin = \"http://{origin}\"\n"
        );
        let write = |path: &Path, text: &str| {
            std::fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))
        };
        write(&self.config, &config)?;
        if !self.list.exists() {
            let folder = self.list.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
            write(&self.list, LIST_HEADING)?;
        }
        Ok(())
    }
}

/// The first port of loopback from `first` on that nobody listens on, and that isn't `taken` already.
fn free_port(first: u16, taken: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    for port in first..first + TRIES {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if taken.is_some_and(|taken| taken.port() == port) {
            continue;
        }
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("{address} can't be listened on")),
        }
    }
    Err(anyhow!("the ports {first} to {} are all in use; name one with --listen and --admin", first + TRIES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_passed_over() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port().min(u16::MAX - TRIES);
        let free = free_port(port, None).unwrap();
        assert!(free.port() >= port);
        assert_ne!(Some(free), held.local_addr().ok());
        assert_ne!(free_port(free.port(), Some(free)).unwrap(), free);
    }

    #[test]
    fn the_config_of_the_demo_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(folder.path());
        let [listen, admin, origin] =
            ["127.0.0.1:8080", "[::1]:9090", "127.0.0.1:3000"].map(|text| text.parse().unwrap());
        place.furnish(listen, admin, origin).unwrap();
        let meant = crate::config::load(&place.config).unwrap();
        assert_eq!((meant.edge.listeners[0].address, meant.admin.address), (listen, admin));
        assert_eq!(
            (meant.state, meant.takedown.lists),
            (place.state.clone(), vec![folder.path().join("blocklist.d").into()])
        );
        std::fs::write(&place.list, "mine\n").unwrap();
        place.furnish(listen, admin, origin).unwrap();
        assert_eq!(std::fs::read_to_string(&place.list).unwrap(), "mine\n");
        place.furnish(listen, "0.0.0.0:9090".parse().unwrap(), origin).unwrap();
        assert!(crate::config::load(&place.config).is_err());
    }
}
