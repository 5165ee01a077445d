//! The first word of a line: what a rule covers.

use std::sync::Arc;

use memchr::{memchr, memchr3};
use terms::url::Spelling;
use terms::{Digest, UrlError, url};

use super::bad_line::{Fault, quoted};
use crate::pattern::Pattern;
use crate::rule::{Place, Subject};

/// Reads a rule's own word, which begins at the byte `start` of its line; says too whether it is an
/// exception.
pub(super) fn read(word: &str, start: usize) -> Result<(Subject, bool), Fault> {
    match as_written(word) {
        Some(subject) => Ok((subject, false)),
        None => read_any(word, start),
    }
}

/// Most rules are a URL in its canonical form, or one with `/*` behind it: nothing of what any word could be need be
/// looked for in them.
fn as_written(word: &str) -> Option<Subject> {
    let (url, subject): (&str, fn(Place) -> Subject) = match word.strip_suffix("/*") {
        Some(top) => (top, Subject::Prefix),
        None => (word, Subject::Url),
    };
    let place = Place::as_written(url).filter(|_| memchr(b'*', url.as_bytes()).is_none())?;
    Some(subject(place))
}

fn read_any(word: &str, start: usize) -> Result<(Subject, bool), Fault> {
    // Nearly every word is of these alone.
    let is_seen = word.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_seen && let Some((at, odd)) = word.char_indices().find(|(_, character)| is_unseen(*character)) {
        let what = format!(
            "a character that can't be seen (U+{:04X}) stands here; leave it out, or percent-encode it",
            odd as u32
        );
        return Err(Fault::new(start + at, what));
    }
    let (body, at, exception) = match word.strip_prefix('!') {
        Some(body) => (body, start + 1, true),
        None => (word, start, false),
    };
    if body.is_empty() {
        return Err(Fault::new(start, "`!` stands right before the rule that it makes an exception, without a blank"));
    }
    let subject = match body.as_bytes()[0] {
        b'!' => return Err(Fault::new(at, "one `!` makes an exception; leave the second out")),
        b'~' if exception => return Err(Fault::new(start, "`!` stands before any kind of rule but a pattern")),
        b'~' => Pattern::read(&body[1..])
            .map(|pattern| Subject::Pattern(Arc::new(pattern)))
            .map_err(|bad| Fault::new(at + 1 + bad.at, bad.what))?,
        _ => read_subject(body, Place::read).map_err(|fault| Fault { at: at + fault.at, ..fault })?,
    };
    if !exception && matches!(subject, Subject::Digest(digest) if digest == Digest::of(b"")) {
        return Err(Fault::new(at, OF_NOTHING));
    }
    Ok((subject, exception))
}

const OF_NOTHING: &str = "this is the digest of no bytes, and would block every empty answer; leave it out, or block what answers so by \
                          its URL";

/// Blanks other than space and tab, and characters of no width: what a paste from a document or a
/// web page brings along, and what would keep a rule from ever covering anything.
fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The place that a rule's word names at a site of this spelling; `None` where it names none.
pub fn place_by(word: &str, spelling: &Spelling) -> Option<Place> {
    let body = word.strip_prefix('!').unwrap_or(word);
    match read_subject(body, |text| Place::read_by(text, spelling)).ok()? {
        Subject::Url(place) | Subject::Prefix(place) => Some(place),
        _ => None,
    }
}

fn read_subject(text: &str, place: impl Fn(&str) -> Result<Place, UrlError>) -> Result<Subject, Fault> {
    if let Some(digest) = read_digest(text) {
        return digest.map(Subject::Digest);
    }
    let text = memchr(b'#', text.as_bytes()).map_or(text, |fragment| &text[..fragment]);
    let host_start = scheme_length(text)?;
    let host_end = memchr3(b'/', b'\\', b'?', &text.as_bytes()[host_start..]).map_or(text.len(), |at| host_start + at);
    if host_start == 0 && host_end == text.len() {
        return read_host(text);
    }
    if let Some(at) = memchr(b'*', &text.as_bytes()[host_start..host_end]) {
        return Err(Fault::new(host_start + at, star_in_host(&text[host_start..host_end])));
    }
    let place = |text: &str| place(text).map_err(|error| Fault::new(0, unreadable(error)));
    match prefix_of(text, host_end)? {
        Some(prefix) => Ok(Subject::Prefix(place(&prefix)?)),
        None => Ok(Subject::Url(place(text)?)),
    }
}

