//! The room against scripted origins: a listener on loopback and bytes said by hand.
//!
//! Scripts are tasks whose panics fail the test; nothing waits longer than [`PATIENCE`].

mod answers;
mod pooling;
mod timing;
mod uploads;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use terms::{Body, BodyError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Address, Origin, OriginError, Reply, Settings, upload};

const PATIENCE: Duration = Duration::from_secs(10);
/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

/// A client whose origin is the listener, with timeouts that no test waits for.
async fn here(adapt: impl FnOnce(&mut Settings)) -> (Origin, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = Settings {
        address: Address { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() },
        tls: None,
        connect_timeout: PATIENCE,
        first_byte_timeout: PATIENCE,
        between_bytes_timeout: PATIENCE,
        max_connections: 1,
    };
    adapt(&mut settings);
    (Origin::new(settings), listener)
}

/// Runs a script beside the test; await what comes back, or its panics go unseen.
fn script(steps: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move { within(steps).await })
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this took too long")
}

/// The origin's end of one connection.
struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Peer {
        let (stream, _) = listener.accept().await.unwrap();
        Peer { stream, unread: Vec::new() }
    }

    /// A request's head, up to and with its empty line.
    async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                let rest = self.unread.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            assert!(self.stream.read_buf(&mut self.unread).await.unwrap() > 0, "closed before {end:?}");
        }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Answers one request without a body.
    async fn serve(&mut self, answer: &str) {
        self.head().await;
        self.say(answer).await;
    }

    /// Waits for the other side to close; nothing more may come before.
    async fn closed(mut self) {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) | Err(_) => {}
            Ok(_) => panic!("more came: {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }

    /// Closes with a reset instead of an end.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

fn request(method: Method, body: Body) -> Request<Body> {
    Request::builder().method(method).uri("/path?query").header("host", "photos.example").body(body).unwrap()
}

fn get() -> Request<Body> {
    request(Method::GET, Body::Empty)
}

async fn ask(origin: &Origin, request: Request<Body>) -> Result<Reply, OriginError> {
    within(exchange(origin, request)).await
}

async fn exchange(origin: &Origin, request: Request<Body>) -> Result<Reply, OriginError> {
    origin.send(upload::prepare(request)).await.map_err(|failed| failed.error)
}

async fn text(reply: Reply) -> Result<String, BodyError> {
    let bytes = within(reply.body.collect()).await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A body fed by hand, of a length that is not known beforehand.
fn fed() -> (http_body_util::channel::Sender<Bytes, BodyError>, Body) {
    let (feed, body) = Channel::new(1);
    (feed, Body::stream(body))
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
