mod against_naive;
mod countries;
mod supposed;

use std::sync::Arc;

use terms::hosts::HostPattern;
use terms::ruling::RuleOrigin;
use terms::{BlockStatus, Digest, Timestamp, Url};

use super::key::Trail;
use super::{Case, Index, Kind, Source, Table};
use crate::kin::Kin;
use crate::list;
use crate::rule::{Rule, Standing};

const NOW: &str = "2027-01-15T12:00:00Z";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn at(text: &str) -> Case<'static> {
    Case::of_anybody(time(text))
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn file(name: &str, text: &str) -> Arc<Table> {
    let rules = list::read(text.as_bytes()).unwrap();
    Arc::new(Table::compile(Source::File(Arc::from(name)), rules, Digest::of(text.as_bytes())))
}

/// Live edits with the ids `e0`, `e1`, …
fn edits(lines: &[&str]) -> Arc<Table> {
    let rules: Vec<Rule> = lines.iter().map(|line| list::read_rule(line).unwrap()).collect();
    let ids = (0..rules.len()).map(|number| Arc::from(format!("e{number}"))).collect();
    Arc::new(Table::compile(Source::Edits { ids }, rules, Digest::of(lines.concat().as_bytes())))
}

fn index(lists: &[&str]) -> Index {
    let files = lists.iter().enumerate().map(|(number, text)| file(&format!("{number}.txt"), text)).collect();
    Index::new(7, edits(&[]), files)
}

/// The rule that blocks, as it is worded.
fn blocks(index: &Index, text: &str) -> Option<String> {
    index.judge(&url(text), at(NOW)).map(|ruling| ruling.rule.to_string())
}

/// Every one of `covered` is blocked by `list`, and none of `free`.
fn covers(list: &str, covered: &[&str], free: &[&str]) {
    let index = index(&[list]);
    let rule = list::read(list.as_bytes()).unwrap().remove(0);
    for text in covered {
        assert!(blocks(&index, text).is_some(), "{list} lets {text} through");
        assert!(index.of_rules([&rule]).is_about(&url(text)), "{list} is not about {text}");
    }
    for text in free {
        assert_eq!(blocks(&index, text), None, "{list} blocks {text}");
        assert!(!index.of_rules([&rule]).is_about(&url(text)), "{list} is about {text}");
    }
}

#[test]
fn a_url_is_one_url_in_every_spelling() {
    covers(
        "https://photos.example/a/stolen.jpg",
        &[
            "http://photos.example/a/stolen.jpg",
            "https://PHOTOS.example.:8443/%61//stolen%2Ejpg/",
            "photos.example/b/../a/stolen.jpg;v=1",
            "photos.example/a/stolen.jpg?",
            "photos.example/a%2Fstolen.jpg",
        ],
        &[
            "photos.example/a",
            "photos.example/a/stolen.jpg/x",
            "photos.example/a/stolen",
            "www.photos.example/a/stolen.jpg",
            "example/a/stolen.jpg",
        ],
    );
}

#[test]
fn a_rule_without_a_query_covers_its_path_under_every_query() {
    covers("https://h.example/p", &["h.example/p", "h.example/p?a", "h.example/p?a=1&b=2"], &["h.example/q?a=1"]);
}

#[test]
fn a_rule_with_a_query_covers_whatever_carries_its_pairs() {
    covers(
        "https://h.example/p?b=2&a=1",
        &["h.example/p?a=1&b=2", "h.example/p?z&b=2&y&a=1&a=3", "h.example/p/?a=1;b=2"],
        &["h.example/p", "h.example/p?a=1", "h.example/p?a=1&b=3", "h.example/q?a=1&b=2", "h.example/p/x?a=1&b=2"],
    );
    covers(
        "https://h.example/p/*?a=1",
        &["h.example/p?a=1", "h.example/p/x/y?b=2&a=1"],
        &["h.example/p", "h.example/p/x?a=2", "h.example/?a=1"],
    );
}

