//! The URLs that a field names as a target: as a URI reference, and as what stands on a request's line, since nobody
//! knows which of the two an origin reads it as.

use terms::{Folded, Refusal, Url};

/// What a value may be taken for in a request for `url`. Nothing is resolved before it is folded: `..` takes away
/// what the server that reads it says.
pub(super) fn readings(url: &Url, value: &str) -> Result<Vec<Url>, Refusal> {
    if value.contains('#') {
        return Err(Refusal::BadHead("a field that names another URL has a fragment, which is no part of a request"));
    }
    if ["http://", "https://"].iter().any(|scheme| begins_with(value, scheme)) {
        return Ok(vec![Url::parse(value)?]);
    }
    let mut found = Vec::new();
    if let Some(rest) = value.strip_prefix(['/', '\\']).and_then(|rest| rest.strip_prefix(['/', '\\'])) {
        found.push(Url::parse(&format!("https://{rest}"))?);
    } else if has_scheme(value) {
        found.push(Url::parse(value)?);
    }
    let path = url.target().split('?').next().unwrap_or_default();
    match value.as_bytes().first() {
        Some(b'/') => found.push(at(url, value)?),
        // Relative to what, is for the origin to say.
        first => {
            let base = match first {
                Some(b'?') => path,
                _ => &path[..path.rfind('/').map_or(0, |slash| slash + 1)],
            };
            found.push(at(url, &format!("{base}{value}"))?);
            found.push(at(url, &format!("/{value}"))?);
        }
    }
    Ok(found)
}

/// What stands under a path that a field puts before that of `url`.
pub(super) fn under(url: &Url, prefix: &str) -> Result<Url, Refusal> {
    if prefix.contains(['?', '#']) {
        return Err(Refusal::BadHead("a field that names a prefix names more than a path"));
    }
    at(url, &format!("{}{}", prefix.trim_end_matches('/'), url.target()))
}

/// Shows `add` what a program may take for all of the path of `url` that is said to stand under `mount`: what is behind
/// any slash, since nobody knows in which spelling it compares the two, and behind that very text.
pub(super) fn behind(url: &Url, mount: &str, mut add: impl FnMut(Url) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let target = url.target();
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut left = |rest: &str| add(at(url, &format!("/{rest}{query}"))?);
    for path in std::iter::once(path).chain(url.readings().map(Folded::path)) {
        path.match_indices('/').try_for_each(|(slash, _)| left(&path[slash + 1..]))?;
        path.split_once(mount).map_or(Ok(()), |(_, rest)| left(rest))?;
    }
    Ok(())
}

/// A target at the authority of `url`.
fn at(url: &Url, target: &str) -> Result<Url, Refusal> {
    if !target.starts_with('/') {
        return Err(Refusal::BadHead("a field that names another URL names no path"));
    }
    Ok(url.with_target(url.scheme(), target)?)
}

/// Shows `add` what a field names, and the same with the query of the request's line in place of its own, and beside it:
/// an origin may take only the path from the field.
pub(super) fn with_queries(
    asked: &Url,
    named: Url,
    mut add: impl FnMut(Url) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some((_, query)) = asked.target().split_once('?').filter(|(_, query)| !query.is_empty()) else {
        return add(named);
    };
    let (path, own) = named.target().split_once('?').unwrap_or((named.target(), ""));
    let with_line = at(&named, &format!("{path}?{query}"))?;
    let with_both =
        if own.is_empty() || own == query { None } else { Some(at(&named, &format!("{path}?{own}&{query}"))?) };
    [Some(named), Some(with_line), with_both].into_iter().flatten().try_for_each(add)
}

fn begins_with(value: &str, start: &str) -> bool {
    value.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start))
}

/// RFC 3986 section 3.1.
fn has_scheme(value: &str) -> bool {
    let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
