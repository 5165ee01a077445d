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
        match self {
            PathPattern::Exact(exact) => path == exact,
            PathPattern::Under(top) => {
                path.strip_prefix(&**top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }

    /// What stands behind the pattern's own segments, without a `/` at its beginning.
    pub fn rest<'p>(&self, path: &'p str) -> &'p str {
        match self {
            PathPattern::Exact(_) => "",
            PathPattern::Under(top) => path.strip_prefix(&**top).unwrap_or_default().trim_start_matches('/'),
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

/// What is found by path: by the longest pattern that covers it.
#[derive(Clone, Debug)]
pub struct ByPath<T>(Vec<(PathPattern, T)>);

impl<T> ByPath<T> {
    pub fn new(entries: impl IntoIterator<Item = (PathPattern, T)>) -> ByPath<T> {
        let mut entries: Vec<(PathPattern, T)> = entries.into_iter().collect();
        entries.sort_by_key(|(pattern, _)| pattern.precedence());
        ByPath(entries)
    }

    /// All of them, in the order in which they are looked at.
    pub fn iter(&self) -> impl Iterator<Item = &(PathPattern, T)> {
        self.0.iter()
    }

    pub fn find(&self, path: &str) -> Option<&(PathPattern, T)> {
        self.0.iter().find(|(pattern, _)| pattern.covers(path))
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
