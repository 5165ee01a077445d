//! What is looked up for a URL: a few keys, made in one pass over it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use terms::Folded;

use super::key::{HashKey, Key, Spot, Trail, below_root, labels_from_the_last, next_segment};
use crate::rule::Subject;

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

/// Where there is anything to be found. Nothing is ever cut short: every level at which some rule stands is
/// looked at, however deep a request's URL is, and no other.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reach {
    pub(super) urls: bool,
    /// Segments of the prefixes that there are.
    pub(super) prefixes: Depths,
    pub(super) hosts: bool,
    /// Labels of the hosts that have a tree rule.
    pub(super) trees: Depths,
    pub(super) digests: bool,
    /// Some rules hold in some countries alone.
    pub(super) countries: bool,
}

impl Reach {
    /// Of rules for whole hosts alone.
    pub(super) fn of_hosts(self) -> Reach {
        Reach { urls: false, prefixes: Depths::default(), ..self }
    }

    pub(super) fn widen(&mut self, other: Reach) {
        self.urls |= other.urls;
        self.prefixes.0 |= other.prefixes.0;
        self.hosts |= other.hosts;
        self.trees.0 |= other.trees.0;
        self.digests |= other.digests;
        self.countries |= other.countries;
    }
}

/// How many rules there are for each place where a look-up may find any.
pub(super) struct Counts {
    urls: u32,
    prefixes: [u32; DEPTHS],
    hosts: u32,
    trees: [u32; DEPTHS],
    digests: u32,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { urls: 0, prefixes: [0; DEPTHS], hosts: 0, trees: [0; DEPTHS], digests: 0 }
    }
}

impl Counts {
    pub(super) fn add(&mut self, subject: &Subject) {
        self.each(subject, |count| *count += 1);
    }

    /// Of one that was added.
    pub(super) fn take(&mut self, subject: &Subject) {
        self.each(subject, |count| *count = count.saturating_sub(1));
    }

    fn each(&mut self, subject: &Subject, change: impl Fn(&mut u32)) {
        match subject {
            Subject::Url(_) => change(&mut self.urls),
            Subject::Prefix(place) => {
                let depths = place.readings().iter().map(|reading| segments(reading.path()));
                depths.for_each(|depth| change(&mut self.prefixes[Depths::place(depth)]));
            }
            Subject::Host(_) => change(&mut self.hosts),
            Subject::HostTree(host) => change(&mut self.trees[Depths::place(labels(host))]),
            Subject::Digest(_) => change(&mut self.digests),
            Subject::Pattern(_) => {}
        }
    }

    /// But for countries.
    pub(super) fn reach(&self) -> Reach {
        let mut reach =
            Reach { urls: self.urls > 0, hosts: self.hosts > 0, digests: self.digests > 0, ..Reach::default() };
        for (depth, _) in (0..).zip(self.prefixes).filter(|(_, count)| *count > 0) {
            reach.prefixes.add(depth);
        }
        for (depth, _) in (0..).zip(self.trees).filter(|(_, count)| *count > 0) {
            reach.trees.add(depth);
        }
        reach
    }
}

const DEPTHS: usize = 64;

/// A set of depths, a bit each; the highest stands for all from 63 on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Depths(u64);

impl Depths {
    pub(super) fn add(&mut self, depth: u32) {
        self.0 |= 1 << Depths::place(depth);
    }

    fn place(depth: u32) -> usize {
        (depth as usize).min(DEPTHS - 1)
    }

    fn has(self, depth: u32) -> bool {
        self.0 >> Depths::place(depth) & 1 == 1
    }

    /// Whether there is any at this depth or beyond.
    fn go_on(self, depth: u32) -> bool {
        self.0 >> Depths::place(depth) != 0
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

/// Adds to `probes` all that has to be looked up for one reading of a URL under `host`: its own, or what stands for it.
/// `announce` is shown each key as soon as it is known, for its place in memory to be fetched meanwhile.
pub(super) fn add_probes<'a>(
    probes: &mut Probes<'a>,
    host: &'a str,
    reading: &'a Folded,
    reach: Reach,
    announce: impl Fn(Key),
) {
    let mut add = |kind, depth, covered, spot: Spot, trail: &Trail| {
        let key = spot.key(kind);
        announce(key);
        probes.push(Probe { kind, depth, covered, key, trail: *trail });
    };
    let mut trail = Trail::new(HashKey::of_process());
    for (depth, (start, label)) in (1..).zip(labels_from_the_last(host.as_bytes())) {
        trail.push(label);
        if reach.trees.has(depth) {
            add(Kind::HostTree, depth, &host[start..], trail.spot(), &trail);
        }
    }
    trail.end_host();
    if reach.hosts {
        add(Kind::Host, 0, host, trail.spot(), &trail);
    }
    let path = below_root(reading.path());
    let mut end = 0;
    for depth in 0.. {
        let is_whole = end == path.len();
        let (as_prefix, as_url) = (reach.prefixes.has(depth), reach.urls && is_whole);
        if as_prefix || as_url {
            let spot = trail.spot();
            if as_prefix {
                add(Kind::Prefix, depth, &path[..end], spot, &trail);
            }
            if as_url {
                add(Kind::Url, 0, path, spot, &trail);
            }
        }
        if is_whole || !(reach.urls || reach.prefixes.go_on(depth + 1)) {
            break;
        }
        let Some(segment) = next_segment(path.as_bytes(), end) else { break };
        trail.push(segment);
        end += 1 + segment.len();
    }
}
