//! Why a URL is served or not: the rule that decides, and those that would if it weren't there.

use std::collections::HashSet;
use std::sync::Arc;

use terms::ruling::RuleOrigin;
use terms::{Folded, Ruling, Timestamp, Url};

use super::{Index, Kind, Match};
use crate::rule::{Attributes, Standing};

/// Rules beside the deciding one that are told.
const MAX_OTHERS: usize = 100;

/// What an index says of a URL, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The version of the index.
    pub list: u64,
    /// The canonical text of the reading that was decided on: the first one that is blocked, else
    /// the usual one.
    pub reading: Arc<str>,
    /// The rule that decides; an exception too. `None`: no rule in force covers the URL.
    pub decides: Option<Cited>,
    /// What a client would be told; `None`: it would be let through.
    pub ruling: Option<Ruling>,
    /// Other rules that cover the URL in any reading, in the order in which they would decide; at
    /// most 100. Those outside their window of time stand here too.
    pub others: Vec<Cited>,
    /// How many more there are.
    pub left_out: usize,
}

impl Explanation {
    pub fn is_blocked(&self) -> bool {
        self.ruling.is_some()
    }
}

/// One rule, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited {
    pub rule: Arc<str>,
    pub kind: Kind,
    pub exception: bool,
    pub attributes: Attributes,
    pub origin: RuleOrigin,
    pub standing: Standing,
}

impl Index {
    /// Says which rule decides on `url` by its name, and which others cover it. Digest rules are
    /// about bytes, and not told.
    pub fn explain(&self, url: &Url, now: Timestamp) -> Explanation {
        let (reading, decides) = self.decide_url(url, now);
        let mut all = Vec::new();
        url.readings().for_each(|reading| self.each_match(reading, |one| all.push(one)));
        all.sort_unstable();
        let mut told: HashSet<(usize, u32)> = decides.iter().map(|one| (one.table, one.rule)).collect();
        all.retain(|one| told.insert((one.table, one.rule)));
        Explanation {
            list: self.version,
            reading: Arc::from(reading.as_str()),
            decides: decides.map(|one| self.cite(&one, now)),
            ruling: self.judge(url, now),
            others: all.iter().take(MAX_OTHERS).map(|one| self.cite(one, now)).collect(),
            left_out: all.len().saturating_sub(MAX_OTHERS),
        }
    }

    /// The reading that decides on a URL, and the rule that decides on that.
    fn decide_url<'a>(&self, url: &'a Url, now: Timestamp) -> (&'a Folded, Option<Match>) {
        let mut judged = url.readings().map(|reading| (reading, self.decide(reading, now)));
        let blocked = judged.find(|(_, decides)| decides.is_some_and(|one| one.blocks));
        blocked.unwrap_or_else(|| (url.folded(), self.decide(url.folded(), now)))
    }

    fn cite(&self, one: &Match, now: Timestamp) -> Cited {
        let table = &self.tables[one.table];
        Cited {
            rule: Arc::from(table.text(one.rule)),
            kind: one.kind,
            exception: !one.blocks,
            attributes: table.attributes(one.rule).clone(),
            origin: table.origin(one.rule),
            standing: table.standing(one.rule, now),
        }
    }
}
