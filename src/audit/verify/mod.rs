//! Checks a whole log: that its lines are those that were written, all of them, in their order.
//!
//! Needs nothing but the folder, and may run beside the server that writes to it: what changes while
//! it is read is read again. The first thing wrong is named with file, line and `seq`.

mod segment;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use terms::{Digest, Timestamp};

use crate::chain::Chain;
use crate::files::{Folder, Found, SegmentId};
use segment::Checked;
pub use segment::{check as check_segment, check_kept};

/// A fault beside a running server may be a file caught between two writes: only one that is still
/// there after these looks is a fault, or the end that a crash left.
const LOOKS: usize = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(60);

/// Why a log does not stand.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{} line {line} (seq {seq}): {what}", file.display())]
    Tampered {
        file: PathBuf,
        /// From 1; in a `.sum`, of the line that the entry stands for.
        line: u64,
        /// The `seq` that this line has, or had to have.
        seq: u64,
        what: String,
    },
    #[error("there is no evidence in {}: it has no folder `segments`", dir.display())]
    NoLog { dir: PathBuf },
    #[error("{} can't be read: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A log that stands, and how firmly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub segments: u64,
    pub lines: u64,
    pub runs: Vec<RunVerified>,
    /// What recoveries cut off after a crash, as the log itself tells it.
    pub recovered: Vec<Recovery>,
    /// The last segment, where its end is such as a crash leaves.
    pub open_end: Option<Unfinished>,
}

/// A segment that a crash left while it was begun or sealed; the next start finishes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    pub segment: String,
    pub end: OpenEnd,
}

/// What a crash leaves at the end of the log, besides lines that are not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenEnd {
    /// The files are made, and hold nothing.
    Begun,
    /// The last line seals the segment, and the `.sum` does not say that it was synced.
    Seal,
}

/// One `recovered` event: a segment that a crash left open, and what of its end could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    pub segment: String,
    /// `seq` of the last line that was kept.
    pub last: u64,
    pub cut_bytes: u64,
    pub cut_lines: u64,
    /// Lines that were kept though the `.sum` had no mark of them.
    #[serde(default)]
    pub unmarked: u64,
    /// Marks without a line: lines that were not synced, and are gone.
    #[serde(default)]
    pub lost: u64,
}

/// One run of a log that stands. All fields but `run` and `segments` are a `seq`, 0 for none:
/// `sealed <= synced <= last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunVerified {
    pub run: u64,
    pub segments: u64,
    /// Up to here lines stand in sealed segments.
    pub sealed: u64,
    /// Up to here they were forced to the disk.
    pub synced: u64,
    pub last: u64,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "good: each line is as it was written (lines: {}, segments: {})", self.lines, self.segments)?;
        for RunVerified { run, sealed, synced, last, .. } in &self.runs {
            match sealed {
                0 => write!(f, "run {run}: nothing is sealed yet")?,
                _ => write!(f, "run {run}: sealed up to seq {sealed}")?,
            }
            if synced > sealed {
                write!(f, ", only synced up to seq {synced}")?;
            }
            if last > synced {
                write!(f, ", written but not synced up to seq {last}")?;
            }
            writeln!(f)?;
        }
        for recovery in &self.recovered {
            writeln!(f, "{recovery}")?;
        }
        if let Some(Unfinished { segment, end }) = &self.open_end {
            let end = match end {
                OpenEnd::Begun => "it was begun, and holds no line",
                OpenEnd::Seal => "its `sealed` line is written but not synced",
            };
            writeln!(f, "segment {segment}: its end is as a crash leaves it: {end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recovery { segment, last, cut_bytes, cut_lines, unmarked, lost } = self;
        write!(
            f,
            "segment {segment}: recovered after a crash up to seq {last}; cut: {cut_bytes} bytes, {cut_lines} lines"
        )?;
        if *unmarked > 0 {
            write!(f, "; lines without marks: {unmarked}")?;
        }
        if *lost > 0 {
            write!(f, "; marks without lines: {lost}")?;
        }
        Ok(())
    }
}

