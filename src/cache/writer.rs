//! The one who makes an entry's body grow.

mod announced;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use terms::wire::range::Parts;
use terms::{BodyError, Digest, Hasher, Moment, Refusal};

use crate::coding::{Decoded, Decoding, Undecodable};
use crate::entry::{Entry, Growth, Halt};
use crate::fill::stop_of;
use crate::flight::{Outcome, Underway};
use crate::parts::OwnSeat;
use crate::policy::Unstorable;
use crate::{Inner, Numbers};
use announced::Announced;

/// What may still be missing of a body that nobody reads any more.
const WORTH_FINISHING: u64 = 1024 * 1024;

/// Fetches that nobody reads any more, at most; a bound for each site comes with the sites' own limits.
const MOST_ORPHANS: u64 = 64;

/// Takes the body of a reply, chunk by chunk. Dropped before [`Writer::finish`] it has failed: readers
/// get [`BodyError::Incomplete`], and nothing is stored.
pub struct Writer {
    underway: Arc<Underway>,
    cache: Arc<Inner>,
    entry: Arc<Entry>,
    /// Told as soon as there is something to read.
    outcome: Option<Outcome>,
    /// What is told in its place where the origin fails before that.
    stand_in: Option<Outcome>,
    hasher: Hasher,
    /// Of a body in a content coding, where a rule asks for digests.
    decoding: Option<Decoding>,
    written: u64,
    announced: Announced,
    /// The last chunk, where it is known to be that: it becomes readable in the step that stores the entry.
    last: Option<Bytes>,
    /// Of the cache, where it wants the whole.
    own: Option<OwnSeat>,
    orphaned: bool,
    landed: Moment,
    ended: bool,
}

/// Why a fetch need not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stop {
    #[error("nobody reads it any more, and too much is missing to go on for the next one")]
    Deserted,
    #[error("it was broken off: {0}")]
    Aborted(#[source] BodyError),
    #[error("the origin sent more bytes than it declared")]
    TooLong,
    #[error("the origin sent fewer bytes than it declared")]
    TooShort,
    /// And nothing of it was to be handed out before it was judged.
    #[error("{0}")]
    Undecodable(Undecodable),
}

/// The digests of one representation.
#[derive(Clone, Copy, Debug)]
pub struct Digests {
    /// Of the bytes as they came.
    pub came: Digest,
    /// Of what they are without the content coding that they came in, if that is known.
    pub decoded: Option<Digest>,
}

/// A body that came to its end.
#[derive(Clone, Debug)]
pub struct Filled {
    pub digest: Digest,
    pub bytes: u64,
    pub stored: bool,
    /// Without the content coding that it came in, where a rule asked for that.
    pub decoded: Option<Result<Decoded, Undecodable>>,
    /// What these are of the representation, if not all of it: the digest is of this slice, then.
    pub slice: Option<Parts>,
}

impl Writer {
    pub(crate) fn new(
        underway: Arc<Underway>,
        cache: Arc<Inner>,
        entry: Arc<Entry>,
        outcome: Outcome,
        own: Option<OwnSeat>,
        landed: Moment,
    ) -> Writer {
        let numbers = cache.numbers.clone();
        let mut writer = Writer {
            underway,
            cache,
            entry,
            announced: Announced { bytes: 0, numbers },
            outcome: Some(outcome),
            stand_in: None,
            hasher: Hasher::new(),
            decoding: None,
            written: 0,
            last: None,
            own,
            orphaned: false,
            landed,
            ended: false,
        };
        let declared = writer.entry.length();
        match declared {
            Some(length) if writer.cache.exceeds_budget(length, length) => writer.go_windowed(None),
            // Room is kept for all of it, so that what is said to be stored is.
            Some(length) => writer.announced.set(length),
            None => {}
        }
        let key = writer.entry.key();
        if !writer.cache.memory.has_room(key, writer.entry.bytes()) {
            writer.growth().turn_away();
        }
        if !writer.holds_back() {
            writer.tell();
        }
        writer
    }

    pub(crate) fn with_stand_in(mut self, stand_in: Option<Outcome>) -> Writer {
        self.stand_in = stand_in;
        self
    }

    /// Whether nobody is told of it before it was seen to its end. An empty body has no last chunk to hold back: the
    /// head is held back in its place.
    fn holds_back(&self) -> bool {
        let (declared, most) = (self.entry.declared(), self.underway.held_back());
        let is_held = most > 0 && declared.unwrap_or(self.written) <= most && !self.growth().is_windowed();
        is_held || declared == Some(0)
    }

    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// No part is handed out before all of it was seen.
    pub fn withhold_parts(&self) {
        self.growth().withhold_parts();
    }

