//! Texts of the config as they are shown: of a URL no query and no user, for either may hold a secret.

use std::ops::Range;

/// What stands for what is hidden.
const HIDDEN: char = '…';

/// A URL, or what was meant as one.
pub(super) fn url(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut shown = String::new();
    for (at, c) in chars.iter().enumerate() {
        match secrets(&chars, true).into_iter().find(|secret| secret.contains(&at)) {
            None => shown.push(*c),
            Some(secret) if secret.start == at => shown.push(HIDDEN),
            Some(_) => {}
        }
    }
    shown
}

/// A line of TOML: its characters, each with how it is shown, if at all. In strings whatever stands behind a `?` is
/// taken for a query, since the line may be about a URL that was written in some odd way.
pub(super) fn line(text: &str) -> Vec<Option<char>> {
    let chars: Vec<char> = text.chars().collect();
    let mut shown: Vec<Option<char>> = chars.iter().copied().map(Some).collect();
    for (part, is_string) in parts(&chars) {
        for secret in secrets(&chars[part.clone()], is_string) {
            let secret = part.start + secret.start..part.start + secret.end;
            shown[secret.clone()].fill(None);
            if let Some(first) = shown.get_mut(secret.start).filter(|_| !secret.is_empty()) {
                *first = Some(HIDDEN);
            }
        }
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

/// Users and passwords, and the query. What may be no URL at all has a user only behind a scheme.
fn secrets(chars: &[char], is_url: bool) -> [Range<usize>; 2] {
    let find = |from: usize, wanted: &[char]| chars[from..].windows(wanted.len()).position(|some| some == wanted);
    let first_query = find(0, &['?']).unwrap_or(chars.len());
    let scheme = find(0, &[':', '/', '/']).filter(|at| *at < first_query).map(|at| at + 3);
    let start = scheme.unwrap_or(0);
    let end = find(start, &['/']).map_or(chars.len(), |at| start + at);
    let at_sign = chars[start..end].iter().rposition(|&c| c == '@').filter(|_| scheme.is_some() || is_url);
    let host = at_sign.map_or(start, |at| start + at);
    let query = find(host, &['?']).map_or(chars.len(), |at| host + at + 1);
    [start..host, query..chars.len()]
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
            ("https://me:s3cret@f.example/@l?s3cret#x", "https://…@f.example/@l?…"),
            ("https://me:s3c?ret@f.example/l", "https://…@f.example/l"),
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
