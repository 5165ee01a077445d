//! The edits in the order in which they decide and are listed.

use std::sync::Arc;

use terms::Timestamp;

use super::live::Live;

/// Edits of a piece, until it has twice as many.
const PIECE: usize = 512;

/// When an edit was asked for, and its id.
pub(super) type Place<'a> = (Timestamp, &'a str);

/// Edits by their places, in pieces: a copy shares them, and who changes one edit copies one piece.
#[derive(Clone, Default)]
pub(super) struct Order {
    /// None is empty.
    pieces: Vec<Arc<Vec<Arc<Live>>>>,
}

impl Order {
    /// Puts an edit where it belongs, in the place of the one that is there.
    pub(super) fn put(&mut self, live: Arc<Live>) {
        let place = live.place();
        let Some(last) = self.pieces.len().checked_sub(1) else {
            self.pieces.push(Arc::new(vec![live]));
            return;
        };
        let at = self.piece_of(place).min(last);
        let piece = Arc::make_mut(&mut self.pieces[at]);
        match piece.binary_search_by(|one| one.place().cmp(&place)) {
            Ok(found) => piece[found] = live,
            Err(free) => piece.insert(free, live),
        }
        if piece.len() == 2 * PIECE {
            let behind = piece.split_off(PIECE);
            self.pieces.insert(at + 1, Arc::new(behind));
        }
    }

    pub(super) fn remove(&mut self, place: Place<'_>) {
        let at = self.piece_of(place);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        let Ok(found) = piece.binary_search_by(|one| one.place().cmp(&place)) else { return };
        Arc::make_mut(piece).remove(found);
        if piece.is_empty() {
            self.pieces.remove(at);
        }
    }

    /// The first piece that ends no sooner than `place`.
    fn piece_of(&self, place: Place<'_>) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| last.place() < place))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    pub(super) fn last(&self) -> Option<&Arc<Live>> {
        self.pieces.last().and_then(|piece| piece.last())
    }

    /// From the first edit on that is not `before`, which is true of those up to some place.
    pub(super) fn from(&self, before: impl Fn(Place<'_>) -> bool) -> impl Iterator<Item = &Arc<Live>> {
        let at = self.pieces.partition_point(|piece| piece.last().is_some_and(|last| before(last.place())));
        let rest = &self.pieces[at..];
        let passed = rest.first().map_or(0, |piece| piece.partition_point(|one| before(one.place())));
        rest.iter().flat_map(|piece| piece.iter()).skip(passed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::edit::{Draft, Stored};
    use super::*;

    fn live(secs: u16, id: u8) -> Arc<Live> {
        let draft = Draft { id: format!("e{id}"), rules: Vec::new(), attributes: BTreeMap::new(), by: None };
        Arc::new(Live::new(Stored::new(draft, Timestamp::from_secs(secs.into())), Arc::new([])))
    }

    fn owned(live: &Arc<Live>) -> (Timestamp, String) {
        let (at, id) = live.place();
        (at, id.to_owned())
    }

    #[test]
    fn many_stand_in_their_order_and_a_copy_stays_as_it_was() {
        // Each number once, in no order.
        let secs = |n: u32| (n * 7919 % 10_007) as u16;
        let mut order = Order::default();
        (0..10_007).for_each(|n| order.put(live(secs(n), 0)));
        let copy = order.clone();
        let expected: Vec<_> = (0..10_007).map(|n| owned(&live(n, 0))).collect();
        assert!(order.iter().map(owned).eq(expected.iter().cloned()));
        assert!(order.pieces.iter().all(|piece| (1..2 * PIECE).contains(&piece.len())));
        (0..10_007).filter(|n| n % 1_000 > 0).for_each(|n| order.remove(live(n, 0).place()));
        assert!(order.iter().map(owned).eq(expected.iter().step_by(1_000).cloned()));
        assert!(copy.iter().map(owned).eq(expected));
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set(
            steps in prop::collection::vec((any::<bool>(), 0..40_u16, 0..3_u8), 0..200),
            from in (0..41_u16, 0..3_u8),
        ) {
            let (mut order, mut expected) = (Order::default(), BTreeSet::new());
            for (puts, secs, id) in steps {
                let live = live(secs, id);
                if puts {
                    expected.insert(owned(&live));
                    order.put(live);
                } else {
                    expected.remove(&owned(&live));
                    order.remove(live.place());
                }
                prop_assert!(order.iter().map(owned).eq(expected.iter().cloned()));
            }
            let from = owned(&live(from.0, from.1));
            let place = (from.0, from.1.as_str());
            prop_assert!(order.from(|one| one < place).map(owned).eq(expected.range(from.clone()..).cloned()));
        }
    }
}
