//! The most recent served answers, kept to say when a URL was last served.

use std::collections::VecDeque;
use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use terms::{Digest, Record, RequestId, Timestamp, Url};

/// Entries, and bytes of their URLs: whichever is reached first.
const ENTRIES: usize = 16_384;
const URL_BYTES: usize = 8 * 1024 * 1024;

/// The last answer that served something, as a receipt tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastServed {
    pub time: Timestamp,
    pub run: u64,
    pub seq: u64,
    pub id: String,
    /// As the log writes it.
    pub url: String,
    pub status: u16,
    pub bytes: u64,
    pub complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// An answer that served something.
#[derive(Clone, Debug)]
pub struct Served {
    pub time: Timestamp,
    pub seq: u64,
    pub id: RequestId,
    pub url: Arc<Url>,
    pub status: StatusCode,
    pub bytes: u64,
    pub complete: bool,
    pub digest: Option<Digest>,
}

impl Served {
    pub fn of(seq: u64, time: Timestamp, record: Record) -> Option<Served> {
        let Record { id, status, bytes, complete, digest, .. } = record;
        Some(Served { time, seq, id, url: record.url?, status, bytes, complete, digest })
    }
}

#[derive(Debug, Default)]
pub struct Window {
    ring: VecDeque<Served>,
    url_bytes: usize,
}

impl Window {
    pub fn push(&mut self, served: Served) {
        self.url_bytes += served.url.canonical().len();
        self.ring.push_back(served);
        while self.ring.len() > ENTRIES || self.url_bytes > URL_BYTES {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.url_bytes -= oldest.url.canonical().len();
        }
    }

    pub fn all(&self) -> Vec<Served> {
        self.ring.iter().cloned().collect()
    }

    /// The newest of those that `covers` takes.
    pub fn last(&self, covers: impl Fn(&Served) -> bool) -> Option<&Served> {
        self.ring.iter().rev().find(|served| covers(served))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(seq: u64, url: &str) -> Served {
        Served {
            time: Timestamp::from_secs(seq as i64),
            seq,
            id: RequestId::random(),
            url: Arc::new(Url::parse(url).unwrap()),
            status: StatusCode::OK,
            bytes: 1,
            complete: true,
            digest: None,
        }
    }

    #[test]
    fn the_newest_that_is_covered_is_found() {
        let mut window = Window::default();
        for (seq, path) in [(1, "a"), (2, "b"), (3, "a"), (4, "b")] {
            window.push(served(seq, &format!("https://x.example/{path}")));
        }
        let last = |path: &str| window.last(|served| served.url.folded().path() == path).map(|served| served.seq);
        assert_eq!((last("/a"), last("/b"), last("/c")), (Some(3), Some(4), None));
    }

    #[test]
    fn it_is_bounded_by_entries_and_by_bytes() {
        let mut window = Window::default();
        let one = served(1, "https://x.example/");
        for _ in 0..ENTRIES + 5 {
            window.push(one.clone());
        }
        assert_eq!(window.ring.len(), ENTRIES);
        let long = served(1, &format!("https://x.example/{}", "a".repeat(50_000)));
        for _ in 0..300 {
            window.push(long.clone());
        }
        assert!(window.url_bytes <= URL_BYTES);
        assert_eq!(window.url_bytes, window.ring.iter().map(|served| served.url.canonical().len()).sum::<usize>());
    }
}
