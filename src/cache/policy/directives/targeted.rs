//! Cache directives that are aimed at caches like this one (RFC 9213).
//!
//! Their fields are Dictionaries (RFC 9651 section 3.2), read strictly: one that can't be read counts as
//! absent (section 2.1), so that whatever else the response says holds.

use http::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

use super::syntax::MOST_SECONDS;
use super::{ResponseDirectives, Scope, Source};

/// The target list (section 2.2), the most specific first.
pub(super) static TARGETS: [HeaderName; 2] =
    [HeaderName::from_static("seawall-cache-control"), HeaderName::from_static("cdn-cache-control")];

/// The directives of the first target with a valid, non-empty value.
pub(super) fn read(fields: &HeaderMap) -> Option<ResponseDirectives> {
    let present = TARGETS.iter().filter(|name| fields.contains_key(*name));
    let mut valid = present.filter_map(|name| dictionary(fields, name)).filter(|dictionary| !dictionary.is_empty());
    valid.next().map(|dictionary| directives(&dictionary))
}

fn dictionary(fields: &HeaderMap, name: &HeaderName) -> Option<Dictionary> {
    let lines: Vec<&[u8]> = fields.get_all(name).iter().map(|line| line.as_bytes()).collect();
    Parser::new(&lines.join(&b","[..])).parse::<Dictionary>().ok()
}

fn directives(dictionary: &Dictionary) -> ResponseDirectives {
    let mut read = ResponseDirectives { source: Source::Targeted, ..ResponseDirectives::default() };
    for (name, value) in dictionary {
        let value = match value {
            ListEntry::Item(Item { bare_item, .. }) => Some(bare_item),
            // No directive has one: it says nothing that could be understood.
            ListEntry::InnerList(_) => None,
        };
        let is_false = matches!(value, Some(BareItem::Boolean(false)));
        match name.as_str() {
            _ if is_false => {}
            "no-store" => read.no_store = true,
            "no-cache" => read.no_cache.widen(scope(value)),
            "private" => read.private.widen(scope(value)),
            "must-revalidate" => read.must_revalidate = true,
            "proxy-revalidate" => read.proxy_revalidate = true,
            "immutable" => read.immutable = true,
            "public" => read.public = is_flag(value),
            "must-understand" => read.must_understand = is_flag(value),
            "max-age" => read.max_age = Some(seconds(value)),
            "s-maxage" => read.s_maxage = Some(seconds(value)),
            "stale-while-revalidate" => read.stale_while_revalidate = Some(seconds(value)),
            "stale-if-error" => read.stale_if_error = Some(seconds(value)),
            _ => {}
        }
    }
    read
}

fn is_flag(value: Option<&BareItem>) -> bool {
    matches!(value, Some(BareItem::Boolean(true)))
}

fn scope(value: Option<&BareItem>) -> Scope {
    match value {
        Some(BareItem::String(names)) => Scope::of_names(names.as_str().as_bytes()),
        Some(BareItem::Token(name)) => Scope::of_names(name.as_str().as_bytes()),
        _ => Scope::Everything,
    }
}

