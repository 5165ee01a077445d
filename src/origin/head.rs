//! What the head of an answer may not say though it is well-formed, and the one length that it gets.
//!
//! The walk beneath hyper (`strict`) has refused what is ambiguous in it.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::Fault;

/// Judges a head; several equal lengths become one field.
pub(crate) fn judge(method: &Method, status: StatusCode, fields: &mut HeaderMap) -> Result<(), Fault> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Ambiguous("it switches protocols unasked"));
    }
    if method == Method::CONNECT {
        return Err(Fault::Ambiguous("it answers a CONNECT, after which no HTTP may follow"));
    }
    if let Some(value) = fields.get(CONTENT_LENGTH) {
        let length = first_length(value).ok_or(Fault::Ambiguous("its Content-Length is not a number"))?;
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

/// All are equal, and `1*DIGIT`.
fn first_length(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lengths_become_one() {
        let mut fields = HeaderMap::new();
        fields.append(CONTENT_LENGTH, HeaderValue::from_static("05"));
        fields.append(CONTENT_LENGTH, HeaderValue::from_static("5, 5"));
        judge(&Method::HEAD, StatusCode::OK, &mut fields).unwrap();
        let values: Vec<_> = fields.get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(values, ["5"]);
    }

    #[test]
    fn nobody_leaves_http_unasked() {
        for (method, status) in [(Method::GET, StatusCode::SWITCHING_PROTOCOLS), (Method::CONNECT, StatusCode::OK)] {
            assert!(judge(&method, status, &mut HeaderMap::new()).is_err(), "{method} {status}");
        }
    }
}
