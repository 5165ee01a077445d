//! Whether the bytes of an answer are the right ones.
//!
//! Only answers with 200 are compared: an error page or a 451 is no version of the URL, and the table
//! counts it by its status.

use std::collections::HashMap;

use http::StatusCode;
use parking_lot::Mutex;
use terms::Digest;

use super::urls::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Unchecked,
    Right,
    Wrong { expected: Digest, found: Digest },
}

/// Digests that are kept to compare with; some 100 bytes each.
pub const MOST_KEPT: u64 = 1_000_000;

#[derive(Debug, Default)]
pub struct Checks {
    /// Under `--same`, the digest of the first answer to each URL, by its place.
    first: Option<Mutex<HashMap<u64, Digest>>>,
}

impl Checks {
    /// `same`: a URL whose digest is not known must answer with that of its first answer.
    pub fn new(same: bool) -> Checks {
        Checks { first: same.then(Mutex::default) }
    }

    /// Whether the answer to `target` is to be hashed.
    pub fn wants(&self, target: &Target, status: StatusCode) -> bool {
        status == StatusCode::OK && (target.digest.is_some() || self.first.is_some())
    }

    pub fn judge(&self, target: &Target, found: Digest) -> Check {
        let first = || self.first.as_ref().map(|first| *first.lock().entry(target.place).or_insert(found));
        match target.digest.or_else(first) {
            None => Check::Unchecked,
            Some(expected) if expected == found => Check::Right,
            Some(expected) => Check::Wrong { expected, found },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    fn target(place: u64, digest: Option<Digest>) -> Target {
        Target { place, origin: 0, path: PathAndQuery::from_static("/"), digest }
    }

    #[test]
    fn a_url_has_the_digest_that_is_said_or_else_that_of_its_first_answer() {
        let [one, other] = [b"one".as_slice(), b"other"].map(Digest::of);
        let said = target(0, Some(one));
        let wrong = Check::Wrong { expected: one, found: other };
        for same in [false, true] {
            let checks = Checks::new(same);
            assert_eq!([other, one].map(|found| checks.judge(&said, found)), [wrong, Check::Right]);
            let free = [one, one, other].map(|found| checks.judge(&target(1, None), found));
            let none = [Check::Unchecked; 3];
            assert_eq!(free, if same { [Check::Right, Check::Right, wrong] } else { none });
            assert_eq!(checks.wants(&target(2, None), StatusCode::OK), same);
            assert!(!checks.wants(&said, StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS));
        }
    }
}
