//! The block index: the authority on what may be served.
//!
//! A look-up walks no list. Every rule is one key in one hash table a source, and a URL costs a few
//! probes of it: its path, each ancestor of the path, each parent of the host, and the pairs of its
//! query where rules ask for them. An index is an immutable snapshot of all sources under one
//! version.
//!
//! Who decides: an exception; a rule for the URL; the longest prefix; the host, before the tree with
//! the most labels; the digest; the pattern. Among equals live edits come before files, files stand in their
//! given order, and within one the first line wins.
//!
//! A rule for some countries holds where a client in one of them asks, and is as if it weren't there for others. Where
//! there is no client, for what is fetched for the cache and stored, it forbids nothing ([`Case::of_anybody`]).
//!
//! A rule holds for the host that it names; where hosts have the same content ([`Kin`]), for all of them. Where a site
//! says which spellings its origins take for the same, rules for its URLs are compared by these.
//!
//! Where a URL can be read in several ways, each reading is judged by itself, and the first one that
//! is blocked blocks the URL: an exception frees only the readings that it covers.

mod bearings;
mod compile;
mod explain;
mod image;
mod key;
mod kindred;
mod listed;
mod memory;
mod patterns;
mod probe;
mod probed;
mod reading;
mod removed;
mod run;
mod sections;
mod slots;
mod supposed;
mod table;
mod tables;
mod wordings;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;
use terms::country::{ANYBODY, Whereabouts};
use terms::ruling::RuleOrigin;
use terms::url::Spelling;
use terms::{Digest, Folded, Hasher, Ruling, Timestamp, Url};

pub(crate) use compile::{Compiler, Part};
pub use explain::{Cited, Explanation};
pub(crate) use image::adopt_key;
pub use kindred::patterns_at_large;
pub(crate) use kindred::plain_host;
pub use listed::{Line, Lines};
pub use probe::Kind;
pub use probed::Probed;
pub use removed::Without;
pub(crate) use run::Run;
pub use table::{Source, Table};
pub use tables::LiveRules;

use crate::kin::Kin;
use crate::pairs::AskedPairs;
use crate::rule::Rule;
use key::Key;
use kindred::Related;
use probe::{Probe, Probes, Reach, add_probes};
use reading::{Reading, Readings};
use slots::{ASK_PAIRS, Rules};
use table::NAME_OF_EDITS;
use tables::{Keyed, Tables};

/// All rules of all sources, under one version.
pub struct Index {
    version: u64,
    tables: Tables,
    /// Which of the tables hold rules with keys, and which patterns.
    with_keys: Vec<Keyed>,
    with_patterns: Vec<usize>,
    reach: Reach,
    related: Related,
}

/// What is asked beside a URL and its bytes: when, and for whom.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub now: Timestamp,
    pub whom: Whereabouts<'a>,
}

impl Case<'static> {
    /// For the cache, which has no client.
    pub fn of_anybody(now: Timestamp) -> Case<'static> {
        Case { now, whom: ANYBODY }
    }
}

/// What covers one reading: seldom more than a few rules.
type Matches = SmallVec<[Match; 4]>;

/// A rule that covers what is judged. The least of several decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    /// False for an exception, which comes before every block.
    blocks: bool,
    kind: Kind,
    depth: Reverse<u32>,
    table: usize,
    rule: u32,
    /// It was found through another host of the family.
    by_kin: bool,
}

impl Index {
    /// `files` stand in the order in which they decide.
    pub fn new(version: u64, live: impl Into<LiveRules>, files: Vec<Arc<Table>>) -> Index {
        Index::with_kin(version, live, files, Arc::default(), None)
    }

    /// As [`Index::new`], where some hosts have the same content. What was made of the same tables for
    /// the same kin in `former` is taken over.
    pub fn with_kin(
        version: u64,
        live: impl Into<LiveRules>,
        files: Vec<Arc<Table>>,
        kin: Arc<Kin>,
        former: Option<&Index>,
    ) -> Index {
        let tables = Tables::new(live.into(), files);
        let mut reach = Reach::default();
        tables.iter().for_each(|table| reach.widen(table.reach));
        let with_patterns =
            tables.iter().enumerate().filter(|(_, table)| table.patterns.is_some()).map(|(number, _)| number).collect();
        let related = Related::new(&tables, kin, former.map(|former| (&former.tables[..], &former.related)));
        Index { version, with_keys: Keyed::of(&tables), tables, with_patterns, reach, related }
    }

    /// Whether these very tables of files are the ones it judges by.
    pub fn is_of(&self, files: &[Arc<Table>]) -> bool {
        let own = self.tables.files();
        own.len() == files.len() && own.iter().zip(files).all(|(own, file)| Arc::ptr_eq(own, file))
    }

