//! The patterns of one source, as one automaton.
//!
//! It is tried only on texts that begin as one of the patterns does, so that hosts which no pattern
//! names pay for a search in a short sorted list.

use regex_automata::meta::Regex;
use regex_automata::{Input, PatternSet};
use terms::Folded;

use crate::pattern::{Pattern, Share, configuration, texts};

pub(super) struct Patterns {
    /// The rule of each.
    rules: Vec<u32>,
    /// Sorted; none of them begins with another.
    starts: Vec<Box<str>>,
    /// Those that some pattern names whole.
    hosts: Vec<Box<str>>,
    /// The rules of those that may match under hosts they don't name whole.
    at_large: Vec<u32>,
    automaton: Automaton,
    share: Share,
}

enum Automaton {
    Together(Regex),
    /// Where they could not be joined, though each could be compiled.
    Apart(Vec<Regex>),
}

impl Patterns {
    /// Patterns with their rules, in the order of those. `None` for none.
    pub(super) fn new(all: &[(u32, &Pattern)]) -> Option<Patterns> {
        if all.is_empty() {
            return None;
        }
        let mut starts: Vec<Box<str>> = all.iter().flat_map(|(_, pattern)| pattern.starts()).cloned().collect();
        let hosts = starts.iter().filter_map(|start| start.strip_suffix('/')).map(Box::from).collect();
        let at_large = all.iter().filter(|(_, pattern)| !pattern.names_hosts()).map(|(rule, _)| *rule).collect();
        starts.sort_unstable();
        starts.dedup_by(|later, kept| later.starts_with(&**kept));
        let hirs: Vec<_> = all.iter().map(|(_, pattern)| pattern.hir()).collect();
        let share: Share = all.iter().map(|(_, pattern)| pattern.share()).sum();
        let automaton = match Regex::builder().configure(configuration(share.bytes)).build_many_from_hir(&hirs) {
            Ok(together) => Automaton::Together(together),
            Err(_) => Automaton::Apart(all.iter().map(|(_, pattern)| pattern.regex().clone()).collect()),
        };
        let rules = all.iter().map(|(rule, _)| *rule).collect();
        Some(Patterns { rules, starts, hosts, at_large, automaton, share })
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &**host)
    }

    pub(super) fn at_large(&self) -> &[u32] {
        &self.at_large
    }

    /// Shows `visit` the rules whose patterns cover a reading, each once.
    pub(super) fn each_match(&self, asked: &Folded, visit: impl FnMut(u32)) {
        if !self.may_match(asked.behind_scheme()) {
            return;
        }
        let mut found = PatternSet::new(self.rules.len());
        for text in texts(asked) {
            match &self.automaton {
                Automaton::Together(regex) => regex.which_overlapping_matches(&Input::new(text), &mut found),
                Automaton::Apart(all) => {
                    let matching = all.iter().enumerate().filter(|(_, regex)| regex.is_match(text));
                    // One for each of the set's places, so that all fit in.
                    matching.for_each(|(number, _)| drop(found.try_insert(regex_automata::PatternID::must(number))));
                }
            }
        }
        found.iter().filter_map(|number| self.rules.get(number.as_usize())).copied().for_each(visit);
    }

    /// Only the greatest start that isn't beyond the text can be what it begins with.
    fn may_match(&self, text: &str) -> bool {
        let beyond = self.starts.partition_point(|start| **start <= *text);
        beyond.checked_sub(1).is_some_and(|at| text.starts_with(&*self.starts[at]))
    }
}
