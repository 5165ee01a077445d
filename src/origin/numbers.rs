use std::sync::atomic::{AtomicU64, Ordering};

use terms::Durations;

/// What one origin's connections have been through. `in_use`, `idle` and `waiting` are as of now, the
/// rest counts up.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Connections that carry a request, or are being dialled for one.
    pub in_use: AtomicU64,
    pub idle: AtomicU64,
    /// Requests that wait for a connection.
    pub waiting: AtomicU64,
    pub dialled: AtomicU64,
    /// Requests sent on a connection that had carried one before.
    pub reused: AtomicU64,
    /// Requests sent again because a pooled connection turned out to be dead.
    pub replaced: AtomicU64,
    /// Requests refused for want of a connection.
    pub busy: AtomicU64,
    /// Exchanges that failed before or within the answer, timeouts apart.
    pub failures: AtomicU64,
    pub timeouts: AtomicU64,
    /// To open a connection, TLS included, where that succeeded.
    pub connect: Durations,
    /// From a request's last byte to the head of its answer, where there was one.
    pub first_byte: Durations,
}

pub(crate) fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}
