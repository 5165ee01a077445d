//! Whom to believe on the other end of a connection that is opened from here: a client's side of TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, Error as RustlsError, RootCertStore, version};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why there is nobody to be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("{} can't be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a PEM file", path.display())]
    NotPem { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate; it must begin with `-----BEGIN CERTIFICATE-----`", path.display())]
    NoCertificate { path: PathBuf },
    #[error("a certificate in {} can't be used", path.display())]
    BadCertificate { path: PathBuf, source: RustlsError },
    #[error("this system has no store of trusted certificates that can be read")]
    NoSystemStore,
    #[error("TLS can't be set up")]
    Setup { source: RustlsError },
}

/// The authorities by whose word a server is who it says it is. There is no way to believe just anyone.
///
/// Two are equal if they believe the same certificates: a file that was written anew with the same
/// ones changes nothing.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    authorities: Arc<[CertificateDer<'static>]>,
    /// The file they came from; `None` is the system's store.
    file: Option<PathBuf>,
}

impl Trust {
    /// Those that the system trusts.
    pub fn system() -> Result<Trust, TrustError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Stores hold old ones that are not well-formed: the rest is as good as before.
        roots.add_parsable_certificates(found.certs.iter().cloned());
        if roots.is_empty() {
            return Err(TrustError::NoSystemStore);
        }
        Trust::new(roots, found.certs, None)
    }

    /// Those in a PEM file, and nobody else.
    pub fn file(path: &Path) -> Result<Trust, TrustError> {
        let bytes = std::fs::read(path).map_err(|source| TrustError::Unreadable { path: path.to_owned(), source })?;
        let authorities = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<Vec<_>, pem::Error>>()
            .map_err(|source| TrustError::NotPem { path: path.to_owned(), source })?;
        if authorities.is_empty() {
            return Err(TrustError::NoCertificate { path: path.to_owned() });
        }
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            let bad = |source| TrustError::BadCertificate { path: path.to_owned(), source };
            roots.add(authority.clone()).map_err(bad)?;
        }
        Trust::new(roots, authorities, Some(path.to_owned()))
    }

    fn new(
        roots: RootCertStore,
        authorities: Vec<CertificateDer<'static>>,
        file: Option<PathBuf>,
    ) -> Result<Trust, TrustError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|source| TrustError::Setup { source })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Trust { config: Arc::new(config), authorities: authorities.into(), file })
    }

    /// Shakes hands as a client that wants to speak to `name`, offering `http/1.1`. Waits as long as the
    /// peer likes: bound it.
    ///
    /// # Errors
    ///
    /// With what rustls says as the inner error where the peer can't be believed, or doesn't speak TLS.
    pub async fn connect(&self, name: &ServerName<'static>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config.clone()).connect(name.clone(), stream).await
    }

    /// The file that names the authorities; `None` is the system's store.
    pub fn source(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        self.file == other.file && self.authorities == other.authorities
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::server_config;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Files {
            Files(tempfile::tempdir().unwrap())
        }

        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    /// What comes of a handshake with a server whose certificate names `made_for`.
    async fn shake(made_for: &str, asked_for: &str, trusts_it: bool) -> Result<(), String> {
        let files = Files::new();
        let own = rcgen::generate_simple_self_signed([made_for.to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed([made_for.to_owned()]).unwrap();
        let (certificate, key) =
            (files.put("a.pem", &own.cert.pem()), files.put("a.key", &own.signing_key.serialize_pem()));
        let trusted = if trusts_it { certificate.clone() } else { files.put("b.pem", &other.cert.pem()) };
        let server = TlsAcceptor::from(server_config(&certificate, &key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accept = async {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = server.accept(stream).await;
        };
        let connect = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(asked_for.to_owned()).unwrap();
            Trust::file(&trusted).unwrap().connect(&name, stream).await.map(drop)
        };
        let (outcome, ()) = tokio::join!(connect, accept);
        outcome.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_who_is_vouched_for_under_the_name_asked_for_is_believed() {
        assert_eq!(shake("a.example", "a.example", true).await, Ok(()));
        assert_eq!(shake("127.0.0.1", "127.0.0.1", true).await, Ok(()));
        let other_name = shake("a.example", "b.example", true).await.unwrap_err();
        assert!(other_name.contains("not valid for name"), "{other_name}");
        let nobody = shake("a.example", "a.example", false).await.unwrap_err();
        assert!(nobody.contains("certificate"), "{nobody}");
    }

    #[test]
    fn each_mistake_is_named_with_its_file() {
        let files = Files::new();
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let table = [
            (files.0.path().join("missing.pem"), "can't be read"),
            (files.put("empty.pem", ""), "holds no certificate"),
            (files.put("key.pem", &made.signing_key.serialize_pem()), "holds no certificate"),
            (files.put("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), "is not a PEM file"),
            (files.put("junk.pem", junk), "can't be used"),
        ];
        for (path, says) in table {
            let text = Trust::file(&path).unwrap_err().to_string();
            assert!(text.contains(path.to_str().unwrap()) && text.contains(says), "{text}");
        }
    }

    #[test]
    fn a_file_with_the_same_certificates_is_the_same_trust() {
        let files = Files::new();
        let pem = || rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap().cert.pem();
        let first = pem();
        let path = files.put("ca.pem", &first);
        let before = Trust::file(&path).unwrap();
        files.put("ca.pem", &format!("# comment\n{first}"));
        assert_eq!(Trust::file(&path).unwrap(), before);
        files.put("ca.pem", &pem());
        assert_ne!(Trust::file(&path).unwrap(), before);
    }
}
