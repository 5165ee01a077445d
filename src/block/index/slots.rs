//! A hash table that is built once: from keys to the numbers of the rules that stand under them.
//!
//! Keys stand sorted in buckets of four, the size of a cache line; one for which its bucket has no room
//! stands in those behind it (ordered linear probing). So what is looked for and isn't there costs one
//! line, seldom two. A slot holds the upper 96 bits of a key, for keyed hashes as good as all, and the rule
//! that stands under it, or where the list of several rules begins.
//!
//! Beside each slot stands a tag, 16 bits of its key, in an eighth of the memory: what is looked for and isn't there is
//! told by tags alone. Of a large table a virtual machine has neither a line at hand nor where that lies, and waits
//! for both; where tags lie it has.

use super::key::{Key, upper};
use super::memory::Memory;

/// Slots of a bucket, and how many of them are filled on average.
const BUCKET: usize = 4;
const FILLED: usize = 3;

const SLOT: usize = 16;
const LINE: usize = BUCKET * SLOT;

/// Slots behind the last bucket, where it and those before it run over. More are made where it takes more.
const BEHIND: usize = 16;

/// Stands among the rules of a path: some rules for it name pairs of a query, look for those too.
pub(super) const ASK_PAIRS: u32 = MAX_RULES;

/// Rules that a table can hold.
pub(super) const MAX_RULES: u32 = (1 << 31) - 2;

/// Of what stands in a slot: it is where a list begins. Zero stands in what is empty.
const IS_LIST: u32 = 1 << 31;

/// What a slot has of the lower end of its key's upper half; 0 where it is empty.
type Tag = u16;

/// The tags of a bucket, the first of them lowest.
const TAGS: usize = BUCKET * size_of::<Tag>();

/// Those of two buckets.
const TWO: usize = 2 * TAGS;

/// A key, and in its lower bits a rule.
pub(super) type Posting = u128;

pub(super) fn posting(key: Key, rule: u32) -> Posting {
    key | u128::from(rule)
}

fn key_of(posting: Posting) -> Key {
    posting & !u128::from(u32::MAX)
}

pub(super) struct Slots {
    memory: Memory,
    /// [`Tag`]s, in the order of the slots.
    tags: Memory,
    buckets: u64,
    is_empty: bool,
    /// Where several rules stand under one key: how many, and those.
    lists: Vec<u8>,
}

/// What stands under one key, in ascending order.
#[derive(Clone, Debug)]
pub(super) enum Rules<'l> {
    One(Option<u32>),
    Several(std::slice::Iter<'l, [u8; 4]>),
}

impl Rules<'_> {
    pub(super) const NONE: Rules<'static> = Rules::One(None);
}

impl Iterator for Rules<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Rules::One(rule) => rule.take(),
            Rules::Several(rules) => rules.next().map(|rule| u32::from_le_bytes(*rule)),
        }
    }
}

impl Slots {
    /// Of postings in two halves, those whose key has its highest bit last; equal ones are held once.
    pub(super) fn new(halves: [Vec<Posting>; 2]) -> Slots {
        let halves = sorted(halves);
        let all = || halves.iter().flatten().copied();
        let mut keys = 0;
        let mut before = None;
        all().for_each(|posting| keys += usize::from(before.replace(key_of(posting)) != Some(key_of(posting))));
        let buckets = keys.div_ceil(FILLED).max(1) as u64;
        let mut slots = Writer { memory: Memory::zeroed((buckets as usize * BUCKET + BEHIND) * SLOT), next: 0 };
        let mut all = all().peekable();
        let (mut rules, mut lists) = (Vec::new(), Vec::new());
        while let Some(first) = all.next() {
            rules.clear();
            rules.push(first as u32);
            while let Some(same) = all.next_if(|next| key_of(*next) == key_of(first)) {
                rules.push(same as u32);
            }
            let holds = match rules[..] {
                [rule] => rule + 1,
                _ => {
                    let start = (lists.len() / 4) as u32;
                    lists.extend([rules.len() as u32].iter().chain(&rules).flat_map(|rule| rule.to_le_bytes()));
                    start | IS_LIST
                }
            };
            slots.put(bucket(upper(first), buckets), posting(key_of(first), holds));
        }
        Slots { is_empty: slots.next == 0, ..Slots::of(slots.memory, buckets, lists) }
    }

