//! Checks one segment against its `.sum` and against the segment before.
//!
//! Every line is compared with its mark, which says *where* something differs; the hashes of the
//! chain, which stand in the seal and at each sync, say *whether* the line or its mark was altered.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;
use terms::{Digest, Timestamp};

use super::{Before, OpenEnd, Recovery, VerifyError};
use crate::chain::{self, Chain};
use crate::files::{Folder, SegmentId};
use crate::line::{Head, Seal};
use crate::read::{Kind, Lines, Next, found, is_damage};
use crate::recover::packed_holds_plain;
use crate::sum::{End, Sum, digest_of};

/// A segment that stands.
#[derive(Clone, Debug)]
pub struct Checked {
    pub recovered: Vec<Recovery>,
    pub lines: u64,
    /// `seq` of the last line, and of the last that was on the disk at a sync.
    pub last: u64,
    pub synced: u64,
    pub hash: Digest,
    pub time: Timestamp,
    /// The seal stands, and so does the hash that was noted when it was on the disk.
    pub sealed: bool,
    pub open_end: Option<OpenEnd>,
}

/// `None` for one without lines that is only being made. Only the last segment of all may have an end such
/// as a crash leaves: the next one is made when the end of the one before is on the disk.
pub fn check(folder: &Folder, id: SegmentId, before: Before, is_last: bool) -> Result<Option<Checked>, VerifyError> {
    // The `.sum` is written after the lines, and so read before them.
    let sum = Sum::read(&folder.sum(id)).map_err(|source| VerifyError::Io { path: folder.sum(id), source })?;
    check_with(folder, id, before, is_last, sum, u64::MAX)
}

/// The last segment of all, if its `.sum` held this and no more than so many lines stood.
pub fn check_kept(folder: &Folder, id: SegmentId, before: Before, sum: Sum, lines: u64) -> Result<(), VerifyError> {
    check_with(folder, id, before, true, Some(sum), lines).map(|_| ())
}

fn check_with(
    folder: &Folder,
    id: SegmentId,
    before: Before,
    is_last: bool,
    sum: Option<Sum>,
    until: u64,
) -> Result<Option<Checked>, VerifyError> {
    let lines = found(Lines::open(folder, id));
    let (lines, kind) = match lines {
        Ok(Some(lines)) => {
            let kind = lines.kind();
            (Some(lines), kind)
        }
        Ok(None) => (None, Kind::Plain),
        Err(source) => return Err(VerifyError::Io { path: folder.plain(id), source }),
    };
    let mut check = Check::new(folder, id, before, kind);
    check.may_be_open = is_last && kind == Kind::Plain;
    check.until = until;
    check.sum = sum.clone().unwrap_or_default();
    match (lines, sum) {
        (None, Some(sum)) if sum.marks.is_empty() => return Ok(None),
        (Some(_), sum) if check.is_only_begun(sum.as_ref())? => {
            check.open_end = Some(OpenEnd::Begun);
            return Ok(Some(check.checked()));
        }
        (None, _) => return Err(check.line_wrong(1, "this segment is missing; its .sum is there")),
        (Some(_), None) => return Err(check.sum_wrong(1, "this file is missing")),
        (Some(lines), Some(_)) => check.read(lines)?,
    }
    check.judge()?;
    if kind == Kind::Packed {
        check.judge_packed(folder)?;
    }
    Ok(Some(check.checked()))
}

/// What a `recovered` line tells.
#[derive(Deserialize)]
struct Told {
    data: Recovery,
}

struct Check {
    file: PathBuf,
    sum_file: PathBuf,
    id: SegmentId,
    before: Before,
    kind: Kind,
    /// Its end may be one that a crash leaves.
    may_be_open: bool,
    /// Lines after this one don't count.
    until: u64,
    sum: Sum,
    chain: Chain,
    lines: u64,
    time: Timestamp,
    /// The first line that differs from its mark.
    differs: Option<u64>,
    /// Up to this line a hash in the `.sum` or the seal proves the lines.
    proven: u64,
    /// The first line at which a hash in the `.sum` is another.
    disproven: Option<u64>,
    last_line: Vec<u8>,
    hash_before_last: Digest,
    sealed: bool,
    open_end: Option<OpenEnd>,
    recovered: Vec<Recovery>,
}

impl Check {
    fn new(folder: &Folder, id: SegmentId, before: Before, kind: Kind) -> Check {
        let file = match kind {
            Kind::Plain => folder.plain(id),
            Kind::Packed => folder.packed(id),
        };
        Check {
            file,
            sum_file: folder.sum(id),
            id,
            before,
            kind,
            may_be_open: false,
            until: u64::MAX,
            sum: Sum::default(),
            chain: Chain::from(before.hash),
            lines: 0,
            time: before.time,
            differs: None,
            proven: 0,
            disproven: None,
            last_line: Vec::new(),
            hash_before_last: before.hash,
            sealed: false,
            open_end: None,
            recovered: Vec::new(),
        }
    }

