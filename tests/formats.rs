//! Lists in formats of others: each blocks what it says, serves what it doesn't, and tells what it can't say.

use std::fs;

use serde_json::Value;

use crate::harness::client::request;
use crate::harness::{Edge, List, Origin, Page, eventually, seawall, sha256_hex};

/// A list of one format, what is blocked by it (`host/path`) and answered with which status, what is served
/// beside it, and what of it is left out.
struct Case {
    format: &'static str,
    list: &'static str,
    blocked: &'static [(&'static str, u16)],
    served: &'static [&'static str],
    left_out: &'static [&'static str],
}

const CASES: [Case; 8] = [
    Case {
        format: "hosts",
        list: "127.0.0.1 localhost\n0.0.0.0 ads.example track.example # two\n192.0.2.1 intranet.example\n",
        blocked: &[("ads.example/x", 451), ("track.example:8080/", 451)],
        served: &["sub.ads.example/x", "intranet.example/", "localhost/"],
        left_out: &["local-name", "other-address"],
    },
    Case {
        format: "plain",
        list: "# a list\npirate.example\nhttps://photos.example/a/stolen.jpg\n*.wild.example\n",
        blocked: &[("pirate.example/any", 451), ("photos.example/a/%73tolen.jpg?x=1", 451)],
        served: &["www.pirate.example/", "photos.example/a/stolen.jpg2", "wild.example/"],
        left_out: &["wildcard"],
    },
    Case {
        format: "sha256",
        // Of the page that the origin shows under /bytes.
        list: "b33f8ca7d9ab1b8b3e0c3ea6aeb1c9ae9e9c7a6b7a8d35cbad8d2ca5d6d4a6ab  other\nDIGEST *stolen.jpg\n",
        blocked: &[("photos.example/bytes", 451)],
        served: &["photos.example/other-bytes"],
        left_out: &[],
    },
    Case {
        format: "urlhaus",
        list: "# abuse.ch\n# id,dateadded,url,url_status,threat,tags\n\
               \"2\",\"2026-02-26\",\"http://192.0.2.10:58801/i\",\"online\",\"x\",\"32-bit,elf\"\n\
               \"1\",\"2026-02-26\",\"http://Bad.EXAMPLE\",\"online\",\"x\",\"y\"\nbroken\"\n",
        blocked: &[("192.0.2.10:58801/i", 451), ("bad.example/", 451)],
        served: &["192.0.2.10:58801/j", "bad.example/other"],
        left_out: &["malformed"],
    },
    Case {
        format: "adblock",
        list: "[Adblock Plus 2.0]\n! c\n||ads.example^\n|https://photos.example/one.jpg|\n@@||good.ads.example^\n\
               ||cdn.example^$third-party\nphotos.example##.banner\n",
        blocked: &[("ads.example/", 451), ("good.ads.example/", 451), ("photos.example/one.jpg", 451)],
        served: &["photos.example/one.jpg?x=1", "photos.example/", "cdn.example/"],
        left_out: &["exception", "options", "element-hiding"],
    },
    Case {
        format: "rpz",
        list: "$ORIGIN rpz.example.\n@ SOA ns.example. h.example. ( 1 2 3\n4 5 )\nalone.example CNAME .\n\
               *.below.example CNAME .\npassed.example CNAME rpz-passthru.\n32.1.2.0.192.rpz-ip CNAME .\n",
        blocked: &[("alone.example/x", 451), ("a.below.example/", 451)],
        served: &["a.alone.example/", "passed.example/", "192.0.2.1/"],
        left_out: &["exception", "other-trigger"],
    },
    Case {
        format: "ipfs-deny",
        list: "version: 1\n---\n/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR\n/ipns/domain.example/path\n\
               !/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR/ok\n\
               //d9d295bde21f422d471a90f2a37ec53049fdf3e5fa3ee2e8f20e10003da429e7\n",
        blocked: &[
            ("gateway.example/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR", 410),
            ("gateway.example/ipfs/bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja/ok", 410),
            ("bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja.ipfs.gateway.example/", 410),
            ("gateway.example/ipns/domain.example/path", 410),
        ],
        served: &["gateway.example/ipns/domain.example/other", "domain.example/path"],
        left_out: &["exception", "double-hash"],
    },
    Case {
        format: "aclj",
        list: "org,example)/private/ - {\"access\": \"block\"}\norg,example)/one### - {\"access\": \"exclude\"}\n\
               org,example)/staff/ - {\"access\": \"block\", \"user\": \"guest\"}\n\
               org,example)/private/open/ - {\"access\": \"allow\"}\n",
        blocked: &[("example.org/private/x", 451), ("www.example.org/private/open/x", 451), ("example.org/one", 404)],
        served: &["example.org/one?x=1", "example.org/one/more", "example.org/staff/", "example.org/"],
        left_out: &["conditional", "exception"],
    },
];

