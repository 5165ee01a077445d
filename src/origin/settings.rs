use std::fmt;
use std::time::Duration;

/// Where a site's origin is, and how long it is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub address: Address,
    pub connect_timeout: Duration,
    /// From the request's last byte to the answer's first.
    pub first_byte_timeout: Duration,
    pub between_bytes_timeout: Duration,
    /// Connections in use and idle together.
    pub max_connections: usize,
}

/// A host name or address and a port, dialled in clear.
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
