//! Answers that are held back until their bytes were judged: where a site would rather wait than hand out the
//! first bytes of what turns out to be forbidden.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use terms::{Answer, Body, BodyError, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is held of answers that pass, in KiB, for all sites; what is held on its way into the cache counts as what is
/// in flight there.
const ROOM: usize = 64 * 1024;

/// Where answers that pass are held.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Room {
    fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Refusal> {
        self.0.clone().try_acquire_many_owned(kibibytes(bytes)).map_err(|_| Refusal::NoRoomToJudge)
    }
}

fn kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

/// How an answer that passes is handed on.
pub enum Hold {
    /// As it comes.
    Nothing,
    /// Once it was judged, if its body is no longer than so many bytes.
    UpTo(u64, Room),
}

impl Hold {
    /// The answer once all of its body is here, or more of it than is held: then the rest follows as it comes.
    ///
    /// # Errors
    ///
    /// What forbids the body, broke it off, or keeps it from being judged; [`Refusal::NoRoomToJudge`] where there is no
    /// room to hold it.
    pub async fn hold(self, answer: Answer) -> Result<Answer, Refusal> {
        match self {
            Hold::UpTo(most, room) if is_unjudged(&answer) && !is_event_stream(&answer) => {
                Box::pin(gathered(answer, most, &room)).await
            }
            Hold::UpTo(..) | Hold::Nothing => Ok(answer),
        }
    }
}

fn is_unjudged(answer: &Answer) -> bool {
    matches!(answer.body, Body::Stream(_)) && answer.origin_proof.is_awaited()
}

/// Its end is not what who reads it waits for.
fn is_event_stream(answer: &Answer) -> bool {
    let Some(value) = answer.fields.get(CONTENT_TYPE) else { return false };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

async fn gathered(mut answer: Answer, most: u64, room: &Room) -> Result<Answer, Refusal> {
    let declared = answer.body.size_hint().exact();
    if declared.is_some_and(|bytes| bytes > most) {
        return Ok(answer);
    }
    let mut room = Some(room.take(declared.unwrap_or(most))?);
    let mut body = std::mem::replace(&mut answer.body, Body::Empty);
    let (mut chunks, mut bytes) = (VecDeque::new(), 0);
    while let Some(frame) = body.frame().await {
        let chunk = frame.map_err(refusal)?.into_data().unwrap_or_default();
        bytes += chunk.len() as u64;
        chunks.push_back(chunk);
        if bytes > most {
            answer.body = Body::stream(Held { chunks, rest: body, declared, room });
            return Ok(answer);
        }
    }
    if let Some(refusal) = answer.origin_proof.undecodable().filter(|_| bytes > 0) {
        return Err(refusal);
    }
    // What it does not need is for others.
    let needed = usize::try_from(kibibytes(bytes)).unwrap_or(usize::MAX);
    room = room.and_then(|mut room| room.split(needed));
    answer.body = Body::stream(Held { chunks, rest: Body::Empty, declared: Some(bytes), room });
    Ok(answer)
}

fn refusal(error: BodyError) -> Refusal {
    match error {
        BodyError::Cut(ruling) => Refusal::Blocked(ruling),
        BodyError::Timeout => Refusal::OriginTimeout,
        other => Refusal::OriginBroken(other.to_string().into()),
    }
}

/// What was held of a body, and what follows it.
struct Held {
    chunks: VecDeque<Bytes>,
    rest: Body,
    /// Of all of it, if that is known.
    declared: Option<u64>,
    room: Option<OwnedSemaphorePermit>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            self.declared = self.declared.map(|left| left.saturating_sub(chunk.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        self.room = None;
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(cx));
        let came = frame.as_ref().and_then(|frame| Some(frame.as_ref().ok()?.data_ref()?.len()));
        self.declared = self.declared.map(|left| left.saturating_sub(came.unwrap_or_default() as u64));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
