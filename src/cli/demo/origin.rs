//! The demo's origin: a small site that needs nothing else on the machine.
//!
//! One task a connection, GET and HEAD, a body's bytes made as they are sent. It is spoken to by the
//! edge alone, on loopback, and is no server for anything else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use terms::{Clock, Digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::pictures::{page, scene};

/// Bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;
/// How long a connection may stand idle; the edge's pool finds out by itself.
const IDLE: Duration = Duration::from_secs(60);

/// Long enough to be watched, small enough to be cached.
const SLOW: u64 = 15 << 20;
const SLOW_STEP: u64 = 25 << 10;
const SLOW_PAUSE: Duration = Duration::from_millis(100);
/// Larger than the cache takes: it streams through.
const LARGE: u64 = 96 << 20;
const LARGE_STEP: u64 = 64 << 10;

/// What stands at a path.
enum Thing {
    Text {
        kind: &'static str,
        text: String,
    },
    /// Bytes by rote, `step` of them at a time with `pause` between.
    Stream {
        length: u64,
        step: u64,
        pause: Duration,
    },
}

/// Listens on a free port of loopback and serves for as long as the runtime lives.
pub async fn start() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the demo's origin finds no port on loopback")?;
    let address = listener.local_addr().context("the demo's origin has no address")?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(converse(stream))),
                // Out of descriptors, most likely: some come back when connections end.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(address)
}

/// Serves one connection until it ends, idles, or asks for what this origin doesn't speak.
async fn converse(mut stream: TcpStream) {
    let mut unread = Vec::new();
    while let Ok(Ok(Some(head))) = timeout(IDLE, read_head(&mut stream, &mut unread)).await {
        let Some(request) = Request::read(&head) else {
            let _ =
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            return;
        };
        if answer(&mut stream, &request).await.is_err() || request.closes {
            return;
        }
    }
}

/// The bytes of the next head, less the empty line at its end; `None` at the end of the connection.
async fn read_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = memchr::memmem::find(unread, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end]).into_owned();
            unread.drain(..end + 4);
            return Ok(Some(head));
        }
        if unread.len() > MAX_HEAD || stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

struct Request {
    is_head: bool,
    is_get: bool,
    path: String,
    if_none_match: Option<String>,
    closes: bool,
}

impl Request {
    fn read(head: &str) -> Option<Request> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let field = |name: &str| {
            let fields = lines.clone().filter_map(|line| line.split_once(':'));
            fields
                .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
                .next()
        };
        // A body is not read, so that what follows it would be taken for a head.
        let has_body =
            field("content-length").is_some_and(|length| length != "0") || field("transfer-encoding").is_some();
        Some(Request {
            is_head: method == "HEAD",
            is_get: method == "GET",
            path: target.split('?').next().unwrap_or_default().to_owned(),
            if_none_match: field("if-none-match"),
            closes: has_body || field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        })
    }
}

