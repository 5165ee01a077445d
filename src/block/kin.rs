//! Kin: which URLs are as good as one, as sites say it. Hosts under which the same content is served, so that a rule
//! for one of them holds for all; and spellings that a site's origins take for the same.
//!
//! A family is all hosts of a site that says something of either, those under its wildcards too. Where a host's site
//! says nothing, the host stands alone, and every spelling that some server could take for the same is the same.

use terms::hosts::{ByHost, HostPattern};
use terms::url::{Spelled, Spelling};
use terms::{Folded, Url};

use crate::pattern::Pattern;

/// Which URLs are of one family.
pub struct Kin {
    /// What this was made from, to tell whether another is the same.
    sites: Vec<(Vec<HostPattern>, bool, Spelling)>,
    /// Among all sites, for one that stands alone may have a host under another's wildcard.
    by_host: ByHost<Option<u32>>,
    families: Vec<Family>,
}

struct Family {
    /// Stands for all its hosts, if they have the same content, and can't be a host itself.
    mark: Option<Box<str>>,
    hosts: Vec<HostPattern>,
    /// `None`: nothing is said of it.
    spelling: Option<Spelling>,
}

impl Default for Kin {
    fn default() -> Kin {
        Kin::of_sites([])
    }
}

impl PartialEq for Kin {
    fn eq(&self, other: &Kin) -> bool {
        self.sites == other.sites
    }
}

