//! Tunnels: how one is asked for, and what is behind the head that agrees to it.
//!
//! The only protocol that HTTP is left for here is WebSocket (RFC 6455), asked for as RFC 9110 section 7.8
//! says; nothing of what is said in it is looked at.

use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version, request};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::fields::tokens;

const PROTOCOL: &str = "websocket";

/// Bytes both ways, in place of a body, until either side ends.
pub struct Tunnel {
    pub far: FarEnd,
    /// After this time in which nothing moves either way, it is closed.
    pub idle: Duration,
}

/// The origin's end. Dropping it closes it.
pub type FarEnd = Box<dyn Duplex>;

/// What is read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Whether a request asks for a tunnel. HTTP/1.0 can't, and HTTP/2 does it otherwise (RFC 8441).
pub fn is_asked_for(head: &request::Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && tokens(&head.headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
        && tokens(&head.headers, &UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case(PROTOCOL))
}

/// Whether the fields of a 101 agree to a tunnel, and to nothing else.
pub fn is_agreed_to(fields: &HeaderMap) -> bool {
    let mut protocols = tokens(fields, &UPGRADE);
    protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(PROTOCOL)) && protocols.next().is_none()
}

/// Asks for a tunnel, or agrees to it, whatever stood there before.
pub fn name(fields: &mut HeaderMap) {
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asks(method: &str, version: Version, connection: &str, upgrade: &str) -> bool {
        let request = Request::builder().method(method).version(version).header(CONNECTION, connection);
        is_asked_for(&request.header(UPGRADE, upgrade).body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_websocket_over_http_1_1_is_asked_for() {
        let table = [
            ("GET", Version::HTTP_11, "Upgrade", "websocket", true),
            ("GET", Version::HTTP_11, "keep-alive, upgrade", "WebSocket", true),
            ("GET", Version::HTTP_11, "Upgrade", "h2c, websocket", true),
            ("GET", Version::HTTP_11, "Upgrade", "h2c", false),
            ("GET", Version::HTTP_11, "Upgrade", "websockets", false),
            ("GET", Version::HTTP_11, "keep-alive", "websocket", false),
            ("GET", Version::HTTP_10, "Upgrade", "websocket", false),
            ("GET", Version::HTTP_2, "Upgrade", "websocket", false),
            ("POST", Version::HTTP_11, "Upgrade", "websocket", false),
            ("HEAD", Version::HTTP_11, "Upgrade", "websocket", false),
        ];
        for (method, version, connection, upgrade, expected) in table {
            assert_eq!(
                asks(method, version, connection, upgrade),
                expected,
                "{method} {version:?} {connection} {upgrade}"
            );
        }
    }

    #[test]
    fn only_websocket_alone_is_agreed_to() {
        for (upgrade, expected) in
            [("websocket", true), ("WebSocket", true), ("h2c", false), ("websocket, h2c", false), ("", false)]
        {
            let fields = HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static(upgrade))]);
            assert_eq!(is_agreed_to(&fields), expected, "{upgrade:?}");
        }
        assert!(!is_agreed_to(&HeaderMap::new()));
    }
}
