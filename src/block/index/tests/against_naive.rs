//! The index beside a matcher written straight from the contract's sentences, which walks every rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use terms::country::{ANYBODY, Doubt};
use terms::hosts::HostPattern;
use terms::url::{self, EncodedSlash, Parameters, PathParams, Spelling};
use terms::{Country, Digest, Folded, Residence, Ruling, Timestamp, Url};

use crate::index::{Case, Index, Source, Table};
use crate::kin::Kin;
use crate::list;

#[derive(Clone, Debug)]
enum What {
    Url(String),
    /// Without the `*`.
    Prefix(String),
    Host(String),
    Tree(String),
    /// A host, a `^` before it or not, and how the path ends: with `$`, or anywhere.
    Pattern {
        host: String,
        is_anchored: bool,
        end: String,
    },
    /// Of one of a few bodies.
    Digest(u8),
}

fn digest(body: u8) -> Digest {
    Digest::of(&[body])
}

#[derive(Clone, Debug)]
struct Naive {
    what: What,
    exception: bool,
    exact: bool,
    from: Option<i64>,
    until: Option<i64>,
    geo: Vec<&'static str>,
}

/// A reading of a URL in pieces.
#[derive(Clone)]
struct Pieces {
    host: Vec<String>,
    path: Vec<String>,
    pairs: BTreeSet<String>,
}

impl Pieces {
    fn of(reading: &Folded) -> Pieces {
        let owned = |text: &str| text.to_owned();
        Pieces {
            host: reading.host().split('.').map(owned).collect(),
            path: reading.path().split('/').filter(|segment| !segment.is_empty()).map(owned).collect(),
            pairs: reading.pairs().map(owned).collect(),
        }
    }
}

/// What sites say: of the family, and of the site that stands alone.
#[derive(Clone, Debug)]
struct Said {
    has_kin: bool,
    family: Spelling,
    alone: Spelling,
}

impl Said {
    fn of(&self, host: &str) -> Spelling {
        match host {
            "example" | "b.a.example" => self.family.clone(),
            "b.example" => self.alone.clone(),
            _ => Spelling::default(),
        }
    }
}

/// A way to read what is asked for, and the same with what its site ignores.
struct Asked {
    spelling: Spelling,
    pieces: Pieces,
    whole: Option<Pieces>,
}

impl Asked {
    fn all(url: &Url, said: &Said) -> Vec<Asked> {
        let spelling = said.of(url.host());
        let spelled = url.spelled(&spelling);
        let whole = |at: usize| spelled.whole.get(at % spelled.whole.len().max(1)).map(Pieces::of);
        let all = spelled.readings.iter().enumerate();
        all.map(|(at, one)| Asked { spelling: spelling.clone(), pieces: Pieces::of(one), whole: whole(at) }).collect()
    }
}

fn pieces(text: &str, spelling: &Spelling) -> Vec<Pieces> {
    url::readings_by(text, spelling).unwrap().iter().map(Pieces::of).collect()
}

impl Pieces {
    /// Put together again, with the query and without it.
    fn texts(&self) -> [String; 2] {
        let bare = format!("https://{}/{}", self.host.join("."), self.path.join("/"));
        let pairs: Vec<&str> = self.pairs.iter().map(String::as_str).collect();
        [if pairs.is_empty() { bare.clone() } else { format!("{bare}?{}", pairs.join("&")) }, bare]
    }
}

/// Pairs as PHP and ASP.NET together read them.
fn by_php_and_asp(pairs: &BTreeSet<String>) -> BTreeSet<String> {
    let read = |pair: &String| match pair.split_once('=') {
        Some((name, value)) => (name.to_lowercase(), Some(value.to_owned())),
        None => (pair.to_lowercase(), None),
    };
    let replaced = |(name, value): (String, Option<String>)| {
        format!(
            "{}{value:?}",
            [".", "%20", "%5b"].iter().fold(name, |name, one| name.split(one).collect::<Vec<_>>().join("_"))
        )
    };
    pairs.iter().map(read).map(replaced).collect()
}

