//! Taking up what an earlier process has written, while this one serves.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use terms::url::Scheme;
use terms::wire::range::Parts;
use terms::{Departures, Digest, Hasher, Moment, Url, UrlKey};

use super::frame::{Content, Frame, Response, Torn};
use super::{Kept, Meanwhile, Stamp};
use crate::entry::{Arrived, Entry, Extent, Growth, Slice, Whole};
use crate::policy::validators::Strong;
use crate::slices::Slicing;
use crate::{Cache, Caching, Numbers};

/// Why something that was kept is not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A rule in force covers it.
    Blocked,
    /// Its site is gone, or another than it was.
    Moved,
    /// It was purged, before it could be taken up.
    Purged,
    /// It may answer nobody any more.
    Useless,
    /// It was fetched meanwhile, or is being fetched.
    Newer,
    /// The memory is smaller than it was, or the largest object is.
    NoRoom,
    /// It is not what was written.
    Damaged,
}

impl Refused {
    pub const ALL: [Refused; 7] = [
        Refused::Blocked,
        Refused::Moved,
        Refused::Purged,
        Refused::Useless,
        Refused::Newer,
        Refused::NoRoom,
        Refused::Damaged,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Refused::Blocked => "blocked",
            Refused::Moved => "moved",
            Refused::Purged => "purged",
            Refused::Useless => "useless",
            Refused::Newer => "newer",
            Refused::NoRoom => "no-room",
            Refused::Damaged => "damaged",
        }
    }
}

impl From<Torn> for Refused {
    fn from(Torn: Torn) -> Refused {
        Refused::Damaged
    }
}

/// What the house says of a kept answer.
#[allow(clippy::large_enum_variant)] // one an answer, taken apart at once
pub enum Judged {
    /// It is cached like this.
    Stays(Caching),
    Blocked,
    /// No site has its stamp.
    Moved,
}

/// Whom a taking asks and tells.
pub struct Calls<'h> {
    /// What holds for a URL and a digest now; the stamp is that of the site it was stored for. Asked under the lock
    /// of the flights, too.
    pub judge: &'h dyn Fn(&Url, Option<Digest>, Stamp) -> Judged,
    /// It is stored from now on.
    pub told: &'h dyn Fn(TakenUp),
    /// Asked before each answer: may block the thread, or end the taking.
    pub goes_on: &'h dyn Fn() -> bool,
    pub now: &'h dyn Fn() -> Moment,
}

/// An answer that was taken up, and in place of which fetch it stands.
#[derive(Clone, Debug)]
pub struct TakenUp {
    pub url: Arc<Url>,
    /// Its number in this run.
    pub fill: u64,
    /// The run that kept it, and its number there.
    pub before: (u64, u64),
    pub digest: Digest,
    pub bytes: u64,
    /// What these are of the representation, if not all of it.
    pub slice: Option<Parts>,
}

/// A taking that has begun: purges hold for it.
pub struct Taking<R = BufReader<File>> {
    cache: Cache,
    kept: Kept<R>,
}

impl Cache {
    /// To be called before a purge can come.
    pub fn take_up<R>(&self, kept: Kept<R>) -> Taking<R> {
        self.0.flights.lock().meanwhile = Some(Meanwhile::default());
        self.0.numbers.kept.left.store(kept.manifest.bytes, Ordering::Relaxed);
        Taking { cache: self.clone(), kept }
    }
}

impl<R> Drop for Taking<R> {
    fn drop(&mut self) {
        self.cache.0.flights.lock().meanwhile = None;
        self.cache.0.numbers.kept.left.store(0, Ordering::Relaxed);
    }
}

