//! What is looked up for a URL and what is found, for people.

use terms::ruling::RuleOrigin;
use terms::url::Spelling;
use terms::{Folded, Url};

use super::key::Key;
use super::probe::{Probes, Reach, add_probes};
use super::slots::Rules;
use super::tables::Keyed;
use super::{Index, Kind, Reading};

/// Look-ups that are told of one URL, and rules that are told of one look-up.
const MAX_PROBES: usize = 200;
const MAX_HITS: usize = 10;

/// Shown for all hosts of a family.
const ANY_HOST: &str = "HOST";

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
        let (host, kin) = (url.host(), self.kin());
        let family = kin.family(host);
        let spelling = kin.spelling(host);
        let readings = self.readings(url);
        for reading in readings.iter() {
            let reach = if spelling.is_none() { self.reach } else { self.reach.of_hosts() };
            self.note_keyed(&mut all, reading.folded, (host, host), reach, None, Keyed::find);
            if let Some(family) = family {
                let find = |keyed: &Keyed, key| self.related.find(keyed.number, key);
                let shown = if kin.mark(family).is_some() { ANY_HOST } else { host };
                let hosts = (kin.stand_in(family, host), shown);
                self.note_keyed(&mut all, reading.folded, hosts, self.related.reach(), spelling, find);
            }
            if !self.with_patterns.is_empty() {
                let texts = || std::iter::once(reading.folded).chain(reading.whole);
                texts().for_each(|text| self.note_patterns(&mut all, text, spelling, false));
                for host in family.into_iter().flat_map(|family| self.related.hosts_to_try(family)) {
                    texts().for_each(|text| self.note_patterns(&mut all, &text.at_host(host), spelling, true));
                }
            }
        }
        all.truncate(MAX_PROBES);
        all
    }

    /// `host` is looked up, and `shown` in its place.
    fn note_keyed<'a>(
        &'a self,
        all: &mut Vec<Probed>,
        reading: &Folded,
        (host, shown): (&str, &str),
        reach: Reach,
        spelling: Option<&Spelling>,
        find: impl Fn(&'a Keyed, Key) -> Rules<'a>,
    ) {
        let by_kin = shown == ANY_HOST;
        // Deep URLs make many; those beyond the bound are not told.
        let room = MAX_PROBES.saturating_sub(all.len());
        let mut probes = Probes::new();
        add_probes(&mut probes, host, reading, reach, |_| ());
        for probe in probes.iter().take(room) {
            let text = match probe.kind {
                Kind::HostTree if by_kin => format!("*.{shown}"),
                Kind::HostTree => format!("*.{}", &host[probe.bound..]),
                Kind::Prefix => format!("https://{shown}{}/*", &reading.path()[..probe.bound]),
                Kind::Url => format!("https://{shown}{}", reading.path()),
                Kind::Host | Kind::Digest | Kind::Pattern => shown.to_owned(),
            };
            let mut hits = Vec::new();
            self.each_hit(probe, reading, spelling, &find, |table, rule| hits.push((table, rule)));
            all.push(Probed { kind: probe.kind, text, by_kin, hits: self.told(hits) });
        }
    }

    fn note_patterns(&self, all: &mut Vec<Probed>, text: &Folded, spelling: Option<&Spelling>, by_kin: bool) {
        let mut hits = Vec::new();
        self.each_pattern(Reading::of(text), spelling, |table, rule| hits.push((table, rule)));
        all.push(Probed { kind: Kind::Pattern, text: text.as_str().to_owned(), by_kin, hits: self.told(hits) });
    }

    fn told(&self, hits: Vec<(usize, u32)>) -> Vec<(String, RuleOrigin)> {
        let told = |(table, rule): (usize, u32)| (self.tables[table].text(rule), self.tables[table].origin(rule));
        hits.into_iter().take(MAX_HITS).map(told).collect()
    }
}
