//! What rules have in common that differ in their subject alone, held once for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use terms::country::Whereabouts;
use terms::ruling::Disclose;
use terms::{BlockStatus, Countries, Timestamp};

use super::sections::{Section, Sections, Texts};
use crate::rule::{Attributes, Standing, standing};

/// Bytes of a bearing.
const SIZE: usize = 40;

type Encoded = [u8; SIZE];

/// Bits of the first byte.
const EXCEPTION: u8 = 1;
/// The rule names pairs of a query.
const HAS_QUERY: u8 = 2;
const EXACT_QUERY: u8 = 4;
const HAS_FROM: u8 = 8;
const HAS_UNTIL: u8 = 16;

/// Where in a bearing its parts begin. A text is its number and one, for 0 to be none.
const STATUS: usize = 1;
const DISCLOSE: usize = 2;
const NOTICE: usize = 4;
const REASON: usize = 8;
const AUTHORITY: usize = 12;
const PAGE: usize = 16;
const GEO: usize = 20;
const FROM: usize = 24;
const UNTIL: usize = 32;

const STATUSES: [BlockStatus; 4] =
    [BlockStatus::UnavailableForLegalReasons, BlockStatus::Gone, BlockStatus::NotFound, BlockStatus::Forbidden];
const DISCLOSES: [Disclose; 3] = [Disclose::None, Disclose::Id, Disclose::Full];

/// What is remembered of bearings and texts, to hold those that are alike once: beyond it the same may
/// be held again, and nothing else changes. Lists that are sorted by URL have the rules of a notice anywhere.
const REMEMBERED: usize = 1 << 20;

/// What a rule has beside its subject and its attributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) exception: bool,
    pub(super) has_query: bool,
}

/// Bearings on their way.
#[derive(Default)]
pub(super) struct Writer {
    numbers: HashMap<Encoded, u32, RandomState>,
    text_numbers: HashMap<Arc<str>, u32, RandomState>,
    pub(super) bearings: Vec<u8>,
    pub(super) texts: Texts,
    pub(super) boundaries: Vec<i64>,
    pub(super) pages: Vec<u32>,
    /// One of them is for some countries alone.
    pub(super) has_countries: bool,
}

impl Writer {
    pub(super) fn number(&mut self, form: Form, attributes: &Attributes) -> u32 {
        let encoded = self.encode(form, attributes);
        if let Some(number) = self.numbers.get(&encoded) {
            return *number;
        }
        let number = (self.bearings.len() / SIZE) as u32;
        self.bearings.extend_from_slice(&encoded);
        self.has_countries |= attributes.geo.is_some();
        self.boundaries.extend([attributes.from, attributes.until].into_iter().flatten().map(Timestamp::micros));
        if self.numbers.len() == REMEMBERED {
            self.numbers.clear();
        }
        self.numbers.insert(encoded, number);
        number
    }

