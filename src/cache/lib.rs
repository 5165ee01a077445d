//! What was fetched once and may be used again.
//!
//! In reading order: [`Cache::look_up`] makes the one decision for a request (`cache`); [`policy`] is
//! RFC 9111 as pure functions; a [`Fill`] is the right and duty to fetch, a [`Writer`] takes the body
//! (`fill`, `writer`); [`Flight`] and [`Follower`] wait for the head (`flight`); an [`Entry`] is a head
//! and a body that may still be growing (`entry`), and [`Hit::answer`] makes an answer of it (`answer`);
//! `memory` holds what settled.
//!
//! The cache knows no origin and opens no socket: whoever holds a fill feeds it.
//!
//! Left out on purpose, with a place kept for it: serving stale while revalidating, admission into a
//! full memory, ranges fetched whole on the second ask, several ranges in one answer, tags, a disk.

mod answer;
mod cache;
mod entry;
mod fill;
mod flight;
mod lease;
mod memory;
mod numbers;
pub mod policy;
mod settings;
#[cfg(test)]
mod testing;
mod writer;

pub use answer::Hit;
pub use cache::{Cache, Lookup, Pass, Purged};
pub use entry::Entry;
pub use fill::{Fill, Landing, Private, ReplyHead};
pub use flight::{Flight, Follower, Landed};
pub use lease::Lease;
pub use numbers::Numbers;
pub use policy::{Forward, Unstorable};
pub use settings::*;
pub use writer::{Filled, Stop, Writer};

pub(crate) use cache::Inner;
