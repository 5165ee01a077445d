//! Patterns: rules that are regular expressions over the canonical text of a URL.
//!
//! What a pattern sees is ASCII: `https://`, the host in lower case (A-labels, no port), the path
//! without empty segments, dots, `;params` or a slash at its end, then `?` and the query's pairs,
//! sorted, where there are any. Escapes stand only for bytes that can't stand for themselves, in
//! upper-case digits. A pattern is tried on this text of every reading of a URL, and on the same text
//! without its query, so that neither a spelling nor a query hung on is a way round it.
//!
//! Matching takes time in proportion to the text, whatever the pattern.

use std::fmt;

use regex_automata::MatchKind;
use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};
use terms::Folded;

const SCHEME: &str = "https://";

/// Compiled, a pattern takes this many bytes at most: some 2,000 states. What takes more is a list of
/// URLs in disguise, or a count such as `{1000}`.
const MAX_SIZE: usize = 128 << 10;

/// Deeper than people nest brackets; the parser and what walks its result recurse that far.
const MAX_NESTING: u32 = 50;

/// What the states of a lazy automaton may take on each thread that matches, beside what the least
/// of them takes, which grows with the patterns.
const CACHE: usize = 256 << 10;

/// One pattern.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    hir: Hir,
    starts: Vec<Box<str>>,
    regex: Regex,
}

/// Equal where they are written alike.
impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}", self.source)
    }
}

/// Why a text is no pattern: what is wrong from its byte `at` on, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BadPattern {
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl BadPattern {
    fn new(at: usize, what: impl Into<String>) -> BadPattern {
        BadPattern { at, what: what.into() }
    }
}

impl Pattern {
    /// Reads a regular expression, without the `~` that stands before it in a list.
    pub fn read(source: &str) -> Result<Pattern, BadPattern> {
        if let Some((at, _)) = source.char_indices().find(|(_, character)| !character.is_ascii()) {
            let what = "a pattern is tried on canonical text, which is ASCII; write %C3%A9 for é";
            return Err(BadPattern::new(at, what));
        }
        Pattern::compile(source, false, MAX_SIZE)
    }

    /// The same, whatever the case of letters, for what is asked of a site that ignores case.
    #[must_use]
    pub fn in_any_case(&self) -> Pattern {
        // Where one letter was, there are two: no pattern grows beyond this.
        Pattern::compile(&self.source, true, 4 * MAX_SIZE).unwrap_or_else(|_| self.clone())
    }

    fn compile(source: &str, ignore_case: bool, most: usize) -> Result<Pattern, BadPattern> {
        let mut parser = ParserBuilder::new();
        let parser = parser.unicode(false).utf8(false).nest_limit(MAX_NESTING).case_insensitive(ignore_case);
        let hir = parser.build().parse(source).map_err(|error| unreadable(&error))?;
        match hir.properties().minimum_len() {
            None => return Err(BadPattern::new(0, "no text matches this pattern")),
            Some(0) => return Err(BadPattern::new(0, "this pattern matches the empty text, and so every URL")),
            Some(_) => {}
        }
        let starts = starts(&hir)?;
        let limited = configuration(most).nfa_size_limit(Some(most));
        let too_large = |_| {
            let what = format!(
                "compiled, this pattern takes more than {} KiB; split it, or count less with {{…}}",
                most >> 10
            );
            BadPattern::new(0, what)
        };
        let regex = Regex::builder().configure(limited).build_from_hir(&hir).map_err(too_large)?;
        Ok(Pattern { source: source.into(), hir, starts, regex })
    }

    /// Whether the pattern is about one reading of a URL.
    pub fn covers(&self, asked: &Folded) -> bool {
        texts(asked).any(|text| self.regex.is_match(text))
    }

    /// What a text has to begin with, behind `https://`, to be worth trying: one of these. A host
    /// that is named whole has a `/` behind it, and nothing else holds one; the empty text is any.
    pub(crate) fn starts(&self) -> &[Box<str>] {
        &self.starts
    }

    /// The hosts that it names whole, if all that it matches is under them; else none.
    pub fn hosts(&self) -> Vec<&str> {
        let named = || self.starts.iter().filter_map(|start| start.strip_suffix('/'));
        if self.names_hosts() { named().collect() } else { Vec::new() }
    }

