//! The front door: sockets in, answers out.
//!
//! hyper speaks HTTP on an IO type of ours ([`wire`]). Ambiguous heads are refused beneath it
//! ([`preface`]), what of an answer left is known there ([`progress`]), and a cut really cuts there.

mod accept;
mod connection;
mod handshake;
mod http2;
mod leave;
mod patience;
mod preface;
mod prior_knowledge;
mod progress;
mod refuse;
mod relay;
mod request;
mod tunnel;
mod wire;

pub use accept::{Edge, Greeting, Limits, ListenError, Listener, Stop, serve};
pub use handshake::PROTOCOLS;
