//! What operators see of a running edge: its numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Edge, Gate, HOST, Http2, Origin, Page, at, eventually, until};

/// A page of numbers, by a reader that takes nothing but what the formats allow.
struct Numbers {
    /// By family.
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

impl Numbers {
    fn of(edge: &Edge) -> Numbers {
        Numbers::read(&edge.api_with("GET", "/metrics", None, &[]).text(), Form::Plain)
    }

    fn read(page: &str, form: Form) -> Numbers {
        assert!(page.ends_with('\n'), "the last line is ended");
        let mut numbers = Numbers { kinds: BTreeMap::new(), samples: BTreeMap::new() };
        let mut family = String::new();
        let mut lines: Vec<&str> = page.lines().collect();
        if form == Form::OpenMetrics {
            assert_eq!(lines.pop(), Some("# EOF"));
        }
        for line in lines {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap().to_owned();
                assert!(is_name(&family), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, family, "HELP, then TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = numbers.kinds.insert(family.clone(), kind.to_owned());
                assert!(before.is_none(), "a family stands in one place: {line}");
            } else {
                let (name, labels, value) = sample(line);
                let kind = &numbers.kinds[&family];
                let endings: &[&str] = match (kind.as_str(), form) {
                    ("histogram", _) => &["_bucket", "_sum", "_count"],
                    ("counter", Form::OpenMetrics) => &["_total"],
                    _ => &[""],
                };
                assert!(endings.iter().any(|ending| name == format!("{family}{ending}")), "{line} under {family}");
                if kind == "counter" {
                    assert!(name.ends_with("_total") && value >= 0.0, "{line}");
                }
                assert!(numbers.samples.insert((name, labels), value).is_none(), "twice: {line}");
            }
        }
        numbers.check_histograms();
        numbers
    }

    /// Buckets are cumulative, and the last of them is the count.
    fn check_histograms(&self) {
        for ((name, labels), count) in &self.samples {
            let Some(family) = name.strip_suffix("_count") else { continue };
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for ((bucket, its), value) in &self.samples {
                let mut its = its.clone();
                let Some(bound) = its.remove("le") else { continue };
                if *bucket == format!("{family}_bucket") && its == *labels {
                    buckets.push((bound.parse().unwrap_or(f64::INFINITY), *value));
                }
            }
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{family} {labels:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{family} {labels:?}");
            assert!(self.samples.contains_key(&(format!("{family}_sum"), labels.clone())), "{family} {labels:?}");
        }
    }

    /// Those samples that carry all of these labels.
    fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let carries = |its: &Labels| labels.iter().all(|(name, value)| its.get(*name).is_some_and(|its| its == value));
        let of = self.samples.iter().filter(|((its, labels), _)| its == name && carries(labels));
        of.map(|(_, value)| *value).collect()
    }

    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).iter().sum()
    }

    /// There is one, and it is this.
    fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        match self.all(name, labels)[..] {
            [one] => one,
            ref all => panic!("{name} {labels:?}: {all:?}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    OpenMetrics,
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c))
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// `name{label="value",…} value`
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name) && !name.is_empty(), "{line}");
    let mut labels = Labels::new();
    if let Some(after) = rest.strip_prefix('{') {
        rest = after;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            let (value, after) = label_value(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

/// Up to the quote that ends it.
fn label_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().unwrap().1 {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => panic!("\\{other} is no escape"),
            },
            other => value.push(other),
        }
    }
    panic!("a label's value that does not end: {text}")
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let scrape = |accept: &[(&str, &str)]| edge.api_with("GET", "/metrics", None, accept);
    let plain = scrape(&[]);
    assert_eq!(plain.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let plain = Numbers::read(&plain.text(), Form::Plain);
    let open = scrape(&[("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2")]);
    assert_eq!(open.field("Content-Type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let open = Numbers::read(&open.text(), Form::OpenMetrics);
    let names = |numbers: &Numbers| numbers.samples.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&plain), names(&open));
}

