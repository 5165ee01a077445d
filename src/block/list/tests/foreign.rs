//! Formats of others: what each line comes to, and what is left out.

use std::sync::Arc;

use proptest::prelude::*;
use terms::BlockStatus;

use super::{HEX, told};
use crate::list::{BadLine, Foreign, Format, Kind, Unread, checks, read_foreign};
use crate::rule::Rule;

fn foreign(format: Format) -> Foreign {
    Foreign { gateways: vec![Arc::from("gw.example")], ..Foreign::new(format) }
}

fn try_read(format: Format, text: &str) -> Result<(Vec<Rule>, Unread), BadLine> {
    let mut rules = Vec::new();
    let unread = read_foreign(text.as_bytes(), &foreign(format), |rule| rules.push(rule))?;
    Ok((rules, unread))
}

/// The rules in a word each, and what is left out.
fn read(format: Format, text: &str) -> (Vec<String>, Vec<(Kind, u64)>) {
    let (rules, unread) = try_read(format, text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
    let kinds = unread.tallies().iter().map(|tally| (tally.kind, tally.count)).collect();
    (rules.iter().map(told).collect(), kinds)
}

/// Each line, below others that show which format it is, comes to these rules and these kinds.
fn assert_lines(format: Format, head: &str, cases: &[(&str, &[&str], &[Kind])]) {
    for (line, rules, kinds) in cases {
        let (before, _) = read(format, head);
        let (all, left) = read(format, &format!("{head}{line}\n"));
        assert_eq!(all[before.len()..], **rules, "{line}");
        assert_eq!(left.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), **kinds, "{line}");
    }
}

#[test]
fn hosts() {
    let cases: [(&str, &[&str], &[Kind]); 16] = [
        ("0.0.0.0 ads.example", &["host ads.example"], &[]),
        ("127.0.0.1\tads.example  track.example # both", &["host ads.example", "host track.example"], &[]),
        ("::1 ads.example", &["host ads.example"], &[]),
        ("::\tADS.example.\r", &["host ads.example"], &[]),
        ("  0.0.0.0 ads.example#not-a-comment", &[], &[Kind::NotAHost]),
        ("# 0.0.0.0 ads.example", &[], &[]),
        ("", &[], &[]),
        ("127.0.0.1 localhost ads.example", &["host ads.example"], &[Kind::LocalName]),
        ("fe80::1%lo0 localhost", &[], &[Kind::LocalName]),
        ("0.0.0.0 0.0.0.0", &[], &[Kind::LocalName]),
        ("192.0.2.7 intranet.example", &[], &[Kind::OtherAddress]),
        ("0.0.0.0 *.ads.example", &[], &[Kind::Wildcard]),
        ("0.0.0.0 https://ads.example/", &[], &[Kind::NotAHost]),
        ("0.0.0.0 !ads.example ~ads", &[], &[Kind::NotAHost]),
        ("ads.example", &[], &[Kind::Malformed]),
        ("0.0.0.0", &[], &[Kind::Malformed]),
    ];
    assert_lines(Format::Hosts, "0.0.0.0 first.example\n", &cases);
}

#[test]
fn plain() {
    let digest = format!("digest sha256:{HEX}");
    let (prefixed, other) = (format!("SHA256:{HEX}"), "d41d8cd98f00b204e9800998ecf8427e");
    let cases: [(&str, &[&str], &[Kind]); 20] = [
        ("pirate.example", &["host pirate.example"], &[]),
        ("pirate.example # why", &["host pirate.example"], &[]),
        ("bücher.example", &["host xn--bcher-kva.example"], &[]),
        ("192.0.2.7", &["host 192.0.2.7"], &[]),
        ("https://h.example/a", &["url https://h.example/a"], &[]),
        ("HTTP://h.example:8080/a?x=1#top", &["url https://h.example/a?x=1"], &[]),
        ("https://h.example", &["url https://h.example/"], &[]),
        ("h.example/a", &["url https://h.example/a"], &[]),
        ("h.example/a/*", &["url https://h.example/a/*"], &[]),
        (HEX, &[&digest], &[]),
        (&prefixed, &[&digest], &[]),
        (other, &[], &[Kind::OtherDigest]),
        ("*.pirate.example", &[], &[Kind::Wildcard]),
        ("!pirate.example", &[], &[Kind::NotAHost]),
        ("~^https://pirate.example/", &[], &[Kind::NotAUrl]),
        ("example.com##.ad", &[], &[Kind::NotAHost]),
        ("ftp://h.example/a", &[], &[Kind::NotAUrl]),
        ("user@h.example/a", &[], &[Kind::NotAUrl]),
        ("/a/b", &[], &[Kind::NotAUrl]),
        ("pirate.example notice=N-1", &[], &[Kind::Malformed]),
    ];
    assert_lines(Format::Plain, "first.example\n", &cases);
}

