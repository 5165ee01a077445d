//! The words of `Cache-Control`, read so that a mistake hides no restriction.

use http::header::{CACHE_CONTROL, HeaderMap};

/// `name[=argument]`; the quotes round an argument are taken off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    pub name: &'a [u8],
    pub argument: Option<&'a [u8]>,
}

pub(super) fn directives(fields: &HeaderMap) -> impl Iterator<Item = Directive<'_>> {
    fields.get_all(CACHE_CONTROL).iter().flat_map(|line| words(line.as_bytes())).map(|word| {
        match word.iter().position(|&byte| byte == b'=') {
            None => Directive { name: word, argument: None },
            Some(at) => Directive { name: &word[..at], argument: Some(unquoted(&word[at + 1..])) },
        }
    })
}

fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    Words { rest: line }
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
        // A quote that never ends must not swallow what stands behind it.
        let end = end.or_else(|| word.iter().position(|&byte| quoted && separates(byte)));
        let (word, rest) = word.split_at(end.unwrap_or(word.len()));
        self.rest = rest;
        Some(word)
    }
}

/// delta-seconds (RFC 9111 section 1.2.2): digits alone; what overflows is 2³¹.
pub(super) fn seconds(argument: &[u8]) -> Option<u64> {
    if argument.is_empty() || !argument.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(argument).ok()?;
    Some(digits.parse::<u64>().map_or(MOST_SECONDS, |value| value.min(MOST_SECONDS)))
}

pub(super) const MOST_SECONDS: u64 = 1 << 31;

/// Section 4.2.1: a response with invalid freshness information is better considered stale.
pub(super) fn seconds_or_none_left(argument: Option<&[u8]>) -> u64 {
    argument.and_then(seconds).unwrap_or(0)
}

pub(super) fn least(one: Option<u64>, other: u64) -> Option<u64> {
    Some(one.map_or(other, |one| one.min(other)))
}
