//! A listener's side of TLS, and certificates from PEM files. A client's side is [`crate::trust`].

mod certificate;
mod choice;
mod error;
pub mod self_signed;
mod server;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, PairBytes, PairFiles};
pub use error::{Found, TlsError};
pub use server::Server;
