//! What an edit would do, were it made now: nothing is stored, cut, purged or told.

use std::collections::BTreeSet;
use std::sync::Arc;

use block::edits::{Draft, EditRule};
use block::{Index, Load, Rule, Subject};
use serde::Serialize;
use terms::{Country, Residence, Timestamp};

use super::affected::{Affected, Change, Rows};
use super::{Takedown, TakedownError};
use crate::sites::{HostPattern, Site, Sites};
use crate::why::Named;

/// Rules that are told one by one. All are counted.
const MOST_RULES: usize = 100;

#[derive(Debug, Serialize)]
pub struct DryRun {
    dry_run: bool,
    id: String,
    /// The edit is in force already, all of it: nothing would change.
    repeated: bool,
    /// The version of the rules that it was tried on.
    list: u64,
    /// When it was looked at: now, or where all rules begin to hold later, when the last of them does.
    at: Timestamp,
    /// For clients there, where a rule holds in some countries alone: the first that is named.
    country: Option<String>,
    notice: Option<String>,
    reason: Option<String>,
    /// At most 100 of them.
    rules: Vec<Tried>,
    rules_left_out: usize,
    /// Rules beside which another one blocks all that they are about, for as long as they would. It may answer otherwise.
    covered: usize,
    /// Rules that change nothing, since an exception frees all that they are about.
    excepted: usize,
    would_cut: WouldCut,
    #[serde(flatten)]
    affected: Affected,
}

/// Answers and fetches under way.
#[derive(Debug, Default, Serialize)]
struct WouldCut {
    answers: usize,
    fetches: usize,
}

/// One rule, as it is read.
#[derive(Debug, Serialize)]
struct Tried {
    id: String,
    rule: String,
    /// In the canonical spelling.
    reads: String,
    /// Whose hosts it is about; `any_site`: those of all.
    sites: Vec<String>,
    any_site: bool,
    /// Other hosts that it holds for, by `same_content`.
    same_content: Vec<String>,
    /// What blocks all that it is about beside it, as long; of an exception: what frees all of it.
    covered_by: Option<Named>,
    /// What frees all that it is about.
    excepted_by: Option<Named>,
}

impl Takedown {
    /// What [`Takedown::block`] would do. Looks at all that is stored, and holds up nobody; blocks the thread.
    pub fn try_block(&self, draft: &Draft, sites: &Sites, rows: &Rows) -> Result<DryRun, TakedownError> {
        let trial = self.edits.try_add(draft, self.board.allowed())?;
        let before = self.blocks.index();
        let now = self.clock.wall();
        let begins: Option<Vec<_>> = trial.rules.iter().map(|one| one.rule.attributes.from).collect();
        let begins = begins.and_then(|all| all.into_iter().max());
        let (ids, rules): (Vec<_>, Vec<_>) = trial.rules.iter().map(|one| (one.id.clone(), one.rule.clone())).unzip();
        let after = before.with_more(rules, ids);
        let own = before.of_rules(trial.rules.iter().map(|one| &one.rule));
        let (at, whom) = (begins.unwrap_or(now).max(now), whom(&trial.rules));
        let change = Change { before: &before, after: &after, own: &own, at, whom, sites };
        Ok(DryRun {
            id: draft.id.clone(),
            repeated: trial.is_repeated,
            notice: draft.attribute("notice").map(str::to_owned),
            reason: draft.attribute("reason").map(str::to_owned),
            would_cut: self.would_cut(&after, now),
            ..self.tried(&trial.rules, &before, &change, rows)
        })
    }

    /// What [`Takedown::lift`] would do. `None`: nothing has that id.
    pub fn try_lift(&self, id: &str, sites: &Sites, rows: &Rows) -> Option<DryRun> {
        let lifting = self.edits.try_lift(id)?;
        let before = self.blocks.index();
        let after = before.with_live(lifting.rest);
        let own = before.of_rules(lifting.rules.iter().map(|one| &one.rule));
        let (at, whom) = (self.clock.wall(), whom(&lifting.rules));
        // What an exception frees is blocked without it.
        let may_cut = lifting.rules.iter().any(|one| one.rule.exception);
        let change = Change { before: &before, after: &after, own: &own, at, whom, sites };
        let tried = self.tried(&lifting.rules, &after, &change, rows);
        let would_cut = if may_cut { self.would_cut(&after, at) } else { WouldCut::default() };
        Some(DryRun { id: lifting.edit, notice: lifting.notice, reason: lifting.reason, would_cut, ..tried })
    }

