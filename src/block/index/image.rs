//! A table as a file, so that a restart need not read its list again.
//!
//! ```text
//! "SEAWALL\n", the length of the facts and their CRC-32 in 4 bytes each, the facts in JSON, zeros up to 4096
//! the slots, the lists of rules, the sections, one behind the other, each from a multiple of 64 on
//! the CRC-32 of each 4 MiB of them
//! ```
//! The slots are read into memory, since every look-up needs them; the rest is mapped, and comes in where a
//! rule is told of. What is damaged, or was made by another version or under another key, is no image: its
//! list is compiled again. The file holds the key of the hash, and nobody but its owner may read it.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use memmap2::{Mmap, UncheckedAdvice};
use serde::{Deserialize, Serialize};
use terms::{Digest, Hasher};

use super::key::HashKey;
use super::memory::Memory;
use super::patterns::Patterns;
use super::probe::Reach;
use super::sections::{SECTIONS, Section, Sections};
use super::slots::Slots;
use super::table::{Source, Table};
use crate::list;
use crate::pattern::Pattern;

/// Raised with every change of what an image holds, and of what keys are made of.
const FORMAT: u32 = 6;

const MAGIC: &[u8; 8] = b"SEAWALL\n";

/// Bytes before the regions.
const HEAD: usize = 4096;

/// Bytes that are checked together.
const BLOCK: usize = 4 << 20;

/// Slots, lists, sections.
const REGIONS: usize = 2 + SECTIONS;

/// What stands in the head of an image.
#[derive(Serialize, Deserialize)]
struct Facts {
    /// Of the program that wrote it, and how it reads lists.
    reader: Digest,
    key: [u64; 2],
    /// The digest of what the rules were read from.
    hash: Digest,
    buckets: u64,
    reach: Reach,
    regions: [Range<usize>; REGIONS],
    /// The CRC-32 of all that stands behind the regions.
    sums: u32,
}

impl Table {
    /// Writes the table, for [`Table::open`].
    pub(crate) fn write(&self, file: &mut File) -> io::Result<()> {
        let sections = self.sections.load();
        let regions: [&[u8]; REGIONS] = std::array::from_fn(|number| match number {
            0 => self.slots.bytes(),
            1 => self.slots.lists(),
            section => sections.by_place(section - 2),
        });
        let mut places: [Range<usize>; REGIONS] = std::array::from_fn(|_| 0..0);
        let (mut sums, mut at) = (Vec::new(), HEAD);
        file.seek(SeekFrom::Start(at as u64))?;
        let mut out = BufWriter::new(&mut *file);
        for (place, bytes) in places.iter_mut().zip(regions) {
            let padding = at.next_multiple_of(64) - at;
            out.write_all(&[0; 64][..padding])?;
            out.write_all(bytes)?;
            *place = at + padding..at + padding + bytes.len();
            at = place.end;
            sums.extend(bytes.chunks(BLOCK).flat_map(|block| crc32fast::hash(block).to_le_bytes()));
        }
        out.write_all(&sums)?;
        out.flush()?;
        drop(out);
        let HashKey(key) = HashKey::of_process();
        let facts = Facts {
            reader: reader(),
            key,
            hash: self.hash,
            buckets: self.slots.buckets(),
            reach: self.reach,
            regions: places,
            sums: crc32fast::hash(&sums),
        };
        let facts = serde_json::to_vec(&facts)?;
        let mut head = MAGIC.to_vec();
        head.extend((facts.len() as u32).to_le_bytes());
        head.extend(crc32fast::hash(&facts).to_le_bytes());
        head.extend(facts);
        if head.len() > HEAD {
            return Err(bad("its facts have no room"));
        }
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)
    }

    /// The table that an image holds; an error where it is none that is good for this process. `hash` is the
    /// digest of what the rules are read from. Reads all of it once.
    pub(crate) fn open(path: &Path, source: Source, hash: Digest) -> io::Result<Table> {
        let file = File::open(path)?;
        let facts = Facts::read(&file)?;
        if facts.reader != reader() {
            return Err(bad("another version made it"));
        }
        if facts.key != HashKey::of_process().0 {
            return Err(bad("it was made under another key"));
        }
        if facts.hash != hash {
            return Err(bad("it is of another list"));
        }
        let sections = facts.map(&file)?;
        let Facts { buckets, reach, regions, sums: sum, .. } = &facts;
        let (sums, _) = sections.sums(regions).as_chunks::<4>();
        if crc32fast::hash(sums.as_flattened()) != *sum {
            return Err(bad("it is damaged"));
        }
        let mut sums = sums.iter().map(|sum| u32::from_le_bytes(*sum));
        let slots = read_slots(&file, &regions[0], &mut sums)?;
        for region in &regions[1..] {
            let blocks = sections.region(region).chunks(BLOCK);
            if blocks.map(crc32fast::hash).ne(sums.by_ref().take(region.len().div_ceil(BLOCK))) {
                return Err(bad("it is damaged"));
            }
        }
        let lists = sections.region(&regions[1]).to_vec();
        sections.forget();
        let table = Table {
            source: Arc::new(source),
            hash,
            slots: Arc::new(Slots::of(slots, *buckets, lists)),
            lifted: None,
            patterns: None,
            reach: *reach,
            rules: sections.long_words(Section::Held).len(),
            sections: arc_swap::ArcSwap::from_pointee(sections),
        };
        table.with_patterns()
    }

    /// Leaves to an image that was written of this table what is needed to tell of rules.
    pub(crate) fn rest_on(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let facts = Facts::read(&file)?;
        self.sections.store(Arc::new(facts.map(&file)?));
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn rests_on_image(&self) -> bool {
        matches!(**self.sections.load(), Sections::Mapped { .. })
    }

    fn with_patterns(mut self) -> io::Result<Table> {
        let numbers: Vec<u32> =
            self.sections.load().words(Section::Patterns).iter().map(|number| u32::from_le_bytes(*number)).collect();
        let read = |rule: &u32| {
            let text = self.text(*rule);
            let pattern = text.strip_prefix('~').and_then(|text| Pattern::read(text).ok());
            pattern.map(|pattern| (*rule, pattern)).ok_or_else(|| bad("it is damaged"))
        };
        let patterns = numbers.iter().map(read).collect::<io::Result<Vec<(u32, Pattern)>>>()?;
        let patterns: Vec<(u32, &Pattern)> = patterns.iter().map(|(rule, pattern)| (*rule, pattern)).collect();
        self.patterns = Patterns::new(&patterns).map(Arc::new);
        Ok(self)
    }
}

