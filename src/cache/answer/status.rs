//! This cache's member of `Cache-Status` (RFC 9211).

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CACHE_STATUS, Entry, HeaderMap, HeaderValue};
use terms::Url;

use crate::policy::Forward;

/// What became of a request that went on to the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded {
    pub why: Forward,
    /// What the origin answered.
    pub status: StatusCode,
    /// `Some(false)`: it waited for another request's answer, and could not use it.
    pub collapsed: Option<bool>,
    pub stored: bool,
}

impl Forwarded {
    /// `ttl` is told of an answer that was stored before.
    pub fn value(self, ttl: Option<i64>) -> HeaderValue {
        let collapsed = match self.collapsed {
            None => "",
            Some(true) => "; collapsed",
            Some(false) => "; collapsed=?0",
        };
        let stored = if self.stored { "; stored" } else { "" };
        let (why, status) = (self.why.as_str(), self.status.as_u16());
        match ttl {
            None => value(format_args!("seawall; fwd={why}; fwd-status={status}{collapsed}{stored}")),
            Some(ttl) => value(format_args!("seawall; fwd={why}; fwd-status={status}; ttl={ttl}{collapsed}{stored}")),
        }
    }
}

/// `ttl` is negative for an answer that is stale.
pub(crate) fn hit(ttl: i64) -> HeaderValue {
    const HIT: &[u8] = b"seawall; hit; ttl=";
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(ttl).as_bytes();
    let mut text = [0; HIT.len() + "-9223372036854775808".len()];
    let length = HIT.len() + digits.len();
    text[..HIT.len()].copy_from_slice(HIT);
    text[HIT.len()..length].copy_from_slice(digits);
    HeaderValue::from_bytes(&text[..length]).unwrap_or_else(|_| HeaderValue::from_static("seawall"))
}

fn value(text: std::fmt::Arguments<'_>) -> HeaderValue {
    let mut writer = BytesMut::with_capacity(64).writer();
    // Writing to memory does not fail, and the text is ASCII.
    let _ = writer.write_fmt(text);
    let text = writer.into_inner().freeze();
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("seawall"))
}

/// Adds this cache's member behind those of the caches nearer to the origin (section 2).
pub(crate) fn add(fields: &mut HeaderMap, member: HeaderValue) {
    fields.append(CACHE_STATUS, member);
}

/// Has the last member, which is this cache's, say under which URL the answer is stored (section 2.7). Beside it the
/// scheme, cookies and what an answer varies by may tell stored ones apart.
pub fn show_key(fields: &mut HeaderMap, name: &Url) {
    let Entry::Occupied(mut members) = fields.entry(CACHE_STATUS) else { return };
    let Some(own) = members.iter_mut().next_back() else { return };
    let mut text = own.as_bytes().to_vec();
    text.extend_from_slice(b"; key=\"");
    for byte in [name.authority(), name.target()].into_iter().flat_map(str::bytes) {
        // RFC 9651 section 3.3.3.
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b' '..=b'~' => text.push(byte),
            _ => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
    text.push(b'"');
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
        *own = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_read_as_in_the_rfc() {
        let some = Forwarded { why: Forward::UriMiss, status: StatusCode::OK, collapsed: None, stored: true };
        assert_eq!(some.value(None), "seawall; fwd=uri-miss; fwd-status=200; stored");
        let some = Forwarded { collapsed: Some(true), ..some };
        assert_eq!(some.value(None), "seawall; fwd=uri-miss; fwd-status=200; collapsed; stored");
        let some =
            Forwarded { why: Forward::Stale, status: StatusCode::NOT_MODIFIED, collapsed: Some(false), stored: false };
        assert_eq!(some.value(None), "seawall; fwd=stale; fwd-status=304; collapsed=?0");
        let some = Forwarded { status: StatusCode::BAD_GATEWAY, collapsed: None, ..some };
        assert_eq!(some.value(Some(-3)), "seawall; fwd=stale; fwd-status=502; ttl=-3");
        assert_eq!(hit(-412), "seawall; hit; ttl=-412");
    }

    #[test]
    fn the_member_nearest_to_the_client_stands_last() {
        let mut fields = HeaderMap::new();
        fields.insert(CACHE_STATUS, HeaderValue::from_static("inner; hit"));
        add(&mut fields, hit(3));
        let all: Vec<_> = fields.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(all, ["inner; hit", "seawall; hit; ttl=3"]);
    }

    #[test]
    fn the_key_is_a_string_of_the_own_member() {
        let mut fields = HeaderMap::new();
        let (_, name) = crate::testing::ask("GET", "/a%20{\"x\"}", &[]);
        show_key(&mut fields, &name);
        assert!(fields.is_empty(), "what is made here has no member");
        fields.insert(CACHE_STATUS, HeaderValue::from_static("inner; hit"));
        add(&mut fields, hit(3));
        show_key(&mut fields, &name);
        let all: Vec<_> = fields.get_all(CACHE_STATUS).iter().map(|one| one.to_str().unwrap()).collect();
        assert_eq!(all, ["inner; hit", "seawall; hit; ttl=3; key=\"photos.example/a%20{\\\"x\\\"}\""]);
    }
}
