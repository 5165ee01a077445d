//! Where the bytes of an answer come from: an entry, or slices that are fetched as they are read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use terms::wire::range::Part;
use terms::{Body, BodyError, Refusal};

use crate::entry::{Entry, Growth, Seat};
use crate::fill::Fill;
use crate::flight::{Flight, Outcome, Underway};
use crate::memory::Memory;
use crate::slices::{Slicing, Want};
use crate::{Cache, Caching, Inner};

/// How many slices are looked for to say whether all are there.
const MOST_LOOKED_FOR: u64 = 64;

/// Has the slices fetched that an answer lacks.
pub struct Feeder {
    cache: Arc<Inner>,
    caching: Caching,
    start: Arc<dyn Fn(Fill) + Send + Sync>,
    goes_on: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Cache {
    /// `start` starts a fetch, and does not wait for it. `goes_on` says whether the next slice may be handed out
    /// still: where not, the answer breaks off.
    pub fn feeder(
        &self,
        caching: &Caching,
        start: impl Fn(Fill) + Send + Sync + 'static,
        goes_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Feeder {
        Feeder { cache: self.0.clone(), caching: caching.clone(), start: Arc::new(start), goes_on: Arc::new(goes_on) }
    }
}

/// What an answer is read from.
#[derive(Clone)]
pub(super) struct Source {
    pub entry: Arc<Entry>,
    pub feeder: Option<Arc<Feeder>>,
}

impl Source {
    /// The bytes from `first` to before `end`, or to the end of the whole.
    pub fn read(&self, seat: Option<Seat>, first: u64, end: Option<u64>) -> Body {
        let Some(slicing) = self.entry.slicing() else { return self.entry.read(seat, first, end) };
        let end = end.unwrap_or(slicing.length).min(slicing.length);
        Body::stream(InSlices {
            source: self.clone(),
            slicing: slicing.clone(),
            position: first,
            end,
            at: At::Between(seat),
        })
    }
}

/// Whether the slices of these parts are all stored.
pub(super) fn has_slices(memory: &Memory, record: &Entry, slicing: &Slicing, parts: &[Part]) -> bool {
    let indices = |part: &Part| part.first / slicing.size..=part.last / slicing.size;
    let count = |part: &Part| part.last / slicing.size - part.first / slicing.size + 1;
    parts.iter().map(count).sum::<u64>() <= MOST_LOOKED_FOR
        && parts.iter().flat_map(indices).all(|index| stored(memory, record, slicing, index).is_some())
}

fn stored(memory: &Memory, record: &Entry, slicing: &Slicing, index: u64) -> Option<Arc<Entry>> {
    memory.find(slicing.key(record.url(), index))?.latest().cloned()
}

impl Feeder {
    fn stored(&self, record: &Entry, slicing: &Slicing, index: u64) -> Option<Arc<Entry>> {
        stored(&self.cache.memory, record, slicing, index)
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.cache.memory
    }

    /// A seat at a slice that is not stored, and comes in: for this answer, or for another one.
    fn flight(&self, record: &Arc<Entry>, slicing: &Slicing, index: u64) -> Result<Flight, Arc<Entry>> {
        let key = slicing.key(record.url(), index);
        let mut table = self.cache.flights.lock();
        // What was under way at a look before is stored by now.
        if let Some(entry) = self.stored(record, slicing, index) {
            return Err(entry);
        }
        if let Some(underway) = table.joinable(key) {
            return Ok(Flight { underway: underway.clone(), seat: Seat::take(&underway.growth) });
        }
        let growth = Arc::new(Growth::new(self.cache.numbers.clone()));
        // Of what was purged meanwhile, whose readers still read, nothing is stored.
        if self.caching.lease.has_ended() || !self.cache.memory.is_cut_so(record) {
            growth.forbid_storing();
        }
        if self.cache.memory.was_missed_before(key) {
            growth.ask_again();
        }
        let underway = Arc::new(Underway::of_slice(self.cache.next_fetch(), record.url().clone(), key, growth));
        self.cache.flights.enter(&mut table, &underway, true);
        drop(table);
        let want = Want::Slice { of: record.clone(), index };
        let fill = Fill::new(underway, self.cache.clone(), self.caching.clone(), None, None, want);
        let flight = fill.flight();
        (self.start)(fill);
        Ok(flight)
    }
}

/// Bytes of a slice, from the first to before the end, once its head is there.
async fn open(source: Source, slicing: Arc<Slicing>, index: u64, first: u64, end: u64) -> Result<Body, BodyError> {
    let Some(feeder) = source.feeder.as_ref().filter(|feeder| (feeder.goes_on)()) else {
        return Err(BodyError::Incomplete);
    };
    let Flight { underway, seat } = match feeder.flight(&source.entry, &slicing, index) {
        Ok(flight) => flight,
        Err(stored) => return Ok(stored.read(None, first, Some(end))),
    };
    match underway.outcome().await {
        Outcome::Entry { entry, .. } => Ok(entry.read(Some(seat), first, Some(end))),
        Outcome::Refused(Refusal::Blocked(ruling)) => Err(BodyError::Cut(ruling)),
        Outcome::InPlace { .. } | Outcome::Private | Outcome::Unsliced | Outcome::Refused(_) => {
            Err(BodyError::Incomplete)
        }
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<Body, BodyError>> + Send>>;

/// Slice after slice, from a position to an end.
struct InSlices {
    source: Source,
    slicing: Arc<Slicing>,
    position: u64,
    end: u64,
    at: At,
}

enum At {
    /// The seat is the one at the slice that comes first, until this has its own.
    Between(Option<Seat>),
    Opening {
        opening: Opening,
        /// Of the slice that is opened, if the answer had one from the beginning.
        _seat: Option<Seat>,
    },
    Slice {
        body: Body,
        end: u64,
    },
    Failed,
}

impl InSlices {
    fn open_next(&mut self, seat: Option<Seat>) {
        let index = self.position / self.slicing.size;
        let part = self.slicing.place(index);
        let end = self.end.min(part.last + 1);
        let (first, until) = (self.position - part.first, end - part.first);
        let opening = open(self.source.clone(), self.slicing.clone(), index, first, until);
        self.at = At::Opening { opening: Box::pin(opening), _seat: seat };
    }
}

impl http_body::Body for InSlices {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let failed = match &mut this.at {
                At::Failed => return Poll::Ready(None),
                At::Between(_) if this.position >= this.end => return Poll::Ready(None),
                At::Between(seat) => {
                    let seat = seat.take();
                    this.open_next(seat);
                    continue;
                }
                At::Opening { opening, .. } => match ready!(opening.as_mut().poll(cx)) {
                    Ok(body) => {
                        let index = this.position / this.slicing.size;
                        this.at = At::Slice { body, end: this.end.min(this.slicing.place(index).last + 1) };
                        continue;
                    }
                    Err(error) => error,
                },
                At::Slice { body, end } => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        this.position += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                        if this.position >= *end {
                            this.at = At::Between(None);
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Some(Err(error)) => error,
                    None => BodyError::Incomplete,
                },
            };
            this.at = At::Failed;
            return Poll::Ready(Some(Err(failed)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.position))
    }
}

#[cfg(test)]
mod tests;
