mod foreign;
mod tables;

use proptest::prelude::*;
use terms::{BlockStatus, Digest, Timestamp};

use super::{BadLine, MAX_LINE, MAX_REPORTED, read, read_rule};
use crate::rule::{Rule, Subject};

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn one(line: &str) -> Rule {
    read_rule(line).unwrap_or_else(|bad| panic!("{line}: {bad}"))
}

/// A subject in a word: its kind and its canonical text.
fn told(rule: &Rule) -> String {
    match &rule.subject {
        Subject::Url(place) => format!("url {}", place.readings()[0].as_str()),
        Subject::Prefix(place) => format!("prefix {}", place.readings()[0].as_str()),
        Subject::Host(host) => format!("host {host}"),
        Subject::HostTree(host) => format!("tree {host}"),
        Subject::Digest(digest) => format!("digest {digest}"),
        Subject::Pattern(_) => format!("pattern {}", rule.text),
    }
}

#[test]
fn reads_the_list_of_the_contract() {
    let list = format!(
        "https://photos.example/a/stolen.jpg            notice=N-17 reason=\"DMCA 512(c)\"\n\
         https://photos.example/albums/private/*        notice=N-18          # with or without a slash, and below\r\n\
         *.pirate.example                               notice=N-19          # the host and those under it\n\
         pirate2.example                                notice=N-19          # this host alone\n\
         \n\
         # a comment\n\
         \t # another\n\
         sha256:{HEX}  notice=N-20\n\
         !https://photos.example/albums/private/cover.jpg                    # an exception\n\
         https://photos.example/de-only.jpg             until=2027-01-31 status=410"
    );
    let rules = read(list.as_bytes()).unwrap();
    let all: Vec<(u32, String, bool)> = rules.iter().map(|rule| (rule.line, told(rule), rule.exception)).collect();
    let expected = [
        (1, "url https://photos.example/a/stolen.jpg".to_owned(), false),
        (2, "prefix https://photos.example/albums/private".to_owned(), false),
        (3, "tree pirate.example".to_owned(), false),
        (4, "host pirate2.example".to_owned(), false),
        (8, format!("digest sha256:{HEX}"), false),
        (9, "url https://photos.example/albums/private/cover.jpg".to_owned(), true),
        (10, "url https://photos.example/de-only.jpg".to_owned(), false),
    ];
    assert_eq!(all, expected);
    assert_eq!(&*rules[1].text, "https://photos.example/albums/private/*");
    assert_eq!(&*rules[5].text, "!https://photos.example/albums/private/cover.jpg");
    assert_eq!(rules[0].attributes.notice.as_deref(), Some("N-17"));
    assert_eq!(rules[0].attributes.reason.as_deref(), Some("DMCA 512(c)"));
    assert_eq!(rules[6].attributes.until, Timestamp::parse("2027-01-31T00:00:00Z"));
    assert_eq!(rules[6].attributes.status, BlockStatus::Gone);
}

#[test]
fn a_word_is_a_url_a_prefix_a_host_or_a_digest() {
    for (word, expected) in [
        ("h.example/p", "url https://h.example/p"),
        ("HTTP://H.example:8080/p", "url https://h.example/p"),
        ("https://h.example", "url https://h.example/"),
        ("h.example/", "url https://h.example/"),
        ("h.example?a=1", "url https://h.example/?a=1"),
        ("h.example/p#top", "url https://h.example/p"),
        ("h.example/p#*", "url https://h.example/p"),
        ("h.example#top", "host h.example"),
        ("h.example/p?u=https://x.example", "url https://h.example/p?u=https://x.example"),
        ("h.example/%2A", "url https://h.example/*"),
        ("h.example/*", "prefix https://h.example/"),
        ("https://h.example/*", "prefix https://h.example/"),
        ("h.example/p/*#x", "prefix https://h.example/p"),
        ("h.example/p/*?b&a", "prefix https://h.example/p?a&b"),
        ("h.example\\p\\*", "prefix https://h.example/p"),
        ("H.Example.", "host h.example"),
        ("h.example:8443", "host h.example"),
        ("bücher.example", "host xn--bcher-kva.example"),
        ("192.0.2.7", "host 192.0.2.7"),
        ("[2001:DB8::7]", "host [2001:db8::7]"),
        ("[2001:DB8::7]:443", "host [2001:db8::7]"),
        ("*.H.example", "tree h.example"),
        ("*.com", "tree com"),
        (&format!("SHA256:{}", HEX.to_uppercase()), &format!("digest sha256:{HEX}")),
        ("!*.h.example", "tree h.example"),
    ] {
        assert_eq!(told(&one(word)), expected, "{word}");
    }
}

