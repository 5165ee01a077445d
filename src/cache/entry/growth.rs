//! A body that may still be growing: one writer, any number of readers, and the step in which it
//! settles.
//!
//! While it grows, its bytes stand behind a lock that is held for no longer than a copy of one chunk.
//! Once settled they are shared without a lock. A body that is not to be stored goes over to a
//! *window*: only the newest bytes are kept, and the writer waits for the fastest reader.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use terms::{BodyError, Digest, Proof};

use super::chunks::Chunks;
use super::counted;
use super::places::Places;
use super::whole::Whole;
use crate::Numbers;

/// How many bytes of a windowed body are kept behind its end for slower readers, if there are any: enough
/// that readers of about the same speed stay together.
pub(super) const WINDOW: u64 = 1024 * 1024;

/// How far a windowed body may be ahead of its fastest reader: some thousand readers may stall at a time.
pub(super) const AHEAD: u64 = 64 * 1024;

pub(crate) struct Growth {
    settled: OnceLock<Whole>,
    /// Known a little sooner, so that what is stored can be purged by it. Also of a body that is not kept:
    /// its last byte tells.
    digest: Arc<OnceLock<Digest>>,
    storing: Storing,
    whole_only: AtomicBool,
    growing: Mutex<Growing>,
    numbers: Arc<Numbers>,
}

/// What speaks for and against storing a body, as it becomes known.
#[derive(Default)]
struct Storing(AtomicU8);

impl Storing {
    const FORBIDDEN: u8 = 1;
    const TURNED_AWAY: u8 = 2;
    const ASKED_AGAIN: u8 = 4;

    fn note(&self, what: u8) {
        self.0.fetch_or(what, Ordering::AcqRel);
    }

    fn is_meant(&self) -> bool {
        let known = self.0.load(Ordering::Acquire);
        known & Self::FORBIDDEN == 0 && known & (Self::TURNED_AWAY | Self::ASKED_AGAIN) != Self::TURNED_AWAY
    }
}

struct Growing {
    chunks: Chunks,
    state: State,
    windowed: bool,
    places: Places,
    /// Woken when there is room in the window, when nobody reads any more, and at an abort.
    writer: Option<Waker>,
}

enum State {
    Open,
    /// All of it stands in `settled`.
    Settled,
    /// A windowed body came to its end; the last of it may still be unread.
    Ended,
    Failed(BodyError),
}

/// What a reader finds at its place.
pub(super) enum Read {
    Data(Bytes),
    End,
    /// The rest is in the settled body.
    Settled,
    Failed(BodyError),
}

/// Why the writer need not go on.
pub(crate) enum Halt {
    Deserted,
    Aborted(BodyError),
}

impl Growth {
    pub fn new(numbers: Arc<Numbers>) -> Growth {
        Growth {
            settled: OnceLock::new(),
            digest: Arc::new(OnceLock::new()),
            storing: Storing::default(),
            whole_only: AtomicBool::new(false),
            growing: Mutex::new(Growing {
                chunks: Chunks::new(numbers.clone()),
                state: State::Open,
                windowed: false,
                places: Places::default(),
                writer: None,
            }),
            numbers,
        }
    }

    pub fn settled(&self) -> Option<&Whole> {
        self.settled.get()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest.get().copied()
    }

    pub fn proof(&self) -> Proof {
        match self.settled.get() {
            Some(settled) => Proof::Known(settled.digest),
            None => Proof::Later(self.digest.clone()),
        }
    }

    /// Where its digest will be known.
    pub fn digest_cell(&self) -> Arc<OnceLock<Digest>> {
        self.digest.clone()
    }

    /// All that came so far; `None` where the first of it is gone.
    pub fn so_far(&self) -> Option<Vec<Bytes>> {
        let growing = self.growing.lock();
        (growing.chunks.first() == 0).then(|| growing.chunks.all())
    }

    /// Whether it will be stored when it settles.
    pub fn is_storable(&self) -> bool {
        self.storing.is_meant()
    }

    pub fn forbid_storing(&self) {
        self.storing.note(Storing::FORBIDDEN);
    }

    /// There is no room for what is asked for once.
    pub fn turn_away(&self) {
        self.storing.note(Storing::TURNED_AWAY);
    }

    /// It is asked for more than once.
    pub fn ask_again(&self) {
        self.storing.note(Storing::ASKED_AGAIN);
    }

    /// As long as it grows, it is handed out as a whole or not at all.
    pub fn withhold_parts(&self) {
        self.whole_only.store(true, Ordering::Release);
    }

    pub fn withholds_parts(&self) -> bool {
        self.whole_only.load(Ordering::Acquire)
    }

    pub fn has_readers(&self) -> bool {
        self.growing.lock().places.taken() > 0
    }

    /// Bytes that can be read so far.
    pub fn length(&self) -> u64 {
        self.growing.lock().chunks.length()
    }

    /// A copy of bytes that arrived, to be pushed.
    pub fn hold(&self, bytes: &[u8]) -> Bytes {
        counted::copy(&[bytes], &self.numbers)
    }

    /// Makes `bytes` readable. Says how many readers there are.
    pub fn extend(&self, bytes: Bytes) -> Result<usize, Halt> {
        let mut growing = self.growing.lock();
        if let State::Failed(error) = &growing.state {
            return Err(Halt::Aborted(error.clone()));
        }
        growing.chunks.push(bytes);
        growing.drop_passed();
        let readers = growing.places.taken();
        let wakers = growing.places.wakers();
        drop(growing);
        wake(wakers);
        Ok(readers)
    }

