//! pywb's access lists: a prefix of a sort-friendly URL, then what may be done with what begins so.
//!
//! ```text
//! org,example)/private/ - {"access": "block"}
//! org,example)/one### - {"access": "exclude"}
//! org,example, - {"access": "block"}
//! ```
//! Hosts stand back to front, and without `www.`: a line holds for the host with it as well. `###` at the end is for
//! that URL alone. `block` is 451, `exclude` 404.

use serde_json::Value;
use terms::BlockStatus;

use super::foreign::{Queries, Reader, Taking};
use super::hosts::is_host;
use super::unread::Kind;

pub(super) struct Aclj;

/// Keys that make a line hold for some alone.
const CONDITIONS: [&str; 5] = ["user", "before", "after", "newer", "older"];

impl Reader for Aclj {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        if line.trim().is_empty() || line.starts_with('#') {
            return;
        }
        let parts = line.split_once(" - ").map(|(key, json)| (key.trim(), serde_json::from_str::<Value>(json)));
        let Some((key, Ok(Value::Object(said)))) = parts else { return taking.leave(Kind::Malformed) };
        let status = match said.get("access").and_then(Value::as_str) {
            Some("block") => BlockStatus::UnavailableForLegalReasons,
            Some("exclude") => BlockStatus::NotFound,
            Some("allow" | "allow_ignore_embargo") => return taking.leave(Kind::Exception),
            _ => return taking.leave(Kind::Malformed),
        };
        if CONDITIONS.iter().any(|condition| said.contains_key(*condition)) {
            return taking.leave(Kind::Conditional);
        }
        if key == "*" || key == "*," {
            return taking.leave(Kind::Everything);
        }
        match key.split_once(')') {
            Some((host, path)) => one_host(host, path, status, taking),
            None => hosts_below(key, status, taking),
        }
    }
}

/// `org,example)/path`
fn one_host(reversed: &str, path: &str, status: BlockStatus, taking: &mut Taking<'_>) {
    let without_port = reversed.split(':').next().unwrap_or_default();
    let Some(host) = host_of(without_port) else { return taking.leave(Kind::NotAHost) };
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    let with_www = (!is_address).then(|| format!("www.{host}"));
    let mut is_open = false;
    for host in [Some(host), with_www].into_iter().flatten() {
        let url = format!("https://{host}{}", path.replace('*', "%2A"));
        let (word, queries) = match url.strip_suffix("###") {
            Some(exact) => (exact.to_owned(), Queries::Exact),
            None if url.contains('?') => (url, Queries::Any),
            None => (format!("{}/*", url.trim_end_matches('/')), Queries::Any),
        };
        is_open = queries == Queries::Any && !path.ends_with('/');
        match word.contains('#') {
            true => return taking.leave(Kind::Malformed),
            false => taking.block_with(&word, status, queries, Kind::NotAUrl),
        }
    }
    if is_open {
        taking.leave(Kind::BeginsWith);
    }
}

/// `org,example,`: those under it; `org,example` without the comma: those that begin so as well.
fn hosts_below(reversed: &str, status: BlockStatus, taking: &mut Taking<'_>) {
    let labels = reversed.trim_end_matches(',');
    let Some(host) = host_of(labels) else { return taking.leave(Kind::NotAHost) };
    taking.block_with(&format!("*.{host}"), status, Queries::Any, Kind::NotAHost);
    if labels == reversed {
        taking.leave(Kind::BeginsWith);
    }
}

/// A host from its labels back to front.
fn host_of(reversed: &str) -> Option<String> {
    let host = match reversed.contains(',') {
        true => reversed.rsplit(',').collect::<Vec<_>>().join("."),
        false => reversed.to_owned(),
    };
    is_host(&host).then_some(host)
}
