//! The table of what the cache may take.

use super::super::reader::{At, Section};

#[derive(Debug)]
pub(in super::super) struct Cache {
    pub(in super::super) memory: Option<At<u64>>,
    pub(in super::super) max_object: Option<At<u64>>,
    pub(in super::super) keep: Option<At<bool>>,
    pub(in super::super) keep_max: Option<At<u64>>,
}

impl Cache {
    pub(super) fn read(mut cache: Section<'_, '_, '_>) -> Cache {
        let read = Cache {
            memory: cache.size("memory"),
            max_object: cache.size("max_object"),
            keep: cache.flag("keep"),
            keep_max: cache.size("keep_max"),
        };
        cache.end();
        read
    }
}