#[test]
fn sha256() {
    let digest = format!("digest sha256:{HEX}");
    let lines = [
        format!("{HEX}  stolen.jpg"),
        format!("{} *stolen.jpg", HEX.to_uppercase()),
        format!("\\{HEX}  a\\nb"),
        format!("sha256:{HEX}"),
        format!("  {HEX}"),
    ];
    let (all, left) = read(Format::Sha256, &format!("# digests\n{}\n", lines.join("\n")));
    assert_eq!((all, left), (vec![digest; lines.len()], vec![]));
    let cases: [(&str, &[&str], &[Kind]); 4] = [
        ("d41d8cd98f00b204e9800998ecf8427e  empty", &[], &[Kind::OtherDigest]),
        ("SHA256 (a) = 00", &[], &[Kind::NotADigest]),
        ("9f86", &[], &[Kind::NotADigest]),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty", &[], &[Kind::EmptyDigest]),
    ];
    assert_lines(Format::Sha256, &format!("{HEX}\n"), &cases);
}

#[test]
fn urlhaus() {
    let list = "########\n# abuse.ch URLhaus\n#\n\
        # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
        \"3\",\"2026-02-26 12:05:20\",\"http://192.0.2.10:58801/i\",\"online\",\"\",\"x\",\"32-bit,elf\",\"https://u.example/3/\",\"a\"\n\
        \"2\",\"2026-02-26\",\"https://bad.example/a,b.exe?x=\"\"1\"\"\",\"offline\",\"\",\"x\",\"None\",\"https://u.example/2/\",\"b\"\r\n\
        \"1\",\"2026-02-26\",\"http://Bad.EXAMPLE\",\"online\",\"\",\"x\",\"y\",\"https://u.example/1/\",\"c\"\n";
    let (all, left) = read(Format::UrlHaus, list);
    let expected =
        ["url https://192.0.2.10/i", "url https://bad.example/a,b.exe?x=%221%22", "url https://bad.example/"];
    assert_eq!((all, left), (expected.map(str::to_owned).to_vec(), vec![]));
    // The column is the header's word, not a habit.
    let head = "# id,url,threat\n\"9\",\"http://first.example/\",\"x\"\n";
    let cases: [(&str, &[&str], &[Kind]); 6] = [
        ("\"1\",\"http://h.example/a\",\"x\"", &["url https://h.example/a"], &[]),
        ("1,http://h.example/*,x", &["url https://h.example/*"], &[]),
        ("\"1\",\"h.example\",\"x\"", &[], &[Kind::NotAUrl]),
        ("\"1\",\"ftp://h.example/a\",\"x\"", &[], &[Kind::NotAUrl]),
        ("\"1\"", &[], &[Kind::Malformed]),
        ("\"1\",\"http://h.example/a", &[], &[Kind::Malformed]),
    ];
    assert_lines(Format::UrlHaus, head, &cases);
    let bad = try_read(Format::UrlHaus, "\"1\",\"2026\",\"http://h.example/a\"\n").unwrap_err();
    assert!(bad.what.contains("urlhaus") && bad.what.contains("malformed"), "{bad}");
}

