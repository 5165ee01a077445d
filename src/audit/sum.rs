//! The file beside a segment that finds the line which was altered.
//!
//! `RUN-NUMBER.sum` is a sequence of frames, each a tag of one byte and a value of fixed size:
//!
//! | tag | value | stands for |
//! |---|---|---|
//! | `L` (0x4C) | 4 bytes | a line: the first four bytes of its own SHA-256 |
//! | `s` (0x73) | 32 bytes | a sync: Hₙ, where n is the number of `L` frames before it |
//! | `Z` (0x5A) | 32 bytes | SHA-256 of the file `.jsonl.zst`; once, at the end of a sealed segment |
//!
//! The first frame is an `s`, and holds H₀. The `L` frames stand in the order of the lines. An `s`
//! frame is written only after the lines before it are on the disk. Any two tags differ in three bits
//! or more, so that no flipped bit makes one of another.

use std::io;
use std::path::Path;

use terms::{Digest, Hasher};

const LINE: u8 = b'L';
const SYNCED: u8 = b's';
const PACKED: u8 = b'Z';

pub fn write_line(out: &mut Vec<u8>, mark: [u8; 4]) {
    out.push(LINE);
    out.extend_from_slice(&mark);
}

pub fn write_synced(out: &mut Vec<u8>, hash: Digest) {
    out.push(SYNCED);
    out.extend_from_slice(hash.as_bytes());
}

pub fn write_packed(out: &mut Vec<u8>, file: Digest) {
    out.push(PACKED);
    out.extend_from_slice(file.as_bytes());
}

/// Hₙ as it stood when the lines up to n were on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    pub lines: u64,
    pub hash: Digest,
}

/// How a file of frames ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    #[default]
    Whole,
    /// In the middle of a frame with this tag; 0 where it is zeros, as what never reached the disk reads.
    Torn(u8),
    /// In something that is no frame.
    Unreadable,
}

/// What a `.sum` file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub start: Option<Digest>,
    pub marks: Vec<[u8; 4]>,
    /// In ascending order of `lines`; H₀ is not among them.
    pub syncs: Vec<Synced>,
    pub packed: Option<Digest>,
    pub end: End,
}

impl Sum {
    /// Reads all frames up to the first that can't be read.
    pub fn parse(bytes: &[u8]) -> Sum {
        let mut sum = Sum::default();
        let mut rest = bytes;
        while let Some((&tag, value)) = rest.split_first() {
            let size = match tag {
                LINE if sum.start.is_some() && sum.packed.is_none() => 4,
                SYNCED if sum.packed.is_none() => 32,
                PACKED if sum.start.is_some() && sum.packed.is_none() => 32,
                0 if rest.iter().all(|byte| *byte == 0) => {
                    sum.end = End::Torn(0);
                    return sum;
                }
                _ => {
                    sum.end = End::Unreadable;
                    return sum;
                }
            };
            let Some((value, after)) = value.split_at_checked(size) else {
                sum.end = End::Torn(tag);
                return sum;
            };
            sum.take(tag, value);
            rest = after;
        }
        sum
    }

    fn take(&mut self, tag: u8, value: &[u8]) {
        if let Ok(mark) = <[u8; 4]>::try_from(value) {
            self.marks.push(mark);
            return;
        }
        let Ok(hash) = <[u8; 32]>::try_from(value) else { return };
        let hash = Digest::from_bytes(hash);
        match tag {
            PACKED => self.packed = Some(hash),
            _ if self.start.is_none() => self.start = Some(hash),
            _ => self.syncs.push(Synced { lines: self.marks.len() as u64, hash }),
        }
    }

    /// The frames again, but for `Z`.
    pub fn frames(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.marks.len() * 5 + (self.syncs.len() + 2) * 33);
        if let Some(start) = self.start {
            write_synced(&mut out, start);
        }
        let mut syncs = self.syncs.iter().peekable();
        for lines in 0..=self.marks.len() {
            while let Some(synced) = syncs.next_if(|synced| synced.lines <= lines as u64) {
                write_synced(&mut out, synced.hash);
            }
            if let Some(mark) = self.marks.get(lines) {
                write_line(&mut out, *mark);
            }
        }
        out
    }

    /// Forgets a last frame that reached the disk in part: after a power loss what is missing reads as
    /// zeros. `mark` and `hash` are those of its line.
    pub fn forget_half_written(&mut self, mark: [u8; 4], hash: Digest) {
        let ends_in_sync = self.syncs.last().is_some_and(|synced| synced.lines == self.marks.len() as u64);
        if ends_in_sync {
            self.syncs.pop_if(|synced| is_half_of(synced.hash.as_bytes(), hash.as_bytes()));
        } else {
            self.marks.pop_if(|found| is_half_of(found, &mark));
        }
    }

    /// Whether it is whole, or would be but for `Z`, which is written when all else stands.
    pub fn is_whole_before_packing(&self) -> bool {
        matches!(self.end, End::Whole | End::Torn(PACKED | 0))
    }

    /// Lines that were on the disk at the last sync.
    pub fn synced(&self) -> u64 {
        self.syncs.last().map_or(0, |synced| synced.lines)
    }

    /// Reads the file at `path`; `None` if there is none.
    pub fn read(path: &Path) -> io::Result<Option<Sum>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Sum::parse(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_half_of(found: &[u8], whole: &[u8]) -> bool {
    let written = found.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    found != whole && whole.starts_with(&found[..written])
}

/// The SHA-256 of a file's bytes.
pub fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Frame {
        Line([u8; 4]),
        Synced([u8; 32]),
    }

    fn frame() -> impl Strategy<Value = Frame> {
        prop_oneof![any::<[u8; 4]>().prop_map(Frame::Line), any::<[u8; 32]>().prop_map(Frame::Synced)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_end_is_seen(frames in prop::collection::vec(frame(), 0..20), cut in 0_usize..33) {
            let mut bytes = Vec::new();
            write_synced(&mut bytes, Digest::ZERO);
            for frame in &frames {
                match frame {
                    Frame::Line(mark) => write_line(&mut bytes, *mark),
                    Frame::Synced(hash) => write_synced(&mut bytes, Digest::from_bytes(*hash)),
                }
            }
            let sum = Sum::parse(&bytes);
            prop_assert_eq!(sum.end, End::Whole);
            prop_assert_eq!(sum.start, Some(Digest::ZERO));
            prop_assert_eq!(sum.frames(), bytes.clone());
            let torn = Sum::parse(&bytes[..bytes.len() - cut]);
            prop_assert_ne!(torn.end, End::Unreadable);
            prop_assert!(bytes.starts_with(&torn.frames()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let sum = Sum::parse(&bytes);
            prop_assert!(bytes.starts_with(&sum.frames()));
        }
    }
}
