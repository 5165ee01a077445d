//! Which requests a stored response answers (RFC 9111 section 4.1).

use http::header::{HeaderMap, HeaderName, VARY};
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
    value: Option<Box<[u8]>>,
}

impl Variant {
    pub fn of(names: &[HeaderName], asked: &HeaderMap) -> Variant {
        Variant(names.iter().map(|name| Nominated { name: name.clone(), value: normalised(asked, name) }).collect())
    }

    /// Whether the fields match those of the original request. One that is absent matches only where it
    /// is absent too.
    pub fn matches(&self, asked: &HeaderMap) -> bool {
        self.0.iter().all(|one| same(one.value.as_deref(), asked, &one.name))
    }

    /// Whether two requests agree in every field that this one nominates.
    pub fn tells_apart(&self, one: &HeaderMap, other: &HeaderMap) -> bool {
        self.0.iter().any(|Nominated { name, .. }| normalised(one, name) != normalised(other, name))
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(|one| one.name.as_str().len() + one.value.as_ref().map_or(0, |value| value.len())).sum()
    }
}

fn same(stored: Option<&[u8]>, asked: &HeaderMap, name: &HeaderName) -> bool {
    let mut lines = asked.get_all(name).iter();
    match (stored, lines.next(), lines.next()) {
        (None, None, _) => true,
        (None, Some(_), _) | (Some(_), None, _) => false,
        // The usual case costs no allocation.
        (Some(stored), Some(line), None) if line.as_bytes() == stored => true,
        (Some(stored), Some(_), _) => normalised(asked, name).as_deref() == Some(stored),
    }
}

/// All lines of a field as one list, in order, joined by `, `; blanks round commas outside quotes are
/// made alike. `None` if the field is absent.
fn normalised(fields: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let mut lines = fields.get_all(name).iter().peekable();
    lines.peek()?;
    let mut joined: Vec<u8> = Vec::new();
    for line in lines {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        push_members(&mut joined, line.as_bytes());
    }
    Some(joined.into_boxed_slice())
}

fn push_members(joined: &mut Vec<u8>, line: &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    let members = line.split(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        !quoted && byte == b','
    });
    for (index, member) in members.enumerate() {
        if index > 0 {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(member.trim_ascii());
    }
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
    fn blanks_in_quotes_are_kept() {
        let some = variant("x", &fields(&[("x", "\"a,b\"")]));
        assert!(!some.matches(&fields(&[("x", "\"a, b\"")])));
    }
}
