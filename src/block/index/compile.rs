//! From rules to a table: every rule under its keys.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use terms::Digest;

use super::patterns::Patterns;
use super::postings::Postings;
use super::probe::{Key, Kind, Reach, Trail, digest_key, labels, segments};
use super::table::{ASK_PAIRS, Bearing, Held, Source, Table, Texts};
use super::wordings::Wordings;
use crate::pattern::Pattern;
use crate::rule::{Place, Rule, Subject};

/// A table on its way. Rules are added in the order in which they decide.
pub(crate) struct Compiler {
    wordings: Wordings,
    held: Vec<Held>,
    bearings: Vec<Bearing>,
    bearing_numbers: HashMap<Bearing, u32>,
    query_rules: Vec<u32>,
    queries: Texts,
    keys: Keys,
    patterns: Vec<(u32, Arc<Pattern>)>,
}

/// Rules under their keys, on the way to postings.
#[derive(Default)]
pub(super) struct Keys {
    postings: Vec<(Key, u32)>,
    by_pair: Vec<ByPair>,
    pair_keys: Vec<Key>,
    reach: Reach,
}

/// A rule with pairs, and the keys that it could stand under: one for each of them. Where the path
/// has several readings there is one of these for each.
struct ByPair {
    rule: u32,
    keys: Range<usize>,
}

impl Compiler {
    /// `rules` is about how many there will be.
    pub(crate) fn new(rules: usize) -> Compiler {
        Compiler {
            wordings: Wordings::default(),
            held: Vec::with_capacity(rules),
            bearings: Vec::new(),
            bearing_numbers: HashMap::new(),
            query_rules: Vec::new(),
            queries: Texts::default(),
            keys: Keys { postings: Vec::with_capacity(rules), ..Keys::default() },
            patterns: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, rule: &Rule) {
        let number = self.held.len() as u32;
        let query = match &rule.subject {
            Subject::Url(place) | Subject::Prefix(place) => place.query(),
            _ => None,
        };
        if let Some(query) = query {
            self.query_rules.push(number);
            self.queries.push(query);
        }
        let bearing =
            Bearing { exception: rule.exception, has_query: query.is_some(), attributes: rule.attributes.clone() };
        let bearing = self.intern(bearing);
        self.wordings.push(&rule.text);
        self.held.push(Held { line: rule.line, bearing });
        match &rule.subject {
            Subject::Pattern(pattern) => self.patterns.push((number, pattern.clone())),
            subject => self.keys.add(number, subject, None),
        }
    }

    fn intern(&mut self, bearing: Bearing) -> u32 {
        if let Some(number) = self.bearing_numbers.get(&bearing) {
            return *number;
        }
        let number = self.bearings.len() as u32;
        self.bearings.push(bearing.clone());
        self.bearing_numbers.insert(bearing, number);
        number
    }

    /// `hash` is the digest of what the rules were read from.
    pub(crate) fn finish(mut self, source: Source, hash: Digest) -> Table {
        self.held.shrink_to_fit();
        let (postings, reach) = self.keys.finish();
        self.wordings.shrink();
        self.queries.shrink();
        let windows = self.bearings.iter().map(|bearing| &bearing.attributes);
        let mut boundaries: Vec<_> = windows.flat_map(|window| [window.from, window.until]).flatten().collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        let patterns: Vec<(u32, &Pattern)> = self.patterns.iter().map(|(rule, pattern)| (*rule, &**pattern)).collect();
        Table {
            source,
            hash,
            wordings: self.wordings,
            held: self.held,
            bearings: self.bearings,
            query_rules: self.query_rules,
            queries: self.queries,
            postings,
            patterns: Patterns::new(&patterns),
            reach,
            boundaries,
        }
    }
}

impl Keys {
    /// `host` stands in the place of the subject's own. A pattern has no key.
    pub(super) fn add(&mut self, rule: u32, subject: &Subject, host: Option<&str>) {
        match subject {
            Subject::Url(place) => {
                self.reach.urls = true;
                self.add_place(rule, Kind::Url, place, host);
            }
            Subject::Prefix(place) => {
                let deepest = place.readings().iter().map(|reading| segments(reading.path())).max().unwrap_or(0);
                self.reach.prefix_levels = self.reach.prefix_levels.max(deepest.saturating_add(1));
                self.add_place(rule, Kind::Prefix, place, host);
            }
            Subject::Host(own) => {
                self.reach.hosts = true;
                self.postings.push((Trail::of_host(host.unwrap_or(own)).key(Kind::Host), rule));
            }
            Subject::HostTree(own) => {
                let host = host.unwrap_or(own);
                self.reach.tree_labels = self.reach.tree_labels.max(labels(host));
                self.postings.push((Trail::of_tree(host).key(Kind::HostTree), rule));
            }
            Subject::Digest(digest) => {
                self.reach.digests = true;
                self.postings.push((digest_key(digest), rule));
            }
            Subject::Pattern(_) => {}
        }
    }

    fn add_place(&mut self, rule: u32, kind: Kind, place: &Place, host: Option<&str>) {
        for reading in place.readings() {
            let trail = Trail::of_path(host.unwrap_or(reading.host()), reading);
            if reading.query().is_none() {
                self.postings.push((trail.key(kind), rule));
                continue;
            }
            self.postings.push((trail.key(kind), ASK_PAIRS));
            let start = self.pair_keys.len();
            self.pair_keys.extend(reading.pairs().map(|pair| trail.pair_key(kind, pair)));
            self.by_pair.push(ByPair { rule, keys: start..self.pair_keys.len() });
        }
    }

    /// Puts every rule with pairs under the rarest of them, so that a pair which many rules share
    /// leads to few of them.
    fn settle_pairs(&mut self) {
        let has_choice = self.by_pair.iter().any(|one| one.keys.len() > 1);
        let mut uses: HashMap<Key, u32> = HashMap::new();
        if has_choice {
            for key in &self.pair_keys {
                *uses.entry(*key).or_default() += 1;
            }
        }
        for one in &self.by_pair {
            let keys = &self.pair_keys[one.keys.clone()];
            if let Some(rarest) = keys.iter().min_by_key(|key| uses.get(key)) {
                self.postings.push((*rarest, one.rule));
            }
        }
    }

    pub(super) fn finish(mut self) -> (Postings, Reach) {
        self.settle_pairs();
        (Postings::new(self.postings), self.reach)
    }
}
