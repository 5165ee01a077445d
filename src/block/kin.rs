//! Kin: hosts under which the same content is served, so that a rule for one of them holds for all.
//!
//! A family is all hosts of a site that says so, those under its wildcards too. Where a host's site says
//! nothing, the host stands alone.

use terms::hosts::{ByHost, HostPattern};

use crate::pattern::Pattern;

/// Which hosts are of one family.
pub struct Kin {
    /// What this was made from, to tell whether another is the same.
    sites: Vec<(Vec<HostPattern>, bool)>,
    /// Among all sites, for one that stands alone may have a host under another's wildcard.
    by_host: ByHost<Option<u32>>,
    families: Vec<Family>,
}

struct Family {
    /// Stands for all its hosts, and can't be a host itself.
    mark: Box<str>,
    hosts: Vec<HostPattern>,
}

impl Default for Kin {
    fn default() -> Kin {
        Kin::new([])
    }
}

impl PartialEq for Kin {
    fn eq(&self, other: &Kin) -> bool {
        self.sites == other.sites
    }
}

impl Kin {
    /// Every site's hosts, and whether they have the same content.
    pub fn new<'p>(sites: impl IntoIterator<Item = (&'p [HostPattern], bool)>) -> Kin {
        let sites: Vec<(Vec<HostPattern>, bool)> =
            sites.into_iter().map(|(hosts, same_content)| (hosts.to_vec(), same_content)).collect();
        let mut families = Vec::new();
        let mut entries = Vec::new();
        for (hosts, same_content) in &sites {
            let number = same_content.then_some(families.len() as u32);
            if let Some(number) = number {
                let hosts = hosts.iter().flat_map(HostPattern::parts).collect();
                families.push(Family { mark: format!("~{number}").into(), hosts });
            }
            entries.push((&hosts[..], number));
        }
        let by_host = ByHost::new(entries);
        Kin { by_host, families, sites }
    }

    /// Nobody has kin.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Whether a family has more hosts than can be told one by one.
    pub(crate) fn has_wildcard(&self) -> bool {
        let is_exact = |host: &HostPattern| matches!(host, HostPattern::Exact(_));
        self.families.iter().any(|family| !family.hosts.iter().all(is_exact))
    }

    /// Whether a rule for one host holds for the other.
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        one == other || self.family(one).is_some_and(|family| self.family(other) == Some(family))
    }

    pub(crate) fn family(&self, host: &str) -> Option<u32> {
        if self.is_empty() { None } else { self.by_host.find(host).copied().flatten() }
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.families.len() as u32
    }

    /// What stands for all hosts of a family.
    pub(crate) fn mark(&self, family: u32) -> &str {
        self.families.get(family as usize).map_or("", |family| &family.mark)
    }

    /// Whether a host of the family is `top`, or stands under it.
    pub(crate) fn reaches(&self, family: u32, top: &str) -> bool {
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

    /// Hosts of a family that patterns are tried with: those that it names, one for each wildcard, and
    /// those that the patterns themselves name whole.
    pub(crate) fn hosts_to_try<'p>(&self, family: u32, of_patterns: impl Iterator<Item = &'p str>) -> Vec<Box<str>> {
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

    /// Whether a pattern is about a host's path under another host of its family.
    pub fn covers(&self, pattern: &Pattern, asked: &terms::Folded) -> bool {
        let Some(family) = self.family(asked.host()) else { return false };
        let hosts = self.hosts_to_try(family, pattern.starts().iter().filter_map(|start| start.strip_suffix('/')));
        hosts.iter().any(|host| pattern.covers(&asked.at_host(host)))
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
