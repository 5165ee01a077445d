//! What was fetched once and may be used again.
//!
//! In reading order: [`Cache::look_up`] makes the one decision for a request (`cache`); [`policy`] is
//! RFC 9111 as pure functions; a [`Fill`] is the right and duty to fetch, a [`Writer`] takes the body
//! (`fill`, `writer`); [`Flight`] and [`Follower`] wait for the head (`flight`); an [`Entry`] is a head
//! and a body that may still be growing (`entry`), and [`Hit::answer`] makes an answer of it (`answer`);
//! `memory` holds what settled, `doorkeeper` says who is let in when it is full, `index` finds it by its
//! `tags`, and [`Cache::purge`] takes it out (`purge`); `parts` says what becomes of ranges of what is not
//! there, `background` of what is stale and served all the same, `freshen` what HEAD tells of what is, `post` when
//! POST's answer is stored, `slices` how large objects are cut, [`coding`] what is compressed, and what compressed bytes are without; `kept` has what outlives a
//! restart. What a site wants otherwise than the standard are its `rules`.
//!
//! The cache knows no origin and opens no socket: whoever holds a fill feeds it.

mod answer;
mod background;
mod cache;
pub mod coding;
mod contents;
mod doorkeeper;
mod entry;
mod fill;
mod flight;
mod freshen;
mod index;
mod kept;
mod lease;
mod memory;
mod numbers;
mod parts;
mod pass;
pub mod policy;
mod post;
mod purge;
mod rules;
mod settings;
mod slices;
mod stored;
mod tags;
#[cfg(test)]
mod testing;
mod writer;

pub use answer::{Feeder, Hit, show_key};
pub use background::Background;
pub use cache::{Cache, Lookup};
pub use contents::Alike;
pub use entry::Entry;
pub use fill::{Fill, Landing, Private, ReplyHead, UNASKED_PART};
pub use flight::{Flight, Follower, Landed};
#[doc(hidden)]
#[cfg(any(test, feature = "checks"))]
pub use kept::checks;
pub use kept::{Bounds, Calls, Judged, Kept, Refused, Stamp, Summary, TakenUp, Taking, Unfit, Written};
pub use lease::Lease;
pub use numbers::{KeptNumbers, Numbers};
pub use pass::Pass;
pub use policy::{Forward, Unstorable};
pub use purge::{Aim, Force, Purged};
pub use rules::{Bypass, KeyRules, Lifetimes, Negative, Rules};
pub use settings::*;
pub use stored::{Form, Stored};
pub use tags::Tag;
pub use writer::{Digests, Filled, Stop, Writer};

pub(crate) use cache::Inner;
