//! Which requests a stored response answers (RFC 9111 section 4.1).

use std::cmp::Reverse;

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderMap, HeaderName, VARY};
use terms::wire::fields::tokens;

/// What a response says its choice hung on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Something that no request field tells: it never matches.
    Anything,
    /// Sorted, each once; empty where nothing varies.
    Fields(Vec<HeaderName>),
}

/// Fields that the edge writes itself, from the connection: what the client sent under these names does
/// not tell what the origin saw.
const WRITTEN_BY_THE_EDGE: [&str; 3] = ["via", "x-forwarded-for", "x-request-id"];

impl Vary {
    pub fn read(fields: &HeaderMap) -> Vary {
        let mut names = Vec::new();
        for token in tokens(fields, &VARY) {
            let Ok(name) = HeaderName::from_bytes(token.as_bytes()) else { return Vary::Anything };
            // "*" is a token, so that it makes a name.
            if name == "*" || WRITTEN_BY_THE_EDGE.contains(&name.as_str()) {
                return Vary::Anything;
            }
            names.push(name);
        }
        // `tokens` leaves out a line that is no text.
        if fields.get_all(VARY).iter().any(|line| line.to_str().is_err()) {
            return Vary::Anything;
        }
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        Vary::Fields(names)
    }
}

/// The nominated fields of the request that a response was made for, normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant(Box<[Nominated]>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Nominated {
    name: HeaderName,
    /// `None` where the request lacked the field.
    value: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    /// As it came, where it came in one line: the usual case is that it comes so again, and is compared at
    /// no cost.
    line: Option<Box<[u8]>>,
    normalised: Box<[u8]>,
}

impl Value {
    fn of(asked: &HeaderMap, name: &HeaderName) -> Option<Value> {
        let normalised = normalised(asked, name)?;
        let mut lines = asked.get_all(name).iter();
        let line = match (lines.next(), lines.next()) {
            (Some(line), None) if *line.as_bytes() != *normalised => Some(line.as_bytes().into()),
            _ => None,
        };
        Some(Value { line, normalised })
    }

    fn is(&self, line: &[u8]) -> bool {
        *line == *self.line.as_deref().unwrap_or(&self.normalised)
    }

    fn bytes(&self) -> usize {
        self.normalised.len() + self.line.as_ref().map_or(0, |line| line.len())
    }
}

impl Variant {
    pub fn of(names: &[HeaderName], asked: &HeaderMap) -> Variant {
        Variant(names.iter().map(|name| Nominated { name: name.clone(), value: Value::of(asked, name) }).collect())
    }

    /// Whether the fields match those of the original request. One that is absent matches only where it
    /// is absent too.
    pub fn matches(&self, asked: &HeaderMap) -> bool {
        self.0.iter().all(|one| same(one.value.as_ref(), asked, &one.name))
    }

    /// Whether two requests agree in every field that this one nominates.
    pub fn tells_apart(&self, one: &HeaderMap, other: &HeaderMap) -> bool {
        self.0.iter().any(|Nominated { name, .. }| normalised(one, name) != normalised(other, name))
    }

    /// Whether the coding that the client takes is all that it depends on.
    pub fn is_of_all_or_by_coding(&self) -> bool {
        self.0.iter().all(|one| one.name == ACCEPT_ENCODING)
    }

    /// Fields of a request that is told apart as the original one is.
    pub fn request(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        self.0.iter().filter_map(|Nominated { name, value }| {
            value.as_ref().map(|value| (name, value.line.as_deref().unwrap_or(&value.normalised)))
        })
    }

    /// What it takes, with what the allocator adds to each text.
    pub fn bytes(&self) -> usize {
        let value = |one: &Nominated| one.value.as_ref().map_or(0, |value| value.bytes() + 32);
        self.0.iter().map(|one| size_of::<Nominated>() + one.name.as_str().len() + value(one)).sum()
    }
}

