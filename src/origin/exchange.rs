//! One request and its answer.

use std::fmt;
use std::sync::Arc;

use http::header::UPGRADE;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::connection::{Connection, Lost};
use crate::head;
use crate::numbers::count;
use crate::pool::{Grant, Pool, Slot};
use crate::reply::Lease;
use crate::tunnel::is_agreement;
use crate::upload::{self, Course, Upload};
use crate::{FarEnd, Fault, Numbers, OriginError, Reply, ReplyBody, Settings};

/// An origin and its connections. Clones share them; they are closed when the last one is dropped,
/// but for those whose answers are still being read.
#[derive(Clone)]
pub(crate) struct Origin(Arc<Inner>);

struct Inner {
    settings: Settings,
    pool: Arc<Pool>,
    numbers: Arc<Numbers>,
}

impl Origin {
    /// Dials nothing yet.
    pub(crate) fn new(settings: Settings) -> Origin {
        let numbers = Arc::new(Numbers::default());
        let pool = Pool::new(settings.max_connections, numbers.clone());
        Origin(Arc::new(Inner { settings, pool, numbers }))
    }

    pub(crate) fn numbers(&self) -> &Numbers {
        &self.0.numbers
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Sends one request and waits for the head of the answer; 1xx are passed over, a 101 that was not asked
    /// for is refused.
    ///
    /// `request` has an origin-form target (RFC 9112 section 3.2.1), `Host`, and no hop-by-hop fields but
    /// those that ask for a tunnel.
    /// The rest of its body is sent while the answer is read, and abandoned when the answer has ended.
    ///
    /// A connection from the pool that turns out to be dead is replaced, once, by a fresh one: always
    /// when nothing was sent on it; when it closed before any byte of an answer, only if the method is
    /// idempotent and there is no body (RFC 9112 section 9.3.1).
    ///
    /// Waits at most `connect_timeout` for a free connection, as long again to dial,
    /// `between_bytes_timeout` for each sign that the origin takes the request, and from the request's
    /// last byte `first_byte_timeout` for the head. How slow the request's own body may be is its
    /// sender's matter. Dropping the future closes the connection.
    pub(crate) async fn send(&self, request: Request<Upload>) -> Result<Reply, Box<Failed>> {
        let outcome = self.answer(request).await;
        let Err(failed) = &outcome else { return outcome };
        match failed.error {
            OriginError::RequestBody(_) | OriginError::NoOrigin => {}
            OriginError::Busy => count(&self.0.numbers.busy),
            OriginError::TimedOut(_) => count(&self.0.numbers.timeouts),
            OriginError::Unreachable { .. } | OriginError::Untrusted { .. } | OriginError::Broken { .. } => {
                count(&self.0.numbers.failures);
            }
        }
        outcome
    }

    async fn answer(&self, request: Request<Upload>) -> Result<Reply, Box<Failed>> {
        let asked = Asked { method: request.method().clone(), tunnel: request.headers().contains_key(UPGRADE) };
        let (answer, connection, course) = match self.0.pool.take(self.0.settings.connect_timeout).await {
            None => return Err(Failed::before_sending(OriginError::Busy, request)),
            Some(Grant::Fresh(slot)) => self.send_fresh(request, slot).await?,
            Some(Grant::Pooled(connection)) => self.send_pooled(request, connection).await?,
        };
        self.reply(&asked, answer, connection, course).await.map_err(Failed::for_good)
    }

    async fn send_fresh(&self, request: Request<Upload>, slot: Slot) -> Result<Sent, Box<Failed>> {
        count(&self.0.numbers.dialled);
        let dialled = Instant::now();
        let connection = match Connection::open(&self.0.settings, slot).await {
            Ok(connection) => connection,
            Err(error) => return Err(Failed::before_sending(error, request)),
        };
        self.0.numbers.connect.count(dialled.elapsed());
        match self.send_on(connection, request).await {
            Ok(sent) => Ok(sent),
            Err(lost) => Err(Box::new(Failed { error: lost.error, unsent: lost.unsent, silent: lost.silent })),
        }
    }

    async fn send_pooled(&self, request: Request<Upload>, connection: Connection) -> Result<Sent, Box<Failed>> {
        count(&self.0.numbers.reused);
        let repeated = upload::repeatable(&request);
        let lost = match self.send_on(connection, request).await {
            Ok(sent) => return Ok(sent),
            Err(lost) => *lost,
        };
        let again = match lost.unsent {
            Some(request) => request,
            None => match repeated {
                Some(request) if lost.silent => request,
                _ => return Err(Failed::for_good(lost.error)),
            },
        };
        count(&self.0.numbers.replaced);
        self.send_fresh(again, lost.slot).await
    }

    async fn send_on(&self, connection: Connection, request: Request<Upload>) -> Result<Sent, Box<Lost>> {
        let course = request.body().course().clone();
        let began = Instant::now();
        let (answer, connection) = connection.send(request, &self.0.settings).await?;
        // An answer before the end of the request says nothing of how fast the origin is.
        if let Some(ended) = course.ended() {
            self.0.numbers.first_byte.count(ended.max(began).elapsed());
        }
        Ok((answer, connection, course))
    }

    async fn reply(
        &self,
        asked: &Asked,
        mut answer: Response<Incoming>,
        connection: Connection,
        course: Arc<Course>,
    ) -> Result<Reply, OriginError> {
        let broken = |fault: Fault| OriginError::Broken { fault, sent: true };
        let (lease, far) = if asked.tunnel && is_agreement(&answer) {
            (None, Some(FarEnd::behind(&mut answer, connection).await.map_err(broken)?))
        } else {
            let head = &mut answer;
            head::judge(&asked.method, head.status(), head.headers_mut()).map_err(broken)?;
            (Some(Lease { connection, course }), None)
        };
        let (head, incoming) = answer.into_parts();
        let timeout = self.0.settings.between_bytes_timeout;
        let body = ReplyBody::new(incoming, lease, timeout, self.0.numbers.clone());
        Ok(Reply { status: head.status, version: head.version, fields: head.headers, body, far })
    }
}

/// An exchange that came to nothing, and what another origin could still do.
pub(crate) struct Failed {
    pub(crate) error: OriginError,
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<Request<Upload>>,
    /// The connection ended before any byte of an answer had come.
    pub(crate) silent: bool,
}

impl Failed {
    fn before_sending(error: OriginError, request: Request<Upload>) -> Box<Failed> {
        Box::new(Failed { error, unsent: Some(request), silent: false })
    }

    fn for_good(error: OriginError) -> Box<Failed> {
        Box::new(Failed { error, unsent: None, silent: false })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.0.settings).finish()
    }
}

/// What of a request says how its answer is to be read.
struct Asked {
    method: Method,
    tunnel: bool,
}

type Sent = (Response<Incoming>, Connection, Arc<Course>);
