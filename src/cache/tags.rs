//! Tags: names that an origin gives its answers, so that they can be taken out together.
//!
//! A tag is kept as a keyed hash: however long its name is, it takes eight bytes, and nobody outside can
//! choose names that collide.

use std::hash::Hasher;

use http::HeaderMap;
use http::header::HeaderName;
use sfv::{BareItem, List, ListEntry, Parser};
use terms::url::keyed_hasher;
use terms::{Folded, Url};

static SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
static CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
static CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
static CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Of one response. One with more is not stored: a purge by a tag that was left out would miss it.
const MOST: usize = 256;

/// By what a stored response can be found beside its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(u64);

/// Where a name means the same. Names of different scopes are different tags.
enum Scope<'a> {
    /// `Surrogate-Key` and `Cache-Tag`: one space for all of the node, as an operator's purge names them.
    Node,
    /// A path and a query, at whatever host.
    Place(&'a Folded),
    /// The groups of an origin (RFC 9875 section 2.1). Its scheme plays no part: both are of one server.
    Origin(&'a Url),
}

impl Tag {
    /// A member of `Surrogate-Key` or `Cache-Tag`. Letters of different case are different.
    pub fn named(name: &[u8]) -> Tag {
        Tag::of(&Scope::Node, name)
    }

    /// The groups that an answer to `url` invalidates (RFC 9875 section 3), as many as it may belong to.
    pub fn invalidated_groups(url: &Url, fields: &HeaderMap) -> Vec<Tag> {
        groups(url, fields, &CACHE_GROUP_INVALIDATION).take(MOST).collect()
    }

    /// What one reading of a URL has in common with all spellings of it.
    pub(crate) fn place(reading: &Folded) -> Tag {
        Tag::of(&Scope::Place(reading), b"")
    }

    fn of(scope: &Scope<'_>, name: &[u8]) -> Tag {
        let mut hasher = keyed_hasher();
        match scope {
            Scope::Node => hasher.write_u8(0),
            Scope::Place(reading) => {
                hasher.write_u8(1);
                hasher.write(reading.path_and_query().as_bytes());
            }
            Scope::Origin(url) => {
                hasher.write_u8(2);
                hasher.write(url.host().as_bytes());
                // 0 is no port.
                hasher.write_u16(url.port().unwrap_or(0));
            }
        }
        hasher.write(name);
        Tag(hasher.finish())
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn from_bits(bits: u64) -> Tag {
        Tag(bits)
    }
}

/// The tags of one response, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Box<[Tag]>);

impl Tags {
    /// `None`: there are more than may be kept.
    pub fn read(url: &Url, fields: &HeaderMap) -> Option<Tags> {
        let keys =
            fields.get_all(&SURROGATE_KEY).iter().flat_map(|line| line.as_bytes().split(u8::is_ascii_whitespace));
        let tags = fields.get_all(&CACHE_TAG).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        let names = keys.chain(tags.map(<[u8]>::trim_ascii)).filter(|name| !name.is_empty());
        let mut all: Vec<Tag> = Vec::new();
        for tag in names.map(Tag::named).chain(groups(url, fields, &CACHE_GROUPS)) {
            // Repeated ones must not make room scarce, nor this long: they are sorted out as it fills.
            if all.len() == 2 * MOST {
                all.sort_unstable();
                all.dedup();
                if all.len() > MOST {
                    return None;
                }
            }
            all.push(tag);
        }
        let tags = Tags::from_iter(all);
        (tags.0.len() <= MOST).then_some(tags)
    }

    pub fn contains(&self, tag: Tag) -> bool {
        self.0.binary_search(&tag).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = Tag> {
        self.0.iter().copied()
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Tags {
        let mut all: Vec<Tag> = tags.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Tags(all.into())
    }
}

/// A List of Strings (RFC 9651); none, if it can't be read as one.
fn groups(url: &Url, fields: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Tag> {
    let lines: Vec<&[u8]> = fields.get_all(name).iter().map(|line| line.as_bytes()).collect();
    let list = match lines.is_empty() {
        true => List::default(),
        false => Parser::new(&lines.join(&b","[..])).parse::<List>().unwrap_or_default(),
    };
    let names: Option<Vec<String>> = list.into_iter().map(string).collect();
    let tags = names.unwrap_or_default().into_iter().map(|name| Tag::of(&Scope::Origin(url), name.as_bytes()));
    tags.collect::<Vec<_>>().into_iter()
}

fn string(member: ListEntry) -> Option<String> {
    match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(name) => Some(name.into()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::fields;

    fn read(lines: &[(&'static str, &str)]) -> Option<Tags> {
        read_at("http://h.example/a", lines)
    }

    fn read_at(url: &str, lines: &[(&'static str, &str)]) -> Option<Tags> {
        Tags::read(&Url::parse(url).unwrap(), &fields(lines))
    }

    #[test]
    fn both_fields_name_tags() {
        for (lines, names) in [
            (&[("surrogate-key", "a b  c")][..], &["a", "b", "c"][..]),
            (&[("cache-tag", "a, b ,,c d")], &["a", "b", "c d"]),
            (&[("surrogate-key", "a"), ("surrogate-key", "b"), ("cache-tag", "a")], &["a", "b"]),
            (&[("surrogate-key", "A a")], &["A", "a"]),
            (&[("surrogate-key", " "), ("cache-tag", ",")], &[]),
            (&[], &[]),
        ] {
            let tags = read(lines).unwrap();
            assert_eq!(tags.iter().count(), names.len(), "{lines:?}");
            assert!(names.iter().all(|name| tags.contains(Tag::named(name.as_bytes()))), "{lines:?}");
        }
    }

    #[test]
    fn more_than_can_be_kept_are_none() {
        let names = |count: usize| (0..count).map(|n| format!("t{n} ")).collect::<String>();
        assert_eq!(read(&[("surrogate-key", &names(MOST))]).unwrap().iter().count(), MOST);
        assert_eq!(read(&[("surrogate-key", &names(MOST + 1))]), None);
        assert_eq!(read(&[("surrogate-key", &names(5 * MOST))]), None);
        assert_eq!(read(&[("surrogate-key", &"same ".repeat(5 * MOST))]).unwrap().iter().count(), 1);
    }

    #[test]
    fn a_place_is_one_in_every_spelling_and_no_name() {
        let place = |text: &str| Tag::place(Url::parse(text).unwrap().folded());
        assert_eq!(place("https://h.example/a%62?y=2&x=1"), place("http://other.example:8080//ab/?x=1&y=2"));
        assert_ne!(place("https://h.example/a"), place("https://h.example/a?x"));
        assert_ne!(place("https://h.example/a"), Tag::named(b"/a"));
    }

    #[test]
    fn groups_are_an_origins_own() {
        let of = |url: &str, text: &str| read_at(url, &[("cache-groups", text)]);
        let one = of("http://h.example/a", "\"one\"");
        for (url, text, expected) in [
            ("http://h.example/b", "\"one\";x=1", true),
            ("http://H.example/b?c", "\"one\"", true),
            ("http://h.example/b", "\"ONE\"", false),
            ("http://h.example:81/b", "\"one\"", false),
            ("http://other.example/b", "\"one\"", false),
            ("http://h.example/b", "one", false),
            ("http://h.example/b", "(\"one\")", false),
            ("http://h.example/b", "\"one\" \"two\"", false),
        ] {
            assert_eq!(of(url, text) == one, expected, "{url}: {text}");
        }
        assert_ne!(one, read(&[("cache-tag", "one")]));
        let changed = Tag::invalidated_groups(
            &Url::parse("http://h.example/").unwrap(),
            &fields(&[("cache-group-invalidation", "\"one\"")]),
        );
        assert!(one.unwrap().contains(changed[0]));
    }
}
