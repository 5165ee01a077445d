//! What the log counts, for the roof to show.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize};

#[derive(Debug, Default)]
pub struct Numbers {
    /// Records and events that wait for the writer.
    pub queue: AtomicUsize,
    /// Records for which there was no room, or which could not be written before the end.
    pub shed: AtomicU64,
    pub lines: AtomicU64,
    /// Bytes of lines written, with their LF, before compression.
    pub bytes: AtomicU64,
    pub segments_sealed: AtomicU64,
    pub write_failures: AtomicU64,
    pub pack_failures: AtomicU64,
    /// Writing fails at the moment.
    pub failing: AtomicBool,
    /// `seq` of the last line written, and of the last that was on the disk at a sync.
    pub written_seq: AtomicU64,
    pub synced_seq: AtomicU64,
    /// Microseconds since 1970-01-01 UTC: what ended before that is on the disk.
    pub settled_until: AtomicI64,
}
