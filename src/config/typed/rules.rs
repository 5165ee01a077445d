//! The table of a site's cache rules, and those within it.

use std::time::Duration;

use super::super::errors::Span;
use super::super::reader::{At, Section};

/// What the cache does for this site otherwise than the standard says.
#[derive(Debug, Default)]
pub(in super::super) struct Rules {
    pub(in super::super) ttl: Option<At<Duration>>,
    pub(in super::super) max_ttl: Option<At<Duration>>,
    pub(in super::super) negative: Option<Negative>,
    pub(in super::super) heuristics: Option<At<bool>>,
    pub(in super::super) ignore_query: Option<At<Vec<At<String>>>>,
    pub(in super::super) sort_query: Option<At<bool>>,
    pub(in super::super) key_cookies: Option<At<Vec<At<String>>>>,
    pub(in super::super) bypass: Option<Bypass>,
    pub(in super::super) collapse: Option<At<bool>>,
    pub(in super::super) stale_with_s_maxage: Option<At<bool>>,
    pub(in super::super) show_key: Option<At<bool>>,
}

/// How long errors hold.
#[derive(Debug)]
pub(in super::super) struct Negative {
    pub(in super::super) ttl: Option<At<Duration>>,
    pub(in super::super) statuses: Option<At<Vec<At<u64>>>>,
}

/// What goes past the cache.
#[derive(Debug)]
pub(in super::super) struct Bypass {
    pub(in super::super) at: Span,
    pub(in super::super) paths: Option<At<Vec<At<String>>>>,
    pub(in super::super) cookies: Option<At<Vec<At<String>>>>,
    pub(in super::super) fields: Option<At<Vec<At<String>>>>,
}

impl Rules {
    pub(super) fn read(mut rules: Section<'_, '_, '_>) -> Option<Rules> {
        let read = Rules {
            ttl: rules.duration("ttl"),
            max_ttl: rules.duration("max_ttl"),
            negative: rules.inner("negative", "site.cache.negative", Negative::read),
            heuristics: rules.flag("heuristics"),
            ignore_query: rules.texts("ignore_query"),
            sort_query: rules.flag("sort_query"),
            key_cookies: rules.texts("key_cookies"),
            bypass: rules.inner("bypass", "site.cache.bypass", Bypass::read),
            collapse: rules.flag("collapse"),
            stale_with_s_maxage: rules.flag("stale_with_s_maxage"),
            show_key: rules.flag("show_key"),
        };
        rules.end();
        Some(read)
    }
}

impl Negative {
    fn read(mut negative: Section<'_, '_, '_>) -> Option<Negative> {
        negative.require("ttl", "write negative = { ttl = \"10s\" }");
        let read = Negative { ttl: negative.duration("ttl"), statuses: negative.numbers("statuses") };
        negative.end();
        Some(read)
    }
}

impl Bypass {
    fn read(mut bypass: Section<'_, '_, '_>) -> Option<Bypass> {
        let read = Bypass {
            at: bypass.at.clone(),
            paths: bypass.texts("paths"),
            cookies: bypass.texts("cookies"),
            fields: bypass.texts("fields"),
        };
        bypass.end();
        Some(read)
    }
}
