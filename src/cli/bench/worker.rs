//! One connection's life, or one stream's: a turn, a request, its answer, the tally.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use terms::Hasher;
use tokio::time::timeout;

use super::checks::Check;
use super::pacing::{Turn, Turns};
use super::plan::Plan;
use super::tally::{Fault, Outcome, Tally, Times};
use super::urls::{Origin, Target};
use super::wire::{Incoming, Protocol, Trouble, Wire};

/// What every request has alike.
#[derive(Debug)]
pub struct Form {
    pub method: Method,
    pub fields: HeaderMap,
    /// What `Host` says instead of the URL's host and port.
    pub host: Option<HeaderValue>,
    pub body: Bytes,
    pub keep_alive: bool,
}

/// What a worker works with.
pub struct Worker {
    pub plan: Arc<Plan>,
    pub turns: Arc<Turns>,
    pub wire: Arc<Wire>,
    pub tally: Arc<Mutex<Tally>>,
}

impl Worker {
    /// Works until there is no further turn.
    pub async fn work(self) {
        while let Some(turn) = self.turns.take().await {
            let Some(target) = self.plan.urls.pick(&self.plan.order, turn.number) else { continue };
            let sent = Instant::now();
            let outcome = match timeout(self.plan.timeout, self.ask(&target)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let error = format!("no whole answer within {:?}", self.plan.timeout);
                    Outcome::Failed { fault: Fault::Timeout, error }
                }
            };
            self.count(turn, sent, outcome, &target);
        }
    }

    fn count(&self, turn: Turn, sent: Instant, outcome: Outcome, target: &Target) {
        let now = Instant::now();
        let times = Times {
            corrected: now.saturating_duration_since(turn.due),
            from_send: now.saturating_duration_since(sent),
            late: turn.was_free.then(|| sent.saturating_duration_since(turn.due)),
        };
        let url = || match self.plan.urls.origins().get(target.origin) {
            Some(origin) => format!("{}{}", origin.authority, target.path),
            None => target.path.to_string(),
        };
        self.tally.lock().add(outcome, times, url);
    }

    /// Sends one request, and reads its answer to the end. Dropped when its time is up, which closes the
    /// connection, or resets the stream.
    async fn ask(&self, target: &Target) -> Outcome {
        let Some(origin) = self.plan.urls.origins().get(target.origin) else {
            return Outcome::Failed { fault: Fault::Connect, error: "no such origin".to_owned() };
        };
        let request = self.plan.form.request(origin, target, self.plan.protocol);
        let (response, lent) = match self.wire.send(target.origin, request).await {
            Ok(sent) => sent,
            Err(Trouble { fault, error }) => return Outcome::Failed { fault, error },
        };
        let (status, read) = self.read(target, response).await;
        if read.is_whole && self.plan.form.keep_alive {
            self.wire.give_back(lent).await;
        }
        match read {
            Read { bytes, check, is_whole: true } => Outcome::Answered { status, bytes, check },
            Read { bytes, .. } => Outcome::Cut { bytes },
        }
    }

    async fn read(&self, target: &Target, response: Response<Incoming>) -> (StatusCode, Read) {
        let status = response.status();
        let mut hasher = self.plan.checks.wants(target, status).then(Hasher::new);
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return (status, Read { bytes, check: Check::Unchecked, is_whole: false });
            };
            if let Some(data) = frame.data_ref() {
                bytes += data.len() as u64;
                hasher.iter_mut().for_each(|hasher| hasher.update(data));
            }
        }
        let check = hasher.map_or(Check::Unchecked, |hasher| self.plan.checks.judge(target, hasher.finish()));
        (status, Read { bytes, check, is_whole: true })
    }
}

struct Read {
    bytes: u64,
    check: Check,
    is_whole: bool,
}

impl Form {
    fn request(&self, origin: &Origin, target: &Target, protocol: Protocol) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.fields.clone();
        let host = self.host.clone().or_else(|| HeaderValue::from_str(&origin.authority).ok());
        match protocol {
            Protocol::Http1 => {
                *request.uri_mut() = Uri::from(target.path.clone());
                let fields = request.headers_mut();
                host.into_iter().for_each(|host| drop(fields.insert(HOST, host)));
                if !self.keep_alive {
                    fields.insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            // `:scheme`, `:authority` and `:path` (RFC 9113 section 8.3.1).
            Protocol::Http2 => {
                let scheme = if origin.is_tls { "https" } else { "http" };
                let authority = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(&origin.authority);
                let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target.path.clone());
                *request.uri_mut() = uri.build().unwrap_or_else(|_| Uri::from(target.path.clone()));
                *request.version_mut() = http::Version::HTTP_2;
            }
        }
        request
    }
}