impl Naive {
    fn line(&self, notice: usize) -> String {
        let bang = if self.is_exception() { "!" } else { "" };
        let subject = match &self.what {
            What::Url(text) | What::Host(text) => text.clone(),
            What::Prefix(text) => match text.split_once('?') {
                Some((path, query)) => format!("{path}*?{query}"),
                None => format!("{text}*"),
            },
            What::Tree(host) => format!("*.{host}"),
            What::Pattern { host, is_anchored, end } => {
                let start = if *is_anchored { "^https://" } else { "" };
                format!("~{start}{}/.*{end}", host.replace('.', "\\."))
            }
            What::Digest(body) => digest(*body).to_string(),
        };
        let exact = if self.exact && matches!(self.what, What::Url(_) | What::Prefix(_)) { " query=exact" } else { "" };
        let day = |name: &str, day: Option<i64>| match day {
            Some(day) => format!(" {name}={}", Timestamp::from_secs(day * 86_400)),
            None => String::new(),
        };
        let geo = if self.geo.is_empty() { String::new() } else { format!(" geo={}", self.geo.join(",")) };
        let (from, until) = (day("from", self.from), day("until", self.until));
        format!("{bang}{subject}{exact}{from}{until}{geo} notice=N-{notice}")
    }

    /// No pattern is one.
    fn is_exception(&self) -> bool {
        self.exception && !matches!(self.what, What::Pattern { .. })
    }

    /// How strongly the rule covers a reading: the kind, 5 the strongest, then how specific it is.
    fn strength(&self, Asked { spelling, pieces: asked, whole }: &Asked) -> Option<(u8, usize)> {
        let is_taken = |named: &BTreeSet<String>, asked: &BTreeSet<String>| match self.exact {
            true => named == asked,
            false => named.is_subset(asked),
        };
        let takes = |named: &BTreeSet<String>| {
            is_taken(named, &asked.pairs)
                || !self.is_exception() && is_taken(&by_php_and_asp(named), &by_php_and_asp(&asked.pairs))
        };
        match &self.what {
            What::Url(text) => {
                let at = |one: &Pieces| one.host == asked.host && one.path == asked.path && takes(&one.pairs);
                pieces(text, spelling).iter().any(at).then_some((5, 0))
            }
            What::Prefix(text) => pieces(text, spelling)
                .iter()
                .filter(|one| one.host == asked.host && asked.path.starts_with(&one.path) && takes(&one.pairs))
                .map(|one| (4, one.path.len()))
                .max(),
            What::Host(host) => (asked.host.join(".") == *host).then_some((3, 0)),
            What::Tree(host) => {
                let labels: Vec<String> = host.split('.').map(str::to_owned).collect();
                asked.host.ends_with(&labels).then_some((2, labels.len()))
            }
            What::Pattern { host, is_anchored, end } => {
                let cased = |text: &str| if spelling.ignore_case { text.to_lowercase() } else { text.to_owned() };
                let end = cased(end);
                let matches = |text: &String| {
                    let text = cased(text);
                    let after = |at: usize| &text[at + host.len()..];
                    let mut places = text.match_indices(host.as_str()).map(|(at, _)| at);
                    let ends = |rest: &str| match end.strip_suffix('$') {
                        Some(end) => rest.len() > end.len() && rest.ends_with(end),
                        None => rest[1..].contains(end.as_str()),
                    };
                    places.any(|at| (!*is_anchored || at == 8) && after(at).starts_with('/') && ends(after(at)))
                };
                let texts = std::iter::once(asked).chain(whole).flat_map(Pieces::texts);
                texts.collect::<Vec<String>>().iter().any(matches).then_some((1, 0))
            }
            What::Digest(_) => None,
        }
    }

