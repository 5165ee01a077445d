//! One request and its answer.

use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use terms::Body;

use crate::connection::Connection;
use crate::head;
use crate::numbers::count;
use crate::pool::{Grant, Pool, Slot};
use crate::reply::Lease;
use crate::upload::{self, Course, Upload};
use crate::{Fault, Numbers, OriginError, Reply, ReplyBody, Settings};

/// An origin and its connections. Clones share them; they are closed when the last one is dropped,
/// but for those whose answers are still being read.
#[derive(Clone)]
pub struct Origin(Arc<Inner>);

struct Inner {
    settings: Settings,
    pool: Arc<Pool>,
    numbers: Arc<Numbers>,
}

impl Origin {
    /// Dials nothing yet.
    pub fn new(settings: Settings) -> Origin {
        let numbers = Arc::new(Numbers::default());
        let pool = Pool::new(settings.max_connections, numbers.clone());
        Origin(Arc::new(Inner { settings, pool, numbers }))
    }

    pub fn numbers(&self) -> &Numbers {
        &self.0.numbers
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Sends one request and waits for the head of the answer; 1xx are passed over, 101 is refused.
    ///
    /// `request` has an origin-form target (RFC 9112 section 3.2.1), `Host`, and no hop-by-hop fields;
    /// framing and version are set here. The rest of its body is sent while the answer is read, and
    /// abandoned when the answer has ended.
    ///
    /// A connection from the pool that turns out to be dead is replaced, once, by a fresh one: always
    /// when nothing was sent on it; when it closed before any byte of an answer, only if the method is
    /// idempotent and there is no body (RFC 9112 section 9.3.1).
    ///
    /// Waits at most `connect_timeout` for a free connection, as long again to dial,
    /// `between_bytes_timeout` for each sign that the origin takes the request, and from the request's
    /// last byte `first_byte_timeout` for the head. How slow the request's own body may be is its
    /// sender's matter. Dropping the future closes the connection.
    pub async fn exchange(&self, request: Request<Body>) -> Result<Reply, OriginError> {
        let outcome = self.answer(request).await;
        match &outcome {
            Ok(_) | Err(OriginError::RequestBody(_)) => {}
            Err(OriginError::Busy) => count(&self.0.numbers.busy),
            Err(OriginError::TimedOut(_)) => count(&self.0.numbers.timeouts),
            Err(OriginError::Unreachable { .. } | OriginError::Broken { .. }) => count(&self.0.numbers.failures),
        }
        outcome
    }

    async fn answer(&self, request: Request<Body>) -> Result<Reply, OriginError> {
        let (request, course) = upload::prepare(request);
        let method = request.method().clone();
        let (answer, connection, course) = match self.0.pool.take(self.0.settings.connect_timeout).await {
            None => return Err(OriginError::Busy),
            Some(Grant::Fresh(slot)) => self.send_fresh(request, course, slot).await?,
            Some(Grant::Pooled(connection)) => self.send_pooled(request, course, connection).await?,
        };
        self.reply(&method, answer, connection, course)
    }

    async fn send_fresh(&self, request: Request<Upload>, course: Arc<Course>, slot: Slot) -> Result<Sent, OriginError> {
        count(&self.0.numbers.dialled);
        let connection = Connection::open(&self.0.settings, slot).await?;
        match connection.send(request, &self.0.settings).await {
            Ok((answer, connection)) => Ok((answer, connection, course)),
            Err(lost) => Err(lost.error),
        }
    }

    async fn send_pooled(
        &self,
        request: Request<Upload>,
        course: Arc<Course>,
        connection: Connection,
    ) -> Result<Sent, OriginError> {
        count(&self.0.numbers.reused);
        let repeated = upload::repeatable(&request);
        let lost = match connection.send(request, &self.0.settings).await {
            Ok((answer, connection)) => return Ok((answer, connection, course)),
            Err(lost) => *lost,
        };
        let again = match lost.unsent {
            Some(request) => request,
            None => match repeated {
                Some(request) if lost.silent => request,
                _ => return Err(lost.error),
            },
        };
        count(&self.0.numbers.replaced);
        let course = again.body().course().clone();
        self.send_fresh(again, course, lost.slot).await
    }

    fn reply(
        &self,
        method: &Method,
        answer: Response<Incoming>,
        connection: Connection,
        course: Arc<Course>,
    ) -> Result<Reply, OriginError> {
        let (mut head, incoming) = answer.into_parts();
        let broken = |fault: Fault| OriginError::Broken { fault, sent: true };
        let afterwards = head::judge(method, head.status, &mut head.headers).map_err(broken)?;
        let lease = Lease { connection, course, afterwards };
        let timeout = self.0.settings.between_bytes_timeout;
        let body = ReplyBody::new(incoming, lease, timeout, self.0.numbers.clone());
        Ok(Reply { status: head.status, version: head.version, fields: head.headers, body })
    }
}

type Sent = (Response<Incoming>, Connection, Arc<Course>);