fn origin() -> Origin {
    let origin = Origin::with("*", Page::stored("x"));
    origin.on("/bytes", Page::stored("the very bytes"));
    origin
}

impl Case {
    fn text(&self) -> String {
        self.list.replace("DIGEST", &sha256_hex(b"the very bytes"))
    }

    /// What the config says of it.
    fn listed(&self) -> String {
        let more = if self.format == "ipfs-deny" { ", hosts = [\"gateway.example\"], status = 410" } else { "" };
        format!("[\"blocklist.d\", {{ path = \"foreign.list\", format = \"{}\"{more} }}]", self.format)
    }
}

fn ask(edge: &Edge, url: &str) -> u16 {
    let (host, path) = url.split_once('/').unwrap();
    let mut client = edge.connect();
    client.get(host, &format!("/{path}")).status
}

#[test]
fn each_format_blocks_what_it_says_and_nothing_else() {
    let origin = origin();
    for case in &CASES {
        let builder = Edge::before(&origin).hosts("[\"*\"]").lists(&case.listed());
        let folder = builder.write();
        fs::write(folder.path().join("foreign.list"), case.text()).unwrap();
        let edge = Edge::in_folder(folder, vec![origin.served()]);
        if case.format == "sha256" {
            // Bytes are known once they came.
            let mut client = edge.connect();
            client.send(request("GET", "photos.example", "/bytes", &[("Connection", "close")]));
            client.rest(&mut Vec::new());
        }
        for (url, status) in case.blocked {
            assert_eq!(ask(&edge, url), *status, "{}: {url}", case.format);
        }
        for url in case.served {
            assert_eq!(ask(&edge, url), 200, "{}: {url}", case.format);
        }
        let status = edge.api("GET", "/api/v1/status", None).json();
        let source = source(&status, "foreign.list");
        assert_eq!(source["format"], case.format);
        let kinds: Vec<&str> =
            source["unread"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, case.left_out, "{}", case.format);
        for kind in case.left_out {
            let count = edge.metric_where("seawall_list_source_unread", &[&format!("kind=\"{kind}\"")]);
            assert!(count >= 1.0, "{}: {kind}", case.format);
        }
    }
}

fn source(status: &Value, name: &str) -> Value {
    let sources = status["list"]["sources"].as_array().unwrap();
    sources.iter().find(|source| source["file"].as_str().unwrap().ends_with(name)).unwrap().clone()
}

#[test]
fn check_shows_what_can_not_be_held_with_its_lines() {
    for case in &CASES {
        let folder = Edge::before_address("127.0.0.1:1").hosts("[\"*\"]").lists(&case.listed()).write();
        fs::write(folder.path().join("foreign.list"), case.text()).unwrap();
        let told = seawall(&["check", "-c", "seawall.toml"], folder.path());
        assert_eq!(told.code, 0, "{}", told.all());
        for kind in case.left_out {
            assert!(told.stdout.contains(&format!("{kind}: 1")), "{kind}: {}", told.stdout);
        }
        let told = seawall(&["check", "-c", "seawall.toml", "--output", "json"], folder.path());
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        let list = told["lists"]
            .as_array()
            .unwrap()
            .iter()
            .find(|list| list["file"].as_str().unwrap().ends_with("foreign.list"));
        for one in list.unwrap()["unread"].as_array().unwrap() {
            let sample = &one["first"][0];
            let line = usize::try_from(sample["line"].as_u64().unwrap()).unwrap();
            assert_eq!(case.text().lines().nth(line - 1), sample["text"].as_str(), "{}", case.format);
        }
    }
}

