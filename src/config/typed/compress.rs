//! What a site has compressed, as it is written.

use super::super::reader::{At, Section};

#[derive(Debug)]
pub(in super::super) struct Compress {
    pub(in super::super) codings: Option<At<Vec<At<String>>>>,
    pub(in super::super) types: Option<At<Vec<At<String>>>>,
    pub(in super::super) min_length: Option<At<u64>>,
}

impl Compress {
    pub(super) fn read(mut compress: Section<'_, '_, '_>) -> Option<Compress> {
        let read = Compress {
            codings: compress.texts("codings"),
            types: compress.texts("types"),
            min_length: compress.size("min_length"),
        };
        compress.end();
        Some(read)
    }
}