#[test]
fn what_may_be_counted_is_there_from_the_start() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    let numbers = Numbers::of(&edge);
    for cache in ["hit", "miss", "stale", "revalidated", "collapsed", "pass", "none"] {
        for verdict in ["served", "cut", "failed"] {
            let labels = [("site", "photos"), ("cache", cache), ("verdict", verdict)];
            assert_eq!(numbers.one("seawall_requests_total", &labels), 0.0);
        }
    }
    assert_eq!(numbers.one("seawall_requests_total", &[("site", "photos"), ("verdict", "blocked")]), 0.0);
    for reason in ["bare-line-end", "chunk-size", "head-timeout", "tls-handshake", "http2-flood"] {
        assert_eq!(numbers.one("seawall_refused_total", &[("reason", reason)]), 0.0);
    }
    for cache in ["hit", "miss"] {
        assert_eq!(numbers.one("seawall_request_duration_seconds_count", &[("site", "photos"), ("cache", cache)]), 0.0);
    }
    let url = format!("http://{}", origin.address);
    let of_origin = [("site", "photos"), ("origin", &*url)];
    assert_eq!(numbers.one("seawall_origin_up", &of_origin), 1.0);
    assert_eq!(numbers.one("seawall_origin_connect_seconds_count", &of_origin), 0.0);
    for none_yet in ["seawall_abandoned_total", "seawall_cut_total", "seawall_list_errors_total", "seawall_hooks_dead"]
    {
        assert_eq!(numbers.one(none_yet, &[]), 0.0, "{none_yet}");
    }
    for none_yet in ["seawall_audit_shed_total", "seawall_reload_failed", "seawall_log_dropped_total"] {
        assert_eq!(numbers.one(none_yet, &[]), 0.0, "{none_yet}");
    }
    let list = edge.path("blocklist.d/list.txt").canonicalize().unwrap().display().to_string();
    for source in ["all", &list] {
        let age = numbers.one("seawall_list_age_seconds", &[("source", source)]);
        assert!((0.0..60.0).contains(&age), "{source}: {age}");
    }
}

#[test]
fn the_process_is_told_of_by_the_usual_names() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    let numbers = Numbers::of(&edge);
    assert_eq!(numbers.one("seawall_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    let resident = numbers.one("process_resident_memory_bytes", &[]);
    assert!((1e6..1e9).contains(&resident), "{resident}");
    assert!(numbers.one("process_cpu_seconds_total", &[]) > 0.0);
    let started = numbers.one("process_start_time_seconds", &[]);
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((now - 60.0..=now + 1.0).contains(&started), "{started}, and it is {now}");
    let connections: Vec<_> = (0..20).map(|_| edge.connect()).collect();
    eventually("they are open", || edge.metric("seawall_connections_open") >= 20.0);
    // What a start still writes may be among them.
    let open = Numbers::of(&edge).one("process_open_fds", &[]);
    assert!(open >= 23.0 && open < numbers.one("process_max_fds", &[]), "{open}");
    drop(connections);
    eventually("they are closed", || Numbers::of(&edge).one("process_open_fds", &[]) <= open - 20.0);
}

/// Waits until so many answers of the site are counted.
fn once_counted(edge: &Edge, answers: f64) -> Numbers {
    until(&format!("{answers} answers"), || {
        Some(Numbers::of(edge)).filter(|now| now.sum("seawall_requests_total", &[("site", "photos")]) == answers)
    })
}

#[test]
fn every_answer_is_counted_once_in_each() {
    let origin = Origin::with("/a", Page::stored("hello"));
    origin.on("/alone", Page::ok("private").field("Cache-Control", "no-store"));
    let edge = Edge::before(&origin).rules("https://photos.example/blocked notice=N-1\n").start();
    let mut client = edge.connect();
    let bodies: usize =
        ["/a", "/a", "/a", "/alone", "/blocked"].map(|path| client.get(HOST, path).body.len()).iter().sum();
    let numbers = once_counted(&edge, 5.0);
    let site = ("site", "photos");
    let count = |cache| numbers.sum("seawall_request_duration_seconds_count", &[site, ("cache", cache)]);
    for cache in ["hit", "miss", "pass", "none"] {
        assert_eq!(count(cache), numbers.sum("seawall_requests_total", &[site, ("cache", cache)]), "{cache}");
    }
    assert_eq!((count("hit"), count("none")), (2.0, 1.0));
    assert_eq!(numbers.one("seawall_requests_total", &[site, ("verdict", "blocked"), ("cache", "none")]), 1.0);
    assert_eq!(numbers.sum("seawall_body_bytes_total", &[site]), bodies as f64);
    assert_eq!(numbers.one("seawall_body_bytes_total", &[site, ("cache", "hit")]), 10.0);
    assert!(numbers.one("seawall_origin_connect_seconds_count", &[site]) >= 1.0);
    assert_eq!(numbers.one("seawall_origin_first_byte_seconds_count", &[site]), 2.0);
}

#[test]
fn how_long_it_took_is_what_the_client_waited() {
    let gate = Gate::default();
    let origin = Origin::with("/slow", Page::stored("hello").hold(0, &gate));
    let edge = Edge::plain(&origin);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| edge.get("/slow"));
        origin.until_asked("/slow", 1);
        at(Instant::now() + Duration::from_millis(300));
        gate.open();
        assert_eq!(asking.join().unwrap().status, 200);
    });
    let numbers = once_counted(&edge, 1.0);
    // The client may have its bytes before the edge is told that they are written.
    let waited = began.elapsed().as_secs_f64();
    let miss = [("site", "photos"), ("cache", "miss")];
    let sum = numbers.one("seawall_request_duration_seconds_sum", &miss);
    assert!((0.3..=waited).contains(&sum), "{sum} s, and the client waited {waited} s");
    let within = |bound| numbers.one("seawall_request_duration_seconds_bucket", &[miss[0], miss[1], ("le", bound)]);
    assert_eq!((within("0.25"), within("+Inf")), (0.0, 1.0));
}

