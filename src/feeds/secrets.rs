//! What only files may hold: a key within the URL, and fields such as `Authorization`.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Bytes of such a file, and fields in it: more than any service asks for.
const MAX_FILE: u64 = 16 * 1024;
const MAX_FIELDS: usize = 16;

/// Fields that are not for the operator to choose: they frame the message, or say what this client can read.
const OURS: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-modified-since",
    "if-none-match",
    "range",
    "te",
    "transfer-encoding",
];

/// No value of it is ever shown.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{} can't be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} holds more than {} KiB, or more than {MAX_FIELDS} fields", path.display(), MAX_FILE >> 10)]
    TooLarge { path: PathBuf },
    #[error("{} holds no key: it should be one line of letters, digits, `-`, `.`, `_` and `~`", path.display())]
    Key { path: PathBuf },
    #[error("{} line {line}: this is no field; write a name, a colon and a value", path.display())]
    Field { path: PathBuf, line: usize },
    #[error("{} line {line}: {name} is not for a feed to set", path.display())]
    Ours { path: PathBuf, line: usize, name: HeaderName },
    #[error("{} holds no field", path.display())]
    Empty { path: PathBuf },
}

/// A key that may stand in a URL as it is (RFC 3986 section 2.3).
pub fn read_key(path: &Path) -> Result<String, SecretError> {
    let text = read(path)?;
    let key = text.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match !key.is_empty() && key.bytes().all(is_plain) {
        true => Ok(key.to_owned()),
        false => Err(SecretError::Key { path: path.to_owned() }),
    }
}

/// Fields, one a line: `Name: value`. A line that begins with `#` is a comment.
pub fn read_fields(path: &Path) -> Result<HeaderMap, SecretError> {
    parse_fields(&read(path)?, path)
}

pub(crate) fn parse_fields(text: &str, path: &Path) -> Result<HeaderMap, SecretError> {
    let mut fields = HeaderMap::new();
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let bad = || SecretError::Field { path: path.to_owned(), line };
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.parse().map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
        if OURS.contains(&name.as_str()) {
            return Err(SecretError::Ours { path: path.to_owned(), line, name });
        }
        if fields.len() == MAX_FIELDS {
            return Err(SecretError::TooLarge { path: path.to_owned() });
        }
        value.set_sensitive(true);
        fields.append(name, value);
    }
    if fields.is_empty() { Err(SecretError::Empty { path: path.to_owned() }) } else { Ok(fields) }
}

/// Whether others than the owner can read it.
pub fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|facts| facts.mode() & 0o077 != 0)
}

fn read(path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(SecretError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lines_and_ours_are_ours() {
        let parse = |text: &str| parse_fields(text, Path::new("feed.headers"));
        let fields = parse("# for the list\nAuthorization: Bearer s3cret\n\nAuth-Key:k\r\n").unwrap();
        assert_eq!(
            (&fields["authorization"], &fields["auth-key"]),
            (&"Bearer s3cret".parse().unwrap(), &"k".parse().unwrap())
        );
        assert!(!format!("{fields:?}").contains("s3cret"));
        for (text, says) in [
            ("", "holds no field"),
            ("# nothing\n", "holds no field"),
            ("s3cret", "line 1: this is no field"),
            ("\nA: b\nbad name: s3cret", "line 3: this is no field"),
            ("A: s3cret\u{7}", "line 1: this is no field"),
            ("Host: elsewhere.example", "line 1: host is not for a feed to set"),
            ("Accept-Encoding: s3cret", "accept-encoding is not for a feed to set"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains(says) && !told.contains("s3cret"), "{told}");
        }
        let many = "A: b\n".repeat(MAX_FIELDS + 1);
        assert!(matches!(parse(&many), Err(SecretError::TooLarge { .. })));
    }

    #[test]
    fn a_key_is_one_word_that_a_url_can_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (text, is_key) in
            [("s3cret-._~\n", true), ("", false), ("a b", false), ("a/b", false), ("a\nb", false), ("é", false)]
        {
            std::fs::write(&path, text).unwrap();
            let outcome = read_key(&path);
            assert_eq!(outcome.is_ok(), is_key, "{text:?}");
            assert!(is_key || !outcome.unwrap_err().to_string().contains("a b"));
        }
        assert!(matches!(read_key(&folder.path().join("none")), Err(SecretError::Unreadable { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "([A-Za-z-]{0,9}:? ?\\PC{0,9}\n?){0,20}") {
            let _ = parse_fields(&text, Path::new("feed.headers"));
        }
    }
}
