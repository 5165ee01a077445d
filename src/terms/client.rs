//! Who asks: the peer itself, or whom trusted proxies name.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::url::Scheme;
use crate::wire::fields::as_cgi_has_it;
use crate::{Country, Networks, Peer, RequestId};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Addresses are canonical: none is an IPv4 address within IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// By which it came to the first who could tell.
    pub scheme: Scheme,
    /// The trusted proxies between it and us, the peer last; empty where it is the peer.
    pub proxies: Vec<IpAddr>,
    /// Where it is, by their word.
    pub country: Option<Country>,
}

/// Whose word on clients is believed.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    pub proxies: Networks,
    /// The field in which they say in which country a client is, if they do.
    pub country: Option<HeaderName>,
}

impl Client {
    /// Whom `fields` name, as far as trusted proxies wrote them.
    pub fn of(peer: &Peer, fields: &HeaderMap, trusted: &Trusted) -> Client {
        let peer_address = peer.address.ip().to_canonical();
        let alone = Client { address: peer_address, scheme: peer.scheme, proxies: Vec::new(), country: None };
        if !trusted.proxies.contains(peer_address) {
            return alone;
        }
        let country = trusted.country.as_ref().and_then(|name| country(fields, name));
        let trusted = &trusted.proxies;
        // A proxy that writes one of the two may hand the other on as a stranger wrote it. Far more write
        // `X-Forwarded-For`, so it decides wherever it is there.
        let (named, told) = match fields.contains_key(&X_FORWARDED_FOR) {
            true => (alone.behind(members(fields, &X_FORWARDED_FOR, ',').map(node), trusted), None),
            false => alone.behind_forwarded(fields, trusted),
        };
        let scheme = scheme_of(fields).or(told).unwrap_or(peer.scheme);
        Client { scheme, country, ..named }
    }

    /// Walks from the peer towards the client, as far as each one's word is worth something: the rightmost
    /// address that is no trusted proxy is the client. Behind what can't be read nothing is believed.
    fn behind(self, hops: impl Iterator<Item = Option<IpAddr>>, trusted: &Networks) -> Client {
        let mut client = self;
        for hop in hops.map_while(|hop| hop) {
            client.proxies.insert(0, client.address);
            client.address = hop;
            if !trusted.contains(hop) {
                break;
            }
        }
        client
    }

    /// RFC 7239: also the scheme by which the client came, where that is told.
    fn behind_forwarded(self, fields: &HeaderMap, trusted: &Networks) -> (Client, Option<Scheme>) {
        let elements: Vec<&str> = members(fields, &header::FORWARDED, ',').collect();
        let hops = elements.iter().map(|element| node(parameter(element, "for")?));
        let client = self.behind(hops, trusted);
        let of_client = client.proxies.len().checked_sub(1).and_then(|at| elements.get(at));
        let scheme = of_client.and_then(|element| scheme(parameter(element, "proto")?));
        (client, scheme)
    }
}

/// The id that a trusted proxy gave the request. Two are none.
pub(crate) fn given_id(peer: &Peer, fields: &HeaderMap, trusted: &Trusted) -> Option<RequestId> {
    if !trusted.proxies.contains(peer.address.ip()) {
        return None;
    }
    let mut all = fields.get_all(&X_REQUEST_ID).iter();
    let (first, second) = (all.next()?, all.next());
    second.is_none().then(|| RequestId::given(first.to_str().ok()?)).flatten()
}

/// Takes out of `fields` what tells a country and is no trusted proxy's word, so that it reaches no origin that would
/// believe it, and selects nothing that is stored for others. What is the same to CGI and its heirs under another
/// spelling is a stranger's, whoever handed it on.
pub(crate) fn drop_unbelieved(peer: &Peer, fields: &mut HeaderMap, trusted: &Trusted) {
    let Some(believed) = &trusted.country else { return };
    let is_from_trusted = trusted.proxies.contains(peer.address.ip()) && fields.get_all(believed).iter().count() == 1;
    let read_as = as_cgi_has_it(believed);
    let is_dropped = |name: &&HeaderName| as_cgi_has_it(name) == read_as && !(is_from_trusted && *name == believed);
    let dropped: Vec<HeaderName> = fields.keys().filter(is_dropped).cloned().collect();
    for name in dropped {
        fields.remove(name);
    }
}

/// Two say that one of them is a stranger's.
fn country(fields: &HeaderMap, name: &HeaderName) -> Option<Country> {
    let mut all = fields.get_all(name).iter();
    let (first, second) = (all.next()?, all.next());
    second.is_none().then(|| Country::from_text(first.to_str().ok()?.trim())).flatten()
}

