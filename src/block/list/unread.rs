//! What of a list in a format of others can't be held: counted by kind, the first lines of each kept.

use serde::Serialize;

/// Lines of one kind that are kept to be shown.
const SHOWN: usize = 3;

/// Characters of such a line.
const SHOWN_CHARACTERS: usize = 160;

/// Why something of a list is not held, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No line of this format.
    Malformed,
    /// Longer than a line may be.
    TooLong,
    /// Where a host should stand, something else does.
    NotAHost,
    /// Where a URL should stand, something else does, or one of another scheme than http and https.
    NotAUrl,
    NotADigest,
    /// A digest by another algorithm than SHA-256.
    OtherDigest,
    /// The digest of no bytes: a rule for it would block every empty answer.
    EmptyDigest,
    /// A name that every machine has for itself, such as `localhost`.
    LocalName,
    /// A name for an address that is not this machine's: it says where something is.
    OtherAddress,
    /// `*` where no rule can have one.
    Wildcard,
    /// It lifts what another line says. What a list of others lifts could be another list's rule.
    Exception,
    /// An Adblock filter for some kinds of requests, or on some pages.
    Options,
    /// An Adblock filter that hides parts of a page.
    ElementHiding,
    RegularExpression,
    /// A text that may stand anywhere in a URL.
    Substring,
    /// Held for whole segments and labels, and not for those that only begin so.
    BeginsWith,
    /// Held for the host, and not for that path under the hosts below it.
    HostsBelow,
    /// A record of a zone that is no rule, or no rule for a proxy.
    OtherRecord,
    /// An answer of a resolver that is no refusal.
    OtherAction,
    /// A rule for addresses, or for the servers of a zone.
    OtherTrigger,
    /// A name outside of the zone.
    OutsideZone,
    /// A hash of what is forbidden, which names it to nobody.
    DoubleHash,
    /// In a version of the format that isn't known here.
    OtherVersion,
    /// For some users, or by dates.
    Conditional,
    /// For all there is.
    Everything,
}

/// How much of such a line is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    No,
    InPart,
}

impl Kind {
    /// As people and programs are told it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Malformed => "malformed",
            Kind::TooLong => "too-long",
            Kind::NotAHost => "not-a-host",
            Kind::NotAUrl => "not-a-url",
            Kind::NotADigest => "not-a-digest",
            Kind::OtherDigest => "other-digest",
            Kind::EmptyDigest => "empty-digest",
            Kind::LocalName => "local-name",
            Kind::OtherAddress => "other-address",
            Kind::Wildcard => "wildcard",
            Kind::Exception => "exception",
            Kind::Options => "options",
            Kind::ElementHiding => "element-hiding",
            Kind::RegularExpression => "regular-expression",
            Kind::Substring => "substring",
            Kind::BeginsWith => "begins-with",
            Kind::HostsBelow => "hosts-below",
            Kind::OtherRecord => "other-record",
            Kind::OtherAction => "other-action",
            Kind::OtherTrigger => "other-trigger",
            Kind::OutsideZone => "outside-zone",
            Kind::DoubleHash => "double-hash",
            Kind::OtherVersion => "other-version",
            Kind::Conditional => "conditional",
            Kind::Everything => "everything",
        }
    }

    pub fn held(self) -> Held {
        match self {
            Kind::BeginsWith | Kind::HostsBelow => Held::InPart,
            _ => Held::No,
        }
    }

    /// Whether such a line shows that the list is of the format it is read as.
    pub(super) fn is_of_format(self) -> bool {
        !matches!(
            self,
            Kind::Malformed
                | Kind::TooLong
                | Kind::NotAHost
                | Kind::NotAUrl
                | Kind::NotADigest
                | Kind::Substring
                | Kind::OtherVersion
        )
    }
}

/// What was left out of a list, in the order in which its kinds were met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unread {
    tallies: Vec<Tally>,
}

/// All of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub kind: Kind,
    pub held: Held,
    pub count: u64,
    pub first: Vec<Sample>,
}

/// A line that is shown. Whoever prints it escapes control bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    pub line: u32,
    /// At most 160 characters of it.
    pub text: String,
}

impl Unread {
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    pub fn count(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.count).sum()
    }

    pub(super) fn add(&mut self, kind: Kind, line: u32, text: &str) {
        let at = match self.tallies.iter().position(|tally| tally.kind == kind) {
            Some(at) => at,
            None => {
                self.tallies.push(Tally { kind, held: kind.held(), count: 0, first: Vec::new() });
                self.tallies.len() - 1
            }
        };
        let tally = &mut self.tallies[at];
        tally.count += 1;
        let is_told = tally.first.last().is_some_and(|last| last.line == line);
        if tally.first.len() < SHOWN && !is_told {
            let mut shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            tally.first.push(Sample { line, text: shown });
        }
    }

    /// Whether all of it might be of another format.
    pub(super) fn is_of_another_format(&self) -> bool {
        !self.is_empty() && !self.tallies.iter().any(|tally| tally.kind.is_of_format())
    }
}