    /// As [`Naive::strength`], under any of the hosts that are kin to the asked one.
    fn strength_by_kin(&self, asked: &Asked, has_kin: bool) -> Option<(u8, usize)> {
        let is_member = ["example", "b.a.example"].contains(&asked.pieces.host.join(".").as_str());
        let others: &[&str] = if has_kin && is_member { &["example", "b.a.example"] } else { &[] };
        let under = |host: &&str| {
            let at = |pieces: &Pieces| Pieces { host: host.split('.').map(str::to_owned).collect(), ..pieces.clone() };
            let whole = asked.whole.as_ref().map(at);
            Asked { spelling: asked.spelling.clone(), pieces: at(&asked.pieces), whole }
        };
        let by_kin = others.iter().map(under).filter_map(|asked| self.strength(&asked)).max();
        self.strength(asked).max(by_kin)
    }

    fn in_force(&self, (day, residence): When) -> bool {
        let is_here = match residence {
            _ if self.geo.is_empty() => true,
            Residence::In(country) => self.geo.contains(&country.as_str()),
            Residence::Elsewhere => false,
            Residence::Unknown(Doubt::Block) => !self.is_exception(),
            Residence::Unknown(Doubt::Serve) => self.is_exception(),
        };
        is_here && self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// A day, and where who asks is.
type When = (i64, Residence);

/// On one reading: whether an exception decides, how strongly, and the rule's number in the order of sources and lines.
type Decides = (bool, (u8, usize), usize);

fn naive_decide(rules: &[Naive], asked: &Asked, when: When, said: &Said) -> Option<Decides> {
    let mut covering: Vec<Decides> = Vec::new();
    for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.in_force(when)) {
        if let Some(strength) = rule.strength_by_kin(asked, said.has_kin) {
            covering.push((rule.is_exception(), strength, number));
        }
    }
    // Exceptions, then strength, then whoever stands first.
    covering.sort_by(|one, other| (other.0, other.1).cmp(&(one.0, one.1)).then(one.2.cmp(&other.2)));
    covering.first().copied()
}

/// The rule that blocks by the name.
fn naive_judge(rules: &[Naive], url: &Url, when: When, said: &Said) -> Option<Decides> {
    let all = Asked::all(url, said);
    let mut decided = all.iter().map(|asked| naive_decide(rules, asked, when, said));
    decided.find_map(|decides| decides.filter(|one| !one.0))
}

/// The number of the rule that blocks by the bytes.
fn naive_judge_digest(rules: &[Naive], url: &Url, body: u8, when: When, said: &Said) -> Option<usize> {
    let is_about = |rule: &Naive| matches!(rule.what, What::Digest(own) if own == body) && rule.in_force(when);
    let is_freed = |asked: &Asked| naive_decide(rules, asked, when, said).is_some_and(|one| one.0);
    if rules.iter().any(|rule| is_about(rule) && rule.is_exception()) || Asked::all(url, said).iter().all(is_freed) {
        return None;
    }
    rules.iter().position(is_about)
}

fn host() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["example", "a.example", "b.a.example", "b.example", "ba.example", "c.b.a.example"])
        .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    let piece =
        prop::sample::select(vec!["/a", "/b", "/ab", "//", "/..", "/%2Fa", "/a;x", "/", "/A", "/a%2fB", "\\\\b"]);
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn query() -> impl Strategy<Value = String> {
    let pair =
        prop::sample::select(vec!["x=1", "x=2", "y", "z=%31", "z=1", "X=1;z=1", "y_=1", "Y.=1", "y+=1", "y[=1", "y."]);
    prop::collection::vec(pair, 0..4)
        .prop_map(|pairs| if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) })
}

fn spelling() -> impl Strategy<Value = Spelling> {
    any::<[bool; 4]>().prop_map(|[ignore_case, ignores_some, params, slash]| Spelling {
        ignore_case,
        ignored: Parameters::read(if ignores_some { vec!["x".to_owned()] } else { Vec::new() }).unwrap(),
        path_params: if params { PathParams::Distinct } else { PathParams::Ignored },
        encoded_slash: if slash { EncodedSlash::Distinct } else { EncodedSlash::Slash },
    })
}

