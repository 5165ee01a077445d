use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

use terms::Ask;

use super::syntax::{Directive, directives, least, seconds, seconds_or_none_left, words};

/// The directives of a request (RFC 9111 section 5.2.1). They are advice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    pub no_store: bool,
    pub no_cache: bool,
    pub only_if_cached: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    /// Seconds.
    pub min_fresh: Option<u64>,
    /// Seconds of staleness that are accepted; `u64::MAX` where any is.
    pub max_stale: Option<u64>,
    /// Seconds of staleness that are accepted where the origin fails (RFC 5861 section 4).
    pub stale_if_error: Option<u64>,
}

impl RequestDirectives {
    pub fn of(ask: &Ask) -> RequestDirectives {
        if ask.present.cache_control { RequestDirectives::read(&ask.fields) } else { RequestDirectives::default() }
    }

    pub fn read(fields: &HeaderMap) -> RequestDirectives {
        let mut read = RequestDirectives::default();
        for Directive { name, argument } in directives(fields) {
            match name.to_ascii_lowercase().as_slice() {
                b"no-store" => read.no_store = true,
                b"no-cache" => read.no_cache = true,
                b"only-if-cached" => read.only_if_cached = true,
                b"max-age" => read.max_age = least(read.max_age, seconds_or_none_left(argument)),
                b"min-fresh" => {
                    read.min_fresh = read.min_fresh.max(Some(argument.and_then(seconds).unwrap_or(u64::MAX)));
                }
                b"max-stale" => {
                    let accepted = argument.map_or(u64::MAX, |argument| seconds(argument).unwrap_or(0));
                    read.max_stale = least(read.max_stale, accepted);
                }
                b"stale-if-error" => {
                    read.stale_if_error = least(read.stale_if_error, argument.and_then(seconds).unwrap_or(0));
                }
                _ => {}
            }
        }
        // Section 5.4: Pragma counts where Cache-Control is absent.
        if !fields.contains_key(CACHE_CONTROL) {
            let mut pragmas = fields.get_all(PRAGMA).iter().flat_map(|line| words(line.as_bytes()));
            read.no_cache = pragmas.any(|word| word.eq_ignore_ascii_case(b"no-cache"));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[test]
    fn a_request_says_how_stale_it_accepts() {
        let read = |text: &str| RequestDirectives::read(&fields(&[("cache-control", text)])).max_stale;
        assert_eq!(read("max-stale"), Some(u64::MAX));
        assert_eq!(read("max-stale=30"), Some(30));
        assert_eq!(read("max-stale=soon"), Some(0));
        assert_eq!(read("max-stale, max-stale=30"), Some(30));
        assert_eq!(read("max-age=1"), None);
    }

    #[test]
    fn pragma_counts_without_cache_control_alone() {
        let read = |lines: &[(&'static str, &str)]| RequestDirectives::read(&fields(lines)).no_cache;
        assert!(read(&[("pragma", "no-cache")]));
        assert!(!read(&[("pragma", "no-cache"), ("cache-control", "max-age=1")]));
    }
}
