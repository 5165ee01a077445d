//! What a block list said of something: the rule that decided, with what it carries.

use std::fmt;
use std::sync::Arc;

use crate::Residence;

/// The statuses a rule may answer with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BlockStatus {
    /// RFC 7725.
    #[default]
    UnavailableForLegalReasons,
    Gone,
    NotFound,
    Forbidden,
}

impl BlockStatus {
    pub const fn code(self) -> http::StatusCode {
        match self {
            BlockStatus::UnavailableForLegalReasons => http::StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            BlockStatus::Gone => http::StatusCode::GONE,
            BlockStatus::NotFound => http::StatusCode::NOT_FOUND,
            BlockStatus::Forbidden => http::StatusCode::FORBIDDEN,
        }
    }

    pub fn from_text(text: &str) -> Option<BlockStatus> {
        Some(match text {
            "451" => BlockStatus::UnavailableForLegalReasons,
            "410" => BlockStatus::Gone,
            "404" => BlockStatus::NotFound,
            "403" => BlockStatus::Forbidden,
            _ => return None,
        })
    }
}

/// How much of a notice a blocked client is told, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disclose {
    None,
    Id,
    /// Its id, its reason, and who ordered it.
    #[default]
    Full,
}

impl Disclose {
    pub fn from_text(text: &str) -> Option<Disclose> {
        Some(match text {
            "full" => Disclose::Full,
            "id" => Disclose::Id,
            "none" => Disclose::None,
            _ => return None,
        })
    }
}

/// A rule that decided, as it is told to clients, to the log and to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The rule as the list or the edit words it, without its attributes.
    pub rule: Arc<str>,
    /// All notices that ask for this rule, in the order of their sources.
    pub notices: Arc<[Arc<str>]>,
    pub reason: Option<Arc<str>>,
    pub status: BlockStatus,
    /// Who ordered it: a URL, or words.
    pub authority: Option<Arc<str>>,
    /// The name of a file beside the list, or for a live edit beside the config, that is shown in place
    /// of the built-in page.
    pub page: Option<Arc<str>>,
    /// The most reticent word of all that ask for this rule; the config's where none says anything.
    pub disclose: Option<Disclose>,
    /// Where the client is, if the rule holds in some countries alone.
    pub residence: Option<Residence>,
    pub origin: RuleOrigin,
    /// The version of the index that decided.
    pub list: u64,
}

/// Where a rule came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOrigin {
    /// A line (from 1) of a list file.
    File { file: Arc<str>, line: u32 },
    /// A live edit: the id of the rule, by which `unblock` lifts it.
    Edit { id: Arc<str> },
}

impl fmt::Display for RuleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleOrigin::File { file, line } => write!(f, "{file}:{line}"),
            RuleOrigin::Edit { id } => write!(f, "edit {id}"),
        }
    }
}
