//! What is asked for is what is found.

use terms::ruling::RuleOrigin;
use terms::url::Spelling;
use terms::{BlockStatus, Ruling};

use super::*;

fn log_with(dir: &Path, url_query: QueryForm, run: u64) {
    let clock = Clock::manual(START);
    let log = Log::open(Settings { url_query, ..settings(dir, run) }, clock).unwrap();
    log.push(record("https://photos.example/a"));
    log.push(record("https://photos.example/a?x=1&y=2"));
    let mut blocked = record("https://photos.example/b");
    blocked.verdict = Verdict::Blocked;
    blocked.site = Some(Arc::from("other"));
    blocked.digest = Some(Digest::of(b"b"));
    blocked.ended = START.plus(Duration::from_secs(60));
    blocked.ruling = Some(Arc::new(Ruling {
        rule: Arc::from("https://photos.example/b"),
        notices: [Arc::from("N-1"), Arc::from("N-2")].into(),
        reason: None,
        status: BlockStatus::default(),
        authority: None,
        page: None,
        disclose: None,
        residence: None,
        origin: RuleOrigin::Edit { id: Arc::from("e1") },
        list: 4,
    }));
    log.push(blocked);
    log.event(Event::new("block-added").with("notice", "N-2"));
    log.event(Event::new("filled").with("digest", Digest::of(b"b").to_string()));
    log.close();
}

fn urls(dir: &Path, url: &str) -> Vec<String> {
    let lines = ask(dir, &Filter { url: Some(Url::parse(url).unwrap()), ..Filter::default() });
    lines.iter().map(|line| line["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_url_is_found_in_every_spelling() {
    let dir = scratch();
    log_with(dir.path(), QueryForm::Full, 1);
    for spelling in [
        "https://photos.example/a",
        "photos.example/a",
        "http://PHOTOS.example.:8080//x/..%2fa/",
        "https://photos.example/%61;v=1",
    ] {
        assert_eq!(urls(dir.path(), spelling), ["https://photos.example/a"], "{spelling}");
    }
    assert_eq!(urls(dir.path(), "photos.example/a?y=2&x=1"), ["https://photos.example/a?x=1&y=2"]);
    // Who doesn't know whether the site ignored case is told what may be it.
    assert_eq!(urls(dir.path(), "photos.example/A"), ["https://photos.example/a"]);
    let known = Filter {
        url: Some(Url::parse("photos.example/A").unwrap()),
        spelling: Some(Spelling::default()),
        ..Filter::default()
    };
    assert_eq!(ask(dir.path(), &known).len(), 0);
    assert_eq!(urls(dir.path(), "photos.example/a?x=1"), [""; 0]);
}

#[test]
fn a_query_that_the_log_does_not_hold_matches() {
    let dir = scratch();
    log_with(dir.path(), QueryForm::None, 1);
    log_with(dir.path(), QueryForm::Full, 2);
    let found = urls(dir.path(), "photos.example/a?y=2&x=1");
    assert_eq!(found, ["https://photos.example/a", "https://photos.example/a", "https://photos.example/a?x=1&y=2"]);

    let dir = scratch();
    log_with(dir.path(), QueryForm::Keyed, 1);
    let found = urls(dir.path(), "photos.example/a?z=9");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("https://photos.example/a?k:"));
    assert_eq!(urls(dir.path(), "photos.example/a"), ["https://photos.example/a"]);
}

#[test]
fn each_filter_takes_what_it_names() {
    let dir = scratch();
    log_with(dir.path(), QueryForm::Full, 1);
    let none = Filter::default();
    let found = |filter: Filter| {
        let lines = ask(dir.path(), &filter);
        lines.iter().map(|line| line["event"].as_str().or(line["url"].as_str()).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let b = "https://photos.example/b";
    assert_eq!(found(Filter { notice: Some("N-2".to_owned()), ..none.clone() }), [b, "block-added"]);
    assert_eq!(found(Filter { notice: Some("N-1".to_owned()), ..none.clone() }), [b]);
    assert_eq!(found(Filter { notice: Some("N".to_owned()), ..none.clone() }), [""; 0]);
    assert_eq!(found(Filter { digest: Some(Digest::of(b"b")), ..none.clone() }), [b, "filled"]);
    assert_eq!(found(Filter { site: Some("other".to_owned()), ..none.clone() }), [b]);
    assert_eq!(found(Filter { verdict: Some(Verdict::Blocked), ..none.clone() }), [b]);
    assert_eq!(found(Filter { verdict: Some(Verdict::Served), ..none.clone() }).len(), 2);
    let minute = START.plus(Duration::from_secs(60));
    assert_eq!(found(Filter { since: Some(minute), ..none.clone() })[0], b);
    assert_eq!(found(Filter { until: Some(START), ..none }), ["started"]);
}

#[test]
fn a_reader_that_has_enough_is_not_called_again() {
    let dir = scratch();
    log_with(dir.path(), QueryForm::Full, 1);
    let mut calls = 0;
    query(dir.path(), &Filter::default(), &mut |_| {
        calls += 1;
        calls < 3
    })
    .unwrap();
    assert_eq!(calls, 3);
}

#[test]
fn damage_is_told_after_all_that_can_be_read() {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    settle(&log);
    log.push(record("https://photos.example/a"));
    settle(&log);
    let crashed = image(dir.path());
    let path = segments(crashed.path()).join("00000001-00000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"event\":\"purged\"", "\"event\":purged", 1)).unwrap();
    let mut seen = 0;
    let outcome = query(crashed.path(), &Filter::default(), &mut |_| {
        seen += 1;
        true
    });
    assert_eq!(seen, 3);
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "00000001-00000001 line 2 can't be read; `seawall audit verify` says more"
    );
}
