//! Tells what a crash can leave of a segment that is not compressed from what it can't.
//!
//! `verify` judges both, and here it judges again, of what recovery would keep. A power loss leaves more than
//! a kill does: after the last sync, marks whose lines are gone, and zeros where bytes were to be.

use std::io;

use terms::Digest;

use crate::chain::{self, Chain};
use crate::files::{Folder, SegmentId};
use crate::line::Head;
use crate::read::{Lines, Next, is_damage};
use crate::sum::Sum;
use crate::verify::{self, Before, VerifyError};

/// What a segment and its `.sum` are to each other.
#[derive(Debug)]
pub struct Found {
    /// What the `.sum` says, but for what a power loss may have left in it.
    pub sum: Sum,
    /// Whole lines that stand, up to the first that never reached the disk.
    pub standing: u64,
    pub marks: Marks,
    /// What no crash leaves: the first thing, in the words of `verify`.
    pub wrong: Option<String>,
}

/// Lines and their marks, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Lines without a mark.
    pub missing: u64,
    /// Lines whose mark is another line's.
    pub contradicted: u64,
    /// Marks without a line.
    pub without_line: u64,
}

/// Compares a segment with its `.sum`, and with the one before it.
pub fn look(folder: &Folder, id: SegmentId, before: Before, is_last: bool) -> io::Result<Found> {
    let sum = Sum::read(&folder.sum(id))?;
    let is_missing = sum.is_none();
    let mut sum = sum.unwrap_or_default();
    let counted = count(folder, id, before.hash, &sum)?;
    let mut found = Found { sum: sum.clone(), standing: counted.standing, marks: counted.marks, wrong: None };
    let judged = match verify::check_segment(folder, id, before, is_last) {
        Err(VerifyError::Tampered { .. }) if is_last && !is_missing => {
            sum.forget_half_written(counted.last_mark, counted.last_hash);
            let kept = counted.standing.max(sum.synced());
            sum.marks.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            found.sum = sum.clone();
            verify::check_kept(folder, id, before, sum, counted.standing)
        }
        Ok(Some(checked)) if !is_last && !checked.sealed => {
            found.wrong = Some(format!("{id}.jsonl has no `sealed` line at its end, though others follow it"));
            return Ok(found);
        }
        judged => judged.map(|_| ()),
    };
    match judged {
        // What a power loss spoiled has no mark, or is cut.
        Ok(()) => {
            found.marks.contradicted = 0;
            found.marks.missing = found.standing.saturating_sub(found.sum.marks.len() as u64);
        }
        Err(VerifyError::Io { source, .. }) => return Err(source),
        Err(VerifyError::Tampered { file, line, seq, what }) => {
            let file = file.file_name().unwrap_or_default().display();
            found.wrong = Some(format!("{file} line {line} (seq {seq}): {what}"));
        }
        Err(error @ VerifyError::NoLog { .. }) => return Err(io::Error::other(error)),
    }
    Ok(found)
}

struct Counted {
    standing: u64,
    marks: Marks,
    /// What the `.sum` would say of the line that its last mark stands for.
    last_mark: [u8; 4],
    last_hash: Digest,
}

fn count(folder: &Folder, id: SegmentId, start: Digest, sum: &Sum) -> io::Result<Counted> {
    let mut marks = sum.marks.iter();
    let mut counted = Counted { standing: 0, marks: Marks::default(), last_mark: [0; 4], last_hash: start };
    let mut chain = Chain::from(start);
    let mut stands = true;
    let mut at = 0;
    let mut lines = Lines::open(folder, id)?;
    loop {
        let line = match lines.next() {
            Ok(Next::Line(line)) => line,
            Ok(Next::End | Next::Torn) => break,
            Err(error) if is_damage(&error) => break,
            Err(error) => return Err(error),
        };
        at += 1;
        // JSON holds no zero: only a page that was never written does.
        stands &= at <= sum.synced() || Head::read(line).is_some() || !line.contains(&0);
        counted.standing += u64::from(stands);
        chain.push(line);
        match marks.next() {
            None => counted.marks.missing += 1,
            Some(mark) => {
                (counted.last_mark, counted.last_hash) = (chain::mark(line), chain.hash());
                counted.marks.contradicted += u64::from(*mark != counted.last_mark);
            }
        }
    }
    counted.marks.without_line = marks.count() as u64;
    Ok(counted)
}
