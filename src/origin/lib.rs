//! An origin: who is asked when nothing stored answers.
//!
//! An HTTP/1.1 client (RFC 9112) for the origins of a site, each with a pool of connections of its own.
//! [`Group::exchange`] is the whole of it: one request out, one [`Reply`] back whose body streams; and
//! [`Group::tunnel`], which asks whether HTTP may be left behind.
//!
//! hyper does the parsing and stays inside. What is decided here: which origin is asked (`balance`), how
//! each of them is (`health`, `check`), and whether another one is asked behind it (`set`, `budget`); how
//! many connections there are and who waits for one (`pool`); how long each step may take; when a request
//! may be sent a second time to the same origin (`exchange`); which answers leave a doubt about where they
//! end (`strict`, beneath hyper); and when a connection may be used again (`reply`).

mod balance;
mod budget;
mod check;
mod connection;
mod error;
mod exchange;
mod head;
mod health;
mod numbers;
mod pool;
mod reply;
mod set;
mod settings;
mod socket;
mod stream;
mod strict;
mod tunnel;
mod upload;

#[cfg(test)]
mod tests;

pub use error::{Cause, Fault, OriginError, Phase};
pub use health::Standing;
pub use numbers::Numbers;
pub use reply::{Reply, ReplyBody};
pub use set::{Group, Origins, Seen};
pub use settings::{Address, Check, Ejection, Plan, Settings, Share, Tls};
pub use strict::Malformed;
pub use tunnel::{Agreed, FarEnd, Handshake};

use exchange::Origin;

/// Has a request sent once at most, whatever its method: it is said to have another one to the origin.
pub fn send_once<B>(request: &mut http::Request<B>) {
    request.extensions_mut().insert(upload::Once);
}

/// Has interim answers to a request handed on as they come (RFC 9110 section 15.2: a proxy forwards them).
pub fn relay_interim<B>(request: &mut http::Request<B>, voice: terms::Voice) {
    hyper::ext::on_informational(request, move |interim| voice.say(interim.status(), interim.headers()));
}
