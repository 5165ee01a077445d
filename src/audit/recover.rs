//! What a run left open is ended by the code that ends segments in normal life.
//!
//! A crash may leave, of an open segment: a line cut short, frames missing in its `.sum` or ahead of
//! the lines, and, after a power loss, whole lines that never reached the disk. Lines after the last
//! sync that never did are cut off. Nothing else is mended: a segment in which `verify` finds what no crash
//! leaves stays as it is, byte for byte, and each start says so.

use std::fs::File;
use std::io;

use disk::durable;
use terms::{Digest, Timestamp};

use crate::chain::{self, Chain};
use crate::damage::{self, Marks};
use crate::files::{Folder, Found, SegmentId};
use crate::line::{Encoder, Event, Forms, Head, Seal};
use crate::pack::pack;
use crate::read::{Lines, Next, is_damage};
use crate::segment::{Link, Resumed, Segment};
use crate::settings::Settings;
use crate::sum::{Sum, Synced};
use crate::verify::Before;

/// What became of a segment that was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub id: SegmentId,
    /// Lines kept, with the one that seals; 0 if none stood, and the segment is gone.
    pub lines: u64,
    /// `seq` of the last of them, or 0.
    pub last: u64,
    pub cut: Cut,
    pub marks: Marks,
    /// The first thing found that no crash leaves: nothing was mended.
    pub wrong: Option<String>,
}

/// What was cut off at the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub bytes: u64,
    /// Whole lines among them.
    pub lines: u64,
}

impl Recovered {
    pub fn event(&self) -> Event {
        let event = Event::new("recovered")
            .with("run", self.id.run)
            .with("segment", self.id.to_string())
            .with("lines", self.lines)
            .with("last", self.last)
            .with("cut_bytes", self.cut.bytes)
            .with("cut_lines", self.cut.lines)
            .with("unmarked", self.marks.missing)
            .with("contradicted", self.marks.contradicted)
            .with("lost", self.marks.without_line);
        match &self.wrong {
            None => event,
            Some(wrong) => event.with("wrong", wrong.as_str()),
        }
    }
}

/// The state in which a new run begins.
#[derive(Debug)]
pub struct Recovery {
    /// Where its first segment starts.
    pub link: Link,
    pub segments: Vec<Recovered>,
}

/// Seals and packs whatever lies open in the folder.
pub fn recover(folder: &Folder, settings: &Settings, now: Timestamp) -> io::Result<Recovery> {
    let mut segments = Vec::new();
    let mut before = None;
    let all = folder.list()?;
    let last = all.last().map(|found| found.id);
    for found in all {
        match found {
            Found { id, packed: true, plain: true, .. } => finish_packing(folder, id)?,
            Found { packed: true, .. } => {}
            Found { id, plain: true, .. } => {
                let start = before_of(folder, id, before)?;
                let damage = damage::look(folder, id, start, last == Some(id))?;
                let mended = match &damage.wrong {
                    None => mend(folder, id, start.hash, damage, settings, now)?,
                    Some(_) => Mended::Left(left(id, start, damage)),
                };
                match mended {
                    Mended::Removed(recovered) => {
                        // An empty file needs no word; one that held something does.
                        if recovered.cut.bytes > 0 || recovered.marks != Marks::default() {
                            segments.push(recovered);
                        }
                        continue;
                    }
                    Mended::WasSealed => {}
                    Mended::Sealed(recovered) | Mended::Left(recovered) => segments.push(recovered),
                }
            }
            Found { id, .. } => {
                remove_lone_sum(folder, id)?;
                continue;
            }
        }
        before = Some(found.id);
    }
    Ok(Recovery { link: Link { hash: end_of(folder, before)?.0, seq: 1 }, segments })
}

/// What contradicts its marks or the chain is not touched, so that `verify` goes on naming it.
fn left(id: SegmentId, start: Before, damage: damage::Found) -> Recovered {
    let damage::Found { marks, wrong, standing, .. } = damage;
    let found = wrong.as_deref().unwrap_or_default();
    tracing::error!(
        segment = %id, found, lines_without_marks = marks.missing, lines_contradicted = marks.contradicted,
        marks_without_lines = marks.without_line,
        "the evidence of an earlier run is not as a crash leaves it, and stays as it is; run `seawall audit verify`"
    );
    let last = (start.seq + standing).saturating_sub(1);
    Recovered { id, lines: standing, last, cut: Cut::default(), marks, wrong }
}

