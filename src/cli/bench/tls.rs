//! The sending side of TLS: whom a load generator trusts.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

use super::wire::Protocol;

/// Where systems keep the certificates that they trust, in one file; `SSL_CERT_FILE` names another.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Debug, PartialEq, Eq)]
pub enum Trust {
    System,
    File(PathBuf),
    /// Whoever answers: the one measured is one's own.
    Anyone,
}

impl Trust {
    pub fn from_flags(insecure: bool, ca_file: Option<PathBuf>) -> Trust {
        match ca_file {
            Some(path) => Trust::File(path),
            None if insecure => Trust::Anyone,
            None => Trust::System,
        }
    }
}

pub fn client_config(trust: &Trust, protocol: Protocol) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Anyone => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))).with_no_client_auth()
        }
        Trust::File(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
        Trust::System => {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let known = || SYSTEM.iter().map(PathBuf::from).find(|path| path.exists());
            let path = named.or_else(known);
            let path = path.context("no certificates that the system trusts were found; name some with --ca-file")?;
            builder.with_root_certificates(roots(&path)?).with_no_client_auth()
        }
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

fn roots(path: &PathBuf) -> anyhow::Result<RootCertStore> {
    let shown = path.display();
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).with_context(|| format!("{shown} can't be read"))?;
    for certificate in certificates {
        // A system's file may hold one that is too odd to be used; the others count.
        roots.add_parsable_certificates([certificate.with_context(|| format!("{shown} is no PEM file"))?]);
    }
    ensure!(!roots.is_empty(), "{shown} holds no certificate that can be used");
    Ok(roots)
}

/// Takes any certificate, if its owner holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
