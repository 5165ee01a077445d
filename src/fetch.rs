//! From a miss to an entry: the fetch that fills it, and the passage of what is never stored.
//!
//! Nobody owns a fetch: it runs in a task of its own, and the client that caused it waits like any
//! other.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use block::{Blocks, Clearance, Lane};
use bytes::Bytes;
use cache::{Cache, Fill, Filled, Flight, Landed, Landing, Pass, ReplyHead, Stop, Writer};
use http::header::CACHE_STATUS;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use origin::{Reply, ReplyBody};
use terms::{Answer, Ask, Body, BodyError, CacheUse, Clock, Digest, Hasher, Moment, Proof, Refusal, Url};
use tokio::sync::oneshot;

use crate::forward;
use crate::sites::Site;
use crate::witness::Witness;

/// Fetches for the cache, and past it.
pub struct Fetcher {
    cache: Cache,
    blocks: Arc<Blocks>,
    witness: Arc<Witness>,
    clock: Clock,
}

/// A fetch that runs: its flight, and the reply itself if it turns out to be for the starter alone.
pub struct Started {
    flight: Flight,
    private: oneshot::Receiver<Answer>,
}

impl Started {
    /// Waits until the origin's head is there, and says what it makes of the fetch.
    pub async fn landed(self) -> Result<Landed<Answer>, Refusal> {
        match self.flight.landed().await? {
            Landed::Private(()) => match self.private.await {
                Ok(answer) => Ok(Landed::Private(answer)),
                Err(_) => Err(Refusal::Internal),
            },
            Landed::Entry(hit) => Ok(Landed::Entry(hit)),
            Landed::Pass(pass) => Ok(Landed::Pass(pass)),
        }
    }
}

impl Fetcher {
    pub fn new(cache: Cache, blocks: Arc<Blocks>, witness: Arc<Witness>, clock: Clock) -> Fetcher {
        Fetcher { cache, blocks, witness, clock }
    }

    /// Starts the fetch that `fill` asks for.
    pub fn start(&self, site: &Arc<Site>, ask: &Ask, url: &Arc<Url>, fill: Fill, clearance: Clearance) -> Started {
        let mut request = forward::request(ask, url, fill.request_fields(ask), Body::Empty, site, self.witness.via());
        // What GET is answered with is stored, and HEAD is answered from it.
        *request.method_mut() = Method::GET;
        let (starter, private) = oneshot::channel();
        let flight = fill.flight();
        let fetch = Fetch {
            blocks: self.blocks.clone(),
            clock: self.clock.clone(),
            witness: self.witness.clone(),
            site: site.clone(),
            url: url.clone(),
            to_head: ask.method == Method::HEAD,
            clearance,
        };
        tokio::spawn(fetch.run(fill, request, starter));
        Started { flight, private }
    }

    /// Sends a request past the cache.
    pub async fn pass(&self, site: &Site, ask: &Ask, url: &Url, body: Body, pass: Pass) -> Result<Answer, Refusal> {
        let request = forward::request(ask, url, ask.fields.clone(), body, site, self.witness.via());
        let reply = site.origin.exchange(request).await?;
        if cache::policy::invalidates(&ask.method, reply.status) {
            self.cache.invalidate(url);
        }
        let status = pass.cache_status(reply.status);
        Ok(streamed(reply, ask.method == Method::HEAD, CacheUse::Pass, None, status, self.witness.via()))
    }
}

/// One fetch for the cache, on its way.
struct Fetch {
    blocks: Arc<Blocks>,
    clock: Clock,
    witness: Arc<Witness>,
    site: Arc<Site>,
    url: Arc<Url>,
    /// The one who started it asked with HEAD.
    to_head: bool,
    clearance: Clearance,
}

impl Fetch {
    /// A fill is on the register as answers are, so that nothing blocked meanwhile is stored.
    async fn run(self, fill: Fill, request: Request<Body>, starter: oneshot::Sender<Answer>) {
        let lane = self.blocks.lane();
        let sent = self.clock.now();
        if let Err(ruling) = self.blocks.enter(&lane, self.clearance, &self.url, &Proof::None, sent.wall) {
            return fill.fail(Refusal::Blocked(ruling));
        }
        let reply = tokio::select! {
            biased;
            blocked = lane.blocked() => return fill.fail(refusal_of(&blocked)),
            // Before its head is there, a fetch is worth nothing to nobody.
            _ = fill.stopped() => return,
            reply = self.site.origin.exchange(request) => reply,
        };
        match reply {
            Ok(reply) => self.land(fill, reply, sent, &lane, starter).await,
            Err(error) => fill.fail(error.into()),
        }
    }

