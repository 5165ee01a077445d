//! What a client asked: read once, owned, never changed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Version, header};

use crate::wire::fields::{is_hop_by_hop, strip_hop_by_hop};
use crate::{Moment, Url, UrlError, tunnel, url::Scheme};

/// Who is at the other end of a connection, and how it came in.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub scheme: Scheme,
}

/// The value of `X-Request-Id`: 128 random bits as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    pub fn random() -> RequestId {
        RequestId(fastrand::u128(..))
    }

    /// The digits as they stand in the field.
    pub fn digits(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
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
#[derive(Debug)]
pub struct Ask {
    pub id: RequestId,
    pub began: Moment,
    pub peer: Peer,
    pub method: Method,
    pub version: Version,
    /// Where it points, or why that can't be named.
    pub url: Result<Arc<Url>, UrlError>,
    pub fields: HeaderMap,
    pub present: Present,
}

impl Ask {
    /// Takes a request apart; the body goes its own way.
    pub fn read<B>(request: Request<B>, peer: Peer, now: Moment) -> (Ask, B) {
        let (mut head, body) = request.into_parts();
        let mut present = Present::among(&head.headers);
        present.tunnel = present.upgrade && tunnel::is_asked_for(&head);
        // What a client's `Connection` names is not the origin's to see, so it may not select what is
        // stored for others either.
        if present.hop_by_hop {
            strip_hop_by_hop(&mut head.headers);
        }
        let ask = Ask {
            id: RequestId::random(),
            began: now,
            peer,
            url: Url::of_request(peer.scheme, &head.uri, &head.headers).map(Arc::new),
            method: head.method,
            version: head.version,
            present,
            fields: head.headers,
        };
        (ask, body)
    }

    /// A method whose answers may be stored: GET, and HEAD answered from what GET stored.
    pub fn is_get_or_head(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}