    /// Whether all that it matches is under hosts that it names whole.
    pub(crate) fn names_hosts(&self) -> bool {
        self.starts.iter().all(|start| start.ends_with('/'))
    }

    pub(crate) fn hir(&self) -> &Hir {
        &self.hir
    }

    pub(crate) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// What it takes of what all patterns may take.
    pub(crate) fn share(&self) -> Share {
        Share { patterns: 1, bytes: self.regex.memory_usage() }
    }
}

/// How patterns are compiled: without captures, for whether there is a match is all that is asked, and
/// with nothing built ahead that a cache of bounded size can hold. `size` is what the automaton is
/// expected to take.
pub(crate) fn configuration(size: usize) -> Config {
    Config::new()
        .match_kind(MatchKind::All)
        .utf8_empty(false)
        .which_captures(WhichCaptures::None)
        .onepass(false)
        .dfa(false)
        .backtrack(false)
        .hybrid_cache_capacity(CACHE + 2 * size)
}

/// The texts of a reading that a pattern is tried on.
pub(crate) fn texts(asked: &Folded) -> impl Iterator<Item = &str> {
    std::iter::once(asked.as_str()).chain(asked.query().map(|_| asked.without_query()))
}

fn unreadable(error: &regex_syntax::Error) -> BadPattern {
    let (at, what) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        _ => (0, "it can't be read".to_owned()),
    };
    BadPattern::new(at, format!("this is no regular expression: {what}"))
}

/// See [`Pattern::starts`]. An error for a pattern that no canonical text can match.
fn starts(hir: &Hir) -> Result<Vec<Box<str>>, BadPattern> {
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return Ok(vec!["".into()]);
    }
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_literal_len(SCHEME.len() + 256).limit_total(64);
    let extracted = extractor.extract(&lowered(hir));
    let Some(literals) = extracted.literals() else { return Ok(vec!["".into()]) };
    let (mut starts, mut never) = (Vec::new(), None);
    for literal in literals {
        let text = std::str::from_utf8(literal.as_bytes()).unwrap_or_default();
        match text.strip_prefix(SCHEME) {
            Some(rest) => starts.push(start(rest)?),
            None if SCHEME.starts_with(text) => starts.push("".into()),
            None => never = Some(text),
        }
    }
    if let (true, Some(text)) = (starts.is_empty(), never) {
        let what =
            format!("the canonical text always begins with {SCHEME}, and this asks for `{text}`; write ~^{SCHEME}…");
        return Err(BadPattern::new(0, what));
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}

/// The host, or as much of it as is certain, of a text behind the scheme.
fn start(rest: &str) -> Result<Box<str>, BadPattern> {
    let end = rest.find('/').map_or(rest.len(), |slash| slash + 1);
    let host = &rest[..end];
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(BadPattern::new(
            0,
            format!("hosts stand in lower case in the canonical text, and `{host}` does not"),
        ));
    }
    if host.contains(':') && !host.starts_with('[') {
        return Err(BadPattern::new(0, format!("no port stands in the canonical text; leave it out of `{host}`")));
    }
    Ok(host.into())
}

/// The expression with lower case where it takes either. Of what it matches, all that has its host in
/// lower case begins as before up to the host's end, and that is all that is made of it.
fn lowered(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => match class.ranges() {
            [upper, lower]
                if upper.len() == 1 && lower.len() == 1 && upper.start().to_ascii_lowercase() == lower.start() =>
            {
                Hir::literal([lower.start()])
            }
            _ => hir.clone(),
        },
        HirKind::Repetition(one) => Hir::repetition(Repetition {
            sub: Box::new(lowered(&one.sub)),
            min: one.min,
            max: one.max,
            greedy: one.greedy,
        }),
        HirKind::Capture(one) => {
            Hir::capture(Capture { index: one.index, name: one.name.clone(), sub: Box::new(lowered(&one.sub)) })
        }
        HirKind::Concat(all) => Hir::concat(all.iter().map(lowered).collect()),
        HirKind::Alternation(all) => Hir::alternation(all.iter().map(lowered).collect()),
        _ => hir.clone(),
    }
}

/// What patterns take of what all of them together may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub patterns: usize,
    /// Of the compiled automata.
    pub bytes: usize,
}

impl Share {
    /// Of all lists and live edits together.
    pub const ALL: Share = Share { patterns: 1_000, bytes: 4 << 20 };

