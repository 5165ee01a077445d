//! What is looked up for a URL: a few keys, made in one pass over it.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use terms::Folded;

use super::key::{HashKey, Key, Mark, Spot, Trail, below_root};
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
pub(super) struct Probe {
    pub(super) kind: Kind,
    /// Segments of a prefix, labels of a tree; 0 for what can't be more or less specific.
    pub(super) depth: u32,
    /// Where in the host a tree begins, or in the path below the root a prefix ends.
    pub(super) bound: usize,
    /// Of its key.
    pub(super) upper: u64,
    trail: Trail,
}

impl Probe {
    fn of(kind: Kind, depth: u32, bound: usize, trail: Trail, spot: Spot) -> Probe {
        Probe { kind, depth, bound, upper: spot.upper(kind), trail }
    }

    pub(super) fn key(&self) -> Key {
        self.trail.key(self.kind)
    }

    pub(super) fn pair_key(&self, pair: &str) -> Key {
        self.trail.pair_key(self.kind, pair)
    }
}

/// As many as a URL usually has fit in without a heap.
pub(super) type Probes = SmallVec<[Probe; 20]>;

/// Adds to `probes` all that has to be looked up for one reading of a URL under `host`: its own, or what stands for it.
/// `announce` is shown the upper half of each key as soon as it is known, for its place in memory to be fetched meanwhile.
pub(super) fn add_probes(probes: &mut Probes, host: &str, reading: &Folded, reach: Reach, announce: impl Fn(u64)) {
    let mut depth = 0;
    let mut whole = Trail::new(HashKey::of_process());
    whole.along_host(host, |start, before, last| {
        depth += 1;
        if reach.trees.has(depth) {
            let trail = last.of_host(before, Mark::Tree);
            add(probes, &announce, Probe::of(Kind::HostTree, depth, start, trail, trail.spot()));
        }
        if start == 0 {
            whole = last.of_host(before, Mark::Host);
        }
    });
    if reach.hosts {
        add(probes, &announce, Probe::of(Kind::Host, 0, 0, whole, whole.spot()));
    }
    let path = below_root(reading.path());
    let mut depth = 0;
    whole.along_path(path, |end, before, last| {
        let (as_prefix, as_url) = (reach.prefixes.has(depth), reach.urls && end == path.len());
        if as_prefix || as_url {
            let trail = last.of_path(before, Mark::Path);
            let spot = trail.spot();
            if as_prefix {
                add(probes, &announce, Probe::of(Kind::Prefix, depth, end, trail, spot));
            }
            if as_url {
                add(probes, &announce, Probe::of(Kind::Url, 0, end, trail, spot));
            }
        }
        depth += 1;
        if reach.urls || reach.prefixes.go_on(depth) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
}

/// Not inlined, as [`Trail::spot`].
#[inline(never)]
fn add(probes: &mut Probes, announce: &impl Fn(u64), probe: Probe) {
    announce(probe.upper);
    probes.push(probe);
}
