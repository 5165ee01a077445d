//! URLs as operators write them.

use http::uri::PathAndQuery;

use super::{Folded, MAX_URL, Scheme, Spelling, UrlError, escapes, fold, host};

/// A URL as an operator writes it, taken apart.
pub(super) struct Written {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) target: PathAndQuery,
}

impl Written {
    pub(super) fn read(text: &str) -> Result<Written, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = split_scheme(text)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = host::host_and_port(authority)?;
        let target = escapes::wire_target(target)?;
        let target = PathAndQuery::try_from(target).map_err(|_| UrlError::BadCharacter)?;
        Ok(Written { scheme, host, port, target })
    }
}

/// As [`super::Url::parse`], for those who need its readings alone: the usual one first.
pub fn readings(text: &str) -> Result<Box<[Folded]>, UrlError> {
    let Written { host, target, .. } = Written::read(text)?;
    let (folded, others) = fold::fold(host.trim_end_matches('.'), target.as_str())?;
    Ok(std::iter::once(folded).chain(others).collect())
}

/// The same as a site's spelling has it. All of them have one query, in which `;` separates.
pub fn readings_by(text: &str, spelling: &Spelling) -> Result<Box<[Folded]>, UrlError> {
    let Written { host, target, .. } = Written::read(text)?;
    let mut readings = fold::spelled(host.trim_end_matches('.'), target.as_str(), spelling)?.readings.into_vec();
    let query = readings.first().and_then(Folded::query).map(str::to_owned);
    readings.retain(|reading| reading.query() == query.as_deref());
    Ok(readings.into())
}

/// Whether a text is an absolute URI (RFC 3986 section 4.3) that can stand between the `<` and `>` of a
/// Link field (RFC 8288 section 3), whatever its scheme.
pub fn is_reference(text: &str) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !rest.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte))
}

pub(super) fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    for (name, scheme) in [("https://", Scheme::Https), ("http://", Scheme::Http)] {
        if let Some(start) = text.get(..name.len())
            && start.eq_ignore_ascii_case(name)
        {
            return Ok((scheme, &text[name.len()..]));
        }
    }
    let before_path = text.split(['/', '?', '#']).next().unwrap_or_default();
    // `ftp://h`, and `https:/h`, in which a careless reader would see a host named "https".
    let is_ours = ["http:", "https:"].iter().any(|name| before_path.eq_ignore_ascii_case(name));
    if is_ours || (before_path.ends_with(':') && text[before_path.len()..].starts_with("//")) {
        return Err(UrlError::Scheme);
    }
    Ok((Scheme::Https, text))
}