#[test]
fn adblock() {
    let cases: [(&str, &[&str], &[Kind]); 33] = [
        ("! a comment", &[], &[]),
        ("||ads.example^", &["tree ads.example"], &[]),
        ("||ads.example^*", &["tree ads.example"], &[]),
        ("||ads.example/", &["tree ads.example"], &[]),
        ("||ads.example/*", &["tree ads.example"], &[]),
        ("||192.0.2.7^", &["host 192.0.2.7"], &[]),
        ("||ads.example", &["tree ads.example"], &[Kind::BeginsWith]),
        ("||ads", &[], &[Kind::NotAHost]),
        ("||ads.", &[], &[Kind::NotAHost]),
        ("||ads.example^|", &["url https://ads.example/"], &[Kind::HostsBelow]),
        ("||h.example/a/b^", &["prefix https://h.example/a/b"], &[Kind::HostsBelow]),
        ("||h.example/a/", &["prefix https://h.example/a"], &[Kind::HostsBelow]),
        ("||h.example/a", &["prefix https://h.example/a"], &[Kind::BeginsWith, Kind::HostsBelow]),
        ("|https://h.example/a|", &["url https://h.example/a"], &[]),
        ("http://h.example/a|", &["url https://h.example/a"], &[]),
        ("https://h.example/a^", &["prefix https://h.example/a"], &[]),
        ("|https://h.example/a", &["prefix https://h.example/a"], &[Kind::BeginsWith]),
        ("|https://h.example", &["prefix https://h.example/"], &[Kind::BeginsWith]),
        ("|https://h.example^", &["prefix https://h.example/"], &[]),
        ("|https://h.example/a?x=1", &["url https://h.example/a?x=1"], &[Kind::BeginsWith]),
        ("@@||ads.example^", &[], &[Kind::Exception]),
        ("||ads.example^$third-party", &[], &[Kind::Options]),
        ("ads.example##.banner", &[], &[Kind::ElementHiding]),
        ("##.banner", &[], &[Kind::ElementHiding]),
        ("ads.example#@#.banner", &[], &[Kind::ElementHiding]),
        ("/banner[0-9]+/", &[], &[Kind::RegularExpression]),
        ("||*.ads.example^", &[], &[Kind::Wildcard]),
        ("||ads.example^path", &[], &[Kind::Wildcard]),
        ("|https://h.example/*/a", &[], &[Kind::Wildcard]),
        ("-banner-", &[], &[Kind::Substring]),
        ("ads.example", &[], &[Kind::Substring]),
        ("||ads.example/%zz^", &[], &[Kind::NotAUrl, Kind::HostsBelow]),
        ("||!ads.example^", &[], &[Kind::NotAHost]),
    ];
    assert_lines(Format::Adblock, "[Adblock Plus 2.0]\n||first.example^\n", &cases);
    let (rules, _) = try_read(Format::Adblock, "|https://h.example/a|\n||ads.example^\n").unwrap();
    assert!(rules[0].attributes.exact_query && !rules[1].attributes.exact_query);
}

#[test]
fn rpz() {
    let head = "$TTL 2h ; a comment\n$ORIGIN rpz.example.\n@ IN SOA ns.example. host.example. (\n 1 ; serial\n 3600 600\n 86400 60 )\n NS ns.example.\n";
    let cases: [(&str, &[&str], &[Kind]); 21] = [
        ("pirate.example CNAME .", &["host pirate.example"], &[]),
        ("*.pirate.example CNAME .", &["tree pirate.example"], &[]),
        ("Pirate.example 300 IN cname . ; why", &["host pirate.example"], &[]),
        ("pirate.example.rpz.example. CNAME .", &["host pirate.example"], &[]),
        ("pirate.example CNAME rpz-passthru.", &[], &[Kind::Exception]),
        ("pirate.example CNAME *.", &[], &[Kind::OtherAction]),
        ("pirate.example CNAME rpz-drop.", &[], &[Kind::OtherAction]),
        ("pirate.example CNAME rpz-tcp-only.", &[], &[Kind::OtherAction]),
        ("pirate.example CNAME garden.example.", &[], &[Kind::OtherAction]),
        ("pirate.example A 192.0.2.1", &[], &[Kind::OtherRecord]),
        ("x TXT \"see policy (v2; draft\"\npirate.example CNAME .", &["host pirate.example"], &[Kind::OtherRecord]),
        ("32.7.2.0.192.rpz-ip CNAME .", &[], &[Kind::OtherTrigger]),
        ("32.7.2.0.192.rpz-client-ip CNAME .", &[], &[Kind::OtherTrigger]),
        ("ns.pirate.example.rpz-nsdname CNAME .", &[], &[Kind::OtherTrigger]),
        ("pirate.example. CNAME .", &[], &[Kind::OutsideZone]),
        ("$INCLUDE more.zone", &[], &[Kind::OtherRecord]),
        ("a.*.example CNAME .", &[], &[Kind::Wildcard]),
        ("pirate\\.example CNAME .", &[], &[Kind::NotAHost]),
        ("pirate.example CNAME", &[], &[Kind::Malformed]),
        ("pirate.example", &[], &[Kind::Malformed]),
        ("0.0.0.0 pirate.example", &[], &[Kind::Malformed]),
    ];
    assert_lines(Format::Rpz, &format!("{head}first.example CNAME .\n"), &cases);
    let dumped = "$ORIGIN .\nrpz.example IN SOA ns.example. host.example. 1 2 3 4 5\n$ORIGIN rpz.example.\npirate.example CNAME .\n";
    assert_eq!(read(Format::Rpz, dumped).0, ["host pirate.example"], "as a server writes its zones");
    // The origin can change below the zone's own, and an owner is left out where it is that of the record before.
    let (all, _) = read(Format::Rpz, &format!("{head}$ORIGIN example.rpz.example.\npirate CNAME .\n"));
    assert_eq!(all, ["host pirate.example"]);
    let (all, _) = read(Format::Rpz, "pirate.example CNAME .\n");
    assert_eq!(all, ["host pirate.example"]);
}

