//! A rule: what one line of a block list, or one live edit, says.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use terms::ruling::Disclose;
use terms::url::Spelling;
use terms::{BlockStatus, Countries, Digest, Folded, Timestamp, Url, UrlError, url};

use crate::kin::Kin;
use crate::list;
use crate::pairs::{AskedPairs, WantedPairs};
use crate::pattern::Pattern;

/// One rule, as read; an index holds it in a denser form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule as the list words it, without its attributes; the `!` of an exception included.
    pub text: Arc<str>,
    pub subject: Subject,
    /// What this covers is served, whatever else blocks it.
    pub exception: bool,
    pub attributes: Arc<Attributes>,
    /// The line of the list, from 1; 0 for a live edit.
    pub line: u32,
}

/// What a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One path, under every query that holds the named pairs.
    Url(Place),
    /// A path and all below it, under every query that holds the named pairs.
    Prefix(Place),
    /// One host, with all its paths. Lower-case A-labels, or an address, without a port.
    Host(Arc<str>),
    /// A host and those under it; written `*.host`, held without the `*.`.
    HostTree(Arc<str>),
    /// Whatever has these bytes, under any URL.
    Digest(Digest),
    /// Whatever is named by a text that a regular expression matches.
    Pattern(Arc<Pattern>),
}

/// The place that a URL names, in each of its readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    readings: SmallVec<[Folded; 1]>,
}

impl Place {
    /// As [`Url::parse`] reads it.
    pub fn read(text: &str) -> Result<Place, UrlError> {
        url::readings(text).map(Place::of)
    }

    /// That of a URL which is its own canonical form, and has no query.
    pub(crate) fn as_written(text: &str) -> Option<Place> {
        Folded::as_written(text).map(|folded| Place { readings: smallvec![folded] })
    }

    fn of(readings: Box<[Folded]>) -> Place {
        Place { readings: readings.into_vec().into() }
    }

    /// The same as a site's spelling has it.
    pub(crate) fn read_by(text: &str, spelling: &Spelling) -> Result<Place, UrlError> {
        url::readings_by(text, spelling).map(Place::of)
    }

    /// The usual reading first. They differ in their paths alone.
    pub fn readings(&self) -> &[Folded] {
        &self.readings
    }

    pub fn host(&self) -> &str {
        self.readings.first().map_or("", Folded::host)
    }

    /// The canonical pairs that a rule for this place asks for, joined by `&`.
    pub fn query(&self) -> Option<&str> {
        self.readings.first().and_then(Folded::query)
    }
}

/// What stands behind a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// The id of the notice that asks for the rule.
    pub notice: Option<Arc<str>>,
    pub reason: Option<Arc<str>>,
    /// What is answered; an exception answers nothing, and its status is never looked at.
    pub status: BlockStatus,
    /// The rule holds from this instant on.
    pub from: Option<Timestamp>,
    /// The rule holds no longer at this instant.
    pub until: Option<Timestamp>,
    /// The rule covers its path under the very pairs it names, and no others.
    pub exact_query: bool,
    /// Who ordered it: a URL, or words.
    pub authority: Option<Arc<str>>,
    /// A file of this name, beside the list or the config, is shown in place of the built-in page.
    pub page: Option<Arc<str>>,
    /// How much of this a blocked client is told; as the config says where it is `None`.
    pub disclose: Option<Disclose>,
    /// The rule holds in these countries alone.
    pub geo: Option<Countries>,
}

/// Where `now` lies in a window of time that is open where an end is missing.
pub(crate) fn standing(from: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Standing {
    if from.is_some_and(|from| now < from) {
        Standing::NotYet
    } else if until.is_some_and(|until| until <= now) {
        Standing::Over
    } else {
        Standing::InForce
    }
}

/// Where an instant lies in a rule's window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    NotYet,
    InForce,
    Over,
}

impl Standing {
    /// As listings and explanations say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::InForce => "in-force",
            Standing::NotYet => "not-yet",
            Standing::Over => "over",
        }
    }
}

impl Rule {
    /// The rule as it is read, in the canonical spelling, without its attributes.
    pub fn canonical(&self) -> String {
        let of = |place: &Place| place.readings().first().map_or("", Folded::as_str).to_owned();
        let text = match &self.subject {
            Subject::Url(place) => of(place),
            Subject::Prefix(place) => {
                let (whole, query) = (of(place), place.query());
                let path = whole.split('?').next().unwrap_or_default().trim_end_matches('/');
                format!("{path}/*{}", query.map(|query| format!("?{query}")).unwrap_or_default())
            }
            Subject::Host(host) => host.to_string(),
            Subject::HostTree(host) => format!("*.{host}"),
            Subject::Digest(digest) => digest.to_string(),
            Subject::Pattern(_) => return self.text.to_string(),
        };
        format!("{}{text}", if self.exception { "!" } else { "" })
    }

    /// Whether this rule is about `url` in any of its readings, as its site's spelling has them, or about its place
    /// under a host that is of one family, whatever the time. A digest rule is about bytes, never about a URL.
    pub fn covers(&self, url: &Url, kin: &Kin) -> bool {
        let asked = url.host();
        match &self.subject {
            Subject::Url(place) => self.covers_place(place, url, kin, |path, named| path == named),
            Subject::Prefix(place) => self.covers_place(place, url, kin, lies_in),
            Subject::Host(host) => kin.are_one(host, asked),
            Subject::HostTree(host) => {
                let before = asked.strip_suffix(&**host);
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
                    || kin.family(asked).is_some_and(|family| kin.reaches(family, host))
            }
            Subject::Digest(_) => false,
            Subject::Pattern(pattern) => kin.covers(pattern, url),
        }
    }

    fn wanted_pairs<'p>(&self, named: Option<&'p str>) -> WantedPairs<'p> {
        WantedPairs { named, exact: self.attributes.exact_query, is_exception: self.exception }
    }

    fn covers_place(&self, place: &Place, url: &Url, kin: &Kin, is_at: fn(&str, &str) -> bool) -> bool {
        if !kin.are_one(place.host(), url.host()) {
            return false;
        }
        let spelled = kin.spelling(url.host()).and_then(|spelling| list::place_by(&self.text, spelling));
        let place = spelled.as_ref().unwrap_or(place);
        kin.any_reading(url, |asked| {
            let pairs = AskedPairs::of(asked);
            place.readings().iter().any(|named| is_at(asked.path(), named.path()))
                && self.wanted_pairs(place.query()).agrees(&pairs)
        })
    }
}

/// Whether `path` is `top` or stands below it; both canonical.
fn lies_in(path: &str, top: &str) -> bool {
    top == "/" || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
