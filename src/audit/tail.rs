//! Follows the log while it is written, across segments that are sealed and runs that begin.
//!
//! Only whole lines are taken. Bytes behind the last LF are read anew with each look: they may be half a
//! line, or what a crash left of one and recovery cuts off.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use crate::files::{Folder, SegmentId};
use crate::query::{Filter, Line, QueryError, Search, segments};
use crate::read::{MAX_LINE, found};

/// Bytes of one read.
const CHUNK: usize = 128 * 1024;

/// The folder's time is that of its last change, in ticks of some milliseconds; two changes within one
/// look like one. So many looks after a change look again.
const LOOKS_AFTER_CHANGE: u32 = 20;

/// A place in the log, which moves on as lines are read.
pub struct Tail {
    folder: Folder,
    search: Search,
    /// The segment that is read, or was read last.
    at: Option<SegmentId>,
    /// `None`: it was sealed, and is read to its end.
    open: Option<OpenSegment>,
    changed: Option<SystemTime>,
    looks: u32,
}

impl Tail {
    /// The end of the log in `dir`, and the last `count` matching lines before it.
    pub fn open(dir: &Path, filter: Filter, count: usize) -> Result<(Tail, Vec<String>), QueryError> {
        let (folder, all) = segments(dir)?;
        let search = Search::new(filter);
        let mut tail = Tail { folder, search, at: None, open: None, changed: None, looks: LOOKS_AFTER_CHANGE };
        let mut recent: VecDeque<String> = VecDeque::new();
        for id in all.into_iter().rev() {
            let wanted = count - recent.len();
            let mut own: VecDeque<String> = VecDeque::new();
            let mut keep = |line: &Line<'_>| {
                own.push_back(line.text.to_owned());
                if own.len() > wanted {
                    own.pop_front();
                }
                true
            };
            match tail.at {
                None => tail.begin(id, &mut keep)?,
                Some(_) if wanted == 0 => break,
                Some(_) => tail.read_whole(id, &mut keep)?,
            }
            own.into_iter().rev().for_each(|line| recent.push_front(line));
            if tail.search.is_past(id) {
                break;
            }
        }
        Ok((tail, recent.into()))
    }

    /// Calls `each` with the matching lines that came since the last look, until it returns `false`.
    pub fn look(&mut self, each: &mut dyn FnMut(&Line<'_>) -> bool) -> Result<(), QueryError> {
        loop {
            self.read_on(each)?;
            let Some(next) = self.next()? else { return Ok(()) };
            // It was sealed before the next one began: now all of it is there.
            self.read_on(each)?;
            if self.search.is_done() {
                return Ok(());
            }
            self.begin(next, each)?;
        }
    }

    /// Ends; an error tells of the first line that could not be read.
    pub fn finish(self) -> Result<(), QueryError> {
        self.search.finish()
    }

    /// The segment after the one that is read, if it is there.
    fn next(&mut self) -> Result<Option<SegmentId>, QueryError> {
        let failed = |source| QueryError::Io { path: self.folder.path().to_owned(), source };
        let changed = std::fs::metadata(self.folder.path()).and_then(|folder| folder.modified()).map_err(failed)?;
        if self.changed.replace(changed) != Some(changed) {
            self.looks = LOOKS_AFTER_CHANGE;
        }
        if self.looks == 0 {
            return Ok(None);
        }
        self.looks -= 1;
        let all = self.folder.list().map_err(failed)?;
        let there = all.iter().filter(|found| found.plain || found.packed).map(|found| found.id);
        Ok(there.into_iter().find(|id| Some(*id) > self.at))
    }

    fn begin(&mut self, id: SegmentId, each: &mut dyn FnMut(&Line<'_>) -> bool) -> Result<(), QueryError> {
        self.at = Some(id);
        self.looks = LOOKS_AFTER_CHANGE;
        let path = self.folder.plain(id);
        let plain = found(File::open(&path)).map_err(|source| QueryError::Io { path, source })?;
        self.search.learn_form(&self.folder, id.run);
        self.open = plain.map(OpenSegment::new);
        match self.open {
            Some(_) => self.read_on(each),
            None => self.read_whole(id, each),
        }
    }

    fn read_whole(&mut self, id: SegmentId, each: &mut dyn FnMut(&Line<'_>) -> bool) -> Result<(), QueryError> {
        self.search.learn_form(&self.folder, id.run);
        let scanned = self.search.scan(&self.folder, id, each);
        scanned.map_err(|source| QueryError::Io { path: self.folder.plain(id), source })
    }

    fn read_on(&mut self, each: &mut dyn FnMut(&Line<'_>) -> bool) -> Result<(), QueryError> {
        let (Some(id), Some(open)) = (self.at, &mut self.open) else { return Ok(()) };
        while !self.search.is_done() {
            match open.next_line() {
                Ok(Some((number, line))) => self.search.take(id, number, line, each),
                Ok(None) => break,
                Err(source) => return Err(QueryError::Io { path: self.folder.plain(id), source }),
            }
        }
        Ok(())
    }
}

/// A file that grows; its name may go while it is held.
struct OpenSegment {
    file: File,
    /// Bytes of the file before `held`.
    offset: u64,
    held: Vec<u8>,
    /// Bytes of `held` that were taken.
    taken: usize,
    /// Lines taken.
    lines: u64,
}

impl OpenSegment {
    fn new(file: File) -> OpenSegment {
        OpenSegment { file, offset: 0, held: Vec::new(), taken: 0, lines: 0 }
    }

    /// The next whole line, without its LF, and its number from 1.
    fn next_line(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        let mut searched = self.taken;
        let end = loop {
            if let Some(end) = self.held[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + end;
            }
            self.offset += self.taken as u64;
            self.held.drain(..self.taken);
            self.taken = 0;
            searched = self.held.len();
            self.held.resize(searched + CHUNK, 0);
            let count = self.file.read_at(&mut self.held[searched..], self.offset + searched as u64)?;
            self.held.truncate(searched + count);
            if count == 0 {
                self.held.clear();
                return Ok(None);
            }
            if self.held.len() as u64 > MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
        };
        let line = self.taken..end;
        self.taken = end + 1;
        self.lines += 1;
        Ok(Some((self.lines, &self.held[line])))
    }
}