#[test]
fn ipfs_deny() {
    const V0: &str = "QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR";
    const V1: &str = "bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja";
    for written in [V0, V1] {
        let (all, left) = read(Format::IpfsDeny, &format!("/ipfs/{written} reason:x\n"));
        for spelled in [format!("/ipfs/{V0}"), format!("/ipfs/{V1}")] {
            assert!(all.contains(&format!("prefix https://gw.example{spelled}")), "{all:?}");
        }
        assert!(all.contains(&format!("prefix https://{V1}.ipfs.gw.example/")), "{all:?}");
        assert!(left.is_empty());
    }
    let (all, _) = read(Format::IpfsDeny, "/ipns/domain.example\n/ipns/a-b.example/path\n");
    let expected = [
        "prefix https://gw.example/ipns/domain.example",
        "prefix https://domain.example.ipns.gw.example/",
        "prefix https://domain-example.ipns.gw.example/",
        "url https://gw.example/ipns/a-b.example/path",
        "url https://a-b.example.ipns.gw.example/path",
        "url https://a--b-example.ipns.gw.example/path",
    ];
    assert_eq!(all, expected);
    // The three spellings that the list of examples gives for one key.
    let spellings = [
        "k51qzi5uqu5dhmzyv3zac033i7rl9hkgczxyl81lwoukda2htteop7d3x0y1mf",
        "bafzaajaiaejcaotjfs57kieazxny5japcmy5p2pgv2cic77tu6ogghttvurnrufx",
        "12D3KooWDkNqEJNmreF3NYYFK1ws7Ra2fuW6cHBTu567SPV3LdYA",
    ];
    for written in spellings {
        let (all, _) = read(Format::IpfsDeny, &format!("/ipns/{written}\n"));
        for spelled in spellings {
            assert!(all.contains(&format!("prefix https://gw.example/ipns/{spelled}")), "{written}: {all:?}");
        }
    }
    let first = |line: &str| {
        let (all, left) = read(Format::IpfsDeny, &format!("{line}\n//hash\n"));
        (
            all.first().cloned(),
            left.iter().map(|(kind, _)| *kind).filter(|kind| *kind != Kind::DoubleHash).collect::<Vec<_>>(),
        )
    };
    let path = |kind: &str, path: &str| Some(format!("{kind} https://gw.example/ipfs/{V0}{path}"));
    for (line, rule, kinds) in [
        (format!("/ipfs/{V0}/*"), path("prefix", ""), vec![]),
        (format!("/ipfs/{V0}/a%20b/"), path("url", "/a%20b"), vec![]),
        (format!("/ipfs/{V0}/a/*"), path("prefix", "/a"), vec![]),
        (format!("/ipfs/{V0}/a*"), path("prefix", "/a"), vec![Kind::BeginsWith]),
        (format!("!/ipfs/{V0}/a"), None, vec![Kind::Exception]),
        (format!("/ipfs/{V0}/*/a"), None, vec![Kind::Wildcard]),
        ("/ipfs/nonsense".to_owned(), None, vec![Kind::Malformed]),
        (format!("/ipfs/{V0}/a?b"), None, vec![Kind::Malformed]),
        ("/ipld/x".to_owned(), None, vec![Kind::Malformed]),
    ] {
        assert_eq!(first(&line), (rule, kinds), "{line}");
    }
}

