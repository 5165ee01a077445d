//! What a request's success makes of what is stored (RFC 9111 section 4.4).

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};
use http::{Method, StatusCode};
use terms::Url;
use terms::url::Scheme;

/// Whether what came of a request invalidates what is stored under its URL.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let safe = method.is_safe();
    !safe && (status.is_success() || status.is_redirection())
}

/// The other URLs that an answer to `url` which [`invalidates`] names as changed: "A cache MAY invalidate
/// other URIs", of the same origin alone, for else anyone could empty the cache of anyone.
pub fn also_invalidated(url: &Url, scheme: Scheme, fields: &HeaderMap) -> Vec<Url> {
    let lines = [LOCATION, CONTENT_LOCATION].into_iter().filter_map(|name| fields.get(name));
    let references = lines.filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
    references.filter_map(|reference| url.at_same_origin(scheme, reference.trim()).ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[test]
    fn unsafe_methods_invalidate_unless_they_failed() {
        for (method, status, expected) in [
            (Method::POST, 200, true),
            (Method::PUT, 204, true),
            (Method::DELETE, 303, true),
            (Method::POST, 404, false),
            (Method::POST, 500, false),
            (Method::GET, 200, false),
            (Method::OPTIONS, 200, false),
            (Method::from_bytes(b"FROB").unwrap(), 200, true),
        ] {
            assert_eq!(invalidates(&method, StatusCode::from_u16(status).unwrap()), expected, "{method} {status}");
        }
    }

    #[test]
    fn both_locations_count_at_the_same_origin() {
        let url = Url::parse("http://h.example/a/b").unwrap();
        let of = |lines: &[(&'static str, &str)]| -> Vec<String> {
            let found = also_invalidated(&url, Scheme::Http, &fields(lines));
            found.iter().map(|url| url.canonical().to_owned()).collect()
        };
        assert_eq!(
            of(&[("location", "c"), ("content-location", "/d")]),
            ["https://h.example/a/c", "https://h.example/d"]
        );
        assert_eq!(of(&[("location", "http://other.example/c")]), Vec::<String>::new());
        assert_eq!(of(&[("location", "%zz")]), Vec::<String>::new());
        assert_eq!(of(&[]), Vec::<String>::new());
    }
}
