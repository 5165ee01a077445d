//! What is looked up for a URL: a few keys, made in one pass over it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use terms::Folded;

use super::key::{HashKey, Key, Spot, Trail, below_root};

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

/// Segments of a canonical path: none for the root.
pub(super) fn segments(path: &str) -> u32 {
    u32::try_from(below_root(path).matches('/').count()).unwrap_or(u32::MAX)
}

pub(super) fn labels(host: &str) -> u32 {
    u32::try_from(host.split('.').count()).unwrap_or(u32::MAX)
}

/// How far probing has to go. Nothing is ever cut short: beyond the deepest rule there is nothing to
/// be found, and before it every level is looked at, however deep a request's URL is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
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
    pub(super) key: Key,
    trail: Trail,
}

impl Probe<'_> {
    pub(super) fn pair_key(&self, pair: &str) -> Key {
        self.trail.pair_key(self.kind, pair)
    }
}

/// As many as a URL usually has fit in without a heap.
pub(super) type Probes<'a> = SmallVec<[Probe<'a>; 20]>;

/// All that has to be looked up for one reading of a URL under `host`: its own, or what stands for it.
/// `announce` is shown each key as soon as it is known, for its place in memory to be fetched meanwhile.
pub(super) fn probes<'a>(host: &'a str, reading: &'a Folded, reach: Reach, announce: impl Fn(Key)) -> Probes<'a> {
    let mut probes = Probes::new();
    let mut add = |kind, depth, covered, spot: Spot, trail: &Trail| {
        let key = spot.key(kind);
        announce(key);
        probes.push(Probe { kind, depth, covered, key, trail: *trail });
    };
    let mut trail = Trail::new(HashKey::of_process());
    let mut end = Some(host.len());
    for depth in 1.. {
        let Some(label_end) = end else { break };
        let dot = host[..label_end].bytes().rposition(|byte| byte == b'.');
        let start = dot.map_or(0, |dot| dot + 1);
        trail.push(&host[start..label_end]);
        if depth <= reach.tree_labels {
            add(Kind::HostTree, depth, &host[start..], trail.spot(), &trail);
        }
        end = dot;
    }
    trail.end_host();
    let mut spot = trail.spot();
    if reach.hosts {
        add(Kind::Host, 0, host, spot, &trail);
    }
    let path = below_root(reading.path());
    let mut end = 0;
    for depth in 0.. {
        if depth < reach.prefix_levels {
            add(Kind::Prefix, depth, &path[..end], spot, &trail);
        } else if !reach.urls {
            return probes;
        }
        let Some(segment) = next_segment(path, end) else { break };
        trail.push(segment);
        end += 1 + segment.len();
        // Beyond the longest prefix only the whole path is looked up.
        if depth + 1 < reach.prefix_levels || end == path.len() {
            spot = trail.spot();
        }
    }
    if reach.urls {
        add(Kind::Url, 0, path, spot, &trail);
    }
    probes
}

/// The segment behind the slash at a byte of a path.
fn next_segment(path: &str, slash: usize) -> Option<&str> {
    let rest = path.get(slash + 1..)?;
    rest.get(..rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len()))
}
