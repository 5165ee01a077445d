//! How a command finds the running Seawall: flag before environment before config file before default.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use terms::url::Scheme;

use crate::config::{self, Meant};
use crate::noted::{ADDRESS_FILE, More, Noted, certificate_of};

use super::client::Admin;
use super::connection::Believed;
use super::exit::Failure;
use super::output::printable;

/// The name of the token's file in the state folder.
pub const TOKEN_FILE: &str = "admin.token";

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

    /// What leads to the one that runs by what a config held before it was broken: a block can't wait until that is
    /// mended. Says so.
    fn left(&self) -> Option<Left> {
        let path = self.locate().ok()?;
        let state = config::Written::read(&path).ok()?.likely_state();
        let (noted, more) = (Noted::read(&state)?, More::read(&state, &path)?);
        let told = format!(
            "{} can't be used as it is now (`seawall check` says why); the one that runs by it is known from {}",
            path.display(),
            state.join(ADDRESS_FILE).display()
        );
        super::tell(&format!("seawall: {}\n", printable(&told)));
        let near = Near { token_file: state.join(TOKEN_FILE), believed: more.certificate.map(Believed::Exactly) };
        Some(Left { scheme: noted.scheme, authority: reachable(noted.address).to_string(), near })
    }
}

/// What the folder of the one that runs holds for whoever asks it.
struct Near {
    token_file: PathBuf,
    /// By its own certificate, where it has one.
    believed: Option<Believed>,
}

impl Near {
    fn of(meant: &Meant) -> Near {
        // Whoever can read the config believes the certificate that it names, whatever name and date that says.
        Near { token_file: meant.state.join(TOKEN_FILE), believed: certificate_of(meant).map(Believed::Exactly) }
    }
}

/// What is left of a config that can't be used.
struct Left {
    scheme: Scheme,
    authority: String,
    near: Near,
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
        let admin = |scheme, authority, near: Option<Near>| {
            let (own_token, own_certificate) = near.map_or((None, None), |near| (Some(near.token_file), near.believed));
            let believed = ca_file.clone().map(Believed::Authorities).or(own_certificate).unwrap_or(Believed::System);
            let token_file = token_file.clone().or(own_token).unwrap_or_default();
            Admin { authority, token_file, believed: (scheme == Scheme::Https).then_some(believed) }
        };
        if let Some(named) = self.named_admin() {
            let (scheme, authority) = authority(&named).map_err(Failure::usage)?;
            let near = || match self.config.load() {
                Ok((_, meant)) => Ok(Near::of(&meant)),
                Err(failure) => self.config.left().map(|left| left.near).ok_or_else(|| no_token(&failure)),
            };
            let near = if token_file.is_some() { None } else { Some(near()?) };
            return Ok(admin(scheme, authority, near));
        }
        match self.config.load() {
            Ok((path, meant)) => {
                let scheme = if meant.admin.tls.is_some() { Scheme::Https } else { Scheme::Http };
                Ok(admin(scheme, authority_of(&meant, &path)?, Some(Near::of(&meant))))
            }
            Err(failure) => {
                let Left { scheme, authority, near } = self.config.left().ok_or(failure)?;
                Ok(admin(scheme, authority, Some(near)))
            }
        }
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

/// What stands in the environment; an empty value is none.
fn from_env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn authority_of(meant: &Meant, path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    if meant.admin.address.port() != 0 {
        return Ok(reachable(meant.admin.address).to_string());
    }
    // The port was left to the system, and the running one has noted which it got.
    match Noted::read(&meant.state) {
        Some(noted) => Ok(reachable(noted.address).to_string()),
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
        std::fs::write(&path, "").unwrap();
        let certificate = file("a.pem");
        for (name, noted) in [("state", "https://0.0.0.0:9191\n"), ("other", "[::1]:9192\n")] {
            std::fs::create_dir(file(name)).unwrap();
            std::fs::write(file(name).join(ADDRESS_FILE), noted).unwrap();
            let config = std::fs::canonicalize(&path).unwrap();
            let more = serde_json::json!({ "config": config, "certificate": certificate });
            std::fs::write(file(name).join("admin.json"), more.to_string()).unwrap();
        }
        let own = Believed::Exactly(certificate.clone());
        for (broken, authority, state, believed) in [
            ("\u{0}", "127.0.0.1:9191", "state", Some(own.clone())),
            ("[[admin.tls]\n", "127.0.0.1:9191", "state", Some(own.clone())),
            ("[state]\ndir = \"other\"\n[x]\n", "[::1]:9192", "other", None),
        ] {
            std::fs::write(&path, broken).unwrap();
            let token_file = file(state).join(TOKEN_FILE);
            let found = reach(&path, None, None).admin().unwrap();
            assert_eq!(
                found,
                Admin { authority: authority.into(), token_file: token_file.clone(), believed },
                "{broken}"
            );
            let named = reach(&path, Some("https://127.0.0.1:5"), None).admin().unwrap();
            let believed = Some(own.clone());
            assert_eq!(named, Admin { authority: "127.0.0.1:5".into(), token_file, believed }, "{broken}");
        }
        let named = Reach { ca_file: Some("ca.pem".into()), ..reach(&path, None, None) };
        assert_eq!(named.admin().unwrap().believed, None, "that one speaks in clear");
        // The one of which that folder is runs by another config.
        let other = file("other.toml");
        std::fs::write(&other, "origin \"http://127.0.0.1:1\"\n[state]\ndir = \"nowhere\"\n").unwrap();
        assert_eq!(reach(&other, None, None).admin().unwrap_err().code(), 78);
        assert_eq!(reach(&other, Some("127.0.0.1:5"), None).admin().unwrap_err().code(), 2);
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
