//! One test binary: the product's promises, each as a script against the real binary.

// A harness that fails is a test that fails.
#![allow(clippy::unwrap_used)]

mod harness;

mod access_log;
mod audit;
mod bad_input;
mod bench;
mod blocklist;
mod blocks_api;
mod cache;
mod cache_attacks;
mod cache_rules;
mod cli;
mod collapsing;
mod compression;
mod config;
mod content;
mod crash;
mod cut;
mod diagnostics;
mod dry_run;
mod faults;
mod feeds;
mod formats;
mod geo;
mod hooks;
mod http2;
mod interim;
mod invalidation;
mod kept;
mod limits;
mod live;
mod memory;
mod origins;
mod proxy;
mod purge;
mod ranges;
mod reload;
mod seen;
mod site_spelling;
mod slices;
mod smuggling;
mod soak;
mod spellings;
mod stale;
mod tidy;
mod tls;
mod tunnels;
mod ways;
