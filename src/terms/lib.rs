//! The vocabulary of the house: values that every room may speak of.
//!
//! No I/O and no runtime. The one place that reads the system clock is [`clock`], the one place
//! that canonicalises a URL is [`url`].

pub mod answer;
pub mod ask;
pub mod body;
mod causes;
#[doc(hidden)]
#[cfg(any(test, feature = "checks"))]
pub mod checks;
pub mod client;
pub mod clock;
pub mod country;
pub mod digest;
pub mod durations;
pub mod hosts;
pub mod interim;
mod nearest;
pub mod network;
pub mod paths;
pub mod record;
pub mod refusal;
pub mod ruling;
pub mod tunnel;
pub mod url;
pub mod wire;

pub use answer::{Answer, Encoded, Proof};
pub use ask::{Ask, Peer, RequestId};
pub use body::{Body, BodyError};
pub use causes::causes;
pub use client::{Client, Trusted};
pub use clock::{Clock, Moment, Timestamp};
pub use country::{Countries, Country, Residence};
pub use digest::{Digest, Hasher};
pub use durations::{Counted, Durations};
pub use interim::{Interims, Voice};
pub use nearest::nearest;
pub use network::{Network, NetworkError, Networks};
pub use record::{CacheUse, Departures, Record, Verdict};
pub use refusal::Refusal;
pub use ruling::{BlockStatus, Ruling};
pub use tunnel::Tunnel;
pub use url::{Folded, Url, UrlError, UrlKey};
