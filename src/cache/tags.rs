//! Tags: names that an origin gives its answers, so that they can be taken out together.
//!
//! A tag is kept as a keyed hash: however long its name is, it takes eight bytes, and nobody outside can
//! choose names that collide.

use std::hash::Hasher;

use http::HeaderMap;
use http::header::HeaderName;
use terms::Folded;
use terms::url::keyed_hasher;

static SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
static CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// Of one response. One with more is not stored: a purge by a tag that was left out would miss it.
const MOST: usize = 256;

/// What a tag takes of the memory at rest: its place in the head, and its slot in the index.
pub(crate) const BYTES: usize = 56;

/// By what a stored response can be found beside its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(u64);

/// Where a name means the same. Names of different scopes are different tags.
enum Scope<'a> {
    /// `Surrogate-Key` and `Cache-Tag`: one space for all of the node, as an operator's purge names them.
    Node,
    /// A path and a query, at whatever host.
    Place(&'a Folded),
}

impl Tag {
    /// A member of `Surrogate-Key` or `Cache-Tag`. Letters of different case are different.
    pub fn named(name: &[u8]) -> Tag {
        Tag::of(&Scope::Node, name)
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
        }
        hasher.write(name);
        Tag(hasher.finish())
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// The tags of one response, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Box<[Tag]>);

impl Tags {
    /// `None`: there are more than may be kept.
    pub fn read(fields: &HeaderMap) -> Option<Tags> {
        let keys =
            fields.get_all(&SURROGATE_KEY).iter().flat_map(|line| line.as_bytes().split(u8::is_ascii_whitespace));
        let tags = fields.get_all(&CACHE_TAG).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        let names = keys.chain(tags.map(<[u8]>::trim_ascii)).filter(|name| !name.is_empty());
        let mut all: Vec<Tag> = Vec::new();
        for name in names {
            // Repeated ones must not make room scarce, nor this long: they are sorted out as it fills.
            if all.len() == 2 * MOST {
                all.sort_unstable();
                all.dedup();
                if all.len() > MOST {
                    return None;
                }
            }
            all.push(Tag::named(name));
        }
        all.sort_unstable();
        all.dedup();
        (all.len() <= MOST).then(|| Tags(all.into()))
    }

    pub fn contains(&self, tag: Tag) -> bool {
        self.0.binary_search(&tag).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = Tag> {
        self.0.iter().copied()
    }

    pub fn bytes(&self) -> usize {
        self.0.len() * BYTES
    }
}

#[cfg(test)]
mod tests {
    use terms::Url;

    use super::*;
    use crate::testing::fields;

    fn read(lines: &[(&'static str, &str)]) -> Option<Tags> {
        Tags::read(&fields(lines))
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
}