    /// Put together from what they gave.
    pub(super) fn of(memory: Memory, buckets: u64, lists: Vec<u8>) -> Slots {
        Slots { tags: tags_of(&memory), memory, buckets, is_empty: false, lists }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// Nothing can be found in it.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }

    pub(super) fn lists(&self) -> &[u8] {
        &self.lists
    }

    /// Has the processor fetch what [`Slots::may_hold`] will look at first.
    #[inline]
    pub(super) fn prefetch(&self, upper: u64) {
        #[cfg(target_arch = "x86_64")]
        if let Some(two) = self.tags.get(bucket(upper, self.buckets) * TAGS..).and_then(<[u8]>::first_chunk::<TWO>) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // They may lie in two lines.
            for tag in [&two[0], &two[TWO - 1]] {
                // SAFETY: a prefetch reads nothing and can't fault; every x86_64 has it. The address is that of a
                // reference besides.
                unsafe { _mm_prefetch(std::ptr::from_ref(tag).cast(), _MM_HINT_T0) }
            }
        }
    }

    /// Whether it holds a key with this upper half, or perhaps, once in some ten thousand times, one that is like it.
    #[inline]
    pub(super) fn may_hold(&self, upper: u64) -> bool {
        let sought = u64::from(tag(upper)) * EACH_TAG;
        let tags = self.tags.get(bucket(upper, self.buckets) * TAGS..).unwrap_or_default();
        // Two buckets at a time, since which are full can't be foreseen, and two in a row seldom are.
        for two in tags.as_chunks::<TWO>().0 {
            let [one, next] = [0, 1].map(|at| u64::from_le_bytes(two.as_chunks::<TAGS>().0[at]));
            if has_zero(one ^ sought) | has_zero(next ^ sought) {
                return true;
            }
            if !is_full(one) | !is_full(next) {
                break;
            }
        }
        false
    }

    /// The rules under a key, in ascending order.
    pub(super) fn find(&self, key: Key) -> Rules<'_> {
        let buckets = self.memory.as_chunks::<LINE>().0;
        for line in buckets.get(bucket(upper(key), self.buckets)..).unwrap_or_default() {
            let mut slots = line.as_chunks::<SLOT>().0.iter().map(|slot| u128::from_le_bytes(*slot));
            if let Some(slot) = slots.clone().find(|slot| key_of(*slot) == key && *slot as u32 != 0) {
                return rules_of(slot as u32, &self.lists);
            }
            // Only a full bucket runs over, and only by what is greater than all in it.
            let last = slots.next_back().unwrap_or_default();
            if last == 0 || last > key {
                break;
            }
        }
        Rules::NONE
    }
}

#[inline]
fn tag(upper: u64) -> Tag {
    (upper as Tag).max(1)
}

const EACH_TAG: u64 = u64::MAX / Tag::MAX as u64;

/// Whether any of the tags is zero.
#[inline]
fn has_zero(tags: u64) -> bool {
    tags.wrapping_sub(EACH_TAG) & !tags & (EACH_TAG << (Tag::BITS - 1)) != 0
}

/// Only a full bucket runs over.
#[inline]
fn is_full(tags: u64) -> bool {
    tags >> (u64::BITS - Tag::BITS) != 0
}

/// With those of an empty bucket behind, which is looked at with the last.
fn tags_of(slots: &[u8]) -> Memory {
    let slots = slots.as_chunks::<SLOT>().0;
    let mut tags = Memory::zeroed(slots.len() * size_of::<Tag>() + TAGS);
    for (slot, own) in slots.iter().zip(tags.make_mut().as_chunks_mut().0) {
        let slot = u128::from_le_bytes(*slot);
        if slot != 0 {
            *own = tag(upper(slot)).to_le_bytes();
        }
    }
    tags
}

