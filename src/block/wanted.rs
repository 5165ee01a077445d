//! Which rules are looked for.

use std::collections::HashSet;
use std::sync::Arc;

use crate::index::plain_host;
use crate::list;
use crate::rule::{Attributes, Rule, Subject};

/// What a rule has to meet, all of it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A part of the rule, of its notice or its reason, in whatever case of ASCII.
    pub text: Option<String>,
    /// Its notice, whole.
    pub notice: Option<String>,
    /// A host that it names, or one above that; canonical.
    pub host: Option<Box<str>>,
    /// One of these live rules.
    pub ids: Option<HashSet<Arc<str>>>,
}

impl Wanted {
    pub(crate) fn takes(&self, rule: &Rule) -> bool {
        self.takes_one(&rule.text, |host| names(&rule.subject, host), || (*rule.attributes).clone())
    }

    /// A rule of which the text is held.
    pub(crate) fn takes_text(&self, rule: &str, attributes: impl FnOnce() -> Attributes) -> bool {
        self.takes_one(rule, |host| text_names(rule, host), attributes)
    }

    fn takes_one(&self, rule: &str, names: impl FnOnce(&str) -> bool, attributes: impl FnOnce() -> Attributes) -> bool {
        if self.host.as_deref().is_some_and(|host| !names(host)) {
            return false;
        }
        if self.text.is_none() && self.notice.is_none() {
            return true;
        }
        let attributes = attributes();
        let holds = |within: &str, part: &str| {
            let (within, part) = (within.as_bytes(), part.as_bytes());
            part.is_empty() || within.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
        };
        let is_in = |part: &String| {
            let told = [attributes.notice.as_deref(), attributes.reason.as_deref()];
            holds(rule, part) || told.into_iter().flatten().any(|text| holds(text, part))
        };
        self.notice.as_deref().is_none_or(|notice| attributes.notice.as_deref() == Some(notice))
            && self.text.as_ref().is_none_or(is_in)
    }
}

/// Whether a rule names a host, or one under it. What a pattern is about is told by those that it names whole.
fn names(subject: &Subject, wanted: &str) -> bool {
    match subject {
        Subject::Url(place) | Subject::Prefix(place) => is_in(place.host(), wanted),
        Subject::Host(host) | Subject::HostTree(host) => is_in(host, wanted),
        Subject::Pattern(pattern) => pattern.hosts().into_iter().any(|host| is_in(host, wanted)),
        Subject::Digest(_) => false,
    }
}

fn text_names(rule: &str, wanted: &str) -> bool {
    match plain_host(rule) {
        Some(host) => is_in(host, wanted),
        None => list::read_rule(rule).is_ok_and(|rule| names(&rule.subject, wanted)),
    }
}

fn is_in(host: &str, wanted: &str) -> bool {
    host.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_meets_all_that_is_wanted() {
        let text = "https://www.Photos.example/a/Stolen.jpg";
        let attributes =
            || Attributes { notice: Some("N-17".into()), reason: Some("DMCA".into()), ..Attributes::default() };
        let wanted = |text: &str, notice: &str, host: &str| Wanted {
            text: (!text.is_empty()).then(|| text.to_owned()),
            notice: (!notice.is_empty()).then(|| notice.to_owned()),
            host: (!host.is_empty()).then(|| host.into()),
            ids: None,
        };
        for (part, notice, host, is_taken) in [
            ("", "", "", true),
            ("stolen", "", "", true),
            ("dmca", "N-17", "photos.example", true),
            ("n-1", "", "", true),
            ("borrowed", "", "", false),
            ("", "N-1", "", false),
            ("", "", "example", true),
            ("", "", "tos.example", false),
            ("stolen", "N-17", "other.example", false),
        ] {
            assert_eq!(wanted(part, notice, host).takes_text(text, attributes), is_taken, "{part} {notice} {host}");
        }
        let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for (rule, is_taken) in [
            ("photos.example", true),
            ("!*.photos.example", true),
            ("http://user@PHOTOS.example.:80/a", true),
            (r"~^https://photos\.example/a", true),
            (r"~/photos\.example/a", false),
            ("*.example", false),
            (digest, false),
        ] {
            let wanted = wanted("", "", "photos.example");
            assert_eq!(wanted.takes_text(rule, Attributes::default), is_taken, "{rule}");
            assert_eq!(wanted.takes(&list::read_rule(rule).unwrap()), is_taken, "{rule}");
        }
    }
}