#[test]
fn the_header_of_a_denylist_is_none_of_its_lines() {
    let (all, left) =
        read(Format::IpfsDeny, "version: 1\nname: /ipns/no.example\nhints:\n  a: b\n---\n# c\n/ipns/d.example/p\n");
    assert_eq!((all.len(), left), (3, vec![]));
    let bad = try_read(Format::IpfsDeny, "version: 2\n---\n/ipns/domain.example\n").unwrap_err();
    assert!(bad.what.contains("other-version"), "{bad}");
    // One that is too long is none: its lines are read as such, and are none.
    let long = format!("{}---\n/ipns/d.example/p\n", "name: x\n".repeat(1 << 17));
    assert_eq!(read(Format::IpfsDeny, &long).1, [(Kind::Malformed, (1 << 17) + 1)]);
}

#[test]
fn aclj() {
    let block = "{\"access\": \"block\"}";
    let both = |rule: &str, path: &str| {
        vec![format!("{rule} https://example.org{path}"), format!("{rule} https://www.example.org{path}")]
    };
    for (line, rules, kinds) in [
        (format!("org,example)/private/ - {block}"), both("prefix", "/private"), vec![]),
        (format!("org,example)/ - {block}"), both("prefix", "/"), vec![]),
        (format!("org,example)/one### - {block}"), both("url", "/one"), vec![]),
        (format!("org,example)/one?a=1### - {block}"), both("url", "/one?a=1"), vec![]),
        (format!("org,example)/one - {block}"), both("prefix", "/one"), vec![Kind::BeginsWith]),
        (format!("org,example:8080)/one/ - {block}"), both("prefix", "/one"), vec![]),
        (format!("192.0.2.7)/ - {block}"), vec!["prefix https://192.0.2.7/".to_owned()], vec![]),
        (format!("org,example, - {block}"), vec!["tree example.org".to_owned()], vec![]),
        (format!("*, - {block}"), vec![], vec![Kind::Everything]),
        ("org,example)/ - {\"access\": \"allow\"}".to_owned(), vec![], vec![Kind::Exception]),
        ("org,example)/ - {\"access\": \"block\", \"user\": \"staff\"}".to_owned(), vec![], vec![Kind::Conditional]),
        ("org,example)/ - {\"access\": \"block\", \"before\": \"2020\"}".to_owned(), vec![], vec![Kind::Conditional]),
        ("org,example)/ - {\"access\": \"odd\"}".to_owned(), vec![], vec![Kind::Malformed]),
        ("org,example)/ - {".to_owned(), vec![], vec![Kind::Malformed]),
        ("org,exa mple)/ - {\"access\": \"block\"}".to_owned(), vec![], vec![Kind::NotAHost]),
    ] {
        let (all, left) = read(Format::Aclj, &format!("org,first, - {block}\n{line}\n"));
        assert_eq!(all[1..], rules, "{line}");
        assert_eq!(left.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), kinds, "{line}");
    }
    let list = format!("org,example)/a### - {{\"access\": \"exclude\"}}\norg,example)/b/ - {block}\n");
    let (rules, _) = try_read(Format::Aclj, &list).unwrap();
    assert_eq!(rules[0].attributes.status, BlockStatus::NotFound);
    assert!(rules[0].attributes.exact_query);
    assert_eq!(rules[2].attributes.status, BlockStatus::UnavailableForLegalReasons);
}

#[test]
fn the_config_speaks_for_every_rule() {
    let said = Foreign {
        notice: Some(Arc::from("N-1")),
        reason: Some(Arc::from("malware")),
        status: Some(BlockStatus::Forbidden),
        ..Foreign::new(Format::Aclj)
    };
    let mut rules = Vec::new();
    let list = "org,example)/a### - {\"access\": \"exclude\"}\n";
    read_foreign(list.as_bytes(), &said, |rule| rules.push(rule)).unwrap();
    let attributes = &rules[0].attributes;
    assert_eq!((attributes.notice.as_deref(), attributes.reason.as_deref()), (Some("N-1"), Some("malware")));
    assert_eq!((attributes.status, rules[0].line), (BlockStatus::Forbidden, 1));
    assert!(Arc::ptr_eq(attributes, &rules[1].attributes));
}

