//! A small blocking client of the admin API: HTTP/1.1, one request a connection.
//!
//! Nothing here waits for ever or reads without end: see [`CONNECT`], [`PATIENCE`], [`PATIENCE_TO_LOOK`] and
//! [`MAX_ANSWER`].

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use net::HandshakeError;
use serde_json::Value;

use super::connection::{Believed, Connection};
use super::exit::Failure;

/// The listener is near: what takes longer than this is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// For a whole exchange. A block is durable, compiled and cut before it is acknowledged; a reload
/// reads every list.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same for what is read from memory: a listener that is silent for so long is not well.
const PATIENCE_TO_LOOK: Duration = Duration::from_secs(15);

/// Bytes of an answer. A page of blocks is far below.
const MAX_ANSWER: u64 = 64 << 20;

/// How a server of TLS begins its answer to what it can't read (RFC 8446 section 5.1).
const TLS_ALERT: u8 = 21;

/// Where a running Seawall is administered, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `host:port`
    pub authority: String,
    /// The file that holds the bearer token.
    pub token_file: PathBuf,
    /// Whom to believe that it is the admin listener; `None`: it speaks in clear.
    pub believed: Option<Believed>,
}

/// An answer whose status is 2xx.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The body as it came.
    pub text: String,
    pub json: Value,
}

impl Admin {
    /// `target` is the path and the query, percent-encoded. Whatever is not 2xx is a failure, in the
    /// words of the problem that came with it (RFC 9457).
    pub fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Reply, Failure> {
        self.ask_within(PATIENCE, method, target, body)
    }

    /// Asks for what the running one has at hand.
    pub fn look(&self, target: &str) -> Result<Reply, Failure> {
        self.ask_within(PATIENCE_TO_LOOK, "GET", target, None)
    }

    fn ask_within(
        &self,
        patience: Duration,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let token = self.token()?;
        let stream = self.connect()?;
        // The listener takes addresses as `Host`, not names: a page of a stranger's comes with a name.
        let host = stream.peer_addr().map_or_else(|_| self.authority.clone(), |address| address.to_string());
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\nConnection: close\r\n"
        );
        if let Some(body) = body {
            let body = body.to_string();
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        } else {
            request += "\r\n";
        }
        let (host, _) = self.authority.rsplit_once(':').unwrap_or((&self.authority, ""));
        let mut connection = Connection::over(stream, host, self.believed.as_ref())?;
        let answer = exchange(&mut connection, request.as_bytes(), patience).map_err(|error| self.unanswered(error))?;
        if self.believed.is_none() && answer.first() == Some(&TLS_ALERT) {
            return Err(anyhow!("what listens at {0} speaks TLS: name it as https://{0}", self.authority).into());
        }
        let (status, body) = parse(&answer).with_context(|| {
            format!("what listens at {} does not answer like Seawall's admin listener", self.authority)
        })?;
        self.judge(status, body)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let unreachable = |error: io::Error| {
            let hint = "is Seawall running? Name it with -c FILE, or with --admin ADDR and --token-file FILE";
            let what = format!("no admin listener is reachable at {} ({error}); {hint}", self.authority);
            Failure::not_reachable(anyhow!(what))
        };
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in self.authority.to_socket_addrs().map_err(unreachable)? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }

    fn unanswered(&self, error: io::Error) -> Failure {
        let authority = &self.authority;
        // What rustls says comes as the inner error of a read or a write.
        if self.believed.is_some() && error.get_ref().is_some_and(|inner| inner.is::<HandshakeError>()) {
            let help = "name the PEM file with who vouches for it, or with its own certificate, with --ca-file FILE";
            return anyhow!("no TLS with the admin listener at {authority}: {error}; if it can't be believed, {help}")
                .into();
        }
        Failure::not_reachable(anyhow!("the admin listener at {authority} stopped answering: {error}"))
    }

    fn token(&self) -> anyhow::Result<String> {
        let shown = self.token_file.display();
        let token = std::fs::read_to_string(&self.token_file)
            .with_context(|| format!("the admin token in {shown} can't be read"))?;
        let token = token.trim();
        let fits = !token.is_empty() && token.len() <= 4096 && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(token.to_owned())
        } else {
            Err(anyhow!("{shown} holds no token: it should be one line without blanks"))
        }
    }

    fn judge(&self, status: u16, body: Vec<u8>) -> Result<Reply, Failure> {
        let text = String::from_utf8_lossy(&body).trim_end().to_owned();
        let json: Option<Value> = serde_json::from_str(&text).ok();
        match (status, json) {
            (200..=299, Some(json)) => Ok(Reply { status, text, json }),
            (200..=299, None) => {
                Err(anyhow!("what listens at {} answers {status} without JSON: is it Seawall?", self.authority).into())
            }
            (401 | 403, json) => {
                let said = problem(status, json.as_ref());
                let file = self.token_file.display();
                Err(anyhow!("{said}; the token came from {file}, name another with --token-file FILE").into())
            }
            (_, json) => Err(anyhow!(problem(status, json.as_ref())).into()),
        }
    }
}

/// What a problem says (RFC 9457 section 3.1): its detail, or else its title, or the bare status.
fn problem(status: u16, json: Option<&Value>) -> String {
    let text = |name| json.and_then(|json| json.get(name)).and_then(Value::as_str).filter(|text| !text.is_empty());
    let said = text("detail").or_else(|| text("title")).map(str::to_owned);
    said.unwrap_or_else(|| format!("the admin listener answered {status}"))
}

