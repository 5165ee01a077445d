//! Paths that something in a config is for, and what is found by them.

use std::cmp::Reverse;
use std::fmt;

/// Paths in canonical form, as [`crate::url::Folded::path`] has them: so no spelling of a path is another
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// `/p`
    Exact(String),
    /// `/p/*`: `/p` and everything below. Kept without the slash at its end, so that `/*` is empty.
    Under(String),
}

impl PathPattern {
    pub fn covers(&self, path: &str) -> bool {
        self.covers_in(path, Case::Tells)
    }

    pub fn covers_in(&self, path: &str, case: Case) -> bool {
        let (top, is_under) = match self {
            PathPattern::Exact(exact) => (exact, false),
            PathPattern::Under(top) => (top, true),
        };
        let Some((start, rest)) = path.split_at_checked(top.len()) else { return false };
        let is_top = match case {
            Case::Tells => start == top,
            Case::Ignored => start.eq_ignore_ascii_case(top),
        };
        is_top && (rest.is_empty() || (is_under && rest.starts_with('/')))
    }

    /// What stands behind the pattern's own segments in a path that it covers, without a `/` at its beginning.
    pub fn rest<'p>(&self, path: &'p str) -> &'p str {
        match self {
            PathPattern::Exact(_) => "",
            PathPattern::Under(top) => path.get(top.len()..).unwrap_or_default().trim_start_matches('/'),
        }
    }

    /// The longest first; one path before all below it.
    fn precedence(&self) -> impl Ord + use<> {
        match self {
            PathPattern::Exact(path) => (Reverse(path.len()), false),
            PathPattern::Under(top) => (Reverse(top.len()), true),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathPattern::Exact(path) => f.write_str(path),
            PathPattern::Under(top) => write!(f, "{top}/*"),
        }
    }
}

/// Whether letters of different case are different ones. Of letters beyond ASCII, which stand escaped, they always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    #[default]
    Tells,
    Ignored,
}

/// What is found by path: by the longest pattern that covers it.
#[derive(Clone, Debug)]
pub struct ByPath<T> {
    entries: Vec<(PathPattern, T)>,
    case: Case,
}

impl<T> ByPath<T> {
    pub fn new(entries: impl IntoIterator<Item = (PathPattern, T)>) -> ByPath<T> {
        ByPath::with_case(entries, Case::Tells)
    }

    pub fn with_case(entries: impl IntoIterator<Item = (PathPattern, T)>, case: Case) -> ByPath<T> {
        let mut entries: Vec<(PathPattern, T)> = entries.into_iter().collect();
        entries.sort_by_key(|(pattern, _)| pattern.precedence());
        ByPath { entries, case }
    }

    /// All of them, in the order in which they are looked at.
    pub fn iter(&self) -> impl Iterator<Item = &(PathPattern, T)> {
        self.entries.iter()
    }

    pub fn find(&self, path: &str) -> Option<&(PathPattern, T)> {
        self.entries.iter().find(|(pattern, _)| pattern.covers_in(path, self.case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(path: &str) -> PathPattern {
        PathPattern::Exact(path.to_owned())
    }

    fn under(top: &str) -> PathPattern {
        PathPattern::Under(top.to_owned())
    }

    #[test]
    fn the_longest_pattern_finds() {
        let paths = ByPath::new([
            (under(""), "all"),
            (under("/api"), "api"),
            (under("/api/v2"), "v2"),
            (exact("/api/v2"), "v2 itself"),
            (exact("/a"), "a"),
        ]);
        for (path, found) in [
            ("/", "all"),
            ("/a", "a"),
            ("/a/b", "all"),
            ("/api", "api"),
            ("/api/x", "api"),
            ("/apis", "all"),
            ("/api/v2", "v2 itself"),
            ("/api/v2/x", "v2"),
            ("/api/v20", "api"),
        ] {
            assert_eq!(paths.find(path).map(|(_, found)| *found), Some(found), "{path}");
        }
        assert!(ByPath::new([(under("/api"), ())]).find("/").is_none());
        let paths = ByPath::with_case([(under("/Api"), 1), (exact("/a%C3%A9"), 2)], Case::Ignored);
        for (path, found) in [("/aPI/X", Some(1)), ("/APIS", None), ("/A%c3%a9", Some(2)), ("/a\u{e9}%", None)] {
            assert_eq!(paths.find(path).map(|(_, found)| *found), found, "{path}");
        }
    }

    #[test]
    fn the_rest_is_what_stands_behind() {
        for (pattern, path, rest) in [
            (under("/old"), "/old", ""),
            (under("/old"), "/old/a/b", "a/b"),
            (under(""), "/a", "a"),
            (under(""), "/", ""),
            (exact("/old"), "/old", ""),
        ] {
            assert_eq!(pattern.rest(path), rest, "{pattern} of {path}");
        }
    }
}