/// Has this process hash as the one did that wrote an image, if nothing was hashed yet.
pub(crate) fn adopt_key(path: &Path) -> io::Result<bool> {
    let facts = Facts::read(&File::open(path)?)?;
    Ok(facts.reader == reader() && HashKey(facts.key).adopt())
}

impl Facts {
    fn read(mut file: &File) -> io::Result<Facts> {
        let mut head = [0; HEAD];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut head)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (length, sum) = (word(8) as usize, word(12));
        let facts = head.get(16..16 + length).filter(|facts| head.starts_with(MAGIC) && crc32fast::hash(facts) == sum);
        let facts = facts.ok_or_else(|| bad("it is damaged"))?;
        serde_json::from_slice(facts).map_err(|_| bad("another version made it"))
    }

    fn map(&self, file: &File) -> io::Result<Sections> {
        // SAFETY: bytes of a mapping may not change while they are borrowed. An image lies in a folder that
        // its owner alone can enter (0700), is written under another name, renamed to its own, and never
        // written to again; one that is no longer wanted is unlinked, which leaves what is mapped.
        let map = unsafe { Mmap::map(file)? };
        let ends_within = |region: &Range<usize>| region.start <= region.end && region.end <= map.len();
        if !self.regions.iter().all(ends_within) {
            return Err(bad("it is damaged"));
        }
        let places = std::array::from_fn(|number| self.regions[number + 2].clone());
        Ok(Sections::Mapped { map, places })
    }
}

fn read_slots(file: &File, place: &Range<usize>, sums: &mut impl Iterator<Item = u32>) -> io::Result<Memory> {
    let mut memory = Memory::zeroed(place.len());
    for (number, block) in memory.make_mut().chunks_mut(BLOCK).enumerate() {
        file.read_exact_at(block, (place.start + number * BLOCK) as u64)?;
        if sums.next() != Some(crc32fast::hash(block)) {
            return Err(bad("it is damaged"));
        }
    }
    Ok(memory)
}

impl Sections {
    /// Bytes of an image.
    fn region(&self, place: &Range<usize>) -> &[u8] {
        match self {
            Sections::Mapped { map, .. } => map.get(place.clone()).unwrap_or_default(),
            Sections::Memory(_) => &[],
        }
    }

