//! IPFS's compact denylists: paths of content and of names, for the gateways that the config names.
//!
//! ```text
//! version: 1
//! ---
//! /ipfs/bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq
//! /ipfs/QmTuvSQbEDR3sarFAN9kAeXBpiBCyYYNxdxciazBba11eC/test/*
//! /ipns/domain.example
//! ```
//! What is blocked is a hash, which a gateway takes in many spellings. A line holds for the one it is written in, and
//! for those that gateways lead to and tools print: CIDv0, and CIDv1 in Base32 for the usual kinds of content, in
//! Base36 and Base32 for keys; as a path, and as a name below the gateway's. A CID is blocked with all below it, as
//! by gateways that keep its block from being read.

use std::sync::Arc;

use cid::Cid;
use cid::multibase::Base;
use cid::multihash::Multihash;

use super::foreign::{Reader, Taking};
use super::hosts::is_host;
use super::unread::Kind;

/// Bytes that the header of a list may take.
const MAX_HEADER: usize = 1 << 20;

/// What is behind a hash, by its number in the table of multicodecs: directories and files in Protocol Buffers, raw
/// bytes, CBOR and JSON.
const CONTENT: [u64; 4] = [0x70, 0x55, 0x71, 0x0129];

/// A key, likewise.
const KEY: u64 = 0x72;

/// The digest of CIDv0, likewise.
const SHA2_256: u64 = 0x12;

pub(super) struct Deny {
    gateways: Vec<Arc<str>>,
    /// Lines of the header that are still to come, with the one that ends it.
    header: usize,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Known,
    Other,
}

impl Deny {
    /// Of a list whose whole text is `text`.
    pub(super) fn new(gateways: &[Arc<str>], text: &str) -> Deny {
        let mut size = 0;
        let within = text.split('\n').take_while(|line| {
            size += line.len() + 1;
            size <= MAX_HEADER
        });
        let end = within.map(|line| line.trim_end()).position(|line| line == "---");
        Deny { gateways: gateways.to_vec(), header: end.map_or(0, |end| end + 1), version: Version::Known }
    }
}

impl Reader for Deny {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        if self.header > 0 {
            self.header -= 1;
            if let Some(version) = line.strip_prefix("version:") {
                self.version = if version.trim() == "1" { Version::Known } else { Version::Other };
            }
            return;
        }
        // Hints follow, of which the format defines none.
        let Some(item) = line.split_ascii_whitespace().next() else { return };
        if item.starts_with('#') {
            return;
        }
        if self.version == Version::Other {
            return taking.leave(Kind::OtherVersion);
        }
        if item.starts_with('!') {
            return taking.leave(Kind::Exception);
        }
        if item.starts_with("//") {
            return taking.leave(Kind::DoubleHash);
        }
        let split = item.strip_prefix('/').and_then(|item| item.split_once('/'));
        match split.and_then(|(space, item)| Some((Space::of(space)?, item))) {
            Some((space, item)) => self.item(space, item, taking),
            None => taking.leave(Kind::Malformed),
        }
    }
}

/// What a path begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Content,
    Names,
}

impl Space {
    pub(super) fn of(segment: &str) -> Option<Space> {
        match segment {
            "ipfs" => Some(Space::Content),
            "ipns" => Some(Space::Names),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Space::Content => "ipfs",
            Space::Names => "ipns",
        }
    }
}

impl Deny {
    fn item(&self, space: Space, item: &str, taking: &mut Taking<'_>) {
        let (text, is_prefix) = item.strip_suffix('*').map_or((item, false), |text| (text, true));
        let (name, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        if text.contains('*') {
            return taking.leave(Kind::Wildcard);
        }
        let Some(named) = Item::of(space, name).filter(|_| !text.contains(['?', '#', '\\'])) else {
            return taking.leave(Kind::Malformed);
        };
        let path = path.trim_end_matches('/');
        let below = if is_prefix || path.is_empty() { "/*" } else { "" };
        for gateway in &self.gateways {
            for name in &named.paths {
                let word = format!("https://{gateway}/{}/{name}{path}{below}", space.as_str());
                taking.block(&word, Kind::Malformed);
            }
            for label in &named.labels {
                let word = format!("https://{label}.{}.{gateway}{path}{below}", space.as_str());
                taking.block(&word, Kind::Malformed);
            }
        }
        if is_prefix && !path.is_empty() && !text.ends_with('/') {
            taking.leave(Kind::BeginsWith);
        }
    }
}

/// One name, as gateways take it.
pub(super) struct Item {
    space: Space,
    /// As a segment of a path.
    paths: Vec<String>,
    /// As labels of a host.
    labels: Vec<String>,
}

impl Item {
    pub(super) fn of(space: Space, name: &str) -> Option<Item> {
        if space == Space::Names && name.contains('.') {
            // As one label, `-` is doubled and stands for a dot.
            let inlined = name.replace('-', "--").replace('.', "-");
            let labels = vec![name.to_owned(), inlined];
            return is_host(name).then(|| Item { space, paths: vec![name.to_owned()], labels });
        }
        let cid = Cid::try_from(name).ok().or_else(|| key(name))?;
        let hash = *cid.hash();
        let labels = match space {
            Space::Content => spelled(hash, &CONTENT, &[Base::Base32Lower]),
            Space::Names => spelled(hash, &[KEY], &[Base::Base36Lower, Base::Base32Lower]),
        };
        let mut paths = vec![name.to_owned()];
        paths.extend(labels.iter().cloned());
        if space == Space::Names || (hash.code() == SHA2_256 && hash.size() == 32) {
            paths.push(Base::Base58Btc.encode(hash.to_bytes()));
        }
        paths.dedup();
        Some(Item { space, paths, labels })
    }

    /// As a path, spelled as all tools can read it.
    pub(super) fn as_written(&self) -> String {
        let name = self.labels.first().map_or("", String::as_str);
        format!("/{}/{name}", self.space.as_str())
    }
}

/// A key by its hash alone, in Base58.
fn key(name: &str) -> Option<Cid> {
    let bytes = Base::Base58Btc.decode(name).ok()?;
    Some(Cid::new_v1(KEY, Multihash::from_bytes(&bytes).ok()?))
}

fn spelled(hash: Multihash<64>, kinds: &[u64], bases: &[Base]) -> Vec<String> {
    let all = kinds.iter().flat_map(|kind| bases.iter().map(move |base| (kind, base)));
    all.filter_map(|(kind, base)| Cid::new_v1(*kind, hash).to_string_of_base(*base).ok()).collect()
}