/// Of another type, or negative, it is zero (RFC 9111 section 4.2.1).
fn seconds(value: Option<&BareItem>) -> u64 {
    match value {
        Some(BareItem::Integer(seconds)) => u64::try_from(i64::from(*seconds)).unwrap_or(0).min(MOST_SECONDS),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::fields;

    fn max_age(lines: &[(&'static str, &str)]) -> (Source, Option<u64>) {
        let read = ResponseDirectives::read(&fields(lines));
        (read.source, read.max_age)
    }

    #[test]
    fn section_2_2_says_which_field_decides() {
        use Source::{CacheControl, Targeted};
        let (cc, cdn, own) = ("cache-control", "cdn-cache-control", "seawall-cache-control");
        for (lines, expected) in [
            (&[(cc, "max-age=1")][..], (CacheControl, Some(1))),
            (&[(cc, "max-age=1"), (cdn, "max-age=2")], (Targeted, Some(2))),
            (&[(cc, "max-age=1"), (cdn, "max-age=2"), (own, "max-age=3")], (Targeted, Some(3))),
            (&[(cc, "max-age=1"), (cdn, "none")], (Targeted, None)),
            // Empty, or not to be parsed: as if it were not there.
            (&[(cc, "max-age=1"), (cdn, "")], (CacheControl, Some(1))),
            (&[(cc, "max-age=1"), (cdn, "max-age=2, &&&")], (CacheControl, Some(1))),
            (&[(cc, "max-age=1"), (cdn, "max-age =2")], (CacheControl, Some(1))),
            (&[(cc, "max-age=1"), (cdn, "Max-Age=2")], (CacheControl, Some(1))),
            (&[(cdn, "max-age=2"), (own, "&")], (Targeted, Some(2))),
            // Another's target.
            (&[(cc, "max-age=1"), ("example-cache-control", "max-age=2")], (CacheControl, Some(1))),
        ] {
            assert_eq!(max_age(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn section_2_1_says_what_values_mean() {
        let read = |text: &str| ResponseDirectives::read(&fields(&[("cdn-cache-control", text)]));
        let targeted = ResponseDirectives { source: Source::Targeted, ..ResponseDirectives::default() };
        for (text, expected) in [
            ("max-age=60;x=1, unknown", ResponseDirectives { max_age: Some(60), ..targeted.clone() }),
            ("max-age=1, max-age=2", ResponseDirectives { max_age: Some(2), ..targeted.clone() }),
            ("max-age=\"60\"", ResponseDirectives { max_age: Some(0), ..targeted.clone() }),
            ("max-age=60.5", ResponseDirectives { max_age: Some(0), ..targeted.clone() }),
            ("max-age=-60", ResponseDirectives { max_age: Some(0), ..targeted.clone() }),
            ("max-age", ResponseDirectives { max_age: Some(0), ..targeted.clone() }),
            ("max-age=(60)", ResponseDirectives { max_age: Some(0), ..targeted.clone() }),
            ("max-age=99999999999", ResponseDirectives { max_age: Some(1 << 31), ..targeted.clone() }),
            ("no-store", ResponseDirectives { no_store: true, ..targeted.clone() }),
            ("no-store=?0", targeted.clone()),
            ("no-cache", ResponseDirectives { no_cache: Scope::Everything, ..targeted.clone() }),
            ("private=(a b)", ResponseDirectives { private: Scope::Everything, ..targeted.clone() }),
            ("no-cache=\"x-a\"", ResponseDirectives { no_cache: Scope::of_names(b"x-a"), ..targeted.clone() }),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_one_field() {
        let lines = &[("cdn-cache-control", "max-age=5"), ("cdn-cache-control", "no-store")];
        let read = ResponseDirectives::read(&fields(lines));
        assert!(read.no_store && read.max_age == Some(5));
    }

    #[test]
    fn what_hints_at_one_client_is_seen_in_either_field() {
        let (cc, cdn) = ("cache-control", "cdn-cache-control");
        for (lines, is_for_one) in [
            (&[(cc, "private"), (cdn, "no-store")][..], true),
            (&[(cc, "private, max-age=0"), (cdn, "max-age=0")], true),
            (&[(cc, "max-age=0"), (cdn, "private")], true),
            (&[(cc, "public"), (cdn, "no-store")], true),
            (&[(cc, "private"), (cdn, "&&&")], true),
            (&[(cc, "no-store")], false),
            (&[(cc, "private=\"x-a\""), (cdn, "private=\"x-a\"")], false),
            (&[(cc, "max-age=0"), (cdn, "no-store=?0")], false),
        ] {
            assert_eq!(ResponseDirectives::hint_at_one_client(&fields(lines)), is_for_one, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read(text in "[a-z0-9=\";:?, ()@%*.-]{0,40}") {
            ResponseDirectives::read(&fields(&[("cdn-cache-control", text.as_str())]));
        }
    }
}
