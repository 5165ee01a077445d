//! One stream: a request, its answer on the way out, and the cut.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use block::Lane;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use terms::{Body, BodyError, Clock, Interims, Peer, Ruling};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::head;
use super::upload::Upload;
use super::wire::Link;
use crate::server::accept::{Edge, Limits};
use crate::server::patience::Credit;
use crate::server::{refuse, request};
use crate::witness::{Outcome, Witnessed};

/// What the streams of a connection share.
pub(super) struct Shared {
    pub(super) edge: Arc<Edge>,
    pub(super) limits: Arc<Limits>,
    pub(super) peer: Peer,
    pub(super) link: Arc<Link>,
}

/// Why an answer goes no further.
enum Stopped {
    Cut(Arc<Ruling>),
    Failed,
    /// The client took nothing of it for too long.
    Stalled,
    /// The client took the request back, or is gone.
    Left,
}

/// After this time nothing more of what is blocked may be handed on.
const CUT_WITHIN: Duration = Duration::from_millis(100);

/// Answers the request of one stream.
pub(super) async fn serve(shared: Arc<Shared>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let lane = shared.edge.gateway.lane();
    let method = request.method().clone();
    let Some(response) = answer(&shared, &lane, request, &mut respond).await else { return };
    let (head, Witnessed { body, draft, .. }) = response.into_parts();
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = fields_of(head.headers, head.status, &method, &body);
    let stream = respond.stream_id().as_u32();
    shared.link.ledger.open(stream, draft, lane.clone());
    match respond.send_response(response, body.is_end_stream()) {
        Ok(sender) => Sending { shared: &shared, stream, lane: &lane, sender }.run(body).await,
        Err(_) => shared.link.ledger.left(stream),
    }
}

