//! The rules of one source once more, for all hosts that have the same content as those they name.
//!
//! Each stands under the mark of its host's family in place of the host, so that a look-up is what it is
//! for the host itself, however many hosts there are.

use std::sync::Arc;

use super::compile::Keys;
use super::patterns::Patterns;
use super::postings::Postings;
use super::probe::{Key, Reach};
use super::table::Table;
use crate::kin::Kin;
use crate::list;
use crate::rule::Subject;

struct Kindred {
    postings: Postings,
    reach: Reach,
}

/// Who is kin to whom, and the rules of all tables for families.
pub(super) struct Related {
    kin: Arc<Kin>,
    /// Beside the tables, in their order.
    kindred: Vec<Option<Arc<Kindred>>>,
    reach: Reach,
    /// By family: the hosts that patterns are tried with.
    hosts_to_try: Vec<Vec<Box<str>>>,
}

impl Related {
    /// `former` is what it was made of last, with its tables: what did not change is taken over.
    pub(super) fn new(tables: &[Arc<Table>], kin: Arc<Kin>, former: Option<(&[Arc<Table>], &Related)>) -> Related {
        let former = former.filter(|(_, related)| Arc::ptr_eq(&related.kin, &kin));
        let taken_over = |table: &Arc<Table>| {
            let (tables, related) = former?;
            let at = tables.iter().position(|before| Arc::ptr_eq(before, table))?;
            related.kindred.get(at).cloned()
        };
        let of = |table| taken_over(table).unwrap_or_else(|| Kindred::of(table, &kin).map(Arc::new));
        let kindred: Vec<Option<Arc<Kindred>>> = match kin.is_empty() {
            true => Vec::new(),
            false => tables.iter().map(of).collect(),
        };
        let mut reach = Reach::default();
        kindred.iter().flatten().for_each(|kindred| reach.widen(kindred.reach));
        let hosts = || tables.iter().filter_map(|table| table.patterns.as_ref()).flat_map(Patterns::hosts);
        let hosts_to_try = kin.families().map(|family| kin.hosts_to_try(family, hosts())).collect();
        Related { kin, kindred, reach, hosts_to_try }
    }

    pub(super) fn kin(&self) -> &Kin {
        &self.kin
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// The rules of a table under a key, as [`Table::find`].
    pub(super) fn find(&self, table: usize, key: Key) -> &[u32] {
        let kindred = self.kindred.get(table).and_then(Option::as_ref);
        kindred.map_or(&[], |kindred| kindred.postings.find(key))
    }

    pub(super) fn hosts_to_try(&self, family: u32) -> impl Iterator<Item = &str> {
        self.hosts_to_try.get(family as usize).into_iter().flatten().map(|host| &**host)
    }
}

impl Kindred {
    /// `None` where no rule is for a host that has kin. Reads every rule again, since a table keeps no
    /// more of it than its text.
    fn of(table: &Table, kin: &Kin) -> Option<Kindred> {
        let mut keys = Keys::default();
        let mut is_empty = true;
        for rule in 0..table.len() as u32 {
            let text = table.text(rule);
            // Patterns are tried with the hosts themselves, and digests have none.
            if text.starts_with('~') {
                continue;
            }
            let Ok(read) = list::read_rule(&text) else { continue };
            let families: Vec<u32> = match &read.subject {
                Subject::Url(place) | Subject::Prefix(place) => kin.family(place.host()).into_iter().collect(),
                Subject::Host(host) => kin.family(host).into_iter().collect(),
                Subject::HostTree(host) => kin.reached(host).collect(),
                Subject::Digest(_) | Subject::Pattern(_) => Vec::new(),
            };
            for family in families {
                is_empty = false;
                keys.add(rule, &read.subject, Some(kin.mark(family)));
            }
        }
        let (postings, reach) = keys.finish();
        (!is_empty).then_some(Kindred { postings, reach })
    }
}