#[test]
fn rules_that_share_a_pair_stand_under_the_ones_they_do_not() {
    let lines: Vec<String> = (0..100).map(|number| format!("h.example/watch?list=all&v={number}")).collect();
    let table = file("a.txt", &lines.join("\n"));
    let asked = url("h.example/watch?list=all&v=7");
    let trail = Trail::of_path(asked.host(), asked.folded());
    let found = |pair| table.slots.find(trail.pair_key(Kind::Url, pair)).collect::<Vec<u32>>();
    // How common a pair is is counted roughly: of some rules both may seem to be as rare.
    assert!(found("list=all").len() < 10, "{:?}", found("list=all"));
    assert_eq!([found("list=all"), found("v=7")].concat().iter().filter(|rule| **rule == 7).count(), 1);
}

#[test]
fn a_pair_in_many_spellings_is_looked_for_once() {
    let index = index(&["h.example/p?photo_id=7&list=1"]);
    let asked = url("h.example/p?photo_id=7&Photo_ID=7&photo.id=7&PHOTO+ID=7&List=1&list=1");
    let hits: Vec<_> = index.probes(&asked).into_iter().flat_map(|probed| probed.hits).collect();
    assert_eq!(hits.len(), 1, "{hits:?}");
}

#[test]
fn query_exact_narrows_to_the_very_same_pairs() {
    covers(
        "https://h.example/p?a=1&b=2 query=exact",
        &["h.example/p?b=2&a=1", "h.example/p?a=1&b=2&a=1"],
        &["h.example/p", "h.example/p?a=1", "h.example/p?a=1&b=2&c=3"],
    );
    covers("https://h.example/p query=exact", &["h.example/p", "h.example/p?"], &["h.example/p?a=1"]);
    covers("https://h.example/p/* query=exact", &["h.example/p/x"], &["h.example/p/x?a=1"]);
}

#[test]
fn a_prefix_covers_its_path_and_everything_below() {
    covers(
        "https://h.example/p/*",
        &["h.example/p", "h.example/p/", "h.example/p/x", "h.example/p/x/y/z?q=1", "h.example//p/../p/x"],
        &["h.example/p2", "h.example/", "h.example/q/p/x", "i.example/p/x", "h.example/p/../q"],
    );
    covers("https://h.example/*", &["h.example", "h.example/", "h.example/a/b"], &["www.h.example/"]);
}

#[test]
fn a_host_stands_alone_and_a_tree_takes_those_under_it_too() {
    covers("h.example", &["h.example", "h.example/a/b?c"], &["www.h.example/", "example/", "oh.example/"]);
    covers(
        "*.h.example",
        &["h.example/x", "www.h.example/x", "a.b.h.example/"],
        &["oh.example/x", "example/", "h.example.org/"],
    );
    covers("[2001:db8::1]", &["http://[2001:DB8:0::1]:8080/x"], &["http://[2001:db8::2]/"]);
}

#[test]
fn depth_is_no_way_round_a_rule() {
    let deep = "/x".repeat(2000);
    covers(
        &format!("https://h.example{deep}/*"),
        &[&format!("h.example{deep}/y/z")],
        &[&format!("h.example{}", &deep[2..])],
    );
    let list = "https://h.example/x/*\nhttps://h.example/q?needle=1\n*.a.example";
    let index = index(&[list]);
    let pairs: String = (0..3000).map(|number| format!("p{number}&")).collect();
    let labels = "a.".repeat(100);
    for text in [
        format!("h.example{deep}"),
        format!("h.example/q?{pairs}needle=1"),
        format!("h.example/q?needle=1&{pairs}"),
        format!("{labels}example/"),
    ] {
        assert!(blocks(&index, &text).is_some(), "{text}");
    }
}

