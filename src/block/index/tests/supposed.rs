//! What rules would change.

use super::*;

/// The rule of `list` that covers all of `rule`.
fn covering(list: &str, rule: &str, exceptions: bool) -> Option<String> {
    let cited = index(&[list]).covering(&list::read_rule(rule).unwrap(), exceptions, time(NOW));
    cited.map(|cited| cited.rule.to_string())
}

#[test]
fn a_rule_is_covered_by_one_that_blocks_all_of_it() {
    let digest = Digest::of(b"bytes").to_string();
    for (list, rule, is_covered) in [
        ("h.example/a", "https://H.example//a?x=1", true),
        ("h.example/a?x=1", "h.example/a", false),
        ("h.example/a?x=1", "h.example/a?y=2&x=1", true),
        ("h.example/a query=exact", "h.example/a", false),
        ("h.example/a query=exact", "h.example/a query=exact", true),
        ("h.example/a/*", "h.example/a/b", true),
        ("h.example/a/*", "h.example/a/b/*", true),
        ("h.example/a/b/*", "h.example/a/*", false),
        ("h.example/a", "h.example/a/*", false),
        ("h.example", "h.example/a/*?x", true),
        ("h.example/*", "h.example", true),
        ("h.example", "*.h.example", false),
        ("*.example", "*.h.example", true),
        ("*.h.example", "h.example", true),
        ("h.example/a from=2999-01-01", "h.example/a", false),
        ("h.example/a until=2999-01-01", "h.example/a", false),
        ("h.example/a until=2999-01-01", "h.example/a until=2999-01-02", false),
        ("h.example/a until=2999-01-01", "h.example/a until=2999-01-01", true),
        ("h.example/a", "h.example/a until=2999-01-01", true),
        ("h.example/a geo=DE", "h.example/a", false),
        ("h.example/a geo=DE", "h.example/a geo=DE", true),
        ("h.example/a", "h.example/a geo=DE", true),
        ("h.example/a/b", "h.example/a//../b", false),
        ("h.example/a/b\nh.example/b", "h.example/a//../b", true),
        ("~^https://h\\.example/a", "h.example/a", false),
        ("~^https://h\\.example/a", "~^https://h\\.example/a", true),
        ("~^https://h\\.example/a", "~^https://h\\.example/a$", false),
        (&digest, &digest, true),
        ("h.example", &digest, false),
    ] {
        assert_eq!(covering(list, rule, false).is_some(), is_covered, "{list} {rule}");
        // An exception for a parameter frees one of the names under which a rule blocks it.
        let is_excepted = is_covered && !list.contains('?');
        let exceptions = list.lines().map(|line| format!("!{line}\n")).collect::<String>();
        if !list.starts_with('~') {
            assert_eq!(covering(&exceptions, rule, true).is_some(), is_excepted, "{exceptions} {rule}");
            assert_eq!(covering(&exceptions, rule, false), None);
        }
    }
    assert_eq!(covering("h.example\nh.example/a", "h.example/a", false).as_deref(), Some("h.example/a"));
}

#[test]
fn a_rule_reads_as_it_is_compared() {
    for (rule, reads) in [
        ("http://H.example:81/%61/../b//c?y=2&x=1", "https://h.example/b/c?x=1&y=2"),
        ("h.example/a/*?x=1", "https://h.example/a/*?x=1"),
        ("h.example/*", "https://h.example/*"),
        ("!H.example.", "!h.example"),
        ("*.B\u{fc}cher.example", "*.xn--bcher-kva.example"),
        ("~^https://h/a", "~^https://h/a"),
    ] {
        assert_eq!(list::read_rule(rule).unwrap().canonical(), reads);
    }
}

#[test]
fn more_edits_stand_behind_those_that_there_are_and_before_files() {
    let index = Index::new(7, edits(&["h.example/a notice=E"]), vec![file("0.txt", "h.example/b notice=F")]);
    let rules = ["h.example/a notice=M", "h.example/b notice=M", "h.example/c notice=M"];
    let read = rules.map(|rule| list::read_rule(rule).unwrap()).to_vec();
    let with_more = |index: &Index| index.with_more(read.clone(), rules.map(Arc::from).to_vec());
    let after = with_more(&index);
    let notices = |index: &Index| {
        ["a", "b", "c"].map(|path| {
            let ruling = index.judge(&url(&format!("h.example/{path}")), at(NOW));
            ruling.map(|ruling| ruling.notices.join("+"))
        })
    };
    let told = |notices: [Option<&str>; 3]| notices.map(|notice| notice.map(str::to_owned));
    assert_eq!(notices(&index), told([Some("E"), Some("F"), None]));
    assert_eq!(notices(&after), told([Some("E+M"), Some("M+F"), Some("M")]));
    assert_eq!(notices(&with_more(&index.with_live(edits(&[])))), told([Some("M"), Some("M+F"), Some("M")]));
    assert_eq!(after.decides(&url("h.example/c"), at(NOW)).unwrap().origin.to_string(), format!("edit {}", rules[2]));
}
