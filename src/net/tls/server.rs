//! A listener's side of TLS.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ServerConfig, ServerSessionMemoryCache};
use rustls::version;

use super::choice::Shown;
use super::{Certificate, TlsError};

/// Sessions that are kept for clients of TLS 1.2 that know no tickets, about a kilobyte each; beyond
/// that the oldest are forgotten.
const SESSIONS: usize = 1024;

/// TLS 1.2 and 1.3 with session tickets, whose keys are made here, change every six hours and are
/// forgotten after twelve (RFC 5077, RFC 8446 section 4.6.1). No early data, which could be replayed.
///
/// What it shows can be changed while it serves: handshakes from then on get it, connections that
/// stand notice nothing.
pub struct Server {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
}

impl Server {
    /// `protocols` are those it offers by ALPN (RFC 7301), the one it likes best first.
    pub fn new(protocols: &[&[u8]], certificates: &[Certificate]) -> Result<Server, TlsError> {
        let setup = |source| TlsError::Setup { source };
        let shown = Arc::new(Shown::new(certificates));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(setup)?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Server { config: Arc::new(config), shown })
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    pub fn show(&self, certificates: &[Certificate]) {
        self.shown.swap(certificates);
    }
}
