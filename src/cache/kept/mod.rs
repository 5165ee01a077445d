//! What is stored, over a restart. [`Cache::write_kept`] writes it into a folder while the process comes to its
//! end, what was used again first; the next process [takes](Kept::take) it and
//! [takes it up](Cache::take_up) while it serves.
//!
//! `frames` holds the answers. It counts for nothing without `manifest.json`, which is written last, whole, once
//! no purge is under way; a purge that comes behind it removes it. Taking begins with the removal of both, before
//! anybody is served, so that no crash brings back what was purged meanwhile: who crashes starts cold.
//!
//! A body that is read back has the digest it had, or is dropped; so is what is blocked, of no use any more, of a
//! site that is another now, or older than what was fetched meanwhile.

#[cfg(any(test, feature = "checks"))]
pub mod checks;
mod frame;
mod meanwhile;
mod taking;
mod writing;

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use disk::durable;
use serde::{Deserialize, Serialize};
use terms::Timestamp;

use frame::Reading;

pub(crate) use meanwhile::Meanwhile;
pub use taking::{Calls, Judged, Refused, TakenUp, Taking};
pub use writing::{Bounds, Summary, Written};

const FRAMES: &str = "frames";
const MANIFEST: &str = "manifest.json";

/// Another format is another program's.
const FORMAT: u32 = 1;

/// The largest manifest, in bytes: each entry that it calls void takes some.
const MOST_MANIFEST: u64 = 64 * 1024 * 1024;

/// How far a clock may be behind that of the run before. One that was set back further can't tell how old
/// anything is.
const SLEW: Duration = Duration::from_secs(2);

/// What a site was like, as far as what it stores hangs on that. Sites with the same stamp may use each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub u64);

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    run: u64,
    written: Timestamp,
    /// Those of `frames`.
    bytes: u64,
    objects: u64,
    /// Frames, counted from 0, of what was there no more in the end.
    void: Vec<u32>,
}

/// What an earlier run has left.
pub struct Kept<R = BufReader<File>> {
    reading: Reading<R>,
    manifest: Manifest,
}

/// What stands in the folder can't be used. It is gone.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("it does not hold what was written there")]
    Damaged,
    #[error("another version of Seawall wrote it")]
    Format,
    #[error("it was written at {0}, which is still to come: the clock was set back")]
    Clock(Timestamp),
}

impl Kept {
    /// Takes what is in the folder: from now on nothing is there. `None`: there was nothing.
    ///
    /// # Errors
    ///
    /// If it can't be removed, which must not go on: a later start would find it.
    pub fn take(folder: &Path, now: Timestamp) -> io::Result<Option<Result<Kept, Unfit>>> {
        let manifest = read_manifest(&folder.join(MANIFEST));
        let frames = disk::open_regular(&folder.join(FRAMES));
        Kept::discard(folder)?;
        Ok(manifest.map(|manifest| open(manifest?, frames?, now)))
    }

    /// Removes what is in the folder.
    pub fn discard(folder: &Path) -> io::Result<()> {
        // Frames without a manifest count for nothing.
        for name in [MANIFEST, FRAMES] {
            let gone = durable::remove(&folder.join(name));
            gone.map_err(|error| io::Error::new(error.kind(), format!("{name} can't be removed: {error}")))?;
        }
        Ok(())
    }
}

/// `None`: there is none.
fn read_manifest(path: &Path) -> Option<Result<Manifest, Unfit>> {
    let file = match disk::open_regular(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        file => file,
    };
    Some(file.map_err(Unfit::from).and_then(read_manifest_in))
}

fn read_manifest_in(file: File) -> Result<Manifest, Unfit> {
    let mut bytes = Vec::new();
    file.take(MOST_MANIFEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_MANIFEST {
        return Err(Unfit::Damaged);
    }
    serde_json::from_slice(&bytes).map_err(|_| match format_of(&bytes) {
        Some(FORMAT) | None => Unfit::Damaged,
        Some(_) => Unfit::Format,
    })
}

/// Also of a manifest that is otherwise unlike this version's.
fn format_of(manifest: &[u8]) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    u32::try_from(value["format"].as_u64()?).ok()
}

fn open(manifest: Manifest, frames: File, now: Timestamp) -> Result<Kept, Unfit> {
    if manifest.format != FORMAT {
        return Err(Unfit::Format);
    }
    if manifest.written > now.plus(SLEW) {
        return Err(Unfit::Clock(manifest.written));
    }
    // A file that is shorter than it was ends where it ends.
    let length = manifest.bytes.min(frames.metadata()?.len());
    let reading = Reading::begin(BufReader::new(frames), length, manifest.run);
    Ok(Kept { reading: reading.map_err(|_| Unfit::Damaged)?, manifest })
}

impl From<io::Error> for Unfit {
    fn from(_: io::Error) -> Unfit {
        Unfit::Damaged
    }
}

/// Where a manifest that is in force lies, if one was written.
pub(crate) type InForce = parking_lot::Mutex<Option<PathBuf>>;

/// Something was taken out that a manifest may tell of: then it goes, and the next start is a cold one. It does
/// not last long enough for more to be worth its while.
pub(crate) fn revoke(in_force: &InForce) {
    if let Some(manifest) = in_force.lock().take() {
        // Just now it could be written.
        let _ = durable::remove(&manifest);
    }
}

#[cfg(test)]
mod tests;
