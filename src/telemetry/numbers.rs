//! The numbers of the doors and the pages: plain atomics, found before a request comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use terms::{CacheUse, Durations, Verdict};

/// One site's answers, by what the cache had to do with them.
#[derive(Default)]
pub struct SiteNumbers([Answers; CacheUse::ALL.len()]);

/// Side by side, because an answer counts in each.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) verdicts: [AtomicU64; Verdict::ALL.len()],
    pub(super) bytes: AtomicU64,
    pub(super) took: Durations,
}

impl SiteNumbers {
    /// `took`: from the first byte asked to the answer's end.
    pub fn answered(&self, cache: CacheUse, verdict: Verdict, bytes: u64, took: Duration) {
        let answers = &self.0[cache as usize];
        answers.verdicts[verdict as usize].fetch_add(1, Relaxed);
        answers.bytes.fetch_add(bytes, Relaxed);
        answers.took.count(took);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (CacheUse, &Answers)> {
        CacheUse::ALL.into_iter().zip(&self.0)
    }
}

impl Answers {
    pub(super) fn is_empty(&self) -> bool {
        self.verdicts.iter().all(|count| count.load(Relaxed) == 0)
    }
}

/// What a connection speaks, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(super) const ALL: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

    /// The label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Protocol::Http1 => "http/1.1",
            Protocol::Http2 => "h2",
        }
    }
}

/// Connections, and what was refused on them before it became a request.
#[derive(Default)]
pub struct EdgeNumbers {
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) tunnels: AtomicU64,
    pub(super) tunnels_open: AtomicU64,
    pub(super) spoken: [Spoken; Protocol::ALL.len()],
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// Connections of one protocol.
#[derive(Default)]
pub(super) struct Spoken {
    pub(super) total: AtomicU64,
    pub(super) open: AtomicU64,
}

/// Counts a connection, one of a protocol or a tunnel as open until it is dropped.
pub struct Open {
    numbers: Arc<EdgeNumbers>,
    counted: fn(&EdgeNumbers) -> &AtomicU64,
}

impl EdgeNumbers {
    pub fn connection(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Relaxed);
        self.open(|numbers| &numbers.open)
    }

    pub fn tunnel(self: &Arc<Self>) -> Open {
        self.tunnels.fetch_add(1, Relaxed);
        self.open(|numbers| &numbers.tunnels_open)
    }

    /// An open connection turned out to speak this.
    pub fn speaks(self: &Arc<Self>, protocol: Protocol) -> Open {
        self.spoken[protocol as usize].total.fetch_add(1, Relaxed);
        self.open(match protocol {
            Protocol::Http1 => |numbers| &numbers.spoken[Protocol::Http1 as usize].open,
            Protocol::Http2 => |numbers| &numbers.spoken[Protocol::Http2 as usize].open,
        })
    }

    fn open(self: &Arc<Self>, counted: fn(&EdgeNumbers) -> &AtomicU64) -> Open {
        counted(self).fetch_add(1, Relaxed);
        Open { numbers: self.clone(), counted }
    }

    /// Reasons that are shown before anything was refused for them.
    pub fn may_refuse(&self, reasons: impl IntoIterator<Item = &'static str>) {
        let mut refused = self.refused.lock();
        for reason in reasons {
            refused.entry(reason).or_default();
        }
    }

    /// `reason` is one of a closed set.
    pub fn refused(&self, reason: &'static str) {
        *self.refused.lock().entry(reason).or_default() += 1;
    }

    pub(super) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().clone()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.counted)(&self.numbers).fetch_sub(1, Relaxed);
    }
}
