//! What other rules would change of what is stored and was served of late: counted all, told in pages.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use audit::{Forms, Log};
use block::{Case, Index, Standing};
use cache::Cache;
use serde::Serialize;
use terms::{Digest, Residence, Ruling, Timestamp, Url};

use crate::sites::Sites;

/// URLs that are told at once; the others come with the pages after.
pub const MOST_ROWS: usize = 10_000;

/// Hosts that are told of each site.
const MOST_HOSTS: usize = 100;

/// Which URLs are told: those behind a row, in the order of their texts.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The URL of that row, and the number of its effect.
    after: Option<(String, u8)>,
    limit: usize,
}

/// The rules as they are and as they would be, at some time.
pub(super) struct Change<'a> {
    pub before: &'a Index,
    pub after: &'a Index,
    /// The rules that come or go, alone: what they are not about does not change.
    pub own: &'a Index,
    pub at: Timestamp,
    /// For whom.
    pub whom: Residence,
    pub sites: &'a Sites,
}

/// What becomes of a URL, or of some bytes under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Effect {
    /// It is no longer served.
    Blocked,
    /// It is served again.
    Freed,
    /// An exception has it served all the same.
    Spared,
    /// It is blocked, before and after.
    StillBlocked,
}

/// What one effect concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub urls: u64,
    /// Stored: each variant is one.
    pub objects: u64,
    pub bytes: u64,
    /// Answers of the log's recent window.
    pub answers: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Affected {
    pub blocked: Totals,
    pub freed: Totals,
    pub spared: Totals,
    pub still_blocked: Totals,
    /// Of what is blocked or freed, by the site that answers for its host.
    pub sites: Vec<OfSite>,
    pub urls: Vec<Row>,
    /// How many more there are behind these.
    pub left_out: u64,
    /// Asks for those.
    pub next: Option<String>,
    /// Stored in a content coding, where a digest rule is tried and nobody has looked what it is without: it may be more.
    pub undecoded: u64,
    /// From when on the log's recent window knows what was served.
    pub recent_since: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(super) struct OfSite {
    /// `None`: no site answers for these hosts.
    pub site: Option<String>,
    /// One of the rules names a host of it.
    pub named: bool,
    #[serde(flatten)]
    pub totals: Totals,
    /// At most 100 of them.
    pub hosts: BTreeSet<String>,
    pub more_hosts: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// As the log writes it: where that hides queries, a row may be of several URLs.
    pub url: String,
    pub effect: Effect,
    pub site: Option<String>,
    pub objects: u64,
    pub bytes: u64,
    pub answers: u64,
    pub last_served: Option<Timestamp>,
    /// The rule that decides, where it stands: on what is freed, the one that blocked it.
    pub rule: Option<String>,
    pub from: Option<String>,
}

impl Change<'_> {
    /// Looks at all that is stored and all that the recent window knows. Holds up nobody, and takes a moment for each
    /// million; blocks the thread.
    pub fn survey(&self, cache: &Cache, log: &Log, rows: &Rows) -> Affected {
        let mut tally = Tally::new(self, log.forms(), rows);
        let has_digest_rules = self.own.has_digest_rules();
        cache.each_entry(|entry| {
            let seen = Seen { objects: 1, bytes: entry.bytes(), ..Seen::default() };
            tally.note(entry.url(), None, [entry.digest(), entry.other_digest()], seen);
            tally.undecoded += u64::from(has_digest_rules && entry.undecoded().is_some());
        });
        let recent = log.recent();
        for served in &recent {
            let seen = Seen { answers: 1, last_served: Some(served.time), ..Seen::default() };
            let name = self.sites.name_of(&served.url);
            let name = (!Arc::ptr_eq(&name, &served.url)).then_some(&*name);
            tally.note(&served.url, name, [served.digest, None], seen);
        }
        tally.told(recent.first().map(|served| served.time))
    }

    /// `name` is what a site stores it under, where that is another: rules judge both.
    fn effect(&self, url: &Url, name: Option<&Url>, digests: [Option<Digest>; 2]) -> Option<(Effect, Option<Cause>)> {
        let digests = || digests.iter().flatten();
        let names = || std::iter::once(url).chain(name);
        let by_name = names().any(|name| self.own.is_about(name));
        if !by_name && !digests().any(|digest| self.own.is_about_digest(digest)) {
            return None;
        }
        let case = Case { now: self.at, whom: &|| self.whom };
        let judge = |index: &Index| {
            let by_bytes = |url| digests().find_map(|digest| index.judge_digest(url, digest, case));
            names().find_map(|name| index.judge(name, case).or_else(|| by_bytes(name)))
        };
        Some(match (judge(self.before), judge(self.after)) {
            (None, Some(ruling)) => (Effect::Blocked, Some(Cause::of(&ruling))),
            (Some(ruling), None) => (Effect::Freed, Some(Cause::of(&ruling))),
            (Some(_), Some(ruling)) => (Effect::StillBlocked, Some(Cause::of(&ruling))),
            (None, None) => {
                let by_digest = |digest| self.after.cite_digest(digest, case).into_iter().next();
                let decides = self.after.decides(url, case).or_else(|| digests().find_map(by_digest));
                let spares = decides.filter(|cited| cited.exception && cited.standing == Standing::InForce)?;
                (Effect::Spared, Some(Cause { rule: spares.rule.to_string(), from: spares.origin.to_string() }))
            }
        })
    }
}