#[test]
fn what_is_left_out_is_counted_and_its_first_lines_shown() {
    let long = "x".repeat(17 << 10);
    let list = format!("0.0.0.0 a.example\n{}{long}\n", "192.0.2.1 *.b *.c\n".repeat(50));
    let (_, unread) = try_read(Format::Hosts, &list).unwrap();
    assert_eq!(unread.count(), 101);
    let [addresses, lines] = unread.tallies() else { panic!("{unread:?}") };
    assert_eq!((addresses.kind, addresses.count), (Kind::OtherAddress, 100));
    assert_eq!(addresses.first.iter().map(|sample| sample.line).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((lines.kind, lines.first[0].text.chars().count()), (Kind::TooLong, 161));
    let told = serde_json::to_value(&unread).unwrap();
    for (number, tally) in unread.tallies().iter().enumerate() {
        assert_eq!(told[number]["kind"], tally.kind.as_str());
    }
}

#[test]
fn what_is_no_text_and_what_is_all_of_another_format_is_refused() {
    for (bytes, line, what) in [
        (&b"0.0.0.0 a.example\n0.0.0.0 caf\xe9\n"[..], 2, "not UTF-8"),
        (b"\x1f\x8b\x08\x00", 1, "not UTF-8"),
        (b"0.0.0.0 a.example\n\x00", 2, "NUL"),
        (b"# x\n||ads.example^\n||b.example^\n", 2, "format = \"hosts\""),
    ] {
        let bad = read_foreign(bytes, &Foreign::new(Format::Hosts), drop).unwrap_err();
        assert!(bad.what.contains(what), "{bad}");
        assert_eq!(bad.line, line, "{bad}");
    }
    for (format, list) in [
        (Format::Plain, "0.0.0.0 a.example\n"),
        (Format::Adblock, "a.example\nb.example\n"),
        (Format::Rpz, "0.0.0.0 a.example\n"),
        (Format::Sha256, "a.example\n"),
        (Format::IpfsDeny, "a.example\n"),
        (Format::Aclj, "a.example\n"),
        (Format::UrlHaus, "http://a.example/\n"),
    ] {
        assert!(try_read(format, list).is_err(), "{list} as {}", format.name());
    }
    // Nothing but comments, or nothing that can be held, is a list all the same.
    for (format, list) in [
        (Format::Hosts, "\u{feff}# none yet\n"),
        (Format::Hosts, "127.0.0.1 localhost\n"),
        (Format::IpfsDeny, "//hash\n"),
        (Format::Adblock, "@@||a.example^\n"),
    ] {
        assert_eq!(try_read(format, list).map(|(rules, _)| rules), Ok(vec![]), "{list}");
    }
}

/// Pieces of all formats, so that each meets the others'.
const PIECES: [&str; 62] = [
    "0.0.0.0 ",
    "127.0.0.1 ",
    "::1 ",
    "localhost",
    "a.example",
    "*.",
    "||",
    "|",
    "^",
    "$",
    "##",
    "@@",
    "!",
    "/",
    "//",
    "https://",
    "http://",
    "ftp://",
    "*",
    "?",
    "a=1",
    "&",
    "#",
    "# ",
    "\t",
    " ",
    "\n",
    "\r\n",
    ";",
    "(",
    ")",
    "@",
    "$ORIGIN ",
    "$TTL ",
    "CNAME",
    " CNAME .",
    "SOA",
    "rpz-passthru.",
    ".rpz-ip",
    ".",
    "..",
    "version: 1\n",
    "---\n",
    "/ipfs/",
    "/ipns/",
    "QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR",
    "/ipns/domain.example",
    "org,example",
    ",",
    ")/",
    "###",
    " - ",
    "{\"access\": \"block\"}",
    "{\"access\": \"exclude\"}",
    "# id,url\n",
    "\"1\",\"http://a.example/\"",
    "\"",
    "sha256:",
    HEX,
    "\u{feff}",
    "é",
    "\u{0}",
];

proptest! {
    #[test]
    fn any_mix_of_pieces_is_rules_or_counted(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30)) {
        for (_, format) in Format::ALL {
            checks::foreign(*format, pieces.concat().as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_rules_or_counted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, format) in Format::ALL {
            checks::foreign(*format, &bytes);
        }
    }
}
