//! The texts of many rules, by number.
//!
//! Each is held as what it doesn't share with the one before it (front coding): the lines of a list
//! resemble their neighbours. Every eighth is held whole, so that one is found in a few short steps. They
//! come in parts, which several threads make beside one another.

use super::sections::{Section, Sections};

/// Texts from one that is held whole to the next.
const BLOCK: usize = 8;

/// Some texts on their way.
#[derive(Default)]
pub(super) struct Wordings {
    /// For each text: how many bytes it shares, how many follow, and those.
    bytes: Vec<u8>,
    /// Where each block begins.
    blocks: Vec<u32>,
    count: usize,
    /// The text pushed last.
    last: Vec<u8>,
}

impl Wordings {
    pub(super) fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let shared = if self.count.is_multiple_of(BLOCK) {
            self.blocks.push(self.bytes.len() as u32);
            0
        } else {
            self.last.iter().zip(text).take_while(|(one, other)| one == other).count()
        };
        self.push_number(shared);
        self.push_number(text.len() - shared);
        self.bytes.extend_from_slice(&text[shared..]);
        self.last.truncate(shared);
        self.last.extend_from_slice(&text[shared..]);
        self.count += 1;
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).
    fn push_number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// Parts that were joined, on the way to sections.
#[derive(Default)]
pub(super) struct Joined {
    /// For each part: its first text, its first block, and where its bytes begin, in 4, 4 and 8 bytes.
    pub(super) parts: Vec<u8>,
    pub(super) blocks: Vec<u8>,
    pub(super) bytes: Vec<u8>,
    count: usize,
}

/// Bytes of what is held of a part.
const PART: usize = 16;

impl Joined {
    /// Makes room for so many parts like this one.
    pub(super) fn reserve(&mut self, part: &Wordings, parts: usize) {
        self.blocks.reserve(part.blocks.len() * 4 * parts);
        self.bytes.reserve(part.bytes.len() * parts);
    }

    pub(super) fn append(&mut self, part: &Wordings) {
        self.parts.extend_from_slice(&(self.count as u32).to_le_bytes());
        self.parts.extend_from_slice(&((self.blocks.len() / 4) as u32).to_le_bytes());
        self.parts.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        self.blocks.extend(part.blocks.iter().flat_map(|block| block.to_le_bytes()));
        self.bytes.extend_from_slice(&part.bytes);
        self.count += part.count;
    }
}

/// The text of a number.
pub(super) fn at(sections: &Sections, number: u32) -> String {
    read(sections, number).and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

fn read(sections: &Sections, number: u32) -> Option<Vec<u8>> {
    let parts = sections.bytes(Section::WordingParts).as_chunks::<PART>().0;
    let [first, block, base_low, base_high] =
        words(parts.get(parts.partition_point(|part| words(part)[0] <= number).checked_sub(1)?)?);
    let within = (number - first) as usize;
    let block = sections.words(Section::WordingBlocks).get(block as usize + within / BLOCK)?;
    let start = (u64::from(base_high) << 32 | u64::from(base_low)) as usize + u32::from_le_bytes(*block) as usize;
    let mut rest = sections.bytes(Section::Wordings).get(start..)?;
    let mut text = Vec::new();
    for _ in 0..=within % BLOCK {
        let (shared, own) = (take_number(&mut rest), take_number(&mut rest));
        let (own, behind) = rest.split_at_checked(own)?;
        text.truncate(shared);
        text.extend_from_slice(own);
        rest = behind;
    }
    Some(text)
}

fn words(part: &[u8; PART]) -> [u32; 4] {
    let mut words = part.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or(0))
}

fn take_number(bytes: &mut &[u8]) -> usize {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(parts: &[&[String]]) -> Joined {
        let mut joined = Joined::default();
        for texts in parts {
            let mut part = Wordings::default();
            texts.iter().for_each(|text| part.push(text));
            joined.append(&part);
        }
        joined
    }

    fn sections(joined: Joined) -> Sections {
        let mut all: [Vec<u8>; super::super::sections::SECTIONS] = Default::default();
        all[Section::WordingParts as usize] = joined.parts;
        all[Section::WordingBlocks as usize] = joined.blocks;
        all[Section::Wordings as usize] = joined.bytes;
        Sections::Memory(all)
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(
            parts in prop::collection::vec((0..40_000_usize, "[aé€]{0,4}"), 0..40),
            cut in 0..40_usize,
        ) {
            // Lengths of one byte, two and three; neighbours that part in the middle of a character.
            let long = |length: usize| "é".repeat(if length < 20_000 { length % 70 } else { length / 4 });
            let texts: Vec<String> = parts.into_iter().map(|(length, own)| long(length) + &own).collect();
            let (one, other) = texts.split_at(cut.min(texts.len()));
            let sections = sections(joined(&[one, other]));
            for (number, text) in (0..).zip(&texts) {
                prop_assert_eq!(&at(&sections, number), text);
            }
        }
    }

    #[test]
    fn neighbours_share_what_they_begin_with() {
        let texts: Vec<String> = (0..16_000).map(|number| format!("https://photos.example/a/{number}")).collect();
        let joined = joined(&[&texts]);
        let plain: usize = texts.iter().map(String::len).sum();
        assert!(joined.bytes.len() * 2 < plain, "{} of {plain}", joined.bytes.len());
    }
}
