//! Paths: which segments they have, in each way in which a server may read them.

use super::UrlError;
use super::escapes::{CLASSES, Class, escape, push_escaped};
use super::spelling::{EncodedSlash, PathParams, Spelling};

/// Whether a path is its own canonical form, as nearly every path is. Without a branch that depends on a byte, since
/// each URL of a list and each request's comes through here.
pub(super) fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let (mut is_plain, mut before) = (true, Place::Within);
    for &byte in bytes {
        let place = PLACES[usize::from(byte)];
        is_plain &= place != Place::Unfit && (place < Place::Dot || before != Place::Slash);
        before = place;
    }
    is_plain && bytes.first() == Some(&b'/') && (before != Place::Slash || bytes.len() == 1)
}

/// Where a byte may stand in a plain path.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Place {
    Unfit,
    Within,
    /// Not right behind a slash, as the slash itself.
    Dot,
    Slash,
}

const PLACES: [Place; 256] = {
    let mut places = [Place::Unfit; 256];
    let mut byte = 0;
    while byte < 256 {
        places[byte] = match byte as u8 {
            b'/' => Place::Slash,
            b'.' => Place::Dot,
            b'=' | b'+' | b'&' => Place::Within,
            _ if matches!(CLASSES[byte], Class::Plain) => Place::Within,
            _ => Place::Unfit,
        };
        byte += 1;
    }
    places
};

/// The canonical path, and others that it could be read as, which are few and differ from it.
pub(super) fn readings(path: &str, spelling: &Spelling) -> Result<(String, Vec<String>), UrlError> {
    let bytes = decode(path)?;
    let usual = Reading::usual(spelling);
    let main = join(&usual.segments(&bytes), spelling.ignore_case);
    let mut others: Vec<String> = Vec::new();
    let mut add = |path: String| {
        if path != main && !others.contains(&path) {
            others.push(path);
        }
    };
    let has_dots = usual.split(&bytes).any(|segment| usual.without_params(segment) == b"..");
    let is_doubtful = has_dots || has_separator_in_params(&bytes);
    let mut texts = vec![bytes];
    if is_doubtful {
        // One server may hand on to another, which tells as much apart as a site may say.
        read_on(&mut texts, Reading::others(usual));
        let stricter: Vec<Reading> = usual.stricter(&texts[0]).collect();
        read_on(&mut texts, stricter.into_iter());
    }
    for last in usual.last(&texts[0]) {
        texts.iter().for_each(|text| add(join(&last.segments(text), spelling.ignore_case)));
    }
    Ok((main, others))
}

/// Adds what each reading makes of each text, once.
fn read_on(texts: &mut Vec<Vec<u8>>, readings: impl Iterator<Item = Reading> + Clone) {
    for at in 0..texts.len() {
        for reading in readings.clone() {
            let read = reading.segments(&texts[at]).join(&b'/');
            if !texts.contains(&read) {
                texts.push(read);
            }
        }
    }
}

/// Whether `;params` could end behind what separates segments for some servers: in `/a;x%2Fy`.
fn has_separator_in_params(path: &[u8]) -> bool {
    let begins = |byte: &u8| matches!(*byte, b';' | ENCODED_SEMICOLON);
    let params = path.iter().position(begins).map_or(&[][..], |at| &path[at..]);
    params.iter().any(|byte| matches!(*byte, b'\\' | ENCODED_SLASH | ENCODED_BACKSLASH))
}

/// What the usual reading makes of a path, step by step: as text, decoded once; less what is no segment; and in
/// lower case, where case says nothing.
pub(super) fn steps(path: &str, spelling: &Spelling) -> Result<[String; 3], UrlError> {
    let bytes = decode(path)?;
    let segments = Reading::usual(spelling).segments(&bytes);
    Ok([shown(&bytes), join(&segments, false), join(&segments, spelling.ignore_case)])
}

/// A decoded path as text: what separates or ends a segment only where it was escaped is shown so.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            ENCODED_SLASH => text.push_str("%2F"),
            ENCODED_BACKSLASH => text.push_str("%5C"),
            ENCODED_SEMICOLON => text.push_str("%3B"),
            b'/' | b'\\' | b';' | b'=' | b'+' | b'&' => text.push(byte as char),
            _ => push_escaped(&mut text, byte),
        }
    }
    text
}

/// Encoded separators, once decoded, are kept apart from raw ones: control characters are refused in
/// paths, so these bytes are free to stand for them.
const ENCODED_SLASH: u8 = 1;
const ENCODED_BACKSLASH: u8 = 2;
const ENCODED_SEMICOLON: u8 = 3;

/// Takes every escape away, once.
fn decode(path: &str) -> Result<Vec<u8>, UrlError> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let decoded = escape(&mut rest)?;
        bytes.push(match decoded {
            b'/' => ENCODED_SLASH,
            b'\\' => ENCODED_BACKSLASH,
            b';' => ENCODED_SEMICOLON,
            0..0x20 | 0x7f => return Err(UrlError::Control),
            other => other,
        });
    }
    Ok(bytes)
}

/// One way in which a server may read a path.
#[derive(Clone, Copy)]
struct Reading {
    encoded_separates: bool,
    backslash_separates: bool,
    /// Empty segments go before dots are resolved (nginx), not after (RFC 3986 section 5.2.4).
    empties_first: bool,
    /// `..;x` is `..` (Tomcat), not a name.
    params_first: bool,
}

impl Reading {
    /// The one that merges most of what the spelling doesn't tell apart.
    fn usual(spelling: &Spelling) -> Reading {
        Reading {
            encoded_separates: spelling.encoded_slash == EncodedSlash::Slash,
            backslash_separates: true,
            empties_first: true,
            params_first: spelling.path_params == PathParams::Ignored,
        }
    }