    fn checked(self) -> Checked {
        Checked {
            lines: self.lines,
            last: self.seq_of(self.lines),
            synced: self.seq_of(self.sum.synced()),
            hash: self.chain.hash(),
            time: self.time,
            sealed: self.sealed && self.open_end.is_none(),
            open_end: self.open_end,
            recovered: self.recovered,
        }
    }

    /// Both files are made, and the first frame is on the disk, before the first byte of a line is written.
    fn is_only_begun(&self, sum: Option<&Sum>) -> Result<bool, VerifyError> {
        if !self.may_be_open || sum.is_some_and(|sum| sum.start.is_some() || sum.end == End::Unreadable) {
            return Ok(false);
        }
        match std::fs::metadata(&self.file) {
            Ok(file) => Ok(file.len() == 0),
            Err(source) => Err(VerifyError::Io { path: self.file.clone(), source }),
        }
    }

    fn read(&mut self, mut lines: Lines) -> Result<(), VerifyError> {
        let sum = std::mem::take(&mut self.sum);
        let mut syncs = sum.syncs.iter().peekable();
        loop {
            match lines.next() {
                Ok(Next::Line(_)) if self.lines == self.until => break,
                Ok(Next::Line(line)) => self.take(line, &sum)?,
                Ok(Next::Torn) if self.sealed => {
                    return Err(self.line_wrong(self.lines + 1, "bytes stand after the line that seals the segment"));
                }
                // Beside a running server this is a write in progress; after a crash recovery cuts it.
                Ok(Next::End | Next::Torn) => break,
                Err(source) if is_damage(&source) => {
                    let what = format!("the file is damaged from here on ({source})");
                    return Err(self.line_wrong(self.lines + 1, &what));
                }
                Err(source) => return Err(VerifyError::Io { path: self.file.clone(), source }),
            }
            while let Some(synced) = syncs.next_if(|synced| synced.lines <= self.lines) {
                if synced.hash == self.chain.hash() {
                    self.proven = self.lines;
                } else {
                    self.disproven.get_or_insert(self.lines);
                }
            }
        }
        self.sum = sum;
        Ok(())
    }

