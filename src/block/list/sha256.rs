//! Lists of SHA-256 digests, as `sha256sum` and others write them.
//!
//! ```text
//! 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  stolen.jpg
//! sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ```

use terms::Digest;

use super::foreign::{Reader, Taking};
use super::unread::Kind;

pub(super) struct Sha256;

impl Reader for Sha256 {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        // `\` stands before a digest whose file has an odd name.
        let word = line.split([' ', '\t']).next().unwrap_or_default().trim_start_matches('\\');
        match written(word) {
            Written::Sha256(hex) => block_digest(hex, taking),
            Written::Other => taking.leave(Kind::OtherDigest),
            Written::None => taking.leave(Kind::NotADigest),
        }
    }
}

pub(super) fn block_digest(hex: &str, taking: &mut Taking<'_>) {
    match hex.eq_ignore_ascii_case(&Digest::of(b"").hex().to_string()) {
        true => taking.leave(Kind::EmptyDigest),
        false => taking.block(&format!("sha256:{hex}"), Kind::NotADigest),
    }
}

/// What a word is, as a digest.
pub(super) enum Written<'w> {
    /// Its hexadecimal digits.
    Sha256(&'w str),
    /// As long as one of another algorithm.
    Other,
    None,
}

pub(super) fn written(word: &str) -> Written<'_> {
    let named = word.split_once([':', '=']).filter(|(name, _)| name.eq_ignore_ascii_case("sha256"));
    let hex = named.map_or(word, |(_, hex)| hex);
    match hex.len() {
        _ if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => Written::None,
        64 => Written::Sha256(hex),
        32 | 40 | 56 | 96 | 128 => Written::Other,
        _ => Written::None,
    }
}