#[test]
fn who_decides() {
    // Each line is stronger than those before it; all cover the one URL.
    let ladder = [
        r"~^https://photos\.example/a/[a-z]",
        "*.example",
        "*.photos.example",
        "photos.example",
        "https://photos.example/*",
        "https://photos.example/a/*",
        "https://photos.example/a/b/*",
        "https://photos.example/a/b",
    ];
    let asked = "https://photos.example/a/b";
    for count in 1..=ladder.len() {
        let weaker_first = ladder[..count].join("\n");
        let weaker_last: String = ladder[..count].iter().rev().map(|line| format!("{line}\n")).collect();
        for list in [weaker_first, weaker_last] {
            assert_eq!(blocks(&index(&[&list]), asked).as_deref(), Some(ladder[count - 1]), "{list}");
        }
    }
}

#[test]
fn edits_come_before_files_then_the_file_then_the_line() {
    let files = || {
        vec![
            file("a.txt", "# one\nhttps://h.example/p notice=A\nh.example/p/ notice=A2"),
            file("b.txt", "https://h.example/p?x=1 notice=B"),
        ]
    };
    let asked = url("h.example/p?x=1");
    let with_edit = Index::new(9, edits(&["h.example notice=H", "http://h.example/p notice=E"]), files());
    let ruling = with_edit.judge(&asked, at(NOW)).unwrap();
    assert_eq!((&*ruling.rule, ruling.list), ("http://h.example/p", 9));
    assert_eq!(ruling.origin, RuleOrigin::Edit { id: Arc::from("e1") });

    let without = Index::new(9, edits(&[]), files());
    let ruling = without.judge(&asked, at(NOW)).unwrap();
    assert_eq!(ruling.origin, RuleOrigin::File { file: Arc::from("a.txt"), line: 2 });

    let reversed = Index::new(9, edits(&[]), files().into_iter().rev().collect());
    let ruling = reversed.judge(&asked, at(NOW)).unwrap();
    assert_eq!(ruling.origin, RuleOrigin::File { file: Arc::from("b.txt"), line: 1 });
    // A weaker edit does not beat a stronger rule of a file.
    let weak_edit = Index::new(9, edits(&["h.example"]), files());
    assert_eq!(blocks(&weak_edit, "h.example/p").as_deref(), Some("https://h.example/p"));
}

#[test]
fn a_rule_that_stands_twice_is_one_rule_with_several_notices() {
    let index = Index::new(
        1,
        edits(&["photos.example/a?y=2&x=1 notice=E status=410"]),
        vec![
            file(
                "a.txt",
                "https://photos.example/a?x=1&y=2 notice=N-1 reason=first\nphotos.example/a/?x=1&y=2 notice=N-2 reason=second",
            ),
            file(
                "b.txt",
                "https://photos.example/b?y=2 notice=N-9\nhttps://photos.example/a?x=1&y=2 notice=N-1\nphotos.example/a?x=1 notice=N-4\nphotos.example/a?x=1&y=2 query=exact notice=N-5",
            ),
        ],
    );
    let ruling = index.judge(&url("photos.example/a?x=1&y=2"), at(NOW)).unwrap();
    let notices: Vec<&str> = ruling.notices.iter().map(|notice| &**notice).collect();
    assert_eq!(notices, ["E", "N-1", "N-2"]);
    assert_eq!(ruling.status, BlockStatus::Gone);
    assert_eq!(ruling.reason.as_deref(), Some("first"));
}

#[test]
fn an_exception_beats_every_block() {
    let list = "https://h.example/a/b notice=1\nh.example notice=2\n!https://h.example/a/*\n!*.free.example\n*.example";
    let index = index(&[list]);
    for text in ["h.example/a/b", "h.example/a", "h.example/a/b/c?d", "free.example", "x.free.example/y"] {
        assert_eq!(blocks(&index, text), None, "{text}");
    }
    for text in ["h.example", "h.example/b/a", "afree.example"] {
        assert!(blocks(&index, text).is_some(), "{text}");
    }
    // An exception in a late file beats an edit.
    let index = Index::new(1, edits(&["https://h.example/p"]), vec![file("z.txt", "!h.example/p?ok")]);
    assert_eq!(blocks(&index, "h.example/p?ok&x"), None);
    assert!(blocks(&index, "h.example/p").is_some());
}

