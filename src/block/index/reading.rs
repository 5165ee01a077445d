//! The ways in which a URL is read: as any server could, or as the spelling of its site has it.

use terms::url::Spelled;
use terms::{Folded, Url};

use super::Index;

/// One way to read a URL.
#[derive(Clone, Copy)]
pub(super) struct Reading<'u> {
    pub(super) folded: &'u Folded,
    /// With the parameters that its site ignores, where it has such: patterns may name them.
    pub(super) whole: Option<&'u Folded>,
}

impl<'u> Reading<'u> {
    pub(super) fn of(folded: &'u Folded) -> Reading<'u> {
        Reading { folded, whole: None }
    }
}

pub(super) enum Readings<'u> {
    Usual(&'u Url),
    Spelled(Spelled),
}

impl Index {
    pub(super) fn readings<'u>(&self, url: &'u Url) -> Readings<'u> {
        match self.kin().spelling(url.host()) {
            None => Readings::Usual(url),
            Some(spelling) => Readings::Spelled(url.spelled(spelling)),
        }
    }
}

impl Readings<'_> {
    /// The usual one.
    pub(super) fn first(&self) -> Reading<'_> {
        match self {
            Readings::Usual(url) => Reading::of(url.folded()),
            Readings::Spelled(spelled) => Reading { folded: &spelled.readings[0], whole: spelled.whole.first() },
        }
    }

    /// The usual one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Reading<'_>> {
        let (usual, spelled) = match self {
            Readings::Usual(url) => (Some(url.readings()), None),
            Readings::Spelled(spelled) => (None, Some(spelled)),
        };
        let usual = usual.into_iter().flatten().map(Reading::of);
        let whole = |at: usize, of: &'_ Spelled| of.whole.len().checked_sub(1).map(|_| at % of.whole.len());
        let spelled = spelled.into_iter().flat_map(move |spelled| {
            let all = spelled.readings.iter().enumerate();
            all.map(move |(at, folded)| Reading { folded, whole: whole(at, spelled).map(|at| &spelled.whole[at]) })
        });
        usual.chain(spelled)
    }
}
