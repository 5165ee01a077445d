//! How a command finds the running Seawall: flag before environment before config file before default.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use terms::url::Scheme;

use crate::certificates::{self, Wanted};
use crate::config::{self, Glimpse, Meant};

use super::client::Admin;
use super::connection::Believed;
use super::exit::Failure;
use super::output::printable;

/// The name of the token's file in the state folder.
pub const TOKEN_FILE: &str = "admin.token";

/// The name of the file there in which a running one notes where it is administered.
pub const ADDRESS_FILE: &str = "admin.address";

const ENV_CONFIG: &str = "SEAWALL_CONFIG";
const ENV_ADMIN: &str = "SEAWALL_ADMIN";
const ENV_TOKEN_FILE: &str = "SEAWALL_TOKEN_FILE";
const ENV_CA_FILE: &str = "SEAWALL_CA_FILE";

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

    /// The one that runs by what a config held before it was broken: a block can't wait until that is mended.
    fn noted(&self, broken: Failure, token: Option<PathBuf>, ca_file: Option<PathBuf>) -> Result<Admin, Failure> {
        let Ok(written) = self.locate().and_then(|path| config::Written::read(&path).map_err(Failure::config)) else {
            return Err(broken);
        };
        let Glimpse { state, certificate } = written.glimpse();
        let Some((scheme, authority)) = noted_in(&state) else { return Err(broken) };
        let told = format!(
            "{} can't be used as it is now (`seawall check` says why); this asks the one that runs at {authority}, as {} says",
            written.path.display(),
            state.join(ADDRESS_FILE).display()
        );
        super::tell(&format!("seawall: {}\n", printable(&told)));
        let believed = || match (ca_file, certificate) {
            (Some(file), _) => Believed::Authorities(file),
            (None, Some(own)) => Believed::Exactly(own),
            (None, None) => Believed::System,
        };
        let token_file = token.unwrap_or_else(|| state.join(TOKEN_FILE));
        Ok(Admin { authority, token_file, believed: (scheme == Scheme::Https).then(believed) })
    }
}

