//! Rules that hold in some countries alone: whose word on where a client is counts, and what comes of it.

use std::fs;

use serde_json::json;

use crate::harness::client::{Answer, End, request};
use crate::harness::mmdb::{Mmdb, Shape};
use crate::harness::{
    Client, Edge, Gate, HOST, Http2, List, Origin, Page, Reply, Step, eventually, noise, seawall, sha256_hex,
};

const URL: &str = "https://photos.example/a";
const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\"]\n";
const BY_HEADER: &str = "[geo]\nheader = \"X-Country\"\n";
const BODY: usize = 1_000_000;

/// An edge that believes `X-Country` from this machine.
fn by_header(origin: &Origin, rules: &str) -> Edge {
    Edge::before(origin).edge(TRUSTED).tables(BY_HEADER).rules(rules).start()
}

fn from(edge: &Edge, country: &str, target: &str) -> Answer {
    edge.ask("GET", target, &[("X-Country", country)])
}

fn status(answer: &Answer) -> u16 {
    answer.status
}

#[test]
fn a_trusted_proxys_word_decides() {
    let origin = Origin::with("/a", Page::stored("stored"));
    origin.on("/b", Page::stored("other"));
    let edge = by_header(&origin, "https://photos.example/a geo=DE,FR notice=N-1\n");
    for (fields, expected) in [
        (&[("X-Country", "US")][..], 200),
        (&[("X-Country", "us")], 200),
        (&[("X-Country", "DE")], 451),
        (&[("X-Country", "fr")], 451),
        // Of these nobody knows where they are.
        (&[], 451),
        (&[("X-Country", "XX")], 451),
        (&[("X-Country", "T1")], 451),
        (&[("X-Country", "US, DE")], 451),
        (&[("X-Country", "US"), ("X-Country", "US")], 451),
        (&[("X-Country", "US"), ("Connection", "X-Country")], 200),
    ] {
        let answer = edge.ask("GET", "/a", fields);
        assert_eq!(answer.status, expected, "{fields:?}");
        assert_eq!(edge.ask("HEAD", "/a", fields).status, expected, "{fields:?}");
        assert_eq!(edge.ask("GET", "/b", fields).status, 200, "{fields:?}");
        let record = edge.record_of(&answer);
        match expected {
            200 => assert!(record["country"].is_null(), "{record}"),
            _ => assert_eq!((&record["rule"], &record["notice"]), (&URL.into(), &"N-1".into()), "{record}"),
        }
    }
    let (german, nowhere) = (from(&edge, "DE", "/a"), from(&edge, "XX", "/a"));
    assert_eq!(edge.record_of(&german)["country"], "DE");
    assert_eq!(edge.record_of(&nowhere)["country"], "unknown");
    assert_eq!(german.field("Cache-Control"), Some("no-store"));
    assert_eq!(origin.count("/a"), 1, "what is stored serves all others");
}

#[test]
fn a_stranger_is_not_believed() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = Edge::before(&origin)
        .edge("trusted_proxies = [\"10.0.0.0/8\"]\n")
        .tables(&format!("{BY_HEADER}unknown = \"serve\"\n"))
        .rules("https://photos.example/a geo=DE\nhttps://photos.example/b\n!https://photos.example/b geo=US\n")
        .start();
    edge.rules_change_with_time();
    origin.on("/b", Page::stored("other"));
    for country in ["DE", "US", "XX"] {
        // Where the word of nobody counts, all is as the config has it for those.
        assert_eq!(from(&edge, country, "/a").status, 200, "{country}");
        assert_eq!(from(&edge, country, "/b").status, 200, "{country}");
    }
}

