//! Reading a segment's lines, whether it is compressed yet or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::files::{Folder, SegmentId};

/// A line longer than this is damage: no URL and no receipt comes near it.
pub const MAX_LINE: u64 = 64 * 1024 * 1024;

/// How a segment lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Packed,
}

/// What comes next in a segment.
#[derive(Debug)]
pub enum Next<'a> {
    /// A whole line without its LF.
    Line(&'a [u8]),
    /// Bytes without an LF at the very end.
    Torn,
    End,
}

/// The lines of one segment, in order.
pub struct Lines {
    source: Box<dyn BufRead>,
    kind: Kind,
    buffer: Vec<u8>,
}

impl Lines {
    /// A segment may be packed between two looks, so both names are tried.
    pub fn open(folder: &Folder, id: SegmentId) -> io::Result<Lines> {
        if let Some(file) = found(File::open(folder.packed(id)))? {
            return Lines::packed(file);
        }
        match found(File::open(folder.plain(id)))? {
            Some(file) => Ok(Lines::plain(file)),
            None => Lines::packed(File::open(folder.packed(id))?),
        }
    }

    pub fn plain(file: File) -> Lines {
        Lines { source: Box::new(BufReader::with_capacity(128 * 1024, file)), kind: Kind::Plain, buffer: Vec::new() }
    }

    pub fn packed(file: File) -> io::Result<Lines> {
        let decoder = zstd::Decoder::new(file)?;
        let source = Box::new(BufReader::with_capacity(128 * 1024, decoder));
        Ok(Lines { source, kind: Kind::Packed, buffer: Vec::new() })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn next(&mut self) -> io::Result<Next<'_>> {
        self.buffer.clear();
        let count = (&mut self.source).take(MAX_LINE).read_until(b'\n', &mut self.buffer)?;
        match self.buffer.split_last() {
            None => Ok(Next::End),
            Some((b'\n', line)) => Ok(Next::Line(line)),
            Some(_) if count as u64 == MAX_LINE => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"))
            }
            Some(_) => Ok(Next::Torn),
        }
    }
}

/// Whether an error tells of damaged bytes, not of a failing disk.
pub fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

pub fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