impl<R: Read + Seek> Taking<R> {
    /// Reads all of it, and stores what may be. Blocks the thread for as long as that takes. What becomes of it is
    /// in the cache's numbers.
    pub fn run(mut self, calls: &Calls<'_>) {
        let (mut head, mut keys) = (Vec::new(), Vec::new());
        let mut void = std::mem::take(&mut self.kept.manifest.void).into_iter().peekable();
        for number in 0.. {
            if !(calls.goes_on)() {
                return;
            }
            let frame = match self.kept.reading.next(&mut head) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(Torn) => {
                    self.count(Refused::Damaged);
                    break;
                }
            };
            let is_void = void.next_if_eq(&number).is_some();
            let after = self.kept.reading.left() - frame.length;
            if !is_void {
                match self.take(&frame, calls) {
                    Ok(key) => keys.push(key),
                    Err(refused) => self.count(refused),
                }
            }
            // Whatever was not read of it.
            let rest = self.kept.reading.left().saturating_sub(after);
            if self.is_over() || self.kept.reading.skip(rest).is_err() {
                break;
            }
            self.cache.0.numbers.kept.left.store(self.kept.reading.left(), Ordering::Relaxed);
        }
        // What should leave last came first, and would be the first to leave.
        self.cache.0.memory.reorder(keys.into_iter().rev());
    }

    fn is_over(&self) -> bool {
        self.cache.0.flights.lock().meanwhile.as_ref().is_none_or(Meanwhile::is_everything)
    }

    fn count(&self, refused: Refused) {
        Numbers::add(&self.cache.0.numbers.kept.refused[refused as usize], 1);
    }

    /// Says under which key it is stored.
    fn take(&mut self, frame: &Frame<'_>, calls: &Calls<'_>) -> Result<UrlKey, Refused> {
        let url = Arc::new(url_of(frame)?);
        let digest = Digest::from_bytes(frame.digest);
        let known = matches!(frame.content, Content::Whole(_)).then_some(digest);
        let judge = || match (calls.judge)(&url, known, Stamp(frame.stamp)) {
            Judged::Stays(caching) => Ok(caching),
            Judged::Blocked => Err(Refused::Blocked),
            Judged::Moved => Err(Refused::Moved),
        };
        let caching = judge()?;
        let memory = &self.cache.0.memory;
        if frame.length > self.cache.0.max_object() || !memory.has_spare(frame.length) {
            return Err(Refused::NoRoom);
        }
        let growth = Arc::new(Growth::new(self.cache.0.numbers.clone()));
        let (entry, request) = self.entry(frame, &url, growth.clone(), &caching, (calls.now)())?;
        // Nothing is read of what is there already.
        if memory.look(entry.key()).is_some_and(|variants| variants.select(&request).is_some()) {
            return Err(Refused::Newer);
        }
        let entry = match entry.slicing() {
            Some(_) => entry,
            None => entry.at_rest(self.read_body(frame, &growth)?),
        };
        if frame.is_softened() {
            entry.soften();
        }
        let entry = Arc::new(entry);
        self.store(&entry, &request, frame, &judge, (calls.now)())?;
        let numbers = &self.cache.0.numbers.kept;
        Numbers::add(&numbers.objects, 1);
        Numbers::add(&numbers.bytes, entry.bytes());
        if entry.slicing().is_none() {
            (calls.told)(TakenUp {
                url,
                fill: entry.fill(),
                before: (self.kept.manifest.run, frame.fill),
                digest,
                bytes: frame.length,
                slice: entry.place().cloned(),
            });
        }
        Ok(entry.key())
    }

    /// From here on it answers. Under the lock nothing is purged, and no rule that comes into force can be missed: a
    /// purge of what it covers follows it.
    fn store(
        &self,
        entry: &Arc<Entry>,
        request: &HeaderMap,
        frame: &Frame<'_>,
        judge: &dyn Fn() -> Result<Caching, Refused>,
        now: Moment,
    ) -> Result<(), Refused> {
        let memory = &self.cache.0.memory;
        let table = self.cache.0.flights.lock();
        if table.meanwhile.as_ref().is_none_or(|purged| purged.covers(entry)) {
            return Err(Refused::Purged);
        }
        judge()?;
        if table.joinable(entry.key()).is_some() || memory.is_apart(entry.key(), now) {
            return Err(Refused::Newer);
        }
        if entry.cut_from().is_some_and(|slicing| memory.record(entry.url(), slicing.version).is_none()) {
            return Err(Refused::Useless);
        }
        memory.take_up(entry.clone(), request, frame.used)
    }

    /// The entry that a frame tells of, without its bytes, and the fields of a request that it answers.
    fn entry(
        &self,
        frame: &Frame<'_>,
        url: &Arc<Url>,
        growth: Arc<Growth>,
        caching: &Caching,
        now: Moment,
    ) -> Result<(Entry, HeaderMap), Refused> {
        let number = self.cache.0.next_fetch();
        let (response, extent) = match &frame.content {
            Content::Slice { version, index } => {
                let entry = self.slice(url, *version, *index, frame.length, number, growth)?;
                return Ok((entry, HeaderMap::new()));
            }
            Content::Whole(response) => (response, None),
            Content::Record { response, size, length, version } => (response, Some((*size, *length, *version))),
        };
        let down = now.wall.since(self.kept.manifest.written);
        let declared = extent.map_or(frame.length, |(_, length, _)| length);
        let (arrived, request) = arrived(response, declared, url, down, caching, now)?;
        let (validator, encoding) = (Strong::of(arrived.fields(), now.wall), arrived.encoding());
        let entry = Entry::new(url.clone(), number, arrived.into_head(url, &request), growth, Some(declared));
        let Some((size, length, version)) = extent else { return Ok((entry.encoded_in(encoding), request)) };
        let validator = validator.ok_or(Refused::Useless)?;
        if frame.length != 0 || size == 0 || size >= length {
            return Err(Refused::Damaged);
        }
        if caching.slices.is_none() {
            return Err(Refused::Moved);
        }
        let slicing = Slicing { size, length, validator, version };
        Ok((entry.with_extent(Extent::Sliced(Arc::new(slicing))), request))
    }

    fn slice(
        &self,
        url: &Arc<Url>,
        version: u64,
        index: u64,
        length: u64,
        number: u64,
        growth: Arc<Growth>,
    ) -> Result<Entry, Refused> {
        let record = self.cache.0.memory.record(url, version).ok_or(Refused::Useless)?;
        let slicing = record.slicing().ok_or(Refused::Useless)?;
        let first = slicing.size.checked_mul(index).filter(|first| *first < slicing.length);
        let part = first.map(|_| slicing.place(index)).filter(|part| part.bytes() == length);
        let part = part.ok_or(Refused::Damaged)?;
        let place = Parts { parts: vec![part], length: Some(slicing.length) };
        let slice = Slice { key: slicing.key(url, index), place, of: slicing.clone() };
        let entry = Entry::new(record.url().clone(), number, record.head().of_slice(), growth, Some(length));
        Ok(entry.with_extent(Extent::Slice(Box::new(slice))))
    }

    fn read_body(&mut self, frame: &Frame<'_>, growth: &Growth) -> Result<Whole, Refused> {
        let mut hasher = Hasher::new();
        let mut whole = true;
        self.kept.reading.body(frame.length, |piece| {
            hasher.update(piece);
            whole &= growth.extend(growth.hold(piece)).is_ok();
        })?;
        let digest = hasher.finish();
        if !whole || digest != Digest::from_bytes(frame.digest) {
            return Err(Refused::Damaged);
        }
        growth.whole(None, digest).map_err(|_| Refused::Damaged)
    }
}