    /// Adds a chunk; waits where the body is not kept and even its fastest reader is a window behind.
    /// After a [`Stop`] the writer is of no more use.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), Stop> {
        if chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.take_in(&chunk)?;
        if self.entry.declared() == Some(self.written) {
            self.last = Some(chunk);
            return Ok(());
        }
        let readers = self.growth().extend(chunk).map_err(stop_of)?;
        self.mind_readers(readers)?;
        poll_fn(|cx| self.growth().poll_room(cx)).await.map_err(stop_of)
    }

    /// Adds the last chunk, which becomes readable in the step that stores the entry.
    pub fn push_last(&mut self, chunk: Bytes) -> Result<(), Stop> {
        self.last = Some(self.take_in(&chunk)?);
        Ok(())
    }

    fn take_in(&mut self, chunk: &[u8]) -> Result<Bytes, Stop> {
        let total = self.written + chunk.len() as u64;
        if self.entry.declared().is_some_and(|length| total > length) {
            return Err(self.stop(Stop::TooLong, BodyError::Malformed));
        }
        self.written = total;
        self.hasher.update(chunk);
        if let Some(decoding) = &mut self.decoding {
            decoding.write(chunk);
        }
        self.keep_within_bounds(chunk.len() as u64);
        if !self.holds_back() {
            self.tell();
        }
        let chunk = self.growth().hold(chunk);
        self.announced.set(self.announced.bytes.saturating_sub(chunk.len() as u64));
        Ok(chunk)
    }

    /// Resolves when the fetch need not go on though no chunk comes: nobody reads it any more and too
    /// much is missing, or a rule broke it off.
    pub async fn stopped(&self) -> Stop {
        let halt = poll_fn(|cx| match self.growth().poll_halt(cx) {
            Poll::Ready(Halt::Deserted) if self.goes_on_for_nobody() => Poll::Pending,
            other => other,
        });
        stop_of(halt.await)
    }

    /// From now on it is looked what the bytes are without the content coding that they came in, those that are here
    /// already included.
    pub async fn decode(&mut self) {
        let Some(encoded) = self.entry.encoded().filter(|_| self.decoding.is_none()) else { return };
        let decoding = self.cache.rooms.decoding(encoded.encoding());
        self.decoding = Some(match self.so_far() {
            Some(chunks) => decoding.behind(chunks).await,
            None => Decoding::failed(Undecodable::Missed),
        });
    }

    /// All that was pushed, if all of it is kept.
    fn so_far(&self) -> Option<Vec<Bytes>> {
        let mut chunks = self.growth().so_far()?;
        chunks.extend(self.last.clone());
        Some(chunks)
    }

    /// Whether these are all bytes of a representation.
    pub fn is_whole(&self) -> bool {
        self.entry.place().is_none()
    }

    /// The digest of all that was pushed.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// The same, and of what it is without the content coding that it came in. What can't be decoded is not stored.
    pub async fn digests(&mut self) -> Digests {
        self.decode().await;
        if let (Some(encoded), Some(decoding)) = (self.entry.encoded().cloned(), self.decoding.take()) {
            let mut decoded = decoding.finish();
            if decoded == Err(Undecodable::NoRoom)
                && let Some(chunks) = self.so_far()
            {
                // Where it is kept, it can be looked at when it is its turn.
                decoded = self.cache.rooms.decoded(encoded.encoding(), chunks).await;
            }
            encoded.found(decoded);
            if decoded.is_err() {
                self.growth().forbid_storing();
            }
        }
        Digests { came: self.digest(), decoded: self.decoded().and_then(Result::ok).map(|decoded| decoded.digest) }
    }

    fn decoded(&self) -> Option<Result<Decoded, Undecodable>> {
        self.entry.encoded()?.look()
    }

    /// Why nobody gets what was held back until it is judged. Nothing is nothing in any coding.
    fn unjudged(&self) -> Option<Undecodable> {
        let is_held = self.outcome.is_some() && self.underway.held_back() > 0 && self.written > 0;
        self.decoded().filter(|_| is_held)?.err()
    }

    /// The body is whole: it is stored, and then its end becomes readable.
    pub fn finish(mut self) -> Result<Filled, Stop> {
        if self.entry.declared().is_some_and(|length| length != self.written) {
            return Err(self.stop(Stop::TooShort, BodyError::Incomplete));
        }
        if let Some(why) = self.unjudged() {
            return Err(self.stop(Stop::Undecodable(why), BodyError::Malformed));
        }
        let digest = std::mem::take(&mut self.hasher).finish();
        let last = self.last.take();
        if self.growth().is_windowed() {
            self.growth().end(last, digest).map_err(stop_of)?;
            self.leave();
            return Ok(self.filled(digest, false));
        }
        let whole = self.growth().whole(last, digest).map_err(stop_of)?;
        let entry = Arc::new(self.entry.at_rest(whole.clone()));
        // How much it would be nobody had said.
        if self.entry.declared().is_none() && !self.cache.memory.has_room(entry.key(), entry.bytes()) {
            self.growth().turn_away();
        }
        let stored = self.cache.keep(&self.underway, entry);
        self.leave();
        self.growth().publish(whole);
        Ok(self.filled(digest, stored))
    }

    fn filled(&self, digest: Digest, stored: bool) -> Filled {
        let (bytes, slice) = (self.written, self.entry.place().cloned());
        Filled { digest, bytes, stored, decoded: self.decoded(), slice }
    }

    /// The body broke off.
    pub fn fail(mut self, error: BodyError) -> Stop {
        self.stop(Stop::Aborted(error.clone()), error)
    }

    fn stop(&mut self, stop: Stop, error: BodyError) -> Stop {
        let refusal = match &stop {
            Stop::Aborted(BodyError::Cut(ruling)) => Refusal::Blocked(ruling.clone()),
            Stop::Undecodable(why) => Refusal::from(*why),
            _ => Refusal::OriginBroken("its answer ended early".into()),
        };
        self.growth().fail(error);
        if self.outcome.take().is_some() {
            let stand_in = self.stand_in.take().filter(|outcome| outcome.stands_in_for(&refusal, &self.cache.memory));
            self.underway.tell(stand_in.unwrap_or(Outcome::Refused(refusal)));
        }
        self.leave();
        stop
    }

    /// Leaves the table of flights; whoever waits knows by now.
    fn leave(&mut self) {
        self.ended = true;
        self.tell();
        self.cache.flights.leave(&mut self.cache.flights.lock(), &self.underway);
        self.set_orphaned(false);
    }

    fn tell(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.underway.tell(outcome);
        }
    }

    /// A body of unknown length may turn out too large, or many at once may.
    fn keep_within_bounds(&mut self, added: u64) {
        if self.growth().is_windowed() || self.announced.bytes > 0 {
            return;
        }
        if self.written > self.cache.max_object() {
            self.go_windowed(Some(Unstorable::TooLarge));
        } else if self.cache.exceeds_budget(added, self.written) {
            self.go_windowed(None);
        }
    }

    fn go_windowed(&mut self, for_good: Option<Unstorable>) {
        self.announced.set(0);
        self.growth().go_windowed();
        // What isn't kept is read by nobody but those who asked for it.
        self.own = None;
        if let Some(reason) = for_good {
            self.cache.memory.set_apart(self.underway.key, reason, self.landed);
        }
        self.cache.flights.lock().close(&self.underway);
    }

    fn mind_readers(&mut self, readers: usize) -> Result<(), Stop> {
        if readers > 0 {
            self.set_orphaned(false);
            return Ok(());
        }
        if !self.goes_on_for_nobody() {
            return Err(Stop::Deserted);
        }
        self.set_orphaned(self.is_worth_finishing());
        Ok(())
    }

    fn goes_on_for_nobody(&self) -> bool {
        self.is_worth_finishing() || !self.cache.close_if_deserted(&self.underway)
    }

    /// Whether to go on for nobody: half is in, or little is missing, and few others do.
    fn is_worth_finishing(&self) -> bool {
        let near = self.entry.declared().is_some_and(|length| {
            let missing = length.saturating_sub(self.written);
            missing <= WORTH_FINISHING || missing <= self.written
        });
        let room = self.orphaned || Numbers::read(&self.cache.numbers.orphans) < MOST_ORPHANS;
        near && room && self.growth().is_storable()
    }

    fn set_orphaned(&mut self, orphaned: bool) {
        match (self.orphaned, orphaned) {
            (false, true) => Numbers::add(&self.cache.numbers.orphans, 1),
            (true, false) => Numbers::subtract(&self.cache.numbers.orphans, 1),
            _ => {}
        }
        self.orphaned = orphaned;
    }

    fn growth(&self) -> &Growth {
        &self.underway.growth
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.ended {
            self.stop(Stop::Aborted(BodyError::Incomplete), BodyError::Incomplete);
        }
    }
}
