//! What a purge is about, as operators name it.

use std::sync::Arc;

use block::{Kin, Pattern};
use terms::{Url, UrlError};

use crate::sites::{Site, Sites};

pub enum Target {
    Url(Arc<Url>),
    Prefix(Prefix),
    Pattern(Box<Pattern>),
    /// A member of `Surrogate-Key` or `Cache-Tag`.
    Tag(String),
    /// All of its hosts, as these sites share them out.
    Site(Arc<Site>, Arc<Sites>),
    All,
}

/// Why a text names nothing that can be purged, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    #[error("the URL can't be named: {0}")]
    Url(#[from] UrlError),
    #[error("a prefix is a host and whole segments of a path, such as https://photos.example/albums; {0}")]
    Prefix(&'static str),
    #[error("{0}")]
    Pattern(#[from] block::BadPattern),
    #[error("a tag is what stands between blanks or commas in Surrogate-Key or Cache-Tag")]
    Tag,
}

impl Target {
    pub fn url(text: &str) -> Result<Target, BadTarget> {
        Ok(Target::Url(Arc::new(Url::parse(text)?)))
    }

    /// Like a rule of a block list that ends in `/*`, which may be left out here.
    pub fn prefix(text: &str) -> Result<Target, BadTarget> {
        let text = text.strip_suffix("/*").unwrap_or(text);
        if text.contains('?') {
            return Err(BadTarget::Prefix("a query is no part of it"));
        }
        if text.contains('*') {
            return Err(BadTarget::Prefix("`*` stands at its end, behind a `/`; write %2A for the character itself"));
        }
        Ok(Target::Prefix(Prefix(Url::parse(text)?)))
    }

    /// Like a pattern of a block list, whose `~` may be left out here.
    pub fn pattern(text: &str) -> Result<Target, BadTarget> {
        Ok(Target::Pattern(Box::new(Pattern::read(text.strip_prefix('~').unwrap_or(text))?)))
    }

    pub fn tag(text: &str) -> Result<Target, BadTarget> {
        let name = text.trim();
        let is_one = !name.is_empty() && !name.contains([',', '\r', '\n']);
        is_one.then(|| Target::Tag(name.to_owned())).ok_or(BadTarget::Tag)
    }
}

/// A path of a host, and everything below it, under every query.
pub struct Prefix(Url);

impl Prefix {
    pub fn covers(&self, url: &Url, kin: &Kin) -> bool {
        let is_under = |top: &str, path: &str| {
            path.strip_prefix(top).is_some_and(|rest| top == "/" || rest.is_empty() || rest.starts_with('/'))
        };
        let covers = |path: &str| kin.any_reading(&self.0, |top| is_under(top.path(), path));
        kin.are_one(self.0.host(), url.host()) && kin.any_reading(url, |one| covers(one.path()))
    }

    pub fn canonical(&self) -> String {
        format!("{}/*", self.0.canonical().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_whole_segments() {
        for (prefix, covered, spared) in [
            (
                "https://h.example/a",
                &[
                    "h.example/a",
                    "http://h.example:81/a/?x",
                    "h.example/a/b/c",
                    "h.example//%61/b",
                    "h.example/x/../a/b",
                ][..],
                &["h.example/ab", "h.example/", "g.example/a", "h.example/x?/a"][..],
            ),
            ("h.example/a/*", &["h.example/a", "h.example/a/b"], &["h.example/ab"]),
            ("h.example/a/", &["h.example/a", "h.example/a/b"], &["h.example/ab"]),
            ("h.example", &["h.example", "h.example/a?b"], &["x.h.example/a"]),
            ("h.example/*", &["h.example", "h.example/a?b"], &["x.h.example/a"]),
        ] {
            let Ok(Target::Prefix(read)) = Target::prefix(prefix) else { panic!("{prefix}") };
            let covers = |text: &str| read.covers(&Url::parse(text).unwrap(), &Kin::default());
            assert!(covered.iter().all(|text| covers(text)), "{prefix}");
            assert!(!spared.iter().any(|text| covers(text)), "{prefix}");
        }
    }

    #[test]
    fn what_names_nothing_says_what_to_write() {
        for (target, says) in [
            (Target::url("https://"), "names no host"),
            (Target::prefix("https://h.example/a?b"), "a query is no part"),
            (Target::prefix("https://h.example/a*"), "%2A"),
            (Target::prefix("https://*.h.example/"), "%2A"),
            (Target::pattern("^http://h"), "always begins with https://"),
            (Target::pattern("("), "unclosed"),
            (Target::tag(" "), "Surrogate-Key"),
            (Target::tag("a,b"), "Surrogate-Key"),
        ] {
            let error = target.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(says), "{error}");
        }
    }
}
