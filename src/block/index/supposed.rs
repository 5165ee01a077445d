//! An index as it would be, and what a rule would change: nothing here is in force.

use std::ops::RangeInclusive;
use std::sync::Arc;

use terms::{Digest, Timestamp, Url};

use super::key::digest_key;
use super::{Case, Cited, Index, Kind, LiveRules, Match, Matches, Reading, Source, Table};
use crate::list;
use crate::rule::{Attributes, Place, Rule, Standing, Subject};

impl Index {
    /// This one with more live edits, which decide behind those that there are.
    pub fn with_more(&self, rules: Vec<Rule>, ids: Vec<Arc<str>>) -> Index {
        let more = Arc::new(Table::compile(Source::Edits { ids }, rules, Digest::ZERO));
        self.with_live(self.live().and(more))
    }

    /// This one with other live rules, or the same in other tables.
    pub fn with_live(&self, live: impl Into<LiveRules>) -> Index {
        self.with_live_of(live, self)
    }

    /// As [`Index::with_live`], where what was made of those tables for the same kin is in `former`.
    pub(crate) fn with_live_of(&self, live: impl Into<LiveRules>, former: &Index) -> Index {
        let files = self.tables.files().to_vec();
        Index::with_kin(self.version, live, files, self.related.shared_kin(), Some(former))
    }

    /// The rule that decides on `url` by its name, an exception too.
    pub fn decides(&self, url: &Url, case: Case<'_>) -> Option<Cited> {
        let readings = self.readings(url);
        let (_, decides) = self.decide_url(&readings, case);
        decides.map(|one| self.cite(&one, url.host(), case.now))
    }

    /// The rule that blocks all that `rule` is about, for as long as `rule` holds: it is in force at `now`, when that
    /// begins, and ends no sooner. Or the exception that frees all of it. Of what together covers it, nothing is told.
    pub fn covering(&self, rule: &Rule, exceptions: bool, now: Timestamp) -> Option<Cited> {
        let is_meant = |one: &Match| {
            let table = &self.tables[one.table];
            let is_in_force = table.standing(one.rule, now) == Standing::InForce;
            one.blocks != exceptions && is_in_force && holds_for_all(&table.attributes(one.rule), &rule.attributes)
        };
        let of_place = |place: &Place, kinds: RangeInclusive<Kind>| {
            let covers = |one: &Match| {
                let (named, narrows) = self.tables[one.table].query(one.rule);
                // An exception has parameters by their own names, and a block by any.
                let frees_each = one.blocks || rule.exception || named.is_none();
                let is_as_wide = frees_each && (!narrows || rule.attributes.exact_query);
                is_meant(one) && kinds.contains(&one.kind) && is_as_wide
            };
            let spelling = self.kin().spelling(place.host());
            let spelled = spelling.and_then(|spelling| list::place_by(&rule.text, spelling));
            let readings = spelled.as_ref().unwrap_or(place).readings();
            let first = |folded| self.matches(Reading::of(folded)).into_iter().filter(|one| covers(one)).min();
            let all: Option<Vec<Match>> = readings.iter().map(first).collect();
            all?.into_iter().next()
        };
        let top = |host: &str| Place::read(host).ok();
        let found = match &rule.subject {
            Subject::Url(place) => of_place(place, Kind::Url..=Kind::HostTree),
            Subject::Prefix(place) => of_place(place, Kind::Prefix..=Kind::HostTree),
            Subject::Host(host) => of_place(&top(host)?, Kind::Prefix..=Kind::HostTree),
            Subject::HostTree(host) => {
                let reading = top(host)?;
                let reading = reading.readings().first()?;
                let trees = self
                    .matches(Reading::of(reading))
                    .into_iter()
                    .filter(|one| one.kind == Kind::HostTree && !one.by_kin);
                trees.filter(is_meant).min()
            }
            Subject::Digest(digest) => self.of_digest(digest).into_iter().filter(is_meant).min(),
            Subject::Pattern(_) => self.same_pattern(&rule.text).into_iter().filter(is_meant).min(),
        };
        let host = match &rule.subject {
            Subject::Url(place) | Subject::Prefix(place) => place.host(),
            Subject::Host(host) | Subject::HostTree(host) => host,
            Subject::Digest(_) | Subject::Pattern(_) => "",
        };
        found.map(|one| self.cite(&one, host, now))
    }

    /// Whether a rule is about these bytes, in force or not; exceptions are, too.
    pub fn is_about_digest(&self, digest: &Digest) -> bool {
        !self.of_digest(digest).is_empty()
    }

    /// Rules about these bytes, whatever the time.
    pub(super) fn of_digest(&self, digest: &Digest) -> Matches {
        let mut all = Matches::new();
        if self.reach.digests {
            let key = digest_key(digest);
            for (number, table) in self.tables.iter().enumerate() {
                let left = table.slots.find(key).filter(|rule| !table.is_lifted(*rule));
                all.extend(left.map(|rule| self.matched(Kind::Digest, 0, number, rule, false)));
            }
        }
        all
    }

    /// There are a thousand patterns at most.
    fn same_pattern(&self, text: &str) -> Matches {
        let mut all = Matches::new();
        for &number in &self.with_patterns {
            let table = &self.tables[number];
            let same = table.pattern_rules().into_iter().filter(|rule| table.text(*rule) == text);
            all.extend(same.map(|rule| self.matched(Kind::Pattern, 0, number, rule, false)));
        }
        all
    }
}

/// Whether what has the attributes `other` holds for whoever `wanted` would hold for, and ends no sooner.
fn holds_for_all(other: &Attributes, wanted: &Attributes) -> bool {
    let ends_later = other.until.is_none_or(|end| wanted.until.is_some_and(|wanted| wanted <= end));
    ends_later && (other.geo.is_none() || other.geo == wanted.geo)
}