/// An origin could believe it, and what it says of one client would be stored for others.
#[test]
fn what_a_stranger_says_of_its_country_reaches_no_origin() {
    let origin = Origin::start();
    for target in ["/varies", "/alone", "/twice"] {
        origin.on_each(target, |asked| {
            Page::stored(asked.field("X-Country").unwrap_or("none")).field("Vary", "X-Country").into()
        });
    }
    let edge = by_header(&origin, "");
    let spoofed = [("X_Country", "FR"), ("X.Country", "FR")];
    let asks = ["DE", "US"].map(|country| [("X-Country", country), spoofed[0], spoofed[1]]);
    let answers = asks.map(|fields| edge.ask("GET", "/varies", &fields).text());
    assert_eq!(answers, ["DE", "US"], "a trusted proxy's word is handed on");
    let has_spoofed = |target: &str| {
        origin.asked(target).iter().any(|asked| spoofed.iter().any(|(name, _)| asked.field(name).is_some()))
    };
    assert!(!has_spoofed("/varies"));
    edge.ask("GET", "/twice", &[("X-Country", "US"), ("X-Country", "DE")]);
    assert_eq!(origin.asked_once("/twice").all("X-Country"), [""; 0]);

    let edge = Edge::before(&origin).edge("trusted_proxies = [\"10.0.0.0/8\"]\n").tables(BY_HEADER).start();
    for fields in &asks {
        assert_eq!(edge.ask("GET", "/alone", fields).text(), "none", "{fields:?}");
    }
    assert_eq!(origin.asked_once("/alone").all("X-Country"), [""; 0], "it selects nothing that is stored");
    assert!(!has_spoofed("/alone"));
}

#[test]
fn an_exception_lifts_for_its_clients_alone() {
    let origin = Origin::with("/p/a", Page::stored("stored"));
    origin.on("/p/b", Page::new("200 OK", "passed").field("Cache-Control", "no-store"));
    let edge = by_header(&origin, "https://photos.example/p/*\n!https://photos.example/p/* geo=CH\n");
    // One list version serves it and blocks it.
    edge.rules_change_with_time();
    for target in ["/p/a", "/p/a", "/p/b"] {
        assert_eq!(["CH", "DE", "XX"].map(|country| from(&edge, country, target).status), [200, 451, 451], "{target}");
    }
    assert_eq!(origin.count("/p/a"), 1, "it is stored");
}

#[test]
fn rules_for_one_url_hold_where_they_are_for() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = by_header(
        &origin,
        "https://photos.example/a geo=DE notice=N-1 status=410\nhttps://photos.example/a geo=FR,DE notice=N-2 status=404\n",
    );
    let told = |country: &str| {
        let answer = from(&edge, country, "/a");
        let record = edge.record_of(&answer);
        (answer.status, record["notices"].clone(), record["notice"].clone())
    };
    assert_eq!(told("DE"), (410, json!(["N-1", "N-2"]), json!("N-1")));
    assert_eq!(told("FR"), (404, json!(null), json!("N-2")));
    assert_eq!(told("US"), (200, json!(null), json!(null)));
}

fn behind(edge: &Edge, address: &str, target: &str) -> Answer {
    edge.ask("GET", target, &[("X-Forwarded-For", address)])
}

fn database() -> Vec<u8> {
    Mmdb::new("GeoLite2-City", 1_790_000_000)
        .with("192.0.2.0/24", Shape::City, "DE")
        .with("198.51.100.0/24", Shape::Registered, "US")
        .with("2001:db8::/32", Shape::Country, "FR")
        .bytes()
}

/// An edge with that database.
fn by_database(origin: &Origin, rules: &str) -> Edge {
    let builder = Edge::before(origin).edge(TRUSTED).tables("[geo]\ndatabase = \"places.mmdb\"\n").rules(rules);
    let folder = builder.write();
    fs::write(folder.path().join("places.mmdb"), database()).unwrap();
    Edge::in_folder(folder, vec![origin.served()])
}

