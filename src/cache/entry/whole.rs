//! A whole body at rest.

use std::sync::Arc;

use bytes::Bytes;
use terms::body::Shared;
use terms::{Body, Digest};

#[derive(Clone)]
pub(crate) struct Whole {
    pub digest: Digest,
    chunks: Chunks,
}

/// Most bodies are one.
#[derive(Clone)]
enum Chunks {
    One(Bytes),
    Many { chunks: Arc<[Bytes]>, length: u64 },
}

impl Whole {
    pub fn new(mut chunks: Vec<Bytes>, digest: Digest) -> Whole {
        let chunks = match chunks.len() {
            0 | 1 => Chunks::One(chunks.pop().unwrap_or_default()),
            _ => Chunks::Many { length: chunks.iter().map(|chunk| chunk.len() as u64).sum(), chunks: chunks.into() },
        };
        Whole { digest, chunks }
    }

    pub fn length(&self) -> u64 {
        match &self.chunks {
            Chunks::One(bytes) => bytes.len() as u64,
            Chunks::Many { length, .. } => *length,
        }
    }

    pub fn chunks(&self) -> &[Bytes] {
        match &self.chunks {
            Chunks::One(bytes) => std::slice::from_ref(bytes),
            Chunks::Many { chunks, .. } => chunks,
        }
    }

    /// The bytes from `first` to before `end`, or to the end of all.
    pub fn read(&self, first: u64, end: Option<u64>) -> Body {
        let end = end.unwrap_or(u64::MAX).min(self.length());
        match &self.chunks {
            _ if first >= end => Body::Empty,
            Chunks::One(bytes) if end - first == bytes.len() as u64 => Body::Whole(bytes.clone()),
            // It fits: it is no more than stands in memory.
            Chunks::One(bytes) => Body::Whole(bytes.slice(first as usize..end as usize)),
            Chunks::Many { chunks, .. } => Body::Shared(Shared::part(chunks.clone(), first, end - first)),
        }
    }
}
