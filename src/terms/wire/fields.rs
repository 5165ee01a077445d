//! Header fields: those that belong to one hop, and lists in values.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that belong to one connection (RFC 9110 section 7.6.1), and those that would steer the next
/// hop's framing. `Trailer` goes too: trailers are not passed on.
static HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether [`strip_hop_by_hop`] has anything to do with a field of this name.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    // The names that every request has are known to the `http` crate, and told apart without their text.
    match *name {
        header::HOST | header::USER_AGENT | header::ACCEPT | header::ACCEPT_ENCODING | header::ACCEPT_LANGUAGE => false,
        _ => HOP_BY_HOP.contains(name),
    }
}

/// As CGI and its heirs hand a name on: to some `_` and `-` are the same, to others whatever is no letter or digit.
pub fn as_cgi_has_it(name: &HeaderName) -> String {
    name.as_str().bytes().map(cgi_byte).map(char::from).collect()
}

/// Whether they take `name`, in any case, for one that stands here as [`as_cgi_has_it`] gives it.
pub(super) fn is_to_cgi(name: &[u8], of: &[u8]) -> bool {
    name.len() == of.len() && name.iter().zip(of).all(|(&one, &other)| cgi_byte(one) == other)
}

/// One byte of a name, as they have it.
pub(super) const fn cgi_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Fields for all recipients that say how long a message is, where it goes, who asks, how it may be
/// stored or what is asked for: `Connection` may not name them (RFC 9110 section 7.6.1), and they stand in
/// no trailer (section 6.5.1).
static STEERING: [&str; 34] = [
    "age",
    "authorization",
    "cache-control",
    "cdn-cache-control",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "seawall-cache-control",
    "set-cookie",
    "surrogate-control",
    "transfer-encoding",
    "vary",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

pub(super) fn steers(name: &[u8]) -> bool {
    STEERING.iter().any(|steering| name.eq_ignore_ascii_case(steering.as_bytes()))
}

/// Removes what belongs to the hop that the message came over, the fields that its `Connection` names
/// included. `Content-Length` stays: it says what the content is.
pub fn strip_hop_by_hop(fields: &mut HeaderMap) {
    if fields.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = tokens(fields, &header::CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
            .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
            .collect();
        for name in named {
            fields.remove(name);
        }
    }
    // A look at those that are there costs less than a search for each that might be.
    let there = fields.keys().filter(|name| is_hop_by_hop(name)).cloned().collect::<Vec<_>>();
    for name in there {
        fields.remove(name);
    }
}

/// The members of a comma-separated list over all lines of a field, blanks trimmed, empty ones left
/// out (RFC 9110 section 5.6.1). Not for lists with quoted strings.
pub fn tokens<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    // Member by member: a byte beyond ASCII in one hides no other.
    let members = fields.get_all(name).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    members.filter_map(|member| std::str::from_utf8(member).ok()).map(str::trim).filter(|token| !token.is_empty())
}

/// Adds `member` to a list field: to the end of its last line, or as its first.
pub fn append(fields: &mut HeaderMap, name: HeaderName, member: &str) {
    let joined = match fields.get_all(&name).iter().next_back() {
        None => member.to_owned(),
        Some(_) => {
            let mut all: Vec<String> = fields
                .get_all(&name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            all.push(member.to_owned());
            all.join(", ")
        }
    };
    if let Ok(value) = HeaderValue::try_from(joined) {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn what_belongs_to_the_hop_goes_and_the_rest_stays() {
        let mut some = fields(&[
            ("connection", "keep-alive, x-private"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("x-public", "2"),
        ]);
        strip_hop_by_hop(&mut some);
        assert_eq!(some, fields(&[("content-length", "3"), ("x-public", "2")]));
    }

    #[test]
    fn connection_cannot_name_away_the_framing() {
        let mut some = fields(&[("connection", "content-length, host"), ("content-length", "3"), ("host", "h")]);
        strip_hop_by_hop(&mut some);
        assert_eq!(some, fields(&[("content-length", "3"), ("host", "h")]));
    }

    #[test]
    fn a_member_that_cannot_be_read_hides_no_other() {
        let value = HeaderValue::from_bytes(b"\xff, 1.1 us").unwrap();
        let some = HeaderMap::from_iter([(header::VIA, value)]);
        assert_eq!(tokens(&some, &header::VIA).collect::<Vec<_>>(), ["1.1 us"]);
    }

    #[test]
    fn a_member_joins_the_list() {
        let mut some = fields(&[("via", "1.0 a"), ("via", "1.1 b")]);
        append(&mut some, header::VIA, "1.1 c");
        assert_eq!(some, fields(&[("via", "1.0 a, 1.1 b, 1.1 c")]));
    }
}
