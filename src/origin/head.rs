//! Whether the head of an answer leaves a doubt about where the answer ends (RFC 9112 section 6.3).
//!
//! This judges the head that hyper parsed. hyper itself refuses: differing or unreadable lengths
//! where they count, `Transfer-Encoding` from HTTP/1.0, folded lines, blanks before the colon.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::Fault;

/// What an acceptable head says of the connection it came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Reusable,
    /// The answer can be used, but what follows it on the connection can't be trusted.
    Tainted,
}

/// Judges a head; several equal lengths become one field.
pub(crate) fn judge(method: &Method, status: StatusCode, fields: &mut HeaderMap) -> Result<Afterwards, Fault> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Ambiguous("it switches protocols unasked"));
    }
    if method == Method::CONNECT {
        return Err(Fault::Ambiguous("it answers a CONNECT, after which no HTTP may follow"));
    }
    // RFC 9110 section 15: codes outside of 100 to 599 are invalid.
    if status.as_u16() > 599 {
        return Err(Fault::Ambiguous("its status code is none of HTTP's"));
    }
    let chunked = is_chunked(fields)?;
    let length = one_length(fields)?;
    // RFC 9112 section 6.3: a sign of response splitting, which ought to be handled as an error.
    if chunked && length.is_some() {
        return Err(Fault::Ambiguous("it has both Content-Length and Transfer-Encoding"));
    }
    // RFC 9110 section 8.6, RFC 9112 section 6.1: neither may stand in a 204. Servers that send them
    // may send the body they announce, too.
    if status == StatusCode::NO_CONTENT && (chunked || length.is_some_and(|length| length > 0)) {
        return Ok(Afterwards::Tainted);
    }
    Ok(Afterwards::Reusable)
}

/// `chunked`, once and alone, is the only transfer coding that is understood here; any other can't be
/// undone, and must not be passed on as if it were content.
fn is_chunked(fields: &HeaderMap) -> Result<bool, Fault> {
    let mut values = fields.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Fault::Ambiguous("its Transfer-Encoding is not `chunked` alone")),
    }
}

fn one_length(fields: &mut HeaderMap) -> Result<Option<u64>, Fault> {
    let mut length = None;
    for member in fields.get_all(CONTENT_LENGTH).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b',')) {
        let read = number(member.trim_ascii()).ok_or(Fault::Ambiguous("its Content-Length is not a number"))?;
        if length.is_some_and(|known| known != read) {
            return Err(Fault::Ambiguous("it has several Content-Lengths"));
        }
        length = Some(read);
    }
    if let Some(length) = length {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// `1*DIGIT` that fits; `str::parse` would take a `+` as well.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Table<'a> = &'a [(u16, &'a [(&'static str, &'static str)], Option<Afterwards>)];

    #[test]
    fn heads_that_leave_no_doubt_are_taken_and_others_not() {
        use Afterwards::{Reusable, Tainted};
        let table: Table = &[
            (200, &[], Some(Reusable)),
            (200, &[("content-length", "5")], Some(Reusable)),
            (200, &[("content-length", "5"), ("content-length", "5")], Some(Reusable)),
            (200, &[("content-length", "5, 5")], Some(Reusable)),
            (200, &[("content-length", "5, 6")], None),
            (200, &[("content-length", "5"), ("content-length", "05")], Some(Reusable)),
            (200, &[("content-length", "")], None),
            (200, &[("content-length", "5,")], None),
            (200, &[("content-length", "+5")], None),
            (200, &[("content-length", "-5")], None),
            (200, &[("content-length", "5 5")], None),
            (200, &[("content-length", "0x5")], None),
            (200, &[("content-length", "18446744073709551616")], None),
            (200, &[("transfer-encoding", "Chunked")], Some(Reusable)),
            (200, &[("transfer-encoding", "gzip, chunked")], None),
            (200, &[("transfer-encoding", "identity")], None),
            (200, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], None),
            (200, &[("transfer-encoding", "chunked"), ("content-length", "5")], None),
            (304, &[("content-length", "5")], Some(Reusable)),
            (204, &[("content-length", "0")], Some(Reusable)),
            (204, &[("content-length", "5")], Some(Tainted)),
            (204, &[("transfer-encoding", "chunked")], Some(Tainted)),
            (101, &[], None),
            (599, &[], Some(Reusable)),
            (600, &[], None),
            (999, &[], None),
        ];
        for (status, fields, expected) in table {
            let mut map = HeaderMap::new();
            for (name, value) in *fields {
                map.append(*name, HeaderValue::from_static(value));
            }
            let status = StatusCode::from_u16(*status).unwrap();
            assert_eq!(judge(&Method::GET, status, &mut map).ok(), *expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn equal_lengths_become_one() {
        let mut fields = HeaderMap::new();
        fields.append(CONTENT_LENGTH, HeaderValue::from_static("5"));
        fields.append(CONTENT_LENGTH, HeaderValue::from_static("5, 5"));
        judge(&Method::HEAD, StatusCode::OK, &mut fields).unwrap();
        let values: Vec<_> = fields.get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(values, ["5"]);
    }
}
