//! From rules to a table: every rule under its keys.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use terms::{Digest, Timestamp};

use super::bearings::{self, Form};
use super::key::{Key, Trail, digest_key};
use super::patterns::Patterns;
use super::probe::{Kind, Reach, labels, segments};
use super::sections::{Section, Sections, Texts};
use super::slots::{ASK_PAIRS, Posting, Slots, posting};
use super::table::{Source, Table};
use super::wordings::{Joined, Wordings};
use crate::pattern::{Pattern, Share};
use crate::rule::{Attributes, Place, Rule, Subject};

/// Bytes that are copied to be rid of what is spare behind them.
const WORTH_A_COPY: usize = 1 << 20;

/// Some of the rules of a table, in their order. Parts can be made beside one another.
#[derive(Default)]
pub(crate) struct Part {
    wordings: Wordings,
    /// For each rule its line and its bearing.
    held: Vec<(u32, u32)>,
    bearings: Vec<(Form, Arc<Attributes>)>,
    /// By the address of the attributes, which are held above.
    bearing_numbers: HashMap<(usize, Form), u32, RandomState>,
    last_bearing: Option<((usize, Form), u32)>,
    query_rules: Vec<u32>,
    queries: Texts,
    keys: Keys,
    patterns: Vec<(u32, Arc<Pattern>)>,
}

/// Rules under their keys, on the way to slots.
#[derive(Default)]
pub(super) struct Keys {
    /// Those whose key has its highest bit last.
    postings: [Vec<Posting>; 2],
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

impl Part {
    /// For about so many rules.
    pub(crate) fn of(rules: usize) -> Part {
        let mut part = Part::default();
        part.held.reserve(rules);
        part.keys.postings.iter_mut().for_each(|half| half.reserve(rules / 2 + rules / 16));
        part
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
        let bearing = self.bearing(Form { exception: rule.exception, has_query: query.is_some() }, &rule.attributes);
        self.wordings.push(&rule.text);
        self.held.push((rule.line, bearing));
        match &rule.subject {
            Subject::Pattern(pattern) => self.patterns.push((number, pattern.clone())),
            subject => self.keys.add(number, subject, None),
        }
    }

    fn bearing(&mut self, form: Form, attributes: &Arc<Attributes>) -> u32 {
        let key = (Arc::as_ptr(attributes) as usize, form);
        if let Some((last, number)) = self.last_bearing
            && last == key
        {
            return number;
        }
        let next = self.bearings.len() as u32;
        let number = *self.bearing_numbers.entry(key).or_insert(next);
        if number == next {
            self.bearings.push((form, attributes.clone()));
        }
        self.last_bearing = Some((key, number));
        number
    }

    /// What its patterns take.
    pub(crate) fn share(&self) -> Share {
        self.patterns.iter().map(|(_, pattern)| pattern.share()).sum()
    }
}

/// A table on its way. Parts come in the order in which their rules decide.
#[derive(Default)]
pub(crate) struct Compiler {
    wordings: Joined,
    held: Vec<u8>,
    bearings: bearings::Writer,
    query_rules: Vec<u8>,
    queries: Texts,
    keys: Keys,
    patterns: Vec<(u32, Arc<Pattern>)>,
}

impl Compiler {
    /// Makes room for so many parts like this one, so that nothing is moved as they come.
    pub(crate) fn reserve(&mut self, part: &Part, parts: usize) {
        // A bit more: parts differ.
        let parts = parts + parts / 16;
        self.held.reserve(part.held.len() * 8 * parts);
        self.wordings.reserve(&part.wordings, parts);
        for (own, parts_half) in self.keys.postings.iter_mut().zip(&part.keys.postings) {
            own.reserve(parts_half.len() * parts);
        }
    }

    /// `line` is how many lines stand before those of the part.
    pub(crate) fn append(&mut self, part: &Part, line: u32) {
        let base = (self.held.len() / 8) as u32;
        let numbers: Vec<u32> =
            part.bearings.iter().map(|(form, attributes)| self.bearings.number(*form, attributes)).collect();
        for &(own_line, bearing) in &part.held {
            let line = if own_line == 0 { 0 } else { own_line + line };
            self.held.extend_from_slice(&line.to_le_bytes());
            self.held.extend_from_slice(&numbers[bearing as usize].to_le_bytes());
        }
        self.wordings.append(&part.wordings);
        self.query_rules.extend(part.query_rules.iter().flat_map(|rule| (rule + base).to_le_bytes()));
        self.queries.append(&part.queries);
        self.keys.append(&part.keys, base);
        self.patterns.extend(part.patterns.iter().map(|(rule, pattern)| (rule + base, pattern.clone())));
    }

