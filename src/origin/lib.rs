//! An origin: who is asked when nothing stored answers.
//!
//! An HTTP/1.1 client (RFC 9112) for one address, with a pool of its own. [`Origin::exchange`] is the
//! whole of it: one request out, one [`Reply`] back whose body streams.
//!
//! hyper does the parsing and stays inside. What is decided here: how many connections there are and
//! who waits for one (`pool`); how long each step may take; when a request may be sent a second
//! time (`exchange`); which answers leave a doubt about where they end (`head`); and when a
//! connection may be used again (`reply`).
//!
//! Left out on purpose: TLS towards origins, choosing among several, tunnels.

mod connection;
mod error;
mod exchange;
mod head;
mod numbers;
mod pool;
mod reply;
mod settings;
mod socket;
mod upload;

#[cfg(test)]
mod tests;

pub use error::{Cause, Fault, OriginError, Phase};
pub use exchange::Origin;
pub use numbers::Numbers;
pub use reply::{Reply, ReplyBody};
pub use settings::{Address, Settings};
