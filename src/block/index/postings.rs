//! A hash table that is built once: from keys to the numbers of the rules that stand under them.
//!
//! Keys stand sorted, so equal ones lie together in the order of their rules, and a directory over
//! their top bits leads to about one key. Nothing is left empty and nothing is chained: 20 bytes a
//! posting. Of a key its upper 96 bits are held: for keyed hashes as good as all.

use super::probe::Key;

pub(super) struct Postings {
    /// How far a key is shifted so that only its place in the directory is left.
    shift: u32,
    /// Where the keys with these top bits begin; one more at the end.
    starts: Vec<u32>,
    keys: Vec<Upper>,
    rules: Vec<u32>,
}

/// The upper 96 bits of a key, the highest byte first, so that they compare as numbers do.
type Upper = [u8; 12];

fn upper(key: Key) -> Upper {
    let mut upper = Upper::default();
    upper.copy_from_slice(&key.to_be_bytes()[..12]);
    upper
}

impl Postings {
    /// Equal pairs are held once.
    pub(super) fn new(mut pairs: Vec<(Key, u32)>) -> Postings {
        pairs.sort_unstable();
        pairs.dedup();
        let bits = pairs.len().next_power_of_two().trailing_zeros().max(1);
        let shift = Key::BITS - bits;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for (key, _) in &pairs {
            starts[(key >> shift) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let keys = pairs.iter().map(|(key, _)| upper(*key)).collect();
        let rules = pairs.iter().map(|(_, rule)| *rule).collect();
        Postings { shift, starts, keys, rules }
    }

    /// The rules under `key`, in ascending order.
    pub(super) fn find(&self, key: Key) -> &[u32] {
        let place = (key >> self.shift) as usize;
        let (start, end) = (self.starts[place] as usize, self.starts[place + 1] as usize);
        let near = &self.keys[start..end];
        if near.is_empty() {
            return &[];
        }
        let upper = upper(key);
        let from = near.partition_point(|one| *one < upper);
        let count = near[from..].partition_point(|one| *one == upper);
        &self.rules[start + from..start + from + count]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_table_finds_nothing() {
        let postings = Postings::new(Vec::new());
        for key in [0, 1, Key::MAX / 2, Key::MAX] {
            assert!(postings.find(key).is_empty());
        }
    }

    /// A key near one end of the range.
    fn spread(key: u8, high: bool) -> Key {
        let key = Key::from(key) << 32;
        if high { Key::MAX - key } else { key }
    }

    proptest! {
        #[test]
        fn finds_what_was_put_in(pairs in prop::collection::vec((any::<u8>(), any::<bool>(), 0..20_u32), 0..300)) {
            // Few different keys at both ends of the range, so that many are equal or near.
            let pairs: Vec<(Key, u32)> = pairs
                .into_iter()
                .map(|(key, high, rule)| (spread(key, high), rule))
                .collect();
            let postings = Postings::new(pairs.clone());
            for key in (0..=255).flat_map(|key| [spread(key, false), spread(key, true)]) {
                let mut expected: Vec<u32> = pairs.iter().filter(|pair| pair.0 == key).map(|pair| pair.1).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(postings.find(key), &expected[..]);
            }
        }
    }
}
