//! What is wrong with certificates and keys, and in which file.

use std::io;
use std::path::PathBuf;

use rustls::Error as RustlsError;
use rustls_pki_types::pem;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} can't be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a PEM file: {source}", path.display())]
    NotPem { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate, but {found}; it must begin with `-----BEGIN CERTIFICATE-----`", path.display())]
    NoCertificate { path: PathBuf, found: Found },
    #[error("{} holds no private key, but {found}; it must begin with `-----BEGIN PRIVATE KEY-----`", path.display())]
    NoKey { path: PathBuf, found: Found },
    #[error("the private key in {} is encrypted; write it without a passphrase (`openssl pkey`)", path.display())]
    EncryptedKey { path: PathBuf },
    #[error("the private key in {} can't be used ({source}); RSA, ECDSA and Ed25519 keys can", path.display())]
    BadKey { path: PathBuf, source: RustlsError },
    #[error("the first certificate in {} can't be used: {source}", path.display())]
    BadCertificate { path: PathBuf, source: RustlsError },
    #[error(
        "the private key in {} does not belong to the first certificate in {}; the server's own certificate must \
         come first, the intermediate ones after it",
        key.display(),
        certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("no self-signed certificate can be made for {}: {reason}", names.join(", "))]
    SelfSigned { names: Vec<String>, reason: String },
    #[error("TLS can't be set up: {source}")]
    Setup { source: RustlsError },
}

/// What a PEM file held instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    #[error("nothing in PEM form")]
    Nothing,
    #[error("a private key")]
    Key,
    #[error("a certificate")]
    Certificate,
    #[error("something else")]
    Other,
}
