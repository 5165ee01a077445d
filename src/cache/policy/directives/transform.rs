//! `no-transform`: the content is to be handed on as it is (RFC 9110 section 7.7).

use http::header::HeaderMap;

use super::syntax::{directives, words};
use super::targeted::TARGETS;

/// Whether a response (RFC 9111 section 5.2.2.6) or a request (section 5.2.1.6) forbids it. It is for all who pass
/// a message on, so it counts wherever it stands.
pub fn forbids_transforming(fields: &HeaderMap) -> bool {
    let names = |name: &[u8]| name.eq_ignore_ascii_case(b"no-transform");
    let mut aimed = TARGETS.iter().flat_map(|name| fields.get_all(name)).flat_map(|line| words(line.as_bytes()));
    directives(fields).any(|directive| names(directive.name)) || aimed.any(names)
}
