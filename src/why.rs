//! What holds for a URL and why: as the API sends it, and as `seawall why` prints it.

use std::sync::Arc;

use block::{Attributes, Cited, Explanation, Kind, Line, Probed, Standing};
use serde::{Deserialize, Serialize};
use terms::ruling::RuleOrigin;
use terms::{Country, Residence, Ruling, Timestamp, Url, url};

use crate::geo;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The canonical URL.
    pub url: String,
    /// The site that answers for its host.
    pub site: Option<String>,
    pub blocked: bool,
    /// For a client in this country, or one of whom the country is `unknown`; `None`: in none that rules name.
    pub country: Option<String>,
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
    /// What was made of the URL, step by step.
    pub steps: Vec<Step>,
    /// What was looked up for it; digests are, when the bytes are known.
    pub probes: Vec<Probe>,
    /// What would hold without the rule that decides by the name, then without the next that would, for five at most.
    #[serde(default)]
    pub without: Vec<Without>,
    /// What is known of its bytes; `None` where no running edge was asked.
    pub content: Option<Content>,
    /// The name under which the site stores it, where rules block that and not the URL itself: all but `url` is of it.
    #[serde(default)]
    pub judged_as: Option<String>,
    /// There are rules about bytes: what is allowed here and under `without` is so by its name.
    #[serde(default)]
    pub digest_rules: bool,
}

/// For whom rules are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whom {
    /// In none of the countries that rules name.
    #[default]
    Elsewhere,
    Unknown,
    In(Country),
}

impl Whom {
    /// The two letters of ISO 3166-1, or `unknown`.
    pub fn read(text: &str) -> Option<Whom> {
        match text {
            "unknown" => Some(Whom::Unknown),
            code => Country::from_text(code).map(Whom::In),
        }
    }

    /// As the guard takes it: where nothing tells where clients are, that is unknown of all.
    pub fn residence(self, places: &geo::Settings) -> Residence {
        match self {
            Whom::In(country) => Residence::In(country),
            Whom::Elsewhere if places.tells() => Residence::Elsewhere,
            Whom::Elsewhere | Whom::Unknown => Residence::Unknown(places.unknown),
        }
    }
}

/// What would hold with a rule gone, and those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Without {
    pub removed: Named,
    pub blocked: bool,
    /// The one that would decide.
    pub rule: Option<Named>,
}

/// What is stored of a URL, and was served of late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What is remembered of bytes that a digest rule stopped under this very URL: while that holds, it is refused
    /// before they come.
    pub known: Option<Bytes>,
    /// At most 100 of what is stored.
    pub objects: Vec<Object>,
    pub left_out: usize,
    /// Of the log's recent window, which begins at `recent_since`.
    pub answers: usize,
    pub last_served: Option<Timestamp>,
    pub recent_since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is stored under, as the log writes it.
    pub url: String,
    /// `whole`, `sliced` (the head of slices), `slice` or `compressed`.
    pub form: String,
    pub status: u16,
    pub length: Option<u64>,
    pub age_seconds: u64,
    /// Below zero, it is stale.
    pub fresh_seconds: i64,
    pub to_be_validated: bool,
    /// Its own, and those that it was compressed from; of what lies in slices none is known.
    pub bytes: Vec<Bytes>,
}

/// Some bytes, and what digest rules say of them under the URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    pub digest: String,
    pub blocked: bool,
    pub refusal: Option<Told>,
    /// Rules for this digest, the one that decides first; exceptions too.
    pub rules: Vec<Named>,
}

/// One step on the way to the canonical URL, and what it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub step: String,
    pub url: String,
}

/// One look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// `url`, `prefix`, `host`, `tree` or `pattern`.
    pub class: String,
    /// Worded as a rule would be, or for patterns the text that they are tried on. `HOST` is any host of
    /// a site whose hosts have the same content.
    pub text: String,
    pub hit: bool,
    /// Rules that were found, with their places.
    pub rules: Vec<String>,
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
    /// It names another host of the site, which has the same content.
    pub same_content: bool,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub id: Option<String>,
    pub notice: Option<String>,
    pub reason: Option<String>,
    /// In which countries it holds, if not in all.
    pub geo: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// `in-force`, `not-yet` or `over`.
    pub standing: String,
    /// Why it is not the one that decides.
    pub because: Option<String>,
}

