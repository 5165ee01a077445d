//! What every door and every room with sockets needs: dialling, backing off, TLS from files, an orderly end, and one
//! request to a server that the config names.
//!
//! Listening is the server's; pools of connections are the origin's.

pub mod backoff;
mod client;
pub mod dial;
pub mod drain;
mod reach;
mod retry_after;
mod target;
pub mod tls;
mod trust;
mod unsent;

pub use backoff::Backoff;
pub use client::{ClientError, Line, Reply};
pub use dial::{DialError, dial};
pub use drain::{Drain, Draining, Live};
pub use reach::Reach;
pub use retry_after::retry_after;
pub use rustls_pki_types::ServerName;
pub use target::{BadTarget, Target};
pub use tls::TlsError;
pub use trust::{HandshakeError, Secured, Trust, TrustError};
pub use unsent::unsent;
