//! The rules of one source once more, for what is as good as what they name: for all hosts that have the same content,
//! and as the spelling of their sites has it.
//!
//! Each stands under the mark of its host's family in place of the host, so that a look-up is what it is
//! for the host itself, however many hosts there are. Where hosts have not the same content, each stands for itself.

use std::sync::Arc;

use super::compile::Keys;
use super::key::Key;
use super::patterns::Patterns;
use super::probe::Reach;
use super::slots::{Rules, Slots};
use super::table::Table;
use crate::kin::Kin;
use crate::list;
use crate::pattern::Pattern;
use crate::rule::{Rule, Subject};

/// Says which patterns may hold for fewer hosts than other rules do: of hosts with the same content under
/// a wildcard not all can be tried, and these name none whole. `None` where there are no such.
pub fn patterns_at_large(tables: &[Arc<Table>], kin: &Kin) -> Option<String> {
    if !kin.has_wildcard() {
        return None;
    }
    let mut all = tables.iter().flat_map(|table| table.patterns_at_large().iter().map(|rule| table.origin(*rule)));
    let first = all.next()?;
    let more = match all.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    Some(format!(
        "the pattern at {first}{more} names no host whole: for a site with the same content under a wildcard it may \
         not hold for all hosts, since it is tried only with the one asked for, those the site names, and www. for \
         the wildcard"
    ))
}

struct Kindred {
    /// Of all rules that the table was compiled of, lifted ones too.
    slots: Arc<Slots>,
    reach: Reach,
    /// The table's patterns, whatever the case of letters, where some site ignores it.
    patterns: Option<Patterns>,
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
            let at = tables.iter().position(|before| before.is_compiled_with(table))?;
            let kindred = related.kindred.get(at)?;
            let is_same = Arc::ptr_eq(&tables[at], table) || !kin.ignores_case();
            Some(if is_same { kindred.clone() } else { Kindred::of_others(kindred.as_deref(), table, &kin) })
        };
        let of = |table| taken_over(table).unwrap_or_else(|| Kindred::of(table, &kin));
        let kindred: Vec<Option<Arc<Kindred>>> = match kin.is_empty() {
            true => Vec::new(),
            false => tables.iter().map(of).collect(),
        };
        let mut reach = Reach::default();
        kindred.iter().flatten().for_each(|kindred| reach.widen(kindred.reach));
        let hosts = || tables.iter().filter_map(|table| table.patterns.as_deref()).flat_map(Patterns::hosts);
        let hosts_to_try = kin.families().map(|family| kin.hosts_to_try(family, hosts())).collect();
        Related { kin, kindred, reach, hosts_to_try }
    }

    pub(super) fn kin(&self) -> &Kin {
        &self.kin
    }

    pub(super) fn shared_kin(&self) -> Arc<Kin> {
        self.kin.clone()
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    fn of_table(&self, table: usize) -> Option<&Kindred> {
        self.kindred.get(table)?.as_deref()
    }

    /// The rules of a table under a key, as [`Keyed::find`].
    pub(super) fn find(&self, table: usize, key: Key) -> Rules<'_> {
        self.of_table(table).map_or(Rules::NONE, |kindred| kindred.slots.find(key))
    }

    /// As [`Slots::may_hold`], of any table.
    pub(super) fn may_hold(&self, upper: u64) -> bool {
        self.kindred.iter().flatten().any(|kindred| kindred.slots.may_hold(upper))
    }

    /// As [`Slots::prefetch`], of all tables.
    pub(super) fn prefetch(&self, upper: u64) {
        self.kindred.iter().flatten().for_each(|kindred| kindred.slots.prefetch(upper));
    }

    pub(super) fn hosts_to_try(&self, family: u32) -> impl Iterator<Item = &str> {
        self.hosts_to_try.get(family as usize).into_iter().flatten().map(|host| &**host)
    }

    /// The patterns of a table, whatever the case of letters.
    pub(super) fn patterns_in_any_case(&self, table: usize) -> Option<&Patterns> {
        self.of_table(table)?.patterns.as_ref()
    }
}

impl Kindred {
    /// `None` where no rule is for a host that has kin. Reads every rule again, since a table keeps no
    /// more of it than its text.
    fn of(table: &Table, kin: &Kin) -> Option<Arc<Kindred>> {
        let mut keys = Keys::default();
        let mut is_empty = true;
        for rule in 0..table.rules as u32 {
            let text = table.text(rule);
            // Patterns are tried with the hosts themselves.
            let is_pattern = text.starts_with('~');
            if is_pattern || plain_host(&text).is_some_and(|host| kin.family(host).is_none()) {
                continue;
            }
            let Ok(read) = list::read_rule(&text) else { continue };
            for (subject, host) in subjects(&read, kin) {
                is_empty = false;
                keys.add(rule, &subject, Some(&host));
            }
        }
        let patterns = in_any_case(table, kin);
        let (slots, reach) = keys.finish();
        (!is_empty || patterns.is_some()).then(|| Arc::new(Kindred { slots: Arc::new(slots), reach, patterns }))
    }

