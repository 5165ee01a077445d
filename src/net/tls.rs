//! TLS for a listener, from a certificate file and a key file.
//!
//! The only module that knows rustls' types on their way in: a new version of it is dealt with here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error as RustlsError, version};
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a pair of files, and which of the two it is.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} can't be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a PEM file", path.display())]
    NotPem { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate, but {found}; it must begin with `-----BEGIN CERTIFICATE-----`", path.display())]
    NoCertificate { path: PathBuf, found: Found },
    #[error("{} holds no private key, but {found}; it must begin with `-----BEGIN PRIVATE KEY-----`", path.display())]
    NoKey { path: PathBuf, found: Found },
    #[error("the private key in {} is encrypted; write it without a passphrase (`openssl pkey`)", path.display())]
    EncryptedKey { path: PathBuf },
    #[error("the private key in {} can't be used; RSA, ECDSA and Ed25519 keys can", path.display())]
    BadKey { path: PathBuf, source: RustlsError },
    #[error("the first certificate in {} can't be used", path.display())]
    BadCertificate { path: PathBuf, source: RustlsError },
    #[error(
        "the private key in {} does not belong to the first certificate in {}; the server's own certificate must \
         come first, the intermediate ones after it",
        key.display(),
        certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("TLS can't be set up")]
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

/// A server's side of TLS 1.2 and 1.3 that offers `http/1.1` by ALPN (RFC 7301).
///
/// `certificate` holds the chain, the server's own first; `key` its private key in PKCS #8, PKCS #1
/// or SEC 1 form. Both are PEM and may be the same file.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;
    let signing = provider
        .key_provider
        .load_private_key(private)
        .map_err(|source| TlsError::BadKey { path: key.to_owned(), source })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(RustlsError::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(RustlsError::InconsistentKeys(_)) => {
            return Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() });
        }
        Err(source) => return Err(TlsError::BadCertificate { path: certificate.to_owned(), source }),
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|source| TlsError::Setup { source })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(path, &read(path)?)?;
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

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    if is_encrypted(&bytes) {
        return Err(TlsError::EncryptedKey { path: path.to_owned() });
    }
    let sections = sections(path, &bytes)?;
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
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use std::error::Error;
    use tempfile::TempDir;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    struct Files(TempDir);

    impl Files {
        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    fn files() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn pair() -> (String, String, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["edge.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
    }

    #[tokio::test]
    async fn a_pair_of_files_serves_tls_with_alpn() {
        let (certificate, key, der) = pair();
        let files = files();
        let config = server_config(&files.put("a.pem", &certificate), &files.put("a.key", &key)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        for version in [&version::TLS12, &version::TLS13] {
            let mut client = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let (near, far) = tokio::io::duplex(16 * 1024);
            let name = ServerName::try_from("edge.example").unwrap();
            let (served, asked) = tokio::join!(
                TlsAcceptor::from(config.clone()).accept(far),
                TlsConnector::from(Arc::new(client)).connect(name, near)
            );
            assert_eq!(served.unwrap().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(asked.unwrap().get_ref().1.protocol_version(), Some(version.version));
        }
    }

    #[test]
    fn one_file_may_hold_both() {
        let (certificate, key, _) = pair();
        let files = files();
        let both = files.put("both.pem", &format!("{key}{certificate}"));
        server_config(&both, &both).unwrap();
    }

    #[test]
    fn each_mistake_is_named_with_its_file() {
        let (certificate, key, _) = pair();
        let (other, ..) = pair();
        let files = files();
        let (good, good_key) = (files.put("good.pem", &certificate), files.put("good.key", &key));
        let other = files.put("other.pem", &other);
        let empty = files.put("empty.pem", "");
        let torn = files.put("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        let junk = files.put("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let junk_key = files.put("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        let locked = files
            .put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
        let missing = files.0.path().join("missing.pem");
        let table: [(&Path, &Path, &str, &str); 10] = [
            (&missing, &good_key, "missing.pem", "can't be read"),
            (&good, &missing, "missing.pem", "can't be read"),
            (&empty, &good_key, "empty.pem", "holds no certificate, but nothing"),
            (&good_key, &good, "good.key", "holds no certificate, but a private key"),
            (&good, &good, "good.pem", "holds no private key, but a certificate"),
            (&torn, &good_key, "torn.pem", "is not a PEM file"),
            (&junk, &good_key, "junk.pem", "can't be used"),
            (&good, &junk_key, "junk.key", "can't be used"),
            (&good, &locked, "locked.key", "is encrypted"),
            (&other, &good_key, "other.pem", "does not belong"),
        ];
        for (certificate, key, file, says) in table {
            let error = server_config(certificate, key).err().unwrap();
            let text = error.to_string();
            assert!(text.contains(file) && text.contains(says), "{text}");
            if says == "can't be read" {
                assert!(error.source().is_some());
            }
        }
    }
}
