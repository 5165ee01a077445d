//! Hosts as a site names them, and what is found by a host.

use std::collections::HashMap;
use std::fmt;

/// Hosts that a site answers for. The names in it are canonical, as [`crate::url::host`] makes them.
///
/// A wildcard stands for one label, as in a certificate (RFC 9525 section 6.3): `*.photos.example`
/// covers `a.photos.example`, neither `photos.example` nor `a.b.photos.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`
    Any,
    /// `photos.example`
    Exact(String),
    /// `*.photos.example`
    Under(String),
    /// `.photos.example`: `photos.example` and `*.photos.example`.
    Tree(String),
}

impl HostPattern {
    /// Whether one of these hosts is `top` or stands under it.
    pub fn reaches(&self, top: &str) -> bool {
        let is_in =
            |host: &str| host.strip_suffix(top).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let stands_for = |under: &str| top.split_once('.').is_some_and(|(_, rest)| rest == under);
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(name) => is_in(name),
            HostPattern::Under(name) | HostPattern::Tree(name) => is_in(name) || stands_for(name),
        }
    }

    /// The same hosts in patterns of which no two overlap unless they are equal or one is `Any`.
    pub fn parts(&self) -> Vec<HostPattern> {
        match self {
            HostPattern::Tree(name) => vec![HostPattern::Exact(name.clone()), HostPattern::Under(name.clone())],
            other => vec![other.clone()],
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Under(name) => write!(f, "*.{name}"),
            HostPattern::Tree(name) => write!(f, ".{name}"),
        }
    }
}

/// What is found by host: by an exact name first, then by a wildcard, then what any host finds.
pub struct ByHost<T> {
    exact: HashMap<String, T>,
    /// By what stands behind the first label.
    under: HashMap<String, T>,
    any: Option<T>,
}

impl<T: Clone> ByHost<T> {
    pub fn new<'p>(entries: impl IntoIterator<Item = (&'p [HostPattern], T)>) -> ByHost<T> {
        let mut all = ByHost { exact: HashMap::new(), under: HashMap::new(), any: None };
        for (patterns, value) in entries {
            for pattern in patterns.iter().flat_map(HostPattern::parts) {
                match pattern {
                    HostPattern::Any => all.any = Some(value.clone()),
                    HostPattern::Exact(name) | HostPattern::Tree(name) => {
                        all.exact.insert(name, value.clone());
                    }
                    HostPattern::Under(name) => {
                        all.under.insert(name, value.clone());
                    }
                }
            }
        }
        all
    }

    /// What is found for a canonical host.
    pub fn find(&self, host: &str) -> Option<&T> {
        let under = || match self.under.is_empty() {
            true => None,
            false => host.split_once('.').and_then(|(_, rest)| self.under.get(rest)),
        };
        self.exact.get(host).or_else(under).or(self.any.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_hosts_is_reached_by_any_of_them() {
        let name = "photos.example".to_owned();
        for (host, top, is_reached) in [
            (HostPattern::Exact(name.clone()), "example", true),
            (HostPattern::Exact(name.clone()), "photos.example", true),
            (HostPattern::Exact(name.clone()), "tos.example", false),
            (HostPattern::Exact(name.clone()), "a.photos.example", false),
            (HostPattern::Under(name.clone()), "a.photos.example", true),
            (HostPattern::Under(name.clone()), "b.a.photos.example", false),
            (HostPattern::Tree(name.clone()), "a.photos.example", true),
            (HostPattern::Tree(name), "example", true),
            (HostPattern::Any, "other.test", true),
        ] {
            assert_eq!(host.reaches(top), is_reached, "{host} {top}");
        }
    }

    #[test]
    fn a_name_comes_before_a_wildcard_and_that_before_any() {
        let name = |text: &str| text.to_owned();
        let sites = ByHost::new([
            (&[HostPattern::Any][..], "any"),
            (&[HostPattern::Under(name("x.example"))], "under"),
            (&[HostPattern::Exact(name("a.x.example")), HostPattern::Tree(name("y.example"))], "exact"),
        ]);
        for (host, site) in [
            ("a.x.example", "exact"),
            ("b.x.example", "under"),
            ("x.example", "any"),
            ("y.example", "exact"),
            ("a.y.example", "exact"),
            ("a.b.y.example", "any"),
        ] {
            assert_eq!(sites.find(host), Some(&site), "{host}");
        }
    }
}
