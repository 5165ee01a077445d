//! The bytes of a body that grows: chunks in order, found by their offset.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::counted;
use crate::Numbers;

/// Chunks are merged up to this size, so that what an origin sends byte by byte does not cost a
/// hundred bytes each.
const MERGED: usize = 64 * 1024;

pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// Bytes that ever came, those that were dropped included.
    length: u64,
    numbers: Arc<Numbers>,
}

struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Chunks {
    pub fn new(numbers: Arc<Numbers>) -> Chunks {
        Chunks { chunks: VecDeque::new(), length: 0, numbers }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// The offset of the first byte that is still there.
    pub fn first(&self) -> u64 {
        self.chunks.front().map_or(self.length, |chunk| chunk.start)
    }

    /// `bytes` should come from [`Growth::hold`](super::Growth::hold).
    pub fn push(&mut self, bytes: Bytes) {
        let added = bytes.len() as u64;
        self.chunks.push_back(Chunk { start: self.length, bytes });
        self.length += added;
        // A chunk merges into a neighbour that is no larger, as the digits of a counter carry: each byte
        // is copied a logarithmic number of times.
        while self.merges_at_end() {
            if let (Some(last), Some(before)) = (self.chunks.pop_back(), self.chunks.pop_back()) {
                let bytes = self.joined(&[before.bytes, last.bytes]);
                self.chunks.push_back(Chunk { start: before.start, bytes });
            }
        }
    }

    fn merges_at_end(&self) -> bool {
        let mut from_end = self.chunks.iter().rev().map(|chunk| chunk.bytes.len());
        match (from_end.next(), from_end.next()) {
            (Some(last), Some(before)) => before <= last && before + last <= MERGED,
            _ => false,
        }
    }

    pub fn all(&self) -> Vec<Bytes> {
        self.chunks.iter().map(|chunk| chunk.bytes.clone()).collect()
    }

    /// What stands from `offset` on to the end of its chunk.
    pub fn at(&self, offset: u64) -> Option<Bytes> {
        let after = self.chunks.partition_point(|chunk| chunk.start <= offset);
        let chunk = self.chunks.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(offset - chunk.start).ok()?;
        (skip < chunk.bytes.len()).then(|| chunk.bytes.slice(skip..))
    }

    /// Drops whole chunks that end at or before `offset`.
    pub fn drop_before(&mut self, offset: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= offset) {
            self.chunks.pop_front();
        }
    }

    /// Drops all that is there.
    pub fn clear(&mut self) {
        self.chunks = VecDeque::new();
    }

    /// All that is there and `last`, small neighbours merged.
    pub fn compacted(&self, last: Option<Bytes>) -> Vec<Bytes> {
        let mut compact = Vec::new();
        let mut group: Vec<Bytes> = Vec::new();
        let mut size = 0;
        for bytes in self.chunks.iter().map(|chunk| chunk.bytes.clone()).chain(last) {
            if size + bytes.len() > MERGED && !group.is_empty() {
                compact.push(self.joined(&group));
                group.clear();
                size = 0;
            }
            size += bytes.len();
            group.push(bytes);
        }
        if !group.is_empty() {
            compact.push(self.joined(&group));
        }
        compact
    }

    fn joined(&self, parts: &[Bytes]) -> Bytes {
        match parts {
            [only] => only.clone(),
            _ => counted::copy(parts, &self.numbers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_one_by_one_stay_few_chunks() {
        let mut chunks = Chunks::new(Arc::default());
        let whole: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        for byte in &whole {
            chunks.push(Bytes::copy_from_slice(&[*byte]));
        }
        assert!(chunks.chunks.len() < 24, "{}", chunks.chunks.len());
        let compact = chunks.compacted(None);
        assert!(compact.len() <= 4, "{}", compact.len());
        assert_eq!(compact.concat(), whole);
    }

    #[test]
    fn what_is_dropped_is_gone_and_the_rest_is_found() {
        let mut chunks = Chunks::new(Arc::default());
        for start in 0..4_u8 {
            chunks.push(Bytes::from(vec![start; MERGED]));
        }
        chunks.drop_before(MERGED as u64 + 1);
        assert_eq!((chunks.first(), chunks.chunks.len()), (MERGED as u64, 3));
        assert_eq!(chunks.at(0), None);
        assert_eq!(chunks.at(MERGED as u64 + 1).map(|bytes| (bytes[0], bytes.len())), Some((1, MERGED - 1)));
        assert_eq!(chunks.at(4 * MERGED as u64), None);
    }
}
