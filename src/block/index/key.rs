//! The keys of the index: a keyed 128-bit hash of what a rule covers, of which 96 bits are held.
//!
//! It is SipHash-1-3 over words of eight bytes: a host read from its end, then a path from its beginning, perhaps a
//! pair of a query. Each of them ends in a word of its own, with a mark behind its last bytes, which is none of UTF-8,
//! so that no other text makes the same words. So the hash goes over a URL once, and the one of each ancestor is the
//! same up to the word in which it ends. Rules of different kinds for one place stand under the same hash, each kind
//! shifted by a number of its own. The second half of the hash is made where the first was found: seldom for what isn't
//! blocked.
//! The key of the hash is secret: whoever could make two texts that collide could have one blocked by a
//! notice for the other.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::OnceLock;

use terms::{Digest, Folded};

use super::probe::Kind;
use crate::pairs::by_any_name;

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

/// What ends a text, or begins what is none.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A host to which more labels could be added.
    Tree = 0xf5,
    Host,
    Path,
    Pair,
    Digest,
}

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
        Trail::new(HashKey::of_process()).and_host(host, Mark::Tree)
    }

    /// A host with all its labels.
    pub(super) fn of_host(host: &str) -> Trail {
        Trail::new(HashKey::of_process()).and_host(host, Mark::Host)
    }

    /// Host and path. The root is empty, so that it is everybody's ancestor.
    pub(super) fn of_path(host: &str, reading: &Folded) -> Trail {
        Trail::of_host(host).and(below_root(reading.path()), Mark::Path)
    }

    fn and_host(mut self, host: &str, mark: Mark) -> Trail {
        let (rest, words) = host.as_bytes().as_rchunks::<8>();
        words.iter().rev().for_each(|word| self.word(u64::from_le_bytes(*word)));
        LastWord { word: word_before(rest, rest.len()), count: rest.len() as u32 }.of_host(&self, mark)
    }

    fn and(mut self, text: &str, mark: Mark) -> Trail {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        LastWord { word: word_from(rest, 0), count: rest.len() as u32 }.of_path(&self, mark)
    }

    /// Goes along a host from its end: shows `visit` where each label begins, and the hash and the word there.
    #[inline]
    pub(super) fn along_host(mut self, host: &str, mut visit: impl FnMut(usize, &Trail, LastWord)) {
        let (host, mut end) = (host.as_bytes(), host.len());
        loop {
            let word = word_before(host, end);
            let mut dots = places_of(b'.', word);
            while dots != 0 {
                let count = dots.leading_zeros() / 8;
                let start = end - count as usize;
                visit(start, &self, LastWord { word, count });
                if start == 0 {
                    return;
                }
                dots &= u64::MAX >> 1 >> (8 * count);
            }
            self.word(word);
            end -= size_of_val(&word);
        }
    }

    /// Goes along a path: shows `visit` where it and each of its ancestors end, and the hash and the word there, until
    /// it is told to stop.
    #[inline]
    pub(super) fn along_path(mut self, path: &str, mut visit: impl FnMut(usize, &Trail, LastWord) -> ControlFlow<()>) {
        let (path, mut start) = (path.as_bytes(), 0);
        loop {
            let word = word_from(path, start);
            let mut slashes = places_of(b'/', word);
            while slashes != 0 {
                let count = slashes.trailing_zeros() / 8;
                let end = start + count as usize;
                if visit(end, &self, LastWord { word, count }).is_break() || end >= path.len() {
                    return;
                }
                slashes &= slashes - 1;
            }
            self.word(word);
            start += size_of_val(&word);
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline]
    fn ended(mut self, word: u64) -> Trail {
        self.word(word);
        self
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
    fn mix(mut self) -> Trail {
        (0..3).for_each(|_| self.round());
        self
    }

    #[inline]
    fn folded(self) -> u64 {
        self.0.iter().fold(0, |all, word| all ^ word)
    }

    /// Where the first half of the hash is done.
    #[inline]
    fn halfway(mut self) -> Trail {
        self.0[2] ^= 0xee;
        self.mix()
    }

    /// Of all that was taken in. Not inlined, so that a walk's own state stays in registers.
    #[inline(never)]
    pub(super) fn spot(&self) -> Spot {
        Spot(self.halfway().folded())
    }

    pub(super) fn key(self, kind: Kind) -> Key {
        let mut trail = self.halfway();
        let upper = Spot(trail.folded()).upper(kind);
        trail.0[1] ^= 0xdd;
        u128::from(upper) << 64 | u128::from(trail.mix().folded() as u32) << 32
    }

    /// The key of this path with one pair of a query, by any name.
    pub(super) fn pair_key(self, kind: Kind, pair: &str) -> Key {
        self.and(&by_any_name(pair), Mark::Pair).key(kind)
    }
}

/// The word in which a text ends, and how many of its bytes belong to it, 0 to 7: the highest ones of a host, the lowest
/// ones of what is read from its beginning.
#[derive(Clone, Copy)]
pub(super) struct LastWord {
    word: u64,
    count: u32,
}

impl LastWord {
    #[inline]
    pub(super) fn of_host(self, before: &Trail, mark: Mark) -> Trail {
        let others = u64::MAX >> (8 * self.count);
        before.ended((self.word & !others) | (mark as u64) << 56 >> (8 * self.count))
    }

    #[inline]
    pub(super) fn of_path(self, before: &Trail, mark: Mark) -> Trail {
        let others = u64::MAX << (8 * self.count);
        before.ended((self.word & !others) | (mark as u64) << (8 * self.count))
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

/// The eight bytes of a text that begin with one, and a slash behind all of it.
#[inline]
fn word_from(text: &[u8], start: usize) -> u64 {
    let rest = text.get(start..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => word_of(rest) | u64::from(b'/') << (8 * rest.len()),
    }
}

/// The eight bytes of a text before one, and a dot before all of it.
#[inline]
fn word_before(text: &[u8], end: usize) -> u64 {
    let rest = text.get(..end).unwrap_or(text);
    match rest.last_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => (word_of(rest) << 8 | u64::from(b'.')) << (8 * (7 - rest.len())),
    }
}

/// The highest bit of each byte in a word that is `byte`.
#[inline]
fn places_of(byte: u8, word: u64) -> u64 {
    const LOWER_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    let others = word ^ u64::from_ne_bytes([byte; 8]);
    // No sum runs over into the next byte.
    !(((others & LOWER_BITS) + LOWER_BITS) | others | LOWER_BITS)
}

/// The first half of the hash of a place.
#[derive(Clone, Copy)]
pub(super) struct Spot(u64);

impl Spot {
    /// The upper half of a key, which decides where it stands.
    #[inline]
    pub(super) fn upper(self, kind: Kind) -> u64 {
        // Any number that is another for each kind.
        self.0 ^ (kind as u64 + 1) << 56
    }
}

/// As [`Spot::upper`].
#[inline]
pub(super) fn upper(key: Key) -> u64 {
    (key >> 64) as u64
}

/// Begins with a mark, as no host does: its words are any.
pub(super) fn digest_key(digest: &Digest) -> Key {
    let mut trail = Trail::new(HashKey::of_process());
    trail.word(Mark::Digest as u64);
    let (words, _) = digest.as_bytes().as_chunks::<8>();
    words.iter().for_each(|word| trail.word(u64::from_le_bytes(*word)));
    trail.key(Kind::Digest)
}

pub(super) fn below_root(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip128::{Hash128, Hasher128, SipHasher13};

    use super::*;

    /// Its last word holds the length of all before it in its highest byte, of which the key has a half.
    #[test]
    fn hashes_as_sip_hash_does() {
        let key = HashKey([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let bytes: Vec<u8> = (0..240).collect();
        let mut trail = Trail::new(key);
        for word in bytes.as_chunks::<8>().0 {
            trail.word(u64::from_le_bytes(*word));
        }
        trail.word((bytes.len() as u64 + 5) << 56);
        let mut hasher = SipHasher13::new_with_keys(key.0[0], key.0[1]);
        hasher.write(&bytes);
        hasher.write(&[0; 5]);
        let Hash128 { h1, h2 } = hasher.finish128();
        let key = u128::from(h1) << 64 | u128::from(h2 as u32) << 32;
        assert_eq!(trail.key(Kind::Url), key ^ (Kind::Url as u128 + 1) << 120);
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

    proptest! {
        #[test]
        fn goes_along_a_path_as_over_each_ancestor(segments in prop::collection::vec("[^/]{0,20}", 0..6)) {
            let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
            let new = Trail::new(HashKey::of_process());
            let mut ends = Vec::new();
            new.along_path(&path, |end, before, last| {
                ends.push(end);
                assert_eq!(last.of_path(before, Mark::Path).0, new.and(&path[..end], Mark::Path).0);
                ControlFlow::Continue(())
            });
            let expected: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
            prop_assert_eq!(ends, expected);
        }

        #[test]
        fn goes_along_a_host_as_over_each_parent(labels in prop::collection::vec("[^.]{0,20}", 1..6)) {
            let host = labels.join(".");
            let mut starts = Vec::new();
            Trail::new(HashKey::of_process()).along_host(&host, |start, before, last| {
                starts.push(start);
                assert_eq!(last.of_host(before, Mark::Tree).0, Trail::of_tree(&host[start..]).0);
            });
            let dots = host.rmatch_indices('.').map(|(at, _)| at + 1);
            prop_assert_eq!(starts, dots.chain([0]).collect::<Vec<usize>>());
        }
    }

    #[test]
    fn what_differs_has_another_key() {
        let texts = ["", "a", "a.", ".a", "ab", "abcdefg", "abcdefgh", "abcdefgh.", "abcdefghi", "bcdefghi"];
        let mut all = std::collections::HashSet::new();
        for host in texts {
            all.extend([Trail::of_tree(host), Trail::of_host(host)].map(|trail| trail.key(Kind::Host)));
            for path in texts {
                let trail = Trail::of_host(host).and(path, Mark::Path);
                all.extend([trail.key(Kind::Url), trail.key(Kind::Prefix)]);
                all.extend(texts.map(|pair| trail.pair_key(Kind::Url, pair)));
            }
        }
        assert_eq!(all.len(), texts.len() * (2 + texts.len() * (2 + texts.len())));
    }
}
