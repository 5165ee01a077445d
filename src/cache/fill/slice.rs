//! What the origin's head makes of a fetch for a slice.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use terms::wire::range::Parts;
use terms::{Moment, Refusal};

use super::{Fill, Landing};
use crate::entry::{Arrived, Entry, Extent, Growth, Head, Slice};
use crate::flight::{Outcome, Underway};
use crate::policy::Unstorable;
use crate::policy::validators::Strong;
use crate::slices::{self, Slicing};
use crate::writer::Writer;

impl Fill {
    /// The first slice tells what all of it is. `size` and `index` are those that were asked for.
    pub(super) fn land_opening(mut self, size: u64, index: u64, arrived: Arrived, received: Moment) -> Landing {
        let Some((part, length)) = arrived.part() else { return self.unsliced(Unstorable::Partial, received) };
        let validator = Strong::of(arrived.fields(), received.wall);
        let alone = arrived.alone();
        let whole = arrived.into_whole(length);
        if let Err(reason) = whole.storable(&self.underway.url, &self.underway.asked, &self.caching) {
            return self.unsliced(reason, received);
        }
        if Some(part) != self.want.place(length) {
            return self.unsliced(Unstorable::Partial, received);
        }
        // RFC 9110 section 15.3.7.3: what consists of the entire range is a complete response.
        if part.bytes() == length && length <= self.cache.max_object() {
            return self.land_full(whole, received);
        }
        let Some(validator) = validator else { return self.unsliced(Unstorable::Partial, received) };
        let before = self.validates.as_ref().and_then(|entry| entry.slicing());
        let slicing = match before.filter(|before| before.continues(size, length, &validator)) {
            Some(before) => before.clone(),
            None => Arc::new(Slicing { size, length, validator, version: slices::version(self.number()) }),
        };
        self.land_record(whole.into_head(&self.underway.url, &self.underway.asked), slicing, index, alone, received)
    }

    /// Who waits gets the record; from here on this is a fetch of the slice alone.
    fn land_record(
        &mut self,
        head: Head,
        slicing: Arc<Slicing>,
        index: u64,
        alone: Option<Arc<HeaderMap>>,
        received: Moment,
    ) -> Landing {
        self.underway.land(head.tags().collect());
        let for_many = head.stored.is_for_many();
        let url = self.underway.url.clone();
        // Whoever finds the record finds this slice under way.
        let (key, growth) = (slicing.key(&url, index), self.underway.growth.clone());
        let slice = Arc::new(Underway::of_slice(self.cache.next_fetch(), url.clone(), key, growth));
        self.cache.flights.enter(&mut self.cache.flights.lock(), &slice, true);
        // It has no bytes, so this never grows.
        let nothing = Arc::new(Growth::new(self.cache.numbers.clone()));
        let length = Some(slicing.length);
        let record = Entry::new(url, self.number(), head, nothing, length).with_extent(Extent::Sliced(slicing));
        let record = Arc::new(record);
        self.cache.memory.was_missed_before(slice.key);
        self.cache.keep(&self.underway, record.clone());
        let landing = self.grow_slice(slice, &record, index, received);
        // It speaks for the slice that comes with it.
        if !self.underway.growth.is_storable() {
            record.forbid_storing();
        }
        self.set_apart_unless(for_many, received);
        let status = StatusCode::PARTIAL_CONTENT;
        self.settle(Outcome::Entry { entry: record, status, for_many, alone });
        landing
    }

    /// A slice more of what is known.
    pub(super) fn land_slice(mut self, of: &Arc<Entry>, index: u64, arrived: &Arrived, received: Moment) -> Landing {
        let Some(slicing) = of.slicing() else { return Landing::Refused };
        let is_right = arrived.status() == StatusCode::PARTIAL_CONTENT
            && arrived.part() == Some((slicing.place(index), slicing.length))
            && Strong::of(arrived.fields(), received.wall).as_ref() == Some(&slicing.validator);
        if !is_right {
            // An origin that fails has not changed anything.
            if !arrived.status().is_server_error() {
                self.cache.forget_slicing(of);
            }
            self.settle(Outcome::Refused(Refusal::OriginBroken("a slice of another version than those before".into())));
            return Landing::Refused;
        }
        // What the asker's own fields are was asked of the record.
        if arrived.part_is_storable(&HeaderMap::new(), &self.caching).is_err() {
            self.underway.growth.forbid_storing();
        }
        self.owed = false;
        self.grow_slice(self.underway.clone(), of, index, received)
    }

    fn grow_slice(&self, underway: Arc<Underway>, record: &Arc<Entry>, index: u64, received: Moment) -> Landing {
        let Some(slicing) = record.slicing() else { return Landing::Refused };
        let part = slicing.place(index);
        let place = Parts { parts: vec![part], length: Some(slicing.length) };
        let head = record.head().of_slice();
        underway.land(head.tags().collect());
        let (url, growth) = (underway.url.clone(), underway.growth.clone());
        let entry = Entry::new(url, underway.number, head, growth, Some(part.bytes()));
        let slice = Slice { key: underway.key, place, of: slicing.clone() };
        let entry = Arc::new(entry.with_extent(Extent::Slice(Box::new(slice))));
        let status = StatusCode::PARTIAL_CONTENT;
        let outcome = Outcome::Entry { entry: entry.clone(), status, for_many: true, alone: None };
        Landing::Store(Writer::new(underway, self.cache.clone(), entry, outcome, None, received))
    }

    /// What can't be cut is asked for by each as it is.
    fn unsliced(mut self, reason: Unstorable, received: Moment) -> Landing {
        self.cache.memory.set_apart(self.underway.key, reason, received);
        self.pass_by()
    }

    /// Each asks for itself. What was stored is not what the origin has now.
    pub(super) fn pass_by(&mut self) -> Landing {
        if let Some(before) = self.validates.take() {
            self.cache.forget(&before);
        }
        self.settle(Outcome::Unsliced);
        Landing::Refused
    }
}