/// The frame was in its place and the lines were not removed yet. If they differ, both are kept.
fn finish_packing(folder: &Folder, id: SegmentId) -> io::Result<()> {
    if packed_holds_plain(folder, id)? {
        return durable::remove(&folder.plain(id));
    }
    tracing::error!(segment = %id, "the evidence holds this segment twice, and the two differ; run `seawall audit verify`");
    Ok(())
}

/// Whether the frame of a segment holds the very lines that lie beside it.
pub fn packed_holds_plain(folder: &Folder, id: SegmentId) -> io::Result<bool> {
    let mut packed = Lines::packed(File::open(folder.packed(id))?)?;
    let mut plain = Lines::plain(File::open(folder.plain(id))?);
    loop {
        let same = match (packed.next(), plain.next()) {
            (Ok(Next::End), Ok(Next::End)) => return Ok(true),
            (Ok(Next::Line(one)), Ok(Next::Line(two))) => one == two,
            (Err(error), _) | (_, Err(error)) if !is_damage(&error) => return Err(error),
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
}

/// The crash fell between the making of the two files; one that tells of lines is left for `verify`.
fn remove_lone_sum(folder: &Folder, id: SegmentId) -> io::Result<()> {
    match Sum::read(&folder.sum(id))? {
        Some(sum) if sum.marks.is_empty() => durable::remove(&folder.sum(id)),
        _ => Ok(()),
    }
}

/// What a segment has to follow. Where the one before can't be read, its first line says by itself which it is.
fn before_of(folder: &Folder, id: SegmentId, before: Option<SegmentId>) -> io::Result<Before> {
    let (hash, end) = end_of(folder, before)?;
    let start = Before { hash, ..Before::nothing(id) };
    if before.is_none_or(|before| before.run != id.run) {
        return Ok(start);
    }
    if let Some(end) = end {
        return Ok(Before { seq: end.seq + 1, time: end.time, ..start });
    }
    let first = match Lines::open(folder, id)?.next() {
        Ok(Next::Line(line)) => Head::read(line),
        _ => None,
    };
    Ok(Before { seq: first.map_or(1, |head| head.seq), ..start })
}

/// The final hash of a segment: told by its last line, which is returned, too, or by its `.sum` where that
/// can't be read.
fn end_of(folder: &Folder, id: Option<SegmentId>) -> io::Result<(Digest, Option<Head>)> {
    let Some(id) = id else { return Ok((Chain::GENESIS, None)) };
    let mut last = Vec::new();
    let told = Lines::open(folder, id).and_then(|mut lines| {
        while let Next::Line(line) = lines.next()? {
            last.clear();
            last.extend_from_slice(line);
        }
        Ok(())
    });
    match told {
        Err(error) if !is_damage(&error) => return Err(error),
        Ok(()) if let Some(seal) = Seal::read(&last) => {
            let mut chain = Chain::from(seal.hash);
            chain.push(&last);
            return Ok((chain.hash(), Head::read(&last)));
        }
        _ => {}
    }
    tracing::error!(segment = %id, "the evidence of an earlier run is damaged; run `seawall audit verify`");
    let sum = Sum::read(&folder.sum(id))?.unwrap_or_default();
    Ok((sum.syncs.last().map(|synced| synced.hash).or(sum.start).unwrap_or(Chain::GENESIS), None))
}

enum Mended {
    /// No line of it stood; its files are gone.
    Removed(Recovered),
    /// Its last line was the seal: it only had to be packed.
    WasSealed,
    Sealed(Recovered),
    /// No crash leaves it so: it is as it was.
    Left(Recovered),
}

fn remove(folder: &Folder, id: SegmentId, cut: Cut, marks: Marks) -> io::Result<Mended> {
    durable::remove(&folder.plain(id))?;
    durable::remove(&folder.sum(id))?;
    Ok(Mended::Removed(Recovered { id, lines: 0, last: 0, cut, marks, wrong: None }))
}

fn mend(
    folder: &Folder,
    id: SegmentId,
    start: Digest,
    damage: damage::Found,
    settings: &Settings,
    now: Timestamp,
) -> io::Result<Mended> {
    let damage::Found { mut sum, marks, .. } = damage;
    if sum.marks.is_empty() && sum.syncs.is_empty() {
        sum.start = Some(start);
    }
    let found = scan(folder, id, start, &sum)?;
    cut(folder, id, &found)?;
    if found.lines == 0 && sum.synced() == 0 {
        return remove(folder, id, found.cut, marks);
    }
    let last_sync = sum.syncs.last().copied();
    let frames = align(folder, id, sum, &found)?;

    let was_sealed = found.sealed;
    let resumed = Resumed {
        start: Link { hash: start, seq: found.first },
        chain: found.chain,
        lines: found.lines,
        bytes: found.bytes,
        frames,
        synced: last_sync == Some(Synced { lines: found.lines, hash: found.chain.hash() }),
        sealed: was_sealed,
    };
    let mut segment = Segment::resume(folder, id, resumed)?;
    segment.seal(&mut Encoder::new(&settings.node, id.run, Forms::of(settings)), found.time.max(now));
    segment.sync()?;
    let end = segment.end();
    drop(segment);
    if let Err(error) = pack(folder, id) {
        tracing::error!(segment = %id, %error, "a sealed segment can't be compressed; its lines stay as they are");
    }
    warn_of(id, marks);
    if was_sealed {
        return Ok(Mended::WasSealed);
    }
    let (lines, last) = (end.seq - found.first, end.seq - 1);
    Ok(Mended::Sealed(Recovered { id, lines, last, cut: found.cut, marks, wrong: None }))
}

fn warn_of(id: SegmentId, marks: Marks) {
    if marks != Marks::default() {
        tracing::warn!(
            segment = %id, lines_without_marks = marks.missing, marks_without_lines = marks.without_line,
            "a crash left lines without marks, or marks without lines, after the last sync of the evidence"
        );
    }
}

/// The lines of an open segment that stand.
struct Scan {
    first: u64,
    lines: u64,
    bytes: u64,
    marks: Vec<[u8; 4]>,
    chain: Chain,
    time: Timestamp,
    sealed: bool,
    cut: Cut,
}

fn scan(folder: &Folder, id: SegmentId, start: Digest, sum: &Sum) -> io::Result<Scan> {
    let file = File::open(folder.plain(id))?;
    let size = file.metadata()?.len();
    let mut scan = Scan {
        first: 1,
        lines: 0,
        bytes: 0,
        marks: Vec::new(),
        chain: Chain::from(start),
        time: Timestamp::default(),
        sealed: false,
        cut: Cut::default(),
    };
    let mut lines = Lines::plain(file);
    while let Next::Line(line) = lines.next()? {
        if scan.cut.lines > 0 {
            scan.cut.lines += 1;
            continue;
        }
        let head = Head::read(line);
        if scan.lines == 0 {
            scan.first = head.as_ref().map_or(1, |head| head.seq);
        }
        let follows = |head: &Head| head.run == id.run && head.seq == scan.first + scan.lines;
        match head.filter(follows) {
            Some(head) => {
                scan.time = scan.time.max(head.time);
                scan.sealed = head.is_seal();
            }
            None if scan.lines >= sum.synced() => {
                scan.cut.lines = 1;
                continue;
            }
            None => scan.sealed = false,
        }
        scan.chain.push(line);
        scan.marks.push(chain::mark(line));
        scan.lines += 1;
        scan.bytes += line.len() as u64 + 1;
    }
    scan.cut.bytes = size.saturating_sub(scan.bytes);
    Ok(scan)
}

/// Cuts off what does not stand. Whole lines among it are kept aside: the log was meant to hold them.
fn cut(folder: &Folder, id: SegmentId, found: &Scan) -> io::Result<()> {
    if found.cut.bytes == 0 {
        return Ok(());
    }
    let path = folder.plain(id);
    if found.cut.lines > 0 {
        let mut from = File::open(&path)?;
        io::Seek::seek(&mut from, io::SeekFrom::Start(found.bytes))?;
        let mut aside = File::create(folder.torn(id))?;
        io::copy(&mut from, &mut aside)?;
        aside.sync_all()?;
    }
    let file = File::options().write(true).open(&path)?;
    file.set_len(found.bytes)?;
    file.sync_all()
}

/// Makes the `.sum` say as much as the lines do. Frames that stand are not touched: those of lines
/// that were not synced and are gone go, too. Returns the bytes of frames.
fn align(folder: &Folder, id: SegmentId, mut sum: Sum, found: &Scan) -> io::Result<u64> {
    let kept = usize::try_from(found.lines.max(sum.synced())).unwrap_or(usize::MAX);
    sum.marks.truncate(kept);
    sum.marks.extend(found.marks.iter().skip(sum.marks.len()));
    let frames = sum.frames();
    let path = folder.sum(id);
    if std::fs::read(&path).ok().as_ref() != Some(&frames) {
        durable::write(&path, &frames)?;
    }
    Ok(frames.len() as u64)
}