#[test]
fn a_database_decides_by_the_clients_address() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = by_database(&origin, "https://photos.example/a geo=DE,FR\n");
    for (address, expected) in [
        ("192.0.2.7", 451),
        ("::ffff:192.0.2.7", 451),
        ("198.51.100.7", 200),
        ("2001:db8::7", 451),
        ("203.0.113.7", 451),
        ("192.0.2.7, 198.51.100.7", 200),
    ] {
        assert_eq!(behind(&edge, address, "/a").status, expected, "{address}");
    }
    assert_eq!(edge.get("/a").status, 451, "this machine is nowhere");
    let checked = edge.seawall(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.all());
    assert!(checked.stdout.contains("GeoLite2-City, built 2026-"), "{}", checked.stdout);

    // The other word on who is nowhere, while it runs: what is under way is judged again.
    let serving = edge.config().replace("[geo]\n", "[geo]\nunknown = \"serve\"\n");
    edge.until_list_after(|| edge.set_config(&serving));
    edge.until_status("/a", 200);
    assert_eq!(behind(&edge, "192.0.2.7", "/a").status, 451);
}

#[test]
fn a_new_database_is_taken_and_a_bad_one_is_not() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = by_database(&origin, "https://photos.example/a geo=JP\n");
    assert_eq!(behind(&edge, "192.0.2.7", "/a").status, 200);
    let file = List::at(edge.path("places.mmdb"));
    let put = |bytes: &[u8]| {
        let beside = edge.path("places.new");
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, &file.path).unwrap();
    };
    put(&Mmdb::countries(&[("192.0.2.0/24", "JP")]));
    eventually("the new database", || behind(&edge, "192.0.2.7", "/a").status == 451);

    put(&database()[..200]);
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    let reasons = edge.readyz().text();
    assert!(reasons.contains("places.mmdb") && reasons.contains("stays in force"), "{reasons}");
    assert_eq!((edge.metric("seawall_geo_degraded"), edge.metric("seawall_geo_errors_total")), (1.0, 1.0));
    assert_eq!(behind(&edge, "192.0.2.7", "/a").status, 451);
    let checked = edge.seawall(&["check"]);
    assert!(checked.code == 78 && checked.stderr.contains("no database in MaxMind's format"), "{}", checked.all());
    let reload = edge.seawall(&["reload"]);
    assert!(reload.code == 1 && reload.stderr.contains("places.mmdb"), "{}", reload.all());

    put(&Mmdb::countries(&[("192.0.2.0/24", "US")]));
    eventually("a good database", || edge.metric("seawall_geo_degraded") == 0.0);
    assert_eq!(behind(&edge, "192.0.2.7", "/a").status, 200);
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_eq!(edge.readyz().text(), "ready\n");
}

/// A client in a country, whose answer is under way.
struct Reader(Client, Vec<u8>);

impl Reader {
    fn start(edge: &Edge, fields: &[(&str, &str)], target: &str) -> Reader {
        let mut client = Client::connect_narrow(edge.address, 4096);
        client.send(request("GET", HOST, target, fields));
        assert_eq!(client.head().status, 200, "{fields:?}");
        let mut got = Vec::new();
        assert_eq!(client.take(1000, &mut got), End::Whole);
        Reader(client, got)
    }

    fn end(mut self, length: usize) -> (End, Vec<u8>) {
        let left = length - self.1.len();
        let end = self.0.take(left, &mut self.1);
        (end, self.1)
    }
}

#[test]
fn of_two_downloads_the_one_there_is_cut() {
    let body = noise(BODY, 1);
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored(&body).hold(BODY / 2, &gate));
    let edge = by_header(&origin, "");
    let mut readers: Vec<(&str, Reader)> = Vec::new();
    for country in ["DE", "US", "XX"] {
        readers.push((country, Reader::start(&edge, &[("X-Country", country)], "/a")));
    }
    let receipt = edge.api("POST", "/api/v1/blocks", Some(&json!({ "rules": [URL], "geo": "de, fr" }))).json();
    assert_eq!((&receipt["cut"], &receipt["purged"]["objects"]), (&json!(2), &json!(0)), "{receipt}");
    gate.open();
    for (country, reader) in readers {
        let (end, got) = reader.end(BODY);
        match country {
            "US" => assert!(end == End::Whole && got == body, "the fetch goes on, and so does the client elsewhere"),
            _ => assert!(end == End::Reset && got.len() < BODY, "{country}"),
        }
    }
    edge.until_cut(2);
    assert_eq!(["DE", "US"].map(|country| from(&edge, country, "/a").status), [451, 200]);
    assert_eq!(origin.count("/a"), 1, "nothing was purged");
    let cut = edge.record_where("a cut", |record| record["verdict"] == "cut" && record["country"] == "DE");
    assert_eq!(cut["rule"], URL);

    let listed = edge.seawall(&["blocks"]);
    assert!(listed.stdout.contains("DE,FR"), "{}", listed.stdout);
    let listed = edge.api("GET", "/api/v1/blocks", None).json();
    assert_eq!(listed["blocks"][0]["geo"], "DE,FR");
    edge.seawall(&["unblock", receipt["id"].as_str().unwrap()]);
    assert_eq!(from(&edge, "DE", "/a").status, 200);
}

