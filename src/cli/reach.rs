//! How a command finds the running Seawall: flag before environment before config file before default.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::config::{self, Meant};

use super::client::Admin;
use super::exit::Failure;

/// The name of the token's file in the state folder.
pub const TOKEN_FILE: &str = "admin.token";

/// The name of the file there in which a running one notes where it is administered.
pub const ADDRESS_FILE: &str = "admin.address";

const ENV_CONFIG: &str = "SEAWALL_CONFIG";
const ENV_ADMIN: &str = "SEAWALL_ADMIN";
const ENV_TOKEN_FILE: &str = "SEAWALL_TOKEN_FILE";

/// `-c`, for every command that has a config.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArg {
    /// The config [env: SEAWALL_CONFIG] [default: config/seawall.toml, then /etc/seawall/seawall.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArg {
    /// The file that is named, or that stands where configs do.
    pub fn locate(&self) -> Result<PathBuf, Failure> {
        config::locate(self.config.clone().or_else(|| from_env(ENV_CONFIG).map(PathBuf::from))).map_err(Failure::config)
    }

    pub fn load(&self) -> Result<(PathBuf, Meant), Failure> {
        let path = self.locate()?;
        let meant = config::load(&path).map_err(Failure::config)?;
        Ok((path, meant))
    }
}

/// What the commands take that talk to a running Seawall.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    #[command(flatten)]
    pub config: ConfigArg,
    /// Where the running one is administered: an address, or an http:// URL [env: SEAWALL_ADMIN]
    #[arg(long, value_name = "ADDR|URL")]
    pub admin: Option<String>,
    /// The file with the admin token [env: SEAWALL_TOKEN_FILE] [default: admin.token in the config's state.dir]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl Reach {
    /// Which Seawall is meant. The config is read only for what flags and environment leave open.
    pub fn admin(&self) -> Result<Admin, Failure> {
        let admin = self.named_admin();
        let token_file = self.token_file.clone().or_else(|| from_env(ENV_TOKEN_FILE).map(PathBuf::from));
        let Some(admin) = admin else {
            let (path, meant) = self.config.load()?;
            let authority = authority_of(&meant, &path)?;
            return Ok(Admin { authority, token_file: token_file.unwrap_or_else(|| token_in(&meant)) });
        };
        let authority = authority(&admin).map_err(Failure::usage)?;
        let token_file = match token_file {
            Some(file) => file,
            None => token_in(&self.config.load().map_err(|failure| no_token(&failure))?.1),
        };
        Ok(Admin { authority, token_file })
    }

    /// The admin address as a flag or the environment names it.
    pub fn named_admin(&self) -> Option<String> {
        self.admin.clone().or_else(|| from_env(ENV_ADMIN).map(|value| value.to_string_lossy().into_owned()))
    }
}

fn no_token(failure: &Failure) -> Failure {
    let help = "write --token-file FILE beside --admin, or name with -c the config whose state folder holds the token";
    Failure::usage(anyhow!("there is no token for the admin listener; {help} ({failure})"))
}

fn token_in(meant: &Meant) -> PathBuf {
    meant.state.join(TOKEN_FILE)
}

/// What stands in the environment; an empty value is none.
fn from_env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn authority_of(meant: &Meant, path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    if meant.admin.tls.is_some() {
        return Err(anyhow!(
            "{shown}: admin.tls is set, and commands speak plain HTTP only; ask with curl and the token in {}",
            token_in(meant).display()
        ));
    }
    if meant.admin.address.port() != 0 {
        return Ok(reachable(meant.admin.address).to_string());
    }
    // The port was left to the system, and the running one has noted which it got.
    let noted = std::fs::read_to_string(meant.state.join(ADDRESS_FILE)).ok().and_then(|text| text.trim().parse().ok());
    match noted {
        Some(address) => Ok(reachable(address).to_string()),
        None => {
            Err(anyhow!("{shown}: admin.listen leaves the port to the system, and no Seawall has noted which it got"))
        }
    }
}

/// An address to connect to: one that stands for all addresses is met on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// `host:port` out of what `--admin` holds.
fn authority(admin: &str) -> anyhow::Result<String> {
    let (scheme, rest) = admin.split_once("://").unwrap_or(("http", admin));
    if scheme.eq_ignore_ascii_case("https") {
        return Err(anyhow!(
            "{admin}: commands speak plain HTTP to the admin listener; write an http:// URL, or ask with curl"
        ));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let help =
        || format!("{admin:?} is no admin listener; write an address such as 127.0.0.1:9090, or http://127.0.0.1:9090");
    let (host, port) = rest.rsplit_once(':').with_context(help)?;
    let is_host = !host.is_empty()
        && (host.starts_with('[') == host.ends_with(']'))
        && (host.starts_with('[') || !host.contains(':'))
        && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte));
    let port: u16 = port.parse().with_context(help)?;
    if scheme.eq_ignore_ascii_case("http") && is_host && port != 0 {
        Ok(format!("{host}:{port}"))
    } else {
        Err(anyhow!(help()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_urls() {
        for (text, authority_meant) in [
            ("127.0.0.1:9090", "127.0.0.1:9090"),
            ("http://localhost:9090/", "localhost:9090"),
            ("HTTP://[::1]:9090", "[::1]:9090"),
        ] {
            assert_eq!(authority(text).unwrap(), authority_meant);
        }
        let bad = [
            "",
            "9090",
            "localhost",
            "a:0",
            ":9090",
            "::1:9090",
            "ftp://a:1",
            "http://u@a:1",
            "http://a:1/x",
            "a b:1",
            "a\r\nX: y:1",
            "https://a:1",
        ];
        for text in bad {
            assert!(authority(text).is_err(), "{text}");
        }
        assert!(authority("https://a:1").unwrap_err().to_string().contains("plain HTTP"));
    }

    #[test]
    fn all_addresses_are_met_on_loopback() {
        for (listens, met) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), met);
        }
    }

    fn reach(config: &Path, admin: Option<&str>, token_file: Option<&str>) -> Reach {
        Reach {
            config: ConfigArg { config: Some(config.to_owned()) },
            admin: admin.map(str::to_owned),
            token_file: token_file.map(PathBuf::from),
        }
    }

    #[test]
    fn the_config_fills_what_flags_leave_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seawall.toml");
        let site = "[[site]]\nhosts = [\"*\"]\norigin = \"http://127.0.0.1:1\"\n";
        std::fs::write(&path, format!("[admin]\nlisten = \"127.0.0.1:9191\"\n{site}")).unwrap();
        let token = folder.path().join("state/admin.token");
        let found = reach(&path, None, None).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:9191".into(), token_file: token.clone() });
        let found = reach(&path, Some("127.0.0.1:5"), None).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:5".into(), token_file: token });
        let found = reach(Path::new("/nowhere.toml"), Some("127.0.0.1:5"), Some("t")).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:5".into(), token_file: "t".into() });
        assert_eq!(reach(Path::new("/nowhere.toml"), None, None).admin().unwrap_err().code(), 78);
        assert_eq!(reach(Path::new("/nowhere.toml"), Some("127.0.0.1:5"), None).admin().unwrap_err().code(), 2);
        std::fs::write(&path, format!("[admin]\nlisten = \"127.0.0.1:0\"\n{site}")).unwrap();
        assert_eq!(reach(&path, None, None).admin().unwrap_err().code(), 1);
    }
}
