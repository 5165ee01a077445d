//! Which origin of a group is asked next. Pure: it knows nothing of connections.
//!
//! Smooth weighted round robin, as nginx and HAProxy do by default: each gets its share exactly, however
//! few requests there are, and turns are spread instead of coming in bursts. It doesn't see how fast an
//! origin is; but one for which requests queue already is passed over while another has room.

/// What counts of an origin when one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// At least 1.
    pub(crate) weight: u32,
    pub(crate) backup: bool,
    pub(crate) fitness: Fitness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fitness {
    /// It has a connection free.
    Free,
    /// Requests wait for its connections.
    Queued,
    /// Ejected, or down.
    Out,
    /// It was asked for this request already.
    Tried,
}

/// Whose turn it is, a number for each candidate.
#[derive(Debug)]
pub(crate) struct Turns(Vec<i64>);

impl Turns {
    pub(crate) fn new(candidates: usize) -> Turns {
        Turns(vec![0; candidates])
    }

    /// One of the best there are; `None` if all were tried.
    pub(crate) fn choose(&mut self, candidates: &[Candidate]) -> Option<usize> {
        let best = candidates.iter().filter_map(rank).min()?;
        let mut total = 0;
        let mut chosen: Option<(usize, i64)> = None;
        for (index, (turn, candidate)) in self.0.iter_mut().zip(candidates).enumerate() {
            if rank(candidate) != Some(best) {
                continue;
            }
            total += i64::from(candidate.weight);
            *turn += i64::from(candidate.weight);
            if chosen.is_none_or(|(_, most)| *turn > most) {
                chosen = Some((index, *turn));
            }
        }
        let (index, _) = chosen?;
        self.0[index] -= total;
        Some(index)
    }
}

/// Less is better; `None` is not asked. Backups stand behind all that are fit, and before those that are
/// out: one that may be dead is better than none.
fn rank(candidate: &Candidate) -> Option<u8> {
    Some(match (candidate.fitness, candidate.backup) {
        (Fitness::Free, false) => 0,
        (Fitness::Queued, false) => 1,
        (Fitness::Free, true) => 2,
        (Fitness::Queued, true) => 3,
        (Fitness::Out, false) => 4,
        (Fitness::Out, true) => 5,
        (Fitness::Tried, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `3`: free, weight 3; behind it `b` for a backup, `q` for queued, `x` for out, `t` for tried.
    fn candidate(text: &str) -> Candidate {
        let fitness = match () {
            () if text.contains('t') => Fitness::Tried,
            () if text.contains('x') => Fitness::Out,
            () if text.contains('q') => Fitness::Queued,
            () => Fitness::Free,
        };
        let weight = text.trim_end_matches(char::is_alphabetic).parse().unwrap();
        Candidate { weight, backup: text.contains('b'), fitness }
    }

    fn candidates(text: &str) -> Vec<Candidate> {
        text.split(' ').map(candidate).collect()
    }

    #[test]
    fn turns_follow_weights_and_the_better_come_first() {
        for (group, turns) in [
            ("1", "aaaa"),
            ("1 1 1", "abcabc"),
            ("5 1 1", "aabacaa"),
            ("3 1", "aabaaaba"),
            ("1 1b", "aaaa"),
            ("1q 1", "bbbb"),
            ("1q 1q", "abab"),
            ("1q 1b", "aaaa"),
            ("1x 1", "bbbb"),
            ("1x 1b 1b", "bcbc"),
            ("1x 1qb", "bbbb"),
            ("1x 2x 1xb", "babbab"),
            ("1x 1xb", "aaaa"),
            ("1t 1", "bbbb"),
            ("1t 1x 1xb", "bbbb"),
            ("1t 1tb", "...."),
        ] {
            let group = candidates(group);
            let mut whose = Turns::new(group.len());
            let chosen: String = turns
                .chars()
                .map(|_| whose.choose(&group).map_or('.', |index| char::from(b'a' + index as u8)))
                .collect();
            assert_eq!(chosen, turns, "{group:?}");
        }
    }

    #[test]
    fn one_that_comes_back_gets_no_more_than_its_share() {
        let mut turns = Turns::new(2);
        for _ in 0..1000 {
            turns.choose(&candidates("1 1x"));
        }
        let after: Vec<_> = (0..6).map(|_| turns.choose(&candidates("1 1")).unwrap()).collect();
        assert_eq!(after.iter().filter(|index| **index == 1).count(), 3, "{after:?}");
    }

    proptest! {
        #[test]
        fn each_gets_its_weight_exactly_in_a_round(weights in proptest::collection::vec(1u32..50, 1..8)) {
            let group: Vec<Candidate> =
                weights.iter().map(|&weight| Candidate { weight, ..candidate("1") }).collect();
            let mut turns = Turns::new(group.len());
            let mut got = vec![0; group.len()];
            for _ in 0..weights.iter().sum::<u32>() {
                got[turns.choose(&group).unwrap()] += 1;
            }
            prop_assert_eq!(got, weights);
        }

        #[test]
        fn whoever_is_chosen_is_among_the_best(
            rounds in proptest::collection::vec(
                proptest::collection::vec(("[1-9]", "b?", "[qxt]?"), 4), 1..30),
        ) {
            let mut turns = Turns::new(4);
            for round in rounds {
                let group: Vec<Candidate> =
                    round.iter().map(|(weight, backup, fitness)| candidate(&format!("{weight}{backup}{fitness}"))).collect();
                let best = group.iter().filter_map(rank).min();
                prop_assert_eq!(turns.choose(&group).and_then(|index| rank(&group[index])), best);
            }
        }
    }
}
