//! Answers in a content coding: compressed as they come, and handed on without delay.
//!
//! The work is done in small pieces, between which others get their turn. What an origin sends slowly is held back
//! for a moment only.

mod coder;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use cache::coding::{self, Coding, Compression, Room};
use cache::{Cache, Caching};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use terms::{Answer, Ask, Body, BodyError, Departures};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::passage::{self, Judge};
use coder::Coder;

/// Bytes that go into a coder at once: a millisecond of work for the slowest.
const PIECE: usize = 16 * 1024;

/// Bytes after which others get their turn.
const TURN: usize = 64 * 1024;

/// For how long bytes are held back while no more come. A coder that is flushed for each packet gains little.
const HELD_BACK: Duration = Duration::from_millis(50);

/// A body in a coding, made as it is read.
pub struct Compressed {
    source: Body,
    state: State,
    /// What came, and did not go in yet.
    ahead: Bytes,
    /// Bytes that went in since others had their turn.
    worked: usize,
    /// By when what went in must have come out; `None` where nothing is held back.
    due: Option<Pin<Box<Sleep>>>,
    _room: Room,
}

enum State {
    Running(Box<Coder>),
    Failed,
    Ended,
}

impl Compressed {
    pub fn new(source: Body, room: Room) -> Compressed {
        let state = Coder::new(room.coding).map_or_else(failed, |coder| State::Running(Box::new(coder)));
        Compressed { source, state, ahead: Bytes::new(), worked: 0, due: None, _room: room }
    }

    /// What the next piece makes come out, which may be nothing.
    fn work(&mut self) -> Bytes {
        let piece = self.ahead.split_to(PIECE.min(self.ahead.len()));
        self.worked += piece.len();
        if self.due.is_none() {
            self.due = Some(Box::pin(sleep_until(Instant::now() + HELD_BACK)));
        }
        self.with(|coder| coder.write(&piece))
    }

    fn with(&mut self, act: impl FnOnce(&mut Coder) -> io::Result<Bytes>) -> Bytes {
        let State::Running(coder) = &mut self.state else { return Bytes::new() };
        act(coder).unwrap_or_else(|error| {
            self.state = failed(error);
            Bytes::new()
        })
    }

    fn finish(&mut self) -> Bytes {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Running(coder) => (*coder).finish().unwrap_or_else(|error| {
                self.state = failed(error);
                Bytes::new()
            }),
            State::Failed | State::Ended => Bytes::new(),
        }
    }
}

fn failed(error: io::Error) -> State {
    tracing::error!("a body could not be compressed: {error}");
    State::Failed
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let ready = match this.state {
                State::Ended => return Poll::Ready(None),
                State::Failed => {
                    this.state = State::Ended;
                    return Poll::Ready(Some(Err(BodyError::Incomplete)));
                }
                State::Running(_) if this.worked >= TURN => {
                    this.worked = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Running(_) if !this.ahead.is_empty() => this.work(),
                State::Running(_) => match Pin::new(&mut this.source).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        this.ahead = frame.into_data().unwrap_or_default();
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Poll::Ready(None) => this.finish(),
                    Poll::Pending => {
                        let Some(due) = &mut this.due else { return Poll::Pending };
                        ready!(due.as_mut().poll(cx));
                        this.due = None;
                        this.with(Coder::flush)
                    }
                },
            };
            if !ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// What becomes of an answer that the cache has no part in.
pub struct Wish {
    compression: Arc<Compression>,
    coding: Option<Coding>,
    cache: Cache,
    judge: Judge,
}

impl Wish {
    /// `None` where nothing is compressed.
    pub fn of(ask: &Ask, caching: &Caching, cache: &Cache, judge: impl FnOnce() -> Judge) -> Option<Wish> {
        let compression = caching.compression.clone().filter(|_| ask.is_get_or_head())?;
        let coding = compression.wanted(ask);
        Some(Wish { compression, coding, cache: cache.clone(), judge: judge() })
    }

    pub fn fulfil(self, mut answer: Answer) -> Answer {
        let length = answer.fields.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if !self.compression.covers(answer.status, &answer.fields, length) {
            return answer;
        }
        coding::vary(&mut answer.fields);
        let Some(coding) = self.coding else { return answer };
        let is_to_head = matches!(answer.body, Body::Empty);
        let Some(room) = self.cache.room(coding) else { return answer };
        coding::shape(&mut answer.fields, coding, None);
        answer.departures.add(Departures::COMPRESSED);
        if !is_to_head {
            let source = std::mem::replace(&mut answer.body, Body::Empty);
            let (body, served) = passage::judged(Compressed::new(source, room), self.judge);
            answer.body = body;
            answer.origin_proof = std::mem::take(&mut answer.origin_proof).in_coding(served);
        }
        answer
    }

    /// The same of an answer that passed: a 304 speaks of what the client has.
    pub fn fulfil_passed(self, ask: &Ask, mut answer: Answer) -> Answer {
        if answer.status == StatusCode::NOT_MODIFIED {
            coding::shape_unmodified(&ask.fields, &mut answer.fields);
        }
        self.fulfil(answer)
    }
}

#[cfg(test)]
mod tests;
