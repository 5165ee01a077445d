//! Texts of the config as they are shown: of a URL no query and no user, for either may hold a secret.

use std::ops::Range;

use net::{BadTarget, Target};
use terms::Digest;

/// What stands for what is hidden.
const HIDDEN: char = '…';

/// Hexadecimal digits that stand for a query: enough to see that it changed, too few to try keys by.
const MARK: usize = 4;

/// A URL, or what was meant as one.
pub(super) fn url(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    hide(&chars, secrets(&chars)).into_iter().flatten().collect()
}

/// A URL, with what tells another query from its own in place of the query.
pub(super) fn marked_url(url: &str) -> String {
    match url.split_once('?') {
        Some((before, query)) => {
            let digest = Digest::of(query.as_bytes()).hex().to_string();
            format!("{before}?{HIDDEN}{}", &digest[..MARK])
        }
        None => url.to_owned(),
    }
}

/// A line of TOML: its characters, each with how it is shown, if at all. In strings whatever stands behind a `?` is
/// taken for a query, since the line may be about a URL that was written in some odd way.
pub(super) fn line(text: &str) -> Vec<Option<char>> {
    let chars: Vec<char> = text.chars().collect();
    let secrets = parts(&chars).into_iter().flat_map(|(part, is_string)| {
        let within = &chars[part.clone()];
        let found = if is_string { secrets(within) } else { unquoted_secrets(within) };
        found.map(|secret| behind(part.start, secret))
    });
    hide(&chars, secrets)
}

/// How each character is shown, if at all.
fn hide(chars: &[char], secrets: impl IntoIterator<Item = Range<usize>>) -> Vec<Option<char>> {
    let mut shown: Vec<Option<char>> = chars.iter().copied().map(Some).collect();
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        shown[secret.clone()].fill(None);
        shown[secret.start] = Some(HIDDEN);
    }
    shown
}

/// What stands within quotes and what doesn't, in turn; whether it does.
fn parts(chars: &[char]) -> Vec<(Range<usize>, bool)> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quote, mut escaped) = (None, false);
    for (at, &c) in chars.iter().enumerate() {
        let is_end = match quote {
            None => c == '"' || c == '\'',
            Some(quote) => c == quote && !escaped,
        };
        escaped = quote == Some('"') && c == '\\' && !escaped;
        if is_end {
            parts.push((start..at, quote.is_some()));
            quote = quote.is_none().then_some(c);
            start = at + 1;
        }
    }
    parts.push((start..chars.len(), quote.is_some()));
    parts
}

/// Users and passwords, and the query. In what is no URL, or one with a user, whatever may have been meant as such:
/// passwords may hold what ends them elsewhere. What can be asked for as it stands is shown up to its query: who wrote
/// `https://me:80/x@h/` may have meant a user, and has named a host, a port and a path, as others do on purpose.
fn secrets(chars: &[char]) -> [Range<usize>; 2] {
    let text: String = chars.iter().collect();
    let has_no_user = matches!(Target::parse(&text), Ok(_) | Err(BadTarget::InClear));
    let (start, query) = (behind_scheme(chars), behind_question_mark(chars));
    let host = match chars[query..].contains(&'@') {
        _ if has_no_user => start,
        true => chars.len(),
        false => chars[start..query].iter().rposition(|&c| c == '@').map_or(start, |at| start + at),
    };
    [start..host, query.max(host)..chars.len()]
}

/// In what stands in no quotes: an address, as a comment may hold it, is no URL.
fn unquoted_secrets(chars: &[char]) -> [Range<usize>; 2] {
    let query = behind_question_mark(chars);
    let at_sign = chars.iter().rposition(|&c| c == '@');
    let mark = at_sign.and_then(|at| chars[..at].iter().position(|&c| c == ':' || c == '/'));
    let word = mark.map(|mark| mark - chars[..mark].iter().rev().take_while(|c| is_of_scheme(**c)).count());
    match word.filter(|word| *word < query) {
        Some(word) => secrets(&chars[word..]).map(|secret| behind(word, secret)),
        None => [0..0, query..chars.len()],
    }
}

