//! What a table knows of its rules beside their keys: plain bytes in sections, the same in memory and in
//! an image on the disk. Numbers stand with their lowest byte first. Whoever reads finds nothing where a
//! section is shorter than it should be: no bytes make a reader panic.

use std::ops::Range;

use memmap2::Mmap;

/// The sections, by their places.
#[derive(Clone, Copy)]
pub(super) enum Section {
    /// For each rule its line and its bearing.
    Held,
    Bearings,
    /// Texts of attributes.
    TextEnds,
    Texts,
    /// The rules that name pairs, ascending, and beside them those pairs.
    QueryRules,
    QueryEnds,
    Queries,
    WordingParts,
    WordingBlocks,
    Wordings,
    /// Numbers of the rules that are patterns.
    Patterns,
    /// Every instant at which a rule begins or ceases to hold, ascending.
    Boundaries,
    /// Numbers of the texts that name pages.
    Pages,
}

pub(super) const SECTIONS: usize = 13;

pub(super) enum Sections {
    Memory([Vec<u8>; SECTIONS]),
    Mapped { map: Mmap, places: [Range<usize>; SECTIONS] },
}

impl Sections {
    pub(super) fn bytes(&self, section: Section) -> &[u8] {
        self.by_place(section as usize)
    }

    pub(super) fn by_place(&self, place: usize) -> &[u8] {
        match self {
            Sections::Memory(all) => all.get(place).map_or(&[], Vec::as_slice),
            Sections::Mapped { map, places } => {
                places.get(place).and_then(|at| map.get(at.clone())).unwrap_or_default()
            }
        }
    }

    pub(super) fn words(&self, section: Section) -> &[[u8; 4]] {
        self.bytes(section).as_chunks().0
    }

    pub(super) fn long_words(&self, section: Section) -> &[[u8; 8]] {
        self.bytes(section).as_chunks().0
    }

    /// One of many texts, of which `ends` says where each ends.
    pub(super) fn text(&self, ends: Section, texts: Section, number: usize) -> &str {
        let ends = self.long_words(ends);
        let end = |number: usize| ends.get(number).map_or(0, |end| u64::from_le_bytes(*end) as usize);
        let start = number.checked_sub(1).map_or(0, end);
        let bytes = self.bytes(texts).get(start..end(number)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Many texts in one piece, on the way to two sections.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) ends: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() / 8
    }

    pub(super) fn append(&mut self, other: &Texts) {
        let before = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&other.bytes);
        let ends = other.ends.as_chunks::<8>().0.iter().map(|end| u64::from_le_bytes(*end) + before);
        self.ends.extend(ends.flat_map(u64::to_le_bytes));
    }
}