    #[must_use]
    pub fn plus(self, other: Share) -> Share {
        Share { patterns: self.patterns + other.patterns, bytes: self.bytes + other.bytes }
    }

    /// What is wrong where these are more than there may be.
    pub(crate) fn excess(self) -> Option<String> {
        let of = "of all lists and live blocks together";
        if self.patterns > Share::ALL.patterns {
            return Some(format!(
                "this is one pattern more than the {} {of} that there may be; name URLs, prefixes or hosts",
                Share::ALL.patterns
            ));
        }
        let most = Share::ALL.bytes >> 20;
        (self.bytes > Share::ALL.bytes)
            .then(|| format!("with this pattern, those {of} take more than {most} MiB compiled; write simpler ones"))
    }
}

impl std::iter::Sum for Share {
    fn sum<I: Iterator<Item = Share>>(shares: I) -> Share {
        shares.fold(Share::default(), Share::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Url;

    fn pattern(source: &str) -> Pattern {
        Pattern::read(source).unwrap_or_else(|bad| panic!("{source}: {bad:?}"))
    }

    #[test]
    fn a_pattern_sees_the_canonical_text() {
        let leak = pattern(r"^https://photos\.example/u/[0-9]+/leak$");
        for text in [
            "photos.example/u/17/leak",
            "http://PHOTOS.example.:8080/u/%31/leak/",
            "photos.example//u/./1/x/../leak;v=1?any=query",
            "photos.example/u%2F1%2fleak",
            "photos.example/u/1//../../u/1/leak",
        ] {
            let url = Url::parse(text).unwrap();
            assert!(url.readings().any(|reading| leak.covers(reading)), "{text}");
        }
        for text in
            ["photos.example/u/x/leak", "photos.example/u/1/leaks", "x.example/?https://photos.example/u/1/leak"]
        {
            assert!(!leak.covers(Url::parse(text).unwrap().folded()), "{text}");
        }
        let pairs = pattern(r"\?a=1&b=2$");
        assert!(pairs.covers(Url::parse("h.example/p?b=2&a=1&a=1").unwrap().folded()));
    }

    #[test]
    fn what_a_text_begins_with_is_told_as_far_as_it_is_certain() {
        for (source, starts) in [
            (r"^https://photos\.example/u/[0-9]+", &["photos.example/"][..]),
            (r"(?i)^https://Photos\.example/U/x", &["photos.example/"]),
            (r"^https://(www\.)?photos\.example/", &["www.photos.example/", "photos.example/"]),
            (r"^https://(a|b)\.example/x", &["a.example/", "b.example/"]),
            (r"^https://photos\.example$", &["photos.example"]),
            (
                r"^https://cdn[0-9]+\.example/",
                &["cdn0", "cdn1", "cdn2", "cdn3", "cdn4", "cdn5", "cdn6", "cdn7", "cdn8", "cdn9"],
            ),
            (r"^https://.*/leak", &[""]),
            (r"^https?://h\.example/", &["h.example/"]),
            (r"/leak[0-9]", &[""]),
            (r"^https:", &[""]),
        ] {
            let found: Vec<String> = pattern(source).starts().iter().map(|start| start.to_string()).collect();
            let mut expected: Vec<&str> = starts.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "{source}");
        }
    }

    #[test]
    fn what_could_never_match_or_always_would_is_refused() {
        for (source, at, what) in [
            ("^https://h.example/(", 19, "unclosed group"),
            ("^https://h.example/[z-a]", 20, "invalid"),
            (r"^https://h\.example/\p{Greek}", 20, "Unicode"),
            ("^https://h/caf\u{e9}", 14, "%C3%A9"),
            ("", 0, "every URL"),
            ("leak|", 0, "every URL"),
            ("^http://h.example/", 0, "always begins with https://"),
            ("^https://H.example/", 0, "lower case"),
            (r"^https://h\.example:8080/", 0, "no port"),
            ("^https://h.example/(ab?){400}{400}", 0, "more than 128 KiB"),
            (&format!("{}a{}", "(".repeat(60), ")".repeat(60)), 50, "nest"),
        ] {
            let bad = Pattern::read(source).unwrap_err();
            assert!(bad.what.contains(what), "{source}: {bad:?}");
            assert_eq!(bad.at, at, "{source}: {bad:?}");
        }
    }
}