#[test]
fn of_two_streams_and_two_tunnels_the_ones_there_are_cut() {
    let body = noise(BODY, 1);
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored(&body).hold(BODY / 2, &gate));
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
    origin.on("/live", Reply::script([Step::Send(agreed.into()), Step::Echo]));
    let edge = Edge::before(&origin).h2c().edge(TRUSTED).tables(BY_HEADER).start();
    let mut client = Http2::connect(edge.address);
    let [there, elsewhere] = ["DE", "US"].map(|country| client.ask("GET", "/a", &[("x-country", country)]));
    [there, elsewhere].into_iter().for_each(|stream| drop(client.begun(stream, 1000)));
    let [mut tunnel_there, mut tunnel_elsewhere] = ["DE", "US"].map(|country| {
        let mut tunnel = edge.connect();
        let asking = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("X-Country", country),
        ];
        tunnel.send(request("GET", HOST, "/live", &asking));
        assert_eq!(tunnel.head().status, 101);
        let mut hello = Vec::new();
        assert_eq!((tunnel.take(5, &mut hello), &hello[..]), (End::Whole, &b"hello"[..]));
        tunnel
    });
    let rules = json!({ "rules": [URL, "https://photos.example/live"], "geo": "DE" });
    assert_eq!(edge.api("POST", "/api/v1/blocks", Some(&rules)).json()["cut"], 2);
    gate.open();
    let whole = client.answer(elsewhere);
    assert!(whole.end == End::Whole && whole.body == body);
    let cut = client.answer(there);
    assert!(cut.end == End::Reset && cut.body.len() < BODY, "{:?}", cut.end);
    for (country, expected) in [("US", 200), ("DE", 451)] {
        let stream = client.ask("GET", "/a", &[("x-country", country)]);
        assert_eq!(client.answer(stream).status, expected, "{country}: the connection goes on");
    }

    let mut rest = Vec::new();
    assert_eq!(tunnel_there.rest(&mut rest), End::Reset);
    tunnel_elsewhere.send(b"on and on");
    assert_eq!((tunnel_elsewhere.take(9, &mut rest), &rest[..]), (End::Whole, &b"on and on"[..]));
}

#[test]
fn who_turns_out_to_be_elsewhere_is_cut() {
    let body = noise(BODY, 1);
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored(&body).hold(BODY / 2, &gate));
    let edge = by_database(&origin, "https://photos.example/a geo=JP\n");
    let [moves, stays] =
        ["192.0.2.7", "198.51.100.7"].map(|address| Reader::start(&edge, &[("X-Forwarded-For", address)], "/a"));
    let new = Mmdb::countries(&[("192.0.2.0/24", "JP"), ("198.51.100.0/24", "US")]);
    fs::write(edge.path("places.new"), new).unwrap();
    fs::rename(edge.path("places.new"), edge.path("places.mmdb")).unwrap();
    edge.until_cut(1);
    gate.open();
    assert_eq!(moves.end(BODY).0, End::Reset);
    assert_eq!(stays.end(BODY).0, End::Whole);
}