    /// `hash` is the digest of what the rules were read from.
    pub(crate) fn finish(self, source: Source, hash: Digest) -> Table {
        let rules = self.held.len() / 8;
        let (slots, reach) = self.keys.finish();
        let reach = Reach { countries: self.bearings.has_countries, ..reach };
        let mut boundaries = self.bearings.boundaries;
        boundaries.sort_unstable();
        boundaries.dedup();
        let patterns: Vec<(u32, &Pattern)> = self.patterns.iter().map(|(rule, pattern)| (*rule, &**pattern)).collect();
        let words = |all: &mut dyn Iterator<Item = u32>| all.flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        let mut all: [Vec<u8>; super::sections::SECTIONS] = Default::default();
        for (section, bytes) in [
            (Section::Held, self.held),
            (Section::Bearings, self.bearings.bearings),
            (Section::TextEnds, self.bearings.texts.ends),
            (Section::Texts, self.bearings.texts.bytes),
            (Section::QueryRules, self.query_rules),
            (Section::QueryEnds, self.queries.ends),
            (Section::Queries, self.queries.bytes),
            (Section::WordingParts, self.wordings.parts),
            (Section::WordingBlocks, self.wordings.blocks),
            (Section::Wordings, self.wordings.bytes),
            (Section::Patterns, words(&mut patterns.iter().map(|(rule, _)| *rule))),
            (Section::Boundaries, boundaries.iter().flat_map(|boundary| boundary.to_le_bytes()).collect()),
            (Section::Pages, words(&mut self.bearings.pages.iter().copied())),
        ] {
            all[section as usize] = bytes;
            // What is spare of much was never touched, so it is no memory yet; a copy would be.
            if all[section as usize].len() < WORTH_A_COPY {
                all[section as usize].shrink_to_fit();
            }
        }
        let sections = ArcSwap::from_pointee(Sections::Memory(all));
        let (source, slots, patterns) = (Arc::new(source), Arc::new(slots), Patterns::new(&patterns).map(Arc::new));
        Table { source, hash, slots, sections, rules, lifted: None, patterns, reach }
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
                let depths = place.readings().iter().map(|reading| segments(reading.path()));
                depths.for_each(|depth| self.reach.prefixes.add(depth));
                self.add_place(rule, Kind::Prefix, place, host);
            }
            Subject::Host(own) => {
                self.reach.hosts = true;
                self.post(Trail::of_host(host.unwrap_or(own)).key(Kind::Host), rule);
            }
            Subject::HostTree(own) => {
                let host = host.unwrap_or(own);
                self.reach.trees.add(labels(host));
                self.post(Trail::of_tree(host).key(Kind::HostTree), rule);
            }
            Subject::Digest(digest) => {
                self.reach.digests = true;
                self.post(digest_key(digest), rule);
            }
            Subject::Pattern(_) => {}
        }
    }

    fn post(&mut self, key: Key, rule: u32) {
        self.postings[usize::from(key >> 127 == 1)].push(posting(key, rule));
    }

    fn add_place(&mut self, rule: u32, kind: Kind, place: &Place, host: Option<&str>) {
        for reading in place.readings() {
            let trail = Trail::of_path(host.unwrap_or(reading.host()), reading);
            if reading.query().is_none() {
                self.post(trail.key(kind), rule);
                continue;
            }
            self.post(trail.key(kind), ASK_PAIRS);
            let start = self.pair_keys.len();
            self.pair_keys.extend(reading.pairs().map(|pair| trail.pair_key(kind, pair)));
            self.by_pair.push(ByPair { rule, keys: start..self.pair_keys.len() });
        }
    }

    /// Takes over what was added to others, whose rules are numbered from `base` on here.
    fn append(&mut self, other: &Keys, base: u32) {
        for (half, postings) in self.postings.iter_mut().zip(&other.postings) {
            let moved = |&posting: &Posting| {
                if posting as u32 == ASK_PAIRS { posting } else { posting + u128::from(base) }
            };
            half.extend(postings.iter().map(moved));
        }
        let before = self.pair_keys.len();
        let moved =
            |one: &ByPair| ByPair { rule: one.rule + base, keys: one.keys.start + before..one.keys.end + before };
        self.by_pair.extend(other.by_pair.iter().map(moved));
        self.pair_keys.extend_from_slice(&other.pair_keys);
        self.reach.widen(other.reach);
    }

    /// Puts every rule with pairs under the rarest of them, so that a pair which many rules share
    /// leads to few of them.
    fn settle_pairs(&mut self) {
        let (by_pair, keys) = (std::mem::take(&mut self.by_pair), std::mem::take(&mut self.pair_keys));
        let has_choice = by_pair.iter().any(|one| one.keys.len() > 1);
        let uses = uses(if has_choice { &keys } else { &[] });
        for one in by_pair {
            if let Some(rarest) = one.keys.min_by_key(|at| uses.get(*at)) {
                self.post(keys[rarest], one.rule);
            }
        }
    }

    pub(super) fn finish(mut self) -> (Slots, Reach) {
        self.settle_pairs();
        (Slots::new(self.postings), self.reach)
    }
}

/// For each of some keys how often it stands among them. None is told of those behind the first four thousand
/// million, whose places have no room beside a key.
fn uses(keys: &[Key]) -> Vec<u32> {
    let mut sorted: Vec<u128> = keys.iter().zip(0..=u32::MAX).map(|(key, at)| key | u128::from(at)).collect();
    sorted.sort_unstable();
    let mut uses = vec![0; sorted.len()];
    for alike in sorted.chunk_by(|one, other| one >> 32 == other >> 32) {
        alike.iter().for_each(|one| uses[*one as u32 as usize] = alike.len() as u32);
    }
    uses
}

/// An instant of a section.
pub(super) fn instant(micros: &[u8; 8]) -> Timestamp {
    Timestamp::from_micros(i64::from_le_bytes(*micros))
}