async fn answer(stream: &mut TcpStream, request: &Request) -> std::io::Result<()> {
    let date = http_date();
    let common = format!("Date: {date}\r\nServer: seawall-demo\r\n");
    if !request.is_get && !request.is_head {
        let head = format!(
            "HTTP/1.1 405 Method Not Allowed\r\n{common}Allow: GET, HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        return Err(std::io::ErrorKind::Unsupported.into());
    }
    let Some(thing) = thing_at(&request.path) else {
        let text = page("Not here", "<p>The demo's origin has no such page. <a href=\"/\">Back to the wall.</a></p>");
        let head = format!(
            "HTTP/1.1 404 Not Found\r\n{common}Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        return send(stream, head, if request.is_head { "" } else { &text }).await;
    };
    let (kind, length, etag) = match &thing {
        Thing::Text { kind, text } => (*kind, text.len() as u64, Digest::of(text.as_bytes()).hex().to_string()),
        Thing::Stream { length, .. } => ("application/octet-stream", *length, format!("{length}")),
    };
    let etag = format!("\"{}\"", &etag[..etag.len().min(16)]);
    let common = format!("{common}Cache-Control: max-age=600\r\nETag: {etag}\r\n");
    if request.if_none_match.as_deref() == Some(&etag) {
        return send(stream, format!("HTTP/1.1 304 Not Modified\r\n{common}\r\n"), "").await;
    }
    let head = format!("HTTP/1.1 200 OK\r\n{common}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    match thing {
        _ if request.is_head => send(stream, head, "").await,
        Thing::Text { text, .. } => send(stream, head, &text).await,
        Thing::Stream { length, step, pause } => {
            stream.write_all(head.as_bytes()).await?;
            send_by_rote(stream, length, step, pause).await
        }
    }
}

async fn send(stream: &mut TcpStream, head: String, body: &str) -> std::io::Result<()> {
    stream.write_all((head + body).as_bytes()).await
}

async fn send_by_rote(stream: &mut TcpStream, length: u64, step: u64, pause: Duration) -> std::io::Result<()> {
    let line = b"The sea comes in, the wall stands, and what was noticed stays behind it.\n";
    let bytes: Vec<u8> = line.iter().copied().cycle().take(usize::try_from(step).unwrap_or(line.len())).collect();
    let mut left = length;
    while left > 0 {
        let now = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        stream.write_all(&bytes[..now]).await?;
        left -= now as u64;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    Ok(())
}

fn thing_at(path: &str) -> Option<Thing> {
    let html = |title: &str, body: &str| Thing::Text { kind: "text/html; charset=utf-8", text: page(title, body) };
    let svg = |text| Thing::Text { kind: "image/svg+xml", text };
    Some(match path {
        "/" => html(
            "Behind the wall",
            "<p>A small site with a caching edge before it.</p><img src=\"/pictures/harbour.svg\" alt=\"A harbour\">\
             <p><a href=\"/page\">A page</a> · <a href=\"/pictures/lighthouse.svg\">another picture</a> · \
             <a href=\"/slow\">something slow</a> · <a href=\"/large\">something large</a></p>",
        ),
        "/page" => html(
            "A page",
            "<p>Append its URL to the list, and the next request gets 451.</p><img src=\"/pictures/lighthouse.svg\" alt=\"A lighthouse\">",
        ),
        "/pictures/harbour.svg" => svg(scene("Harbour", "#7fb4d8", "#f6d365", "#1f5f8b")),
        "/pictures/lighthouse.svg" => svg(scene("Lighthouse", "#2b3a67", "#f0e6c8", "#12263f")),
        "/slow" => Thing::Stream { length: SLOW, step: SLOW_STEP, pause: SLOW_PAUSE },
        "/large" => Thing::Stream { length: LARGE, step: LARGE_STEP, pause: Duration::ZERO },
        _ => return None,
    })
}

/// RFC 9110 section 5.6.7.
fn http_date() -> String {
    let now = jiff::Timestamp::from_microsecond(Clock::system().wall().micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that comes for these requests, sent at once, until the origin closes.
    async fn ask(requests: &str) -> String {
        let address = start().await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        answers
    }

    #[tokio::test]
    async fn serves_several_requests_on_a_connection() {
        let answers = ask(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nConnection: close\r\n\r\n",
        )
        .await;
        let statuses: Vec<&str> = answers.matches("HTTP/1.1 200 OK").collect();
        assert_eq!(statuses.len(), 2, "{answers}");
        assert!(answers.contains("Content-Length: 15728640\r\n\r\nHTTP/1.1 404 Not Found\r\n"), "{answers}");
        assert!(answers.ends_with("</html>\n"));
    }

    #[tokio::test]
    async fn answers_a_validator() {
        let answers = ask("HEAD /page HTTP/1.1\r\nConnection: close\r\n\r\n").await;
        let etag = answers.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        let again = ask(&format!("GET /page HTTP/1.1\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n")).await;
        assert!(again.starts_with("HTTP/1.1 304 Not Modified\r\n") && again.ends_with("\r\n\r\n"), "{again}");
    }

    #[tokio::test]
    async fn other_methods_end_the_connection() {
        let answers = ask("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").await;
        assert!(answers.starts_with("HTTP/1.1 405 "), "{answers}");
        assert!(ask("\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    }

    #[tokio::test]
    async fn a_large_body_is_as_long_as_it_says() {
        let answers = ask("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n").await;
        let (head, body) = answers.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert_eq!(body.len() as u64, LARGE);
    }

    #[test]
    fn dates_are_those_of_http() {
        let date = http_date();
        assert!(date.ends_with(" GMT") && date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{date}");
    }
}
