//! Folding: every spelling that a server could take for the same resource becomes one text.
//!
//! Servers differ in what separates segments (`/`, `\`, an encoded slash), in whether empty segments
//! count, and in whether `;params` go before or after dots are resolved. A single text can merge all
//! that, but for one case: what `..` takes away depends on what counted as a segment before it. Such
//! a path has several readings, and a rule that covers any of them covers the request.

use super::UrlError;

const SCHEME: &str = "https://";

/// A canonical URL: `https://host/path?query`.
///
/// The path has no empty segment, no `.` or `..`, no `;params`, no `/` at its end unless it is the
/// root; escapes stand only for bytes that can't stand for themselves. The query's pairs are sorted
/// and each stands once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Folded {
    text: Box<str>,
    host_end: u32,
    path_end: u32,
}

impl Folded {
    fn new(host: &str, path: &str, query: Option<&str>) -> Folded {
        let length = SCHEME.len() + host.len() + path.len() + query.map_or(0, |query| query.len() + 1);
        let mut text = String::with_capacity(length);
        text.push_str(SCHEME);
        text.push_str(host);
        let host_end = text.len() as u32;
        text.push_str(path);
        let path_end = text.len() as u32;
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Folded { text: text.into_boxed_str(), host_end, path_end }
    }

    /// The same path and query under another host, which is canonical.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Folded {
        Folded::new(host, self.path(), self.query())
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn host(&self) -> &str {
        &self.text[SCHEME.len()..self.host_end as usize]
    }

    /// `/`, or segments each with a `/` before it.
    pub fn path(&self) -> &str {
        &self.text[self.host_end as usize..self.path_end as usize]
    }

    /// All behind the host.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.host_end as usize..]
    }

    /// Host, path and query.
    pub fn behind_scheme(&self) -> &str {
        &self.text[SCHEME.len()..]
    }

    /// Scheme, host and path.
    pub fn without_query(&self) -> &str {
        &self.text[..self.path_end as usize]
    }

    /// The pairs joined by `&`; `None` when there is none.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_end as usize + 1..)
    }

    /// The pairs in order, each once.
    pub fn pairs(&self) -> impl Iterator<Item = &str> {
        self.query().into_iter().flat_map(|query| query.split('&'))
    }
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a byte may do in a target.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    /// Stands for itself in a path and in a query.
    Plain,
    /// Stands for itself in one of them, or means something: looked at one by one.
    Special,
    /// A control character, or a blank.
    Never,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Special; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=b' ' | 0x7f => Class::Never,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Plain,
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b':' | b'@' => Class::Plain,
            _ => Class::Special,
        };
        byte += 1;
    }
    classes
};

/// Folds a target in origin-form. The readings beside the main one are few, and differ from it.
pub(super) fn fold(host: &str, target: &str) -> Result<(Folded, Vec<Folded>), UrlError> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if target.bytes().any(|byte| CLASSES[usize::from(byte)] == Class::Never) {
        return Err(UrlError::Control);
    }
    let pairs = query.map(fold_query).transpose()?.flatten();
    let query = pairs.as_deref();
    if is_plain_path(path) {
        return Ok((Folded::new(host, path, query), Vec::new()));
    }
    let bytes = decode_path(path)?;
    let main = join(&Reading::MAIN.segments(&bytes));
    let mut others: Vec<String> = Vec::new();
    if Reading::MAIN.split(&bytes).any(|segment| Reading::MAIN.without_params(segment) == b"..") {
        for reading in Reading::others() {
            let read = reading.segments(&bytes).join(&b'/');
            let path = join(&Reading::MAIN.segments(&read));
            if path != main && !others.contains(&path) {
                others.push(path);
            }
        }
    }
    let others = others.iter().map(|path| Folded::new(host, path, query)).collect();
    Ok((Folded::new(host, &main, query), others))
}

