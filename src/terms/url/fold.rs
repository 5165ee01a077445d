//! Folding: every spelling that a server could take for the same resource becomes one text.
//!
//! Servers differ in what separates segments (`/`, `\`, an encoded slash), in whether empty segments
//! count, and in whether `;params` go before or after dots are resolved. A single text can merge all
//! that, but for one case: what `..` takes away depends on what counted as a segment before it. Such
//! a path has several readings, and a rule that covers any of them covers the request.

use super::escapes::{CLASSES, Class};
use super::spelling::{EncodedSlash, PathParams, Spelled, Spelling};
use super::{MAX_URL, UrlError, host, path, query};

const SCHEME: &str = "https://";

/// A canonical URL: `https://host/path?query`.
///
/// The path has no empty segment, no `.` or `..`, no `;params`, no `/` at its end unless it is the
/// root; escapes stand only for bytes that can't stand for themselves. The query's pairs are sorted
/// and each stands once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Folded {
    text: Box<str>,
    host_end: u32,
    path_end: u32,
}

impl Folded {
    fn new(host: &str, path: &str, query: Option<&str>) -> Folded {
        let length = SCHEME.len() + host.len() + path.len() + query.map_or(0, |query| query.len() + 1);
        let mut text = String::with_capacity(length);
        text.push_str(SCHEME);
        text.push_str(host);
        let host_end = text.len() as u32;
        text.push_str(path);
        let path_end = text.len() as u32;
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Folded { text: text.into_boxed_str(), host_end, path_end }
    }

    /// The one reading of a URL that an operator wrote in its canonical form, without a query, as most are: one look
    /// at its bytes instead of all the steps. `None` says nothing of the URL.
    pub fn as_written(text: &str) -> Option<Folded> {
        let behind = text.strip_prefix(SCHEME).filter(|_| text.len() <= MAX_URL)?;
        let (host, path) = behind.split_at(behind.bytes().position(|byte| byte == b'/')?);
        let is_canonical = host::is_plain(host) && !host.ends_with('.') && path::is_plain(path);
        is_canonical.then(|| Folded {
            text: text.into(),
            host_end: (SCHEME.len() + host.len()) as u32,
            path_end: text.len() as u32,
        })
    }

    /// The same path and query under another host, which is canonical.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Folded {
        Folded::new(host, self.path(), self.query())
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn host(&self) -> &str {
        &self.text[SCHEME.len()..self.host_end as usize]
    }

    /// `/`, or segments each with a `/` before it.
    pub fn path(&self) -> &str {
        &self.text[self.host_end as usize..self.path_end as usize]
    }

    /// All behind the host.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.host_end as usize..]
    }

    /// Host, path and query.
    pub fn behind_scheme(&self) -> &str {
        &self.text[SCHEME.len()..]
    }

    /// Scheme, host and path.
    pub fn without_query(&self) -> &str {
        &self.text[..self.path_end as usize]
    }

    /// The pairs joined by `&`; `None` when there is none.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_end as usize + 1..)
    }

    /// The pairs in order, each once.
    pub fn pairs(&self) -> impl Iterator<Item = &str> {
        self.query().into_iter().flat_map(|query| query.split('&'))
    }
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Folds a target in origin-form. The readings beside the main one are few, and differ from it.
pub(super) fn fold(host: &str, target: &str) -> Result<(Folded, Vec<Folded>), UrlError> {
    let (path, query) = parts(target)?;
    let pairs = query.map(query::fold).transpose()?.flatten();
    let query = pairs.as_deref();
    if path::is_plain(path) {
        return Ok((Folded::new(host, path, query), Vec::new()));
    }
    let (main, others) = path::readings(path, &Spelling::USUAL)?;
    let others = others.iter().map(|path| Folded::new(host, path, query)).collect();
    Ok((Folded::new(host, &main, query), others))
}

fn parts(target: &str) -> Result<(&str, Option<&str>), UrlError> {
    if target.bytes().any(|byte| CLASSES[usize::from(byte)] == Class::Never) {
        return Err(UrlError::Control);
    }
    Ok(match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    })
}

/// Folds a target as a site's spelling has it.
pub(super) fn spelled(host: &str, target: &str, spelling: &Spelling) -> Result<Spelled, UrlError> {
    let (path, query) = parts(target)?;
    let (main, others) = path::readings(path, spelling)?;
    let with = |query: Option<&str>| -> Vec<Folded> {
        std::iter::once(&main).chain(&others).map(|path| Folded::new(host, path, query)).collect()
    };
    let whole = query.map(query::fold).transpose()?.flatten();
    let left = query::left(query.unwrap_or_default(), &spelling.ignored)?;
    let is_whole = left[0] == whole;
    let readings = left.iter().flat_map(|query| with(query.as_deref())).collect();
    let whole = if is_whole { Vec::new() } else { with(whole.as_deref()) };
    Ok(Spelled { readings, whole: whole.into() })
}

/// What the usual reading makes of a target, step by step.
pub(super) fn steps(target: &str, spelling: &Spelling) -> Result<Vec<(&'static str, String)>, UrlError> {
    let (path, query) = target.find('?').map_or((target, ""), |at| target.split_at(at));
    let [decoded, resolved, cased] = path::steps(path, spelling)?;
    let asked = query.strip_prefix('?');
    let whole = asked.map(query::fold).transpose()?.flatten();
    let left = query::left(asked.unwrap_or_default(), &spelling.ignored)?;
    let shown = |pairs: &Option<String>| pairs.as_ref().map(|pairs| format!("?{pairs}")).unwrap_or_default();
    let segments = match (spelling.path_params, spelling.encoded_slash) {
        (PathParams::Ignored, EncodedSlash::Slash) => "no empty segment, dot, ;params or slash at the end",
        (PathParams::Distinct, EncodedSlash::Slash) => {
            "no empty segment, dot or slash at the end; ;params stay, for the site tells them apart"
        }
        (PathParams::Ignored, EncodedSlash::Distinct) => {
            "no empty segment, dot, ;params or slash at the end; %2F and %5C stay, for the site tells them apart"
        }
        (PathParams::Distinct, EncodedSlash::Distinct) => {
            "no empty segment, dot or slash at the end; ;params, %2F and %5C stay, for the site tells them apart"
        }
    };
    let mut steps = vec![
        ("escapes of the path decoded, once", format!("{decoded}{query}")),
        (segments, format!("{resolved}{query}")),
    ];
    if spelling.ignore_case {
        steps.push(("the path in lower case, for the site ignores case", format!("{cased}{query}")));
    }
    steps.push(("pairs of the query sorted, each once", format!("{cased}{}", shown(&whole))));
    if left[0] != whole {
        steps.push(("without the parameters that the site ignores", format!("{cased}{}", shown(&left[0]))));
    }
    Ok(steps)
}