    /// From now on only a window is kept.
    pub fn go_windowed(&self) {
        self.forbid_storing();
        self.growing.lock().windowed = true;
    }

    pub fn is_windowed(&self) -> bool {
        self.growing.lock().windowed
    }

    /// Ready when the next chunk may be pushed.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Halt>> {
        let mut growing = self.growing.lock();
        if let State::Failed(error) = &growing.state {
            return Poll::Ready(Err(Halt::Aborted(error.clone())));
        }
        let length = growing.chunks.length();
        if !growing.windowed {
            return Poll::Ready(Ok(()));
        }
        if growing.places.taken() == 0 {
            return Poll::Ready(Err(Halt::Deserted));
        }
        // A reader that waits ahead of the end (of a range) sets no pace.
        if growing.places.fastest(length).is_none_or(|place| length - place < AHEAD) {
            return Poll::Ready(Ok(()));
        }
        growing.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when nobody reads, or at an abort. Who goes on for nobody is woken by an abort still.
    pub fn poll_halt(&self, cx: &mut Context<'_>) -> Poll<Halt> {
        let mut growing = self.growing.lock();
        if let State::Failed(error) = &growing.state {
            return Poll::Ready(Halt::Aborted(error.clone()));
        }
        growing.writer = Some(cx.waker().clone());
        if growing.places.taken() == 0 { Poll::Ready(Halt::Deserted) } else { Poll::Pending }
    }

    /// All bytes and `last`, as they are to rest. Readers see nothing of it until [`Growth::publish`]: in
    /// between it is stored, so that who reads the last byte and asks again meets it there.
    pub fn whole(&self, last: Option<Bytes>, digest: Digest) -> Result<Whole, Halt> {
        let growing = self.growing.lock();
        if let State::Failed(error) = &growing.state {
            return Err(Halt::Aborted(error.clone()));
        }
        let chunks = growing.chunks.compacted(last);
        drop(growing);
        let _ = self.digest.set(digest);
        Ok(Whole::new(chunks, digest))
    }

    pub fn publish(&self, whole: Whole) {
        // There is one writer, and it settles once.
        let _ = self.settled.set(whole);
        self.close(State::Settled);
    }

    /// The end of a windowed body.
    pub fn end(&self, last: Option<Bytes>, digest: Digest) -> Result<(), Halt> {
        // Known to who reads the last byte.
        let _ = self.digest.set(digest);
        if let Some(last) = last {
            self.extend(last)?;
        }
        self.close(State::Ended);
        Ok(())
    }

    /// Breaks the body off, unless it came to its end. What was read so far can't be taken back; after
    /// [`BodyError::Cut`] no byte more is handed out.
    pub fn fail(&self, error: BodyError) {
        self.forbid_storing();
        self.close(State::Failed(error));
    }

    fn close(&self, state: State) {
        let mut growing = self.growing.lock();
        if !matches!(growing.state, State::Open) {
            return;
        }
        if matches!(state, State::Settled | State::Failed(BodyError::Cut(_))) {
            growing.chunks.clear();
        }
        growing.state = state;
        let wakers = growing.places.wakers();
        let writer = growing.writer.take();
        drop(growing);
        wake(wakers.into_iter().chain(writer));
    }

    /// What stands at `place`, up to `end`; moves the place on.
    pub(super) fn poll_read(&self, place: usize, end: Option<u64>, cx: &mut Context<'_>) -> Poll<Read> {
        let mut growing = self.growing.lock();
        let position = growing.places.position(place);
        if end.is_some_and(|end| position >= end) {
            return Poll::Ready(Read::End);
        }
        if let Some(mut bytes) = growing.chunks.at(position) {
            let wanted = end.map_or(u64::MAX, |end| end - position);
            bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            growing.places.move_to(place, position + bytes.len() as u64);
            let writer = if growing.windowed { growing.writer.take() } else { None };
            drop(growing);
            wake(writer);
            return Poll::Ready(Read::Data(bytes));
        }
        match &growing.state {
            State::Settled => Poll::Ready(Read::Settled),
            State::Failed(error) => Poll::Ready(Read::Failed(error.clone())),
            _ if position < growing.chunks.first() => Poll::Ready(Read::Failed(BodyError::FellBehind)),
            State::Ended => Poll::Ready(Read::End),
            State::Open => {
                growing.places.wait(place, cx.waker());
                Poll::Pending
            }
        }
    }
}

/// What a [`Seat`](super::Seat) does.
impl Growth {
    pub(super) fn take_place(&self) -> usize {
        self.growing.lock().places.take()
    }

    pub(super) fn leave_place(&self, place: usize) {
        let mut growing = self.growing.lock();
        growing.places.leave(place);
        let writer = growing.writer.take();
        drop(growing);
        wake(writer);
    }

    pub(super) fn move_place(&self, place: usize, position: u64) {
        self.growing.lock().places.move_to(place, position);
    }

    pub(super) fn position(&self, place: usize) -> u64 {
        self.growing.lock().places.position(place)
    }
}

impl Growing {
    /// In a window: drops what all readers have read, and of what the fastest has, what lies a window behind
    /// the end.
    fn drop_passed(&mut self) {
        if self.windowed {
            let length = self.chunks.length();
            let fastest = self.places.fastest(length).unwrap_or(length);
            let slowest = self.places.slowest(length).unwrap_or(length);
            self.chunks.drop_before(fastest.min(slowest.max(length.saturating_sub(WINDOW))));
        }
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