/// A list says of several proxies what each saw, and the first of them may have let a client speak: it tells
/// nothing.
fn scheme_of(fields: &HeaderMap) -> Option<Scheme> {
    let mut all = fields.get_all(&X_FORWARDED_PROTO).iter();
    let (first, second) = (all.next()?, all.next());
    second.is_none().then(|| scheme(first.to_str().ok()?)).flatten()
}

fn scheme(text: &str) -> Option<Scheme> {
    let is = |scheme: Scheme| text.eq_ignore_ascii_case(scheme.as_str());
    [Scheme::Https, Scheme::Http].into_iter().find(|scheme| is(*scheme))
}

/// The members of a list, from the last to the first. One line that can't be read is one member that can't.
fn members<'f>(fields: &'f HeaderMap, name: &HeaderName, separator: char) -> impl Iterator<Item = &'f str> {
    let lines: Vec<&str> = fields.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    lines.into_iter().rev().flat_map(move |line| split(line, separator).into_iter().rev())
}

/// Parts between separators that do not stand in quotes (RFC 9110 section 5.6.4), without blanks around them.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_end = |c: char| {
        let ends = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    };
    text.split(is_end).map(|part| part.trim_matches([' ', '\t'])).collect()
}

/// A parameter of an element of `Forwarded`, without its quotes. What is written twice is not believed.
fn parameter<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let pairs = split(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let (first, second) = (named.next()?, named.next());
    let bare = first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(first);
    second.is_none().then_some(bare)
}

