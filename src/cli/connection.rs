//! A connection to the admin listener: in clear, or by TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use anyhow::anyhow;
use net::{Secured, ServerName, Trust, TrustError};

/// Whom to believe that it is the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Believed {
    /// Whom the system trusts.
    System,
    /// Who is vouched for by an authority in this file.
    Authorities(PathBuf),
    /// Who shows the certificate in this file.
    Exactly(PathBuf),
}

pub(super) enum Connection {
    Clear(TcpStream),
    Secured(Box<Secured>),
}

impl Believed {
    fn trust(&self) -> Result<Trust, TrustError> {
        match self {
            Believed::System => Trust::system(),
            Believed::Authorities(path) => Trust::file(path),
            Believed::Exactly(path) => Trust::exactly(path),
        }
    }
}

impl Connection {
    /// `host` is whom the other side must prove to be, where it is to be proved.
    pub(super) fn over(stream: TcpStream, host: &str, believed: Option<&Believed>) -> anyhow::Result<Connection> {
        let Some(believed) = believed else { return Ok(Connection::Clear(stream)) };
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| anyhow!("{host} can't be proved by TLS"))?;
        Ok(Connection::Secured(Box::new(believed.trust()?.secure(name, stream)?)))
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Connection::Clear(stream) => stream,
            Connection::Secured(secured) => secured.tcp(),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Clear(stream) => stream.read(buffer),
            Connection::Secured(secured) => secured.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Clear(stream) => stream.write(bytes),
            Connection::Secured(secured) => secured.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Connection::Clear(stream) => stream.flush(),
            Connection::Secured(secured) => secured.flush(),
        }
    }
}