fn url_of(frame: &Frame<'_>) -> Result<Url, Refused> {
    let scheme = if frame.https { Scheme::Https } else { Scheme::Http };
    let salt = frame.salt.map(Digest::from_bytes);
    Url::again(scheme, frame.authority, frame.target, salt).map_err(|_| Refused::Damaged)
}

/// The response as it is to be stored now, and the fields of a request that it answers.
fn arrived(
    response: &Response<'_>,
    declared: u64,
    url: &Url,
    down: Duration,
    caching: &Caching,
    now: Moment,
) -> Result<(Arrived, HeaderMap), Refused> {
    let status = StatusCode::from_u16(response.status).map_err(|_| Refused::Damaged)?;
    let (fields, request) = (fields(&response.fields)?, fields(&response.request)?);
    let departures = Departures::from_bits(response.departures).ok_or(Refused::Damaged)?;
    let arrival = response.freshness.on_arrival(now);
    let arrived = Arrived::kept(status, fields, arrival, declared, response.had_age, departures);
    // Versions may differ in what they store, and a site's rules may.
    arrived.storable(url, &HeaderMap::new(), caching).map_err(|_| Refused::Useless)?;
    let arrived = arrived.with_freshness(response.freshness.after(down, now));
    if !arrived.is_of_use(caching, now) {
        return Err(Refused::Useless);
    }
    Ok((arrived, request))
}

fn fields(lines: &[(&str, &[u8])]) -> Result<HeaderMap, Refused> {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refused::Damaged)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Refused::Damaged)?;
        fields.try_append(name, value).map_err(|_| Refused::Damaged)?;
    }
    Ok(fields)
}
