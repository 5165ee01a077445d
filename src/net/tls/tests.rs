use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;
use terms::Timestamp;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// A moment long past, in which nothing made by [`pair`] holds any more.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A moment from which on certificates hold for those who ask the system's clock.
fn today() -> Timestamp {
    terms::Clock::system().wall()
}

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn pair(&self, name: &str, names: &[&str]) -> PairFiles {
        let made = made(names, today());
        PairFiles {
            cert: self.put(&format!("{name}.pem"), &made.cert),
            key: self.put(&format!("{name}.key"), &made.key),
        }
    }
}

fn files() -> Files {
    Files(tempfile::tempdir().unwrap())
}

fn made(names: &[&str], now: Timestamp) -> self_signed::Made {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    self_signed::make(&names, now).unwrap()
}

#[test]
fn a_certificate_says_whom_it_is_for_and_until_when() {
    let files = files();
    let made = made(&["Photos.Example", "*.photos.example", "127.0.0.1", "::1"], NOW);
    let pair = PairFiles { cert: files.put("a.pem", &made.cert), key: files.put("a.key", &made.key) };
    let certificate = pair.load().unwrap();
    assert_eq!(certificate.names(), ["photos.example", "*.photos.example"]);
    assert_eq!(certificate.addresses(), ["127.0.0.1", "::1"].map(|text| text.parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(certificate.title(), "photos.example");
    assert_eq!(certificate.not_after(), NOW.plus(self_signed::LIFETIME));
    assert!(certificate.not_before() < NOW);
}

#[test]
fn one_file_may_hold_both() {
    let files = files();
    let made = made(&["edge.example"], NOW);
    let both = files.put("both.pem", &format!("{}{}", made.key, made.cert));
    PairFiles { cert: both.clone(), key: both }.load().unwrap();
}

#[test]
fn each_mistake_is_named_with_its_file() {
    let files = files();
    let (one, two) = (made(&["edge.example"], NOW), made(&["edge.example"], NOW));
    let (good, good_key) = (files.put("good.pem", &one.cert), files.put("good.key", &one.key));
    let other = files.put("other.pem", &two.cert);
    let empty = files.put("empty.pem", "");
    let large = files.put("large.pem", &"x".repeat((1 << 20) + 1));
    let torn = files.put("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let junk = files.put("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let junk_key = files.put("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let locked =
        files.put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let missing = files.0.path().join("missing.pem");
    let fifo = files.0.path().join("fifo.pem");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let table: [(&Path, &Path, &str, &str); 12] = [
        (&missing, &good_key, "missing.pem", "can't be read: No such file"),
        (&good, &missing, "missing.pem", "can't be read"),
        (&fifo, &good_key, "fifo.pem", "it is not a file"),
        (&large, &good_key, "large.pem", "it is larger"),
        (&empty, &good_key, "empty.pem", "holds no certificate, but nothing"),
        (&good_key, &good, "good.key", "holds no certificate, but a private key"),
        (&good, &good, "good.pem", "holds no private key, but a certificate"),
        (&torn, &good_key, "torn.pem", "is not a PEM file"),
        (&junk, &good_key, "junk.pem", "can't be used"),
        (&good, &junk_key, "junk.key", "can't be used"),
        (&good, &locked, "locked.key", "is encrypted"),
        (&other, &good_key, "other.pem", "does not belong"),
    ];
    for (cert, key, file, says) in table {
        let error = PairFiles { cert: cert.to_owned(), key: key.to_owned() }.load().err().unwrap();
        let text = error.to_string();
        assert!(text.contains(file) && text.contains(says), "{text}");
    }
}

/// What a client was shown, and how its handshake went.
struct Greeted {
    shown: CertificateDer<'static>,
    kind: HandshakeKind,
    version: ProtocolVersion,
    protocol: Option<Vec<u8>>,
}

/// A client that trusts these certificates and keeps its tickets.
fn client(trusted: &[&PairFiles], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(CertificateDer::from_pem_file(&pair.cert).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

async fn greet(server: &Server, client: &Arc<ClientConfig>, name: &str) -> Greeted {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serve = async {
        let mut served = TlsAcceptor::from(server.config()).accept(far).await.unwrap();
        served.write_all(b"x").await.unwrap();
        served
    };
    let ask = async {
        let mut asked = TlsConnector::from(client.clone()).connect(name, near).await.unwrap();
        // Tickets of TLS 1.3 come behind the handshake.
        asked.read_u8().await.unwrap();
        asked
    };
    let (_served, asked) = tokio::join!(serve, ask);
    let session = asked.get_ref().1;
    Greeted {
        shown: session.peer_certificates().unwrap()[0].clone().into_owned(),
        kind: session.handshake_kind().unwrap(),
        version: session.protocol_version().unwrap(),
        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
    }
}

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

fn der(pair: &PairFiles) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&pair.cert).unwrap()
}

#[tokio::test]
async fn the_name_asked_for_chooses_and_the_first_is_the_default() {
    let files = files();
    let first = files.pair("first", &["first.example", "unknown.example", "a.b.wild.example", "wild.example"]);
    let exact = files.pair("exact", &["exact.example", "a.wild.example"]);
    let wild = files.pair("wild", &["*.wild.example"]);
    let pairs = [&first, &exact, &wild];
    let server = Server::new(&PROTOCOLS, &pairs.map(|pair| pair.load().unwrap())).unwrap();
    for (name, shown) in [
        ("first.example", &first),
        ("exact.example", &exact),
        ("EXACT.example", &exact),
        ("a.wild.example", &exact),
        ("b.wild.example", &wild),
        ("wild.example", &first),
        ("a.b.wild.example", &first),
    ] {
        let greeted = greet(&server, &client(&pairs, &BOTH), name).await;
        assert!(greeted.shown == der(shown), "{name}");
        assert_eq!(greeted.protocol.as_deref(), Some(&b"http/1.1"[..]));
    }
    // Without a name: an address is none (RFC 6066 section 3).
    let addressed = files.pair("addressed", &["127.0.0.1"]);
    let server = Server::new(&PROTOCOLS, &[&addressed, &exact].map(|pair| pair.load().unwrap())).unwrap();
    assert!(greet(&server, &client(&[&addressed], &BOTH), "127.0.0.1").await.shown == der(&addressed));
}

#[tokio::test]
async fn both_versions_are_spoken_and_sessions_are_resumed_past_a_swap() {
    let files = files();
    let (before, after) = (files.pair("before", &["edge.example"]), files.pair("after", &["edge.example"]));
    for version in BOTH {
        let server = Server::new(&PROTOCOLS, &[before.load().unwrap()]).unwrap();
        let ours = client(&[&before, &after], &[version]);
        let first = greet(&server, &ours, "edge.example").await;
        assert_eq!((first.kind, first.version), (HandshakeKind::Full, version.version));
        assert_eq!(greet(&server, &ours, "edge.example").await.kind, HandshakeKind::Resumed);
        server.show(&[after.load().unwrap()]);
        assert_eq!(greet(&server, &ours, "edge.example").await.kind, HandshakeKind::Resumed);
        let stranger = greet(&server, &client(&[&after], &[version]), "edge.example").await;
        assert!(stranger.shown == der(&after) && stranger.kind == HandshakeKind::Full);
    }
}

#[tokio::test]
async fn a_client_gets_the_kind_of_key_that_it_knows() {
    let files = files();
    let elliptic = files.pair("elliptic", &["edge.example"]);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let edwards = rcgen::CertificateParams::new(["edge.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let edwards = PairFiles {
        cert: files.put("edwards.pem", &edwards.pem()),
        key: files.put("edwards.key", &key.serialize_pem()),
    };
    let server = Server::new(&PROTOCOLS, &[&edwards, &elliptic].map(|pair| pair.load().unwrap())).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    let schemes = &mut provider.signature_verification_algorithms;
    let known: Vec<_> =
        schemes.mapping.iter().filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519).copied().collect();
    schemes.mapping = known.leak();
    let mut roots = RootCertStore::empty();
    roots.add(der(&elliptic)).unwrap();
    let old = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(greet(&server, &client(&[&edwards], &BOTH), "edge.example").await.shown == der(&edwards));
    assert!(greet(&server, &Arc::new(old), "edge.example").await.shown == der(&elliptic));
}