/// What the commands take that talk to a running Seawall.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    #[command(flatten)]
    pub config: ConfigArg,
    /// Where the running one is administered: an address, or an http:// or https:// URL [env: SEAWALL_ADMIN]
    #[arg(long, value_name = "ADDR|URL")]
    pub admin: Option<String>,
    /// The file with the admin token [env: SEAWALL_TOKEN_FILE] [default: admin.token in the config's state.dir]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The PEM file with who vouches for an admin listener with TLS, or with its own certificate [env:
    /// SEAWALL_CA_FILE] [default: the certificate in the config's admin.tls, else whom the system trusts]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Reach {
    /// Which Seawall is meant. The config is read only for what flags and environment leave open.
    pub fn admin(&self) -> Result<Admin, Failure> {
        let token_file = self.token_file.clone().or_else(|| from_env(ENV_TOKEN_FILE).map(PathBuf::from));
        let ca_file = self.ca_file.clone().or_else(|| from_env(ENV_CA_FILE).map(PathBuf::from));
        let Some(admin) = self.named_admin() else {
            let (path, meant) = match self.config.load() {
                Ok(loaded) => loaded,
                Err(failure) => return self.config.noted(failure, token_file, ca_file),
            };
            let authority = authority_of(&meant, &path)?;
            let believed = configured(&meant).map(|configured| ca_file.map_or(configured, Believed::Authorities));
            return Ok(Admin { authority, token_file: token_file.unwrap_or_else(|| token_in(&meant)), believed });
        };
        let (scheme, authority) = authority(&admin).map_err(Failure::usage)?;
        let meant = match token_file {
            None => Some(self.config.load().map_err(|failure| no_token(&failure))?.1),
            Some(_) => None,
        };
        let believed = || {
            let from_config = || meant.as_ref().and_then(configured);
            ca_file.map(Believed::Authorities).or_else(from_config).unwrap_or(Believed::System)
        };
        let believed = (scheme == Scheme::Https).then(believed);
        let token_file = token_file.or_else(|| meant.as_ref().map(token_in)).unwrap_or_default();
        Ok(Admin { authority, token_file, believed })
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

/// Whoever can read the config believes the certificate that it names, whatever name and date that says.
fn configured(meant: &Meant) -> Option<Believed> {
    match meant.admin.tls.as_ref()? {
        Wanted::Files(pairs) => pairs.first().map(|pair| Believed::Exactly(pair.cert.clone())),
        Wanted::SelfSigned => Some(Believed::Exactly(meant.state.join(certificates::SELF_SIGNED))),
    }
}

fn authority_of(meant: &Meant, path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    if meant.admin.address.port() != 0 {
        return Ok(reachable(meant.admin.address).to_string());
    }
    // The port was left to the system, and the running one has noted which it got.
    match noted_in(&meant.state) {
        Some((_, authority)) => Ok(authority),
        None => {
            Err(anyhow!("{shown}: admin.listen leaves the port to the system, and no Seawall has noted which it got"))
        }
    }
}

/// Where the one that runs in this state folder, or that last ran there, is administered.
fn noted_in(state: &Path) -> Option<(Scheme, String)> {
    let (scheme, noted) = authority(std::fs::read_to_string(state.join(ADDRESS_FILE)).ok()?.trim()).ok()?;
    Some((scheme, reachable(noted.parse().ok()?).to_string()))
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

/// Scheme and `host:port` out of what `--admin` holds.
fn authority(admin: &str) -> anyhow::Result<(Scheme, String)> {
    let (scheme, rest) = admin.split_once("://").unwrap_or(("http", admin));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let help =
        || format!("{admin:?} is no admin listener; write an address such as 127.0.0.1:9090, or http://127.0.0.1:9090");
    let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str()));
    let (host, port) = rest.rsplit_once(':').with_context(help)?;
    let is_host = !host.is_empty()
        && (host.starts_with('[') == host.ends_with(']'))
        && (host.starts_with('[') || !host.contains(':'))
        && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte));
    let port: u16 = port.parse().with_context(help)?;
    match scheme {
        Some(scheme) if is_host && port != 0 => Ok((scheme, format!("{host}:{port}"))),
        _ => Err(anyhow!(help())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_urls() {
        for (text, scheme, meant) in [
            ("127.0.0.1:9090", Scheme::Http, "127.0.0.1:9090"),
            ("http://localhost:9090/", Scheme::Http, "localhost:9090"),
            ("HTTPS://[::1]:9090", Scheme::Https, "[::1]:9090"),
        ] {
            assert_eq!(authority(text).unwrap(), (scheme, meant.to_owned()));
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
        ];
        for text in bad {
            assert!(authority(text).is_err(), "{text}");
        }
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
            ca_file: None,
        }
    }

    #[test]
    fn the_configured_certificate_is_believed_unless_another_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let config = "[admin]\nlisten = \"127.0.0.1:9191\"\ntls = { cert = \"a.pem\", key = \"a.key\" }\n\
                      [[site]]\nhosts = [\"*\"]\norigin = \"http://127.0.0.1:1\"\n";
        let path = file("seawall.toml");
        for (name, text) in [("a.pem", ""), ("a.key", ""), ("seawall.toml", config)] {
            std::fs::write(file(name), text).unwrap();
        }
        let own = Some(Believed::Exactly(file("a.pem")));
        assert_eq!(reach(&path, None, None).admin().unwrap().believed, own);
        assert_eq!(reach(&path, Some("https://127.0.0.1:5"), None).admin().unwrap().believed, own);
        assert_eq!(reach(&path, Some("127.0.0.1:5"), None).admin().unwrap().believed, None);
        let nowhere = Path::new("/nowhere.toml");
        let system = reach(nowhere, Some("https://127.0.0.1:5"), Some("t")).admin().unwrap().believed;
        assert_eq!(system, Some(Believed::System));
        let named = Reach { ca_file: Some("ca.pem".into()), ..reach(&path, None, None) };
        assert_eq!(named.admin().unwrap().believed, Some(Believed::Authorities("ca.pem".into())));
        std::fs::write(&path, config.replace("{ cert = \"a.pem\", key = \"a.key\" }", "\"self-signed\"")).unwrap();
        let made = Some(Believed::Exactly(file("state/tls/self-signed.pem")));
        assert_eq!(reach(&path, None, None).admin().unwrap().believed, made);
    }

    #[test]
    fn a_broken_config_leads_to_what_the_one_that_runs_has_noted() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let path = file("seawall.toml");
        for (name, noted) in [("state", "https://0.0.0.0:9191\n"), ("other", "[::1]:9192\n")] {
            std::fs::create_dir(file(name)).unwrap();
            std::fs::write(file(name).join(ADDRESS_FILE), noted).unwrap();
        }
        for (broken, authority, token, believed) in [
            (
                "[admin]\ntls = \"self-signed\"\n[",
                "127.0.0.1:9191",
                "state",
                Some(Believed::Exactly(file("state/tls/self-signed.pem"))),
            ),
            (
                "[admin]\ntls = { cert = \"a.pem\" }\n",
                "127.0.0.1:9191",
                "state",
                Some(Believed::Exactly(file("a.pem"))),
            ),
            ("\u{0}", "127.0.0.1:9191", "state", Some(Believed::System)),
            ("[state]\ndir = \"other\"\n[x]\n", "[::1]:9192", "other", None),
        ] {
            std::fs::write(&path, broken).unwrap();
            let token_file = file(token).join(TOKEN_FILE);
            let found = reach(&path, None, None).admin().unwrap();
            assert_eq!(found, Admin { authority: authority.into(), token_file, believed }, "{broken}");
        }
        let named = Reach { ca_file: Some("ca.pem".into()), ..reach(&path, None, None) };
        assert_eq!(named.admin().unwrap().believed, None, "that one speaks in clear");
        std::fs::write(&path, "[state]\ndir = \"nowhere\"\n[x]\n").unwrap();
        assert_eq!(reach(&path, None, None).admin().unwrap_err().code(), 78);
    }

    #[test]
    fn the_config_fills_what_flags_leave_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seawall.toml");
        let site = "[[site]]\nhosts = [\"*\"]\norigin = \"http://127.0.0.1:1\"\n";
        std::fs::write(&path, format!("[admin]\nlisten = \"127.0.0.1:9191\"\n{site}")).unwrap();
        let token = folder.path().join("state/admin.token");
        let found = reach(&path, None, None).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:9191".into(), token_file: token.clone(), believed: None });
        let found = reach(&path, Some("127.0.0.1:5"), None).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:5".into(), token_file: token, believed: None });
        let found = reach(Path::new("/nowhere.toml"), Some("127.0.0.1:5"), Some("t")).admin().unwrap();
        assert_eq!(found, Admin { authority: "127.0.0.1:5".into(), token_file: "t".into(), believed: None });
        assert_eq!(reach(Path::new("/nowhere.toml"), None, None).admin().unwrap_err().code(), 78);
        assert_eq!(reach(Path::new("/nowhere.toml"), Some("127.0.0.1:5"), None).admin().unwrap_err().code(), 2);
        std::fs::write(&path, format!("[admin]\nlisten = \"127.0.0.1:0\"\n{site}")).unwrap();
        assert_eq!(reach(&path, None, None).admin().unwrap_err().code(), 1);
    }
}