/// An address, alone or with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80` (RFC 7239 section 6). `unknown` and hidden names are none.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().map(IpAddr::V6).ok();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    let address: IpAddr = text.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::Network;

    fn trusted() -> Trusted {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse::<Network>().unwrap());
        Trusted { proxies: Networks::new(&proxies), country: Some(HeaderName::from_static("x-country")) }
    }

    fn peer(address: &str) -> Peer {
        Peer { address: SocketAddr::new(address.parse().unwrap(), 4), scheme: Scheme::Http }
    }

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        lines.iter().map(field).collect()
    }

    fn address(peer_address: &str, lines: &[(&'static str, &str)]) -> String {
        Client::of(&peer(peer_address), &fields(lines), &trusted()).address.to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_that_is_no_trusted_proxy() {
        for (list, client) in [
            ("198.51.100.1", "198.51.100.1"),
            ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("203.0.113.9, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
            ("203.0.113.9 ,198.51.100.1:4711,10.0.0.7", "198.51.100.1"),
            ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("[2001:db9::1]:443, [2001:db8::7]", "2001:db9::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            // Behind what can't be read, nothing is believed.
            ("198.51.100.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("198.51.100.1, , 10.0.0.7", "10.0.0.7"),
            ("198.51.100.1, \u{fc}", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("198.51.100.1 10.0.0.7", "10.0.0.1"),
        ] {
            assert_eq!(address("10.0.0.1", &[("x-forwarded-for", list)]), client, "{list:?}");
        }
    }

    #[test]
    fn lists_over_several_lines_are_one() {
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1, 10.0.0.7")];
        assert_eq!(address("10.0.0.1", &lines), "198.51.100.1");
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lines = [
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "mine"),
            ("x-country", "US"),
        ];
        let client = Client::of(&peer("198.51.100.1"), &fields(&lines), &trusted());
        let address = "198.51.100.1".parse().unwrap();
        let peer_alone = Client { address, scheme: Scheme::Http, proxies: Vec::new(), country: None };
        assert_eq!(client, peer_alone);
        assert_eq!(given_id(&peer("198.51.100.1"), &fields(&lines), &trusted()), None);
    }

    #[test]
    fn the_proxies_between_are_kept_in_their_order() {
        let lines = fields(&[("x-forwarded-for", "203.0.113.9, 198.51.100.1, 10.0.0.7, 10.0.0.8")]);
        let client = Client::of(&peer("10.0.0.1"), &lines, &trusted());
        assert_eq!(client.proxies, ["10.0.0.7", "10.0.0.8", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn forwarded_is_read_where_there_is_no_other_list() {
        for (value, client, scheme) in [
            ("for=198.51.100.1", "198.51.100.1", Scheme::Http),
            ("For=\"[2001:db9::1]:4711\";Proto=https", "2001:db9::1", Scheme::Https),
            ("for=203.0.113.9;proto=https, for=198.51.100.1;proto=http;by=10.0.0.1", "198.51.100.1", Scheme::Http),
            ("for=198.51.100.1;proto=https, for=10.0.0.7", "198.51.100.1", Scheme::Https),
            ("for=\"_a,b\\\", for=203.0.113.9\", for=10.0.0.7", "10.0.0.7", Scheme::Http),
            ("for=_hidden;proto=https", "10.0.0.1", Scheme::Http),
            ("for=1.1.1.1;for=198.51.100.1", "10.0.0.1", Scheme::Http),
            ("proto=https", "10.0.0.1", Scheme::Http),
        ] {
            let found = Client::of(&peer("10.0.0.1"), &fields(&[("forwarded", value)]), &trusted());
            assert_eq!((found.address.to_string().as_str(), found.scheme), (client, scheme), "{value}");
        }
        let both = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(address("10.0.0.1", &both), "198.51.100.1");
    }

    #[test]
    fn a_scheme_is_believed_where_it_is_one() {
        for (value, scheme) in [
            ("https", Scheme::Https),
            ("HTTPS", Scheme::Https),
            ("http", Scheme::Http),
            ("https, http", Scheme::Http),
            ("ftp", Scheme::Http),
        ] {
            let found = Client::of(&peer("10.0.0.1"), &fields(&[("x-forwarded-proto", value)]), &trusted());
            assert_eq!(found.scheme, scheme, "{value}");
        }
    }

    #[test]
    fn a_country_is_believed_where_it_is_one() {
        for (lines, country) in [
            (&[("x-country", "DE")][..], Some("DE")),
            (&[("x-country", " de ")], Some("DE")),
            (&[("x-country", "FR"), ("x-forwarded-for", "198.51.100.1")], Some("FR")),
            (&[("x-country", "XX")], None),
            (&[("x-country", "T1")], None),
            (&[("x-country", "DE, FR")], None),
            (&[("x-country", "")], None),
            (&[("x-country", "\u{fc}")], None),
            (&[("x-country", "DE"), ("x-country", "DE")], None),
            (&[("cf-ipcountry", "DE")], None),
        ] {
            let found = Client::of(&peer("10.0.0.1"), &fields(lines), &trusted()).country;
            assert_eq!(found.as_ref().map(Country::as_str), country, "{lines:?}");
        }
    }

    #[test]
    fn what_tells_a_country_and_is_not_believed_is_dropped() {
        let left = |peer_address: &str, lines: &[(&'static str, &str)]| {
            let mut fields = fields(lines);
            drop_unbelieved(&peer(peer_address), &mut fields, &trusted());
            fields.keys().map(|name| name.as_str().to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        let spellings =
            [("x_country", "FR"), ("x.country", "FR"), ("x'country", "FR"), ("x-country", "DE"), ("a", "b")];
        let (one, two) = (spellings, [("x-country", "DE"); 2]);
        let are = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(left("10.0.0.1", &one), are(&["a", "x-country"]));
        assert_eq!(left("::ffff:10.0.0.1", &one), are(&["a", "x-country"]));
        assert_eq!(left("192.0.2.1", &one), are(&["a"]));
        assert_eq!(left("10.0.0.1", &two), are(&[]));
        let others = [("x-country", "XX"), ("x-countries", "DE"), ("xcountry", "DE")];
        assert_eq!(left("10.0.0.1", &others), are(&["x-country", "x-countries", "xcountry"]));
    }

    #[test]
    fn an_id_is_taken_from_a_trusted_proxy_if_it_can_be() {
        let long = "x".repeat(64);
        for (value, is_taken) in [
            ("a-B_9.z", true),
            (&long, true),
            (&format!("{long}x"), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("\u{fc}", false),
        ] {
            let id = given_id(&peer("10.0.0.1"), &fields(&[("x-request-id", value)]), &trusted());
            assert_eq!(id.map(|id| id.to_string()), is_taken.then(|| value.to_owned()), "{value:?}");
        }
        let two = fields(&[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(given_id(&peer("10.0.0.1"), &two, &trusted()), None);
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic_or_believe_a_stranger(
            list in "[ -~]{0,60}", forwarded in "([a-z]{1,5}=[\"\\\\;,0-9.\\[\\]:_a-f]{0,12}[;,]?){0,6}"
        ) {
            for lines in [[("x-forwarded-for", list.as_str())], [("forwarded", forwarded.as_str())]] {
                let lines = fields(&lines);
                let found = Client::of(&peer("10.0.0.1"), &lines, &trusted());
                prop_assert!(found.proxies.iter().all(|proxy| trusted().proxies.contains(*proxy)));
                let stranger = Client::of(&peer("192.0.2.1"), &lines, &trusted());
                prop_assert_eq!(stranger.address.to_string(), "192.0.2.1");
            }
        }
    }
}
