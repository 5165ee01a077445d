//! Plain lists: a host, a URL or a SHA-256 digest a line, `#` for comments.
//!
//! ```text
//! pirate.example
//! https://photos.example/a/stolen.jpg
//! 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ```
//! A host is blocked without those under it, as in ours; a URL under every query that it doesn't name.

use super::foreign::{Reader, Taking, without_comment};
use super::hosts::block_host;
use super::sha256::{self, Written};
use super::unread::Kind;

pub(super) struct Plain;

impl Reader for Plain {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let word = without_comment(line);
        if word.is_empty() {
            return;
        }
        if word.contains(char::is_whitespace) {
            return taking.leave(Kind::Malformed);
        }
        match sha256::written(word) {
            Written::Sha256(hex) => return sha256::block_digest(hex, taking),
            Written::Other => return taking.leave(Kind::OtherDigest),
            Written::None => {}
        }
        match word.contains(['/', '?']) {
            true => block_url(word, taking),
            false => block_host(word, taking),
        }
    }
}

/// Takes a URL as it stands, with or without its scheme: `*` means itself.
pub(super) fn block_url(url: &str, taking: &mut Taking<'_>) {
    match url_in_ours(url) {
        Some(word) => taking.block(&word, Kind::NotAUrl),
        None => taking.leave(Kind::NotAUrl),
    }
}

/// A URL in the words of ours, where it is one of http or https, or of no scheme.
pub(super) fn url_in_ours(url: &str) -> Option<String> {
    let url = url.split('#').next().unwrap_or_default();
    let behind = ["https://", "http://"].iter().find_map(|scheme| {
        let start = url.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
    });
    let rest = behind.unwrap_or(url);
    let host_end = rest.find(['/', '\\', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    // Without its scheme, what stands before the path could be one, or a word of ours.
    let is_plain = !host.is_empty() && !host.contains(['*', '!', '~', '@', '=']);
    let is_named = behind.is_some() || (!host.contains("://") && !rest.contains("://") && !path.is_empty());
    (is_plain && is_named).then(|| format!("https://{host}{}", path.replace('*', "%2A")))
}
