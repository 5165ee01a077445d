//! What is looked up for a URL: a few keys, made in one pass over it.
//!
//! A key is a keyed 128-bit hash of a canonical text and a mark that says what the text is. The marks
//! are bytes that UTF-8 never holds, so no text can run into another's mark. The hash goes over a URL
//! once, and every ancestor's key is taken on the way.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};
use terms::{Digest, Folded, url};

/// What kind of rule decides, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Url,
    Prefix,
    /// Before [`Kind::HostTree`]: a host has all the labels that a tree which covers it can have.
    Host,
    HostTree,
    Digest,
    Pattern,
}

impl Kind {
    const fn mark(self) -> u8 {
        match self {
            Kind::Url => 0xf8,
            Kind::Prefix => 0xf9,
            Kind::Host => 0xfa,
            Kind::HostTree => 0xfb,
            Kind::Digest => 0xfc,
            Kind::Pattern => 0xfd,
        }
    }
}

/// Stands between a path and one pair of its query.
const PAIR: u8 = 0xff;

/// The key of a rule in a table.
pub(super) type Key = u128;

/// A hash on its way along a URL.
pub(super) struct Trail(SipHasher13);

impl Trail {
    fn new() -> Trail {
        Trail(url::keyed_hasher())
    }

    pub(super) fn of_host(host: &str) -> Trail {
        let mut trail = Trail::new();
        trail.push(host);
        trail
    }

    /// Host and path. The root's path is the empty text, so that it is everybody's ancestor.
    pub(super) fn of_path(host: &str, reading: &Folded) -> Trail {
        let mut trail = Trail::of_host(host);
        trail.push(below_root(reading.path()));
        trail
    }

    pub(super) fn of_tree(host: &str) -> Trail {
        let mut trail = Trail::new();
        host.rsplit('.').for_each(|label| trail.push_label(label));
        trail
    }

    fn push(&mut self, text: &str) {
        self.0.write(text.as_bytes());
    }

    fn push_label(&mut self, label: &str) {
        self.push(label);
        self.push(".");
    }

    pub(super) fn key(&self, kind: Kind) -> Key {
        let mut hasher = self.0;
        hasher.write(&[kind.mark()]);
        hasher.finish128().as_u128()
    }

    /// The key of this path with one pair of a query.
    pub(super) fn pair_key(&self, kind: Kind, pair: &str) -> Key {
        let mut hasher = self.0;
        hasher.write(&[kind.mark(), PAIR]);
        hasher.write(pair.as_bytes());
        hasher.finish128().as_u128()
    }
}

pub(super) fn digest_key(digest: &Digest) -> Key {
    let mut hasher = url::keyed_hasher();
    hasher.write(&[Kind::Digest.mark()]);
    hasher.write(digest.as_bytes());
    hasher.finish128().as_u128()
}

fn below_root(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

/// Segments of a canonical path: none for the root.
pub(super) fn segments(path: &str) -> u32 {
    u32::try_from(below_root(path).matches('/').count()).unwrap_or(u32::MAX)
}

pub(super) fn labels(host: &str) -> u32 {
    u32::try_from(host.split('.').count()).unwrap_or(u32::MAX)
}

/// How far probing has to go. Nothing is ever cut short: beyond the deepest rule there is nothing to
/// be found, and before it every level is looked at, however deep a request's URL is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    pub(super) urls: bool,
    /// Segments of the longest prefix, plus one for the root; 0 without prefix rules.
    pub(super) prefix_levels: u32,
    pub(super) hosts: bool,
    /// Labels of the longest host that has a tree rule.
    pub(super) tree_labels: u32,
    pub(super) digests: bool,
}

impl Reach {
    pub(super) fn widen(&mut self, other: Reach) {
        self.urls |= other.urls;
        self.prefix_levels = self.prefix_levels.max(other.prefix_levels);
        self.hosts |= other.hosts;
        self.tree_labels = self.tree_labels.max(other.tree_labels);
        self.digests |= other.digests;
    }
}

/// One look-up: what it is for, and how specific a rule found by it is.
pub(super) struct Probe<'a> {
    pub(super) kind: Kind,
    /// Segments of a prefix, labels of a tree; 0 for what can't be more or less specific.
    pub(super) depth: u32,
    /// How much of the host, or of the path below the root, it covers.
    pub(super) covered: &'a str,
    trail: &'a Trail,
}

impl Probe<'_> {
    pub(super) fn key(&self) -> Key {
        self.trail.key(self.kind)
    }

    pub(super) fn pair_key(&self, pair: &str) -> Key {
        self.trail.pair_key(self.kind, pair)
    }
}

/// Shows `visit` all that has to be looked up for one reading of a URL under `host`: its own, or what
/// stands for it.
pub(super) fn each_probe(host: &str, reading: &Folded, reach: Reach, mut visit: impl FnMut(Probe<'_>)) {
    let mut trail = Trail::new();
    let mut before = host.len();
    for (depth, label) in (1..=reach.tree_labels).zip(host.rsplit('.')) {
        trail.push_label(label);
        before -= label.len();
        visit(Probe { kind: Kind::HostTree, depth, covered: &host[before..], trail: &trail });
        before = before.saturating_sub(1);
    }
    if !reach.hosts && !reach.urls && reach.prefix_levels == 0 {
        return;
    }
    let mut trail = Trail::of_host(host);
    if reach.hosts {
        visit(Probe { kind: Kind::Host, depth: 0, covered: host, trail: &trail });
    }
    let path = below_root(reading.path());
    let mut rest = path;
    for depth in 0..reach.prefix_levels {
        visit(Probe { kind: Kind::Prefix, depth, covered: &path[..path.len() - rest.len()], trail: &trail });
        if rest.is_empty() {
            break;
        }
        let next = rest.bytes().skip(1).position(|byte| byte == b'/').map_or(rest.len(), |at| at + 1);
        trail.push(&rest[..next]);
        rest = &rest[next..];
    }
    if reach.urls {
        trail.push(rest);
        visit(Probe { kind: Kind::Url, depth: 0, covered: path, trail: &trail });
    }
}
