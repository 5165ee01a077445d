//! What is looked up for a URL and what is found, for people.

use terms::ruling::RuleOrigin;
use terms::{Folded, Url};

use super::key::Key;
use super::probe::{Reach, probes};
use super::slots::Rules;
use super::{Index, Kind};

/// Look-ups that are told of one URL, and rules that are told of one look-up.
const MAX_PROBES: usize = 200;
const MAX_HITS: usize = 10;

/// One look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    pub kind: Kind,
    /// What is looked up, worded as a rule for it would be.
    pub text: String,
    /// It is for all hosts of the site, which have the same content.
    pub by_kin: bool,
    /// Rules that were found, and where they stand: at most 10.
    pub hits: Vec<(String, RuleOrigin)>,
}

impl Index {
    /// The look-ups for each reading of `url`, in the order in which they are made; at most 200.
    /// Digests are looked up when bytes are known.
    pub fn probes(&self, url: &Url) -> Vec<Probed> {
        let mut all = Vec::new();
        for reading in url.readings() {
            let find = |table: usize, key| self.tables[table].find(key);
            self.note_keyed(&mut all, reading, None, self.reach, find);
            let family = self.kin().family(reading.host());
            if let Some(family) = family {
                let find = |table: usize, key| self.related.find(table, key);
                self.note_keyed(&mut all, reading, Some(self.kin().mark(family)), self.related.reach(), find);
            }
            if !self.with_patterns.is_empty() {
                self.note_patterns(&mut all, reading, false);
                let hosts = family.into_iter().flat_map(|family| self.related.hosts_to_try(family));
                hosts.for_each(|host| self.note_patterns(&mut all, &reading.at_host(host), true));
            }
        }
        all.truncate(MAX_PROBES);
        all
    }

    /// `mark` is what stands for the host's family.
    fn note_keyed<'a>(
        &'a self,
        all: &mut Vec<Probed>,
        reading: &Folded,
        mark: Option<&str>,
        reach: Reach,
        find: impl Fn(usize, Key) -> Rules<'a>,
    ) {
        let host = mark.unwrap_or(reading.host());
        let shown = if mark.is_some() { "HOST" } else { host };
        // Deep URLs make many; those beyond the bound are not told.
        let room = MAX_PROBES.saturating_sub(all.len());
        for probe in probes(host, reading, reach, |_| ()).iter().take(room) {
            let text = match probe.kind {
                Kind::HostTree if mark.is_some() => "*.HOST".to_owned(),
                Kind::HostTree => format!("*.{}", probe.covered),
                Kind::Prefix => format!("https://{shown}{}/*", probe.covered),
                Kind::Url => format!("https://{shown}{}", if probe.covered.is_empty() { "/" } else { probe.covered }),
                Kind::Host | Kind::Digest | Kind::Pattern => shown.to_owned(),
            };
            let mut hits = Vec::new();
            self.each_hit(probe, reading, &find, |table, rule| hits.push((table, rule)));
            all.push(Probed { kind: probe.kind, text, by_kin: mark.is_some(), hits: self.told(hits) });
        }
    }

    fn note_patterns(&self, all: &mut Vec<Probed>, reading: &Folded, by_kin: bool) {
        let mut hits = Vec::new();
        self.each_pattern(reading, |table, rule| hits.push((table, rule)));
        all.push(Probed { kind: Kind::Pattern, text: reading.as_str().to_owned(), by_kin, hits: self.told(hits) });
    }

    fn told(&self, hits: Vec<(usize, u32)>) -> Vec<(String, RuleOrigin)> {
        let told = |(table, rule): (usize, u32)| (self.tables[table].text(rule), self.tables[table].origin(rule));
        hits.into_iter().take(MAX_HITS).map(told).collect()
    }
}
