//! What every door and every room with sockets needs: dialling, backing off, TLS from files, and an
//! orderly end.
//!
//! Nothing here knows HTTP. Listening is the server's; pools of connections are the origin's.

pub mod backoff;
pub mod dial;
pub mod drain;
pub mod tls;
mod trust;
mod unsent;

pub use backoff::Backoff;
pub use dial::{DialError, dial};
pub use drain::{Drain, Draining, Live};
pub use rustls_pki_types::ServerName;
pub use tls::TlsError;
pub use trust::{HandshakeError, Secured, Trust, TrustError};
pub use unsent::unsent;