fn same(stored: Option<&Value>, asked: &HeaderMap, name: &HeaderName) -> bool {
    let mut lines = asked.get_all(name).iter();
    match (stored, lines.next(), lines.next()) {
        (None, None, _) => true,
        (None, Some(_), _) | (Some(_), None, _) => false,
        // The usual case costs no allocation.
        (Some(stored), Some(line), None) if stored.is(line.as_bytes()) => true,
        (Some(stored), Some(_), _) => normalised(asked, name).is_some_and(|value| value == stored.normalised),
    }
}

/// All lines of a field as one list, joined by `, `, with what its definition says makes no difference
/// taken out: blanks round members for all, see [`members`] for more. `None` if the field is absent.
fn normalised(fields: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let mut lines = fields.get_all(name).iter().peekable();
    lines.peek()?;
    Some(members(name, lines.flat_map(|line| list(line.as_bytes())).collect()).join(&b", "[..]).into_boxed_slice())
}

/// Splits at commas outside quotes.
pub(crate) fn list(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let members = line.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        !quoted && byte == b','
    });
    members.map(<[u8]>::trim_ascii)
}

/// The members of a list in a form that is the same for all that mean the same.
fn members(name: &HeaderName, members: Vec<&[u8]>) -> Vec<Vec<u8>> {
    let mut weighted: Vec<Weighted> = match *name {
        ACCEPT_ENCODING | ACCEPT_LANGUAGE => {
            members.into_iter().filter(|member| !member.is_empty()).map(Weighted::read).collect()
        }
        _ => return members.into_iter().map(<[u8]>::to_vec).collect(),
    };
    match *name {
        // RFC 9110 section 12.5.3: codings are told apart by their weights alone.
        ACCEPT_ENCODING => weighted.sort(),
        // Section 12.5.4: some take the order of tags of one weight for a priority, so that stays.
        _ => weighted.sort_by_key(|member| Reverse(member.weight)),
    }
    weighted.into_iter().map(Weighted::write).collect()
}

/// A member with its weight (RFC 9110 section 12.4.2). Letter case makes no difference in codings (section
/// 8.4.1) nor in language ranges (RFC 4647 section 2.1).
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Weighted {
    pub text: Vec<u8>,
    /// In thousandths; 1000 where there is none, or none that can be read: then it is part of the text, as all is
    /// of a member with several parameters.
    pub weight: u16,
}

impl Weighted {
    pub fn read(member: &[u8]) -> Weighted {
        let text = |text: &[u8]| text.trim_ascii().to_ascii_lowercase();
        let split = member.iter().rposition(|&byte| byte == b';').map(|at| (&member[..at], &member[at + 1..]));
        let split = split.filter(|(range, _)| !range.contains(&b';'));
        match split.and_then(|(range, weight)| Some((range, thousandths(weight.trim_ascii())?))) {
            Some((range, weight)) => Weighted { text: text(range), weight },
            None => Weighted { text: text(member), weight: 1000 },
        }
    }

    fn write(mut self) -> Vec<u8> {
        if self.weight < 1000 {
            // What is written so is a weight wherever it stands in a request, so that no other text equals it.
            self.text.extend_from_slice(format!(";q=0.{:03}", self.weight).as_bytes());
        }
        self.text
    }
}

