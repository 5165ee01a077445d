//! How a stored answer lies in a file: the length of a head, the head, its SHA-256, and the body.
//!
//! A file is read as if a stranger had written it. Nothing in it is believed but what a digest vouches for, and
//! no length but one within its bounds.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use terms::Digest;

use crate::memory::Used;
use crate::policy::freshness::KeptFreshness;

/// The largest head, in bytes: some times what edges let pass.
pub const MOST_HEAD: usize = 256 * 1024;

/// How many bytes are read at a time: as large as chunks at rest are.
const PIECE: u64 = 64 * 1024;

/// What a file begins with; the last byte is the format's number.
const MAGIC: [u8; 16] = *b"seawall-frames\n\x01";

/// Of one entry. What can be told from its fields is not in it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame<'f> {
    pub https: bool,
    pub authority: &'f str,
    pub target: &'f str,
    pub salt: Option<[u8; 32]>,
    /// See [`Stamp`](super::Stamp).
    pub stamp: u64,
    pub used: Used,
    /// Of the run that wrote it.
    pub fill: u64,
    /// Bytes of the body that stands behind it, and their SHA-256.
    pub length: u64,
    pub digest: [u8; 32],
    #[serde(borrow)]
    pub content: Content<'f>,
}

impl Frame<'_> {
    /// It was purged softly.
    pub fn is_softened(&self) -> bool {
        match &self.content {
            Content::Whole(response) | Content::Record { response, .. } => response.softened,
            Content::Slice { .. } => false,
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Content<'f> {
    Whole(#[serde(borrow)] Response<'f>),
    /// What is known of an object in slices. It has no body.
    Record {
        #[serde(borrow)]
        response: Response<'f>,
        size: u64,
        length: u64,
        version: u64,
    },
    /// One of them. It stands behind its record.
    Slice {
        version: u64,
        index: u64,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Response<'f> {
    pub status: u16,
    #[serde(borrow)]
    pub fields: Vec<(&'f str, &'f [u8])>,
    /// Those of a request that it answers, as far as it varies by them.
    #[serde(borrow)]
    pub request: Vec<(&'f str, &'f [u8])>,
    pub freshness: KeptFreshness,
    pub had_age: bool,
    pub softened: bool,
    pub departures: u16,
}

/// A file ends amid a frame, or holds what nobody wrote there.
#[derive(Debug, PartialEq, Eq)]
pub struct Torn;

impl From<io::Error> for Torn {
    fn from(_: io::Error) -> Torn {
        Torn
    }
}

/// Writes frames, and counts their bytes.
pub struct Frames<W> {
    pub to: W,
    pub bytes: u64,
}

impl<W: Write> Frames<W> {
    /// `run` ties the file to what tells of it elsewhere.
    pub fn begin(mut to: W, run: u64) -> io::Result<Frames<W>> {
        to.write_all(&MAGIC)?;
        to.write_all(&run.to_le_bytes())?;
        Ok(Frames { to, bytes: (MAGIC.len() + size_of::<u64>()) as u64 })
    }

    /// The head of a frame, ready to be written; `None` if it is too large.
    pub fn head(frame: &Frame<'_>) -> Option<Vec<u8>> {
        postcard::to_allocvec(frame).ok().filter(|head| head.len() <= MOST_HEAD)
    }

    pub fn write_head(&mut self, head: &[u8]) -> io::Result<()> {
        let length = u32::try_from(head.len()).map_err(|_| ErrorKind::InvalidInput)?;
        self.write(&length.to_le_bytes())?;
        self.write(head)?;
        self.write(Digest::of(head).as_bytes())
    }

    /// A piece of the body.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

/// What a frame of so many bytes of head takes beside its body.
pub fn size_of_head(head: &[u8]) -> u64 {
    (size_of::<u32>() + head.len() + size_of::<Digest>()) as u64
}

/// Reads them back.
pub struct Reading<R> {
    from: R,
    left: u64,
}

impl<R: Read + Seek> Reading<R> {
    /// Of a file of `length` bytes, which has to be the one of this run.
    pub fn begin(mut from: R, length: u64, run: u64) -> Result<Reading<R>, Torn> {
        let (mut magic, mut written) = ([0; MAGIC.len()], [0; size_of::<u64>()]);
        from.read_exact(&mut magic)?;
        from.read_exact(&mut written)?;
        if magic != MAGIC || u64::from_le_bytes(written) != run {
            return Err(Torn);
        }
        Ok(Reading { from, left: length.saturating_sub((magic.len() + written.len()) as u64) })
    }

    /// The next frame's head, which lies in `head` then. Its body is to be read, or skipped, before the next.
    pub fn next<'h>(&mut self, head: &'h mut Vec<u8>) -> Result<Option<Frame<'h>>, Torn> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut length = [0; size_of::<u32>()];
        self.read(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Torn)?;
        if length > MOST_HEAD {
            return Err(Torn);
        }
        head.resize(length, 0);
        self.read(head)?;
        let mut digest = [0; size_of::<Digest>()];
        self.read(&mut digest)?;
        if Digest::of(head) != Digest::from_bytes(digest) {
            return Err(Torn);
        }
        let frame: Frame<'h> = postcard::from_bytes(head).map_err(|_| Torn)?;
        if frame.length > self.left {
            return Err(Torn);
        }
        Ok(Some(frame))
    }

    /// Reads a body, piece by piece.
    pub fn body(&mut self, mut length: u64, mut take: impl FnMut(&[u8])) -> Result<(), Torn> {
        let mut piece = vec![0; usize::try_from(PIECE.min(length)).map_err(|_| Torn)?];
        while length > 0 {
            let size = PIECE.min(length);
            let piece = &mut piece[..usize::try_from(size).map_err(|_| Torn)?];
            self.read(piece)?;
            take(piece);
            length -= size;
        }
        Ok(())
    }

    /// Bytes of the file that were not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    pub fn skip(&mut self, length: u64) -> Result<(), Torn> {
        self.left = self.left.checked_sub(length).ok_or(Torn)?;
        self.from.seek(SeekFrom::Current(i64::try_from(length).map_err(|_| Torn)?))?;
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Torn> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Torn)?;
        Ok(self.from.read_exact(bytes)?)
    }
}
