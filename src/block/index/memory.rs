//! A large piece of memory that is looked into at random: in huge pages, where the system gives them, so
//! that a look costs no walk of page tables.

use std::ops::Deref;

use memmap2::{Advice, MmapMut};

/// From this size on it is a mapping of its own.
const LARGE: usize = 1 << 20;

pub(super) enum Memory {
    Small(Vec<u8>),
    Large(MmapMut),
}

impl Memory {
    pub(super) fn zeroed(length: usize) -> Memory {
        let large = (length >= LARGE).then(|| MmapMut::map_anon(length).ok()).flatten();
        match large {
            Some(map) => {
                // Where it is refused, small pages do.
                let _ = map.advise(Advice::HugePage);
                Memory::Large(map)
            }
            None => Memory::Small(vec![0; length]),
        }
    }

    pub(super) fn make_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::Small(bytes) => bytes,
            Memory::Large(map) => map,
        }
    }

    /// The same, with zeros behind it. Copies.
    pub(super) fn grow(&mut self, length: usize) {
        let mut grown = Memory::zeroed(length.max(self.len()));
        grown.make_mut()[..self.len()].copy_from_slice(self);
        *self = grown;
    }
}

impl Deref for Memory {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Memory::Small(bytes) => bytes,
            Memory::Large(map) => map,
        }
    }
}
