//! Why a URL is served or not: the rule that decides, and those that would if it weren't there.

use std::collections::HashSet;
use std::sync::Arc;

use terms::ruling::RuleOrigin;
use terms::url::Spelling;
use terms::{Ruling, Timestamp, Url};

use super::{Case, Index, Kind, Match, Probed, Reading, Readings, Without};
use crate::list;
use crate::rule::{Attributes, Standing};

/// Rules beside the deciding one that are told.
const MAX_OTHERS: usize = 100;

/// What an index says of a URL, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The version of the index.
    pub list: u64,
    /// Of the URL's site.
    pub spelling: Spelling,
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
    /// What would hold without the rule that decides, and then without the next.
    pub without: Vec<Without>,
    /// What was looked up.
    pub probes: Vec<Probed>,
    /// There are rules about bytes: by these, more may be blocked.
    pub has_digest_rules: bool,
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
    /// It names another host, which has the same content.
    pub by_kin: bool,
    pub kind: Kind,
    pub exception: bool,
    pub attributes: Attributes,
    pub origin: RuleOrigin,
    pub standing: Standing,
    /// Why it is not the one that decides.
    pub because: Option<&'static str>,
}

impl Index {
    /// Says which rule decides on `url` by its name, and which others cover it. Digest rules are
    /// about bytes, and not told.
    pub fn explain(&self, url: &Url, case: Case<'_>) -> Explanation {
        let readings = self.readings(url);
        let (reading, decides) = self.decide_url(&readings, case);
        let mut covering = HashSet::new();
        self.each_match(reading, |one| covering.extend([(one.table, one.rule)]));
        let because = |one: &Match| {
            let Some(decides) = decides else { return self.holds_not(one, case) };
            match covering.contains(&(one.table, one.rule)) {
                true => Some(self.because(&decides, one, case)),
                false => Some("it covers another reading of the URL"),
            }
        };
        let mut all = Vec::new();
        readings.iter().for_each(|reading| self.each_match(reading, |one| all.push(one)));
        all.sort_unstable();
        let mut told: HashSet<(usize, u32)> = decides.iter().map(|one| (one.table, one.rule)).collect();
        all.retain(|one| told.insert((one.table, one.rule)));
        Explanation {
            list: self.version,
            spelling: self.kin().spelling(url.host()).cloned().unwrap_or_default(),
            reading: Arc::from(reading.folded.as_str()),
            decides: decides.map(|one| self.cite(&one, url.host(), case.now)),
            ruling: self.judge(url, case),
            others: all
                .iter()
                .take(MAX_OTHERS)
                .map(|one| Cited { because: because(one), ..self.cite(one, url.host(), case.now) })
                .collect(),
            left_out: all.len().saturating_sub(MAX_OTHERS),
            without: self.without(url, case),
            probes: self.probes(url),
            has_digest_rules: self.has_digest_rules(),
        }
    }

    /// The reading that decides on a URL, and the rule that decides on that.
    pub(super) fn decide_url<'a>(&self, readings: &'a Readings<'_>, case: Case<'_>) -> (Reading<'a>, Option<Match>) {
        let mut judged = readings.iter().map(|reading| (reading, self.decide(reading, case)));
        let blocked = judged.find(|(_, decides)| decides.is_some_and(|one| one.blocks));
        blocked.unwrap_or_else(|| (readings.first(), self.decide(readings.first(), case)))
    }

    /// `asked` is the host that the URL names.
    pub(super) fn cite(&self, one: &Match, asked: &str, now: Timestamp) -> Cited {
        let table = &self.tables[one.table];
        let text = table.text(one.rule);
        Cited {
            by_kin: one.by_kin && !self.names(&text, asked),
            rule: Arc::from(text),
            kind: one.kind,
            exception: !one.blocks,
            attributes: table.attributes(one.rule),
            origin: table.origin(one.rule),
            standing: table.standing(one.rule, now),
            because: None,
        }
    }

    fn holds_not(&self, one: &Match, case: Case<'_>) -> Option<&'static str> {
        let table = &self.tables[one.table];
        match () {
            () if table.standing(one.rule, case.now) != Standing::InForce => Some("it is out of its time"),
            () if !table.is_for(one.rule, case.whom) => Some("it holds in other countries alone"),
            () => None,
        }
    }

    /// Whether a rule is for this very host. With a spelling, all rules for URLs of a family are found by kin.
    fn names(&self, rule: &str, asked: &str) -> bool {
        let is_spelled = self.kin().spelling(asked).is_some();
        let named = is_spelled.then(|| list::place_by(rule, &Spelling::default())).flatten();
        named.is_some_and(|place| place.host() == asked)
    }

    /// Why `decides` decides on a reading and not `other`, which covers it too: the first of the ways in which the two differ that counts.
    fn because(&self, decides: &Match, other: &Match, case: Case<'_>) -> &'static str {
        if let Some(why) = self.holds_not(other, case) {
            return why;
        }
        match () {
            () if decides.blocks != other.blocks => "an exception comes before every block",
            () if decides.kind != other.kind => match decides.kind {
                Kind::Url => "a rule for the URL itself comes first",
                Kind::Prefix => "a prefix comes before hosts, digests and patterns",
                Kind::Host => "a rule for the host comes before trees, digests and patterns",
                Kind::HostTree => "a tree of hosts comes before digests and patterns",
                Kind::Digest | Kind::Pattern => "a digest comes before patterns",
            },
            () if decides.depth != other.depth => match decides.kind {
                Kind::Prefix => "the longest prefix comes first",
                _ => "the tree with the most labels comes first",
            },
            () => match [decides.table, other.table].map(|table| self.tables.is_live(table)) {
                [true, false] => "live blocks come before files",
                [false, _] if decides.table != other.table => "files come in the order of their names",
                _ => "the first one wins",
            },
        }
    }
}