#[test]
fn an_exception_frees_only_the_readings_that_it_covers() {
    let asked = "h.example/a//../b";
    assert!(blocks(&index(&["https://h.example/b"]), asked).is_some());
    assert!(blocks(&index(&["https://h.example/a/b"]), asked).is_some());
    assert!(blocks(&index(&["h.example\n!https://h.example/b"]), asked).is_some());
    assert!(blocks(&index(&["h.example\n!https://h.example/a/b"]), asked).is_some());
    assert_eq!(blocks(&index(&["h.example\n!https://h.example/a/b\n!https://h.example/b"]), asked), None);
    // An exception in the same words covers the same readings.
    assert_eq!(blocks(&index(&["h.example\n!https://h.example/a//../b"]), asked), None);
    covers("https://h.example/a//../b", &["h.example/b", "h.example/a/b", asked], &["h.example/a"]);
    covers("https://h.example/a//../b?q&r", &["h.example/b?r&q", "h.example/a/b?q&r&s"], &["h.example/b?q"]);
}

#[test]
fn a_digest_is_blocked_under_any_url_but_an_excepted_one() {
    let bytes = Digest::of(b"bytes");
    let judge = |index: &Index, text: &str| {
        index.judge_digest(&url(text), &bytes, at(NOW)).map(|ruling| ruling.notices.concat())
    };
    let plain = index(&[&format!("{bytes} notice=D1"), &format!("{bytes} notice=D2")]);
    assert!(plain.has_digest_rules());
    assert_eq!(judge(&plain, "any.example/x"), Some("D1D2".to_owned()));
    assert_eq!(plain.judge_digest(&url("any.example/x"), &Digest::of(b"others"), at(NOW)), None);
    assert_eq!(plain.judge(&url("any.example/x"), at(NOW)), None);

    let excepted = index(&[&format!("{bytes}\n!press.example\n!https://h.example/b")]);
    assert_eq!(judge(&excepted, "press.example/x"), None);
    assert!(judge(&excepted, "any.example/x").is_some());
    assert!(judge(&excepted, "h.example/a//../b").is_some(), "one of its readings is not excepted");
    assert_eq!(judge(&index(&[&format!("{bytes}\n!{bytes}")]), "any.example/x"), None);
    assert_eq!(judge(&index(&["h.example"]), "h.example/"), None);
    assert!(!index(&["h.example"]).has_digest_rules());
}

#[test]
fn a_digest_that_is_known_comes_before_a_pattern_and_after_a_name() {
    let bytes = Digest::of(b"bytes");
    let index = index(&[&format!("~/leak notice=P\n{bytes} notice=D\nh.example/leak/x notice=U")]);
    let judge = |text: &str, digest: &Digest| {
        index.judge_known(&url(text), digest, at(NOW)).map(|ruling| ruling.notices.concat())
    };
    assert_eq!(judge("h.example/leak", &bytes).as_deref(), Some("D"));
    assert_eq!(judge("h.example/leak", &Digest::of(b"others")).as_deref(), Some("P"));
    assert_eq!(judge("h.example/leak/x", &bytes).as_deref(), Some("U"));
    assert_eq!(judge("h.example/other", &bytes).as_deref(), Some("D"));
    assert_eq!(judge("h.example/other", &Digest::of(b"others")), None);
}