    pub fn kin(&self) -> &Kin {
        self.related.kin()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// The digest of the sources' names and hashes: equal where the same rules stand in the same order. As [`LiveRules::hash`].
    pub fn hash(&self) -> Digest {
        let live = (NAME_OF_EDITS, self.live().hash());
        let files = self.tables.files().iter().map(|table| (table.name(), table.hash()));
        let mut hasher = Hasher::new();
        for (name, hash) in std::iter::once(live).chain(files) {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
            hasher.update(hash.as_bytes());
        }
        hasher.finish()
    }

    /// In the order in which they decide: those of live edits, then the files.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    pub fn live(&self) -> &LiveRules {
        self.tables.live()
    }

    /// How many rules there are in all.
    pub fn rules(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    pub fn has_digest_rules(&self) -> bool {
        self.reach.digests
    }

    /// Whether some rules hold in some countries alone, and the first of them.
    pub fn first_of_countries(&self) -> Option<RuleOrigin> {
        self.tables.iter().find_map(|table| table.first_of_countries())
    }

    /// The next instant at which a rule begins or ceases to hold, so that what is under way can be
    /// judged again then.
    pub fn next_boundary(&self, now: Timestamp) -> Option<Timestamp> {
        self.tables.iter().filter_map(|table| table.next_boundary(now)).min()
    }

    /// An index of these rules alone, with the same kin.
    pub fn of_rules<'r>(&self, rules: impl IntoIterator<Item = &'r Rule>) -> Index {
        let mut part = Part::default();
        rules.into_iter().for_each(|rule| part.add(rule));
        let mut compiler = Compiler::default();
        compiler.append(&part, 0);
        let table = Arc::new(compiler.finish(Source::Edits { ids: Vec::new() }, Digest::ZERO));
        Index::with_kin(self.version, table, Vec::new(), self.related.shared_kin(), None)
    }

    /// Whether any rule is about `url`, in force or not; exceptions are, too.
    pub fn is_about(&self, url: &Url) -> bool {
        self.readings(url).iter().any(|reading| !self.matches(reading).is_empty())
    }

    /// The rule that forbids `url`, by its name alone. `None`: it may be asked for.
    pub fn judge(&self, url: &Url, case: Case<'_>) -> Option<Ruling> {
        self.judge_name(url, case).map(|(_, ruling)| ruling)
    }

    /// As [`Index::judge`], where the digest of the bytes is known too, which comes before a pattern.
    pub fn judge_known(&self, url: &Url, digest: &Digest, case: Case<'_>) -> Option<Ruling> {
        match self.judge_name(url, case) {
            Some((kind, ruling)) if kind < Kind::Digest => Some(ruling),
            other => self.judge_digest(url, digest, case).or(other.map(|(_, ruling)| ruling)),
        }
    }

    fn judge_name(&self, url: &Url, case: Case<'_>) -> Option<(Kind, Ruling)> {
        self.readings(url).iter().find_map(|reading| {
            let all = self.matches(reading);
            let decides = self.first_in_force(&all, case).filter(|decides| decides.blocks)?;
            Some((decides.kind, self.ruling(decides, all, case)))
        })
    }

    /// The rule that forbids these bytes under `url`. An exception for the digest beats it, and so
    /// does one that covers every reading of the URL.
    pub fn judge_digest(&self, url: &Url, digest: &Digest, case: Case<'_>) -> Option<Ruling> {
        let all = self.of_digest(digest);
        let decides = self.first_in_force(&all, case).filter(|one| one.blocks)?;
        let is_excepted = |reading| self.decide(reading, case).is_some_and(|one| !one.blocks);
        if self.readings(url).iter().all(is_excepted) {
            return None;
        }
        Some(self.ruling(decides, all, case))
    }

    /// The rule in force that decides on one reading of a URL.
    fn decide(&self, reading: Reading<'_>, case: Case<'_>) -> Option<Match> {
        self.first_in_force(&self.matches(reading), case)
    }

    fn first_in_force(&self, all: &[Match], case: Case<'_>) -> Option<Match> {
        all.iter().filter(|one| self.in_force(one, case)).min().copied()
    }

    fn matches(&self, reading: Reading<'_>) -> Matches {
        let mut all = Matches::new();
        self.each_match(reading, |one| all.push(one));
        all
    }

