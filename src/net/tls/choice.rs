//! Which certificate a client gets, by the name that it asks for (SNI, RFC 6066 section 3).

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// The certificates of one listener: by an exact name, then by a wildcard, else the first.
///
/// Several may have one name, with keys of different kinds: a client gets the first of them whose
/// signatures it knows.
#[derive(Debug, Default)]
struct Choice {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what stands behind the first label (RFC 9525 section 6.3).
    under: HashMap<String, Vec<Arc<CertifiedKey>>>,
    default: Vec<Arc<CertifiedKey>>,
}

impl Choice {
    fn of(certificates: &[Certificate]) -> Choice {
        let mut choice = Choice::default();
        for certificate in certificates {
            for name in certificate.names() {
                let among = match name.strip_prefix("*.") {
                    Some(rest) => choice.under.entry(rest.to_owned()),
                    None => choice.exact.entry(name.clone()),
                };
                among.or_default().push(certificate.certified.clone());
            }
        }
        choice.default.extend(certificates.first().map(|first| first.certified.clone()));
        choice
    }

    /// `name` is in lower case, as rustls gives it.
    fn find(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let exact = name.and_then(|name| self.exact.get(name));
        let under = || name.and_then(|name| self.under.get(name.split_once('.')?.1));
        exact.or_else(under).unwrap_or(&self.default)
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let found = self.find(name);
        let fits = found.iter().find(|certified| certified.key.choose_scheme(schemes).is_some());
        fits.or(found.first()).cloned()
    }
}

/// The choice in force. A handshake is made by the one it began with.
#[derive(Debug)]
pub(super) struct Shown(ArcSwap<Choice>);

impl Shown {
    pub(super) fn new(certificates: &[Certificate]) -> Shown {
        Shown(ArcSwap::from_pointee(Choice::of(certificates)))
    }

    pub(super) fn swap(&self, certificates: &[Certificate]) {
        self.0.store(Arc::new(Choice::of(certificates)));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().choose(hello.server_name(), hello.signature_schemes())
    }
}