#[test]
fn no_label_comes_from_a_request() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::plain(&origin);
    let sites = |numbers: &Numbers| -> BTreeSet<String> {
        numbers.samples.keys().filter_map(|(_, labels)| labels.get("site").cloned()).collect()
    };
    let count = Numbers::of(&edge).samples.len();
    for host in ["evil.example", "a.photos.example", "photos.example:81"] {
        edge.connect().ask("BREW", host, "/a\"b", &[("User-Agent", "x")]);
        edge.connect().ask("GET", host, "/{site=1}", &[("Referer", "http://x/")]);
    }
    eventually("they are counted", || Numbers::of(&edge).sum("seawall_requests_total", &[]) >= 5.0);
    let numbers = Numbers::of(&edge);
    assert_eq!(sites(&numbers), BTreeSet::from([String::new(), "photos".to_owned()]));
    // Of the rarer kinds of answer, a histogram may have come.
    assert!(numbers.samples.len() <= count + 2 * 17, "{} series, and {count} at the start", numbers.samples.len());
}

#[test]
fn connections_are_counted_by_what_they_speak() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::before(&origin).h2c().start();
    let mut http1 = edge.connect();
    http1.get(HOST, "/a");
    let http2 = Http2::connect(edge.address);
    let open = |protocol| Numbers::of(&edge).one("seawall_connections_speaking", &[("protocol", protocol)]);
    eventually("one of each", || (open("http/1.1"), open("h2")) == (1.0, 1.0));
    assert_eq!(Numbers::of(&edge).one("seawall_connections_open", &[]), 2.0);
    drop((http1, http2));
    eventually("none is left", || (open("http/1.1"), open("h2")) == (0.0, 0.0));
    let numbers = Numbers::of(&edge);
    assert_eq!(numbers.all("seawall_connections_spoken_total", &[]), [1.0, 1.0]);
    assert_eq!(numbers.one("seawall_connections_total", &[]), 2.0);
}

#[test]
fn the_audit_lags_by_no_more_than_its_interval() {
    let origin = Origin::with("*", Page::stored("hello"));
    let edge = Edge::before(&origin).audit("sync = \"segment\"\n").start();
    let lag = || Numbers::of(&edge).one("seawall_audit_lag_seconds", &[]);
    eventually("all is on the disk", || lag() == 0.0);
    let began = Instant::now();
    let answer: Answer = edge.get("/a");
    edge.record_of(&answer);
    // Nothing is synced before the segment is sealed.
    eventually("it grows", || lag() > 1.0);
    assert!(lag() <= began.elapsed().as_secs_f64() + 0.5, "it is no older than the answer");
}