    fn would_cut(&self, index: &Index, now: Timestamp) -> WouldCut {
        let count = |load| self.blocks.would_cut(load, index, now);
        WouldCut { answers: count(Load::Answers), fetches: count(Load::Fill) }
    }

    /// `others` are the rules in force but for these.
    fn tried(&self, rules: &[EditRule], others: &Index, change: &Change<'_>, rows: &Rows) -> DryRun {
        let mut affected = change.survey(&self.cache, &self.log, rows);
        let named: BTreeSet<&str> = rules.iter().flat_map(|one| reached(&one.rule, change.sites)).collect();
        let now = self.clock.wall();
        for one in &mut affected.sites {
            one.named = one.site.as_deref().is_some_and(|site| named.contains(site));
        }
        let (mut told, mut covered, mut excepted) = (Vec::new(), 0, 0);
        for EditRule { id, rule } in rules {
            let begins = rule.attributes.from.map_or(now, |from| from.max(now));
            let covered_by = others.covering(rule, rule.exception, begins);
            let excepted_by = change.after.covering(rule, true, begins).filter(|_| !rule.exception);
            covered += usize::from(covered_by.is_some());
            excepted += usize::from(excepted_by.is_some());
            if told.len() < MOST_RULES {
                let [covered_by, excepted_by] = [covered_by, excepted_by].map(|cited| Some(Named::of(&cited?)));
                told.push(Tried { covered_by, excepted_by, ..Tried::new(id, rule, change.sites) });
            }
        }
        DryRun {
            dry_run: true,
            id: String::new(),
            repeated: false,
            list: change.before.version(),
            at: change.at,
            country: matches!(change.whom, Residence::In(_)).then(|| change.whom.as_str().to_owned()),
            notice: None,
            reason: None,
            rules_left_out: rules.len() - told.len(),
            rules: told,
            covered,
            excepted,
            would_cut: WouldCut::default(),
            affected,
        }
    }
}

impl Tried {
    fn new(id: &str, rule: &Rule, sites: &Sites) -> Tried {
        let named = reached(rule, sites);
        let reached: Vec<&Site> =
            sites.all().iter().map(|site| &**site).filter(|site| named.contains(&*site.name)).collect();
        let any_site = hosts(rule).is_empty();
        let own = hosts(rule);
        let beside = |site: &&Site| site.same_content && !any_site;
        let others =
            reached.iter().filter(|site| beside(site)).flat_map(|site| &site.hosts).map(HostPattern::to_string);
        Tried {
            id: id.to_owned(),
            rule: rule.text.to_string(),
            reads: rule.canonical(),
            sites: if any_site { Vec::new() } else { reached.iter().map(|site| site.name.to_string()).collect() },
            any_site,
            same_content: others.filter(|host| !own.contains(&host.as_str())).collect(),
            covered_by: None,
            excepted_by: None,
        }
    }
}

/// For whom some rules are looked at.
fn whom(rules: &[EditRule]) -> Residence {
    let named = rules.iter().find_map(|one| one.rule.attributes.geo.as_ref());
    let first = named.and_then(|countries| Country::from_text(countries.text().get(..2)?));
    first.map_or(Residence::Elsewhere, Residence::In)
}

/// The hosts that a rule names; none where it is about any.
fn hosts(rule: &Rule) -> Vec<&str> {
    match &rule.subject {
        Subject::Url(place) | Subject::Prefix(place) => vec![place.host()],
        Subject::Host(host) | Subject::HostTree(host) => vec![host],
        Subject::Digest(_) => Vec::new(),
        Subject::Pattern(pattern) => pattern.hosts(),
    }
}

fn site_of<'s>(sites: &'s Sites, host: &str) -> Option<&'s str> {
    sites.of_host(host).map(|site| &*site.name)
}

/// The names of the sites one or more of whose hosts a rule names, or may.
fn reached<'s>(rule: &Rule, sites: &'s Sites) -> BTreeSet<&'s str> {
    match &rule.subject {
        Subject::HostTree(top) => {
            let is_reached = |site: &&Arc<Site>| site.hosts.iter().any(|host| host.reaches(top));
            sites.all().iter().filter(is_reached).map(|site| &*site.name).collect()
        }
        _ => hosts(rule).into_iter().filter_map(|host| site_of(sites, host)).collect(),
    }
}
