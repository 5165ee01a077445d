//! TLS before a scripted origin, by a certificate made for the test.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Origin;

/// Serves until it is dropped.
pub struct TlsFront {
    pub address: SocketAddr,
    /// PEM of the certificate, which vouches for itself.
    pub certificate: String,
    runtime: Option<Runtime>,
}

impl TlsFront {
    /// Whatever comes in under TLS goes on to the origin in clear. The certificate is for `name`.
    pub fn before(origin: &Origin, name: &str) -> TlsFront {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), origin.address));
        TlsFront { address, certificate: made.cert.pem(), runtime: Some(runtime) }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, origin: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Who doesn't believe the certificate leaves within the handshake.
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let Ok(mut origin) = TcpStream::connect(origin).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
        });
    }
}
