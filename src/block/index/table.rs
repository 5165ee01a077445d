//! The rules of one source, compiled.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use terms::country::Whereabouts;
use terms::ruling::RuleOrigin;
use terms::url::Parameters;
use terms::{Digest, Timestamp};

use super::Case;
use super::bearings::{Bearing, line};
use super::compile::{Compiler, Part, instant};
use super::patterns::Patterns;
use super::probe::Reach;
use super::run::Lifted;
use super::sections::{Section, Sections};
use super::slots::Slots;
use super::wordings;
use crate::pairs::{AskedPairs, WantedPairs};
use crate::pattern::Share;
use crate::rule::{Attributes, Rule, Standing};

/// What the live edits are called among sources.
pub(super) const NAME_OF_EDITS: &str = "edits";

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
            Source::Edits { .. } => NAME_OF_EDITS,
        }
    }
}

/// The rules of one source, immutable. Rules are numbered from 0 in the order of their lines.
pub struct Table {
    pub(super) source: Arc<Source>,
    pub(super) hash: Digest,
    pub(super) slots: Arc<Slots>,
    /// In memory, until there is an image that they can rest on.
    pub(super) sections: ArcSwap<Sections>,
    /// Lifted ones too.
    pub(super) rules: usize,
    /// Of live edits alone.
    pub(super) lifted: Option<Lifted>,
    pub(super) patterns: Option<Arc<Patterns>>,
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
        compiler.append(&part, 0);
        compiler.finish(source, hash)
    }

    /// How many rules it holds.
    pub fn len(&self) -> usize {
        self.rules - self.lifted.as_ref().map_or(0, |lifted| lifted.count)
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
        match &*self.source {
            Source::File(name) => Some(name),
            Source::Edits { .. } => None,
        }
    }

    /// The rules that are patterns.
    pub(super) fn pattern_rules(&self) -> Vec<u32> {
        let sections = self.sections.load();
        let all = sections.words(Section::Patterns).iter().map(|rule| u32::from_le_bytes(*rule));
        all.filter(|rule| !self.is_lifted(*rule)).collect()
    }

    /// The pages that its rules name.
    pub fn pages(&self) -> impl Iterator<Item = String> {
        let sections = self.sections.load_full();
        let numbers = match &self.lifted {
            Some(lifted) => lifted.pages.clone(),
            None => sections.words(Section::Pages).iter().map(|number| u32::from_le_bytes(*number)).collect(),
        };
        let text = move |number| sections.text(Section::TextEnds, Section::Texts, number as usize).to_owned();
        numbers.into_iter().map(text)
    }

    /// Each rule as its list words it, and what stands behind it, in their order.
    pub fn wording(&self) -> impl Iterator<Item = (String, Attributes)> {
        self.numbers().map(|rule| (self.text(rule), self.attributes(rule)))
    }

    /// What its patterns take of what all may take.
    pub fn share(&self) -> Share {
        self.patterns.as_ref().map(|patterns| patterns.share()).unwrap_or_default()
    }

    /// Its patterns that may match under hosts they don't name whole.
    pub(super) fn patterns_at_large(&self) -> &[u32] {
        self.patterns.as_ref().map_or(&[], |patterns| patterns.at_large())
    }

    /// The next instant at which a rule begins or ceases to hold.
    pub(super) fn next_boundary(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(Lifted { boundaries, .. }) = &self.lifted {
            let next = boundaries.get(boundaries.partition_point(|boundary| *boundary <= now.micros()));
            return next.copied().map(Timestamp::from_micros);
        }
        let sections = self.sections.load();
        let boundaries = sections.long_words(Section::Boundaries);
        boundaries.get(boundaries.partition_point(|boundary| instant(boundary) <= now)).map(instant)
    }

    /// Whether both are of the same rules, of which in one or the other some are lifted.
    pub(crate) fn is_compiled_with(&self, other: &Table) -> bool {
        Arc::ptr_eq(&self.slots, &other.slots)
    }

    /// Its rules.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..self.rules as u32).filter(|rule| !self.is_lifted(*rule))
    }

    /// What a look-up finds of it that is none of its rules any more.
    #[inline]
    pub(super) fn is_lifted(&self, rule: u32) -> bool {
        self.lifted.as_ref().is_some_and(|lifted| lifted.has(rule))
    }

    pub(super) fn text(&self, rule: u32) -> String {
        wordings::at(&self.sections.load(), rule)
    }

    pub(super) fn is_exception(&self, rule: u32) -> bool {
        Bearing::of(&self.sections.load(), rule).is_exception()
    }

    pub(super) fn attributes(&self, rule: u32) -> Attributes {
        Bearing::of(&self.sections.load(), rule).attributes()
    }

    pub(super) fn standing(&self, rule: u32, now: Timestamp) -> Standing {
        Bearing::of(&self.sections.load(), rule).standing(now)
    }

    /// Whether a rule holds when it is asked, for whom it is asked.
    pub(super) fn holds(&self, rule: u32, case: Case<'_>) -> bool {
        let sections = self.sections.load();
        let bearing = Bearing::of(&sections, rule);
        bearing.standing(case.now) == Standing::InForce && bearing.is_for(case.whom)
    }

    pub(super) fn is_for(&self, rule: u32, whom: Whereabouts<'_>) -> bool {
        Bearing::of(&self.sections.load(), rule).is_for(whom)
    }

    /// The first of its rules that holds in some countries alone.
    pub fn first_of_countries(&self) -> Option<RuleOrigin> {
        let is_one = |rule: &u32| Bearing::of(&self.sections.load(), *rule).countries().is_some();
        let first = self.reach.countries.then(|| self.numbers().find(is_one)).flatten();
        first.map(|rule| self.origin(rule))
    }

    /// The canonical pairs that a rule names, and whether it is for them alone.
    pub(super) fn query(&self, rule: u32) -> (Option<String>, bool) {
        let sections = self.sections.load();
        (query(&sections, rule).map(str::to_owned), Bearing::of(&sections, rule).exact_query())
    }

    /// Whether a rule that was found by its path, and perhaps by one of its pairs, takes the whole
    /// query of a request.
    pub(super) fn takes_query(&self, rule: u32, asked: &AskedPairs<'_>) -> bool {
        wanted_pairs(&self.sections.load(), rule).agrees(asked)
    }

    /// The same at a site whose origins ignore some parameters.
    pub(super) fn takes_query_without(&self, ignored: &Parameters, rule: u32, asked: &AskedPairs<'_>) -> bool {
        wanted_pairs(&self.sections.load(), rule).agrees_without(ignored, asked)
    }

    pub(super) fn origin(&self, rule: u32) -> RuleOrigin {
        match &*self.source {
            Source::File(name) => RuleOrigin::File { file: name.clone(), line: line(&self.sections.load(), rule) },
            Source::Edits { ids } => RuleOrigin::Edit { id: ids.get(rule as usize).cloned().unwrap_or_default() },
        }
    }
}

fn wanted_pairs(sections: &Sections, rule: u32) -> WantedPairs<'_> {
    let bearing = Bearing::of(sections, rule);
    let (exact, is_exception) = (bearing.exact_query(), bearing.is_exception());
    WantedPairs { named: query(sections, rule), exact, is_exception }
}

fn query(sections: &Sections, rule: u32) -> Option<&str> {
    if !Bearing::of(sections, rule).has_query() {
        return None;
    }
    let rules = sections.words(Section::QueryRules);
    let at = rules.binary_search_by_key(&rule, |one| u32::from_le_bytes(*one)).ok()?;
    Some(sections.text(Section::QueryEnds, Section::Queries, at))
}
