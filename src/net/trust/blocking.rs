//! Connections for those who wait: a command that asks once.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::{Trust, TrustError};

/// A blocking connection over TLS. The handshake is made by the first read or write, within the timeouts of
/// the socket; why it failed is the inner error, a [`super::HandshakeError`].
pub struct Secured(StreamOwned<ClientConnection, TcpStream>);

impl Trust {
    pub fn secure(&self, name: ServerName<'static>, stream: TcpStream) -> Result<Secured, TrustError> {
        let session =
            ClientConnection::new(self.config.clone(), name).map_err(|source| TrustError::Setup { source })?;
        Ok(Secured(StreamOwned::new(session, stream)))
    }
}

impl Secured {
    pub fn tcp(&self) -> &TcpStream {
        &self.0.sock
    }
}

impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
