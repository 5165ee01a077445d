//! One connection to the origin, and one request sent on it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use terms::BodyError;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::pool::Slot;
use crate::socket::{Socket, Traffic};
use crate::stream::Stream;
use crate::strict::{Malformed, Strict};
use crate::upload::{Course, Upload};
use crate::{Fault, OriginError, Phase, Settings};

/// Fields in an answer's head: as many as the edge takes from clients, and as many as hyper parses
/// without an allocation.
const MAX_FIELDS: usize = 100;

/// An answer's head, and its trailers: twice what the edge takes from clients.
const MAX_HEAD: usize = 64 * 1024;

/// What is held of a body in each direction beyond its reader's pace, give or take one read: enough
/// for a fast stream. hyper's own bound is 400 KiB, which would be 200 MiB for 256 connections.
const MAX_BUFFER: usize = 64 * 1024;

/// How long hyper's task may take to find a connection fit for the next request after the last byte
/// of an answer. It needs one turn of the runtime; what takes longer is still busy with the old one.
const SETTLING: Duration = Duration::from_secs(1);

/// An open connection. Dropping it closes it, whatever is under way.
pub(crate) struct Connection {
    sender: SendRequest<Upload>,
    traffic: Arc<Traffic>,
    idle_since: Instant,
    _task: Task,
    slot: Slot,
}

/// hyper's side of the connection, which owns the socket.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request without an answer, and what is left of it.
pub(crate) struct Lost {
    pub(crate) error: OriginError,
    /// The connection's place in the pool.
    pub(crate) slot: Slot,
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<Request<Upload>>,
    /// The connection closed before any byte of an answer had come.
    pub(crate) silent: bool,
}

/// Where a connection stands once an answer has ended.
pub(crate) enum Settled {
    Fit,
    Unfit,
    /// hyper hasn't said yet.
    Unsure,
}

impl Connection {
    pub(crate) async fn open(settings: &Settings, slot: Slot) -> Result<Connection, OriginError> {
        let stream = Stream::open(settings).await?;
        let traffic = Arc::new(Traffic::default());
        let socket = Socket::new(stream, traffic.clone(), settings.between_bytes_timeout);
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_FIELDS)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(Strict::new(socket, traffic.clone(), MAX_HEAD, MAX_FIELDS)))
            .await
            .map_err(|error| OriginError::Broken { fault: Fault::Connection(error.into()), sent: false })?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(error = &error as &dyn Error, "a connection to an origin ended");
            }
        });
        let _task = Task(task.abort_handle());
        Ok(Connection { sender, traffic, idle_since: Instant::now(), _task, slot })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        mut self,
        request: Request<Upload>,
        settings: &Settings,
    ) -> Result<(Response<Incoming>, Connection), Box<Lost>> {
        let course = request.body().course().clone();
        self.traffic.begin(request.method());
        let answer = self.sender.try_send_request(request);
        let outcome = tokio::select! {
            biased;
            answer = answer => answer,
            () = first_byte_is_late(&course, settings.first_byte_timeout) => {
                let error = OriginError::TimedOut(Phase::FirstByte);
                return Err(Box::new(Lost { error, slot: self.slot, unsent: None, silent: false }));
            }
        };
        let mut refused = match outcome {
            Ok(answer) => return Ok((answer, self)),
            Err(refused) => refused,
        };
        let unsent = refused.take_message();
        let answering = self.traffic.is_answering();
        let error = explain(refused.into_error(), &course, answering, unsent.is_none());
        let closed = matches!(error, OriginError::Broken { fault: Fault::NoAnswer | Fault::Connection(_), .. });
        Err(Box::new(Lost { error, slot: self.slot, unsent, silent: closed && !answering }))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) fn settled(&self) -> Settled {
        match () {
            () if !self.traffic.is_fit() || self.sender.is_closed() => Settled::Unfit,
            () if self.sender.is_ready() => Settled::Fit,
            () => Settled::Unsure,
        }
    }

    /// Waits until hyper says whether the connection is fit for another request.
    pub(crate) async fn settle(&mut self) -> Settled {
        match timeout(SETTLING, self.sender.ready()).await {
            Ok(Ok(())) => self.settled(),
            Ok(Err(_)) | Err(_) => Settled::Unfit,
        }
    }

    pub(crate) fn rest(&mut self, now: Instant) {
        self.idle_since = now;
    }

    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.idle_since)
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

/// A slow upload is not the origin's fault: its time starts when it has the whole request.
async fn first_byte_is_late(course: &Course, allowed: Duration) {
    course.over().await;
    sleep(allowed).await;
}

/// What hyper's error means.
fn explain(error: hyper::Error, course: &Course, answering: bool, sent: bool) -> OriginError {
    if let Some(failure) = course.failure() {
        return OriginError::RequestBody(failure);
    }
    let broken = |fault| OriginError::Broken { fault, sent };
    if error.is_parse() {
        return broken(Fault::Head(error.into()));
    }
    if let Some(malformed) = io_cause(&error).and_then(|cause| cause.get_ref()?.downcast_ref::<Malformed>()) {
        return broken(Fault::Malformed(*malformed));
    }
    match io_cause(&error) {
        Some(cause) if cause.kind() == io::ErrorKind::TimedOut => match course.has_ended() {
            true => OriginError::TimedOut(Phase::FirstByte),
            false => OriginError::TimedOut(Phase::Send),
        },
        Some(_) => broken(Fault::Connection(error.into())),
        None if answering => broken(Fault::TornHead),
        None => broken(Fault::NoAnswer),
    }
}

/// What hyper's error within an answer's body means.
pub(crate) fn explain_body(error: &hyper::Error) -> BodyError {
    match io_cause(error).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => BodyError::Malformed,
        Some(io::ErrorKind::TimedOut) => BodyError::Timeout,
        // A body without length or chunks ends with the connection: a reset is its loss, too.
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) | None => BodyError::Incomplete,
        Some(_) => BodyError::Connection(error.to_string().into()),
    }
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}
