//! The TOML format: the same rules as lines of the plain one, and where it goes wrong.

use proptest::prelude::*;
use terms::BlockStatus;
use terms::ruling::Disclose;

use super::{HEX, told};
use crate::list::{BadLine, read_rule, read_tables};
use crate::pattern::Share;
use crate::rule::Rule;

fn rules(text: &str) -> Vec<Rule> {
    read_tables(text.as_bytes(), Share::default()).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))
}

fn bad(text: &str) -> BadLine {
    read_tables(text.as_bytes(), Share::default()).err().unwrap_or_else(|| panic!("{text} is taken")).remove(0)
}

#[test]
fn a_table_is_what_a_line_of_the_plain_format_is() {
    for (table, line) in [
        (r#"url = "https://photos.example/a/stolen.jpg""#, "https://photos.example/a/stolen.jpg"),
        (r#"prefix = "https://photos.example/albums/""#, "https://photos.example/albums/*"),
        (r#"prefix = "https://photos.example/albums""#, "https://photos.example/albums/*"),
        (r#"prefix = "https://photos.example/albums/*?a=1""#, "https://photos.example/albums/*?a=1"),
        (r#"prefix = "photos.example#top""#, "photos.example/*"),
        (r#"host = "pirate.example""#, "pirate.example"),
        (r#"host = "*.pirate.example""#, "*.pirate.example"),
        (&format!("digest = \"sha256:{HEX}\""), &format!("sha256:{HEX}")),
        (r"pattern = '^https://photos\.example/u/[0-9]+/leak'", r"~^https://photos\.example/u/[0-9]+/leak"),
        (r"pattern = '~^https://photos\.example/'", r"~^https://photos\.example/"),
        ("except = true\nhost = \"free.example\"", "!free.example"),
        ("except = false\nhost = \"free.example\"", "free.example"),
        (r#"except = "https://free.example/p/*""#, "!https://free.example/p/*"),
    ] {
        let read = rules(&format!("[[rule]]\n{table}\n")).remove(0);
        let plain = read_rule(line).unwrap();
        assert_eq!((&read.subject, read.exception, &*read.text), (&plain.subject, plain.exception, line), "{table}");
    }
}

#[test]
fn attributes_are_those_of_the_plain_format() {
    let text = "\u{feff}# a list\r\n[[rule]]\r\nnotice = \"N-17\"\r\nurl = \"h.example/p\"\r\nreason = \"say \\\"no\\\"\"\r\n\
                status = 410\r\nfrom = 2027-01-01\r\nuntil = 2027-02-01T09:00:00Z\r\nquery = \"exact\"\r\n\
                authority = \"https://court.example/o/7\"\r\npage = \"gone.html\"\r\ndisclose = \"id\"\r\n";
    let rule = rules(text).remove(0);
    let line = "h.example/p notice=N-17 reason=\"say \\\"no\\\"\" status=410 from=2027-01-01 until=2027-02-01T09:00:00Z \
                query=exact authority=https://court.example/o/7 page=gone.html disclose=id";
    assert_eq!(rule.attributes, read_rule(line).unwrap().attributes);
    assert_eq!((rule.attributes.status, rule.attributes.disclose), (BlockStatus::Gone, Some(Disclose::Id)));
    assert_eq!(rule.line, 4);
}

#[test]
fn many_rules_stand_in_their_order() {
    let text = "rule = [{ host = \"a.example\" },\n { host = \"b.example\", notice = \"N\" }]\n";
    let all: Vec<(u32, String)> = rules(text).iter().map(|rule| (rule.line, told(rule))).collect();
    assert_eq!(all, [(1, "host a.example".to_owned()), (2, "host b.example".to_owned())]);
    assert_eq!(rules(""), []);
    assert_eq!(rules("# nothing yet\n"), []);
}

#[test]
fn a_bad_table_says_where_and_what_instead() {
    for (text, line, column, what) in [
        ("[[rule]]\nhosd = \"a.example\"\n", 2, 1, "did you mean host?"),
        ("[[rule]]\nhost = \"a.example\"\nnotise = \"N\"\n", 3, 1, "did you mean notice?"),
        ("[[rule]]\nhost = \"a.example\"\ngeo = \"UK\"\n", 3, 7, "did you mean GB?"),
        ("[[rule]]\nhost = \"a.example\"\ngeo = [\"DE\", \"Z\"]\n", 3, 7, "two letters"),
        ("[[rule]]\nhost = \"a.example\"\ngeo = [\"DE\", 1]\n", 3, 14, "in quotes"),
        ("[[rule]]\nhost = \"a.example\"\ngeo = []\n", 3, 7, "has no value"),
        ("[[rules]]\nhost = \"a.example\"\n", 1, 3, "[[rule]] tables"),
        ("[rule]\nhost = \"a.example\"\n", 1, 1, "[[rule]]"),
        ("rule = [1]\n", 1, 9, "[[rule]]"),
        ("[[rule]]\nnotice = \"N\"\n", 1, 1, "what it covers"),
        ("[[rule]]\nurl = \"https://a.example/\"\nhost = \"a.example\"\n", 3, 8, "make two rules"),
        ("[[rule]]\nurl = \"https://a.example/p/*\"\n", 2, 7, "stands under `prefix`"),
        ("[[rule]]\nurl = \"a.example\"\n", 2, 7, "stands under `host`"),
        ("[[rule]]\nurl = 7\n", 2, 7, "in quotes"),
        ("[[rule]]\nurl = \"https://a.example/é*x\"\n", 2, 27, "whole last segment"),
        ("[[rule]]\nurl = \"https://a.example/\\u00e9*x\"\n", 2, 7, "whole last segment"),
        ("[[rule]]\ndigest = \"sha256:abc\"\n", 2, 18, "64 hexadecimal"),
        ("[[rule]]\npattern = '^https://a/[z'\n", 2, 23, "unclosed"),
        ("[[rule]]\npattern = '^https://a/'\nexcept = true\n", 2, 11, "but a pattern"),
        ("[[rule]]\nexcept = 1\n", 2, 10, "is true"),
        ("[[rule]]\nhost = \"a.example\"\nstatus = 500\n", 3, 10, "451, 410, 404 or 403"),
        ("[[rule]]\nhost = \"a.example\"\nuntil = 2027-01-31T09:00:00\n", 3, 9, "RFC 3339"),
        ("[[rule]]\nhost = \"a.example\"\nreason = \"a\\nb\"\n", 3, 10, "control character"),
        ("[[rule]]\nhost = \"a.example\"\nreason = \"\"\n", 3, 10, "has no value"),
        ("[[rule]]\nhost = \"a.example\"\nhost = \"b.example\"\n", 3, 1, "not TOML"),
        ("[[rule]]\nhost = a.example\n", 2, 8, "not TOML"),
    ] {
        let bad = bad(text);
        assert!(bad.what.contains(what), "{text}: {bad}");
        assert_eq!((bad.line, bad.column), (line, column), "{text}: {bad}");
        assert_eq!(Some(bad.source.as_str()), text.lines().nth(line as usize - 1), "{text}");
    }
    assert_eq!(read_tables(b"[[rule]]\nurl = \"\xff\"\n", Share::default()).unwrap_err()[0].line, 2);
}

#[test]
fn there_may_be_so_many_patterns_and_no_more() {
    let beside = Share { patterns: Share::ALL.patterns - 1, bytes: 0 };
    let two = b"[[rule]]\npattern = 'one'\n[[rule]]\npattern = 'two'\n";
    let bad = read_tables(two, beside).unwrap_err().remove(0);
    assert!(bad.what.contains("one pattern more than the 1000"), "{bad}");
    let plain = crate::list::read_each(b"~one\n~two\n", beside, drop).unwrap_err().remove(0);
    assert_eq!((plain.line, plain.column), (2, 1));
    let large = crate::list::read_each(b"~one\n", Share { patterns: 0, bytes: Share::ALL.bytes }, drop).unwrap_err();
    assert!(large[0].what.contains("4 MiB"), "{}", large[0]);
}

proptest! {
    #[test]
    fn any_mix_of_pieces_is_rules_or_bad_lines(pieces in prop::collection::vec(prop::sample::select(vec![
        "[[rule]]", "\n", "rule = ", "[", "]", "{", "}", ", ", "url = ", "host = ", "prefix = ", "digest = ", "pattern = ",
        "except = ", "notice = ", "until = ", "status = ", "true", "410", "2027-01-01", "\"h.example\"", "\"https://h.example/é/*\"",
        "'^https://h/[a'", "\"\\u00e9\"", "\"", "'", "#", "\u{0}", "\r", ".",
    ]), 0..30)) {
        let text = pieces.concat();
        match read_tables(text.as_bytes(), Share::default()) {
            Ok(rules) => for rule in rules {
                prop_assert_eq!(read_rule(&rule.text).unwrap().subject, rule.subject, "its text names the same as a line");
            },
            Err(bad) => prop_assert!(bad.iter().all(|bad| bad.line >= 1 && bad.column >= 1 && !bad.what.is_empty())),
        }
    }

    #[test]
    fn any_text_is_rules_or_bad_lines(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_tables(&bytes, Share::default());
    }
}
