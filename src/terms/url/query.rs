//! Queries: sets of pairs.

use super::UrlError;
use super::escapes::{escape, push_escaped};
use super::spelling::Parameters;

/// The set of a query's pairs, as a text; `None` when it holds none. `;` separates too, as it did in
/// HTML 4 and does in some servers still.
pub(super) fn fold(query: &str) -> Result<Option<String>, UrlError> {
    let mut pairs = Vec::new();
    for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let pair = fold_pair(pair)?;
        if !pair.is_empty() {
            pairs.push(pair);
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Ok(joined(&pairs))
}

fn joined<T: AsRef<str>>(pairs: &[T]) -> Option<String> {
    let all = || pairs.iter().map(AsRef::as_ref);
    (!pairs.is_empty()).then(|| all().collect::<Vec<&str>>().join("&"))
}

/// What is left of a query without parameters that an origin ignores, in each way in which it may be read, the usual
/// one first: where `;` doesn't separate, what stands behind it goes with what is ignored before it.
pub(super) fn left(query: &str, ignored: &Parameters) -> Result<Vec<Option<String>>, UrlError> {
    let whole = fold(query)?;
    if ignored.is_empty() {
        return Ok(vec![whole]);
    }
    let mut all = vec![joined(&ignored.left_out_of(whole.as_deref()).collect::<Vec<&str>>())];
    if query.contains(';') {
        let mut kept = Vec::new();
        for pair in query.split('&') {
            if !ignored.has(&name(pair.split('=').next().unwrap_or_default())?) {
                kept.push(pair);
            }
        }
        let other = fold(&kept.join("&"))?;
        if !all.contains(&other) {
            all.push(other);
        }
    }
    Ok(all)
}

/// A parameter's name, canonical.
pub(super) fn name(name: &str) -> Result<String, UrlError> {
    let mut text = String::with_capacity(name.len());
    push_query_part(&mut text, name, false)?;
    // Some servers drop blanks before a name, and what stands behind a NUL in it.
    let name_start = text.len() - text.trim_start_matches("%20").len();
    text.drain(..name_start);
    text.truncate(text.find("%00").unwrap_or(text.len()));
    Ok(text)
}

/// A name, and a value behind `=` unless it is empty. `+` is a blank.
fn fold_pair(pair: &str) -> Result<String, UrlError> {
    let (named, value) = pair.split_once('=').unwrap_or((pair, ""));
    let mut text = name(named)?;
    if !value.is_empty() {
        text.push('=');
        push_query_part(&mut text, value, true)?;
    }
    Ok(text)
}

fn push_query_part(text: &mut String, part: &str, is_value: bool) -> Result<(), UrlError> {
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'+' => b' ',
            b'%' => escape(&mut rest)?,
            other => other,
        };
        match byte {
            b'/' | b'?' => text.push(byte as char),
            b'=' if is_value => text.push('='),
            _ => push_escaped(text, byte),
        }
    }
    Ok(())
}