#[test]
fn a_rule_holds_in_its_window_of_time() {
    let list = "https://h.example/p from=2027-01-10 until=2027-01-20 notice=N\n!h.example/p from=2027-01-12 until=2027-01-14\nh.example/p from=2027-01-19 notice=M";
    let index = index(&[list]);
    let ruling = |text: &str| index.judge(&url("h.example/p"), at(text)).map(|ruling| ruling.notices.join("+"));
    for (at, notices) in [
        ("2027-01-09T23:59:59.999999Z", None),
        ("2027-01-10", Some("N")),
        ("2027-01-11T23:59:59.999999Z", Some("N")),
        ("2027-01-12", None),
        ("2027-01-14", Some("N")),
        ("2027-01-19", Some("N+M")),
        ("2027-01-20", Some("M")),
        ("2050-01-01", Some("M")),
    ] {
        assert_eq!(ruling(at).as_deref(), notices, "{at}");
    }
    let mut at = time("2000-01-01");
    let mut boundaries = Vec::new();
    while let Some(next) = index.next_boundary(at) {
        boundaries.push(next);
        at = next;
    }
    let days = ["2027-01-10", "2027-01-12", "2027-01-14", "2027-01-19", "2027-01-20"];
    assert_eq!(boundaries, days.map(time));
}

#[test]
fn why_tells_the_rule_that_decides_and_those_that_do_not() {
    let index = index(&[
        "*.example notice=T\nhttps://h.example/p/* notice=P\n!h.example/p/cover\nhttps://h.example/p/x until=2027-01-01",
    ]);
    let explanation = index.explain(&url("h.example/p/x"), at(NOW));
    assert!(explanation.is_blocked());
    assert_eq!((explanation.list, &*explanation.reading), (7, "https://h.example/p/x"));
    let decides = explanation.decides.unwrap();
    assert_eq!((&*decides.rule, decides.kind), ("https://h.example/p/*", Kind::Prefix));
    assert_eq!(decides.origin.to_string(), "0.txt:2");
    let others: Vec<_> = explanation.others.iter().map(|cited| (&*cited.rule, cited.standing)).collect();
    assert_eq!(others, [("https://h.example/p/x", Standing::Over), ("*.example", Standing::InForce)]);

    let explanation = index.explain(&url("h.example/p/cover"), at(NOW));
    assert!(!explanation.is_blocked());
    assert!(explanation.decides.is_some_and(|cited| cited.exception && &*cited.rule == "!h.example/p/cover"));
    assert_eq!(explanation.others.len(), 2);

    let explanation = index.explain(&url("other.test/a//../b"), at(NOW));
    assert_eq!((explanation.decides, explanation.others), (None, Vec::new()));
}

#[test]
fn why_of_an_ambiguous_url_names_the_reading_that_is_blocked() {
    let index = index(&["https://h.example/a/b"]);
    let asked = url("h.example/a//../b");
    let explanation = index.explain(&asked, at(NOW));
    assert!(explanation.is_blocked());
    assert_eq!(&*explanation.reading, "https://h.example/a/b");
    assert_ne!(asked.canonical(), &*explanation.reading);
}

#[test]
fn why_is_bounded() {
    let list = "h.example/p\n".repeat(500);
    let explanation = index(&[&list]).explain(&url("h.example/p"), at(NOW));
    assert_eq!((explanation.others.len(), explanation.left_out), (100, 399));
}

#[test]
fn the_hash_tells_what_is_in_force() {
    let hash = |files: Vec<Arc<Table>>| Index::new(1, edits(&[]), files).hash();
    let (a, b) = (file("a.txt", "x.example"), file("b.txt", "y.example"));
    assert_eq!(hash(vec![a.clone(), b.clone()]), hash(vec![a.clone(), b.clone()]));
    assert_ne!(hash(vec![a.clone(), b.clone()]), hash(vec![b.clone(), a.clone()]));
    assert_ne!(hash(vec![a.clone()]), hash(vec![file("a.txt", "z.example")]));
    assert_ne!(hash(vec![a.clone()]), hash(vec![file("c.txt", "x.example")]));
}

