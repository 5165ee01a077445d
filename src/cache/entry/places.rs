//! Who reads a growing body, and how far each has come.

use std::sync::Arc;
use std::task::Waker;

use super::growth::Growth;

/// Where the readers stand, and who of them waits.
#[derive(Default)]
pub(super) struct Places {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    taken: usize,
}

#[derive(Default)]
struct Place {
    position: u64,
    waker: Option<Waker>,
}

impl Places {
    pub fn taken(&self) -> usize {
        self.taken
    }

    pub fn take(&mut self) -> usize {
        self.taken += 1;
        let place = Some(Place::default());
        match self.free.pop() {
            Some(index) => {
                self.places[index] = place;
                index
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        }
    }

    pub fn leave(&mut self, index: usize) {
        if self.places.get_mut(index).and_then(Option::take).is_some() {
            self.free.push(index);
            self.taken -= 1;
        }
    }

    pub fn position(&self, index: usize) -> u64 {
        self.places.get(index).and_then(Option::as_ref).map_or(0, |place| place.position)
    }

    fn place(&mut self, index: usize) -> Option<&mut Place> {
        self.places.get_mut(index).and_then(Option::as_mut)
    }

    pub fn move_to(&mut self, index: usize, position: u64) {
        if let Some(place) = self.place(index) {
            place.position = position;
        }
    }

    pub fn wait(&mut self, index: usize, waker: &Waker) {
        if let Some(place) = self.place(index) {
            match &mut place.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    pub fn fastest(&self, length: u64) -> Option<u64> {
        self.within(length).max()
    }

    pub fn slowest(&self, length: u64) -> Option<u64> {
        self.within(length).min()
    }

    /// Where those stand who don't wait ahead of the end.
    fn within(&self, length: u64) -> impl Iterator<Item = u64> {
        self.places.iter().flatten().map(|place| place.position).filter(move |position| *position <= length)
    }

    pub fn wakers(&mut self) -> Vec<Waker> {
        self.places.iter_mut().flatten().filter_map(|place| place.waker.take()).collect()
    }
}

/// A reader's right to its place, from before the body begins. A body without seats taken has nobody
/// who wants it.
pub(crate) struct Seat {
    growth: Arc<Growth>,
    place: usize,
}

impl Seat {
    pub fn take(growth: &Arc<Growth>) -> Seat {
        Seat { place: growth.take_place(), growth: growth.clone() }
    }

    pub(super) fn growth(&self) -> &Growth {
        &self.growth
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }

    pub(super) fn move_to(&self, position: u64) {
        self.growth.move_place(self.place, position);
    }

    pub(super) fn position(&self) -> u64 {
        self.growth.position(self.place)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.growth.leave_place(self.place);
    }
}
