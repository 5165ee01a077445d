//! What an edit would do: nothing is stored, and what is in force stays.

use std::collections::HashSet;
use std::sync::Arc;

use super::edit::{Draft, EditRule, rule_id};
use super::live::Live;
use super::state::State;
use super::{AddError, Edits, MAX_LIVE};
use crate::index::{Run, Table};
use crate::pattern::Share;
use crate::rule::{Rule, Subject};
use crate::settings::Allowed;

/// What adding a draft would come to.
pub struct Trial {
    pub rules: Vec<EditRule>,
    /// It is in force already, all of it.
    pub is_repeated: bool,
}

/// What lifting would leave.
pub struct Lifting {
    pub edit: String,
    pub notice: Option<String>,
    pub reason: Option<String>,
    /// What would be lifted.
    pub rules: Vec<EditRule>,
    /// All other rules.
    pub rest: Arc<Table>,
}

impl Edits {
    /// As [`Edits::add`], but that nothing comes of it.
    pub fn try_add(&self, draft: &Draft, allowed: Allowed) -> Result<Trial, AddError> {
        let rules = draft.read()?;
        let known = self.state.lock().admit(draft, &rules, allowed)?.is_some_and(|known| known.is_whole());
        let numbered = |(at, rule): (usize, Rule)| EditRule { id: rule_id(&draft.id, at + 1), rule };
        Ok(Trial { rules: rules.into_iter().enumerate().map(numbered).collect(), is_repeated: known })
    }

    /// As [`Edits::lift`], but that nothing comes of it. Compiles all other rules, and holds up nobody.
    pub fn try_lift(&self, id: &str) -> Option<Lifting> {
        let (live, lifted, order) = {
            let state = self.state.lock();
            let (live, lifted) = state.meant(id)?;
            (live.clone(), lifted, state.order.clone())
        };
        let draft = &live.stored.draft;
        let own = |text: &str| draft.attribute(text).map(str::to_owned);
        let (edit, notice, reason, rules) = (draft.id.clone(), own("notice"), own("reason"), live.numbered(&lifted));
        let is_lifted: HashSet<&str> = rules.iter().map(|rule| &*rule.id).collect();
        let all = order.iter().flat_map(|live| live.in_force());
        let rest = Run::compile(all.filter(|(id, _)| !is_lifted.contains(&**id))).table().clone();
        Some(Lifting { edit, notice, reason, rules, rest })
    }
}

impl State {
    /// What is known under the id of a draft that may be added, or be in force already.
    pub(super) fn admit(
        &self,
        draft: &Draft,
        rules: &[Rule],
        allowed: Allowed,
    ) -> Result<Option<&Arc<Live>>, AddError> {
        if !allowed.geo && rules.iter().any(|rule| rule.attributes.geo.is_some()) {
            return Err(AddError::Geo);
        }
        let known = self.edits.get(&draft.id);
        if known.is_some_and(|known| !known.stored.draft.is_same(draft)) {
            return Err(AddError::Conflict(draft.id.clone()));
        }
        if known.is_some_and(|known| known.is_whole()) {
            return Ok(known);
        }
        if self.in_force.len() + rules.len() > MAX_LIVE {
            return Err(AddError::Full);
        }
        let patterns = rules.iter().filter_map(|rule| match &rule.subject {
            Subject::Pattern(pattern) => Some(pattern.share()),
            _ => None,
        });
        let share: Share = patterns.chain([allowed.share, self.in_force.share()]).sum();
        share.excess().map_or(Ok(known), |excess| Err(AddError::Patterns(excess)))
    }
}
