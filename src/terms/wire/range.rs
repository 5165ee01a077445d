//! Ranges of bytes (RFC 9110 section 14): what `Range` asks for, and what `Content-Range` says is there.

use std::fmt;

use http::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};

/// Ranges in one request. Readers of documents ask for some dozens of objects at a time; whoever asks for
/// more gets the whole, which is no more work than a request without a range.
const MOST_RANGES: usize = 64;

/// Of them may overlap one before. Section 14.2 lets more be ignored: what is forwarded makes an origin send
/// no more than four times what it has.
const MOST_OVERLAPS: usize = 2;

/// The ranges that a request asks for, as they were listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<Spec>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    From {
        first: u64,
    },
    Between {
        first: u64,
        last: u64,
    },
    /// The last bytes, this many.
    Suffix {
        count: u64,
    },
}

/// What of a representation ranges select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// At least one part.
    Parts(Parts),
    /// Nothing of what was asked for is there.
    Unsatisfiable,
    /// The ranges don't count.
    Whole,
}

/// Bytes of a representation from the first to the last, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub first: u64,
    pub last: u64,
}

/// The parts of a representation that an answer holds, in their order in it. None, where it holds the whole or
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub parts: Vec<Part>,
    /// Of the whole representation, where it is known.
    pub length: Option<u64>,
}

impl Ranges {
    /// `None` where `Range` is to be ignored: it is absent, of another unit than bytes, malformed, or asks for
    /// more than is good (sections 14.2 and 17.15).
    pub fn read(fields: &HeaderMap) -> Option<Ranges> {
        let mut lines = fields.get_all(RANGE).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let (unit, set) = line.to_str().ok()?.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let listed = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
        let specs: Vec<Spec> = listed.take(MOST_RANGES + 1).map(Spec::read).collect::<Option<_>>()?;
        let ranges = Ranges(specs);
        let is_bearable = (1..=MOST_RANGES).contains(&ranges.0.len()) && ranges.overlaps(u64::MAX) <= MOST_OVERLAPS;
        is_bearable.then_some(ranges)
    }

    /// Where the one that was listed first begins, if that is not counted from the end.
    pub fn first(&self) -> Option<u64> {
        match self.0.first()? {
            Spec::From { first } | Spec::Between { first, .. } => Some(*first),
            Spec::Suffix { .. } => None,
        }
    }

    /// What they select of `length` bytes. Parts that overlap, or between which fewer bytes lie than `gap`, are
    /// one (section 15.3.7.2), where the first of them was listed.
    pub fn within(&self, length: u64, gap: u64) -> Selected {
        // Section 14.2 lets ranges of nothing be ignored; a suffix of it is satisfiable, and can't be worded.
        let is_suffix = |spec: &Spec| matches!(spec, Spec::Suffix { count: 1.. });
        if length == 0 && self.0.iter().any(is_suffix) {
            return Selected::Whole;
        }
        let parts: Vec<Part> = self.0.iter().filter_map(|spec| spec.within(length)).collect();
        match parts.len() {
            0 => Selected::Unsatisfiable,
            1 => Selected::Parts(Parts { parts, length: Some(length) }),
            _ if overlaps(&parts) > MOST_OVERLAPS => Selected::Whole,
            _ => Selected::Parts(Parts { parts: coalesced(&parts, gap), length: Some(length) }),
        }
    }

    fn overlaps(&self, length: u64) -> usize {
        let parts: Vec<Part> = self.0.iter().filter_map(|spec| spec.within(length)).collect();
        overlaps(&parts)
    }
}

impl Spec {
    fn read(text: &str) -> Option<Spec> {
        match text.split_once('-')? {
            ("", count) => Some(Spec::Suffix { count: number(count)? }),
            (first, "") => Some(Spec::From { first: number(first)? }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Spec::Between { first, last })
            }
        }
    }

    /// `None` if no byte of it is there (section 14.1.2).
    fn within(self, length: u64) -> Option<Part> {
        let end = length.checked_sub(1)?;
        let (first, last) = match self {
            Spec::From { first } => (first, end),
            Spec::Between { first, last } => (first, last.min(end)),
            Spec::Suffix { count: 0 } => return None,
            Spec::Suffix { count } => (length.saturating_sub(count), end),
        };
        (first <= end).then_some(Part { first, last })
    }
}

/// "recipients MUST anticipate potentially large decimal numerals": what overflows is beyond any end.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// How many begin within what those before them, by position, cover.
fn overlaps(parts: &[Part]) -> usize {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable_by_key(|part| part.first);
    let mut covered: Option<u64> = None;
    let overlapping = sorted.iter().filter(|part| {
        let overlaps = covered.is_some_and(|last| part.first <= last);
        covered = covered.max(Some(part.last));
        overlaps
    });
    overlapping.count()
}

fn coalesced(parts: &[Part], gap: u64) -> Vec<Part> {
    let mut sorted: Vec<(usize, Part)> = parts.iter().copied().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, part)| part.first);
    let mut merged: Vec<(usize, Part)> = Vec::new();
    for (listed, part) in sorted {
        match merged.last_mut() {
            Some((first_listed, before)) if part.first <= before.last.saturating_add(gap) => {
                before.last = before.last.max(part.last);
                *first_listed = listed.min(*first_listed);
            }
            _ => merged.push((listed, part)),
        }
    }
    merged.sort_unstable_by_key(|(listed, _)| *listed);
    merged.into_iter().map(|(_, part)| part).collect()
}

impl Part {
    /// How many bytes it has.
    pub fn bytes(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl Parts {
    /// What the `Content-Range` of a 206 says is enclosed. `None` where there is none, as with several parts,
    /// where it is of another unit, or makes no sense (section 14.4).
    pub fn enclosed(fields: &HeaderMap) -> Option<Parts> {
        let mut lines = fields.get_all(CONTENT_RANGE).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let (unit, rest) = line.to_str().ok()?.split_once(' ')?;
        let (range, length) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let part = Part { first: exactly(first)?, last: exactly(last)? };
        let length = if length == "*" { None } else { Some(exactly(length)?) };
        let makes_sense = part.first <= part.last && length.is_none_or(|length| part.last < length);
        (unit.eq_ignore_ascii_case("bytes") && makes_sense).then(|| Parts { parts: vec![part], length })
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes()).fold(0, u64::saturating_add)
    }
}

/// Here what overflows is no position that could be met.
fn exactly(digits: &str) -> Option<u64> {
    number(digits).filter(|number| *number < u64::MAX)
}

/// `0-99,200-299/1000`, and `*` for a length that is not known: behind `bytes ` it is the value of
/// `Content-Range`, if it is one part.
impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}-{}", part.first, part.last)?;
        }
        match self.length {
            Some(length) => write!(f, "/{length}"),
            None => f.write_str("/*"),
        }
    }
}

/// The `Content-Range` of a 416.
pub fn unsatisfied(length: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{length}")).unwrap_or_else(|_| HeaderValue::from_static("bytes */0"))
}

#[cfg(test)]
mod tests;
