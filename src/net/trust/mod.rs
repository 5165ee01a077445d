//! Whom to believe on the other end of a connection that is opened from here: a client's side of TLS.

mod blocking;
mod pinned;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ConfigBuilder, Error as RustlsError, RootCertStore, WantsVerifier, version};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use blocking::Secured;
use pinned::Pinned;
pub use rustls::Error as HandshakeError;

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
        Trust::by_roots(roots, found.certs, None)
    }

    /// Those in a PEM file, and nobody else.
    pub fn file(path: &Path) -> Result<Trust, TrustError> {
        let authorities = read(path)?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            let bad = |source| TrustError::BadCertificate { path: path.to_owned(), source };
            roots.add(authority.clone()).map_err(bad)?;
        }
        Trust::by_roots(roots, authorities, Some(path.to_owned()))
    }

    /// Whoever holds the key of the certificate that comes first in a PEM file, whatever name and date that
    /// says, and nobody else.
    pub fn exactly(path: &Path) -> Result<Trust, TrustError> {
        let certificates = read(path)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Pinned::to(certificates[0].clone(), provider));
        let builder = builder()?.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Trust::of(builder.with_no_client_auth(), certificates, Some(path.to_owned())))
    }

    fn by_roots(
        roots: RootCertStore,
        authorities: Vec<CertificateDer<'static>>,
        file: Option<PathBuf>,
    ) -> Result<Trust, TrustError> {
        Ok(Trust::of(builder()?.with_root_certificates(roots).with_no_client_auth(), authorities, file))
    }

    fn of(mut config: ClientConfig, authorities: Vec<CertificateDer<'static>>, file: Option<PathBuf>) -> Trust {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Trust { config: Arc::new(config), authorities: authorities.into(), file }
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

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TrustError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|source| TrustError::Setup { source })
}

/// The certificates in a file, of which there is at least one.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let bytes = std::fs::read(path).map_err(|source| TrustError::Unreadable { path: path.to_owned(), source })?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, pem::Error>>()
        .map_err(|source| TrustError::NotPem { path: path.to_owned(), source })?;
    match certificates.is_empty() {
        true => Err(TrustError::NoCertificate { path: path.to_owned() }),
        false => Ok(certificates),
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
    use crate::tls::{PairFiles, Server};
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
        let pair = PairFiles { cert: certificate.clone(), key }.load().unwrap();
        let server = TlsAcceptor::from(Server::new(&[b"http/1.1"], &[pair]).unwrap().config());
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

    /// What comes back over a blocking connection to a server with this pair.
    fn asked(pair: &PairFiles, trust: &Trust, name: &str) -> io::Result<[u8; 4]> {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let config = Server::new(&[b"http/1.1"], &[pair.load().unwrap()]).unwrap().config();
        let peer = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut served = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
            let mut word = [0; 4];
            // A client that does not believe us leaves.
            let _ = served.read_exact(&mut word).and_then(|()| served.write_all(&word));
        });
        let mut secured = trust.secure(ServerName::try_from(name.to_owned()).unwrap(), stream).unwrap();
        let mut word = [0; 4];
        let outcome = secured.write_all(b"ping").and_then(|()| secured.read_exact(&mut word));
        drop(secured);
        peer.join().unwrap();
        outcome.map(|()| word)
    }

    #[test]
    fn one_certificate_alone_is_believed_under_any_name() {
        let files = Files::new();
        let pair = |name: &str| {
            let made = rcgen::generate_simple_self_signed(["admin.example".to_owned()]).unwrap();
            let cert = files.put(&format!("{name}.pem"), &made.cert.pem());
            PairFiles { cert, key: files.put(&format!("{name}.key"), &made.signing_key.serialize_pem()) }
        };
        let (ours, other) = (pair("ours"), pair("other"));
        for (trust, name, believed) in [
            (Trust::file(&ours.cert), "admin.example", true),
            (Trust::file(&ours.cert), "127.0.0.1", false),
            (Trust::exactly(&ours.cert), "127.0.0.1", true),
            (Trust::exactly(&other.cert), "admin.example", false),
        ] {
            let outcome = asked(&ours, &trust.unwrap(), name);
            assert_eq!(outcome.is_ok(), believed, "{name}: {outcome:?}");
            if let Err(error) = outcome {
                assert!(error.get_ref().is_some_and(|inner| inner.is::<HandshakeError>()), "{error:?}");
            }
        }
        assert!(matches!(Trust::exactly(&ours.key), Err(TrustError::NoCertificate { .. })));
    }
}
