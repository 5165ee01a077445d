//! When what POST was answered with answers GET (RFC 9110 section 9.3.3).

use http::StatusCode;
use http::header::{CONTENT_LOCATION, HeaderMap};
use terms::Url;
use terms::url::Scheme;

use super::directives::ResponseDirectives;
use super::freshness::is_explicit;

/// Whether an answer to POST says that it is what GET would be answered with at the same URL, and how long it holds:
/// its one `Content-Location` is `url`, and its lifetime is explicit.
pub fn stands_for_get(url: &Url, scheme: Scheme, status: StatusCode, fields: &HeaderMap) -> bool {
    let mut locations = fields.get_all(CONTENT_LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else { return false };
    let located = std::str::from_utf8(location.as_bytes()).ok();
    let located = located.and_then(|reference| url.at_same_origin(scheme, reference.trim()).ok().flatten());
    status == StatusCode::OK
        && located.is_some_and(|located| located.key() == url.key())
        && is_explicit(fields, &ResponseDirectives::read(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask, fields};

    #[test]
    fn section_9_3_3() {
        let (_, url) = ask("POST", "/a?b=1", &[]);
        let (here, holds) = (("content-location", "/a?b=1"), ("cache-control", "max-age=60"));
        for (status, lines, expected) in [
            (200, vec![here, holds], true),
            (200, vec![("content-location", "http://photos.example/a?b=1"), holds], true),
            (200, vec![("content-location", "a?b=1"), ("expires", "0")], true),
            (200, vec![here], false),
            (200, vec![here, ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
            (200, vec![holds], false),
            (200, vec![("content-location", "/a"), holds], false),
            (200, vec![("content-location", "http://other.example/a?b=1"), holds], false),
            (200, vec![here, here, holds], false),
            (201, vec![here, holds], false),
            (404, vec![here, holds], false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(stands_for_get(&url, Scheme::Http, status, &fields(&lines)), expected, "{status} {lines:?}");
        }
    }
}
