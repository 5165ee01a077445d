//! The bytes of a list: in memory, or where they are many in the file alone.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use terms::{Digest, Hasher};

/// Bytes from which on a list of the plain format is not held in memory, beside what is made of it. Less in tests, which
/// would take long to write as much.
pub(super) const LONG: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// Bytes that are read at once.
pub(super) const PIECE: usize = 1 << 20;

/// Bytes in which a page of HTML tells itself.
const HEAD: u64 = 64 << 10;

#[derive(Debug)]
pub(crate) enum Body {
    Held(Vec<u8>),
    /// A file that is read whenever its bytes are wanted. They may be others by then: whoever wants them as they were
    /// compares digests. A name that another file is moved to leaves it alone.
    Long {
        file: File,
        size: u64,
    },
}

impl Body {
    pub fn size(&self) -> u64 {
        match self {
            Body::Held(bytes) => bytes.len() as u64,
            Body::Long { size, .. } => *size,
        }
    }

    /// Reads it from the start.
    pub fn reader(&self) -> impl Read + Send {
        Reader { body: self, at: 0 }.take(self.size())
    }

    /// What it begins with.
    pub fn head(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Body::Held(bytes) => Ok(Cow::Borrowed(bytes)),
            Body::Long { .. } => {
                let mut head = Vec::new();
                self.reader().take(HEAD).read_to_end(&mut head)?;
                Ok(Cow::Owned(head))
            }
        }
    }

    /// Whether its last line has an end.
    pub fn ends_line(&self) -> bool {
        let mut last = [0];
        match self.size().checked_sub(1) {
            Some(at) => self.read_at(&mut last, at).is_ok_and(|count| count == 1) && last == *b"\n",
            None => false,
        }
    }

    /// All of it, in memory. `None` where it is no longer what `hash` is of.
    pub fn bytes(&self, hash: Digest) -> io::Result<Option<Cow<'_, [u8]>>> {
        match self {
            Body::Held(bytes) => Ok(Some(Cow::Borrowed(bytes))),
            Body::Long { size, .. } => {
                let mut bytes = Vec::with_capacity(usize::try_from(*size).unwrap_or(0));
                self.reader().read_to_end(&mut bytes)?;
                Ok((Digest::of(&bytes) == hash).then_some(Cow::Owned(bytes)))
            }
        }
    }

    pub fn digest(&self) -> io::Result<Digested> {
        self.each_piece(|_| Ok(())).map_err(|error| match error {
            Failed::Read(error) | Failed::Taken(error) => error,
        })
    }

    /// Says what was written.
    pub fn write_to(&self, out: &mut impl Write) -> Result<Digested, Failed> {
        self.each_piece(|piece| out.write_all(piece))
    }

    fn each_piece(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<Digested, Failed> {
        let (mut source, mut hasher, mut size) = (self.reader(), Hasher::new(), 0);
        let mut buffer = vec![0; PIECE];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(Digested { hash: hasher.finish(), size }),
                Ok(count) => {
                    let piece = buffer.get(..count).unwrap_or_default();
                    hasher.update(piece);
                    size += count as u64;
                    take(piece).map_err(Failed::Taken)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failed::Read(error)),
            }
        }
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Body::Held(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                (&*rest).read(buffer)
            }
            Body::Long { file, .. } => file.read_at(buffer, at),
        }
    }
}

/// What was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digested {
    pub hash: Digest,
    /// Bytes.
    pub size: u64,
}

/// Which end of a copy failed.
#[derive(Debug)]
pub(crate) enum Failed {
    Read(io::Error),
    Taken(io::Error),
}

struct Reader<'b> {
    body: &'b Body,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
