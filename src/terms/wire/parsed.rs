//! A request's head that came in parts (RFC 9113 section 8.3), held to what a raw one is held to by
//! [`walk`](super::head::walk): it goes on as HTTP/1.1.

use http::header::HOST;
use http::{Method, Request, Uri};

use super::bad::BadHead;
use super::head::{Limits, is_target};
use super::lines::{Fields, Side};
use super::octets::{are_host, is_token, method_length};

/// Whether a head may go on. That `:authority` and `Host` agree is not looked at here.
pub fn judge<B>(request: &Request<B>, limits: &Limits) -> Result<(), BadHead> {
    let (method, target, authority) = (request.method(), target_of(request), authority_of(request.uri()));
    if target.len() > limits.target {
        return Err(BadHead::TargetTooLong);
    }
    let mut fields = Fields::of(Side::Client);
    let mut length = "  HTTP/1.1\r\n\r\n".len() + method.as_str().len() + target.len();
    let mut field = |name: &str, value: &[u8]| {
        // As many bytes as it would be in HTTP/1.1.
        length += name.len() + ": \r\n".len() + value.len();
        match name.bytes().all(is_token) {
            _ if length > limits.head => Err(BadHead::TooLarge),
            true => fields.field(name.as_bytes(), value, limits),
            // `HeaderName::from_lowercase`, by which h2 makes names, lets quotes through.
            false => Err(BadHead::FieldName),
        }
    };
    match authority {
        Some(authority) if !request.headers().contains_key(HOST) => field("host", authority.as_bytes())?,
        Some(authority) if !are_host(authority.as_bytes()) => return Err(BadHead::Host),
        _ => {}
    }
    request.headers().iter().try_for_each(|(name, value)| field(name.as_str(), value.as_bytes()))?;
    fields.judge_request()?;
    if method_length(method.as_str().as_bytes()) < method.as_str().len() {
        return Err(BadHead::RequestLine);
    }
    // RFC 9113 section 8.3.1: a path, or `*`; what else there is would be another's URL.
    let is_path =
        target.starts_with('/') || matches!((method, target), (&Method::OPTIONS, "*") | (&Method::CONNECT, ""));
    if is_path && (target.is_empty() || is_target(target.as_bytes())) { Ok(()) } else { Err(BadHead::Target) }
}

fn target_of<B>(request: &Request<B>) -> &str {
    request.uri().path_and_query().map_or("", |target| target.as_str())
}

fn authority_of(uri: &Uri) -> Option<&str> {
    uri.authority().map(|authority| authority.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 256, target: 64, fields: 4 };

    fn judged(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(), BadHead> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        judge(&request.body(()).unwrap(), &LIMITS)
    }

    #[test]
    fn sizes_are_those_of_http_1() {
        let long = "a".repeat(200);
        assert_eq!(judged("GET", &format!("http://h/{long}"), &[]), Err(BadHead::TargetTooLong));
        assert_eq!(judged("GET", "http://h/", &[("x", &long), ("y", "twenty bytes or so..")]), Err(BadHead::TooLarge));
        // `GET / HTTP/1.1`, `host: h`, and the empty line are 27 bytes.
        let fits = "a".repeat(LIMITS.head - 27 - "x: \r\n".len());
        assert_eq!(judged("GET", "http://h/", &[("x", &fits)]), Ok(()));
        assert_eq!(judged("GET", "http://h/", &[("x", &(fits + "a"))]), Err(BadHead::TooLarge));
        let fields = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
        assert_eq!(judged("GET", "http://h/", &fields[..3]), Ok(()));
        assert_eq!(judged("GET", "http://h/", &fields), Err(BadHead::TooLarge), "the host counts too");
    }

    #[test]
    fn what_is_refused_of_a_raw_head_is_refused_of_its_parts() {
        for (method, uri, fields, expected) in [
            ("GET", "/a", &[("host", "h")][..], Ok(())),
            ("GET", "http://h:80/a?b=c", &[("host", "h")], Ok(())),
            ("M-SEARCH", "http://h/a", &[("content-length", "5")], Ok(())),
            ("OPTIONS", "*", &[("host", "h")], Ok(())),
            ("GET", "/a", &[], Err(BadHead::Host)),
            ("GET", "http://h/a", &[("host", "h"), ("host", "h")], Err(BadHead::Host)),
            ("GET", "http://h/a", &[("host", "h,i")], Err(BadHead::Host)),
            ("GET", "http://u@h/a", &[], Err(BadHead::Host)),
            ("GET", "http://u@h/a", &[("host", "h")], Err(BadHead::Host)),
            ("GET", "http://h/a", &[("content-length", "1"), ("content-length", "1")], Err(BadHead::TwoLengths)),
            ("GET", "http://h/a", &[("content-length", "+1")], Err(BadHead::BadLength)),
            ("GET", "http://h/a", &[("content-length", "9223372036854775808")], Err(BadHead::BadLength)),
            ("GET", "http://h/a", &[("content_length", "1")], Err(BadHead::FieldName)),
            ("GET", "http://h/a", &[("transfer.encoding", "chunked")], Err(BadHead::FieldName)),
            ("GET", "http://h/a", &[("transfer-encoding", "gzip")], Err(BadHead::Coding)),
            ("GET", "http://h/a", &[("connection", "host")], Err(BadHead::Connection)),
            ("get", "http://h/a", &[], Err(BadHead::RequestLine)),
            ("GET1", "http://h/a", &[], Err(BadHead::RequestLine)),
            ("GET", "http://h/a\"b", &[], Err(BadHead::Target)),
            ("GET", "*", &[("host", "h")], Err(BadHead::Target)),
        ] {
            assert_eq!(judged(method, uri, fields), expected, "{method} {uri} {fields:?}");
        }
    }
}
