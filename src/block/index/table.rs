//! The rules of one source, compiled.

use std::fmt;
use std::sync::Arc;

use terms::ruling::RuleOrigin;
use terms::{Digest, Folded, Timestamp};

use super::bearings::Bearing;
use super::compile::{Compiler, Part, instant};
use super::key::Key;
use super::patterns::Patterns;
use super::probe::Reach;
use super::sections::{Section, Sections};
use super::slots::{Rules, Slots};
use super::wordings;
use crate::pattern::Share;
use crate::rule::{Attributes, Rule, Standing, query_agrees};

/// Where the rules of a table come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A list file, by the name that people are shown.
    File(Arc<str>),
    /// The live edits, with the id of each rule, in the order of the rules.
    Edits { ids: Vec<Arc<str>> },
}

impl Source {
    /// The file's name, or `edits`.
    pub fn name(&self) -> &str {
        match self {
            Source::File(name) => name,
            Source::Edits { .. } => "edits",
        }
    }
}

/// The rules of one source, immutable. Rules are numbered from 0 in the order of their lines.
pub struct Table {
    pub(super) source: Source,
    pub(super) hash: Digest,
    pub(super) slots: Slots,
    pub(super) sections: Sections,
    pub(super) patterns: Option<Patterns>,
    pub(super) reach: Reach,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("source", &self.source).field("rules", &self.len()).finish_non_exhaustive()
    }
}

impl Table {
    /// Compiles rules, which stand in the order in which they decide. `hash` is the digest of what
    /// they were read from.
    pub fn compile(source: Source, rules: Vec<Rule>, hash: Digest) -> Table {
        let mut part = Part::default();
        rules.iter().for_each(|rule| part.add(rule));
        let mut compiler = Compiler::default();
        compiler.append(part, 0);
        compiler.finish(source, hash)
    }

    /// How many rules it holds.
    pub fn len(&self) -> usize {
        self.sections.long_words(Section::Held).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn name(&self) -> &str {
        self.source.name()
    }

    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The list file that its rules are of; `None` for the live edits.
    pub fn file(&self) -> Option<&str> {
        match &self.source {
            Source::File(name) => Some(name),
            Source::Edits { .. } => None,
        }
    }

    /// The pages that its rules name, some of them perhaps more than once.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        let numbers = self.sections.words(Section::Pages).iter().map(|number| u32::from_le_bytes(*number) as usize);
        numbers.map(|number| self.sections.text(Section::TextEnds, Section::Texts, number))
    }

    /// What its patterns take of what all may take.
    pub fn share(&self) -> Share {
        self.patterns.as_ref().map(Patterns::share).unwrap_or_default()
    }

    /// Its patterns that may match under hosts they don't name whole.
    pub(super) fn patterns_at_large(&self) -> &[u32] {
        self.patterns.as_ref().map_or(&[], Patterns::at_large)
    }

    /// The next instant at which a rule begins or ceases to hold.
    pub(super) fn next_boundary(&self, now: Timestamp) -> Option<Timestamp> {
        let boundaries = self.sections.long_words(Section::Boundaries);
        boundaries.get(boundaries.partition_point(|boundary| instant(boundary) <= now)).map(instant)
    }

    /// Rules under a key, and [`super::slots::ASK_PAIRS`] perhaps as the last of them.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Rules<'_> {
        self.slots.find(key, self.sections.bytes(Section::Lists))
    }

    pub(super) fn text(&self, rule: u32) -> String {
        wordings::at(&self.sections, rule)
    }

    /// The line of a rule and the number of its bearing.
    fn held(&self, rule: u32) -> [u32; 2] {
        let held = self.sections.long_words(Section::Held).get(rule as usize);
        let held = held.map_or(0, |held| u64::from_le_bytes(*held));
        [held as u32, (held >> 32) as u32]
    }

    pub(super) fn bearing(&self, rule: u32) -> Bearing<'_> {
        Bearing::of(&self.sections, self.held(rule)[1])
    }

    pub(super) fn is_exception(&self, rule: u32) -> bool {
        self.bearing(rule).is_exception()
    }

    pub(super) fn attributes(&self, rule: u32) -> Attributes {
        self.bearing(rule).attributes()
    }

    pub(super) fn standing(&self, rule: u32, now: Timestamp) -> Standing {
        self.bearing(rule).standing(now)
    }

    /// The canonical pairs that a rule names.
    pub(super) fn query(&self, rule: u32) -> Option<&str> {
        if !self.bearing(rule).has_query() {
            return None;
        }
        let rules = self.sections.words(Section::QueryRules);
        let at = rules.binary_search_by_key(&rule, |one| u32::from_le_bytes(*one)).ok()?;
        Some(self.sections.text(Section::QueryEnds, Section::Queries, at))
    }

    /// Whether a rule that was found by its path, and perhaps by one of its pairs, takes the whole
    /// query of a request.
    pub(super) fn takes_query(&self, rule: u32, asked: &Folded) -> bool {
        query_agrees(self.query(rule), self.bearing(rule).exact_query(), asked)
    }

    pub(super) fn origin(&self, rule: u32) -> RuleOrigin {
        match &self.source {
            Source::File(name) => RuleOrigin::File { file: name.clone(), line: self.held(rule)[0] },
            Source::Edits { ids } => RuleOrigin::Edit { id: ids.get(rule as usize).cloned().unwrap_or_default() },
        }
    }
}