    fn encode(&mut self, Form { exception, has_query }: Form, attributes: &Attributes) -> Encoded {
        let mut encoded = [0; SIZE];
        let bits = [
            (exception, EXCEPTION),
            (has_query, HAS_QUERY),
            (attributes.exact_query, EXACT_QUERY),
            (attributes.from.is_some(), HAS_FROM),
            (attributes.until.is_some(), HAS_UNTIL),
        ];
        encoded[0] = bits.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit);
        encoded[STATUS] = place(&STATUSES, &attributes.status).unwrap_or(0);
        encoded[DISCLOSE] =
            attributes.disclose.and_then(|disclose| place(&DISCLOSES, &disclose)).map_or(0, |at| at + 1);
        let texts = [
            (NOTICE, attributes.notice.as_ref()),
            (REASON, attributes.reason.as_ref()),
            (AUTHORITY, attributes.authority.as_ref()),
            (PAGE, attributes.page.as_ref()),
            (GEO, attributes.geo.as_ref().map(Countries::text)),
        ];
        for (at, text) in texts {
            let number = text.map_or(0, |text| self.text_number(text, at == PAGE) + 1);
            encoded[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        for (at, time) in [(FROM, attributes.from), (UNTIL, attributes.until)] {
            encoded[at..at + 8].copy_from_slice(&time.map_or(0, Timestamp::micros).to_le_bytes());
        }
        encoded
    }

    fn text_number(&mut self, text: &Arc<str>, is_page: bool) -> u32 {
        let known = self.text_numbers.get(text).copied();
        let number = known.unwrap_or_else(|| {
            let number = self.texts.len() as u32;
            self.texts.push(text);
            if self.text_numbers.len() == REMEMBERED {
                self.text_numbers.clear();
            }
            self.text_numbers.insert(text.clone(), number);
            number
        });
        if is_page && !self.pages.contains(&number) {
            self.pages.push(number);
        }
        number
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    all.iter().position(|other| other == one).map(|at| at as u8)
}

/// The line of a rule, and the number of its bearing.
fn held(sections: &Sections, rule: u32) -> [u32; 2] {
    let held = sections.long_words(Section::Held).get(rule as usize);
    let held = held.map_or(0, |held| u64::from_le_bytes(*held));
    [held as u32, (held >> 32) as u32]
}

pub(super) fn line(sections: &Sections, rule: u32) -> u32 {
    held(sections, rule)[0]
}

/// What is told of some rules together, as a [`Writer`] gathers it.
#[derive(Default)]
pub(super) struct InCommon {
    /// Ascending, each once.
    pub(super) boundaries: Vec<i64>,
    pub(super) pages: Vec<u32>,
    pub(super) has_countries: bool,
}

pub(super) fn in_common(sections: &Sections, rules: impl Iterator<Item = u32>) -> InCommon {
    let all = sections.bytes(Section::Bearings).as_chunks::<SIZE>().0;
    let mut is_used = vec![false; all.len()];
    for rule in rules {
        if let Some(is_used) = is_used.get_mut(held(sections, rule)[1] as usize) {
            *is_used = true;
        }
    }
    let mut told = InCommon::default();
    for (encoded, _) in all.iter().zip(is_used).filter(|(_, is_used)| *is_used) {
        let bearing = Bearing { sections, encoded };
        let times = [bearing.time(HAS_FROM, FROM), bearing.time(HAS_UNTIL, UNTIL)];
        told.boundaries.extend(times.into_iter().flatten().map(Timestamp::micros));
        if let Some(page) = bearing.page().filter(|page| !told.pages.contains(page)) {
            told.pages.push(page);
        }
        told.has_countries |= bearing.countries().is_some();
    }
    told.boundaries.sort_unstable();
    told.boundaries.dedup();
    told
}

/// One bearing, where it lies.
#[derive(Clone, Copy)]
pub(super) struct Bearing<'s> {
    sections: &'s Sections,
    encoded: &'s Encoded,
}

/// In place of one that damage took away: a plain block.
static PLAIN: Encoded = [0; SIZE];

impl<'s> Bearing<'s> {
    /// That of a rule.
    pub(super) fn of(sections: &'s Sections, rule: u32) -> Bearing<'s> {
        let [_, number] = held(sections, rule);
        let all = sections.bytes(Section::Bearings).as_chunks::<SIZE>().0;
        Bearing { sections, encoded: all.get(number as usize).unwrap_or(&PLAIN) }
    }

    fn is(self, bit: u8) -> bool {
        self.encoded[0] & bit != 0
    }

    pub(super) fn is_exception(self) -> bool {
        self.is(EXCEPTION)
    }

    pub(super) fn has_query(self) -> bool {
        self.is(HAS_QUERY)
    }

    pub(super) fn exact_query(self) -> bool {
        self.is(EXACT_QUERY)
    }

    fn time(self, bit: u8, at: usize) -> Option<Timestamp> {
        let mut micros = [0; 8];
        micros.copy_from_slice(&self.encoded[at..at + 8]);
        self.is(bit).then(|| Timestamp::from_micros(i64::from_le_bytes(micros)))
    }

    pub(super) fn standing(self, now: Timestamp) -> Standing {
        standing(self.time(HAS_FROM, FROM), self.time(HAS_UNTIL, UNTIL), now)
    }

    /// That of a text.
    fn number(self, at: usize) -> Option<u32> {
        let mut number = [0; 4];
        number.copy_from_slice(&self.encoded[at..at + 4]);
        u32::from_le_bytes(number).checked_sub(1)
    }

    fn text(self, at: usize) -> Option<&'s str> {
        Some(self.sections.text(Section::TextEnds, Section::Texts, self.number(at)? as usize))
    }

    fn page(self) -> Option<u32> {
        self.number(PAGE)
    }

    /// As [`Countries::text`] has them.
    pub(super) fn countries(self) -> Option<&'s str> {
        self.text(GEO)
    }

    /// Whether the rule holds for whom it is judged, whatever the time.
    pub(super) fn is_for(self, whom: Whereabouts<'_>) -> bool {
        self.countries().is_none_or(|countries| whom().is_in(countries, !self.is_exception()))
    }

    pub(super) fn attributes(self) -> Attributes {
        let text = |at| self.text(at).map(Arc::from);
        Attributes {
            notice: text(NOTICE),
            reason: text(REASON),
            status: STATUSES.get(usize::from(self.encoded[STATUS])).copied().unwrap_or_default(),
            from: self.time(HAS_FROM, FROM),
            until: self.time(HAS_UNTIL, UNTIL),
            exact_query: self.exact_query(),
            authority: text(AUTHORITY),
            page: text(PAGE),
            disclose: usize::from(self.encoded[DISCLOSE]).checked_sub(1).and_then(|at| DISCLOSES.get(at).copied()),
            geo: text(GEO).map(Countries::from_kept),
        }
    }
}
