//! A request's head, held to what HTTP/1.1 is held to here.
//!
//! h2 has refused what RFC 9113 section 8 calls malformed: fields of a connection, upper case, pseudo
//! fields that are missing, unknown or out of place, a length that the body contradicts.

use http::Request;
use http::header::{CONTENT_LENGTH, COOKIE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use terms::wire::head::{BadHead, Limits};
use terms::wire::parsed;

/// Whether a request may go on. `:authority` and `Host` are compared where a URL is made of them.
pub(super) fn admit<B>(request: &mut Request<B>, limits: &Limits) -> Result<(), BadHead> {
    join_cookies(request.headers_mut());
    parsed::judge(request, limits)
}

/// `Cookie` may come in crumbs, and goes on as one field (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        fields.insert(COOKIE, joined);
    }
}

/// A body of unknown length is announced as HTTP/1.1 would: rooms behind this door know it by that.
pub(super) fn announce_body(fields: &mut HeaderMap) {
    if !fields.contains_key(CONTENT_LENGTH) {
        fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_of_a_cookie_are_one_field() {
        let request = Request::get("http://h/").header("cookie", "a=1").header("cookie", "b=2").header("x", "y");
        let mut request = request.body(()).unwrap();
        // The host, the cookie, and the other one.
        admit(&mut request, &Limits { head: 256, target: 64, fields: 3 }).unwrap();
        assert_eq!(request.headers().get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
