//! What would hold for a URL if the rule that decides were gone, and the one that decided then, and so on.

use terms::{Digest, Url};

use super::{Case, Cited, Index, Match, Reading};

/// Rules that are taken away one after another.
const MOST: usize = 5;

/// Digest rules that are told of the same bytes.
const MOST_OF_DIGEST: usize = 10;

/// What would hold with a rule gone, and those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Without {
    pub removed: Cited,
    pub blocked: bool,
    /// The rule that would decide.
    pub decides: Option<Cited>,
}

impl Index {
    /// What would hold without the rule that decides on `url`, then without that which decides then, too: until none
    /// does, or for five of them. Each line of a list is a rule.
    pub fn without(&self, url: &Url, case: Case<'_>) -> Vec<Without> {
        let mut gone: Vec<Match> = Vec::new();
        let readings = self.readings(url);
        let (_, mut decides) = self.decide_url(&readings, case);
        let mut told = Vec::new();
        while let Some(one) = decides.filter(|_| told.len() < MOST) {
            gone.push(one);
            let removed = self.cite(&one, url.host(), case.now);
            let is_gone = |one: &Match| gone.iter().any(|gone| (gone.table, gone.rule) == (one.table, one.rule));
            let decide = |reading: Reading<'_>| {
                let mut left = self.matches(reading);
                left.retain(|one| !is_gone(one));
                self.first_in_force(&left, case)
            };
            let blocked = readings.iter().filter_map(decide).find(|one| one.blocks);
            decides = blocked.or_else(|| decide(readings.first()));
            let decides = decides.map(|one| self.cite(&one, url.host(), case.now));
            told.push(Without { removed, blocked: blocked.is_some(), decides });
        }
        told
    }

    /// Rules about some bytes, the one that decides first; at most ten of them.
    pub fn cite_digest(&self, digest: &Digest, case: Case<'_>) -> Vec<Cited> {
        let mut all = self.of_digest(digest);
        all.sort_unstable_by_key(|one| (!self.in_force(one, case), *one));
        all.iter().take(MOST_OF_DIGEST).map(|one| self.cite(one, "", case.now)).collect()
    }
}
