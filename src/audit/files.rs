//! The folder `segments/` and the names in it.
//!
//! | name | holds |
//! |---|---|
//! | `RUN-NUMBER.jsonl` | lines of a segment that is open, or sealed and not yet compressed |
//! | `RUN-NUMBER.jsonl.zst` | a sealed segment as one zstd frame |
//! | `RUN-NUMBER.sum` | marks and hashes of the lines: see [`crate::sum`] |
//! | `RUN-NUMBER.torn` | whole lines that recovery had to cut off, kept for people to look at |
//!
//! Run and number count from 1 and are padded with zeros to eight digits.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A segment's place in the log; the order is that of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    pub run: u64,
    pub number: u64,
}

impl SegmentId {
    fn parse(stem: &str) -> Option<SegmentId> {
        let (run, number) = stem.split_once('-')?;
        let id = SegmentId { run: run.parse().ok()?, number: number.parse().ok()? };
        (id.to_string() == stem).then_some(id)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{:08}", self.run, self.number)
    }
}

/// Which files of a segment are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: SegmentId,
    pub plain: bool,
    pub packed: bool,
    pub sum: bool,
}

/// The folder that holds the segments of all runs.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Of the audit folder `dir`.
    pub fn of(dir: &Path) -> Folder {
        Folder(dir.join("segments"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn plain(&self, id: SegmentId) -> PathBuf {
        self.0.join(format!("{id}.jsonl"))
    }

    pub fn packed(&self, id: SegmentId) -> PathBuf {
        self.0.join(format!("{id}.jsonl.zst"))
    }

    /// Where a segment is compressed before it is renamed to its place.
    pub fn packing(&self, id: SegmentId) -> PathBuf {
        self.0.join(format!("{id}.jsonl.zst.new"))
    }

    pub fn sum(&self, id: SegmentId) -> PathBuf {
        self.0.join(format!("{id}.sum"))
    }

    pub fn torn(&self, id: SegmentId) -> PathBuf {
        self.0.join(format!("{id}.torn"))
    }

    /// All segments in order. A folder is not read at one instant: beside a running writer a look may
    /// miss a file that is just renamed, so several looks count, and more while there is a gap.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        const LOOKS: usize = 10;
        let mut all = BTreeMap::new();
        for look in 1..=LOOKS {
            self.look(&mut all)?;
            if look > 1 && !has_gap(&all) {
                break;
            }
        }
        Ok(all.into_values().collect())
    }

    fn look(&self, all: &mut BTreeMap<SegmentId, Found>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let Some((stem, ending)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            let Some(id) = SegmentId::parse(stem) else { continue };
            if !matches!(ending, "jsonl" | "jsonl.zst" | "sum") {
                continue;
            }
            let found = all.entry(id).or_insert(Found { id, plain: false, packed: false, sum: false });
            found.plain |= ending == "jsonl";
            found.packed |= ending == "jsonl.zst";
            found.sum |= ending == "sum";
        }
        Ok(())
    }
}

/// Whether numbers are missing within a run.
fn has_gap(all: &BTreeMap<SegmentId, Found>) -> bool {
    let mut before = SegmentId { run: 0, number: 0 };
    for found in all.values() {
        let expected = if found.id.run == before.run { before.number + 1 } else { 1 };
        if found.id.number != expected || !(found.plain || found.packed) {
            return true;
        }
        before = found.id;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_segments_in_order_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        std::fs::create_dir(folder.path()).unwrap();
        let id = |run, number| SegmentId { run, number };
        std::fs::write(folder.packed(id(2, 10)), b"").unwrap();
        std::fs::write(folder.plain(id(2, 9)), b"").unwrap();
        std::fs::write(folder.sum(id(2, 9)), b"").unwrap();
        std::fs::write(folder.torn(id(1, 1)), b"").unwrap();
        std::fs::write(folder.packing(id(1, 1)), b"").unwrap();
        for stranger in ["1-1.jsonl", ".new-x", "00000001-0000000x.jsonl", "README"] {
            std::fs::write(folder.path().join(stranger), b"").unwrap();
        }
        let found = folder.list().unwrap();
        assert_eq!(
            found,
            [
                Found { id: id(2, 9), plain: true, packed: false, sum: true },
                Found { id: id(2, 10), plain: false, packed: true, sum: false },
            ]
        );
    }
}