/// What the usual reading makes of a target, step by step.
pub(super) fn steps(target: &str) -> Result<[(&'static str, String); 3], UrlError> {
    let (path, query) = target.find('?').map_or((target, ""), |at| target.split_at(at));
    let bytes = decode_path(path)?;
    let resolved = join(&Reading::MAIN.segments(&bytes));
    let pairs = query.strip_prefix('?').map(fold_query).transpose()?.flatten();
    let pairs = pairs.map(|pairs| format!("?{pairs}")).unwrap_or_default();
    Ok([
        ("escapes of the path decoded, once", format!("{}{query}", decoded(&bytes))),
        ("no empty segment, dot, ;params or slash at the end", format!("{resolved}{query}")),
        ("pairs of the query sorted, each once", format!("{resolved}{pairs}")),
    ])
}

/// A decoded path as text: what separates or ends a segment only where it was escaped is shown so.
fn decoded(bytes: &[u8]) -> String {
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

/// Whether a path is its own canonical form, as nearly every path is.
fn is_plain_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut before = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let plain = match byte {
            b'/' => before != b'/' && (at + 1 < bytes.len() || at == 0),
            b'.' => before != b'/',
            b'=' | b'+' | b'&' => true,
            _ => CLASSES[usize::from(byte)] == Class::Plain,
        };
        if !plain {
            return false;
        }
        before = byte;
    }
    bytes.first() == Some(&b'/')
}

/// Encoded separators, once decoded, are kept apart from raw ones: control characters are refused in
/// paths, so these bytes are free to stand for them.
const ENCODED_SLASH: u8 = 1;
const ENCODED_BACKSLASH: u8 = 2;
const ENCODED_SEMICOLON: u8 = 3;

/// Takes every escape away, once.
fn decode_path(path: &str) -> Result<Vec<u8>, UrlError> {
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

/// The byte that an escape stands for; `rest` begins after its `%`.
fn escape(rest: &mut &[u8]) -> Result<u8, UrlError> {
    let digit = |at: usize| rest.get(at).and_then(|&byte| (byte as char).to_digit(16)).ok_or(UrlError::BadEscape);
    let byte = digit(0)? * 16 + digit(1)?;
    *rest = &rest[2..];
    Ok(byte as u8)
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
    const MAIN: Reading =
        Reading { encoded_separates: true, backslash_separates: true, empties_first: true, params_first: true };

    fn others() -> impl Iterator<Item = Reading> {
        (0..15_u8).map(|bits| Reading {
            encoded_separates: bits & 1 != 0,
            backslash_separates: bits & 2 != 0,
            empties_first: bits & 4 != 0,
            params_first: bits & 8 != 0,
        })
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
fn join(segments: &[&[u8]]) -> String {
    let mut path = String::new();
    for segment in segments.iter().filter(|segment| !segment.is_empty()) {
        path.push('/');
        for &byte in *segment {
            match byte {
                b'=' | b'+' | b'&' => path.push(byte as char),
                _ => push_escaped(&mut path, byte),
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

fn push_escaped(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if CLASSES[usize::from(byte)] == Class::Plain {
        text.push(byte as char);
    } else {
        text.push('%');
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// The set of a query's pairs, as a text; `None` when it holds none. `;` separates too, as it did in
/// HTML 4 and does in some servers still.
fn fold_query(query: &str) -> Result<Option<String>, UrlError> {
    let mut pairs = Vec::new();
    for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let pair = fold_pair(pair)?;
        if !pair.is_empty() {
            pairs.push(pair);
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok(if pairs.is_empty() { None } else { Some(pairs.join("&")) })
}

/// A name, and a value behind `=` unless it is empty. `+` is a blank.
fn fold_pair(pair: &str) -> Result<String, UrlError> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let mut text = String::with_capacity(pair.len());
    push_query_part(&mut text, name, false)?;
    // Some servers drop blanks before a name.
    let name_start = text.len() - text.trim_start_matches("%20").len();
    text.drain(..name_start);
    if !value.is_empty() {
        text.push('=');
        push_query_part(&mut text, value, true)?;
    }
    Ok(text)
}

fn push_query_part(text: &mut String, part: &str, is_value: bool) -> Result<(), UrlError> {
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'+' => b' ',
            b'%' => escape(&mut rest)?,
            other => other,
        };
        match byte {
            b'/' | b'?' => text.push(byte as char),
            b'=' if is_value => text.push('='),
            _ => push_escaped(text, byte),
        }
    }
    Ok(())
}

/// A target as it can stand on the wire: letters beyond ASCII are escaped, a missing path is `/`.
pub(super) fn wire_target(target: &str) -> Result<String, UrlError> {
    let mut wire = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        wire.push('/');
    }
    for &byte in target.as_bytes() {
        match byte {
            0..0x20 | 0x7f => return Err(UrlError::Control),
            b' ' => return Err(UrlError::BadCharacter),
            0x80.. | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^' | b'\\' => push_escaped(&mut wire, byte),
            _ => wire.push(byte as char),
        }
    }
    Ok(wire)
}