/// The rule that decides, and where it stands.
struct Cause {
    rule: String,
    from: String,
}

impl Cause {
    fn of(ruling: &Ruling) -> Cause {
        Cause { rule: ruling.rule.to_string(), from: ruling.origin.to_string() }
    }
}

/// One entry, or one answer.
#[derive(Clone, Copy, Default)]
struct Seen {
    objects: u64,
    bytes: u64,
    answers: u64,
    last_served: Option<Timestamp>,
}

impl Totals {
    fn add(&mut self, seen: Seen, is_new: bool) {
        self.urls += u64::from(is_new);
        self.objects += seen.objects;
        self.bytes += seen.bytes;
        self.answers += seen.answers;
    }
}

/// Of one site, as it is counted.
#[derive(Default)]
struct Share {
    totals: Totals,
    hosts: BTreeSet<String>,
    more_hosts: bool,
}

struct Tally<'a> {
    change: &'a Change<'a>,
    forms: &'a Forms,
    rows: &'a Rows,
    totals: [Totals; 4],
    /// Hashes of the URLs that were counted, and under which effect: of a million, a few dozen megabytes for as long as
    /// this takes.
    counted: HashSet<u64>,
    /// The same of rows, where several URLs may look the same.
    rows_counted: HashSet<u64>,
    hasher: RandomState,
    /// By site.
    shares: BTreeMap<Option<String>, Share>,
    /// The first ones behind where the page begins.
    page: BTreeMap<(String, Effect), Row>,
    all_rows: u64,
    /// Those before the page.
    passed: u64,
    undecoded: u64,
}