fn rules_of(holds: u32, lists: &[u8]) -> Rules<'_> {
    if holds & IS_LIST == 0 {
        return Rules::One(holds.checked_sub(1));
    }
    let words = lists.as_chunks::<4>().0;
    let start = (holds & !IS_LIST) as usize;
    let count = words.get(start).map_or(0, |count| u32::from_le_bytes(*count) as usize);
    Rules::Several(words.get(start + 1..start + 1 + count).unwrap_or_default().iter())
}

/// In the order of the keys, so that buckets are as sorted as they are.
#[inline]
fn bucket(upper: u64, buckets: u64) -> usize {
    ((u128::from(upper) * u128::from(buckets)) >> 64) as usize
}

/// Sorts both halves, the one beside the other where it is worth a thread, and drops what stands twice.
fn sorted([mut low, mut high]: [Vec<Posting>; 2]) -> [Vec<Posting>; 2] {
    const WORTH_A_THREAD: usize = 50_000;
    let sort = |half: &mut Vec<Posting>| {
        half.sort_unstable();
        half.dedup();
    };
    if low.len() + high.len() < WORTH_A_THREAD {
        sort(&mut low);
        sort(&mut high);
    } else {
        let is_beside = std::thread::scope(|scope| {
            let beside = std::thread::Builder::new().spawn_scoped(scope, || sort(&mut low));
            sort(&mut high);
            beside.is_ok()
        });
        if !is_beside {
            sort(&mut low);
        }
    }
    [low, high]
}

struct Writer {
    memory: Memory,
    /// The first slot that is free.
    next: usize,
}

impl Writer {
    fn put(&mut self, bucket: usize, slot: u128) {
        let at = self.next.max(bucket * BUCKET);
        self.next = at + 1;
        if self.memory.len() < self.next * SLOT {
            self.memory.grow((self.next + BEHIND).next_multiple_of(BUCKET) * SLOT);
        }
        self.memory.make_mut()[at * SLOT..][..SLOT].copy_from_slice(&slot.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn halves(all: impl IntoIterator<Item = (Key, u32)>) -> [Vec<Posting>; 2] {
        let all = all.into_iter().map(|(key, rule)| posting(key, rule));
        let (high, low) = all.partition(|posting| posting >> 127 == 1);
        [low, high]
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let slots = Slots::new([Vec::new(), Vec::new()]);
        for key in [0, 1 << 32, Key::MAX / 2, Key::MAX].map(key_of) {
            assert_eq!(slots.find(key).next(), None);
        }
    }

    /// A key near one end of the range.
    fn spread(key: u8, high: bool) -> Key {
        let key = Key::from(key) << 32;
        if high { key_of(Key::MAX) - key } else { key }
    }

    proptest! {
        #[test]
        fn finds_what_was_put_in(pairs in prop::collection::vec((any::<u8>(), any::<bool>(), 0..20_u32), 0..300)) {
            // Few different keys at both ends of the range, so that many are equal or in one bucket.
            let pairs: Vec<(Key, u32)> = pairs
                .into_iter()
                .map(|(key, high, rule)| (spread(key, high), rule))
                .collect();
            let slots = Slots::new(halves(pairs.clone()));
            for key in (0..=255).flat_map(|key| [spread(key, false), spread(key, true)]) {
                let mut expected: Vec<u32> = pairs.iter().filter(|pair| pair.0 == key).map(|pair| pair.1).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(slots.find(key).collect::<Vec<u32>>(), expected);
            }
        }

        #[test]
        fn finds_each_of_many(keys in prop::collection::vec(any::<u128>(), 1..2_000)) {
            let keys: Vec<Key> = keys.into_iter().map(key_of).collect();
            let slots = Slots::new(halves(keys.iter().copied().zip(0..)));
            let mut strangers = 0;
            for (key, rule) in keys.iter().zip(0..) {
                prop_assert_eq!(slots.find(*key).collect::<Vec<u32>>(), [rule]);
                prop_assert!(slots.may_hold(upper(*key)));
                strangers += usize::from(slots.may_hold(!upper(*key)));
                prop_assert_eq!(slots.find(key ^ 1 << 32).next(), None);
            }
            prop_assert!(strangers < 20, "{strangers} of {}", keys.len());
        }
    }
}
