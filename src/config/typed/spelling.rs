//! The table of a site's spelling.

use terms::url::{EncodedSlash, PathParams};

use super::super::choice;
use super::super::reader::{At, Section};

/// What a site's origins take for the same URL.
#[derive(Debug)]
pub(in super::super) struct Spelling {
    pub(in super::super) ignore_case: Option<At<bool>>,
    pub(in super::super) ignore_query: Option<At<Vec<At<String>>>>,
    pub(in super::super) path_params: Option<At<PathParams>>,
    pub(in super::super) encoded_slash: Option<At<EncodedSlash>>,
}

impl Spelling {
    pub(super) fn read(mut spelling: Section<'_, '_, '_>) -> Option<Spelling> {
        let read = Spelling {
            ignore_case: spelling.flag("ignore_case"),
            ignore_query: spelling.texts("ignore_query"),
            path_params: spelling.choice("path_params", choice::PATH_PARAMS),
            encoded_slash: spelling.choice("encoded_slash", choice::ENCODED_SLASH),
        };
        spelling.end();
        Some(read)
    }
}
