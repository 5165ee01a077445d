//! Seawall: a caching reverse proxy that stops serving a noticed URL at once, and proves it.
//!
//! Two pages are the product: [`gateway`] is the life of a request, [`takedown`] the life of a notice.
//! Everything else is a room that one of them calls. In reading order, each knowing those before it:
//!
//! - the rooms, crates of their own: `terms` (the vocabulary, and the one canonicaliser), `disk`, `net`;
//!   `block` (rules, index, guard), `cache`, `origin`, `audit` (the evidence), `hooks`, `feeds`;
//! - [`telemetry`], [`quota`], [`access_log`], [`certificates`], [`geo`], [`sites`], [`forward`], [`pages`], [`aliases`]:
//!   what the pages lean on;
//! - [`witness`] (from an outcome to its record), [`passage`] (past the cache), [`hold`] (until it is judged), [`compress`]
//!   (in a coding), [`fetch`] (from a miss to an entry), [`herald`], [`purge`], [`receipt`], [`why`];
//! - the two pages;
//! - the doors: [`server`] for clients, [`admin`] for operators;
//! - [`config`], [`noted`] (where a running one is found), [`allocator`], and the roof: [`app`] (parts that run, the one
//!   reload, the one drain) and [`cli`].
//!
//! What is absent on purpose stands in `ARCHITECTURE.md`.

pub mod access_log;
pub mod admin;
pub mod aliases;
pub mod allocator;
pub mod app;
pub mod certificates;
pub mod cli;
pub mod compress;
pub mod config;
pub mod fetch;
pub mod forward;
pub mod gateway;
pub mod geo;
pub mod herald;
pub mod hold;
pub mod noted;
pub mod pages;
pub mod passage;
pub mod purge;
pub mod quota;
pub mod receipt;
pub mod server;
pub mod sites;
pub mod takedown;
pub mod telemetry;
pub mod why;
pub mod witness;