/// Where a scheme and the slashes behind it end, however many there are.
fn behind_scheme(chars: &[char]) -> usize {
    let scheme = chars.iter().take_while(|c| is_of_scheme(**c)).count();
    let colon = if chars.get(scheme) == Some(&':') { scheme + 1 } else { 0 };
    let slashes = chars[colon..].iter().take_while(|c| **c == '/').count();
    if slashes == 0 { 0 } else { colon + slashes }
}

fn behind_question_mark(chars: &[char]) -> usize {
    chars.iter().position(|&c| c == '?').map_or(chars.len(), |at| at + 1)
}

fn is_of_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+-.".contains(c)
}

fn behind(start: usize, range: Range<usize>) -> Range<usize> {
    start + range.start..start + range.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_neither_query_nor_user_is_shown() {
        for (text, shown) in [
            ("https://f.example/l", "https://f.example/l"),
            ("https://f.example/l?token=s3cret&x", "https://f.example/l?…"),
            ("https://f.example/l?", "https://f.example/l?"),
            ("https://f.example?s3cret", "https://f.example?…"),
            ("https://me:s3cret@f.example/l?s3cret#x", "https://…@f.example/l?…"),
            ("https://me:s3@cr/et@f.example/l", "https://…@f.example/l"),
            ("https://f.example/@l", "https://f.example/@l"),
            ("https://f.example:8443/of/me@l.example", "https://f.example:8443/of/me@l.example"),
            ("https://f.example/l?to=s3cret@x", "https://f.example/l?…"),
            ("https://me:s3c?ret@f.example/l", "https://…"),
            ("https://me:s3@c?ret@f.example/l", "https://…"),
            ("https://me:s3cr/et@f.example/l?s3cret", "https://…@f.example/l?…"),
            ("https://me:s3cr#et@f.example/l", "https://…@f.example/l"),
            ("https:/me:s3cret@f.example/l", "https:/…@f.example/l"),
            ("https:///me:s3cret@f.example/l", "https:///…@f.example/l"),
            ("https:me:s3cret@f.example/l", "…@f.example/l"),
            ("//me:s3cret@f.example/l", "//…@f.example/l"),
            ("htps://me:s3cr/et@f.example", "htps://…@f.example"),
            ("http://me:s3cret@127.0.0.1:3000", "http://…@127.0.0.1:3000"),
            ("me:s3cret@f.example/l?s3cret", "…@f.example/l?…"),
            ("f.example/l?s3cret https://", "f.example/l?…"),
            ("", ""),
        ] {
            assert_eq!(url(text), shown, "{text}");
        }
    }

    #[test]
    fn in_a_line_strings_are_taken_for_urls() {
        let shown = |text: &str| line(text).into_iter().flatten().collect::<String>();
        for (text, is_shown) in [
            (
                "lists = [{ url = \"https://f.example/l?s3cret\", every = \"5m\" }, { url = 'f.example/?s3cret' }]",
                "lists = [{ url = \"https://f.example/l?…\", every = \"5m\" }, { url = 'f.example/?…' }]",
            ),
            ("url = \"https://me:s3cret@f.example/\" # ok?", "url = \"https://…@f.example/\" # ok?"),
            ("url = \"https://f.example/?a\\\"s3cret\", x = 1", "url = \"https://f.example/?…\", x = 1"),
            ("url = \"https://f.example/?s3cret", "url = \"https://f.example/?…"),
            ("url = https://me:s3cret@f.example/?s3cret", "url = https://…@f.example/?…"),
            ("url = https:/me:s3cr/et@f.example/?s3cret # ok", "url = https:/…@f.example/?…"),
            ("url=//me:s3cret@f.example/l", "url=//…@f.example/l"),
            ("# https://f.example/ or https://me:s3cret@f.example/", "# https://…@f.example/"),
            ("# ok? https://me:s3cret@f.example/", "# ok?…"),
            ("# me@f.example", "# me@f.example"),
        ] {
            assert_eq!(shown(text), is_shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_shown_in_no_more_characters(text in "[a-z:/?@#\"'\\\\ é]{0,40}") {
            proptest::prop_assert_eq!(line(&text).len(), text.chars().count());
            proptest::prop_assert!(url(&text).chars().count() <= text.chars().count());
        }
    }
}