/// How much of `text` is its scheme, with the `://`.
fn scheme_length(text: &str) -> Result<usize, Fault> {
    let Some((scheme, rest)) = text.split_once(':') else { return Ok(0) };
    if scheme.contains(['/', '\\', '?']) {
        return Ok(0);
    }
    if rest.starts_with("//") {
        return Ok(scheme.len() + "://".len());
    }
    if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") {
        return Err(Fault::new(scheme.len(), "`//` is missing behind the scheme; write https://"));
    }
    Ok(0)
}

fn unreadable(error: UrlError) -> String {
    let instead = match error {
        UrlError::TooLong => "write a shorter one",
        UrlError::Scheme => "write https://",
        UrlError::NoHost | UrlError::TwoHosts => "write https://host/path",
        UrlError::BadHost => "write a name such as photos.example, or an address",
        UrlError::BadPort => "leave the port out; it plays no part in matching",
        UrlError::BadEscape => "write %25 for a % that means itself",
        UrlError::Control | UrlError::BadCharacter | UrlError::NotUtf8 => "percent-encode it, or leave it out",
        UrlError::NotAPath => "write https://host/path",
    };
    format!("the URL can't be read: {error}; {instead}")
}

/// The text of the URL whose path is a rule's prefix, if `*` is the whole last segment; an error if a
/// `*` stands anywhere else behind the host. A literal `*` is `%2A`.
fn prefix_of(text: &str, host_end: usize) -> Result<Option<String>, Fault> {
    let Some(star) = memchr(b'*', &text.as_bytes()[host_end..]).map(|at| host_end + at) else { return Ok(None) };
    let path_end = text.find('?').unwrap_or(text.len());
    let is_last_segment = star + 1 == path_end && text[..star].ends_with(['/', '\\']);
    if !is_last_segment {
        let what = "`*` is a whole last segment, as in https://host/path/*, or a first label, as in *.host; write %2A for the character itself";
        return Err(Fault::new(star, what));
    }
    let query = &text[path_end..];
    if let Some(at) = query.find('*') {
        return Err(Fault::new(path_end + at, "`*` has no meaning in a query; write %2A for the character itself"));
    }
    Ok(Some(format!("{}{query}", &text[..star])))
}

/// A host alone, or `*.` and a host. Labels with a hyphen at an end (RFC 952) are found below names that answer for
/// whatever stands before them, but in no top-level domain: there it is a dash that strayed into the list.
fn read_host(text: &str) -> Result<Subject, Fault> {
    let (name, is_tree) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let name_start = text.len() - name.len();
    if let Some(at) = name.find('*') {
        return Err(Fault::new(name_start + at, star_in_host(text)));
    }
    let without_port = match name.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    };
    let host = url::host(without_port).map_err(|error| {
        let what = format!("{} is neither a host nor a URL: {error}; write photos.example, *.photos.example or https://photos.example/path", quoted(text));
        Fault::new(name_start, what)
    })?;
    if let Some(odd) = host.rsplit('.').next().filter(|label| label.starts_with('-') || label.ends_with('-')) {
        let what =
            format!("no host's name ends in the label {}; write photos.example or *.photos.example", quoted(odd));
        return Err(Fault::new(name_start, what));
    }
    match is_tree {
        false => Ok(Subject::Host(Arc::from(host))),
        true if is_address(&host) => Err(Fault::new(0, "no host stands under an address; leave `*.` out")),
        true => Ok(Subject::HostTree(Arc::from(host))),
    }
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}