fn said() -> impl Strategy<Value = Said> {
    (any::<bool>(), spelling(), spelling()).prop_map(|(has_kin, family, alone)| Said { has_kin, family, alone })
}

fn subject() -> impl Strategy<Value = What> {
    prop_oneof![
        4 => (host(), path(), query()).prop_map(|(host, path, query)| What::Url(format!("https://{host}{path}{query}"))),
        3 => (host(), path(), query()).prop_map(|(host, path, query)| What::Prefix(format!("https://{host}{path}/{query}"))),
        1 => host().prop_map(What::Host),
        1 => host().prop_map(What::Tree),
        1 => (0..3_u8).prop_map(What::Digest),
        1 => (host(), any::<bool>(), prop::sample::select(vec!["a", "b$", "/a$", "x=1", "y$"])).prop_map(
            |(host, is_anchored, end)| {
                // Only a host that a pattern names whole is tried with it, or one that any would do for.
                let is_anchored = is_anchored || host == "b.a.example";
                What::Pattern { host, is_anchored, end: end.to_owned() }
            }
        ),
    ]
}

fn rule() -> impl Strategy<Value = Naive> {
    let window = prop_oneof![
        3 => Just((None, None)),
        1 => (0..4_i64).prop_map(|from| (Some(from), None)),
        1 => (0..4_i64, 1..3_i64).prop_map(|(from, length)| (Some(from), Some(from + length))),
        1 => (0..4_i64).prop_map(|until| (None, Some(until))),
    ];
    let geo = prop::sample::select(vec![vec![], vec![], vec![], vec!["DE"], vec!["FR", "DE"], vec!["US"]]);
    (subject(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), window, geo)
        .prop_map(|(what, exception, exact, (from, until), geo)| Naive { what, exception, exact, from, until, geo })
}

fn residence() -> impl Strategy<Value = Residence> {
    let country = |code| Residence::In(Country::from_text(code).unwrap());
    prop::sample::select(vec![
        country("DE"),
        country("FR"),
        country("US"),
        country("JP"),
        Residence::Elsewhere,
        Residence::Unknown(Doubt::Block),
        Residence::Unknown(Doubt::Serve),
    ])
}