#[test]
fn bytes_that_are_forbidden_in_a_country_go_everywhere_else() {
    let (stored, passed) = (noise(BODY, 3), noise(BODY / 2, 2));
    let origin = Origin::with("/a", Page::stored(&stored));
    origin.on("/b", Page::new("200 OK", &passed).field("Cache-Control", "no-store").chunked());
    origin.on("/c", Page::stored(&stored[1..]).chunked());
    let rules: String = [&stored[..], &stored[1..], &passed]
        .iter()
        .map(|body| format!("{} geo=DE notice=N-1\n", sha256_hex(body)))
        .collect();
    let edge = by_header(&origin, &rules);
    edge.rules_change_with_time();
    for target in ["/a", "/b", "/c"] {
        // Nobody knows the bytes before they came: their end is kept back, and the next is refused at once.
        let first = from(&edge, "DE", target);
        assert!(first.status == 200 && first.end != End::Whole, "{target}: {} {:?}", first.status, first.end);
        assert_eq!(edge.record_of(&first)["verdict"], "cut", "{target}");
        assert_eq!(status(&from(&edge, "DE", target)), 451, "{target}");
        let elsewhere = from(&edge, "US", target);
        assert!(elsewhere.status == 200 && elsewhere.end == End::Whole, "{target}");
        assert_eq!(status(&from(&edge, "DE", target)), 451, "{target}");
    }
    assert_eq!((origin.count("/a"), origin.count("/c")), (1, 1), "they are stored for those elsewhere");
}

#[test]
fn bytes_that_leave_compressed_are_judged_by_what_they_were_made_of() {
    let body = "one line like another\n".repeat(2000);
    let origin = Origin::with("/a", Page::stored(&body).field("Content-Type", "text/plain"));
    let edge = Edge::before(&origin)
        .edge(TRUSTED)
        .tables(BY_HEADER)
        .site("compress = {}\n")
        .rules(&format!("{} geo=DE\n", sha256_hex(body.as_bytes())))
        .start();
    edge.rules_change_with_time();
    let ask = |country| edge.ask("GET", "/a", &[("X-Country", country), ("Accept-Encoding", "gzip")]);
    let first = ask("DE");
    assert!(first.status == 451 || first.end != End::Whole, "{} {:?}", first.status, first.end);
    let elsewhere = ask("US");
    assert_eq!((elsewhere.status, elsewhere.field("Content-Encoding")), (200, Some("gzip")));
    assert_eq!([ask("DE"), ask("XX"), ask("US")].map(|answer| answer.status), [451, 451, 200]);
}

/// What an answer says it is as well counts for each client, too.
#[test]
fn another_name_of_an_answer_is_blocked_where_it_is() {
    let origin = Origin::with("/b", Page::stored("stored").field("Content-Location", "/a"));
    let edge = by_header(&origin, "");
    let blocked = edge.seawall(&["block", URL, "--geo", "DE,FR", "--notice", "N-1"]);
    assert_eq!(blocked.code, 0, "{}", blocked.all());
    assert_eq!(["DE", "US", "XX"].map(|country| from(&edge, country, "/b").status), [451, 200, 451]);
    let wrong = edge.seawall(&["block", URL, "--geo", "UK"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("did you mean GB?"), "{}", wrong.all());
}

#[test]
fn geo_is_refused_where_nothing_tells_where_clients_are() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = Edge::plain(&origin);
    let wish = json!({ "rules": [URL], "geo": "DE" });
    let refused = edge.api("POST", "/api/v1/blocks", Some(&wish));
    assert!(refused.status == 422 && refused.text().contains("[geo]"), "{}", refused.text());
    edge.list().replace("https://photos.example/a notice=N geo=DE\n");
    edge.until_said(&["list.txt:1:35", "[geo]"]);
    assert!(edge.readyz().text().contains("list.txt:1:35"), "{}", edge.readyz().text());
    assert_eq!(edge.seawall(&["check"]).code, 78);

    // With a source it is taken, and the source can't be taken away again.
    let before = edge.config();
    let with = before.replace("[edge]\n", &format!("[edge]\n{TRUSTED}")) + BY_HEADER;
    edge.set_config(&with);
    eventually("the list", || from(&edge, "DE", "/a").status == 451);
    // Lists come first: until the field is believed, nobody knows where anybody is.
    eventually("the field", || from(&edge, "US", "/a").status == 200);
    assert_eq!(edge.readyz().text(), "ready\n");
    assert_eq!(edge.api("POST", "/api/v1/blocks", Some(&wish)).status, 201);
    edge.set_config(&before);
    edge.until_said(&["not reloaded", "some countries"]);
    assert_eq!(from(&edge, "US", "/a").status, 200);
}