#[test]
fn tables_say_how_much_they_hold() {
    let index =
        Index::new(3, edits(&["h.example"]), vec![file("a.txt", "# none\n"), file("b.txt", "x.example\ny.example")]);
    let told: Vec<(&str, usize)> = index.tables().iter().map(|table| (table.name(), table.len())).collect();
    assert_eq!(told, [("edits", 1), ("a.txt", 0), ("b.txt", 2)]);
    assert_eq!((index.rules(), index.version()), (3, 3));
}

#[test]
fn a_pattern_yields_to_every_exception() {
    let pattern = r"~^https://photos\.example/u/[0-9]+/leak notice=P";
    let index = index(&[&format!("{pattern}\n!https://photos.example/u/7/*\n~/leak$ notice=Q")]);
    assert_eq!(blocks(&index, "photos.example/u/7/leak"), None);
    assert!(blocks(&index, "photos.example/u/8/leak").is_some());
    assert!(blocks(&index, "photos.example/u/7/../8/leak").is_some());
    // Two patterns that cover the same are two rules.
    let ruling = index.judge(&url("photos.example/u/8/leak"), at(NOW)).unwrap();
    assert_eq!((&*ruling.notices.concat(), ruling.origin.to_string().as_str()), ("P", "0.txt:1"));
    assert!(blocks(&index, "other.example/x/leak?q=1").is_some());
    assert_eq!(blocks(&index, "other.example/x/leaks"), None);
}

#[test]
fn what_two_rules_disclose_is_what_both_let() {
    let index = index(&[
        "h.example/p notice=1 disclose=full page=a.html\nh.example/p notice=2 authority=Court disclose=none page=b.html",
        "h.example/p disclose=id",
    ]);
    let ruling = index.judge(&url("h.example/p"), at(NOW)).unwrap();
    assert_eq!((ruling.disclose, ruling.page.as_deref()), (Some(terms::ruling::Disclose::None), Some("a.html")));
    assert_eq!(ruling.authority.as_deref(), Some("Court"));
}

#[test]
fn a_rule_for_one_host_holds_for_its_kin() {
    let hosts = [HostPattern::Exact("photos.example".to_owned()), HostPattern::Under("fotos.example".to_owned())];
    let kin = Arc::new(Kin::new([(&hosts[..], true)]));
    let list = "https://photos.example/a notice=1\nhttps://x.fotos.example/b/*?k notice=2\n\
                ~^https://photos\\.example/u/[0-9]+$ notice=3\n!https://y.fotos.example/a/../u/7\nz.fotos.example from=2030-01-01";
    let index = Index::with_kin(1, edits(&[]), vec![file("a.txt", list)], kin.clone(), None);
    for text in ["photos.example/a", "z.fotos.example/a?q", "photos.example/b/x?k&l", "q.fotos.example/u/8"] {
        assert!(blocks(&index, text).is_some(), "{text}");
    }
    for text in ["fotos.example/a", "other.example/a", "photos.example/b/x", "photos.example/u/7", "photos.example/c"] {
        assert_eq!(blocks(&index, text), None, "{text}");
    }
    let explanation = index.explain(&url("z.fotos.example/a"), at(NOW));
    assert!(explanation.decides.is_some_and(|cited| cited.by_kin));
    assert!(!index.explain(&url("photos.example/a"), at(NOW)).decides.unwrap().by_kin);
    let later = index.judge(&url("photos.example/c"), at("2031-01-01"));
    assert_eq!(later.map(|ruling| ruling.rule.to_string()).as_deref(), Some("z.fotos.example"));

    // Taken over where nothing changed, and gone with the kin.
    let next = Index::with_kin(2, edits(&[]), index.tables.files().to_vec(), kin, Some(&index));
    assert!(blocks(&next, "z.fotos.example/a").is_some());
    let alone = Index::with_kin(3, edits(&[]), index.tables.files().to_vec(), Arc::default(), Some(&next));
    assert_eq!(blocks(&alone, "z.fotos.example/a"), None);
}

