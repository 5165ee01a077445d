//! What must hold for any bytes in a file of kept answers. Property tests call these, and the fuzz target `kept` has
//! nothing else in it; a violated check panics.

use std::io::Cursor;
use std::sync::OnceLock;
use std::time::Instant;

use terms::{Digest, Moment, Timestamp};

use super::frame::{Frames, Reading};
use super::{Calls, FORMAT, Judged, Kept, Manifest};
use crate::{Cache, Caching, Numbers, Settings};

/// Less than some frames say that they need.
const MEMORY: u64 = 1 << 20;

const RUN: u64 = 7;

/// A file of any bytes is taken up as far as it is one, and the memory's bound holds.
pub fn file(bytes: &[u8]) {
    taken_up(bytes);
}

/// The same of one that begins as it should, and whose frames' heads are what was written: these bytes.
pub fn frame(head: &[u8], body: &[u8]) {
    let mut bytes = Vec::new();
    let written = Frames::begin(&mut bytes, RUN).and_then(|mut frames| {
        frames.write_head(head)?;
        frames.write(body)?;
        frames.write_head(head)?;
        frames.write(body)?;
        frames.finish().map(drop)
    });
    assert!(written.is_ok());
    taken_up(&bytes);
}

fn taken_up(bytes: &[u8]) {
    static STEADY: OnceLock<Instant> = OnceLock::new();
    let now = Moment { wall: Timestamp::from_secs(1_790_000_000), steady: *STEADY.get_or_init(Instant::now) };
    let length = bytes.len() as u64;
    let Ok(reading) = Reading::begin(Cursor::new(bytes), length, RUN) else { return };
    let manifest =
        Manifest { format: FORMAT, run: RUN, written: now.wall, bytes: length, objects: 0, void: Vec::new() };
    let cache = Cache::new(Settings { memory: MEMORY, max_object: MEMORY / 8, keep: true, keep_max: MEMORY });
    let told = std::cell::Cell::new(0);
    cache.take_up(Kept { reading, manifest }).run(&Calls {
        judge: &|_, _, _| Judged::Stays(Caching { slices: Some(1), store_set_cookie: true, ..Caching::default() }),
        told: &|taken| {
            let at = bytes.windows(usize::try_from(taken.bytes).unwrap_or(usize::MAX).max(1));
            let is_there = taken.bytes == 0 || at.map(Digest::of).any(|digest| digest == taken.digest);
            assert!(is_there, "a body that is not in the file");
            told.set(told.get() + 1);
        },
        goes_on: &|| true,
        now: &|| now,
    });
    let numbers = cache.numbers();
    assert!(Numbers::read(&numbers.bytes) <= MEMORY, "the memory's bound");
    assert!(Numbers::read(&numbers.objects) >= told.get(), "told of more than there is");
    assert_eq!(Numbers::read(&numbers.objects), Numbers::read(&numbers.kept.objects));
}
