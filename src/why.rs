//! What holds for a URL and why: as the API sends it, and as `seawall why` prints it.

use block::{Cited, Explanation, Standing};
use serde::{Deserialize, Serialize};
use terms::ruling::RuleOrigin;
use terms::{Timestamp, Url};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The canonical URL.
    pub url: String,
    /// The site that answers for its host.
    pub site: Option<String>,
    pub blocked: bool,
    /// The version of the rules that were asked; `None` where they are not those of a running edge.
    pub list: Option<u64>,
    /// The reading of the URL that was decided on, where that isn't the canonical one.
    pub reading: Option<String>,
    /// What a client is told.
    pub refusal: Option<Told>,
    /// The rule that decides, an exception too; `None` where none in force covers the URL.
    pub rule: Option<Named>,
    /// Rules that cover the URL as well, in the order in which they would decide; those out of their
    /// time too.
    pub others: Vec<Named>,
    /// How many more of them there are.
    pub left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub status: u16,
    /// Of every list and edit in which the rule stands.
    pub notices: Vec<String>,
    pub reason: Option<String>,
}

/// A rule, and where it stands: in `file` at `line`, or as the live edit `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub rule: String,
    pub exception: bool,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub id: Option<String>,
    pub notice: Option<String>,
    pub reason: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// `in-force`, `not-yet` or `over`.
    pub standing: String,
}

impl Why {
    pub fn of(url: &Url, site: Option<&str>, explanation: &Explanation) -> Why {
        let text = str::to_owned;
        let reading = &*explanation.reading;
        Why {
            url: text(url.canonical()),
            site: site.map(text),
            blocked: explanation.is_blocked(),
            list: Some(explanation.list),
            reading: (reading != url.canonical()).then(|| text(reading)),
            refusal: explanation.ruling.as_ref().map(|ruling| Told {
                status: ruling.status.code().as_u16(),
                notices: ruling.notices.iter().map(|notice| text(notice)).collect(),
                reason: ruling.reason.as_deref().map(text),
            }),
            rule: explanation.decides.as_ref().map(Named::of),
            others: explanation.others.iter().map(Named::of).collect(),
            left_out: explanation.left_out,
        }
    }
}

impl Named {
    fn of(cited: &Cited) -> Named {
        let text = str::to_owned;
        let (file, line, id) = match &cited.origin {
            RuleOrigin::File { file, line } => (Some(text(file)), Some(*line), None),
            RuleOrigin::Edit { id } => (None, None, Some(text(id))),
        };
        let standing = match cited.standing {
            Standing::InForce => "in-force",
            Standing::NotYet => "not-yet",
            Standing::Over => "over",
        };
        Named {
            rule: text(&cited.rule),
            exception: cited.exception,
            file,
            line,
            id,
            notice: cited.attributes.notice.as_deref().map(text),
            reason: cited.attributes.reason.as_deref().map(text),
            from: cited.attributes.from,
            until: cited.attributes.until,
            standing: text(standing),
        }
    }
}
