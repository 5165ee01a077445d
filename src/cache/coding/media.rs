//! Media types, and ranges of them.

use std::fmt;
use std::str::FromStr;

/// `text/html`, `text/*`, or `application/*+json`: all of a type, or those with a structured syntax suffix (RFC 6838
/// section 4.2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    /// In small letters.
    main: String,
    sub: Sub,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sub {
    Any,
    /// With its `+`.
    Suffix(String),
    One(String),
}

/// A text that is no range of media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form text/html, text/* or application/*+json")]
pub struct BadMediaRange;

impl FromStr for MediaRange {
    type Err = BadMediaRange;

    fn from_str(text: &str) -> Result<MediaRange, BadMediaRange> {
        let text = text.to_ascii_lowercase();
        let (main, sub) = text.split_once('/').filter(|(main, _)| is_token(main)).ok_or(BadMediaRange)?;
        let sub = match sub.strip_prefix('*') {
            Some("") => Sub::Any,
            Some(suffix) if suffix.starts_with('+') && is_token(&suffix[1..]) => Sub::Suffix(suffix.to_owned()),
            None if is_token(sub) => Sub::One(sub.to_owned()),
            Some(_) | None => return Err(BadMediaRange),
        };
        Ok(MediaRange { main: main.to_owned(), sub })
    }
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sub {
            Sub::Any => write!(f, "{}/*", self.main),
            Sub::Suffix(suffix) => write!(f, "{}/*{suffix}", self.main),
            Sub::One(sub) => write!(f, "{}/{sub}", self.main),
        }
    }
}

impl MediaRange {
    /// `value` is that of `Content-Type`; parameters and letter case make no difference.
    pub(super) fn covers(&self, value: &str) -> bool {
        let Some((main, sub)) = essence(value).split_once('/') else { return false };
        let ends_with = |suffix: &str| {
            let at = sub.len().checked_sub(suffix.len());
            at.filter(|at| *at > 0).and_then(|at| sub.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        main.eq_ignore_ascii_case(&self.main)
            && match &self.sub {
                Sub::Any => true,
                Sub::Suffix(suffix) => ends_with(suffix),
                Sub::One(one) => sub.eq_ignore_ascii_case(one),
            }
    }
}

/// Type and subtype of a media type, without its parameters.
pub(super) fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// RFC 9110 section 5.6.2, less `*`, which stands for others here.
fn is_token(text: &str) -> bool {
    let is_of_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_what_they_say() {
        for (range, value, covers) in [
            ("text/html", "text/html", true),
            ("text/html", "Text/HTML; charset=utf-8", true),
            ("text/html", "text/html5", false),
            ("text/html", "text/html charset=utf-8", false),
            ("text/*", "text/css;x=\"image/png\"", true),
            ("text/*", "texts/css", false),
            ("text/*", "text", false),
            ("text/*", "", false),
            ("application/*+json", "application/ld+json", true),
            ("application/*+json", "application/LD+JSON;profile=x", true),
            ("application/*+json", "application/json", false),
            ("application/*+json", "application/+json", false),
            ("application/*+json", "application/ld+json-seq", false),
            ("application/*+json", "model/gltf+json", false),
            ("image/svg+xml", "image/svg+xml", true),
        ] {
            let range: MediaRange = range.parse().unwrap();
            assert_eq!(range.covers(value), covers, "{range} {value}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_and_the_rest_written_as_it_was_read() {
        for text in
            ["text", "text/", "/html", "*/*", "*", "text/h*", "text/*+", "text/*json", "text/html; q=1", "a/b/c"]
        {
            assert_eq!(text.parse::<MediaRange>(), Err(BadMediaRange), "{text}");
        }
        for text in ["text/html", "text/*", "application/*+json"] {
            assert_eq!(text.parse::<MediaRange>().unwrap().to_string(), text);
        }
    }
}
