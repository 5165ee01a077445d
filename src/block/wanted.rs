//! Which rules are looked for.

use std::collections::HashSet;
use std::sync::Arc;

use crate::index::plain_host;
use crate::list;
use crate::rule::{Attributes, Subject};

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
    pub(crate) fn takes(&self, rule: &str, attributes: impl FnOnce() -> Attributes) -> bool {
        if self.host.as_deref().is_some_and(|host| !names(rule, host)) {
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
fn names(rule: &str, wanted: &str) -> bool {
    let is_in = |host: &str| host.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    if let Some(host) = plain_host(rule) {
        return is_in(host);
    }
    match list::read_rule(rule).map(|rule| rule.subject) {
        Ok(Subject::Url(place) | Subject::Prefix(place)) => is_in(place.host()),
        Ok(Subject::Host(host) | Subject::HostTree(host)) => is_in(&host),
        Ok(Subject::Pattern(pattern)) => pattern.hosts().into_iter().any(is_in),
        Ok(Subject::Digest(_)) | Err(_) => false,
    }
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
            assert_eq!(wanted(part, notice, host).takes(text, attributes), is_taken, "{part} {notice} {host}");
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
            assert_eq!(wanted("", "", "photos.example").takes(rule, Attributes::default), is_taken, "{rule}");
        }
    }
}
