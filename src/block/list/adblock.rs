//! Adblock filter lists, as far as they name hosts and URLs.
//!
//! ```text
//! [Adblock Plus 2.0]
//! ! a comment
//! ||ads.example^                    the host and those under it
//! ||photos.example/a/stolen^        that path of the host and all below
//! |https://photos.example/a.jpg|    one URL
//! ```
//! `^` is any character but letters, digits and `_ - . %`, or the end. What a filter says of kinds of requests, of
//! pages and of their parts is nothing that a proxy sees.

use terms::BlockStatus;

use super::foreign::{Queries, Reader, Taking};
use super::hosts::is_host;
use super::plain::url_in_ours;
use super::unread::Kind;

pub(super) struct Adblock;

/// What stands between the pages and the element that is hidden on them, or the script that is run.
const OF_ELEMENTS: [&str; 7] = ["##", "#@#", "#?#", "#@?#", "#$#", "#%#", "#@%#"];

impl Reader for Adblock {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let filter = line.trim();
        let is_heading = filter.starts_with('[') && filter.ends_with(']');
        if filter.is_empty() || filter.starts_with('!') || is_heading || filter == "#" || filter.starts_with("# ") {
            return;
        }
        match left_out(filter) {
            Some(kind) => taking.leave(kind),
            None => match (filter.strip_prefix("||"), filter.strip_prefix('|').unwrap_or(filter)) {
                (Some(rest), _) => anchored_at_host(rest, taking),
                (None, url) if url.starts_with("http://") || url.starts_with("https://") => one_url(url, taking),
                _ => taking.leave(Kind::Substring),
            },
        }
    }
}

/// What of a filter keeps it from being a rule, whatever it is about.
fn left_out(filter: &str) -> Option<Kind> {
    if OF_ELEMENTS.iter().any(|mark| filter.contains(mark)) {
        return Some(Kind::ElementHiding);
    }
    if filter.starts_with("@@") {
        return Some(Kind::Exception);
    }
    if filter.starts_with('/') && filter.len() > 1 && (filter.ends_with('/') || filter.contains("/$")) {
        return Some(Kind::RegularExpression);
    }
    if filter.contains('$') {
        return Some(Kind::Options);
    }
    // At its end `*` says what is meant without it.
    filter.trim_end_matches('*').contains('*').then_some(Kind::Wildcard)
}

/// What ends a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// `^`: what it names is whole.
    Separator,
    /// `|`: the URL ends there.
    Anchor,
    Open,
}

fn end_of(filter: &str) -> (&str, End) {
    let filter = filter.trim_end_matches('*');
    if let Some(rest) = filter.strip_suffix("^|").or_else(|| filter.strip_suffix('|')) {
        return (rest, End::Anchor);
    }
    match filter.strip_suffix('^') {
        Some(rest) => (rest, End::Separator),
        None => (filter, End::Open),
    }
}

/// `||host…`: from the beginning of the host, or of one of its labels, on.
fn anchored_at_host(filter: &str, taking: &mut Taking<'_>) {
    let (text, end) = end_of(filter);
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    if text.contains(['^', '|']) {
        return taking.leave(Kind::Wildcard);
    }
    if !is_host(host) || (path.is_empty() && !host.contains('.') && end == End::Open) {
        return taking.leave(Kind::NotAHost);
    }
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    // `||google.` is any name that begins so.
    if host.ends_with('.') {
        return taking.leave(Kind::NotAHost);
    }
    if path.len() <= 1 && (path.is_empty() && end != End::Anchor || path == "/" && end == End::Open) {
        let word = if is_address { host.to_owned() } else { format!("*.{host}") };
        taking.block(&word, Kind::NotAHost);
        if path.is_empty() && end == End::Open {
            taking.leave(Kind::BeginsWith);
        }
        return;
    }
    block_path(&format!("https://{text}"), end, taking);
    if !is_address {
        taking.leave(Kind::HostsBelow);
    }
}

/// A filter from the scheme on.
fn one_url(filter: &str, taking: &mut Taking<'_>) {
    let (text, end) = end_of(filter);
    match text.contains(['^', '|']) {
        true => taking.leave(Kind::Wildcard),
        false => block_path(text, end, taking),
    }
}

/// Takes a URL, or a path and all below.
fn block_path(url: &str, end: End, taking: &mut Taking<'_>) {
    let Some(word) = url_in_ours(url) else { return taking.leave(Kind::NotAUrl) };
    let has_query = word.contains('?');
    if end == End::Anchor {
        return taking.block_with(&word, BlockStatus::default(), Queries::Exact, Kind::NotAUrl);
    }
    let is_whole = end == End::Separator || (word.ends_with('/') && !has_query);
    match has_query {
        // A query that goes on is held for the pairs that are whole.
        true => taking.block(&word, Kind::NotAUrl),
        false => taking.block(&format!("{}/*", word.trim_end_matches('/')), Kind::NotAUrl),
    }
    if !is_whole {
        taking.leave(Kind::BeginsWith);
    }
}