/// A live edit outlives the source that it needs: then it holds everywhere, and that is said.
#[test]
fn without_a_source_a_live_rule_holds_everywhere() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let mut edge = by_header(&origin, "");
    edge.api("POST", "/api/v1/blocks", Some(&json!({ "rules": [URL], "geo": "DE" })));
    assert_eq!(from(&edge, "US", "/a").status, 200);
    edge.stop();
    let text = edge.config().replace(BY_HEADER, "");
    fs::write(edge.path("seawall.toml"), text).unwrap();
    edge.start_again();
    assert_eq!(from(&edge, "US", "/a").status, 451);
    let reasons = edge.readyz().text();
    assert!(reasons.starts_with("degraded\n") && reasons.contains("holds everywhere"), "{reasons}");
    for more in [&[][..], &["--live"]] {
        let why = edge.seawall(&[&["why", URL], more].concat());
        assert!(why.code == 10 && why.stdout.contains("clients whose country is unknown"), "{}", why.all());
    }
}

#[test]
fn a_start_without_a_good_database_or_source_is_a_matter_of_the_config() {
    let builder = Edge::before_address("127.0.0.1:9").tables("[geo]\ndatabase = \"places.mmdb\"\n");
    let folder = builder.write();
    let start = |what: &str| {
        let config = folder.path().join("seawall.toml").display().to_string();
        let ran = seawall(&["run", "-c", &config], folder.path());
        assert!(ran.code == 78 && ran.stderr.contains(what), "{}", ran.all());
    };
    start("is no file");
    fs::write(folder.path().join("places.mmdb"), "no database").unwrap();
    start("is no database in MaxMind's format");
    let folder = Edge::before_address("127.0.0.1:9").rules("h.example geo=DE\n").write();
    let config = folder.path().join("seawall.toml").display().to_string();
    let ran = seawall(&["run", "-c", &config], folder.path());
    assert!(ran.code == 78 && ran.stderr.contains("list.txt:1:11"), "{}", ran.all());
}

#[test]
fn why_says_for_whom() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = by_header(&origin, "https://photos.example/a geo=FR,DE notice=N-1\n");
    for live in [false, true] {
        let why = |more: &[&str]| {
            let mut arguments = vec!["why", URL];
            arguments.extend(more);
            arguments.extend(live.then_some("--live"));
            edge.seawall(&arguments)
        };
        let (elsewhere, there, other) = (why(&[]), why(&["--country", "de"]), why(&["--country", "US"]));
        assert_eq!((elsewhere.code, there.code, other.code), (0, 10, 0), "{}", there.all());
        assert!(elsewhere.stdout.contains("clients elsewhere than in DE, FR"), "{}", elsewhere.stdout);
        assert!(elsewhere.stdout.contains("it holds in other countries alone"), "{}", elsewhere.stdout);
        assert!(there.stdout.contains("clients in DE") && there.stdout.contains("DE,FR"), "{}", there.stdout);
        assert_eq!(why(&["--country", "unknown"]).code, 10, "geo.unknown is block");
        assert_eq!(why(&["--country", "EU"]).code, 2);
    }
    let asked = |query: &str| edge.api("GET", &format!("/api/v1/why?url={URL}{query}"), None);
    assert_eq!(asked("&country=FR").json()["rule"]["geo"], "DE,FR");
    assert_eq!((asked("").json()["blocked"].clone(), asked("&country=Z").status), (json!(false), 400));

    let lists = edge.seawall(&["lists"]);
    assert!(lists.stdout.contains(" geo=DE,FR"), "{}", lists.stdout);
}