fn star_in_host(host: &str) -> String {
    match host.strip_prefix("*.") {
        Some(rest) if !rest.is_empty() && !rest.contains('*') => {
            format!("`*` as a first label covers whole hosts, with all their paths; write *.{rest} alone")
        }
        _ => "in a host `*` is the whole first label, as in *.photos.example; name the host".to_owned(),
    }
}

/// `None` if the text doesn't look like a digest.
fn read_digest(text: &str) -> Option<Result<Digest, Fault>> {
    let (algorithm, hex) = text.split_once([':', '='])?;
    match algorithm.to_ascii_lowercase().as_str() {
        "sha256" => Some(Digest::from_hex(hex).ok_or_else(|| {
            let what =
                format!("a digest is sha256: and 64 hexadecimal digits; {} characters stand here", hex.chars().count());
            Fault::new(algorithm.len() + 1, what)
        })),
        "md5" | "sha1" | "sha-1" | "sha512" | "sha-512" | "sha-256" | "blake3" => {
            Some(Err(Fault::new(0, "digests are SHA-256; write sha256: and 64 hexadecimal digits")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words near those that are taken as they are written.
    fn word() -> impl Strategy<Value = String> {
        let start = prop::sample::select(vec![
            "https://h",
            "https://h",
            "https://photos.example",
            "!https://h",
            "http://h",
            "h",
        ]);
        let piece = prop::sample::select(vec![
            "/", "/", "a", "*", ".", "..", "?", "#", "~", "!", "%2A", "\u{200b}", "-1", "@", ":",
        ]);
        let end = prop::sample::select(vec!["", "/*", "/*", "*", "/"]);
        (start, prop::collection::vec(piece, 0..8), end)
            .prop_map(|(start, pieces, end)| format!("{start}{}{end}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_taken_as_written_is_what_any_word_is_read_as(word in word()) {
            if let Some(subject) = as_written(&word) {
                let read = read_any(&word, 0).map_err(|fault| TestCaseError::fail(format!("{word}: {fault:?}")))?;
                prop_assert_eq!((subject, false), read);
            }
        }
    }

    #[test]
    fn a_dash_that_strayed_into_a_list_is_no_host() {
        for word in ["-", "foo-", "-foo", "a.-", "*.b-", "-.", "-:80"] {
            assert!(read_any(word, 0).unwrap_err().what.contains("ends in the label"), "{word}");
        }
        for word in ["-a.example", "a-.example", "*.-a.example", "_dmarc", "a-b", "[::1]", "192.0.2.1"] {
            assert!(read_any(word, 0).is_ok(), "{word}");
        }
        assert!(
            matches!(read_any("https://foo-/*", 0), Ok((Subject::Prefix(_), false))),
            "what is asked for all the same"
        );
    }

    #[test]
    fn the_digest_of_no_bytes_is_no_rule() {
        let empty = Digest::of(b"");
        for word in [empty.to_string(), format!("SHA256={}", empty.hex().to_string().to_uppercase())] {
            assert!(read_any(&word, 0).unwrap_err().what.contains("every empty answer"), "{word}");
        }
        assert!(matches!(read_any(&format!("!{empty}"), 0), Ok((Subject::Digest(_), true))), "it blocks nothing");
        assert!(read_any(&Digest::of(b"x").to_string(), 0).is_ok());
    }

    #[test]
    fn urls_and_what_is_below_them_are_taken_as_written() {
        assert!(matches!(as_written("https://h.example/a/b.jpg"), Some(Subject::Url(_))));
        assert!(matches!(as_written("https://h.example/a/*"), Some(Subject::Prefix(_))));
        for word in ["https://h.example/*/a", "https://h.example/a*", "https://h.example/*", "h.example", "*.h.example"]
        {
            assert!(as_written(word).is_none(), "{word}");
        }
    }
}
