//! The bytes of a body that grows: chunks in order, found by their offset.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Chunks are merged up to this size, so that what an origin sends byte by byte does not cost a
/// hundred bytes each.
const MERGED: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// Bytes that ever came, those that were dropped included.
    length: u64,
    held: u64,
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
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn held(&self) -> u64 {
        self.held
    }

    /// The offset of the first byte that is still there.
    pub fn first(&self) -> u64 {
        self.chunks.front().map_or(self.length, |chunk| chunk.start)
    }

    /// `bytes` should be an allocation of its own: a slice would keep all of what it is a slice of.
    pub fn push(&mut self, bytes: Bytes) {
        let added = bytes.len() as u64;
        self.chunks.push_back(Chunk { start: self.length, bytes });
        self.length += added;
        self.held += added;
        // A chunk merges into a neighbour that is no larger, as the digits of a counter carry: each byte
        // is copied a logarithmic number of times.
        while self.merges_at_end() {
            if let (Some(last), Some(before)) = (self.chunks.pop_back(), self.chunks.pop_back()) {
                let bytes = joined(&[before.bytes, last.bytes]);
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

    /// What stands from `offset` on to the end of its chunk.
    pub fn at(&self, offset: u64) -> Option<Bytes> {
        let after = self.chunks.partition_point(|chunk| chunk.start <= offset);
        let chunk = self.chunks.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(offset - chunk.start).ok()?;
        (skip < chunk.bytes.len()).then(|| chunk.bytes.slice(skip..))
    }

    /// Drops whole chunks that end at or before `offset`; says how many bytes that were.
    pub fn drop_before(&mut self, offset: u64) -> u64 {
        let before = self.held;
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= offset) {
            if let Some(chunk) = self.chunks.pop_front() {
                self.held -= chunk.bytes.len() as u64;
            }
        }
        before - self.held
    }

    /// Drops all that is there; says how many bytes that were.
    pub fn clear(&mut self) -> u64 {
        self.chunks = VecDeque::new();
        std::mem::take(&mut self.held)
    }

    /// All that is there and `last`, small neighbours merged.
    pub fn compacted(&self, last: Option<Bytes>) -> Vec<Bytes> {
        let mut compact = Vec::new();
        let mut group: Vec<Bytes> = Vec::new();
        let mut size = 0;
        for bytes in self.chunks.iter().map(|chunk| chunk.bytes.clone()).chain(last) {
            if size + bytes.len() > MERGED && !group.is_empty() {
                compact.push(joined(&group));
                group.clear();
                size = 0;
            }
            size += bytes.len();
            group.push(bytes);
        }
        if !group.is_empty() {
            compact.push(joined(&group));
        }
        compact
    }
}

fn joined(parts: &[Bytes]) -> Bytes {
    if let [only] = parts {
        return only.clone();
    }
    let mut bytes = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_one_by_one_stay_few_chunks() {
        let mut chunks = Chunks::default();
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
        let mut chunks = Chunks::default();
        for start in 0..4_u8 {
            chunks.push(Bytes::from(vec![start; MERGED]));
        }
        assert_eq!(chunks.drop_before(MERGED as u64 + 1), MERGED as u64);
        assert_eq!((chunks.first(), chunks.held()), (MERGED as u64, 3 * MERGED as u64));
        assert_eq!(chunks.at(0), None);
        assert_eq!(chunks.at(MERGED as u64 + 1).map(|bytes| (bytes[0], bytes.len())), Some((1, MERGED - 1)));
        assert_eq!(chunks.at(4 * MERGED as u64), None);
    }
}
