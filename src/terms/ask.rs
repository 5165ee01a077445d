//! What a client asked: read once, owned, never changed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, Version, header};

use crate::client::{Client, Trusted, drop_unbelieved, given_id};
use crate::wire::fields::{is_hop_by_hop, strip_hop_by_hop};
use crate::{Moment, Url, UrlError, Voice, tunnel, url::Scheme};

/// Who is at the other end of a connection, and how it came in.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub scheme: Scheme,
}

/// The value of `X-Request-Id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(IdText);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum IdText {
    /// Ours: 128 bits, written as 32 hexadecimal digits.
    Random([u8; 16]),
    /// That of a trusted proxy.
    Given(Arc<str>),
}

impl RequestId {
    /// Bytes of an id that is taken from others.
    const LONGEST: usize = 64;

    pub fn random() -> RequestId {
        RequestId(IdText::Random(fastrand::u128(..).to_be_bytes()))
    }

    /// One that was given elsewhere: 1 to 64 letters, digits, `.`, `_` and `-`.
    pub fn given(text: &str) -> Option<RequestId> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_good = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(fits);
        is_good.then(|| RequestId(IdText::Given(text.into())))
    }

    /// As it stands in the field.
    pub fn to_value(&self) -> HeaderValue {
        let value = match &self.0 {
            IdText::Random(bits) => HeaderValue::from_bytes(&digits(bits)),
            IdText::Given(text) => HeaderValue::from_str(text),
        };
        value.unwrap_or(HeaderValue::from_static(""))
    }
}

fn digits(bits: &[u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bits) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            IdText::Random(bits) => f.write_str(std::str::from_utf8(&digits(bits)).unwrap_or_default()),
            IdText::Given(text) => f.write_str(text),
        }
    }
}

/// Which of the fields that a decision may hang on are there at all, so that the rest is not looked
/// up one by one on every hit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Present {
    pub cache_control: bool,
    pub conditions: bool,
    pub range: bool,
    pub authorization: bool,
    pub via: bool,
    pub expect: bool,
    pub body: bool,
    pub upgrade: bool,
    /// All that asks for a tunnel.
    pub tunnel: bool,
    /// Fields that belong to the client's hop alone.
    pub hop_by_hop: bool,
}

impl Present {
    fn among(fields: &HeaderMap) -> Present {
        let mut present = Present::default();
        for name in fields.keys() {
            present.hop_by_hop |= is_hop_by_hop(name);
            match *name {
                header::CACHE_CONTROL | header::PRAGMA => present.cache_control = true,
                header::IF_NONE_MATCH | header::IF_MODIFIED_SINCE | header::IF_MATCH | header::IF_UNMODIFIED_SINCE => {
                    present.conditions = true
                }
                header::RANGE => present.range = true,
                header::AUTHORIZATION => present.authorization = true,
                header::VIA => present.via = true,
                header::EXPECT => present.expect = true,
                header::TRANSFER_ENCODING => present.body = true,
                header::CONTENT_LENGTH => present.body |= fields[name].as_bytes() != b"0",
                header::UPGRADE => present.upgrade = true,
                _ => {}
            }
        }
        present
    }
}

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Ask {
    pub id: RequestId,
    pub began: Moment,
    /// The peer, or whom it speaks for.
    pub client: Client,
    pub method: Method,
    pub version: Version,
    /// Where it points, or why that can't be named.
    pub url: Result<Arc<Url>, UrlError>,
    pub fields: HeaderMap,
    pub present: Present,
    /// Where interim answers to it go.
    pub voice: Voice,
}

impl Ask {
    /// Takes a request apart; the body goes its own way. Of whom they speak for, and of the request's id,
    /// `trusted` proxies are believed.
    pub fn read<B>(request: Request<B>, peer: Peer, trusted: &Trusted, now: Moment) -> (Ask, B) {
        let (mut head, body) = request.into_parts();
        let mut present = Present::among(&head.headers);
        present.tunnel = present.upgrade && tunnel::is_asked_for(&head);
        // Before the fields of the hop go: a proxy that hands on a client's `Connection` would let it name those that
        // tell of the client.
        let client = Client::of(&peer, &head.headers, trusted);
        let id = given_id(&peer, &head.headers, trusted).unwrap_or_else(RequestId::random);
        drop_unbelieved(&peer, &mut head.headers, trusted);
        // What a client's `Connection` names is not the origin's to see, so it may not select what is
        // stored for others either.
        if present.hop_by_hop {
            strip_hop_by_hop(&mut head.headers);
        }
        let ask = Ask {
            id,
            began: now,
            url: Url::of_request(client.scheme, &head.uri, &head.headers).map(Arc::new),
            client,
            method: head.method,
            version: head.version,
            present,
            fields: head.headers,
            voice: Voice::default(),
        };
        (ask, body)
    }

    /// A method whose answers may be stored: GET, and HEAD answered from what GET stored.
    pub fn is_get_or_head(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}
