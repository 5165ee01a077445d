//! Bytes of bodies, counted for as long as anybody holds them: an entry that was evicted takes its room
//! until its last reader has left.

use std::sync::Arc;

use bytes::Bytes;

use crate::Numbers;

struct Counted {
    bytes: Box<[u8]>,
    numbers: Arc<Numbers>,
}

/// A copy of these parts, one behind the other, in an allocation of its own: a slice of what a connection
/// read would keep all of its buffer.
pub(super) fn copy<P: AsRef<[u8]>>(parts: &[P], numbers: &Arc<Numbers>) -> Bytes {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len()).sum());
    parts.iter().for_each(|part| bytes.extend_from_slice(part.as_ref()));
    Numbers::add(&numbers.bytes_of_bodies, bytes.len() as u64);
    Bytes::from_owner(Counted { bytes: bytes.into_boxed_slice(), numbers: numbers.clone() })
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        Numbers::subtract(&self.numbers.bytes_of_bodies, self.bytes.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_their_last_holder_is_gone() {
        let numbers = Arc::new(Numbers::default());
        let whole = copy(&[b"abc".as_slice(), b"defg"], &numbers);
        let part = whole.slice(2..4);
        drop(whole);
        assert_eq!((&part[..], Numbers::read(&numbers.bytes_of_bodies)), (b"cd".as_slice(), 7));
        drop(part);
        assert_eq!(Numbers::read(&numbers.bytes_of_bodies), 0);
    }
}
