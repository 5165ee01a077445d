//! The keys of the index: a keyed 128-bit hash of what a rule covers, of which 96 bits are held.
//!
//! It is SipHash-1-3 over words that no other text makes: a host's labels from the last to the first, a
//! mark, the segments of a path, and a mark at the end. Marks are bytes that UTF-8 never holds, in the highest
//! byte of a word. So the hash goes over a URL once, and every ancestor's is taken on the way. Rules of
//! different kinds for one place stand under the same hash, each kind shifted by a number of its own.
//! The key of the hash is secret: whoever could make two texts that collide could have one blocked by a
//! notice for the other.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use terms::{Digest, Folded};

use super::probe::Kind;

/// The key of a rule in a table: the lower 32 bits are free for what stands under it.
pub(super) type Key = u128;

/// The key of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashKey(pub(crate) [u64; 2]);

static OF_PROCESS: OnceLock<HashKey> = OnceLock::new();

impl HashKey {
    pub(crate) fn random() -> HashKey {
        HashKey([RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8)])
    }

    /// The one that all tables of this process are compiled with.
    pub(crate) fn of_process() -> HashKey {
        *OF_PROCESS.get_or_init(HashKey::random)
    }

    /// Makes this the key of the process, so that what an earlier one compiled is good for it. False where
    /// it has another already.
    pub(crate) fn adopt(self) -> bool {
        *OF_PROCESS.get_or_init(|| self) == self
    }
}

/// Ends a text, with the number of bytes in the word: 0 to 7.
const TEXT_END: u64 = 0xf8;
/// Stands between a host and a path.
const HOST_END: u64 = 0xf6 << 56;
/// The last word.
const END: u64 = 0xf5 << 56;
/// The last word behind one pair of a query.
const PAIR_END: u64 = 0xf7 << 56;

/// A hash on its way along a URL.
#[derive(Clone, Copy)]
pub(super) struct Trail([u64; 4]);

impl Trail {
    pub(super) fn new(HashKey([first, second]): HashKey) -> Trail {
        // The initial state of SipHash with 128 bits of output.
        Trail([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    /// A host's labels, to which more could be added.
    pub(super) fn of_tree(host: &str) -> Trail {
        let mut trail = Trail::new(HashKey::of_process());
        labels_from_the_last(host.as_bytes()).for_each(|(_, label)| trail.push(label));
        trail
    }

    /// A host with all its labels.
    pub(super) fn of_host(host: &str) -> Trail {
        let mut trail = Trail::of_tree(host);
        trail.end_host();
        trail
    }

    /// Host and path. The root has no segment, so that it is everybody's ancestor.
    pub(super) fn of_path(host: &str, reading: &Folded) -> Trail {
        let mut trail = Trail::of_host(host);
        let (path, mut end) = (below_root(reading.path()).as_bytes(), 0);
        while let Some(segment) = next_segment(path, end) {
            trail.push(segment);
            end += 1 + segment.len();
        }
        trail
    }

    /// Takes a label or a segment in.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let end = TEXT_END | rest.len() as u64;
        self.word(word_of(rest) | end << 56);
    }

    #[inline]
    pub(super) fn end_host(&mut self) {
        self.word(HOST_END);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }

    #[inline]
    fn finish(mut self, end: u64) -> Spot {
        self.word(end);
        self.0[2] ^= 0xee;
        (0..3).for_each(|_| self.round());
        let low = self.0.iter().fold(0, |all, word| all ^ word);
        self.0[1] ^= 0xdd;
        (0..3).for_each(|_| self.round());
        let high = self.0.iter().fold(0, |all, word| all ^ word);
        Spot(u128::from(high) << 64 | u128::from(low))
    }

    /// Of all that was taken in.
    #[inline]
    pub(super) fn spot(&self) -> Spot {
        self.finish(END)
    }

    pub(super) fn key(&self, kind: Kind) -> Key {
        self.spot().key(kind)
    }

    /// The key of this path with one pair of a query.
    pub(super) fn pair_key(&self, kind: Kind, pair: &str) -> Key {
        let mut trail = *self;
        trail.push(pair.as_bytes());
        trail.finish(PAIR_END).key(kind)
    }
}

/// Up to seven bytes, the first of them lowest.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // They overlap in what is the same in both.
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4))
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The hash of a place.
#[derive(Clone, Copy)]
pub(super) struct Spot(u128);

impl Spot {
    #[inline]
    pub(super) fn key(self, kind: Kind) -> Key {
        // Any number that is another for each kind.
        (self.0 ^ (kind as u128 + 1) << 120) & !u128::from(u32::MAX)
    }
}

/// Begins with the end of a host, as nothing else does: its words are any.
pub(super) fn digest_key(digest: &Digest) -> Key {
    let mut trail = Trail::new(HashKey::of_process());
    trail.word(HOST_END);
    let (words, _) = digest.as_bytes().as_chunks::<8>();
    words.iter().for_each(|word| trail.word(u64::from_le_bytes(*word)));
    trail.key(Kind::Digest)
}

pub(super) fn below_root(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

/// The segment behind the slash at a byte of a path.
#[inline]
pub(super) fn next_segment(path: &[u8], slash: usize) -> Option<&[u8]> {
    let rest = path.get(slash + 1..)?;
    rest.get(..rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len()))
}

/// The labels of a host from the last to the first, and where each begins.
#[inline]
pub(super) fn labels_from_the_last(host: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut end = Some(host.len());
    std::iter::from_fn(move || {
        let rest = host.get(..end?)?;
        end = rest.iter().rposition(|byte| *byte == b'.');
        let start = end.map_or(0, |dot| dot + 1);
        Some((start, rest.get(start..)?))
    })
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use siphasher::sip128::{Hasher128, SipHasher13};

    use super::*;

    /// Its last word holds the length of all words before in its highest byte, so where that is the one of
    /// a mark both hash the same.
    #[test]
    fn hashes_as_sip_hash_does() {
        let key = HashKey([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let bytes: Vec<u8> = (0..240).collect();
        let mut trail = Trail::new(key);
        for word in bytes.as_chunks::<8>().0 {
            trail.word(u64::from_le_bytes(*word));
        }
        let mut hasher = SipHasher13::new_with_keys(key.0[0], key.0[1]);
        hasher.write(&bytes);
        hasher.write(&[0; 5]);
        assert_eq!(bytes.len() as u64 + 5, END >> 56);
        assert_eq!(trail.spot().0, hasher.finish128().as_u128());
    }

    #[test]
    fn a_word_is_its_bytes_from_the_lowest() {
        let bytes = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
        for count in 0..=bytes.len() {
            let mut whole = [0; 8];
            whole[..count].copy_from_slice(&bytes[..count]);
            assert_eq!(word_of(&bytes[..count]), u64::from_le_bytes(whole), "{count}");
        }
    }

    #[test]
    fn what_differs_has_another_key() {
        let keys = |texts: &[&str]| {
            let mut trail = Trail::new(HashKey::of_process());
            texts.iter().for_each(|text| trail.push(text.as_bytes()));
            [
                trail.key(Kind::Url),
                trail.key(Kind::Prefix),
                trail.pair_key(Kind::Url, ""),
                trail.pair_key(Kind::Url, "a"),
            ]
        };
        let texts: [&[&str]; 9] =
            [&[], &[""], &["", ""], &["a"], &["a", ""], &["ab"], &["a", "b"], &["abcdefgh"], &["abcdefgh", ""]];
        let all: std::collections::HashSet<Key> = texts.into_iter().flat_map(keys).collect();
        assert_eq!(all.len(), texts.len() * 4);
    }
}