/// Rules, cut into sources at the given places: the first of them holds the edits.
fn build(rules: &[Naive], cuts: &[usize], said: &Said) -> Index {
    let mut tables = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([rules.len()]) {
        let end = end.clamp(start, rules.len());
        let lines: Vec<String> =
            rules[start..end].iter().enumerate().map(|(number, rule)| rule.line(start + number)).collect();
        let read = list::read(lines.join("\n").as_bytes()).unwrap();
        let source = match tables.is_empty() {
            true => Source::Edits { ids: lines.iter().map(|line| Arc::from(line.as_str())).collect() },
            false => Source::File(Arc::from(format!("{}.txt", tables.len()))),
        };
        tables.push(Arc::new(Table::compile(source, read, Digest::ZERO)));
        start = end;
    }
    let edits = tables.remove(0);
    let family = [HostPattern::Exact("example".to_owned()), HostPattern::Under("a.example".to_owned())];
    let alone = [HostPattern::Exact("b.example".to_owned())];
    let kin = Kin::of_sites([(&family[..], said.has_kin, &said.family), (&alone[..], false, &said.alone)]);
    Index::with_kin(1, edits, tables, Arc::new(kin), None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn judges_as_the_sentences_say(
        rules in prop::collection::vec(rule(), 0..12),
        cuts in prop::collection::vec(0..12_usize, 0..3),
        asked in prop::collection::vec((host(), path(), query(), 0..3_u8), 1..12),
        day in 0..5_i64,
        residence in residence(),
        said in said(),
        more in rule(),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let index = build(&rules, &cuts, &said);
        let now = Timestamp::from_secs(day * 86_400);
        let another = list::read_rule(&more.line(99)).unwrap();
        let covering = |exceptions: bool| index.covering(&another, exceptions, now).is_some();
        let covered = [false, true].map(|exceptions| covering(exceptions).then_some(exceptions));
        for (host, path, query, body) in asked {
            let url = Url::parse(&format!("https://{host}{path}{query}")).unwrap();
            let when = (day, residence);
            let case = Case { now, whom: &|| residence };
            let by_name = naive_judge(&rules, &url, when, &said);
            let by_bytes = naive_judge_digest(&rules, &url, body, when, &said);
            let first = |ruling: Option<Ruling>| ruling.map(|ruling| ruling.notices[0].to_string());
            let notice = |number: usize| format!("N-{number}");
            prop_assert_eq!(first(index.judge_digest(&url, &digest(body), case)), by_bytes.map(notice), "{:?}", url);
            // A digest comes before a pattern, and behind all else.
            let known = by_name.filter(|one| one.1.0 > 1).map(|one| one.2).or(by_bytes).or(by_name.map(|one| one.2));
            prop_assert_eq!(first(index.judge_known(&url, &digest(body), case)), known.map(notice), "{:?}", url);
            let expected = by_name.map(|one| one.2);
            let ruling = index.judge(&url, case);
            let explanation = index.explain(&url, case);
            prop_assert_eq!(ruling.as_ref(), explanation.ruling.as_ref());
            match expected {
                None => prop_assert_eq!(ruling, None, "{:?}", url),
                Some(number) => {
                    let notice = format!("N-{number}");
                    let told = (!rules[number].geo.is_empty()).then_some(residence);
                    let ruling = ruling.ok_or_else(|| TestCaseError::fail(format!("{url:?} passed {}", rules[number].line(number))))?;
                    prop_assert_eq!(&*ruling.notices[0], &notice, "{:?}", url);
                    prop_assert_eq!(ruling.residence, told);
                    if residence == ANYBODY() {
                        let somewhere = |country| naive_judge(&rules, &url, (day, Residence::In(country)), &said);
                        prop_assert!(Country::all().all(|country| somewhere(country).is_some()), "served somewhere");
                    }
                    let decides = explanation.decides.and_then(|cited| cited.attributes.notice);
                    prop_assert_eq!(decides.as_deref(), Some(notice.as_str()));
                }
            }
            // With each rule gone that decided, what is left decides as if it had never been.
            let mut left = rules.clone();
            for without in explanation.without {
                let gone: usize = without.removed.attributes.notice.unwrap()[2..].parse().unwrap();
                left[gone].until = Some(-1);
                let expected = naive_judge(&left, &url, when, &said).map(|one| one.2);
                prop_assert_eq!(without.blocked, expected.is_some(), "{:?} without {}", url, rules[gone].line(gone));
                let deciding = without.decides.filter(|_| without.blocked).and_then(|cited| cited.attributes.notice);
                prop_assert_eq!(deciding.map(|notice| notice.to_string()), expected.map(notice));
            }
            for exceptions in covered.iter().flatten() {
                for asked in Asked::all(&url, &said) {
                    let covers = |rule: &Naive| rule.strength_by_kin(&asked, said.has_kin).is_some();
                    let is_there = |rule: &Naive| {
                        let timely = Naive { geo: Vec::new(), ..rule.clone() }.in_force(when);
                        timely && (rule.geo.is_empty() || rule.geo == more.geo)
                    };
                    let is_meant = |rule: &&Naive| rule.is_exception() == *exceptions && is_there(rule);
                    let is_covered = !covers(&more) || rules.iter().filter(is_meant).any(covers);
                    prop_assert!(is_covered, "{} is not covered for {:?}", more.line(99), url);
                }
            }
            for (number, rule) in rules.iter().enumerate() {
                let read = list::read_rule(&rule.line(number)).unwrap();
                let all = Asked::all(&url, &said);
                let covers = all.iter().any(|asked| rule.strength_by_kin(asked, said.has_kin).is_some());
                prop_assert_eq!(index.of_rules([&read]).is_about(&url), covers, "{} {:?}", rule.line(number), url);
                prop_assert_eq!(read.covers(&url, index.kin()), covers, "{} {:?}", rule.line(number), url);
            }
        }
    }
}