    /// Gives back the pages of a mapping that were looked at, until they are looked at again.
    fn forget(&self) {
        if let Sections::Mapped { map, .. } = self {
            // SAFETY: it is a mapping of a file that is never written to, so what is read again is the same.
            // Where it is refused, the pages stay.
            let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }

    /// What stands behind all regions.
    fn sums(&self, regions: &[Range<usize>; REGIONS]) -> &[u8] {
        match self {
            Sections::Mapped { map, .. } => map.get(regions[REGIONS - 1].end..).unwrap_or_default(),
            Sections::Memory(_) => &[],
        }
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Spellings whose reading is what an image depends on: where one of them comes to be read in another way,
/// images of before are no more good.
const SPELLINGS: &str = "\
h.example
H.EXAMPLE.:80 notice=N reason=\"a b\" status=410 from=2026-01-01 until=2027-01-31T09:00:00Z
*.bücher.example disclose=id geo=fr,DE
192.0.2.1
[2001:DB8::1]
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 authority=https://court.example/1 page=a.html
~^https://h\\.example/[0-9]+$
!https://h.example/a/b
http://user@H.example:8080/%61/./b/../c//d;v=1/%2e%2E/e%2Ff\\g/
https://h.example/a//../b/x%2Fy/../c;p=1/..;q/d/*?b=2&a=1;a=1&&c=%7e+%20 query=exact
https://h.example/é%C3%A9%e9%252e%00?
https://h.example/%zz
https://h.example/~!$'()*,:@=+&?x=%41%5b]&y
https://h.example/*
";

/// Says how lists are read here: another where an image may mean something else.
fn reader() -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(format!("{FORMAT} {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    for line in SPELLINGS.lines() {
        hasher.update(format!("{:?}\n", list::read_rule(line)).as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use terms::{Residence, Timestamp, Url};

    use super::*;
    use crate::index::{Case, Index};

    const LIST: &str = "\
h.example geo=DE,FR
*.t.example notice=N-1 until=2027-01-31
https://h.example/a notice=N-2 reason=\"a b\" status=410 page=a.html
https://h.example/a notice=N-3
https://h.example/v?x=1&y=2 query=exact
https://h.example/p/*?x=1
!https://h.example/a/b
~^https://p\\.example/[0-9]
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
";

    fn table() -> Table {
        let rules = list::read(LIST.as_bytes()).unwrap();
        Table::compile(Source::File("list.txt".into()), rules, Digest::of(LIST.as_bytes()))
    }

    fn written(path: &Path) -> Table {
        let table = table();
        table.write(&mut File::create(path).unwrap()).unwrap();
        table
    }

    fn open(path: &Path) -> io::Result<Table> {
        Table::open(path, Source::File("list.txt".into()), Digest::of(LIST.as_bytes()))
    }

    /// What is told of URLs that the rules are about, and of one that they are not.
    fn told(table: Table) -> Vec<String> {
        let edits = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::ZERO);
        let index = Index::new(1, Arc::new(edits), vec![Arc::new(table)]);
        let now = Timestamp::from_secs(1_790_000_000);
        let case = Case { now, whom: &|| Residence::Elsewhere };
        let digest = Digest::from_hex("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").unwrap();
        let urls =
            ["h.example", "x.t.example", "h.example/a", "h.example/v?x=1&y=2", "h.example/p/q?x=1", "h.example/a/b"];
        let told = urls.into_iter().chain(["p.example/7", "free.example"]).map(|url| {
            let url = Url::parse(url).unwrap();
            format!("{:?} {:?}", index.explain(&url, case), index.judge_digest(&url, &digest, case))
        });
        told.chain([format!("{:?} {} {:?}", index.hash(), index.rules(), index.next_boundary(now))]).collect()
    }

    #[test]
    fn an_image_is_the_table_that_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let table = written(&path);
        let opened = open(&path).unwrap();
        assert_eq!(opened.pages().collect::<Vec<String>>(), ["a.html"]);
        assert_eq!(opened.share(), table.share());
        table.rest_on(&path).unwrap();
        let expected = told(super::tests::table());
        assert_eq!(told(opened), expected);
        assert_eq!(told(table), expected);
    }

    #[test]
    fn damage_of_any_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        written(&path);
        let whole = std::fs::read(&path).unwrap();
        let facts = u32::from_le_bytes([whole[8], whole[9], whole[10], whole[11]]) as usize;
        let mut regions = Facts::read(&File::open(&path).unwrap()).unwrap().regions.to_vec();
        regions.extend([0..16 + facts, regions[REGIONS - 1].end..whole.len()]);
        for at in regions.into_iter().flatten() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(open(&path).is_err(), "byte {at}");
        }
        for length in [0, 10, HEAD - 1, HEAD, HEAD + 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(open(&path).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn an_image_of_another_list_or_key_or_version_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        written(&path);
        assert!(Table::open(&path, Source::File("list.txt".into()), Digest::ZERO).is_err());
        let rewrite = |change: fn(&mut Facts)| {
            let mut bytes = std::fs::read(&path).unwrap();
            let mut facts = Facts::read(&File::open(&path).unwrap()).unwrap();
            change(&mut facts);
            let facts = serde_json::to_vec(&facts).unwrap();
            bytes[8..12].copy_from_slice(&(facts.len() as u32).to_le_bytes());
            bytes[12..16].copy_from_slice(&crc32fast::hash(&facts).to_le_bytes());
            bytes[16..16 + facts.len()].copy_from_slice(&facts);
            std::fs::write(&path, bytes).unwrap();
            open(&path).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(rewrite(|_| ()), Ok(()));
        assert_eq!(rewrite(|facts| facts.key[0] ^= 1), Err("it was made under another key".to_owned()));
        assert_eq!(rewrite(|facts| facts.reader = Digest::ZERO), Err("another version made it".to_owned()));
    }
}