impl Why {
    /// Of a URL, which was read from `came`, and of the name that its site stores it under. Rules judge both: the first
    /// that is blocked decides.
    pub fn of(
        (came, url): (&str, &Arc<Url>),
        name: &Arc<Url>,
        whom: Residence,
        site: Option<&str>,
        explain: impl Fn(&Url) -> Explanation,
    ) -> Why {
        let asked = Why::of_one(came, url, whom, site, &explain(url));
        if asked.blocked || Arc::ptr_eq(url, name) {
            return asked;
        }
        match Why::of_one(name.canonical(), name, whom, site, &explain(name)) {
            stored if stored.blocked => Why { judged_as: Some(stored.url), url: asked.url, ..stored },
            _ => asked,
        }
    }

    fn of_one(came: &str, url: &Url, whom: Residence, site: Option<&str>, explanation: &Explanation) -> Why {
        let text = str::to_owned;
        let reading = &*explanation.reading;
        let called = url.called_by(&explanation.spelling);
        Why {
            url: text(called.canonical()),
            site: site.map(text),
            blocked: explanation.is_blocked(),
            country: (whom != Residence::Elsewhere).then(|| text(whom.as_str())),
            list: Some(explanation.list),
            reading: (reading != called.canonical()).then(|| text(reading)),
            refusal: explanation.ruling.as_ref().map(Told::of),
            rule: explanation.decides.as_ref().map(Named::of),
            others: explanation.others.iter().map(Named::of).collect(),
            left_out: explanation.left_out,
            steps: Url::steps(came, &explanation.spelling).unwrap_or_default().into_iter().map(Step::of).collect(),
            probes: explanation.probes.iter().map(Probe::of).collect(),
            without: explanation.without.iter().map(Without::of).collect(),
            content: None,
            judged_as: None,
            digest_rules: explanation.has_digest_rules,
        }
    }

    /// The same where it is known, too, what is stored. What is known of its bytes is asked before patterns, and where
    /// no rule for the name blocks.
    pub fn with_content(mut self, content: Content) -> Why {
        let is_named = self.blocked && self.rule.as_ref().is_some_and(|rule| !rule.rule.starts_with('~'));
        if let Some(known) = content.known.as_ref().filter(|known| known.blocked && !is_named) {
            self.blocked = true;
            self.refusal.clone_from(&known.refusal);
            self.rule = known.rules.first().cloned();
        }
        Why { content: Some(content), ..self }
    }
}

impl Told {
    pub fn of(ruling: &Ruling) -> Told {
        Told {
            status: ruling.status.code().as_u16(),
            notices: ruling.notices.iter().map(|notice| notice.to_string()).collect(),
            reason: ruling.reason.as_deref().map(str::to_owned),
        }
    }
}

impl Without {
    fn of(without: &block::Without) -> Without {
        let (removed, rule) = (Named::of(&without.removed), without.decides.as_ref().map(Named::of));
        Without { removed, blocked: without.blocked, rule }
    }
}

impl Step {
    fn of(step: url::Step) -> Step {
        Step { step: step.what.to_owned(), url: step.text }
    }
}

impl Probe {
    fn of(probed: &Probed) -> Probe {
        let class = match probed.kind {
            Kind::Url => "url",
            Kind::Prefix => "prefix",
            Kind::Host => "host",
            Kind::HostTree => "tree",
            Kind::Digest => "digest",
            Kind::Pattern => "pattern",
        };
        let rules = probed.hits.iter().map(|(rule, origin)| format!("{rule} ({origin})")).collect();
        Probe { class: class.to_owned(), text: probed.text.clone(), hit: !probed.hits.is_empty(), rules }
    }
}

impl Named {
    pub fn of(cited: &Cited) -> Named {
        Named {
            same_content: cited.by_kin,
            because: cited.because.map(str::to_owned),
            ..Named::at(&cited.rule, cited.exception, &cited.attributes, &cited.origin, cited.standing)
        }
    }

    pub fn of_line(line: &Line) -> Named {
        Named::at(&line.rule, line.exception, &line.attributes, &line.origin, line.standing)
    }

    fn at(rule: &str, exception: bool, attributes: &Attributes, origin: &RuleOrigin, standing: Standing) -> Named {
        let text = str::to_owned;
        let (file, line, id) = match origin {
            RuleOrigin::File { file, line } => (Some(text(file)), Some(*line), None),
            RuleOrigin::Edit { id } => (None, None, Some(text(id))),
        };
        Named {
            rule: text(rule),
            exception,
            same_content: false,
            file,
            line,
            id,
            notice: attributes.notice.as_deref().map(text),
            reason: attributes.reason.as_deref().map(text),
            geo: attributes.geo.as_ref().map(ToString::to_string),
            from: attributes.from,
            until: attributes.until,
            standing: text(standing.as_str()),
            because: None,
        }
    }
}
