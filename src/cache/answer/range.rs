//! Which part of a stored response a request asks for (RFC 9110 section 14.2).

use http::Method;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_RANGE, LAST_MODIFIED,
};
use terms::wire::range::{Parts, Ranges};
use terms::{Ask, Timestamp};

use super::conditional;

/// The ranges that count for `ask`: "GET is the only method for which range handling is defined".
pub(crate) fn asked(ask: &Ask) -> Option<Ranges> {
    if ask.present.range && ask.method == Method::GET { Ranges::read(&ask.fields) } else { None }
}

/// The ranges that count for `ask` once it is clear what they are of: where `If-Range` does not hold, none.
pub(crate) fn asked_of(ask: &Ask, stored: &HeaderMap, now: Timestamp) -> Option<Ranges> {
    asked(ask).filter(|_| conditional::range_applies(&ask.fields, stored, now))
}

/// What describes the content of the message that was stored, which a part is not (RFC 9530 section 2).
static OF_THE_CONTENT: [HeaderName; 2] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("content-md5")];

/// Makes the fields of a 200 those of a 206 (RFC 9110 section 15.3.7); what frames the content is the form's.
pub(crate) fn strip_for_206(asked: &HeaderMap, fields: &mut HeaderMap) {
    for name in &OF_THE_CONTENT {
        fields.remove(name);
    }
    fields.remove(CONTENT_RANGE);
    // "a sender that generates a 206 response to a request with an If-Range header field SHOULD NOT generate
    // other representation header fields". By a date alone it is known which representation that is.
    if asked.contains_key(IF_RANGE) {
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
            fields.remove(name);
        }
        if fields.contains_key(ETAG) {
            fields.remove(LAST_MODIFIED);
        }
    }
}

pub(super) fn content_range(parts: &Parts) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {parts}")).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}
