//! What an edit would do: nothing is stored, and what is in force stays.

use std::sync::Arc;

use super::{AddError, Draft, EditRule, Edits, Live, MAX_LIVE, State, rule_id};
use crate::index::{Source, Table};
use crate::pattern::Share;
use crate::rule::{Rule, Subject};
use crate::settings::Allowed;
use terms::Digest;

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
        let known = self.state.lock().admit(draft, &rules, allowed)?.is_some_and(Live::is_whole);
        let numbered = |(at, rule): (usize, Rule)| EditRule { id: rule_id(&draft.id, at + 1), rule };
        Ok(Trial { rules: rules.into_iter().enumerate().map(numbered).collect(), is_repeated: known })
    }

    /// As [`Edits::lift`], but that nothing comes of it. Holds up edits for as long as it takes to copy the rules
    /// that there are, and compiles them beside.
    pub fn try_lift(&self, id: &str) -> Option<Lifting> {
        let state = self.state.lock();
        let (live, lifted) = state.meant(id)?;
        let draft = &live.stored.draft;
        let numbered = |number: &usize| {
            let rule = live.rules.get(number.checked_sub(1)?)?.clone();
            Some(EditRule { id: rule_id(&draft.id, *number), rule })
        };
        let rules: Vec<EditRule> = lifted.iter().filter_map(numbered).collect();
        let own = |text: &str| draft.attribute(text).map(str::to_owned);
        let (edit, notice, reason) = (draft.id.clone(), own("notice"), own("reason"));
        let all = state.order.iter().filter_map(|(_, id)| state.edits.get(id)).flat_map(Live::in_force);
        let kept: Vec<(Arc<str>, Rule)> = all.map(|(id, rule)| (id, rule.clone())).collect();
        drop(state);
        let is_lifted: std::collections::HashSet<&str> = rules.iter().map(|rule| &*rule.id).collect();
        let (ids, rest): (Vec<Arc<str>>, Vec<Rule>) =
            kept.into_iter().filter(|(id, _)| !is_lifted.contains(&**id)).unzip();
        let rest = Arc::new(Table::compile(Source::Edits { ids }, rest, Digest::ZERO));
        Some(Lifting { edit, notice, reason, rules, rest })
    }
}

impl State {
    /// What is known under the id of a draft that may be added, or be in force already.
    pub(super) fn admit(&self, draft: &Draft, rules: &[Rule], allowed: Allowed) -> Result<Option<&Live>, AddError> {
        if !allowed.geo && rules.iter().any(|rule| rule.attributes.geo.is_some()) {
            return Err(AddError::Geo);
        }
        let known = self.edits.get(&draft.id);
        if known.is_some_and(|known| !known.stored.draft.is_same(draft)) {
            return Err(AddError::Conflict(draft.id.clone()));
        }
        if known.is_some_and(Live::is_whole) {
            return Ok(known);
        }
        if self.table.len() + rules.len() > MAX_LIVE {
            return Err(AddError::Full);
        }
        let patterns = rules.iter().filter_map(|rule| match &rule.subject {
            Subject::Pattern(pattern) => Some(pattern.share()),
            _ => None,
        });
        let share: Share = patterns.chain([allowed.share, self.table.share()]).sum();
        share.excess().map_or(Ok(known), |excess| Err(AddError::Patterns(excess)))
    }
}