#[test]
fn a_list_of_another_format_is_refused_and_what_was_in_force_stays() {
    let origin = origin();
    let builder = Edge::before(&origin)
        .hosts("[\"*\"]")
        .lists("[{ path = \"hosts.txt\", format = \"hosts\", notice = \"N-7\", reason = \"ads\", status = 403 }]");
    let folder = builder.write();
    fs::write(folder.path().join("hosts.txt"), "# ads\n0.0.0.0 ads.example\n").unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    assert_eq!(ask(&edge, "ads.example/"), 403);
    let told = edge.seawall(&["why", "http://ads.example/x"]);
    assert_eq!(told.code, 10);
    for shown in ["hosts.txt:2", "N-7", "ads"] {
        assert!(told.stdout.contains(shown), "{shown}: {}", told.stdout);
    }
    let list = List::at(edge.path("hosts.txt"));
    list.replace("||other.example^\n");
    edge.until_said(&["format = ", "hosts"]);
    assert_eq!((ask(&edge, "ads.example/"), ask(&edge, "other.example/")), (403, 200));
    list.replace("0.0.0.0 other.example\n0.0.0.0 ads.example\n1.2.3.4 far.example\n");
    eventually("the new version is in force", || ask(&edge, "other.example/") == 403);
    eventually("what is left out is told", || {
        let is_told =
            |line: &Value| line["event"] == "list-applied" && line["data"]["unread"][0]["kind"] == "other-address";
        edge.log().iter().any(is_told)
    });
    // Another format in the config is another reading of the same file.
    edge.set_config(&edge.config().replace("format = \"hosts\"", "format = \"plain\""));
    let refused = edge.seawall(&["reload"]);
    assert_ne!(refused.code, 0, "{}", refused.all());
    assert_eq!(ask(&edge, "ads.example/"), 403);
    edge.set_config(&edge.config().replace("notice = \"N-7\"", "notice = \"N-8\"").replace("\"plain\"", "\"hosts\""));
    let done = edge.seawall(&["reload"]);
    assert_eq!(done.code, 0, "{}", done.all());
    eventually("the new notice is told", || edge.seawall(&["why", "--live", "ads.example/"]).stdout.contains("N-8"));
}

#[test]
fn what_is_in_force_is_written_as_one_list_that_says_the_same() {
    let origin = origin();
    let builder = Edge::before(&origin).hosts("[\"*\"]").lists(
        "[\"blocklist.d\", { path = \"hosts\", format = \"hosts\", notice = \"N-7\", reason = \"say \\\"no\\\"\" }]",
    );
    let rules = "https://photos.example/a/* until=2099-01-01 status=410\n!https://photos.example/a/b\n";
    let folder = builder.rules(rules).write();
    fs::write(folder.path().join("hosts"), "0.0.0.0 ads.example\n").unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    edge.block("https://gw.example/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR/*", "N-8");
    let written = edge.seawall(&["lists"]);
    assert_eq!(written.code, 0, "{}", written.all());
    let denied = edge.seawall(&["lists", "--format", "ipfs-deny"]);
    assert_eq!(denied.code, 0, "{}", denied.all());
    let item = "/ipfs/bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja/*\n";
    assert_eq!(denied.stdout, format!("version: 1\nname: Seawall\n---\n{item}"));
    assert!(denied.all().contains("3 rules"), "{}", denied.all());
    // Another edge that has nothing but what was written judges alike.
    let other = Edge::before(&origin).hosts("[\"*\"]").rules(&written.stdout).start();
    let cid = "gw.example/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR";
    let urls = ["photos.example/a/x", "photos.example/a/b", "ads.example/", cid];
    let judged = |edge: &Edge| urls.map(|url| ask(edge, url));
    assert_eq!(judged(&edge), [410, 200, 451, 451]);
    assert_eq!(judged(&other), judged(&edge));
    assert!(other.seawall(&["why", "ads.example"]).stdout.contains("say \"no\""));
}
