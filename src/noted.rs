//! What a running Seawall notes of where it is administered, for commands to find it whatever becomes of its config.
//!
//! ```text
//! state/admin.address    ADDRESS, or https://ADDRESS
//! state/admin.json       {"config": FILE, "certificate": FILE}, null where there is none
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use disk::durable;
use serde::{Deserialize, Serialize};
use terms::url::Scheme;

use crate::certificates::{self, Wanted};
use crate::config::Meant;

pub const ADDRESS_FILE: &str = "admin.address";
const MORE_FILE: &str = "admin.json";

/// The admin listener's address.
pub struct Noted {
    pub scheme: Scheme,
    pub address: SocketAddr,
}

/// By what it runs.
#[derive(Default, Serialize, Deserialize)]
pub struct More {
    config: Option<String>,
    /// Of the admin listener.
    pub certificate: Option<PathBuf>,
}

impl Noted {
    pub fn write(&self, more: &More, state: &Path) -> io::Result<()> {
        let address = match self.scheme {
            Scheme::Http => format!("{}\n", self.address),
            Scheme::Https => format!("{}://{}\n", self.scheme.as_str(), self.address),
        };
        let more = serde_json::to_vec(more)?;
        // Who finds the second finds what belongs to it.
        durable::write(&state.join(MORE_FILE), &more)?;
        durable::write(&state.join(ADDRESS_FILE), address.as_bytes())
    }

    pub fn read(state: &Path) -> Option<Noted> {
        let text = std::fs::read_to_string(state.join(ADDRESS_FILE)).ok()?;
        let (scheme, address) = match text.trim().split_once("://") {
            Some((scheme, address)) if scheme == Scheme::Https.as_str() => (Scheme::Https, address),
            Some(_) => return None,
            None => (Scheme::Http, text.trim()),
        };
        Some(Noted { scheme, address: address.parse().ok()? })
    }
}

impl More {
    pub fn of(config: Option<&Path>, meant: &Meant) -> More {
        let certificate = certificate_of(meant).filter(|path| path.to_str().is_some());
        More { config: config.and_then(whole), certificate }
    }

    /// What the one that runs in this state folder has noted; `None` where it runs by another config than this one.
    pub fn read(state: &Path, config: &Path) -> Option<More> {
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(io::Error::from);
        let more: More = std::fs::read(state.join(MORE_FILE)).and_then(read).ok()?;
        (more.config.is_some() && more.config == whole(config)).then_some(more)
    }
}

/// The one of the admin listener, where it has TLS.
pub fn certificate_of(meant: &Meant) -> Option<PathBuf> {
    match meant.admin.tls.as_ref()? {
        Wanted::Files(pairs) => pairs.first().map(|pair| pair.cert.clone()),
        Wanted::SelfSigned => Some(meant.state.join(certificates::SELF_SIGNED)),
    }
}

/// The one name of a file.
fn whole(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok()?;
    path.to_str().map(str::to_owned)
}