    /// Shows `visit` every rule that covers a reading, in no order and at whatever time; twice where it
    /// does so by itself and by kin.
    fn each_match(&self, reading: Reading<'_>, mut visit: impl FnMut(Match)) {
        let (folded, kin) = (reading.folded, self.kin());
        let family = kin.family(folded.host());
        let spelling = family.and_then(|family| kin.spelling_of(family));
        // What a spelling tells apart must not meet here: rules for URLs are found as it has them, below.
        let reach = if spelling.is_none() { self.reach } else { self.reach.of_hosts() };
        let announce = |upper| self.with_keys.iter().for_each(|keyed| keyed.prefetch(upper));
        let mut probes = Probes::new();
        add_probes(&mut probes, folded.host(), folded, reach, announce);
        let is_near = |probe: &&Probe| self.with_keys.iter().any(|keyed| keyed.may_hold(probe.upper));
        for probe in probes.iter().filter(is_near) {
            self.each_hit(probe, folded, None, Keyed::find, |table, rule| {
                visit(self.matched(probe.kind, probe.depth, table, rule, false));
            });
        }
        self.each_pattern(reading, spelling, |table, rule| visit(self.matched(Kind::Pattern, 0, table, rule, false)));
        let Some(family) = family else { return };
        let find = |keyed: &Keyed, key| self.related.find(keyed.number, key);
        let announce = |upper| self.related.prefetch(upper);
        probes.clear();
        add_probes(&mut probes, kin.stand_in(family, folded.host()), folded, self.related.reach(), announce);
        for probe in probes.iter().filter(|probe| self.related.may_hold(probe.upper)) {
            self.each_hit(probe, folded, spelling, find, |table, rule| {
                let depth = match probe.kind {
                    // A family stands under one label, whatever host the rule names.
                    Kind::HostTree => probe::labels(&self.tables[table].text(rule)) - 1,
                    _ => probe.depth,
                };
                visit(self.matched(probe.kind, depth, table, rule, true));
            });
        }
        for host in self.related.hosts_to_try(family) {
            let visit_kin = |table, rule| visit(self.matched(Kind::Pattern, 0, table, rule, true));
            let (folded, whole) = (reading.folded.at_host(host), reading.whole.map(|whole| whole.at_host(host)));
            let cased: Vec<Folded> = reading.cased.iter().map(|cased| cased.at_host(host)).collect();
            let reading = Reading { folded: &folded, whole: whole.as_ref(), cased: &cased };
            self.each_pattern(reading, spelling, visit_kin);
        }
    }

    /// What one probe finds.
    fn each_hit<'a>(
        &'a self,
        probe: &Probe,
        reading: &Folded,
        spelling: Option<&Spelling>,
        find: impl Fn(&'a Keyed, Key) -> Rules<'a>,
        mut visit: impl FnMut(usize, u32),
    ) {
        let asked = AskedPairs::of(reading);
        let takes_query = |table: &Table, rule| match spelling {
            None => table.takes_query(rule, &asked),
            Some(spelling) => table.takes_query_without(&spelling.ignored, rule, &asked),
        };
        let mut take = |key| {
            let mut ask_pairs = false;
            for keyed in &self.with_keys {
                for rule in find(keyed, key) {
                    let table = &self.tables[keyed.number];
                    if rule == ASK_PAIRS {
                        ask_pairs = true;
                    } else if !table.is_lifted(rule) && takes_query(table, rule) {
                        visit(keyed.number, rule);
                    }
                }
            }
            ask_pairs
        };
        if take(probe.key()) {
            for pair in asked.by_any_name() {
                take(probe.pair_key(pair));
            }
        }
    }

    fn matched(&self, kind: Kind, depth: u32, table: usize, rule: u32, by_kin: bool) -> Match {
        let blocks = !self.tables[table].is_exception(rule);
        Match { blocks, kind, depth: Reverse(depth), table, rule, by_kin }
    }

    fn in_force(&self, one: &Match, case: Case<'_>) -> bool {
        self.tables[one.table].holds(one.rule, case)
    }

    /// Whether two rules that cover the same reading are one rule that stands twice.
    fn is_same_rule(&self, one: &Match, other: &Match) -> bool {
        let query = |one: &Match| self.tables[one.table].query(one.rule);
        // Of one kind and depth, all but patterns that cover the same name the same.
        let source = |one: &Match| (one.kind == Kind::Pattern).then(|| self.tables[one.table].text(one.rule));
        (one.blocks, one.kind, one.depth) == (other.blocks, other.kind, other.depth)
            && query(one) == query(other)
            && source(one) == source(other)
    }

    /// What is told of the rule that decides. `all` holds all that cover the same: where the rule
    /// stands more than once, the notices of all of them that are in force are told, and the first
    /// reason and authority given, and no more than all of them let disclose; status and page are the
    /// deciding one's.
    fn ruling(&self, decides: Match, mut all: Matches, case: Case<'_>) -> Ruling {
        all.retain(|one| self.in_force(one, case) && self.is_same_rule(&decides, one));
        all.sort_unstable();
        let table = &self.tables[decides.table];
        let own = table.attributes(decides.rule);
        let mut notices: Vec<Arc<str>> = Vec::new();
        let (mut reason, mut authority, mut disclose) = (None, None, None);
        for one in &all {
            let attributes = self.tables[one.table].attributes(one.rule);
            notices.extend(attributes.notice);
            reason = reason.or(attributes.reason);
            authority = authority.or(attributes.authority);
            disclose = disclose.into_iter().chain(attributes.disclose).min();
        }
        let mut told = HashSet::new();
        if notices.len() > 1 {
            notices.retain(|id| told.insert(id.clone()));
        }
        Ruling {
            rule: Arc::from(table.text(decides.rule)),
            notices: notices.into(),
            reason,
            status: own.status,
            authority,
            page: own.page,
            disclose,
            residence: own.geo.map(|_| (case.whom)()),
            origin: table.origin(decides.rule),
            list: self.version,
        }
    }
}

#[cfg(test)]
mod tests;