    /// All that tell more apart.
    fn others(usual: Reading) -> impl Iterator<Item = Reading> + Clone {
        (0..15_u8).map(move |bits| Reading {
            encoded_separates: usual.encoded_separates && bits & 1 != 0,
            backslash_separates: bits & 2 != 0,
            empties_first: bits & 4 != 0,
            params_first: usual.params_first && bits & 8 != 0,
        })
    }

    /// Those that are usual where a site tells more apart, as far as they differ from this one for a path.
    fn stricter(self, path: &[u8]) -> impl Iterator<Item = Reading> {
        let has_encoded = path.iter().any(|byte| matches!(*byte, ENCODED_SLASH | ENCODED_BACKSLASH));
        let has_params = path.iter().any(|byte| matches!(*byte, b';' | ENCODED_SEMICOLON));
        let by_separators = std::iter::once(self)
            .chain((self.encoded_separates && has_encoded).then_some(Reading { encoded_separates: false, ..self }));
        let by_params = by_separators.flat_map(move |one| {
            let params = Reading { params_first: false, ..one };
            std::iter::once(one).chain((one.params_first && has_params).then_some(params))
        });
        let has_raw = path.contains(&b'\\');
        by_params.flat_map(move |one| {
            let raw = (!one.encoded_separates && has_raw).then_some(Reading { backslash_separates: false, ..one });
            std::iter::once(one).chain(raw)
        })
    }

    /// By what the segments are told in the end. Where an encoded `\` is a part of a name, a raw one may be, too.
    fn last(self, path: &[u8]) -> impl Iterator<Item = Reading> {
        let is_doubtful = !self.encoded_separates && path.contains(&b'\\');
        std::iter::once(self).chain(is_doubtful.then_some(Reading { backslash_separates: false, ..self }))
    }

    fn separates(self, byte: u8) -> bool {
        match byte {
            b'/' => true,
            b'\\' => self.backslash_separates,
            ENCODED_SLASH => self.encoded_separates,
            ENCODED_BACKSLASH => self.encoded_separates && self.backslash_separates,
            _ => false,
        }
    }

    fn split(self, path: &[u8]) -> impl Iterator<Item = &[u8]> {
        path.split(move |&byte| self.separates(byte))
    }

    fn without_params(self, segment: &[u8]) -> &[u8] {
        if !self.params_first {
            return segment;
        }
        segment.split(|&byte| byte == b';' || byte == ENCODED_SEMICOLON).next().unwrap_or_default()
    }

    /// The segments that are left once dots are resolved. The first one is always empty in what comes
    /// back, so that joining them gives a path.
    fn segments(self, path: &[u8]) -> Vec<&[u8]> {
        let mut kept: Vec<&[u8]> = vec![b""];
        for segment in self.split(path).skip(1) {
            match self.without_params(segment) {
                b"." => {}
                b".." if kept.len() > 1 => {
                    kept.pop();
                }
                b".." => {}
                b"" if self.empties_first => {}
                segment => kept.push(segment),
            }
        }
        kept
    }
}

/// The canonical path of resolved segments.
fn join(segments: &[&[u8]], in_lower_case: bool) -> String {
    let mut path = String::new();
    for segment in segments.iter().filter(|segment| !segment.is_empty()) {
        path.push('/');
        match in_lower_case {
            false => segment.iter().for_each(|&byte| push(&mut path, byte)),
            true => push_in_lower_case(&mut path, segment),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

fn push(path: &mut String, byte: u8) {
    match byte {
        b'=' | b'+' | b'&' | b';' => path.push(byte as char),
        ENCODED_SEMICOLON => path.push(';'),
        ENCODED_SLASH => path.push_str("%2F"),
        ENCODED_BACKSLASH => path.push_str("%5C"),
        _ => push_escaped(path, byte),
    }
}

/// Of what is no UTF-8 nobody knows the case.
fn push_in_lower_case(path: &mut String, segment: &[u8]) {
    for chunk in segment.utf8_chunks() {
        let mut buffer = [0; 4];
        for character in chunk.valid().chars() {
            lower(character).encode_utf8(&mut buffer).bytes().for_each(|byte| push(path, byte));
        }
        chunk.invalid().iter().for_each(|&byte| push(path, byte));
    }
}

/// One letter for all that some file system or other takes for it: by way of its upper case, as Windows compares.
fn lower(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let upper = only(character.to_uppercase()).unwrap_or(character);
    only(upper.to_lowercase()).unwrap_or(upper)
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next();
    first.filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_plain_has_one_reading_which_is_itself(path in "/?([a-cA/.;:@*=+&!~-]|%2[EF]|\\\\|é| |\u{1}){0,8}") {
            if is_plain(&path) {
                prop_assert_eq!(readings(&path, &Spelling::USUAL), Ok((path, Vec::new())));
            }
        }
    }

    #[test]
    fn usual_paths_are_plain() {
        for path in ["/", "/a", "/a/b.c/-_~", "/a:b@c/*!$'(),", "/=&+"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "a", "//", "/a/", "/a//b", "/.", "/a/.b", "/..", "/a;b", "/%41", "/a\\b"] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn lower_case_is_its_own_lower_case() {
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let once = lower(character);
            assert_eq!(lower(once), once, "{character:?}");
            assert!(!once.is_ascii_punctuation() || once == character, "{character:?}");
        }
        for (character, same) in [('A', 'a'), ('É', 'é'), ('Σ', 'ς'), ('K', 'k'), ('ſ', 's'), ('Я', 'я')] {
            assert_eq!(lower(character), lower(same), "{character}");
        }
    }
}