#[test]
fn why_tells_what_was_looked_up_and_why_another_rule_won() {
    let index = index(&[
        "h.example/p/x?k=1\nhttps://h.example/p/* notice=P\n*.example\n!https://h.example/q\n~/p/x$\n~/p/[a-z]",
    ]);
    let explanation = index.explain(&url("h.example/p/x?j&k=1"), at(NOW));
    let probes: Vec<(Kind, &str, usize)> =
        explanation.probes.iter().map(|probe| (probe.kind, probe.text.as_str(), probe.hits.len())).collect();
    let expected = [
        (Kind::HostTree, "*.example", 1),
        (Kind::Prefix, "https://h.example/p/*", 1),
        (Kind::Url, "https://h.example/p/x", 1),
        (Kind::Pattern, "https://h.example/p/x?j&k=1", 2),
    ];
    assert_eq!(probes, expected);
    let because: Vec<(&str, &str)> =
        explanation.others.iter().map(|cited| (&*cited.rule, cited.because.unwrap_or_default())).collect();
    let first = "a rule for the URL itself comes first";
    let expected = [("https://h.example/p/*", first), ("*.example", first), ("~/p/x$", first), ("~/p/[a-z]", first)];
    assert_eq!(because, expected);
}

#[test]
fn only_levels_at_which_rules_stand_are_looked_at_however_deep() {
    let deep = |depth: usize| format!("https://h.example{}", "/a".repeat(depth));
    let far = format!("*.{}h.example", "x.".repeat(70));
    let index = index(&[&format!("{}/*\n{}/* notice=deep\n{far}\n*.b.example", deep(2), deep(80))]);
    let told = |text: &str| index.judge(&url(text), at(NOW)).map(|ruling| ruling.rule.to_string());
    assert_eq!(told(&deep(1)), None);
    assert_eq!(told(&deep(2)).as_deref(), Some(&*format!("{}/*", deep(2))));
    assert_eq!(told(&deep(79)).as_deref(), Some(&*format!("{}/*", deep(2))));
    assert_eq!(told(&deep(81)).as_deref(), Some(&*format!("{}/*", deep(80))));
    assert_eq!(told(&format!("y.{}h.example/a", "x.".repeat(70))).as_deref(), Some(&*far));
    assert_eq!(told(&format!("{}h.example/b", "x.".repeat(69))), None);
    assert_eq!(told("a.b.example").as_deref(), Some("*.b.example"));
    let probes = index.explain(&url("c.a.b.example/1/2/3"), at(NOW)).probes;
    let texts: Vec<&str> = probes.iter().map(|probe| probe.text.as_str()).collect();
    assert_eq!(texts, ["*.b.example", "https://c.a.b.example/1/2/*"]);
}

#[test]
fn every_way_to_lose_has_its_reason() {
    for (lists, asked, rule, because) in [
        (&["h.example/p\n!h.example/p"][..], "h.example/p", "h.example/p", "exception"),
        (&["h.example/p/*\nh.example/*"], "h.example/p", "h.example/*", "longest prefix"),
        (&["*.h.example\n*.example"], "h.example", "*.example", "most labels"),
        (&["h.example\n*.h.example"], "h.example", "*.h.example", "before trees"),
        (&["*.h.example\n~h"], "h.example", "~h", "before digests and patterns"),
        (&["h.example notice=1", "H.example notice=2"], "h.example", "H.example", "names"),
        (&["h.example notice=1\nH.example notice=2"], "h.example", "H.example", "first one"),
        (&["h.example\nh.example/p until=2020-01-01"], "h.example/p", "h.example/p", "out of its time"),
        (&["h.example/b\nh.example/a/b"], "h.example/a//../b", "h.example/a/b", "another reading"),
    ] {
        let explanation = index(lists).explain(&url(asked), at(NOW));
        let other = explanation.others.iter().find(|cited| &*cited.rule == rule).unwrap_or_else(|| panic!("{lists:?}"));
        assert!(other.because.is_some_and(|told| told.contains(because)), "{lists:?}: {:?}", other.because);
    }
}