impl<'a> Tally<'a> {
    fn new(change: &'a Change<'a>, forms: &'a Forms, rows: &'a Rows) -> Tally<'a> {
        Tally {
            change,
            forms,
            rows,
            totals: Default::default(),
            counted: HashSet::new(),
            rows_counted: HashSet::new(),
            hasher: RandomState::new(),
            shares: BTreeMap::new(),
            page: BTreeMap::new(),
            all_rows: 0,
            passed: 0,
            undecoded: 0,
        }
    }

    fn note(&mut self, url: &Url, name: Option<&Url>, digests: [Option<Digest>; 2], seen: Seen) {
        let Some((effect, cause)) = self.change.effect(url, name, digests) else { return };
        let is_new = self.counted.insert(self.hasher.hash_one((url.canonical(), effect as u8)));
        self.totals[effect as usize].add(seen, is_new);
        if effect == Effect::StillBlocked {
            return;
        }
        let site = self.change.sites.of_host(url.host()).map(|site| site.name.to_string());
        if effect != Effect::Spared {
            let share = self.shares.entry(site.clone()).or_default();
            share.totals.add(seen, is_new);
            if !share.hosts.contains(url.host()) {
                let has_room = share.hosts.len() < MOST_HOSTS;
                share.more_hosts |= !has_room;
                share.hosts.extend(has_room.then(|| url.host().to_owned()));
            }
        }
        let url = self.forms.url(url);
        let is_new_row = match self.forms.shows_queries() {
            true => is_new,
            false => self.rows_counted.insert(self.hasher.hash_one((&*url, effect as u8))),
        };
        self.all_rows += u64::from(is_new_row);
        match self.rows.is_past(&url, effect) {
            true => self.passed += u64::from(is_new_row),
            false => self.put(&url, effect, site, cause, seen),
        }
    }

    /// What has to leave for others stays behind them, so that each row counts all that there is of it.
    fn put(&mut self, url: &str, effect: Effect, site: Option<String>, cause: Option<Cause>, seen: Seen) {
        let limit = self.rows.limit.clamp(1, MOST_ROWS);
        let last = self.page.last_key_value().map(|((url, effect), _)| (url.as_str(), *effect));
        if self.page.len() == limit && last.is_some_and(|last| (url, effect) > last) {
            return;
        }
        let (rule, from) = cause.map(|cause| (cause.rule, cause.from)).unzip();
        let row = self.page.entry((url.to_owned(), effect)).or_insert_with(|| Row {
            url: url.to_owned(),
            effect,
            site,
            objects: 0,
            bytes: 0,
            answers: 0,
            last_served: None,
            rule,
            from,
        });
        row.objects += seen.objects;
        row.bytes += seen.bytes;
        row.answers += seen.answers;
        row.last_served = row.last_served.max(seen.last_served);
        if self.page.len() > limit {
            self.page.pop_last();
        }
    }

    fn told(self, recent_since: Option<Timestamp>) -> Affected {
        let [blocked, freed, spared, still_blocked] = self.totals;
        let left_out = self.all_rows.saturating_sub(self.passed).saturating_sub(self.page.len() as u64);
        let last = self.page.last_key_value().map(|((url, effect), _)| format!("{url} {}", *effect as u8));
        let of_site = |(site, share): (Option<String>, Share)| OfSite {
            named: false,
            site,
            totals: share.totals,
            hosts: share.hosts,
            more_hosts: share.more_hosts,
        };
        Affected {
            blocked,
            freed,
            spared,
            still_blocked,
            sites: self.shares.into_iter().map(of_site).collect(),
            urls: self.page.into_values().collect(),
            left_out,
            next: last.filter(|_| left_out > 0),
            undecoded: self.undecoded,
            recent_since,
        }
    }
}

impl Rows {
    /// `after` is the `next` of the page before. `None`: it is nothing that ever was one.
    pub fn new(after: Option<&str>, limit: usize) -> Option<Rows> {
        let read = |after: &str| {
            let (url, effect) = after.rsplit_once(' ')?;
            let effect = effect.parse().ok().filter(|effect| *effect <= Effect::StillBlocked as u8)?;
            Url::parse(url).ok().map(|_| (url.to_owned(), effect))
        };
        let after = match after {
            None => None,
            Some(after) => Some(read(after)?),
        };
        Some(Rows { after, limit })
    }

    /// Whether a row stood on a page before.
    fn is_past(&self, url: &str, effect: Effect) -> bool {
        self.after.as_ref().is_some_and(|(last, number)| (url, effect as u8) <= (last.as_str(), *number))
    }
}
