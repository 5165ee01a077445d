//! A certificate with its private key, from two PEM files.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as RustlsError};
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use terms::{Digest, Timestamp};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{Found, TlsError};

/// Bytes of a PEM file. A chain of ten certificates is a tenth of it.
const MAX_FILE: u64 = 1 << 20;

/// Where a certificate and its private key lie; maybe in one file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PairFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// What the two files held when they were looked at.
pub struct PairBytes {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// A chain that a server can show, and the key that proves that it may.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    facts: Facts,
}

/// What the first certificate of a chain says of itself.
#[derive(Clone, Debug)]
struct Facts {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl PairFiles {
    pub fn load(&self) -> Result<Certificate, TlsError> {
        self.judge(&self.read()?)
    }

    pub fn read(&self) -> Result<PairBytes, TlsError> {
        Ok(PairBytes { cert: read(&self.cert)?, key: read(&self.key)? })
    }

    /// What stands in these bytes of the two files, or what is wrong with them. When the certificate
    /// holds is not looked at.
    pub fn judge(&self, bytes: &PairBytes) -> Result<Certificate, TlsError> {
        let chain = chain(&self.cert, &bytes.cert)?;
        let private = private_key(&self.key, &bytes.key)?;
        let bad_certificate = |source| TlsError::BadCertificate { path: self.cert.clone(), source };
        let signing = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(private)
            .map_err(|source| TlsError::BadKey { path: self.key.clone(), source })?;
        let facts = Facts::of(&chain).map_err(bad_certificate)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(RustlsError::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(RustlsError::InconsistentKeys(_)) => {
                return Err(TlsError::Mismatch { certificate: self.cert.clone(), key: self.key.clone() });
            }
            Err(source) => return Err(bad_certificate(source)),
        }
        Ok(Certificate { certified: Arc::new(certified), facts })
    }
}

impl PairBytes {
    /// Tells two states of the files apart.
    pub fn digest(&self) -> Digest {
        let mut both = Digest::of(&self.cert).as_bytes().to_vec();
        both.extend_from_slice(Digest::of(&self.key).as_bytes());
        Digest::of(&both)
    }
}

impl Certificate {
    /// The DNS names that it is for, in lower case; a wildcard (`*.photos.example`) stands for one label.
    pub fn names(&self) -> &[String] {
        &self.facts.names
    }

    pub fn addresses(&self) -> &[IpAddr] {
        &self.facts.addresses
    }

    /// One name to call it by.
    pub fn title(&self) -> String {
        let address = || self.facts.addresses.first().map(IpAddr::to_string);
        self.facts.names.first().cloned().or_else(address).unwrap_or_else(|| "unnamed".to_owned())
    }

    pub fn not_before(&self) -> Timestamp {
        self.facts.not_before
    }

    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }
}

impl Facts {
    fn of(chain: &[CertificateDer<'_>]) -> Result<Facts, RustlsError> {
        let bad = || RustlsError::InvalidCertificate(CertificateError::BadEncoding);
        // Raw: old rules for serial numbers and dates are no reason to refuse what clients take.
        let own: x509_cert::certificate::CertificateInner<x509_cert::certificate::Raw> =
            Decode::from_der(chain.first().ok_or_else(bad)?).map_err(|_| bad())?;
        let own = own.tbs_certificate();
        let time = |time: &x509_cert::time::Time| {
            Timestamp::from_secs(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        let mut facts = Facts {
            names: Vec::new(),
            addresses: Vec::new(),
            not_before: time(&own.validity().not_before),
            not_after: time(&own.validity().not_after),
        };
        let alternatives = own.get_extension::<SubjectAltName>().map_err(|_| bad())?;
        for name in alternatives.into_iter().flat_map(|(_, names)| names.0) {
            match name {
                GeneralName::DnsName(name) => facts.names.push(name.as_str().to_ascii_lowercase()),
                GeneralName::IpAddress(octets) => facts.addresses.extend(address(octets.as_bytes())),
                _ => {}
            }
        }
        Ok(facts)
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

/// The certificates in a file, of which there is at least one.
fn chain(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(path, bytes)?;
    let found = found(&sections);
    let chain: Vec<_> = sections
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| CertificateDer::from(der))
        .collect();
    match chain.is_empty() {
        true => Err(TlsError::NoCertificate { path: path.to_owned(), found }),
        false => Ok(chain),
    }
}

fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    if is_encrypted(bytes) {
        return Err(TlsError::EncryptedKey { path: path.to_owned() });
    }
    let sections = sections(path, bytes)?;
    let found = found(&sections);
    sections
        .into_iter()
        .find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .ok_or_else(|| TlsError::NoKey { path: path.to_owned(), found })
}

/// A label of its own says so (RFC 5958 section 3), or, in the older form, a field inside an
/// ordinary section (RFC 1421 section 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    pem.split(|&byte| byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    try_read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn try_read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for a writer without NONBLOCK.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

fn sections(path: &Path, pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
    PemObject::pem_slice_iter(pem)
        .collect::<Result<_, pem::Error>>()
        .map_err(|source| TlsError::NotPem { path: path.to_owned(), source })
}

fn found(sections: &[(SectionKind, Vec<u8>)]) -> Found {
    match sections.first() {
        None => Found::Nothing,
        Some((SectionKind::Certificate, _)) => Found::Certificate,
        Some((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => Found::Key,
        Some(_) => Found::Other,
    }
}
