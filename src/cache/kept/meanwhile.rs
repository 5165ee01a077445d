//! What was purged while kept answers are read back: it holds for those that are still to come.

use std::collections::BTreeSet;

use crate::entry::Entry;
use crate::tags::Tag;

/// Purges that are remembered by what they are about. After more, nothing that is still to come is taken up.
const MOST: usize = 65_536;

#[derive(Default)]
pub(crate) struct Meanwhile {
    everything: bool,
    /// Paths are tags, too.
    tags: BTreeSet<Tag>,
}

impl Meanwhile {
    pub fn note(&mut self, tags: impl Iterator<Item = Tag>) {
        self.tags.extend(tags);
        if self.tags.len() > MOST {
            self.note_everything();
        }
    }

    pub fn note_everything(&mut self) {
        self.everything = true;
        self.tags.clear();
    }

    pub fn is_everything(&self) -> bool {
        self.everything
    }

    pub fn covers(&self, entry: &Entry) -> bool {
        let has = |tag| self.tags.contains(&tag);
        self.everything
            || (!self.tags.is_empty()
                && (entry.url().readings().map(Tag::place).any(has) || entry.head().tags().any(has)))
    }
}
