//! The passage of an answer from the origin to one client, past the cache: hashed on its way, and judged
//! when its digest is known.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use block::{Blocks, Clearance};
use bytes::Bytes;
use cache::coding::{Decoding, Undecodable};
use cache::{Cache, Digests};
use http::StatusCode;
use http::header::{CACHE_STATUS, HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use origin::{Agreed, Reply, ReplyBody};
use terms::wire::range::Parts;
use terms::{Answer, Body, BodyError, CacheUse, Clock, Digest, Encoded, Hasher, Proof, Refusal, Ruling, Tunnel, Url};

use crate::forward;
use crate::witness::Witness;

/// Who judges bytes whose digest is known only now.
#[derive(Clone)]
pub struct Judge {
    pub blocks: Arc<Blocks>,
    pub url: Arc<Url>,
    /// By which the bytes were asked for.
    pub clearance: Clearance,
    pub clock: Clock,
    /// Who has room for decoders.
    pub cache: Cache,
    pub witness: Arc<Witness>,
    /// What is found forbidden is so for whoever asks for the URL.
    pub remembers: bool,
}

impl Judge {
    /// The same for the cache.
    pub fn for_anybody(&self) -> Judge {
        Judge { clearance: self.clearance.for_anybody(), ..self.clone() }
    }

    /// Judges by name again.
    pub fn judge_name(&self) -> Result<(), Arc<Ruling>> {
        self.blocks.judge_bytes(self.clearance, &self.url, None, self.clock.wall()).map(drop)
    }

    /// Judges by name again, and by the digests where a rule asks for them. What is forbidden is remembered for as long
    /// as it would have been fresh, if that is known.
    pub fn judge(
        &self,
        digests: impl FnOnce() -> Digests,
        fresh_for: impl FnOnce() -> Option<Duration>,
    ) -> Result<(), Arc<Ruling>> {
        if !self.blocks.has_digest_rules() {
            return self.judge_name();
        }
        let (now, Digests { came, decoded }) = (self.clock.wall(), digests());
        let judge = |digest| {
            let judged = self.blocks.judge_bytes(self.clearance, &self.url, Some(&digest), now);
            judged.map(drop).map_err(|ruling| (digest, ruling))
        };
        judge(came).and_then(|()| decoded.map_or(Ok(()), judge)).map_err(|(digest, ruling)| {
            if self.remembers {
                self.blocks.remember(&self.url, digest, fresh_for(), now);
            }
            ruling
        })
    }

    /// What tells what a body with these fields is without its content coding, where a rule may name that.
    fn decoding(&self, fields: &HeaderMap) -> Option<Decoding> {
        if self.blocks.has_digest_rules() { self.cache.decoding(fields) } else { None }
    }
}

/// What is told of an answer that passes.
pub struct Passage {
    /// The client asked with HEAD.
    pub to_head: bool,
    pub cache: CacheUse,
    pub fill: Option<u64>,
    pub cache_status: HeaderValue,
}

impl Passage {
    pub fn answer(self, reply: Reply, judge: Judge, via: &str) -> Answer {
        let mut fields = forward::reply(reply.fields, reply.version, via);
        fields.append(CACHE_STATUS, self.cache_status);
        let mut answer = Answer::made_here(reply.status, fields, Body::Empty);
        answer.cache = self.cache;
        answer.fill = self.fill;
        if self.to_head {
            return answer;
        }
        // A part, and what has no content, tell nothing of the whole.
        if matches!(reply.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
            if reply.status == StatusCode::PARTIAL_CONTENT {
                answer.range = enclosed(&answer.fields, &reply.body);
            }
            answer.body = Body::stream(reply.body);
            return answer;
        }
        let decoding = judge.decoding(&answer.fields);
        let (mut body, proof) = Watched::hashed(reply.body, decoding, judge);
        answer.origin_proof = proof;
        // There is no last byte to wait for, and nobody asks for one.
        if body.left == Some(0) && body.end().is_ok() {
            return answer;
        }
        answer.body = Body::stream(body);
        answer
    }
}

/// A body that is handed on as far as its digest is not forbidden, and that digest.
pub fn judged(
    body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    judge: Judge,
) -> (Body, Proof) {
    let (body, proof) = Watched::hashed(body, None, judge);
    (Body::stream(body), proof)
}

/// An answer of which others learn the digest as its last byte comes: for this client it may be forbidden where it is
/// not for the cache.
pub fn attended(mut answer: Answer, judge: Judge) -> Answer {
    if !http_body::Body::is_end_stream(&answer.body) {
        let body = std::mem::replace(&mut answer.body, Body::Empty);
        answer.body = Body::stream(Watched::new(body, Sight::Awaiting(answer.origin_proof.clone()), judge));
    }
    answer
}

/// An answer behind which both sides leave HTTP.
pub fn tunnel(agreed: Agreed, idle: Duration, cache_status: HeaderValue, via: &str) -> Answer {
    let mut fields = forward::reply(agreed.fields, agreed.version, via);
    terms::tunnel::name(&mut fields);
    fields.append(CACHE_STATUS, cache_status);
    let body = Body::Tunnel(Box::new(Tunnel { far: Box::new(agreed.far), idle }));
    let mut answer = Answer::made_here(StatusCode::SWITCHING_PROTOCOLS, fields, body);
    answer.cache = CacheUse::Tunnel;
    answer
}

/// The part that a reply says it holds. One that contradicts its own length holds nobody knows what.
fn enclosed(fields: &HeaderMap, body: &ReplyBody) -> Parts {
    let declared = http_body::Body::size_hint(body).exact();
    let parts = Parts::enclosed(fields).unwrap_or_default();
    if declared.is_none_or(|bytes| bytes == parts.bytes()) { parts } else { Parts::default() }
}

/// A body whose digests are known when it has passed. Its end is handed on only if nothing forbids it: of a
/// body of known length, and of one that knows its last piece, that piece is the end, otherwise the mark behind it.
struct Watched<B> {
    body: B,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    sight: Sight,
    judge: Judge,
}

/// From where the digests of a body come.
enum Sight {
    Hashing(Box<Hashing>),
    /// Whoever hands it on knows them before its end.
    Awaiting(Proof),
    Over,
}

struct Hashing {
    hasher: Hasher,
    decoding: Option<Decoding>,
    digests: Arc<Passing>,
}

/// The digests of what passes, once all of it has.
#[derive(Debug, Default)]
struct Passing {
    came: OnceLock<Digest>,
    decoded: OnceLock<Result<Digest, Undecodable>>,
}

impl Encoded for Passing {
    fn digest(&self) -> Option<Digest> {
        self.came.get().copied()
    }

    fn decoded(&self) -> Option<Digest> {
        self.decoded.get()?.ok()
    }

    fn undecodable(&self) -> Option<Refusal> {
        self.decoded.get()?.err().map(Refusal::from)
    }

    fn is_undecoded(&self) -> bool {
        false
    }

    fn decode(&self) {}
}

impl Hashing {
    fn update(&mut self, data: &Bytes) {
        self.hasher.update(data);
        if let Some(decoding) = &mut self.decoding {
            decoding.write(data);
        }
    }

    fn finish(self, judge: &Judge) -> Digests {
        let decoded = self.decoding.map(|decoding| decoding.finish().map(|decoded| decoded.digest));
        if let Some(Err(why)) = decoded {
            judge.witness.undecoded(None, &judge.url, why);
        }
        let digests = Digests { came: self.hasher.finish(), decoded: decoded.and_then(Result::ok) };
        // Known before they are judged: an index that comes in between finds them on the lane. Set once, for
        // the hasher is gone.
        let _ = self.digests.came.set(digests.came);
        if let Some(decoded) = decoded {
            let _ = self.digests.decoded.set(decoded);
        }
        digests
    }
}

impl<B: http_body::Body> Watched<B> {
    fn hashed(body: B, decoding: Option<Decoding>, judge: Judge) -> (Watched<B>, Proof) {
        let digests = Arc::new(Passing::default());
        let proof = Proof::Encoded(digests.clone());
        let hashing = Hashing { hasher: Hasher::new(), decoding, digests };
        (Watched::new(body, Sight::Hashing(Box::new(hashing)), judge), proof)
    }

    fn new(body: B, sight: Sight, judge: Judge) -> Watched<B> {
        Watched { left: body.size_hint().exact(), body, sight, judge }
    }

    fn pass(&mut self, data: &Bytes) -> Result<(), BodyError> {
        if let Sight::Hashing(hashing) = &mut self.sight {
            hashing.update(data);
        }
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // Whoever sends it on does not ask again behind the last byte of a known length.
        if self.left == Some(0) || self.body.is_end_stream() { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), BodyError> {
        let digests = match std::mem::replace(&mut self.sight, Sight::Over) {
            Sight::Hashing(hashing) => hashing.finish(&self.judge),
            Sight::Awaiting(proof) => match proof.digest() {
                Some(came) => Digests { came, decoded: proof.other() },
                None => return Ok(()),
            },
            Sight::Over => return Ok(()),
        };
        self.judge.judge(|| digests, || None).map_err(BodyError::Cut)
    }
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin> http_body::Body for Watched<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.sight = Sight::Over;
                return Poll::Ready(Some(Err(error)));
            }
            None => return Poll::Ready(self.end().err().map(Err)),
        };
        let passed = match frame.data_ref() {
            Some(data) => self.pass(data),
            None => Ok(()),
        };
        Poll::Ready(Some(passed.map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.sight, Sight::Over) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
