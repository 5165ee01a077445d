//! How many an address has of something at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::household;

/// The places that are taken, by whom. Bounded by what takes them.
#[derive(Default)]
pub struct Crowd(Mutex<HashMap<u64, u32>>);

/// One place, taken until it is dropped.
pub struct Place {
    crowd: Arc<Crowd>,
    who: u64,
}

impl Crowd {
    /// A place for this address, unless it has `most` already.
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: u32) -> Option<Place> {
        let who = household(address);
        let mut taken = self.0.lock();
        let count = taken.entry(who).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { crowd: self.clone(), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.crowd.0.lock();
        match taken.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_who_left_nothing_is_kept() {
        let crowd = Arc::new(Crowd::default());
        let address = IpAddr::from([192, 0, 2, 1]);
        let places: Vec<_> = (0..5).map(|_| crowd.enter(address, 3)).collect();
        assert_eq!(places.iter().flatten().count(), 3);
        drop(places);
        assert!(crowd.0.lock().is_empty());
    }
}
