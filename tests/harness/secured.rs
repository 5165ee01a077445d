//! Certificates that a test makes, and clients that believe them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};

use super::Client;

/// Two PEM files.
#[derive(Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// A new pair in a folder: `NAME.pem` and `NAME.key`.
    pub fn make(folder: &Path, name: &str, hosts: &[&str]) -> Pair {
        let pair = Pair { cert: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        let (cert, key) = texts(hosts, |_| {});
        fs::write(&pair.cert, cert).unwrap();
        fs::write(&pair.key, key).unwrap();
        pair
    }

    /// One that was good for a year that is long over.
    pub fn make_expired(folder: &Path, name: &str, hosts: &[&str]) -> Pair {
        let pair = Pair::make(folder, name, hosts);
        let (cert, key) = texts(hosts, |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        });
        fs::write(&pair.cert, cert).unwrap();
        fs::write(&pair.key, key).unwrap();
        pair
    }

    /// `{ cert = …, key = … }`
    pub fn toml(&self) -> String {
        format!("{{ cert = \"{}\", key = \"{}\" }}", self.cert.display(), self.key.display())
    }

    /// Puts the other's files in the place of these, each by a rename.
    pub fn replace_by(&self, other: &Pair) {
        for (ours, theirs) in [(&self.cert, &other.cert), (&self.key, &other.key)] {
            let beside = ours.with_extension("new");
            fs::copy(theirs, &beside).unwrap();
            fs::rename(&beside, ours).unwrap();
        }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.cert).unwrap()
    }
}

fn texts(hosts: &[&str], shape: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    shape(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Clients that believe these certificates and no others, and keep their tickets.
#[derive(Clone)]
pub struct Trusting(Arc<ClientConfig>);

impl Trusting {
    pub fn in_all(certificates: &[CertificateDer<'static>]) -> Trusting {
        Trusting::by(certificates, &[&version::TLS13, &version::TLS12])
    }

    pub fn by(certificates: &[CertificateDer<'static>], versions: &[&'static SupportedProtocolVersion]) -> Trusting {
        let mut roots = RootCertStore::empty();
        certificates.iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
        let mut config =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Trusting(Arc::new(config))
    }

    /// The same clients, with these protocols to choose from.
    pub fn offering(&self, protocols: &[&str]) -> Trusting {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Trusting(Arc::new(config))
    }

    pub fn connect(&self, address: SocketAddr, host: &str) -> Client {
        self.try_connect(address, host).unwrap_or_else(|error| panic!("no TLS with {address} for {host}: {error}"))
    }

    pub fn try_connect(&self, address: SocketAddr, host: &str) -> std::io::Result<Client> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let session = ClientConnection::new(self.0.clone(), name).map_err(std::io::Error::other)?;
        Client::connect(address).secured(session)
    }
}

impl Client {
    /// The certificate that it was shown.
    pub fn shown(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().unwrap()[0].clone().into_owned()
    }
}