    async fn land(self, fill: Fill, reply: Reply, sent: Moment, lane: &Lane, starter: oneshot::Sender<Answer>) {
        let number = fill.number();
        let fields = forward::reply(reply.fields.clone(), reply.version, self.witness.via());
        let head = ReplyHead { status: reply.status, fields };
        match fill.land(&head, sent, self.clock.now()) {
            Landing::Store(writer) => {
                let filled = self.grow(writer, reply.body, lane).await;
                self.witness.filled(number, &self.url, filled.map_err(|stop| stop.to_string()));
            }
            Landing::Private(private) => {
                self.witness.filled(number, &self.url, Err(private.reason.to_string()));
                let status = private.cache_status(reply.status);
                let answer = streamed(reply, self.to_head, CacheUse::Miss, Some(number), status, self.witness.via());
                // A starter that left takes its reply with it.
                let _ = starter.send(answer);
            }
            Landing::Refreshed | Landing::Refused => {}
        }
    }

    async fn grow(&self, mut writer: Writer, mut body: ReplyBody, lane: &Lane) -> Result<Filled, Stop> {
        loop {
            let frame = tokio::select! {
                biased;
                _ = lane.blocked() => return Err(writer.fail(BodyError::Cut)),
                stop = writer.stopped() => return Err(stop),
                frame = body.frame() => frame,
            };
            match frame {
                None => break,
                Some(Err(error)) => return Err(writer.fail(error)),
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    writer.push(chunk).await?;
                }
            }
        }
        if self.is_forbidden(&writer) {
            return Err(writer.fail(BodyError::Cut));
        }
        writer.finish()
    }

    /// The verdict before storing: by name again, and by the digest, which is known only now.
    fn is_forbidden(&self, writer: &Writer) -> bool {
        let digest = self.blocks.index().has_digest_rules().then(|| writer.digest());
        self.blocks.judge_bytes(self.clearance, &self.url, digest.as_ref(), self.clock.wall()).is_err()
    }
}

fn refusal_of(blocked: &[block::Blocked]) -> Refusal {
    blocked.first().map_or(Refusal::Internal, |one| Refusal::Blocked(one.ruling.clone()))
}

/// An answer whose body goes from the origin to one client, hashed on its way.
fn streamed(
    reply: Reply,
    to_head: bool,
    cache: CacheUse,
    fill: Option<u64>,
    cache_status: HeaderValue,
    via: &str,
) -> Answer {
    let mut fields = forward::reply(reply.fields, reply.version, via);
    fields.append(CACHE_STATUS, cache_status);
    let mut answer = Answer::made_here(reply.status, fields, Body::Empty);
    answer.cache = cache;
    answer.fill = fill;
    // A part, and what has no content, tell nothing of the whole.
    if to_head {
        answer.body = Body::Empty;
    } else if matches!(reply.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        answer.body = Body::stream(reply.body);
    } else {
        let digest = Arc::new(OnceLock::new());
        answer.origin_proof = Proof::Later(digest.clone());
        answer.body = Body::stream(Hashed { body: reply.body, hasher: Some(Hasher::new()), digest });
    }
    answer
}

/// A body whose digest is known when it has passed.
struct Hashed {
    body: ReplyBody,
    hasher: Option<Hasher>,
    digest: Arc<OnceLock<Digest>>,
}

impl Hashed {
    fn ended(&mut self) {
        if let Some(hasher) = self.hasher.take() {
            // Set once: the hasher is gone afterwards.
            let _ = self.digest.set(hasher.finish());
        }
    }
}

impl http_body::Body for Hashed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(hasher)) = (frame.data_ref(), &mut self.hasher) {
                    hasher.update(data);
                }
                // Whoever sends it may not ask again behind the last byte of a known length.
                if self.body.is_end_stream() {
                    self.ended();
                }
            }
            Poll::Ready(None) => self.ended(),
            Poll::Ready(Some(Err(_))) => self.hasher = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
