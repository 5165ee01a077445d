use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use net::{ServerName, Trust};

/// Where an origin is, and how long it is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub address: Address,
    /// Spoken to in clear without it.
    pub tls: Option<Tls>,
    pub connect_timeout: Duration,
    /// From the request's last byte to the answer's first.
    pub first_byte_timeout: Duration,
    pub between_bytes_timeout: Duration,
    /// Connections in use and idle together.
    pub max_connections: usize,
}

/// By what an origin proves who it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    pub trust: Trust,
    /// What its certificate must be for, and what it is asked for by SNI unless it is an address.
    pub server_name: ServerName<'static>,
}

/// A host name or address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') && !self.host.starts_with('[') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Settings {
    /// By what an origin is told from the others of its site.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// All origins of a site, and when one of them is not asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The site's name, for the log.
    pub site: Arc<str>,
    /// Each URL once.
    pub origins: Vec<Settings>,
    pub check: Option<Check>,
    pub ejection: Ejection,
    /// Statuses that count as the origin's failure, and for which a request goes to another one.
    pub retry_statuses: Vec<StatusCode>,
}

/// An origin's part in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its place in [`Plan::origins`].
    pub origin: usize,
    /// Of so many requests for each one that an origin of weight 1 gets. At least 1.
    pub weight: u32,
    /// Asked only when none of the others can be.
    pub backup: bool,
}

/// Asking origins how they are, whether there are requests for them or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// In origin-form.
    pub path: String,
    /// What they get as `Host`; their own address where it is `None`.
    pub host: Option<String>,
    /// From the end of one check to the next.
    pub interval: Duration,
    /// For the whole of one, the connection included.
    pub timeout: Duration,
    /// So many good ones in a row bring an origin back.
    pub rise: u32,
    /// So many bad ones in a row take it out.
    pub fall: u32,
    /// Good ones; where there are none, 200 to 399.
    pub statuses: Vec<StatusCode>,
}

/// When an origin that fails at requests is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// In a row.
    pub failures: u32,
    /// For the first time. It doubles each time that the origin fails again when it is back.
    pub time: Duration,
    pub longest: Duration,
}

impl Default for Ejection {
    fn default() -> Ejection {
        Ejection { failures: 5, time: Duration::from_secs(10), longest: Duration::from_secs(300) }
    }
}
