//! The ways in which a URL is read: as any server could, or as the spelling of its site has it.

use terms::url::{Spelled, Spelling};
use terms::{Folded, Url};

use super::Index;

/// One way to read a URL.
#[derive(Clone, Copy)]
pub(super) struct Reading<'u> {
    pub(super) folded: &'u Folded,
    /// With the parameters that its site ignores, where it has such: patterns may name them.
    pub(super) whole: Option<&'u Folded>,
    /// What the URL is read as where letters have their own case, with the first reading at a site that ignores it:
    /// patterns that hold there as they are written block here as well.
    pub(super) cased: &'u [Folded],
}

impl<'u> Reading<'u> {
    pub(super) fn of(folded: &'u Folded) -> Reading<'u> {
        Reading { folded, whole: None, cased: &[] }
    }
}

pub(super) enum Readings<'u> {
    Usual(&'u Url),
    Spelled { spelled: Spelled, cased: Vec<Folded> },
}

impl Index {
    pub(super) fn readings<'u>(&self, url: &'u Url) -> Readings<'u> {
        match self.kin().spelling(url.host()) {
            None => Readings::Usual(url),
            Some(spelling) => Readings::Spelled { spelled: url.spelled(spelling), cased: self.cased(url, spelling) },
        }
    }

    fn cased(&self, url: &Url, spelling: &Spelling) -> Vec<Folded> {
        if !spelling.ignore_case || self.with_patterns.is_empty() {
            return Vec::new();
        }
        url.spelled(&spelling.in_own_case()).all().cloned().collect()
    }

    /// Shows `visit` every pattern that covers a reading, maybe twice.
    pub(super) fn each_pattern(
        &self,
        reading: Reading<'_>,
        spelling: Option<&Spelling>,
        mut visit: impl FnMut(usize, u32),
    ) {
        let ignores_case = spelling.is_some_and(|spelling| spelling.ignore_case);
        for &number in &self.with_patterns {
            let table = &self.tables[number];
            let as_written = table.patterns.as_deref();
            let patterns = if ignores_case { self.related.patterns_in_any_case(number) } else { as_written };
            if let Some(patterns) = patterns {
                for text in std::iter::once(reading.folded).chain(reading.whole) {
                    patterns.each_match(text, |rule| visit(number, rule));
                }
            }
            let Some(patterns) = as_written else { continue };
            for text in reading.cased {
                // An exception frees no other reading than the one it covers.
                let blocks = |rule| !table.is_exception(rule);
                patterns.each_match(text, |rule| {
                    if blocks(rule) {
                        visit(number, rule)
                    }
                });
            }
        }
    }
}

impl Readings<'_> {
    /// The usual one.
    pub(super) fn first(&self) -> Reading<'_> {
        self.at(0)
    }

    /// The usual one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Reading<'_>> {
        let count = match self {
            Readings::Usual(url) => 1 + url.other_readings().len(),
            Readings::Spelled { spelled, .. } => spelled.readings.len(),
        };
        (0..count).map(|at| self.at(at))
    }

    fn at(&self, at: usize) -> Reading<'_> {
        match self {
            Readings::Usual(url) => Reading::of(at.checked_sub(1).map_or(url.folded(), |at| &url.other_readings()[at])),
            Readings::Spelled { spelled: Spelled { readings, whole }, cased } => Reading {
                folded: &readings[at],
                // For each query that is left come all readings of the path, in the order in which they come in `whole`.
                whole: at.checked_rem(whole.len()).map(|at| &whole[at]),
                cased: if at == 0 { cased } else { &[] },
            },
        }
    }
}
