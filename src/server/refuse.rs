//! Answers to requests that hyper never sees.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use terms::wire::framing::BadBody;
use terms::wire::head::BadHead;
use terms::{Body, Clock, Peer, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::accept::{CROWDED, Edge};
use super::wire::Transport;
use super::{handshake, http2};
use crate::witness::{End, Outcome};

/// Why a request got no further.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    BadHead(BadHead),
    BadBody(BadBody),
    TooSlow,
    /// A listener that speaks TLS was spoken to in clear.
    NotTls,
}

impl Reason {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Reason::TooSlow => Refusal::ClientTooSlow,
            Reason::NotTls => Refusal::BadHead("this port speaks TLS: ask for it by https"),
            Reason::BadHead(BadHead::TooLarge) => Refusal::HeadTooLarge,
            Reason::BadHead(BadHead::TargetTooLong) => Refusal::TargetTooLong,
            Reason::BadHead(bad) => Refusal::BadHead(bad.message()),
            Reason::BadBody(bad) => Refusal::BadBody(bad.message()),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Reason::TooSlow => "head-timeout",
            Reason::NotTls => handshake::REFUSED,
            Reason::BadHead(bad) => bad.reason(),
            Reason::BadBody(bad) => bad.reason(),
        }
    }
}

/// Every reason by which something is counted as refused.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let own = [Reason::TooSlow, Reason::NotTls].map(Reason::word);
    let heads = BadHead::OF_REQUESTS.into_iter().map(BadHead::reason);
    let bodies = BadBody::ALL.into_iter().map(BadBody::reason);
    [CROWDED].into_iter().chain(own).chain(heads).chain(bodies).chain(http2::REFUSED)
}

/// A peer that takes longer than this to accept a refusal doesn't get it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes the refusal of a request, and its record if method and host can be read in what is there of it.
pub(super) async fn answer(stream: &mut impl Transport, reason: Reason, request: &[u8], edge: &Edge, peer: Peer) {
    edge.numbers.refused(reason.word());
    let response = edge.gateway.refuse(readable(request), peer, reason.refusal());
    let (mut parts, witnessed) = response.into_parts();
    let page = match witnessed.body {
        Body::Whole(page) => page,
        _ => Bytes::new(),
    };
    parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(page.len()));
    parts.headers.entry(header::DATE).or_insert_with(|| cache::policy::date::write(Clock::system().wall()));
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let bytes = [&head(parts.status, &parts.headers), &b"\r\n"[..], &page].concat();
    let written = timeout(PATIENCE, stream.write_all(&bytes)).await.is_ok_and(|result| result.is_ok());
    if let Some(draft) = witnessed.draft {
        let bytes = if written { page.len() as u64 } else { 0 };
        draft.end(End { bytes, complete: written, outcome: Outcome::AsAnswered, list: None });
    }
}

/// A status line and fields, without the empty line behind them.
pub(super) fn head(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Bytes of an unread request that are taken in before a connection is closed: closing on unread bytes
/// makes the kernel send a reset, which can overtake the answer.
const LINGER_BYTES: usize = 256 * 1024;

pub(super) async fn linger(stream: &mut impl Transport) {
    let drained = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut scratch = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    };
    // A peer that keeps sending has had its time to read.
    let _ = timeout(PATIENCE, drained).await;
}

/// What can be read of a request that was refused: method, target and host, if there is just one.
fn readable(request: &[u8]) -> Option<Request<()>> {
    let mut lines = request.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut words = lines.next()?.split(|&byte| byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let target = Uri::try_from(words.next()?).ok()?;
    let mut fields = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok();
        if name == Some(header::HOST) {
            fields.append(header::HOST, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
        }
    }
    if !fields.contains_key(header::HOST) && target.host().is_none() {
        return None;
    }
    let mut request = Request::builder().method(method).uri(target).body(()).ok()?;
    *request.headers_mut() = fields;
    Some(request)
}
