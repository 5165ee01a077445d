//! The rules of one source, compiled.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use terms::ruling::RuleOrigin;
use terms::{Digest, Folded, Timestamp};

use super::compile::Compiler;
use super::patterns::Patterns;
use super::postings::Postings;
use super::probe::{Key, Reach};
use super::wordings::Wordings;
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

/// What rules have in common that differ in their subject alone: held once for all of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Bearing {
    pub(super) exception: bool,
    /// The rule names pairs of a query.
    pub(super) has_query: bool,
    pub(super) attributes: Attributes,
}

/// What is held of each rule beside its text.
pub(super) struct Held {
    pub(super) line: u32,
    pub(super) bearing: u32,
}

/// Stands among the rules of a path: some rules for it name pairs of a query, look for those too.
pub(super) const ASK_PAIRS: u32 = u32::MAX;

/// The rules of one source, immutable. Rules are numbered from 0 in the order of their lines.
pub struct Table {
    pub(super) source: Source,
    pub(super) hash: Digest,
    pub(super) wordings: Wordings,
    pub(super) held: Vec<Held>,
    pub(super) bearings: Vec<Bearing>,
    /// The rules that name pairs, ascending, and beside them those pairs.
    pub(super) query_rules: Vec<u32>,
    pub(super) queries: Texts,
    pub(super) postings: Postings,
    pub(super) patterns: Option<Patterns>,
    pub(super) reach: Reach,
    /// Every instant at which a rule begins or ceases to hold, ascending.
    pub(super) boundaries: Vec<Timestamp>,
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
        let mut compiler = Compiler::new(rules.len());
        for rule in rules {
            compiler.add(&rule);
        }
        compiler.finish(source, hash)
    }

    /// How many rules it holds.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
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
        self.bearings.iter().filter_map(|bearing| bearing.attributes.page.as_deref())
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
        self.boundaries.get(self.boundaries.partition_point(|boundary| *boundary <= now)).copied()
    }

    /// Rules under a key, and [`ASK_PAIRS`] perhaps as the last of them.
    pub(super) fn find(&self, key: Key) -> &[u32] {
        self.postings.find(key)
    }

    pub(super) fn text(&self, rule: u32) -> String {
        self.wordings.at(rule as usize)
    }

    fn bearing(&self, rule: u32) -> &Bearing {
        &self.bearings[self.held[rule as usize].bearing as usize]
    }

    pub(super) fn is_exception(&self, rule: u32) -> bool {
        self.bearing(rule).exception
    }

    pub(super) fn attributes(&self, rule: u32) -> &Attributes {
        &self.bearing(rule).attributes
    }

    pub(super) fn standing(&self, rule: u32, now: Timestamp) -> Standing {
        self.attributes(rule).standing(now)
    }

    /// The canonical pairs that a rule names.
    pub(super) fn query(&self, rule: u32) -> Option<&str> {
        if !self.bearing(rule).has_query {
            return None;
        }
        self.query_rules.binary_search(&rule).ok().map(|at| self.queries.at(at))
    }

    /// Whether a rule that was found by its path, and perhaps by one of its pairs, takes the whole
    /// query of a request.
    pub(super) fn takes_query(&self, rule: u32, asked: &Folded) -> bool {
        query_agrees(self.query(rule), self.attributes(rule).exact_query, asked)
    }

    pub(super) fn origin(&self, rule: u32) -> RuleOrigin {
        match &self.source {
            Source::File(name) => RuleOrigin::File { file: name.clone(), line: self.held[rule as usize].line },
            Source::Edits { ids } => RuleOrigin::Edit { id: ids.get(rule as usize).cloned().unwrap_or_default() },
        }
    }
}

/// Many texts in one piece of memory, by number.
#[derive(Default)]
pub(super) struct Texts {
    blob: String,
    ends: Vec<u64>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.blob.push_str(text);
        self.ends.push(self.blob.len() as u64);
    }

    pub(super) fn shrink(&mut self) {
        self.blob.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn at(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        let range: Range<usize> = start as usize..self.ends[number] as usize;
        &self.blob[range]
    }
}
