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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts near those that are their own canonical form.
    fn text() -> impl Strategy<Value = String> {
        let scheme =
            prop::sample::select(vec!["https://", "https://", "https://", "HTTPS://", "http://", "https:/", ""]);
        let piece = prop::sample::select(vec![
            "a",
            "photos.example",
            ".",
            "..",
            "/",
            "/",
            "//",
            "x-1",
            "-",
            "xn--",
            "_",
            "A",
            "%41",
            "%2F",
            ";v=1",
            "?a=1",
            "?",
            "#f",
            "@",
            ":",
            ":80",
            "\\",
            "*",
            "é",
            " ",
            "\u{1}",
            "&=+",
            "\"",
            "~!$'(),",
            "[::1]",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ]);
        (scheme, prop::collection::vec(piece, 0..10))
            .prop_map(|(scheme, pieces)| format!("{scheme}{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_taken_as_written_is_read_the_same_by_all_steps(text in text()) {
            if let Some(folded) = Folded::as_written(&text) {
                prop_assert_eq!(readings(&text), Ok(Box::from([folded])));
            }
        }
    }

    #[test]
    fn canonical_urls_are_taken_as_they_are_written() {
        for text in ["https://h.example/", "https://w1.cdn.example.org/a/b-c/img_1.jpg", "https://h/a:b@c/=&+"] {
            assert_eq!(Folded::as_written(text).as_ref().map(Folded::as_str), Some(text));
        }
        let long = format!("https://h.example/{}", "a".repeat(MAX_URL));
        for text in ["https://h.example", "https://h.example./a", "https://h.example/a?b", "https://H.example/a", &long]
        {
            assert_eq!(Folded::as_written(text), None, "{text:.40}");
        }
    }
}
