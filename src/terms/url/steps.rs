//! What becomes of a URL on its way to its canonical form, step by step, for people: the parser's own
//! steps, shown one by one.

use super::{Spelling, Url, UrlError, escapes, fold, host, split_scheme};

/// A step, and what it leaves of the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub what: &'static str,
    pub text: String,
}

impl Url {
    /// The steps from `text`, as [`Url::parse`] takes it, to what rules are compared with at a site of this
    /// spelling, which the last of the usual reading leaves; other readings follow.
    pub fn steps(text: &str, spelling: &Spelling) -> Result<Vec<Step>, UrlError> {
        let url = Url::parse(text)?;
        let (_, rest) = split_scheme(text)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, _) = host::host_and_port(authority.rsplit('@').next().unwrap_or_default())?;
        let host = host.trim_end_matches('.');
        let wire = escapes::wire_target(target)?;
        let mut steps = vec![
            Step { what: "as it came", text: text.to_owned() },
            Step { what: "the host canonical, no user, port or fragment", text: format!("https://{host}{target}") },
            Step { what: "the target as it stands on the wire", text: format!("https://{host}{wire}") },
        ];
        for (what, target) in fold::steps(&wire, spelling)? {
            steps.push(Step { what, text: format!("https://{host}{target}") });
        }
        let others = url.spelled(spelling).readings;
        steps.extend(
            others.iter().skip(1).map(|other| Step { what: "read in another way", text: other.as_str().to_owned() }),
        );
        Ok(steps)
    }
}