    fn take(&mut self, line: &[u8], sum: &Sum) -> Result<(), VerifyError> {
        let at = self.lines + 1;
        let mark = usize::try_from(self.lines).ok().and_then(|at| sum.marks.get(at));
        if mark.is_some_and(|mark| *mark != chain::mark(line)) {
            self.differs.get_or_insert(at);
        }
        // Once a line differs only the chain matters: it tells who is to blame.
        if self.differs.is_none() {
            self.read_line(line)?;
        }
        self.hash_before_last = self.chain.hash();
        self.chain.push(line);
        self.last_line.clear();
        self.last_line.extend_from_slice(line);
        self.lines = at;
        Ok(())
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), VerifyError> {
        let at = self.lines + 1;
        let Some(head) = Head::read(line) else {
            return Err(self.line_wrong(at, "this is not a line of evidence: not JSON, or run, seq or time is missing"));
        };
        let seq = self.seq_of(at);
        if self.sealed {
            return Err(self.line_wrong(at, "this line stands after the one that seals the segment"));
        }
        if head.seq != seq {
            let what = format!("this line has seq {}: lines are missing, repeated or out of order", head.seq);
            return Err(self.line_wrong(at, &what));
        }
        if head.run != self.id.run {
            return Err(self.line_wrong(at, &format!("this line is of run {}", head.run)));
        }
        if head.time < self.time {
            return Err(self.line_wrong(at, "its time is before that of the line before"));
        }
        self.time = head.time;
        self.sealed = head.is_seal();
        if head.event.as_deref() == Some("recovered") {
            self.recovered.extend(serde_json::from_slice::<Told>(line).ok().map(|told| told.data));
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), VerifyError> {
        let seal = Seal::read(&self.last_line);
        if let Some(seal) = &seal
            && seal.hash == self.hash_before_last
        {
            self.proven = self.proven.max(self.lines - 1);
        }
        self.judge_start(seal.as_ref())?;
        self.judge_marks()?;
        if let Some(seal) = &seal {
            self.judge_seal(seal)?;
        }
        let Some(at) = self.disproven else { return Ok(()) };
        Err(self.sum_wrong(at, "the hash noted after this line is not that of the lines, each of which has its mark"))
    }

    /// The segment has to go on where the one before ended.
    fn judge_start(&self, seal: Option<&Seal>) -> Result<(), VerifyError> {
        let follows = self.sum.start == Some(self.before.hash);
        let proven = self.proven > 0 || seal.is_some_and(|seal| seal.prev == self.before.hash);
        match (follows, proven) {
            (true, _) => Ok(()),
            _ if self.sum.start.is_none() => Err(self.sum_wrong(1, "this file can't be read from its first byte on")),
            (false, true) => Err(self.sum_wrong(1, "the hash before the first line is not the final hash of the segment before")),
            (false, false) => Err(self.line_wrong(
                1,
                "this segment does not follow the one before it: segments between them are missing, or one was replaced",
            )),
        }
    }

    fn judge_marks(&mut self) -> Result<(), VerifyError> {
        if let Some(at) = self.differs {
            return Err(match at <= self.proven {
                true => {
                    self.sum_wrong(at, "the mark of this line is not the line's, which the chain proves to be whole")
                }
                false => self
                    .line_wrong(at, "this is not the line that was written here: it differs from its mark in the .sum"),
            });
        }
        let marks = self.sum.marks.len() as u64;
        if marks > self.lines {
            return Err(self.line_wrong(self.lines + 1, "this line is missing; the .sum knows of it"));
        }
        // An open segment's `.sum` is written after the lines, and may end in the middle of a frame.
        let is_readable = self.sum.end != End::Unreadable;
        let is_synced = marks == self.lines && self.sum.synced() == self.lines;
        if !self.sealed && self.sum.packed.is_some() {
            return Err(self.sum_wrong(self.lines, "this file ends as that of a sealed segment, which this one is not"));
        }
        if self.sealed && !is_synced && self.may_be_open && self.sum.packed.is_none() && is_readable {
            self.open_end = Some(OpenEnd::Seal);
            return Ok(());
        }
        let is_whole = match self.kind {
            _ if !self.sealed => is_readable,
            Kind::Plain => marks == self.lines && self.sum.is_whole_before_packing(),
            Kind::Packed => marks == self.lines && self.sum.end == End::Whole,
        };
        if !is_whole {
            let at = self.lines.min(marks + 1);
            return Err(self.sum_wrong(at, "this file can't be read from the mark of this line on"));
        }
        if self.sealed && !is_synced {
            return Err(self.sum_wrong(self.lines, "the hash at the end of the sealed segment is missing"));
        }
        Ok(())
    }

    fn judge_seal(&self, seal: &Seal) -> Result<(), VerifyError> {
        let wrong = |what: String| Err(self.line_wrong(self.lines, &what));
        let before = self.lines - 1;
        if seal.lines != before {
            return wrong(format!("the seal speaks of {} lines before it, and there are {before}", seal.lines));
        }
        let (first, last) = (self.before.seq, self.seq_of(before));
        if (seal.first, seal.last) != (first, last) {
            return wrong(format!("the seal speaks of seq {} to {}, not {first} to {last}", seal.first, seal.last));
        }
        if seal.prev != self.before.hash {
            return wrong("the seal's `prev` is not the final hash of the segment before".to_owned());
        }
        if seal.hash != self.hash_before_last {
            return wrong("the seal's `hash` is not that of the lines before it".to_owned());
        }
        Ok(())
    }

    /// The lines of a frame stand; this is about the frame's own bytes.
    fn judge_packed(&self, folder: &Folder) -> Result<(), VerifyError> {
        let io = |source: io::Error| VerifyError::Io { path: self.file.clone(), source };
        if !self.sealed {
            return Err(self
                .line_wrong(self.lines.max(1), "this segment is compressed and yet has no `sealed` line at its end"));
        }
        let Some(noted) = self.sum.packed else {
            return Err(self.sum_wrong(self.lines, "the digest of the compressed file is missing at the end"));
        };
        if digest_of(&self.file).map_err(io)? != noted {
            let what = "each line stands, but either the compressed file or its digest in the .sum was altered";
            return Err(self.line_wrong(self.lines, what));
        }
        if folder.plain(self.id).exists() && !packed_holds_plain(folder, self.id).map_err(io)? {
            return Err(VerifyError::Tampered {
                file: folder.plain(self.id),
                line: 1,
                seq: self.seq_of(1),
                what: "this segment lies beside its compressed file, and holds other lines".to_owned(),
            });
        }
        Ok(())
    }

    fn seq_of(&self, line: u64) -> u64 {
        (self.before.seq + line).saturating_sub(1)
    }

    fn line_wrong(&self, line: u64, what: &str) -> VerifyError {
        let (file, what) = (self.file.clone(), what.to_owned());
        VerifyError::Tampered { file, line, seq: self.seq_of(line), what }
    }

    fn sum_wrong(&self, line: u64, what: &str) -> VerifyError {
        let (file, what) = (self.sum_file.clone(), what.to_owned());
        VerifyError::Tampered { file, line, seq: self.seq_of(line), what }
    }
}