fn exchange(connection: &mut Connection, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    connection.tcp().set_write_timeout(Some(patience))?;
    // The handshake reads, too.
    connection.tcp().set_read_timeout(Some(patience))?;
    // A server may refuse a request before it has read all of it: its answer counts, not our write.
    let sent = connection.write_all(request).and_then(|()| connection.flush());
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
        }
        connection.tcp().set_read_timeout(Some(left))?;
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
            }
            Err(_) if !answer.is_empty() => break,
            // Why a handshake failed is told by the write that began it.
            Err(error) => return sent.and(Err(error)),
        }
        if answer.len() as u64 > MAX_ANSWER {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its answer is over {MAX_ANSWER} bytes long"),
            ));
        }
    }
    if answer.is_empty() {
        sent?;
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(answer)
}

/// Status and body of a response that ended with its connection (RFC 9112 sections 4 and 6).
fn parse(mut answer: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    loop {
        let end = memchr::memmem::find(answer, b"\r\n\r\n").context("the head has no end")?;
        let head = std::str::from_utf8(&answer[..end]).context("the head is not text")?;
        let body = &answer[end + 4..];
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status: u16 = status_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|digits| digits.parse().ok())
            .context("it does not speak HTTP/1.1")?;
        // 1xx announce the answer, they are none (RFC 9110 section 15.2).
        if (100..200).contains(&status) {
            answer = body;
            continue;
        }
        let field = |name: &str| {
            let line = lines.clone().filter_map(|line| line.split_once(':'));
            line.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok((status, unchunk(body).context("the answer was cut short")?));
        }
        let Some(length) = field("content-length") else { return Ok((status, body.to_vec())) };
        let length: usize = length.parse().context("Content-Length is not a number")?;
        let whole = body.get(..length).context("the answer was cut short")?;
        return Ok((status, whole.to_vec()));
    }
}

/// The chunks of a body put together (RFC 9112 section 7.1); `None` if its end is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// `text` as a part of a path or a value in a query (RFC 3986 section 2.1).
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks a peer that answers with these bytes, and gives what it was asked too.
    fn ask(answer: &'static [u8]) -> (Result<Reply, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n{\"a\":1}") {
                let count = stream.read(&mut buffer).unwrap();
                assert_ne!(count, 0);
                asked.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(asked).unwrap()
        });
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("admin.token");
        std::fs::write(&token_file, "s3cret\n").unwrap();
        let reply = Admin { authority, token_file, believed: None }.ask(
            "POST",
            "/api/v1/x",
            Some(&serde_json::json!({"a": 1})),
        );
        (reply, peer.join().unwrap())
    }

    #[test]
    fn brings_the_token_and_takes_an_answer() {
        let (reply, asked) =
            ask(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"b\": 2}trash");
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.text.as_str(), &reply.json["b"]), (201, "{\"b\": 2}", &Value::from(2)));
        assert!(asked.starts_with("POST /api/v1/x HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
        assert!(asked.contains("\r\nAuthorization: Bearer s3cret\r\n") && asked.contains("\r\nContent-Length: 7\r\n"));
    }

    #[test]
    fn takes_chunks() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n{\"b\r\n5\r\n\": 2}\r\n0\r\n\r\n";
        assert_eq!(ask(answer).0.unwrap().json["b"], 2);
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n{\"title\":\"Not Found\",\"detail\":\"there is no block x; see GET /api/v1/blocks\"}";
        let failure = ask(answer).0.unwrap_err();
        assert_eq!(failure.code(), 1);
        assert_eq!(failure.to_string(), "there is no block x; see GET /api/v1/blocks");
        let failure = ask(b"HTTP/1.1 500 Oops\r\n\r\n").0.unwrap_err();
        assert_eq!(failure.to_string(), "the admin listener answered 500");
        let failure = ask(b"HTTP/1.1 401 Unauthorized\r\n\r\n{\"title\":\"no token\"}").0.unwrap_err();
        assert!(failure.to_string().starts_with("no token; the token came from "), "{failure}");
    }

    #[test]
    fn what_is_no_admin_listener_is_seen() {
        for answer in [
            b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\n\r\n<html>",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
            b"HTTP/1.1 \r\n\r\n",
        ] {
            assert_eq!(ask(answer).0.unwrap_err().code(), 1, "{}", String::from_utf8_lossy(answer));
        }
        assert_eq!(ask(b"").0.unwrap_err().code(), 69);
    }

    #[test]
    fn nobody_there_is_not_reachable() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("admin.token");
        std::fs::write(&token_file, "s3cret\n").unwrap();
        let failure = Admin { authority, token_file, believed: None }.ask("GET", "/", None).unwrap_err();
        assert_eq!(failure.code(), 69);
        assert!(failure.to_string().contains("is Seawall running?"), "{failure}");
    }

    #[test]
    fn a_listener_that_is_silent_is_not_reachable() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("admin.token");
        std::fs::write(&token_file, "s3cret\n").unwrap();
        let admin = Admin { authority, token_file, believed: None };
        let failure = admin.ask_within(Duration::from_millis(20), "GET", "/", None).unwrap_err();
        assert_eq!(failure.code(), 69);
        assert!(failure.to_string().contains("it took too long"), "{failure}");
    }

    #[test]
    fn encodes_all_that_means_something() {
        assert_eq!(encoded("https://a/ü?b=1&c#~"), "https%3A%2F%2Fa%2F%C3%BC%3Fb%3D1%26c%23~");
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), head in "HTTP/1.1 [0-9]{0,3}[a-z:\r\n-]{0,20}\r\n\r\n[0-9a-f;\r\n]{0,20}") {
            let _ = parse(&answer);
            let _ = parse(&[head.as_bytes(), &answer].concat());
            let _ = unchunk(&answer);
            let _ = unchunk(head.as_bytes());
        }
    }
}