/// What a segment has to follow.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    pub id: SegmentId,
    pub hash: Digest,
    /// The `seq` of the next line, if it is of the same run.
    pub seq: u64,
    pub time: Timestamp,
    pub sealed: bool,
}

impl Before {
    /// What the very first segment follows.
    pub fn nothing(id: SegmentId) -> Before {
        Before { id, hash: Chain::GENESIS, seq: 1, time: Timestamp::from_micros(i64::MIN), sealed: true }
    }
}

/// Checks the log in the audit folder `dir`.
pub fn verify(dir: &Path) -> Result<Verified, VerifyError> {
    verify_with(dir, LOOKS)
}

/// As [`verify`], with so many looks at what seems wrong.
pub fn verify_with(dir: &Path, looks: usize) -> Result<Verified, VerifyError> {
    let folder = Folder::of(dir);
    let mut verified = Verified::default();
    let mut before: Option<Before> = None;
    let all = list(dir, &folder)?;
    let last = all.last().map(|found| found.id);
    for found in all {
        let is_last = last == Some(found.id);
        let Some(checked) = check_again_if_wrong(&folder, found, before, is_last, looks)? else { continue };
        verified.count(found.id, &checked);
        before = Some(Before {
            id: found.id,
            hash: checked.hash,
            seq: checked.last + 1,
            time: checked.time,
            sealed: checked.sealed,
        });
    }
    Ok(verified)
}

impl Verified {
    fn count(&mut self, id: SegmentId, checked: &Checked) {
        if self.runs.last().is_none_or(|run| run.run != id.run) {
            self.runs.push(RunVerified { run: id.run, ..RunVerified::default() });
        }
        let Some(run) = self.runs.last_mut() else { return };
        self.segments += 1;
        self.recovered.extend(checked.recovered.iter().cloned());
        self.lines += checked.lines;
        self.open_end = checked.open_end.map(|end| Unfinished { segment: id.to_string(), end });
        run.segments += 1;
        run.last = checked.last;
        run.synced = checked.synced;
        if checked.sealed {
            run.sealed = checked.last;
            run.synced = checked.last;
        }
    }
}

fn list(dir: &Path, folder: &Folder) -> Result<Vec<Found>, VerifyError> {
    match folder.list() {
        Ok(found) => Ok(found),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(VerifyError::NoLog { dir: dir.to_owned() }),
        Err(source) => Err(VerifyError::Io { path: folder.path().to_owned(), source }),
    }
}

/// `None` for a segment that is being made, and holds nothing yet.
fn check_again_if_wrong(
    folder: &Folder,
    found: Found,
    before: Option<Before>,
    is_last: bool,
    looks: usize,
) -> Result<Option<Checked>, VerifyError> {
    for _ in 1..looks {
        match check(folder, found, before, is_last) {
            // A running server finishes it within a moment.
            Ok(Some(checked)) if checked.open_end.is_some() => {}
            Ok(checked) => return Ok(checked),
            Err(_) => {}
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    check(folder, found, before, is_last)
}

fn check(folder: &Folder, found: Found, before: Option<Before>, is_last: bool) -> Result<Option<Checked>, VerifyError> {
    let id = found.id;
    let start = Before::nothing(id);
    let start = match before {
        None => start,
        Some(before) if before.id.run == id.run => before,
        Some(before) => Before { seq: 1, time: start.time, ..before },
    };
    if !start.sealed {
        return Err(VerifyError::Tampered {
            file: folder.plain(start.id),
            line: 1,
            seq: start.seq,
            what: "this segment has no `sealed` line at its end, though others follow it".to_owned(),
        });
    }
    let expected = match before {
        Some(before) if before.id.run == id.run => before.id.number + 1,
        _ => 1,
    };
    if id.number != expected {
        return Err(VerifyError::Tampered {
            file: folder.packed(SegmentId { run: id.run, number: expected }),
            line: 1,
            seq: start.seq,
            what: format!("this segment is missing; the next one that is there is {id}"),
        });
    }
    segment::check(folder, id, start, is_last)
}
