//! Rules that hold in some countries alone.

use terms::country::Doubt;
use terms::{Country, Residence, Ruling};

use super::*;

const BLOCKED: Residence = Residence::Unknown(Doubt::Block);
const SERVED: Residence = Residence::Unknown(Doubt::Serve);

fn within(country: &str) -> Residence {
    Residence::In(Country::from_text(country).unwrap())
}

fn judge(index: &Index, text: &str, residence: Residence) -> Option<Ruling> {
    index.judge(&url(text), Case { now: time(NOW), whom: &|| residence })
}

fn notices(index: &Index, text: &str, residence: Residence) -> Option<String> {
    judge(index, text, residence).map(|ruling| ruling.notices.join("+"))
}

#[test]
fn whoever_decides_is_the_next_where_the_first_does_not_hold() {
    let index = index(&["\
https://h.example/a geo=DE,FR notice=URL status=410
https://h.example/* geo=FR,JP notice=PREFIX
*.h.example geo=de notice=TREE status=403
https://h.example/open/* notice=OPEN
!https://h.example/open/* geo=DE
!https://h.example/a geo=JP"]);
    for (text, residence, decides) in [
        ("h.example/a", within("DE"), Some("URL")),
        ("h.example/a", within("FR"), Some("URL")),
        ("h.example/a", within("JP"), None),
        ("h.example/a", within("US"), None),
        ("h.example/a", Residence::Elsewhere, None),
        ("h.example/a", BLOCKED, Some("URL")),
        ("h.example/a", SERVED, None),
        ("h.example/b", within("DE"), Some("TREE")),
        ("h.example/b", within("FR"), Some("PREFIX")),
        ("h.example/b", within("JP"), Some("PREFIX")),
        ("h.example/b", BLOCKED, Some("PREFIX")),
        // Lifted for one country alone; nobody knows whether this is one of its clients.
        ("h.example/open/x", within("DE"), None),
        ("h.example/open/x", within("US"), Some("OPEN")),
        ("h.example/open/x", within("JP"), Some("OPEN")),
        ("h.example/open/x", Residence::Elsewhere, Some("OPEN")),
        ("h.example/open/x", BLOCKED, Some("OPEN")),
        ("h.example/open/x", SERVED, None),
    ] {
        assert_eq!(notices(&index, text, residence).as_deref(), decides, "{text} {residence:?}");
    }
    let status = |residence| judge(&index, "h.example/b", residence).map(|ruling| ruling.status);
    assert_eq!(status(within("DE")), Some(BlockStatus::Forbidden));
    assert_eq!(status(within("FR")), Some(BlockStatus::default()));
}

#[test]
fn a_rule_that_stands_twice_tells_what_holds_here() {
    let index = index(&[
        "https://h.example/a geo=DE notice=N-1 reason=R-1 status=410\nhttps://h.example/a geo=FR,DE notice=N-2 reason=R-2 status=404",
        "https://h.example/a geo=US notice=N-3\nhttps://h.example/a from=2028-01-01 notice=N-4",
    ]);
    for (residence, told, status) in [
        (within("DE"), "N-1+N-2", BlockStatus::Gone),
        (within("FR"), "N-2", BlockStatus::NotFound),
        (within("US"), "N-3", BlockStatus::default()),
        (BLOCKED, "N-1+N-2+N-3", BlockStatus::Gone),
    ] {
        let ruling = judge(&index, "h.example/a", residence).unwrap();
        assert_eq!((ruling.notices.join("+").as_str(), ruling.status), (told, status), "{residence:?}");
        assert_eq!(ruling.residence, Some(residence));
    }
    assert_eq!(notices(&index, "h.example/a", within("JP")), None);
}

#[test]
fn digests_patterns_and_kin_hold_where_they_are_for() {
    let bytes = Digest::of(b"bytes");
    let lists = [format!("{bytes} geo=DE notice=D\n!{bytes} geo=FR\n~^https://p\\.example/x geo=DE notice=P")];
    let index = index(&[&lists[0]]);
    let judged = |residence: Residence| {
        let case = Case { now: time(NOW), whom: &|| residence };
        let known = index.judge_known(&url("p.example/x"), &bytes, case).map(|ruling| ruling.notices.concat());
        let digest = index.judge_digest(&url("h.example/x"), &bytes, case).map(|ruling| ruling.notices.concat());
        (known, digest, notices(&index, "p.example/x", residence))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(judged(within("DE")), (some("D"), some("D"), some("P")));
    assert_eq!(judged(within("FR")), (None, None, None));
    assert_eq!(judged(BLOCKED), (some("D"), some("D"), some("P")));
    assert_eq!(judged(SERVED), (None, None, None));

    let hosts = ["a.example", "b.example"].map(|host| HostPattern::Exact(host.to_owned()));
    let kin = Arc::new(Kin::new([(&hosts[..], true)]));
    let index = Index::with_kin(1, edits(&["a.example/x geo=DE notice=N"]), Vec::new(), kin, None);
    assert_eq!(notices(&index, "b.example/x", within("DE")), some("N"));
    assert_eq!(notices(&index, "b.example/x", within("US")), None);
}

#[test]
fn whereabouts_are_asked_for_where_a_rule_needs_them() {
    let asked = std::cell::Cell::new(0);
    let whom = || {
        asked.set(asked.get() + 1);
        Residence::Elsewhere
    };
    let index = index(&["https://h.example/a geo=DE\nhttps://h.example/b\n*.x.example"]);
    for (text, count) in [("h.example/b", 0), ("free.example/a", 0), ("y.x.example", 0), ("h.example/a", 1)] {
        asked.set(0);
        let _ = index.judge(&url(text), Case { now: time(NOW), whom: &whom });
        assert_eq!(asked.get(), count, "{text}");
    }
}

#[test]
fn why_says_where_a_rule_holds() {
    let index = index(&["https://h.example/a geo=DE,FR notice=N-1\nh.example notice=N-2\n!https://h.example/b geo=DE"]);
    let explain = |text: &str, residence: Residence| {
        let told = index.explain(&url(text), Case { now: time(NOW), whom: &|| residence });
        let others: Vec<_> = told.others.iter().map(|one| (one.rule.to_string(), one.because)).collect();
        (told.decides.map(|one| one.rule.to_string()), others)
    };
    let (decides, others) = explain("h.example/a", Residence::Elsewhere);
    assert_eq!(decides.as_deref(), Some("h.example"));
    assert_eq!(others, [("https://h.example/a".to_owned(), Some("it holds in other countries alone"))]);
    let (decides, others) = explain("h.example/a", within("DE"));
    assert_eq!(decides.as_deref(), Some("https://h.example/a"));
    assert_eq!(others[0].1, Some("a rule for the URL itself comes first"));
    assert_eq!(explain("h.example/b", within("DE")).0.as_deref(), Some("!https://h.example/b"));
    let (decides, others) = explain("h.example/b", within("US"));
    assert_eq!(decides.as_deref(), Some("h.example"));
    assert_eq!(others[0].1, Some("it holds in other countries alone"));
}