impl Kin {
    /// Every site's hosts, whether they have the same content, and its spelling.
    pub fn of_sites<'p>(sites: impl IntoIterator<Item = (&'p [HostPattern], bool, &'p Spelling)>) -> Kin {
        let owned = |(hosts, same_content, spelling): (&[HostPattern], bool, &Spelling)| {
            (hosts.to_vec(), same_content, spelling.clone())
        };
        let sites: Vec<(Vec<HostPattern>, bool, Spelling)> = sites.into_iter().map(owned).collect();
        let mut families = Vec::new();
        let mut entries = Vec::new();
        for (hosts, same_content, spelling) in &sites {
            let number = (*same_content || !spelling.is_usual()).then_some(families.len() as u32);
            if let Some(number) = number {
                families.push(Family {
                    mark: same_content.then(|| format!("~{number}").into()),
                    hosts: hosts.iter().flat_map(HostPattern::parts).collect(),
                    spelling: (!spelling.is_usual()).then(|| spelling.clone()),
                });
            }
            entries.push((&hosts[..], number));
        }
        let by_host = ByHost::new(entries);
        Kin { by_host, families, sites }
    }

    /// Of sites that say nothing of their spelling.
    #[cfg(test)]
    pub(crate) fn new<'p>(sites: impl IntoIterator<Item = (&'p [HostPattern], bool)>) -> Kin {
        let usual = Spelling::default();
        Kin::of_sites(sites.into_iter().map(|(hosts, same_content)| (hosts, same_content, &usual)))
    }

    /// Nobody has kin.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Whether hosts with the same content are more than can be told one by one.
    pub(crate) fn has_wildcard(&self) -> bool {
        let is_exact = |host: &HostPattern| matches!(host, HostPattern::Exact(_));
        let mut alike = self.families.iter().filter(|family| family.mark.is_some());
        alike.any(|family| !family.hosts.iter().all(is_exact))
    }

    /// Whether a rule for one host holds for the other.
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        let alike = || self.family(one).filter(|family| self.mark(*family).is_some());
        one == other || alike().is_some_and(|family| self.family(other) == Some(family))
    }

    /// What the site of a host says of its spelling; `None` where nothing is said.
    pub fn spelling(&self, host: &str) -> Option<&Spelling> {
        self.family(host).and_then(|family| self.spelling_of(family))
    }

    /// Whether more is the same at a host's site than by default, so that places in the cache don't tell what is.
    pub fn merges_more(&self, host: &str) -> bool {
        self.spelling(host).is_some_and(Spelling::merges_more)
    }

    /// Whether the two are the same resource, in any spelling, under any host with the same content.
    pub fn is_same(&self, one: &Url, other: &Url) -> bool {
        if !self.are_one(one.host(), other.host()) {
            return false;
        }
        match self.spelling(one.host()) {
            None => one.is_same_where(other, |_, _| true),
            Some(spelling) => {
                let (one, other) = (one.spelled(spelling), other.spelled(spelling));
                let is_among = |asked: &Folded, all: &Spelled| {
                    all.readings.iter().any(|reading| reading.path_and_query() == asked.path_and_query())
                };
                one.readings.iter().any(|reading| is_among(reading, &other))
            }
        }
    }

    /// Calls `covers` with every reading of a URL, as its site's spelling has it, until one is covered.
    pub fn any_reading(&self, url: &Url, covers: impl FnMut(&Folded) -> bool) -> bool {
        match self.spelling(url.host()) {
            None => url.readings().any(covers),
            Some(spelling) => url.spelled(spelling).readings.iter().any(covers),
        }
    }

    pub(crate) fn family(&self, host: &str) -> Option<u32> {
        if self.is_empty() { None } else { self.by_host.find(host).copied().flatten() }
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.families.len() as u32
    }

    pub(crate) fn spelling_of(&self, family: u32) -> Option<&Spelling> {
        self.families.get(family as usize).and_then(|family| family.spelling.as_ref())
    }

    /// Some site ignores case.
    pub(crate) fn ignores_case(&self) -> bool {
        self.families.iter().filter_map(|family| family.spelling.as_ref()).any(|spelling| spelling.ignore_case)
    }

    /// What its family's rules for URLs of a host stand under.
    pub(crate) fn stand_in<'h>(&'h self, family: u32, host: &'h str) -> &'h str {
        self.mark(family).unwrap_or(host)
    }

    /// What stands for all hosts of a family, if they have the same content.
    pub(crate) fn mark(&self, family: u32) -> Option<&str> {
        self.families.get(family as usize).and_then(|family| family.mark.as_deref())
    }

    /// Whether a host of a family with the same content is `top`, or stands under it.
    pub(crate) fn reaches(&self, family: u32, top: &str) -> bool {
        if self.mark(family).is_none() {
            return false;
        }
        let is_in =
            |host: &str| host.strip_suffix(top).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let named = self.families.get(family as usize).into_iter().flat_map(|family| &family.hosts);
        let has_one_in = named.into_iter().any(|host| match host {
            HostPattern::Exact(name) | HostPattern::Under(name) => is_in(name),
            HostPattern::Tree(_) | HostPattern::Any => false,
        });
        has_one_in || self.family(top) == Some(family) || self.family(&format!("~.{top}")) == Some(family)
    }

    /// The families that a tree reaches.
    pub(crate) fn reached(&self, top: &str) -> impl Iterator<Item = u32> {
        self.families().filter(move |family| self.reaches(*family, top))
    }

    /// Hosts of a family that patterns are tried with beside the one that is asked for: those that it names, one for
    /// each wildcard, and those that the patterns themselves name whole.
    pub(crate) fn hosts_to_try<'p>(&self, family: u32, of_patterns: impl Iterator<Item = &'p str>) -> Vec<Box<str>> {
        if self.mark(family).is_none() {
            return Vec::new();
        }
        let named = self.families.get(family as usize).into_iter().flat_map(|family| &family.hosts);
        let mut hosts: Vec<Box<str>> = named
            .filter_map(|host| match host {
                HostPattern::Exact(name) => Some(name.as_str().into()),
                HostPattern::Under(name) => Some(format!("www.{name}").into()),
                HostPattern::Tree(_) | HostPattern::Any => None,
            })
            .collect();
        hosts.extend(of_patterns.map(Box::from));
        hosts.retain(|host| self.family(host) == Some(family));
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Whether a pattern is about a URL: as its site's spelling has it, and under other hosts of its family.
    pub fn covers(&self, pattern: &Pattern, url: &Url) -> bool {
        let Some(family) = self.family(url.host()) else {
            return url.readings().any(|reading| pattern.covers(reading));
        };
        let hosts = self.hosts_to_try(family, pattern.starts().iter().filter_map(|start| start.strip_suffix('/')));
        let tries = |pattern: &Pattern, reading: &Folded| {
            pattern.covers(reading) || hosts.iter().any(|host| pattern.covers(&reading.at_host(host)))
        };
        match self.spelling_of(family) {
            None => url.readings().any(|reading| tries(pattern, reading)),
            Some(spelling) => {
                let holds = |pattern: &Pattern, spelling: &Spelling| {
                    url.spelled(spelling).all().any(|reading| tries(pattern, reading))
                };
                // In lower case letters beyond ASCII are others than a pattern names.
                holds(pattern, &spelling.in_own_case())
                    || (spelling.ignore_case && holds(&pattern.in_any_case(), spelling))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin() -> Kin {
        let exact = |name: &str| HostPattern::Exact(name.to_owned());
        let photos = [exact("photos.example"), HostPattern::Under("photos.example".to_owned()), exact("fotos.example")];
        let apart = [exact("private.photos.example")];
        let alone = [exact("a.example"), exact("b.example")];
        Kin::new([(&photos[..], true), (&apart[..], true), (&alone[..], false)])
    }

    #[test]
    fn hosts_of_one_site_are_one_where_it_says_so() {
        let kin = kin();
        for (one, other, are_one) in [
            ("photos.example", "fotos.example", true),
            ("x.photos.example", "fotos.example", true),
            ("x.photos.example", "y.photos.example", true),
            ("private.photos.example", "photos.example", false),
            ("x.y.photos.example", "photos.example", false),
            ("a.example", "b.example", false),
            ("a.example", "a.example", true),
            ("unknown.example", "unknown2.example", false),
        ] {
            assert_eq!((kin.are_one(one, other), kin.are_one(other, one)), (are_one, are_one), "{one} {other}");
        }
    }

    #[test]
    fn a_tree_reaches_a_family_by_any_of_its_hosts() {
        let kin = kin();
        for (top, reached) in [
            ("example", &[0, 1][..]),
            ("photos.example", &[0, 1]),
            ("x.photos.example", &[0]),
            ("x.y.photos.example", &[]),
            ("private.photos.example", &[1]),
            ("fotos.example", &[0]),
            ("otos.example", &[]),
            ("a.example", &[]),
        ] {
            assert_eq!(kin.reached(top).collect::<Vec<u32>>(), reached, "{top}");
        }
        let any = Kin::new([(&[HostPattern::Any][..], true)]);
        assert!(any.are_one("a.example", "b.test"));
        assert_eq!(any.reached("a.example").count(), 1);
    }
}
