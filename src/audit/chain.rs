//! The running hash: each line hashed together with all lines before it.
//!
//! H₀ is the final hash of the segment before (32 zero bytes for the very first), and
//! Hₙ = SHA-256(Hₙ₋₁ ‖ bytes of line n without its LF). Pure: no file, no clock.

use terms::{Digest, Hasher};

/// The hash after some number of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(Digest);

impl Chain {
    /// The hash of the very first segment before its first line.
    pub const GENESIS: Digest = Digest::ZERO;

    pub fn from(start: Digest) -> Chain {
        Chain(start)
    }

    pub fn push(&mut self, line: &[u8]) {
        let mut hasher = Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(line);
        self.0 = hasher.finish();
    }

    pub fn hash(&self) -> Digest {
        self.0
    }
}

/// The first four bytes of a line's own SHA-256: enough to find the line that was altered, where the
/// chain only proves that one was.
pub fn mark(line: &[u8]) -> [u8; 4] {
    let digest = Digest::of(line);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_hash_of_the_hash_before_and_the_line() {
        let mut chain = Chain::from(Chain::GENESIS);
        chain.push(b"one");
        chain.push(b"two");
        let first = Digest::of(&[&[0; 32], b"one".as_slice()].concat());
        let second = Digest::of(&[first.as_bytes().as_slice(), b"two"].concat());
        assert_eq!(chain.hash(), second);
        assert_eq!(mark(b"abc"), [0xba, 0x78, 0x16, 0xbf]);
    }
}