/// `q=0.8`, with up to three digits.
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (b"q=" | b"Q=", value) = weight.split_at_checked(2)? else { return None };
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] => (whole, digits),
        _ => return None,
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().chain(b"000").take(3);
    let weight = u16::from(whole - b'0') * 1000 + padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn variant(vary: &str, asked: &HeaderMap) -> Variant {
        match Vary::read(&fields(&[("vary", vary)])) {
            Vary::Fields(names) => Variant::of(&names, asked),
            Vary::Anything => panic!("{vary}"),
        }
    }

    #[test]
    fn a_star_and_what_the_edge_writes_never_match() {
        for vary in ["*", "accept, *", "X-Forwarded-For", "bad name", "via"] {
            assert_eq!(Vary::read(&fields(&[("vary", vary)])), Vary::Anything, "{vary}");
        }
        assert_eq!(Vary::read(&fields(&[("vary", "accept"), ("vary", "*")])), Vary::Anything);
        assert_eq!(Vary::read(&fields(&[])), Vary::Fields(vec![]));
    }

    #[test]
    fn whitespace_and_lines_make_no_difference() {
        let some = variant("Accept, accept-LANGUAGE", &fields(&[("accept", "a/b,c/d"), ("accept-language", "de")]));
        assert!(some.matches(&fields(&[("accept", "a/b ,  c/d"), ("accept-language", " de ")])));
        assert!(some.matches(&fields(&[("accept", "a/b"), ("accept", "c/d"), ("accept-language", "de")])));
        assert!(!some.matches(&fields(&[("accept", "c/d,a/b"), ("accept-language", "de")])));
        assert!(!some.matches(&fields(&[("accept", "a/b,c/d")])));
    }

    #[test]
    fn absent_matches_absent_alone() {
        let some = variant("cookie", &fields(&[]));
        assert!(some.matches(&fields(&[("accept", "x")])));
        assert!(!some.matches(&fields(&[("cookie", "")])));
        assert!(!variant("cookie", &fields(&[("cookie", "")])).matches(&fields(&[])));
    }

    #[test]
    fn what_means_the_same_matches() {
        for (name, stored, asked, expected) in [
            ("accept-encoding", "gzip, br", "br,GZIP", true),
            ("accept-encoding", "gzip, br", "br, gzip;q=1.0", true),
            ("accept-encoding", "gzip, br;q=0.5", "br;Q=0.500 , gzip", true),
            ("accept-encoding", "gzip, br", "gzip, br;q=0.9", false),
            ("accept-encoding", "gzip;q=0", "gzip", false),
            ("accept-encoding", "gzip", "", false),
            ("accept-encoding", "gzip;q=2", "gzip", false),
            // What is no weight is never taken for one.
            ("accept-language", "de, en;q=700", "de, en;q=0.7", false),
            ("accept-language", "de, en;q=0.700;q=1", "de, en;q=0.7", false),
            ("accept-language", "en, de", "eN,  De", true),
            ("accept-language", "en, de;q=0.8", "de;q=0.80, en", true),
            // Of one weight, the first may be meant to come first.
            ("accept-language", "en, de", "de, en", false),
            ("accept-language", "en-GB", "en", false),
            // Nothing is known of these.
            ("x", "en, de", "EN, de", false),
            ("accept", "a/b, c/d", "c/d, a/b", false),
        ] {
            let some = variant(name, &fields(&[(name, stored)]));
            assert_eq!(some.matches(&fields(&[(name, asked)])), expected, "{name}: {stored} | {asked}");
            assert_eq!(again(name, &some).matches(&fields(&[(name, asked)])), expected, "{name}: {stored} | {asked}");
        }
    }

    /// Made of its own request, as when it is read back.
    fn again(vary: &str, some: &Variant) -> Variant {
        let request = some.request().map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
        variant(vary, &request.collect())
    }

    #[test]
    fn a_variant_is_made_again_of_its_request() {
        let several = fields(&[("accept", "a/b ,c"), ("accept", "d"), ("accept-encoding", "br;q=1.0,  gzip")]);
        for asked in [several, fields(&[("accept", "")]), fields(&[])] {
            let some = variant("accept, accept-encoding, cookie", &asked);
            let same = again("accept, accept-encoding, cookie", &some);
            assert!(same.matches(&asked) && some.matches(&asked), "{asked:?}");
            assert!(!same.matches(&fields(&[("accept", "x")])), "{asked:?}");
        }
    }

    #[test]
    fn blanks_in_quotes_are_kept() {
        let some = variant("x", &fields(&[("x", "\"a,b\"")]));
        assert!(!some.matches(&fields(&[("x", "\"a, b\"")])));
    }
}
