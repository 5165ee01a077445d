//! What a site changes in the fields of messages.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// One change of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldRule {
    Remove(HeaderName),
    /// In place of whatever stood there.
    Set(HeaderName, HeaderValue),
    /// Beside whatever stands there.
    Add(HeaderName, HeaderValue),
}

impl FieldRule {
    /// Says whether it changed anything.
    fn apply(&self, fields: &mut HeaderMap) -> bool {
        match self {
            FieldRule::Remove(name) => fields.remove(name).is_some(),
            FieldRule::Set(name, value) => {
                let mut before = fields.get_all(name).iter();
                if before.next() == Some(value) && before.next().is_none() {
                    return false;
                }
                fields.insert(name, value.clone());
                true
            }
            FieldRule::Add(name, value) => {
                fields.append(name, value.clone());
                true
            }
        }
    }
}

/// Applies rules one after the other. Says whether they changed anything.
pub fn apply(rules: &[FieldRule], fields: &mut HeaderMap) -> bool {
    let mut changed = false;
    for rule in rules {
        changed |= rule.apply(fields);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_no_change() {
        let name = |text: &'static str| HeaderName::from_static(text);
        let value = |text: &'static str| HeaderValue::from_static(text);
        let fields = |lines: &[(&'static str, &'static str)]| {
            lines.iter().map(|(one, text)| (name(one), value(text))).collect::<HeaderMap>()
        };
        let before = fields(&[("server", "x"), ("link", "a"), ("link", "b")]);
        for (rule, after) in [
            (FieldRule::Remove(name("server")), Some(fields(&[("link", "a"), ("link", "b")]))),
            (FieldRule::Remove(name("absent")), None),
            (FieldRule::Set(name("server"), value("x")), None),
            (
                FieldRule::Set(name("server"), value("y")),
                Some(fields(&[("server", "y"), ("link", "a"), ("link", "b")])),
            ),
            (FieldRule::Set(name("link"), value("a")), Some(fields(&[("server", "x"), ("link", "a")]))),
            (
                FieldRule::Add(name("link"), value("a")),
                Some(fields(&[("server", "x"), ("link", "a"), ("link", "b"), ("link", "a")])),
            ),
        ] {
            let mut changed = before.clone();
            assert_eq!(apply(std::slice::from_ref(&rule), &mut changed), after.is_some(), "{rule:?}");
            assert_eq!(changed, after.unwrap_or_else(|| before.clone()), "{rule:?}");
        }
    }
}
