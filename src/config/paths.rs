//! Judges what a site has by path: routes to other origins, and redirects.

use std::collections::HashMap;

use http::StatusCode;
use origin::{Plan, Settings};
use terms::Url;

use super::errors::{Span, Wrong, quoted};
use super::judge::Judge;
use super::meant::Route;
use super::reader::At;
use super::typed;
use crate::sites::{ByPath, PathPattern, Redirect};

/// Each is looked at for each request that is not answered from the cache, or for each at all.
const MAX_PATHS: usize = 256;

impl Judge<'_, '_> {
    pub(super) fn routes(
        &mut self,
        written: Option<At<Vec<typed::Route>>>,
        plan: &mut Plan,
        waits: &Settings,
    ) -> Vec<Route> {
        let mut taken = HashMap::new();
        let mut routes = Vec::new();
        for route in self.bounded_list(written, "routes") {
            let path = route.path.and_then(|path| self.path_pattern(path, &mut taken));
            let shares = route.origin.map(|origins| self.shares(origins, plan, waits));
            routes.extend(path.zip(shares).map(|(path, shares)| Route { path, shares }));
        }
        routes
    }

    pub(super) fn redirects(&mut self, written: Option<At<Vec<typed::Redirect>>>) -> ByPath<Redirect> {
        let mut taken = HashMap::new();
        let mut redirects = Vec::new();
        for redirect in self.bounded_list(written, "redirects") {
            let from = redirect.from.and_then(|from| self.path_pattern(from, &mut taken));
            let status = redirect.status.and_then(|status| {
                let code = [301, 302, 307, 308].into_iter().find(|code| u64::from(*code) == status.value);
                if code.is_none() {
                    let what = format!("{} does not redirect", status.value);
                    self.faults.add(&status.at, Wrong::new(what, "write 301, 302, 307 or 308"));
                }
                StatusCode::from_u16(code?).ok()
            });
            let at = redirect.to.as_ref().map(|to| to.at.clone());
            let to = redirect.to.and_then(|to| self.checked(to, target));
            let (Some(from), Some((to, joins_rest)), Some(at)) = (from, to, at) else { continue };
            if joins_rest && matches!(from, PathPattern::Exact(_)) {
                let what = "`to` ends in `*`, and `from` has no rest to put there";
                self.faults.add(&at, Wrong::new(what, "end `from` in `/*`, or leave the `*` out of `to`"));
            }
            redirects.push((from, Redirect { to, joins_rest, status: status.unwrap_or(StatusCode::FOUND) }));
        }
        ByPath::new(redirects)
    }

    fn bounded_list<T>(&mut self, written: Option<At<Vec<T>>>, what: &str) -> Vec<T> {
        let Some(written) = written else { return Vec::new() };
        if written.value.len() > MAX_PATHS {
            let what = format!("these are {} {what}", written.value.len());
            self.faults.add(&written.at, Wrong::new(what, format!("write up to {MAX_PATHS}")));
        }
        written.value
    }

    pub(super) fn path_pattern(
        &mut self,
        text: At<String>,
        taken: &mut HashMap<PathPattern, Span>,
    ) -> Option<PathPattern> {
        let at = text.at.clone();
        let pattern = self.checked(text, pattern)?;
        if let Some(other) = taken.get(&pattern) {
            let line = self.faults.line(other);
            let what = format!("`{pattern}` stands in line {line} already");
            self.faults.add(&at, Wrong::new(what, "remove one of the two"));
        }
        taken.insert(pattern.clone(), at);
        Some(pattern)
    }
}

/// Reads `/p` and `/p/*`.
fn pattern(text: &str) -> Result<PathPattern, Wrong> {
    let bad = |why: &str, help: &str| Wrong::new(format!("{} is not a path: {why}", quoted(text)), help);
    const EXAMPLE: &str = "write \"/api/*\" for a path and all below, or \"/api\" for one alone";
    if !text.starts_with('/') {
        return Err(bad("it does not begin with `/`", EXAMPLE));
    }
    if text.contains(['?', '#']) {
        return Err(bad("it has a query or a fragment", "write the path alone: it is for every query"));
    }
    let (top, is_under) = match text.strip_suffix("/*") {
        Some(top) => (top, true),
        None => (text, false),
    };
    if top.contains('*') {
        return Err(bad("`*` is the whole last segment", "a literal * is written %2A"));
    }
    let url = Url::parse(&format!("https://any.invalid{top}")).map_err(|error| bad(&error.to_string(), EXAMPLE))?;
    let path = url.folded().path().to_owned();
    Ok(match is_under {
        true => PathPattern::Under(if path == "/" { String::new() } else { path }),
        false => PathPattern::Exact(path),
    })
}

/// Reads where a redirect leads to; says whether the rest of the path joins it.
fn target(text: &str) -> Result<(String, bool), Wrong> {
    const EXAMPLE: &str = "write \"https://photos.example/new/*\", or \"/new/*\" for the same host";
    let bad = |why: &str| Wrong::new(format!("{} can't be redirected to: {why}", quoted(text)), EXAMPLE);
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte)) {
        return Err(bad("it holds a character that must be percent-encoded"));
    }
    let (to, joins_rest) = match text.strip_suffix("/*") {
        Some(_) => (&text[..text.len() - 1], true),
        None => (text, false),
    };
    if to.contains('*') {
        return Err(bad("`*` is the whole last segment"));
    }
    let is_path = to.starts_with('/') && !to.starts_with("//");
    let is_url = ["http://", "https://"].iter().any(|scheme| to.starts_with(scheme));
    if !is_path && !is_url {
        return Err(bad("it is neither a path nor an http or https URL"));
    }
    if joins_rest && to.contains(['?', '#']) {
        return Err(bad("the rest of a path can't stand in a query or a fragment"));
    }
    if is_url {
        Url::parse(to).map_err(|error| bad(&error.to_string()))?;
    }
    Ok((to.to_owned(), joins_rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_one_pattern() {
        for (text, shown) in [
            ("/api/*", "/api/*"),
            ("/%61pi/*", "/api/*"),
            ("//api/.//*", "/api/*"),
            ("/*", "/*"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/", "/"),
            ("/a%20b", "/a%20b"),
            ("/caf\u{e9}", "/caf%C3%A9"),
        ] {
            assert_eq!(pattern(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "api", "*", "/a*", "/a*/b", "/*/b", "/a?b", "/a#b", "/%zz", "https://a/b", "/a\n"] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_leads_to_a_url_or_a_path() {
        for (text, to, joins_rest) in [
            ("https://new.example/*", "https://new.example/", true),
            ("https://new.example", "https://new.example", false),
            ("http://new.example:8080/a?b=c", "http://new.example:8080/a?b=c", false),
            ("/new/*", "/new/", true),
            ("/*", "/", true),
        ] {
            assert_eq!(target(text), Ok((to.to_owned(), joins_rest)), "{text}");
        }
        for text in [
            "",
            "new",
            "//evil.example/*",
            "ftp://a/",
            "javascript:alert(1)",
            "https://",
            "https://a/b*",
            "https://a/*/b",
            "/a?b=/*",
            "/a b",
            "/a\r\nSet-Cookie: x",
            "/\\evil.example",
        ] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