#[test]
fn reads_attributes() {
    let rule =
        one(r##"h.example/p#f notice=N#1 reason="say \"no\" \\ # really" from=2027-01-01 query=exact # reason=x"##);
    assert_eq!(rule.attributes.notice.as_deref(), Some("N#1"));
    assert_eq!(rule.attributes.reason.as_deref(), Some(r##"say "no" \ # really"##));
    assert_eq!(rule.attributes.from, Timestamp::parse("2027-01-01"));
    assert!(rule.attributes.exact_query);
    assert_eq!(&*rule.text, "h.example/p#f");
    assert_eq!(rule.line, 0);
    for (status, meant) in [
        ("451", BlockStatus::UnavailableForLegalReasons),
        ("410", BlockStatus::Gone),
        ("404", BlockStatus::NotFound),
        ("403", BlockStatus::Forbidden),
    ] {
        assert_eq!(one(&format!("h.example\tstatus=\"{status}\"")).attributes.status, meant);
    }
    // What an exception carries is kept; it has nothing to answer with.
    assert_eq!(one("!h.example notice=N status=410").attributes.notice.as_deref(), Some("N"));
}

#[test]
fn a_bad_line_says_where_and_what_instead() {
    let digest = format!("{HEX}0");
    for (line, column, what) in [
        ("h.example notic=1", 11, "did you mean notice?"),
        ("h.example Status=410", 11, "did you mean status?"),
        ("h.example zzzzzzzzzz=1", 11, "there are notice, reason"),
        ("h.example geo=DX", 15, "did you mean DE?"),
        ("h.example geo=DE,UK", 15, "did you mean GB?"),
        ("h.example geo=EU", 15, "name its members"),
        ("h.example geo=!DE", 15, "name where it does"),
        ("h.example geo=Germany", 15, "two letters of ISO 3166-1"),
        ("h.example geo=DE,", 15, "a country is missing"),
        ("h.example geo=XX", 15, "did you mean"),
        ("h.example geo=DE geo=FR", 18, "geo stands twice"),
        ("h.example page=x.htm", 16, "name an .html file"),
        ("h.example page=../x.html", 16, "name an .html file"),
        ("h.example page=/x.html", 16, "name an .html file"),
        ("h.example page=.x.html", 16, "name an .html file"),
        ("h.example authority=\"https://a.example/ü\"", 21, "percent-encode"),
        ("h.example disclose=some", 20, "full, id or none"),
        ("h.example blocked", 11, "name=value"),
        ("h.example notice", 11, "write notice=…"),
        ("h.example notice= reason=x", 18, "notice has no value"),
        ("h.example notice=\"\"", 18, "notice has no value"),
        ("h.example notice=1 notice=2", 20, "notice stands twice"),
        ("h.example status=500", 18, "write 451, 410, 404 or 403"),
        ("h.example until=soon", 17, "2027-01-31"),
        ("h.example from=2027-02-01 until=2027-01-31", 1, "not later than `from`"),
        ("h.example from=2027-02-01 until=2027-02-01", 1, "not later than `from`"),
        ("h.example query=exact", 17, "goes with a URL"),
        ("h.example/p query=some", 19, "`exact`"),
        ("h.example reason=\"open", 18, "not closed"),
        ("h.example reason=\"a\"b", 21, "blank is missing"),
        ("h.example reason=a\"b", 19, "quotes"),
        ("h.example reason=\"a\\n\"", 20, "escaped"),
        ("h.example reason=\"ü\\", 20, "escaped"),
        ("h.example reason=\"a\u{7}b\"", 20, "control character"),
        ("~", 2, "every URL"),
        ("~^https://h/[z", 13, "unclosed character class"),
        ("~^http://h\\.example/", 2, "always begins with https://"),
        ("~^https://h\\.example/x query=exact", 30, "goes with a URL"),
        ("!~^https://h", 1, "but a pattern"),
        ("! h.example", 1, "without a blank"),
        ("!!h.example", 2, "one `!`"),
        ("*", 1, "first label"),
        ("*h.example", 1, "first label"),
        ("*.*.example", 3, "first label"),
        ("a.*.example", 3, "first label"),
        ("*.192.0.2.1", 1, "address"),
        ("*.h.example/p", 1, "write *.h.example alone"),
        ("https://*.h.example/p", 9, "write *.h.example alone"),
        ("https://h.example/*/p", 19, "whole last segment"),
        ("https://h.example/p*", 20, "whole last segment"),
        ("https://h.example/*.jpg", 19, "whole last segment"),
        ("https://h.example/p/*/", 21, "whole last segment"),
        ("https://h.example/p?a=*", 23, "%2A"),
        ("https://h.example/p/*?a=*", 25, "%2A"),
        ("ftp://h.example/p", 1, "write https://"),
        ("https:/h.example/p", 6, "`//` is missing"),
        ("http:h.example", 5, "`//` is missing"),
        ("https://h.example/%zz", 1, "write %25"),
        ("https:///p", 1, "names no host"),
        ("/p", 1, "names no host"),
        ("h..example", 1, "neither a host nor a URL"),
        ("user@h.example", 1, "neither a host nor a URL"),
        ("https://h.example/ä\u{a0}notice=1", 20, "U+00A0"),
        ("\u{feff}h.example", 1, "U+FEFF"),
        ("sha256:abc", 8, "64 hexadecimal digits"),
        (&format!("!sha256:{digest}"), 9, "65 characters"),
        (&format!("sha512:{HEX}"), 1, "write sha256:"),
        ("h.example\rnotice=1", 10, "carriage return"),
        ("h.example\ni.example", 10, "one rule is one line"),
        ("", 1, "no rule stands here"),
        ("# h.example", 1, "no rule stands here"),
    ] {
        let bad = read_rule(line).err().unwrap_or_else(|| panic!("{line} is taken"));
        assert!(bad.what.contains(what), "{line}: {bad}");
        assert_eq!((bad.column, bad.line), (column, 0), "{line}: {bad}");
        assert_eq!(bad.source, line);
    }
}

#[test]
fn a_list_is_taken_whole_or_not_at_all() {
    let bad = read("good.example\n*bad\n# fine\ngood.example/x statis=410\n".as_bytes()).unwrap_err();
    let lines: Vec<(u32, u32)> = bad.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(lines, [(2, 1), (4, 16)]);
    assert_eq!(bad[1].to_string().split(':').next(), Some("line 4, column 16"));
    assert_eq!(read(&b"*\n".repeat(1000)).unwrap_err().len(), MAX_REPORTED);
}

#[test]
fn ends_of_lines_and_the_byte_order_mark() {
    for list in ["a.example\nb.example\n", "a.example\r\nb.example", "\u{feff}a.example\n\n\r\nb.example\r\n"] {
        let rules = read(list.as_bytes()).unwrap();
        assert_eq!(rules.iter().map(|rule| &*rule.text).collect::<Vec<_>>(), ["a.example", "b.example"], "{list:?}");
    }
    assert_eq!(read(b"").unwrap(), []);
    // A file with the ends of lines of old would be one long comment.
    assert!(read(b"# list\rh.example\r").is_err());
}

#[test]
fn a_line_has_a_bound() {
    let line = |length: usize| format!("h.example/{}", "x".repeat(length - "h.example/".len()));
    assert!(read(format!("{}\r\n", line(MAX_LINE)).as_bytes()).is_ok());
    let bad = read(line(MAX_LINE + 1).as_bytes()).unwrap_err().remove(0);
    assert!(bad.what.contains("16384 bytes at most"), "{bad}");
    assert_eq!(bad.source.chars().count(), 401);
}

#[test]
fn what_is_not_utf_8_is_shown_up_to_there() {
    let bad = read(b"ok.example\nh.example/\xc3\xa9\xff").unwrap_err().remove(0);
    assert_eq!((bad.line, bad.column), (2, 12));
    assert_eq!(bad.source, "h.example/é\u{fffd}");
    assert!(
        read("h.example notice=1".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>().as_slice()).is_err()
    );
}

#[test]
fn attributes_that_are_written_alike_are_held_once() {
    let rules =
        read(b"a.example notice=N reason=N\nb.example notice=N reason=N\nh.example/a notice=N reason=N").unwrap();
    let [host, other, url] = &rules[..] else { panic!("{rules:?}") };
    assert!(std::sync::Arc::ptr_eq(&host.attributes, &other.attributes));
    // What goes with a URL does not go with every rule.
    assert_eq!(host.attributes, url.attributes);
    let bad = read(b"h.example/a query=exact\nh.example query=exact").unwrap_err().remove(0);
    assert_eq!((bad.line, bad.column), (2, 17));
}

#[test]
fn a_digest_is_the_value_it_names() {
    assert_eq!(one(&format!("sha256:{HEX}")).subject, Subject::Digest(Digest::from_hex(HEX).unwrap()));
}

fn is_well_formed(bad: &BadLine, list: &str) -> bool {
    let shown = bad.source.trim_end_matches('…');
    bad.column >= 1 && !bad.what.is_empty() && (list.is_empty() || list.contains(shown))
}

proptest! {
    #[test]
    fn any_bytes_are_rules_or_bad_lines(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(bad) = read(&bytes) {
            prop_assert!(!bad.is_empty() && bad.len() <= MAX_REPORTED);
        }
    }

    #[test]
    fn any_mix_of_pieces_is_rules_or_bad_lines(pieces in prop::collection::vec(prop::sample::select(vec![
        "https://", "http:", "h.example", "*", "*.", "/", "/*", "?", "a=1", "&", "#", " ", "\t", "\n", "\r\n", "!", "~",
        "sha256:", HEX, "notice=", "reason=", "\"", "\\", "status=410", "until=2027-01-01", "from=", "query=exact",
        "geo=DE", "%", "%2A", "é", "\u{feff}", "\u{0}", "[::1]", ":80", "@", "..", ".",
    ]), 0..30)) {
        let list = pieces.concat();
        match read(list.as_bytes()) {
            Ok(rules) => for rule in rules {
                prop_assert!(list.contains(&*rule.text));
                prop_assert_eq!(one(&rule.text).subject, rule.subject, "a rule's text names the same alone");
            },
            Err(bad) => prop_assert!(bad.iter().all(|bad| is_well_formed(bad, &list))),
        }
    }
}
