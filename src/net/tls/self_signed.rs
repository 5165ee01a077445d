//! A certificate that nobody vouches for: for a first try, and for tests.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use terms::Timestamp;

use super::TlsError;

/// How long it is good for: browsers take no longer one.
pub const LIFETIME: Duration = Duration::from_secs(397 * 24 * 3600);

/// Clocks of clients may be behind.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// A certificate and its private key, in PEM.
pub struct Made {
    pub cert: String,
    pub key: String,
}

/// Makes one with a key of its own (ECDSA, P-256) for DNS names, wildcards and addresses.
pub fn make(names: &[String], now: Timestamp) -> Result<Made, TlsError> {
    let try_make = || {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Seawall, self-signed");
        let since_epoch = Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
        params.not_after = epoch + since_epoch + LIFETIME;
        let key = KeyPair::generate()?;
        let cert = params.self_signed(&key)?;
        Ok(Made { cert: cert.pem(), key: key.serialize_pem() })
    };
    try_make().map_err(|error: rcgen::Error| TlsError::SelfSigned { names: names.to_vec(), reason: error.to_string() })
}
