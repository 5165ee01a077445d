//! A request's head, held to what HTTP/1.1 is held to here.
//!
//! h2 has refused what RFC 9113 section 8 calls malformed: fields of a connection, upper case, pseudo
//! fields that are missing, unknown or out of place, a length that the body contradicts.

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Uri};
use terms::wire::head::{BadHead, Limits};

/// Whether a request may go on. `:authority` and `Host` are compared where a URL is made of them.
pub(super) fn admit<B>(request: &mut Request<B>, limits: &Limits) -> Result<(), BadHead> {
    join_cookies(request.headers_mut());
    judge(request.method(), request.uri(), request.headers(), limits)
}

fn judge(method: &Method, target: &Uri, fields: &HeaderMap, limits: &Limits) -> Result<(), BadHead> {
    let target_length = target.path_and_query().map_or(0, |target| target.as_str().len());
    if target_length > limits.target {
        return Err(BadHead::TargetTooLong);
    }
    // As many bytes as it would be in HTTP/1.1: `METHOD TARGET HTTP/1.1`, and `NAME: VALUE` a line.
    let request_line = method.as_str().len() + target_length + " ".len() + " HTTP/1.1\r\n".len();
    let authority = target.authority().filter(|_| !fields.contains_key(HOST));
    let host = authority.map_or(0, |authority| "host: \r\n".len() + authority.as_str().len());
    let lines = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let length = request_line + host + lines.sum::<usize>() + "\r\n".len();
    if length > limits.head || fields.len() + usize::from(host > 0) > limits.fields {
        return Err(BadHead::TooLarge);
    }
    if fields.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(BadHead::TwoLengths);
    }
    match fields.get_all(HOST).iter().count() {
        0 if target.authority().is_none() => Err(BadHead::Host),
        0 | 1 => Ok(()),
        _ => Err(BadHead::Host),
    }
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

    const LIMITS: Limits = Limits { head: 256, target: 64, fields: 4 };

    fn judged(uri: &str, fields: &[(&str, &str)]) -> Result<HeaderMap, BadHead> {
        let mut request = Request::get(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        admit(&mut request, &LIMITS).map(|()| request.headers().clone())
    }

    #[test]
    fn heads_are_held_to_the_limits_of_http_1() {
        let long = "a".repeat(200);
        assert_eq!(judged(&format!("http://h/{long}"), &[]), Err(BadHead::TargetTooLong));
        assert_eq!(judged("http://h/", &[("x", &long), ("y", "twenty bytes or so..")]), Err(BadHead::TooLarge));
        // `GET / HTTP/1.1`, `host: h`, and the empty line are 27 bytes.
        let fits = "a".repeat(LIMITS.head - 27 - "x: \r\n".len());
        assert!(judged("http://h/", &[("x", &fits)]).is_ok());
        assert_eq!(judged("http://h/", &[("x", &(fits + "a"))]), Err(BadHead::TooLarge));
        let fields = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
        assert!(judged("http://h/", &fields[..3]).is_ok());
        assert_eq!(judged("http://h/", &fields), Err(BadHead::TooLarge), "the host counts too");
    }

    #[test]
    fn one_host_and_one_length() {
        assert!(judged("/a", &[("host", "h")]).is_ok());
        assert_eq!(judged("/a", &[]), Err(BadHead::Host));
        assert_eq!(judged("http://h/a", &[("host", "h"), ("host", "h")]), Err(BadHead::Host));
        assert_eq!(judged("http://h/a", &[("content-length", "1"), ("content-length", "1")]), Err(BadHead::TwoLengths));
    }

    #[test]
    fn crumbs_of_a_cookie_are_one_field() {
        let fields = judged("http://h/", &[("cookie", "a=1"), ("cookie", "b=2"), ("x", "y")]).unwrap();
        assert_eq!(fields.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
