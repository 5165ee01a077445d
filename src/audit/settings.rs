use std::path::PathBuf;
use std::time::Duration;

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that holds `segments/`.
    pub dir: PathBuf,
    /// The node's UUID.
    pub node: String,
    /// Counts the starts of this node, from 1.
    pub run: u64,
    /// Bytes of lines after which a segment is sealed.
    pub segment_size: u64,
    /// Age after which a segment that holds lines is sealed.
    pub segment_age: Duration,
    pub sync: Sync,
    /// Records waiting for the writer above which new answers wait at the door.
    pub high_water: usize,
    pub on_pressure: OnPressure,
    pub client: ClientForm,
    pub url_query: QueryForm,
    /// 16 secret bytes for the `keyed` forms.
    pub key: [u8; 16],
}

/// What becomes of a new answer above the high-water mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPressure {
    /// It waits at the door, at most so long, and is refused then: no answer without evidence.
    Wait(Duration),
    /// It is given without a record. How many were is told in an event `shed`.
    Shed,
}

impl OnPressure {
    /// How long a new answer waits at the door.
    pub const fn patience(self) -> Duration {
        match self {
            OnPressure::Wait(longest) => longest,
            OnPressure::Shed => Duration::ZERO,
        }
    }
}

/// When what was written is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Interval(Duration),
    Segment,
    Line,
}

/// How a client's address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientForm {
    Full,
    /// The network: /24 of IPv4, /48 of IPv6.
    Truncated,
    Keyed,
    None,
}

/// How a URL's query is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    Full,
    /// `?k:` and 16 hexadecimal digits of a keyed hash.
    Keyed,
    None,
}

impl ClientForm {
    /// As the config words it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClientForm::Full => "full",
            ClientForm::Truncated => "truncated",
            ClientForm::Keyed => "keyed",
            ClientForm::None => "none",
        }
    }
}

impl QueryForm {
    /// As the config words it.
    pub const fn as_str(self) -> &'static str {
        match self {
            QueryForm::Full => "full",
            QueryForm::Keyed => "keyed",
            QueryForm::None => "none",
        }
    }

    pub fn from_text(text: &str) -> Option<QueryForm> {
        [QueryForm::Full, QueryForm::Keyed, QueryForm::None].into_iter().find(|form| form.as_str() == text)
    }
}
