//! The floor to measure the edge against: hyper, a cache lookup, a body in one chunk, eight fields, and
//! nothing else. Prints where it listens; every path is the same 1 KiB, 16 KiB or 256 KiB by its name.
//!
//! `cargo run --release --example bare_hyper 127.0.0.1:0`

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Bodies = moka::sync::Cache<String, Bytes>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn answer(bodies: &Bodies, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let body = bodies.get(request.uri().path()).unwrap_or_default();
    let mut response = Response::new(Full::new(body));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    fields.insert(header::ETAG, HeaderValue::from_static("\"6b06331c-400\""));
    fields.insert(header::LAST_MODIFIED, HeaderValue::from_static("Wed, 25 Nov 2026 01:00:12 GMT"));
    fields.insert(header::VIA, HeaderValue::from_static("1.1 seawall"));
    fields.insert(header::AGE, HeaderValue::from(7));
    fields.insert(HeaderName::from_static("cache-status"), HeaderValue::from_static("seawall; hit; ttl=3593"));
    fields
        .insert(HeaderName::from_static("x-request-id"), HeaderValue::from_static("ff2105dab3c8947b34dd6065b4862bb7"));
    response
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let bodies: Arc<Bodies> = Arc::new(Bodies::new(100));
    for (path, size) in [("/1k", 1 << 10), ("/16k", 1 << 14), ("/256k", 1 << 18)] {
        bodies.insert(path.to_owned(), Bytes::from(vec![b'x'; size]));
    }
    let listener = TcpListener::bind(&address).await?;
    println!("bare http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let bodies = bodies.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&bodies, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that leaves is no news here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
