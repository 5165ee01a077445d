//! What a client got, and what a test expects of it.
//!
//! An expectation that fails shows the answer whole: what came instead is told by its status and its
//! `Cache-Status`.

use std::fmt;

/// How what was read came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    Whole,
    /// The connection was closed before that.
    Closed,
    Reset,
    /// Nothing came for so long that it must be a fault.
    Silent,
}

#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
    /// The statuses of interim answers before it.
    pub interim: Vec<u16>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn id(&self) -> &str {
        self.field("X-Request-Id").unwrap_or_default()
    }

    // What the cache did, as it says itself (RFC 9211).

    /// `hit`, or `fwd=…` and what follows: `Cache-Status` behind the cache's name.
    pub fn cache(&self) -> &str {
        let status = self.field("Cache-Status").unwrap_or_default();
        status.strip_prefix("seawall; ").unwrap_or(status)
    }

    pub fn is_hit(&self) -> bool {
        self.says("hit")
    }

    /// Whether it was fetched, and the next one gets it from the store.
    pub fn is_stored(&self) -> bool {
        self.says("stored")
    }

    /// Expects that it came from the store.
    #[track_caller]
    pub fn hit(self) -> Answer {
        assert!(self.is_hit() && self.end == End::Whole, "expected a hit, got {self:#?}");
        self
    }

    /// Expects that the origin was asked for it.
    #[track_caller]
    pub fn fetched(self) -> Answer {
        let is_fetched = self.cache().starts_with("fwd=") && !self.says("collapsed") && self.end == End::Whole;
        assert!(is_fetched, "expected what the origin says, got {self:#?}");
        self
    }

    /// Expects that the origin was asked for it, and that the next one gets it from the store.
    #[track_caller]
    pub fn stored(self) -> Answer {
        let answer = self.fetched();
        assert!(answer.is_stored(), "expected that it is stored, got {answer:#?}");
        answer
    }

    fn says(&self, word: &str) -> bool {
        self.cache().split("; ").any(|part| part == word)
    }
}

/// As on the wire, the body as text and no more of it than helps.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 400;
        let line = if f.alternate() { "\n    " } else { " | " };
        write!(f, "{} ({:?}", self.status, self.end)?;
        if !self.interim.is_empty() {
            write!(f, ", behind {:?}", self.interim)?;
        }
        f.write_str(")")?;
        for (name, value) in &self.fields {
            write!(f, "{line}{name}: {value}")?;
        }
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]);
        write!(f, "{line}{} bytes: {shown:?}", self.body.len())
    }
}
