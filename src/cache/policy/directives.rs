//! `Cache-Control` and `Pragma`, read so that a mistake in them never makes a cache bolder: of
//! duplicates the most restrictive counts, and a time that is no number is zero.

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

/// The directives of a response that bind this cache (RFC 9111 section 5.2.2).
///
/// The qualified forms of `private` and `no-cache` are taken as the unqualified ones, as the RFC notes
/// that caches do; that is the restrictive side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    /// Seconds.
    pub s_maxage: Option<u64>,
}

impl ResponseDirectives {
    pub fn read(fields: &HeaderMap) -> ResponseDirectives {
        let mut read = ResponseDirectives::default();
        for Directive { name, argument } in directives(fields) {
            match name.to_ascii_lowercase().as_slice() {
                b"no-store" => read.no_store = true,
                b"no-cache" => read.no_cache = true,
                b"private" => read.private = true,
                b"must-revalidate" => read.must_revalidate = true,
                b"proxy-revalidate" => read.proxy_revalidate = true,
                // These two loosen; with an argument that nobody defined they are something else.
                b"public" if argument.is_none() => read.public = true,
                b"must-understand" if argument.is_none() => read.must_understand = true,
                b"max-age" => read.max_age = least(read.max_age, seconds_or_none_left(argument)),
                b"s-maxage" => read.s_maxage = least(read.s_maxage, seconds_or_none_left(argument)),
                _ => {} // section 5.2.3: unrecognised directives are ignored
            }
        }
        read
    }
}

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
}

impl RequestDirectives {
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
                _ => {}
            }
        }
        // Section 5.4: Pragma counts where Cache-Control is absent.
        if !fields.contains_key(CACHE_CONTROL) {
            read.no_cache = fields
                .get_all(PRAGMA)
                .iter()
                .flat_map(|line| Words { rest: line.as_bytes() })
                .any(|word| word.eq_ignore_ascii_case(b"no-cache"));
        }
        read
    }
}

/// `name[=argument]`; the quotes round an argument are taken off.
#[derive(Debug, PartialEq, Eq)]
struct Directive<'a> {
    name: &'a [u8],
    argument: Option<&'a [u8]>,
}

fn directives(fields: &HeaderMap) -> impl Iterator<Item = Directive<'_>> {
    fields.get_all(CACHE_CONTROL).iter().flat_map(|line| Words { rest: line.as_bytes() }).map(|word| {
        match word.iter().position(|&byte| byte == b'=') {
            None => Directive { name: word, argument: None },
            Some(at) => Directive { name: &word[..at], argument: Some(unquoted(&word[at + 1..])) },
        }
    })
}

fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

/// Splits at commas outside quotes. Blanks and semicolons split too: who writes `private; max-age=60`
/// or forgets a comma meant two directives, and none of them may go unheard.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let separates = |byte: u8| matches!(byte, b',' | b';' | b' ' | b'\t');
        let start = self.rest.iter().position(|&byte| !separates(byte))?;
        let word = &self.rest[start..];
        let (mut quoted, mut escaped) = (false, false);
        let end = word.iter().position(|&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            !quoted && separates(byte)
        });
        let (word, rest) = word.split_at(end.unwrap_or(word.len()));
        self.rest = rest;
        Some(word)
    }
}

/// delta-seconds (RFC 9111 section 1.2.2): digits alone; what overflows is 2³¹.
fn seconds(argument: &[u8]) -> Option<u64> {
    if argument.is_empty() || !argument.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(argument).ok()?;
    Some(digits.parse::<u64>().map_or(MOST_SECONDS, |value| value.min(MOST_SECONDS)))
}

const MOST_SECONDS: u64 = 1 << 31;

/// Section 4.2.1: a response with invalid freshness information is better considered stale.
fn seconds_or_none_left(argument: Option<&[u8]>) -> u64 {
    argument.and_then(seconds).unwrap_or(0)
}

fn least(one: Option<u64>, other: u64) -> Option<u64> {
    Some(one.map_or(other, |one| one.min(other)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn fields(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (CACHE_CONTROL, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn response(lines: &[&str]) -> ResponseDirectives {
        ResponseDirectives::read(&fields(lines))
    }

    #[test]
    fn both_forms_of_an_argument_are_accepted() {
        for text in ["max-age=60", "max-age=\"60\"", "MAX-AGE=60", " , max-age=60,,"] {
            assert_eq!(response(&[text]).max_age, Some(60), "{text}");
        }
    }

    #[test]
    fn of_duplicates_the_most_restrictive_counts() {
        assert_eq!(response(&["max-age=60, max-age=5"]).max_age, Some(5));
        assert_eq!(response(&["max-age=5", "max-age=60"]).max_age, Some(5));
        assert_eq!(response(&["s-maxage=7, s-maxage=nonsense"]).s_maxage, Some(0));
    }

    #[test]
    fn broken_times_are_zero_and_overflow_is_long() {
        for text in ["max-age", "max-age=", "max-age=1.5", "max-age=-1", "max-age=+1", "max-age=\"60", "max-age = 60"] {
            assert_eq!(response(&[text]).max_age, Some(0), "{text}");
        }
        assert_eq!(response(&["max-age=99999999999999999999999"]).max_age, Some(1 << 31));
    }

    #[test]
    fn what_stands_in_quotes_is_no_directive() {
        let read = response(&["ext=\"no-store, \\\" private\", max-age=3"]);
        assert_eq!(read, ResponseDirectives { max_age: Some(3), ..Default::default() });
    }

    #[test]
    fn a_wrong_separator_hides_no_restriction() {
        for text in ["private; max-age=60", "max-age=60 private", "private max-age=60", "max-age=60;private"] {
            assert!(response(&[text]).private, "{text}");
        }
    }

    #[test]
    fn qualified_forms_count_as_unqualified() {
        let read = response(&["private=\"set-cookie\", no-cache=\"x-a, x-b\""]);
        assert!(read.private && read.no_cache);
    }

    #[test]
    fn a_request_says_how_stale_it_accepts() {
        let read = |text: &str| RequestDirectives::read(&fields(&[text])).max_stale;
        assert_eq!(read("max-stale"), Some(u64::MAX));
        assert_eq!(read("max-stale=30"), Some(30));
        assert_eq!(read("max-stale=soon"), Some(0));
        assert_eq!(read("max-stale, max-stale=30"), Some(30));
        assert_eq!(read("max-age=1"), None);
    }

    #[test]
    fn pragma_counts_without_cache_control_alone() {
        let mut some = HeaderMap::new();
        some.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        assert!(RequestDirectives::read(&some).no_cache);
        some.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        assert!(!RequestDirectives::read(&some).no_cache);
    }

    proptest! {
        #[test]
        fn any_value_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let some: HeaderMap = [(CACHE_CONTROL, value)].into_iter().collect();
                ResponseDirectives::read(&some);
                RequestDirectives::read(&some);
            }
        }

        #[test]
        fn a_line_more_never_loosens(one in "[a-z0-9=\", -]{0,40}", other in "(max-age=[0-9]{1,4}|no-store|private|s-maxage=[0-9x]{1,3})") {
            let before = response(&[&other]);
            let after = response(&[&one, &other]);
            prop_assert!(after.no_store >= before.no_store && after.private >= before.private);
            if let Some(age) = before.max_age {
                prop_assert!(after.max_age.is_some_and(|now| now <= age));
            }
        }
    }
}
