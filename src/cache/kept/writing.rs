//! Writing what is stored, when a process comes to its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use disk::durable;
use http::HeaderMap;
use terms::url::Scheme;
use terms::{Digest, Moment, Url};

use super::frame::{Content, Frame, Frames, Response, size_of_head};
use super::{FORMAT, FRAMES, Kept, MANIFEST, Manifest, Stamp};
use crate::Cache;
use crate::entry::{Entry, Whole};
use crate::memory::Used;

/// How much is written at a time.
const BUFFER: usize = 256 * 1024;

/// After so many bytes they are waited for: the deadline is one for the disk, not for the memory before it, and
/// others who use it are not held up by a gigabyte at once.
const SYNCED: u64 = 64 * 1024 * 1024;

/// What a writing is about, and how far it goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub run: u64,
    /// Of the file, at most.
    pub bytes: u64,
    pub now: Moment,
}

/// Answers that are on the disk, and count for nothing yet. Dropped, they are gone.
pub struct Written {
    cache: Cache,
    folder: PathBuf,
    pub(super) manifest: Manifest,
    /// What was written, frame by frame, and whether it was stale by a purge.
    entries: Vec<(Weak<Entry>, bool)>,
    in_force: bool,
}

/// What the next start will find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub objects: u64,
    /// Of the file.
    pub bytes: u64,
}

impl Cache {
    /// Writes what is stored into `folder`, what was used again first, up to the bounds or until `goes_on` says
    /// no, which is asked before each piece. What `stamp` knows no site of is left out. Blocks the thread.
    pub fn write_kept(
        &self,
        folder: &Path,
        bounds: Bounds,
        stamp: &dyn Fn(&Url) -> Option<Stamp>,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<Written> {
        Kept::discard(folder)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(FRAMES))?;
        let Bounds { run, now, .. } = bounds;
        let manifest = Manifest { format: FORMAT, run, written: now.wall, bytes: 0, objects: 0, void: Vec::new() };
        let (folder, entries) = (folder.to_owned(), Vec::new());
        let mut written = Written { cache: self.clone(), folder, manifest, entries, in_force: false };
        let mut frames = Frames::begin(BufWriter::with_capacity(BUFFER, file), run)?;
        written.manifest.bytes = frames.bytes;
        let order = self.0.memory.by_use();
        // A slice is of use with its record alone, which stands before it. Records are small.
        for records in [true, false] {
            for (used, key) in &order {
                let Some(variants) = self.0.memory.look(*key) else { continue };
                for entry in variants.entries().iter().filter(|entry| entry.slicing().is_some() == records) {
                    if !goes_on() || !written.write(&mut frames, entry, *used, &bounds, stamp, goes_on)? {
                        return written.close(frames);
                    }
                }
            }
        }
        written.close(frames)
    }
}

impl Written {
    /// Writes one entry, if it is worth it and fits. `false`: it was broken off.
    fn write(
        &mut self,
        frames: &mut Frames<BufWriter<File>>,
        entry: &Arc<Entry>,
        used: Used,
        bounds: &Bounds,
        stamp: &dyn Fn(&Url) -> Option<Stamp>,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<bool> {
        let Some(stamp) = stamp(entry.url()) else { return Ok(true) };
        let softened = entry.is_softened();
        let Some(head) = self.head(entry, used, stamp, softened, bounds.now) else { return Ok(true) };
        let body = entry.whole();
        let length = body.map_or(0, Whole::length);
        if frames.bytes.saturating_add(size_of_head(&head)).saturating_add(length) > bounds.bytes {
            return Ok(true);
        }
        frames.write_head(&head)?;
        for chunk in body.iter().flat_map(|body| body.chunks()) {
            if !goes_on() {
                return Ok(false);
            }
            frames.write(chunk)?;
        }
        if frames.bytes / SYNCED > self.manifest.bytes / SYNCED {
            frames.to.get_ref().sync_data()?;
        }
        self.manifest.bytes = frames.bytes;
        self.entries.push((Arc::downgrade(entry), softened));
        Ok(true)
    }

    /// The head of the frame of an entry, as it is written; `None` for what will be of no use.
    fn head(&self, entry: &Entry, used: Used, stamp: Stamp, softened: bool, now: Moment) -> Option<Vec<u8>> {
        let (url, fields) = (entry.url(), entry.fields());
        let body = entry.whole();
        let content = match (entry.slicing(), entry.cut_from()) {
            (Some(slicing), _) => Content::Record {
                response: response(entry, &fields, softened, now),
                size: slicing.size,
                length: slicing.length,
                version: slicing.version,
            },
            (None, Some(slicing)) => {
                // Without its record nobody finds it.
                self.cache.0.memory.record(url, slicing.version)?;
                let index = entry.place()?.parts.first()?.first / slicing.size.max(1);
                Content::Slice { version: slicing.version, index }
            }
            (None, None) => Content::Whole(response(entry, &fields, softened, now)),
        };
        // What was made here of another entry's bytes is made of them again.
        if entry.is_coded() || (body.is_none() && entry.slicing().is_none()) {
            return None;
        }
        let digest = body.map_or(Digest::of(b""), |body| body.digest);
        Frames::<File>::head(&Frame {
            https: url.scheme() == Scheme::Https,
            authority: url.authority(),
            target: url.target(),
            salt: url.salt().map(|salt| *salt.as_bytes()),
            stamp: stamp.0,
            used,
            fill: entry.fill(),
            length: body.map_or(0, Whole::length),
            digest: *digest.as_bytes(),
            content,
        })
    }

    fn close(mut self, frames: Frames<BufWriter<File>>) -> io::Result<Written> {
        let file = frames.finish()?;
        // What was broken off amid a frame.
        file.get_ref().set_len(self.manifest.bytes)?;
        file.get_ref().sync_data()?;
        self.manifest.objects = self.entries.len() as u64;
        Ok(self)
    }

    /// Puts in force what is still stored as it was written: the next start takes it up. To be called when clients
    /// and operators are gone; a purge that comes all the same revokes it. Blocks the thread.
    pub fn put_in_force(mut self) -> io::Result<Summary> {
        let cache = self.cache.clone();
        // A purge that is under way looks here when it is done.
        let mut in_force = cache.0.in_force.lock();
        let is_void = |(entry, softened): &(Weak<Entry>, bool)| {
            let entry = entry.upgrade().filter(|entry| cache.0.memory.has(entry));
            entry.is_none_or(|entry| entry.is_softened() != *softened)
        };
        let numbered = (0_u32..).zip(&self.entries);
        self.manifest.void = numbered.filter(|(_, entry)| is_void(entry)).map(|(number, _)| number).collect();
        self.manifest.objects -= self.manifest.void.len() as u64;
        let text = serde_json::to_vec(&self.manifest).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let path = self.folder.join(MANIFEST);
        durable::write(&path, &text)?;
        *in_force = Some(path);
        self.in_force = true;
        Ok(Summary { objects: self.manifest.objects, bytes: self.manifest.bytes })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.in_force {
            // Without a manifest it counts for nothing, and the next start removes it.
            let _ = fs::remove_file(self.folder.join(FRAMES));
        }
    }
}

fn response<'f>(entry: &'f Entry, fields: &'f HeaderMap, softened: bool, now: Moment) -> Response<'f> {
    let head = entry.head();
    Response {
        status: head.status.as_u16(),
        fields: fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        request: head.variant.request().map(|(name, value)| (name.as_str(), value)).collect(),
        freshness: head.stored.freshness.kept(now),
        had_age: head.had_age,
        softened,
        departures: head.departures.bits(),
    }
}
