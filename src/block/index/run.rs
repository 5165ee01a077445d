//! A table of live rules from which rules are lifted without its being compiled anew.
//!
//! Each lift makes another table of it, which shares all that is large and is exact all the same: what is told of the
//! rules together (where there is anything to be found, boundaries, pages, patterns) is of those that are left.

use std::sync::Arc;

use arc_swap::ArcSwap;
use terms::Digest;

use super::bearings::{InCommon, in_common};
use super::compile::{Compiler, Part};
use super::patterns::Patterns;
use super::probe::{Counts, Reach};
use super::sections::Section;
use super::table::{Source, Table};
use crate::pattern::Pattern;
use crate::rule::{Rule, Subject};

/// Which rules of a table are lifted, and what of it is therefore other than its sections have it.
pub(super) struct Lifted {
    /// A bit for each rule.
    bits: Vec<u64>,
    pub(super) count: usize,
    /// As [`Section::Boundaries`] and [`Section::Pages`], of the rules that are left.
    pub(super) boundaries: Vec<i64>,
    pub(super) pages: Vec<u32>,
}

impl Lifted {
    pub(super) fn has(&self, rule: u32) -> bool {
        self.bits.get(rule as usize / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

pub(crate) struct Run {
    table: Arc<Table>,
    counts: Counts,
    patterns: Vec<(u32, Arc<Pattern>)>,
}

impl Run {
    /// Of rules with their ids, in the order in which they decide.
    pub(crate) fn compile<'r>(rules: impl IntoIterator<Item = (Arc<str>, &'r Rule)>) -> Run {
        let (mut ids, mut part) = (Vec::new(), Part::default());
        let (mut counts, mut patterns) = (Counts::default(), Vec::new());
        for (id, rule) in rules {
            if let Subject::Pattern(pattern) = &rule.subject {
                patterns.push((ids.len() as u32, pattern.clone()));
            }
            counts.add(&rule.subject);
            part.add(rule);
            ids.push(id);
        }
        let mut compiler = Compiler::default();
        compiler.append(&part, 0);
        let table = Arc::new(compiler.finish(Source::Edits { ids }, Digest::ZERO));
        Run { table, counts, patterns }
    }

    /// Those that are left.
    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// How many were lifted.
    pub(crate) fn lifted(&self) -> usize {
        self.table.rules - self.table.len()
    }

    /// Lifts rules, by their numbers in the table; one that is lifted already stays so.
    pub(crate) fn lift<'r>(&mut self, rules: impl IntoIterator<Item = (u32, &'r Rule)>) {
        let table = &self.table;
        let mut bits = match &table.lifted {
            Some(lifted) => lifted.bits.clone(),
            None => vec![0; table.rules.div_ceil(64)],
        };
        let (patterns, mut count) = (self.patterns.len(), self.lifted());
        for (number, rule) in rules {
            let Some(word) = bits.get_mut(number as usize / 64) else { continue };
            let bit = 1 << (number % 64);
            if *word & bit != 0 {
                continue;
            }
            *word |= bit;
            count += 1;
            self.counts.take(&rule.subject);
            if matches!(rule.subject, Subject::Pattern(_)) {
                self.patterns.retain(|(own, _)| *own != number);
            }
        }
        let patterns = match self.patterns.len() == patterns {
            true => table.patterns.clone(),
            false => {
                let left: Vec<(u32, &Pattern)> = self.patterns.iter().map(|(rule, one)| (*rule, &**one)).collect();
                Patterns::new(&left).map(Arc::new)
            }
        };
        self.table = Arc::new(self.without(bits, count, patterns));
    }

    fn without(&self, bits: Vec<u64>, count: usize, patterns: Option<Arc<Patterns>>) -> Table {
        let table = &self.table;
        let sections = table.sections.load_full();
        let mut lifted = Lifted { bits, count, boundaries: Vec::new(), pages: Vec::new() };
        let is_bare = [Section::Boundaries, Section::Pages].iter().all(|one| sections.bytes(*one).is_empty());
        let told = match is_bare && !table.reach.countries {
            true => InCommon::default(),
            false => in_common(&sections, (0..table.rules as u32).filter(|rule| !lifted.has(*rule))),
        };
        (lifted.boundaries, lifted.pages) = (told.boundaries, told.pages);
        Table {
            source: table.source.clone(),
            hash: table.hash,
            slots: table.slots.clone(),
            sections: ArcSwap::new(sections),
            rules: table.rules,
            lifted: Some(lifted),
            patterns,
            reach: Reach { countries: told.has_countries, ..self.counts.reach() },
        }
    }
}