    /// The same for a table of which other rules are lifted. Of the keys all stay, since those are looked up in vain.
    fn of_others(former: Option<&Kindred>, table: &Table, kin: &Kin) -> Option<Arc<Kindred>> {
        let patterns = in_any_case(table, kin);
        match former {
            Some(Kindred { slots, reach, .. }) => {
                Some(Arc::new(Kindred { slots: slots.clone(), reach: *reach, patterns }))
            }
            None if patterns.is_none() => None,
            None => Kindred::of(table, kin),
        }
    }
}

/// The patterns of a table, where letters may be of either case.
fn in_any_case(table: &Table, kin: &Kin) -> Option<Patterns> {
    let rules = if kin.ignores_case() { table.pattern_rules() } else { Vec::new() };
    let read = |rule: u32| Some((rule, Pattern::read(table.text(rule).strip_prefix('~')?).ok()?.in_any_case()));
    let all: Vec<(u32, Pattern)> = rules.into_iter().filter_map(read).collect();
    Patterns::new(&all.iter().map(|(rule, pattern)| (*rule, pattern)).collect::<Vec<_>>())
}

/// What a rule is for in families: as their sites' spelling has it, and what its host is held as. Digests have no
/// host; where hosts have not the same content, rules for them are found without this.
fn subjects(rule: &Rule, kin: &Kin) -> Vec<(Subject, Box<str>)> {
    let alike = |family: u32| kin.mark(family).map(|mark| (rule.subject.clone(), mark.into()));
    match &rule.subject {
        Subject::Url(place) | Subject::Prefix(place) => {
            let Some(family) = kin.family(place.host()) else { return Vec::new() };
            let by = |spelling| list::place_by(&rule.text, spelling);
            let place = kin.spelling_of(family).and_then(by).unwrap_or_else(|| place.clone());
            let host = kin.stand_in(family, place.host()).into();
            let subject = match &rule.subject {
                Subject::Prefix(_) => Subject::Prefix(place),
                _ => Subject::Url(place),
            };
            vec![(subject, host)]
        }
        Subject::Host(host) => kin.family(host).and_then(alike).into_iter().collect(),
        Subject::HostTree(host) => kin.reached(host).filter_map(alike).collect(),
        Subject::Digest(_) | Subject::Pattern(_) => Vec::new(),
    }
}

/// The host of a rule for a URL or a host, where it is written as it is compared, as nearly all are: that
/// it has no kin is found out without reading the rule.
pub(crate) fn plain_host(text: &str) -> Option<&str> {
    let text = text.strip_prefix('!').unwrap_or(text);
    let text = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let host = &text[..text.bytes().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(text.len())];
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    // What ends in a number may be an address in another spelling.
    let is_name =
        host.rsplit('.').next().is_some_and(|label| label.starts_with(|first: char| first.is_ascii_lowercase()));
    (is_name && host.bytes().all(is_plain) && !host.contains("xn--")).then_some(host)
}

#[cfg(test)]
mod tests {
    use terms::Digest;
    use terms::hosts::HostPattern;

    use super::*;
    use crate::index::Source;

    #[test]
    fn a_host_is_read_where_it_needs_no_reading() {
        for (text, host) in [
            ("h.example", Some("h.example")),
            ("!https://h-1.example/a?b", Some("h-1.example")),
            ("http://h.example?b", Some("h.example")),
            ("h.example/a", Some("h.example")),
            ("H.example/a", None),
            ("h.example.", None),
            ("h.example:80", None),
            ("u@h.example/a", None),
            ("*.h.example", None),
            ("h.example\\a", None),
            ("https://0x7f.1/a", None),
            ("[::1]", None),
            ("bücher.example", None),
            ("xn--bcher-kva.example", None),
            ("", None),
        ] {
            assert_eq!(plain_host(text), host, "{text}");
            let read = list::read_rule(text).map(|rule| rule.subject);
            let same = match read {
                Ok(Subject::Url(place) | Subject::Prefix(place)) => host.is_none_or(|host| host == place.host()),
                Ok(Subject::Host(own)) => host.is_none_or(|host| host == &*own),
                Ok(_) | Err(_) => host.is_none(),
            };
            assert!(same, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_may_miss_hosts_of_a_family_is_told_of() {
        let exact = HostPattern::Exact("h.example".into());
        let under = HostPattern::Under("h.example".into());
        for (pattern, host, same_content, is_told) in [
            (r"~^https://img[0-9]+\.h\.example/leak", &under, true, true),
            (r"~leak", &under, true, true),
            (r"~leak", &HostPattern::Any, true, true),
            (r"~^https://(a|b)\.h\.example/leak", &under, true, false),
            (r"~leak", &exact, true, false),
            (r"~leak", &under, false, false),
            ("h.example", &under, true, false),
        ] {
            let rules = list::read(format!("x.example\n{pattern}\n").as_bytes()).unwrap();
            let table = Table::compile(Source::File("list.txt".into()), rules, Digest::ZERO);
            let kin = Kin::new([(std::slice::from_ref(host), same_content)]);
            let told = patterns_at_large(&[Arc::new(table)], &kin);
            let told = told.is_some_and(|told| told.starts_with("the pattern at list.txt:2 names no host whole"));
            assert_eq!(told, is_told, "{pattern} {host}");
        }
    }
}