/// Has the gateway answer. `None`: the client takes the request back first.
async fn answer(
    shared: &Shared,
    lane: &Lane,
    mut request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
) -> Option<Response<Witnessed>> {
    let gateway = &shared.edge.gateway;
    if let Err(bad) = head::admit(&mut request, &shared.limits.head) {
        let reason = refuse::Reason::BadHead(bad);
        shared.edge.numbers.refused(reason.word());
        let is_named = request.uri().authority().is_some() || request.headers().contains_key(HOST);
        let readable = is_named.then(|| request.map(|_| ()));
        return Some(gateway.refuse(readable, shared.peer, reason.refusal()));
    }
    let wanted = request.headers().contains_key(EXPECT).then(|| Arc::new(Notify::new()));
    let request = owned(request, &shared.limits, wanted.clone());
    let interims = Interims::default();
    let mut served = pin!(gateway.serve(request, shared.peer, lane, interims.listen()));
    loop {
        let is_wanted = async {
            match &wanted {
                Some(wanted) => wanted.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => return None,
            (status, fields) = poll_fn(|cx| interims.poll_next(cx)) => {
                let mut interim = Response::new(());
                (*interim.status_mut(), *interim.headers_mut()) = (status, fields);
                // A client that is gone is seen in the next turn.
                let _ = respond.send_informational(interim);
            }
            response = &mut served => return Some(response),
            () = is_wanted => {
                let mut go_on = Response::new(());
                *go_on.status_mut() = StatusCode::CONTINUE;
                // A client that is gone is seen in the next turn.
                let _ = respond.send_informational(go_on);
            }
        }
    }
}

/// The request with a body of ours.
fn owned(request: Request<RecvStream>, limits: &Limits, wanted: Option<Arc<Notify>>) -> Request<Body> {
    let (mut head, stream) = request.into_parts();
    if stream.is_end_stream() {
        return Request::from_parts(head, Body::Empty);
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    head::announce_body(&mut head.headers);
    let patience = Credit::new(limits.idle_timeout, limits.min_rate);
    let upload = Upload::new(stream, length, patience, wanted);
    Request::from_parts(head, request::capped(upload, limits.max_body))
}

/// An answer's fields as this version of HTTP has them: nothing of a connection (RFC 9113 section 8.2.2),
/// and what hyper adds for HTTP/1.1.
fn fields_of(mut fields: HeaderMap, status: StatusCode, method: &Method, body: &Body) -> HeaderMap {
    fields.remove(CONNECTION);
    let has_content = method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = body.size_hint().exact().filter(|_| has_content) {
        fields.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    fields.entry(DATE).or_insert_with(|| cache::policy::date::write(Clock::system().wall()));
    fields
}

/// An answer whose head is with h2.
struct Sending<'s> {
    shared: &'s Shared,
    stream: u32,
    lane: &'s Lane,
    sender: SendStream<Bytes>,
}

impl Sending<'_> {
    async fn run(mut self, body: Body) {
        let lane = self.lane;
        let stopped = tokio::select! {
            biased;
            blocked = lane.blocked() => match blocked.first() {
                Some(first) => Stopped::Cut(first.ruling.clone()),
                None => Stopped::Failed,
            },
            sent = self.send(body) => match sent {
                Ok(()) => return,
                Err(stopped) => stopped,
            },
        };
        self.stop(stopped).await;
    }

    /// Hands a body on, and waits until all of it has left.
    async fn send(&mut self, mut body: Body) -> Result<(), Stopped> {
        let mut has_ended = body.is_end_stream();
        while !has_ended {
            let piece = match self.next_piece(&mut body).await? {
                Some(piece) => piece,
                None => Bytes::new(),
            };
            has_ended = piece.is_empty() || body.is_end_stream();
            self.hand_on(piece, has_ended).await?;
        }
        self.wait_until_left().await
    }

    /// The next bytes that are not none.
    async fn next_piece(&mut self, body: &mut Body) -> Result<Option<Bytes>, Stopped> {
        poll_fn(|cx| {
            if self.sender.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Stopped::Left));
            }
            loop {
                let data = match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Ready(Some(Err(BodyError::Cut(ruling)))) => return Poll::Ready(Err(Stopped::Cut(ruling))),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Stopped::Failed)),
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
                };
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
        })
        .await
    }

    /// Gives h2 as much at a time as the client's windows let leave, and waits for them to open.
    async fn hand_on(&mut self, mut piece: Bytes, is_last: bool) -> Result<(), Stopped> {
        while !piece.is_empty() {
            self.sender.reserve_capacity(piece.len());
            let room = match self.sender.capacity() {
                0 => self.room().await?,
                room => room,
            };
            let part = piece.split_to(room.min(piece.len()));
            let is_end = is_last && piece.is_empty();
            self.sender.send_data(part, is_end).map_err(|_| Stopped::Left)?;
            if is_end {
                return Ok(());
            }
        }
        if is_last {
            self.sender.send_data(Bytes::new(), true).map_err(|_| Stopped::Left)?;
        }
        Ok(())
    }

    async fn room(&mut self) -> Result<usize, Stopped> {
        let room = poll_fn(|cx| {
            if self.sender.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            self.sender.poll_capacity(cx)
        });
        match timeout(self.shared.limits.idle_timeout, room).await {
            Ok(Some(Ok(room))) => Ok(room),
            Ok(_) => Err(Stopped::Left),
            Err(_) => Err(Stopped::Stalled),
        }
    }

    async fn wait_until_left(&mut self) -> Result<(), Stopped> {
        let ledger = &self.shared.link.ledger;
        let mut written = None;
        loop {
            let left = async {
                tokio::select! {
                    biased;
                    () = ledger.closed(self.stream) => Ok(()),
                    _ = poll_fn(|cx| self.sender.poll_reset(cx)) => Err(Stopped::Left),
                }
            };
            match timeout(self.shared.limits.idle_timeout, left).await {
                Ok(left) => return left,
                Err(_) if ledger.written(self.stream) == written => return Err(Stopped::Stalled),
                Err(_) => written = ledger.written(self.stream),
            }
        }
    }

    /// Resets the stream, unless its end was written meanwhile. h2 drops what it holds of it, but for a
    /// frame that has begun.
    async fn stop(mut self, stopped: Stopped) {
        let link = &self.shared.link;
        match stopped {
            Stopped::Left => link.ledger.left(self.stream),
            Stopped::Stalled => self.sender.send_reset(Reason::CANCEL),
            Stopped::Failed => {
                link.ledger.stopping(self.stream, Outcome::Broken);
                self.sender.send_reset(Reason::INTERNAL_ERROR);
            }
            Stopped::Cut(ruling) => {
                link.ledger.stopping(self.stream, Outcome::Cut(ruling));
                self.sender.send_reset(Reason::CANCEL);
                if timeout(CUT_WITHIN, link.ledger.closed(self.stream)).await.is_err() {
                    link.ledger.overdue(self.stream);
                    link.overdue.notify_one();
                }
            }
        }
    }
}
