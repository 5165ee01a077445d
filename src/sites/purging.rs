//! Who may purge a site's copies by `PURGE`.

use http::{HeaderMap, Method, header};
use subtle::{Choice, ConstantTimeEq};
use terms::{Ask, Digest, Networks, Refusal};

/// Nobody, unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Purging {
    /// Those who ask from here.
    pub allow: Networks,
    /// Those who know a token of which this is the digest.
    pub tokens: Vec<Digest>,
}

/// Whether a request is no wish for an answer, but for a purge. No standard has the method; caches all take it
/// for this.
pub fn asks_for_purge(method: &Method) -> bool {
    method.as_str() == "PURGE"
}

impl Purging {
    /// Refuses a purge by somebody who may not. It never goes on to the origin either, which might take this edge's
    /// word for a stranger's.
    pub fn admit(&self, ask: &Ask) -> Result<(), Refusal> {
        if !asks_for_purge(&ask.method) || self.allow.contains(ask.client.address) || self.knows(&ask.fields) {
            return Ok(());
        }
        match (self.allow.is_empty(), self.tokens.is_empty()) {
            (true, true) => Err(Refusal::PurgeNotServed),
            (false, true) => Err(Refusal::PurgeDenied),
            (_, false) => Err(Refusal::PurgeUnauthorized),
        }
    }

    /// RFC 6750 section 2.1. All tokens are compared, each by a digest: how long it takes says nothing of them.
    fn knows(&self, fields: &HeaderMap) -> bool {
        let given = fields.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else { return false };
        let given = Digest::of(token.trim().as_bytes());
        let is_one = |found: Choice, one: &Digest| found | one.as_bytes().ct_eq(given.as_bytes());
        self.tokens.iter().fold(Choice::from(0), is_one).into()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::Request;
    use terms::url::Scheme;
    use terms::{Clock, Peer};

    use super::*;

    fn ask(method: &str, from: &str, authorization: Option<&str>) -> Ask {
        let mut request = Request::builder().method(method).uri("/a").header("host", "h.example");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let peer = Peer { address: SocketAddr::new(from.parse().unwrap(), 4), scheme: Scheme::Http };
        Ask::read(request.body(()).unwrap(), peer, &terms::Trusted::default(), Clock::system().now()).0
    }

    #[test]
    fn a_stranger_never_purges() {
        let allow = || Networks::new(&["192.0.2.0/24".parse().unwrap()]);
        let tokens = || vec![Digest::of(b"one"), Digest::of(b"two")];
        let nobody = Purging::default();
        let here = Purging { allow: allow(), tokens: Vec::new() };
        let known = Purging { allow: Networks::default(), tokens: tokens() };
        let either = Purging { allow: allow(), tokens: tokens() };
        for (purging, from, authorization, refused) in [
            (&nobody, "192.0.2.1", Some("Bearer one"), Some(405)),
            (&here, "192.0.2.1", None, None),
            (&here, "198.51.100.1", Some("Bearer one"), Some(403)),
            (&known, "192.0.2.1", None, Some(401)),
            (&known, "192.0.2.1", Some("Bearer two"), None),
            (&known, "192.0.2.1", Some("bearer  two "), None),
            (&known, "192.0.2.1", Some("Bearer three"), Some(401)),
            (&known, "192.0.2.1", Some("Bearer "), Some(401)),
            (&known, "192.0.2.1", Some("Bearer"), Some(401)),
            (&known, "192.0.2.1", Some("Basic two"), Some(401)),
            (&either, "192.0.2.1", None, None),
            (&either, "198.51.100.1", Some("Bearer one"), None),
            (&either, "198.51.100.1", None, Some(401)),
        ] {
            let admitted = purging.admit(&ask("PURGE", from, authorization));
            let status = admitted.err().map(|refusal| refusal.status().as_u16());
            assert_eq!(status, refused, "{purging:?} {from} {authorization:?}");
        }
        assert!(nobody.admit(&ask("GET", "192.0.2.1", None)).is_ok());
    }
}
