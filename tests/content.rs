//! A rule that names content stops it at any URL, whatever coding its origin sends it in.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::harness::client::{End, request};
use crate::harness::{Answer, Client, Edge, Gate, HOST, Http2, Origin, Page, eventually, noise, sha256_hex};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

fn coded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    match coding {
        "gzip" | "x-gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(&mut coded, flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap();
        }
        "br" => drop(brotli::CompressorReader::new(bytes, 4096, 5, 20).read_to_end(&mut coded).unwrap()),
        "zstd" => coded = zstd::stream::encode_all(bytes, 3).unwrap(),
        other => panic!("a coding {other}"),
    }
    coded
}

fn page(coding: &str, body: &[u8]) -> Page {
    Page::stored(coded(coding, body)).field("Content-Encoding", coding)
}

/// Of nothing that is asked for.
fn some_other() -> String {
    sha256_hex(b"another one's")
}

fn undecoded(edge: &Edge) -> Vec<Value> {
    edge.log().into_iter().filter(|line| line["event"] == "undecoded").map(|line| line["data"].clone()).collect()
}

/// Not all of it came: it was cut, or, where all of it was here before the head had left, refused.
#[track_caller]
fn assert_stopped(answer: &Answer) {
    assert!(answer.status == 451 || (answer.status, answer.end) == (200, End::Reset), "{answer:?}");
}

#[test]
fn whatever_the_coding_and_whether_stored_or_not() {
    let body = noise(100_000, 1);
    let origin = Origin::start();
    for coding in ["gzip", "x-gzip", "br", "zstd"] {
        origin.on(&format!("/{coding}"), page(coding, &body));
        origin.on(&format!("/{coding}/chunked"), page(coding, &body).chunked());
        origin.on(&format!("/{coding}/private"), page(coding, &body).field("Cache-Control", "no-store"));
        origin.on(&format!("/{coding}/other"), page(coding, &noise(100_000, 2)));
    }
    let edge = Edge::plain(&origin);
    edge.block(&sha256_hex(&body), "N-1");
    for coding in ["gzip", "x-gzip", "br", "zstd"] {
        for kind in ["", "/chunked", "/private"] {
            let target = format!("/{coding}{kind}");
            assert_stopped(&edge.get(&target));
            let refused = edge.get(&target);
            assert_eq!(refused.status, 451, "{target}");
            assert_eq!(edge.record_of(&refused)["rule"], sha256_hex(&body));
            assert_eq!(origin.count(&target), 1, "known before its first byte: {target}");
        }
        assert_eq!(edge.get(&format!("/{coding}/other")).end, End::Whole);
    }
    assert_eq!(edge.metric("seawall_cache_objects"), 4.0, "the others");
    assert_eq!(undecoded(&edge), Vec::<Value>::new());
}

#[test]
fn what_was_stored_before_is_looked_at_before_its_next_byte() {
    let body = noise(100_000, 1);
    let origin = Origin::with("/other", page("gzip", &noise(5_000, 2)).field("ETag", "\"1\""));
    CODINGS.iter().for_each(|coding| origin.on(&format!("/{coding}"), page(coding, &body).field("ETag", "\"1\"")));
    let edge = Edge::plain(&origin);
    for target in ["/gzip", "/br", "/zstd", "/other"] {
        edge.get(target).stored();
    }
    let tried = json!({ "rules": [sha256_hex(&body)], "dry_run": true });
    let dry = edge.api("POST", "/api/v1/blocks", Some(&tried)).json();
    assert_eq!((&dry["undecoded"], &dry["blocked"]["objects"]), (&4.into(), &0.into()), "{dry}");
    edge.block(&sha256_hex(&body), "N-1");
    let asks: [(&str, &[(&str, &str)]); 4] =
        [("GET", &[]), ("GET", &[("Range", "bytes=0-9")]), ("GET", &[("If-None-Match", "\"1\"")]), ("HEAD", &[])];
    for (coding, (method, fields)) in CODINGS.iter().cycle().zip(asks) {
        assert_eq!(edge.ask(method, &format!("/{coding}"), fields).status, 451, "{coding} {method} {fields:?}");
        assert_eq!(edge.get(&format!("/{coding}")).status, 451);
        assert_eq!(origin.count(&format!("/{coding}")), 1);
    }
    assert_eq!(edge.get("/other").field("Cache-Status").unwrap().split(';').nth(1), Some(" hit"));
    assert_eq!(edge.metric("seawall_cache_objects"), 1.0, "what is forbidden has left");
    // A second rule finds what is known by now, and purges it.
    let receipt = edge.block(&sha256_hex(&noise(5_000, 2)), "N-2");
    assert_eq!(receipt["purged"]["objects"], 1);
    assert_eq!(edge.get("/other").status, 451);
}

#[test]
fn what_is_under_way_when_the_first_rule_comes() {
    let (bad, good) = (noise(3_000_000, 1), noise(3_000_000, 2));
    let gate = Gate::default();
    let origin = Origin::with("/bad", page("gzip", &bad));
    origin.on("/good", page("gzip", &good));
    origin.on("/growing", page("br", &bad).hold(1_000_000, &gate));
    origin.on("/passing", page("zstd", &bad).field("Cache-Control", "no-store").hold(1_000_000, &gate));
    let edge = Edge::before(&origin).h2c().start();
    edge.get("/bad").stored();
    edge.get("/good").stored();
    let ask = |mut client: Client, target: &str| {
        client.send(request("GET", HOST, target, &[]));
        assert_eq!(client.head().status, 200);
        client
    };
    let slow = |buffer| Client::connect_narrow(edge.address, buffer);
    let (mut bad_one, mut good_one) = (ask(slow(4096), "/bad"), ask(slow(65_536), "/good"));
    let (mut growing, mut passing) = (ask(edge.connect(), "/growing"), ask(edge.connect(), "/passing"));
    let mut other = Http2::connect_narrow(edge.address, 4096);
    let stream = other.ask("GET", "/bad", &[]);
    other.begun(stream, 1);
    edge.block(&sha256_hex(&bad), "N-1");
    edge.until_cut(2);
    assert_eq!(bad_one.rest(&mut Vec::new()), End::Reset);
    assert_eq!(other.answer(stream).end, End::Reset);
    gate.open();
    assert_eq!(growing.rest(&mut Vec::new()), End::Reset, "its first bytes are looked at as well");
    // Of what passes, the first bytes are gone: nobody knows what it is.
    assert_eq!(passing.take(coded("zstd", &bad).len(), &mut Vec::new()), End::Whole);
    assert_eq!(good_one.take(coded("gzip", &good).len(), &mut Vec::new()), End::Whole);
    assert_eq!((edge.get("/bad").status, edge.get("/growing").status), (451, 451));
    assert_eq!(edge.get("/passing").end, End::Reset, "from now on it is seen from its first byte on");
}

#[test]
fn what_cant_be_decoded_within_bounds_is_not_stored_and_is_told() {
    let body = noise(50_000, 1);
    let half = coded("gzip", &body)[..20_000].to_vec();
    let bomb = coded("gzip", &vec![0; 4 << 20]);
    let origin = Origin::with("/bomb", Page::stored(&bomb).field("Content-Encoding", "gzip"));
    origin.on("/half", Page::stored(half).field("Content-Encoding", "gzip"));
    origin.on("/twice", Page::stored(coded("br", &coded("gzip", &body))).field("Content-Encoding", "gzip, br"));
    origin.on("/deflate", Page::stored(b"?").field("Content-Encoding", "deflate"));
    origin.on("/passing", Page::ok(b"not at all").field("Content-Encoding", "br").field("Cache-Control", "no-store"));
    let edge = Edge::plain(&origin);
    // Stored before any rule asks.
    edge.get("/bomb").stored();
    edge.block(&some_other(), "N-1");
    assert_eq!(edge.get("/bomb").body, bomb);
    for target in ["/bomb", "/half", "/twice", "/deflate", "/passing"] {
        let before = origin.count(target);
        assert_eq!((edge.get(target).end, edge.get(target).end), (End::Whole, End::Whole), "{target}");
        assert_eq!(origin.count(target), before + 2, "not stored: {target}");
    }
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
    let why = |path: &str| {
        let url = format!("https://photos.example{path}");
        let told = undecoded(&edge).into_iter().find(|data| data["url"] == url.as_str());
        told.map(|data| data["why"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    eventually("all of them in the log", || undecoded(&edge).len() == 11);
    assert_eq!(why("/bomb"), "it became more than 100 times as long");
    assert_eq!(why("/half"), "it is not what its content coding says");
    assert_eq!(why("/passing"), why("/half"));
    assert_eq!(why("/deflate"), "its content coding is none of gzip, br and zstd, or there are several");
    assert_eq!(why("/twice"), why("/deflate"));
}

#[test]
fn origins_are_asked_for_what_can_be_decoded() {
    let origin = Origin::with("/a", Page::ok("x").field("Cache-Control", "no-store"));
    origin.on("/b", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let all = [("Accept-Encoding", "gzip, deflate, br, zstd, dcb")];
    edge.ask("GET", "/a", &all);
    assert_eq!(origin.asked_once("/a").field("Accept-Encoding"), Some(all[0].1), "no rule asks for digests");
    edge.block(&some_other(), "N-1");
    edge.ask("GET", "/a", &all);
    edge.ask("GET", "/b", &all);
    for target in ["/a", "/b"] {
        let asked = origin.asked(target).pop().unwrap();
        assert_eq!(asked.field("Accept-Encoding"), Some("gzip, br, zstd"), "{target}");
    }
}

#[test]
fn where_a_site_holds_bodies_nothing_of_what_is_forbidden_leaves() {
    let body = noise(60_000, 1);
    let origin = Origin::with("/a", page("gzip", &body));
    origin.on("/plain", Page::stored(&body));
    origin.on("/private", Page::ok(&body).field("Cache-Control", "no-store"));
    origin.on("/private/chunked", page("br", &body).field("Cache-Control", "no-store").chunked());
    origin.on("/good", Page::stored(noise(60_000, 2)));
    origin.on("/good/private", Page::ok(noise(60_000, 2)).field("Cache-Control", "no-store").chunked());
    let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\nhold_max = \"128KiB\"\n").start();
    edge.block(&sha256_hex(&body), "N-1");
    for target in ["/a", "/plain", "/private", "/private/chunked"] {
        let refused = edge.get(target);
        assert_eq!((refused.status, origin.count(target)), (451, 1), "{target}");
        assert_eq!(edge.record_of(&refused)["verdict"], "blocked");
        assert_eq!((edge.get(target).status, origin.count(target)), (451, 1), "{target}");
    }
    for target in ["/good", "/good/private"] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.end, answer.body), (200, End::Whole, noise(60_000, 2)), "{target}");
    }
    edge.get("/good").hit();
    assert_eq!(edge.metric("seawall_cut_total"), 0.0);
}

#[test]
fn where_a_site_holds_bodies_what_cant_be_judged_is_refused() {
    let body = noise(50_000, 1);
    let half = coded("gzip", &body)[..20_000].to_vec();
    let origin = Origin::with("/half", Page::stored(&half).field("Content-Encoding", "gzip"));
    origin.on("/chunked", Page::stored(&half).field("Content-Encoding", "gzip").chunked());
    origin.on("/deflate", Page::stored(b"?").field("Content-Encoding", "deflate"));
    let private = |page: Page| page.field("Cache-Control", "no-store");
    origin.on("/private", private(Page::ok(&half).field("Content-Encoding", "gzip")));
    origin.on("/private/chunked", private(Page::ok(b"not at all").field("Content-Encoding", "br")).chunked());
    origin.on("/before", Page::stored(&half).field("Content-Encoding", "gzip"));
    // Of what is longer, the rest follows as it comes.
    origin.on("/long", Page::stored(&coded("gzip", &body)[..49_000]).field("Content-Encoding", "gzip"));
    origin.on("/empty", Page::stored("").field("Content-Encoding", "deflate"));
    let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\nhold_max = \"40KiB\"\n").start();
    edge.get("/before").stored();
    edge.block(&some_other(), "N-1");
    let told = |target: &str| {
        let url = format!("https://photos.example{target}");
        undecoded(&edge).iter().filter(|data| data["url"] == url.as_str()).count()
    };
    for target in ["/half", "/chunked", "/deflate", "/private", "/private/chunked", "/before"] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.end), (502, End::Whole), "{target}");
        assert_eq!(edge.record_of(&answer)["verdict"], "failed", "{target}");
        // Until its fetch has ended, who comes is answered with what came of that.
        eventually("it is in the log", || told(target) == 1);
        assert_eq!(edge.get(target).status, 502, "it is not stored: {target}");
        eventually("it is fetched again", || told(target) == 2);
    }
    for target in ["/long", "/empty"] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.end), (200, End::Whole), "{target}");
    }
}

#[test]
fn what_is_longer_than_a_site_holds_streams_and_is_cut() {
    let body = noise(60_000, 1);
    let gate = Gate::default();
    let origin = Origin::start();
    let private = |page: Page| page.field("Cache-Control", "no-store");
    for (kind, page) in [("", Page::ok(&body)), ("/chunked", Page::ok(&body).chunked())] {
        let page = page.hold(30_000, &gate);
        origin.on(&format!("/stored{kind}"), page.clone().field("Cache-Control", "max-age=600"));
        origin.on(&format!("/private{kind}"), private(page));
    }
    let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\nhold_max = \"20KiB\"\n").start();
    edge.block(&sha256_hex(&body), "N-1");
    let targets = ["/stored", "/stored/chunked", "/private", "/private/chunked"];
    let clients: Vec<_> = targets
        .iter()
        .map(|target| {
            let mut client = edge.connect();
            client.send(request("GET", HOST, target, &[]));
            assert_eq!(client.head().status, 200, "{target}");
            client
        })
        .collect();
    gate.open();
    for (target, mut client) in targets.iter().zip(clients) {
        assert_eq!(client.rest(&mut Vec::new()), End::Reset, "{target}");
        assert_eq!(edge.get(target).status, 451);
    }
}

#[test]
fn what_is_held_when_a_rule_for_its_url_comes_is_refused() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored(noise(60_000, 1)).hold(30_000, &gate));
    let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\n").start();
    edge.block(&some_other(), "N-1");
    let mut clients: Vec<_> = (0..3).map(|_| edge.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(request("GET", HOST, "/a", &[])));
    origin.until_asked("/a", 1);
    edge.block("https://photos.example/a", "N-2");
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 451);
    }
    gate.open();
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn what_is_known_is_refused_until_it_is_purged() {
    let origin = Origin::with("/a", page("gzip", &noise(20_000, 1)));
    let edge = Edge::plain(&origin);
    edge.block(&sha256_hex(&noise(20_000, 1)), "N-1");
    assert_stopped(&edge.get("/a"));
    edge.event("filled"); // it is known from the end of the fetch on
    for method in ["GET", "HEAD", "POST"] {
        assert_eq!(edge.ask(method, "/a", &[("Content-Length", "0")]).status, 451, "{method}");
    }
    assert_eq!(origin.asked("/a").len(), 1);
    edge.rules_change_with_time(); // what stands behind the URL does
    edge.seawall(&["purge", "https://photos.example/a"]);
    origin.on("/a", page("gzip", &noise(20_000, 2)));
    assert_eq!(edge.get("/a").stored().end, End::Whole, "it is something else now");
}

#[test]
fn what_is_blocked_by_content_is_so_in_any_coding() {
    let body = noise(30_000, 1);
    let origin = Origin::with("/gzip", page("gzip", &body));
    origin.on("/plain", Page::stored(&body));
    origin.on("/br", page("br", &body));
    origin.on("/cold", page("zstd", &noise(30_000, 2)));
    origin.on("/cold/plain", Page::stored(noise(30_000, 2)));
    let edge = Edge::plain(&origin);
    edge.get("/gzip").stored();
    edge.get("/plain").stored();
    let contents = |path: &str| {
        let found = edge.api("GET", &format!("/api/v1/content?url=https://photos.example{path}"), None).json();
        let contents = found["contents"].as_array().unwrap().clone();
        contents
            .iter()
            .map(|one| (one["digest"].as_str().unwrap().to_owned(), one["bytes"].as_u64().unwrap()))
            .collect()
    };
    let mut told: Vec<(String, u64)> = contents("/gzip");
    let coded_body = coded("gzip", &body);
    let mut expected = vec![(sha256_hex(&body), 30_000), (sha256_hex(&coded_body), coded_body.len() as u64)];
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    for path in ["/gzip", "/cold"] {
        let done = edge.seawall(&["block", &format!("https://photos.example{path}"), "--by-content"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    assert_eq!(edge.get("/plain").status, 451);
    assert_stopped(&edge.get("/br"));
    assert_stopped(&edge.get("/cold/plain"));
}

#[test]
fn the_log_tells_what_a_body_is_without_its_coding() {
    let body = noise(10_000, 1);
    let origin = Origin::with("/a", page("zstd", &body));
    let edge = Edge::plain(&origin);
    edge.block(&some_other(), "N-1");
    let answer = edge.get("/a");
    let record = edge.record_of(&answer);
    assert_eq!(record["digest"], sha256_hex(&answer.body), "as it is served");
    let filled = edge.event("filled");
    assert_eq!(filled["data"]["decoded_digest"], sha256_hex(&body), "{filled}");
}

#[test]
fn what_was_found_undecodable_beside_a_request_leaves_with_the_next_one() {
    let half = coded("gzip", &noise(50_000, 1))[..20_000].to_vec();
    let origin = Origin::with("/half", Page::stored(half).field("Content-Encoding", "gzip"));
    let edge = Edge::plain(&origin);
    edge.get("/half").stored();
    edge.api("GET", "/api/v1/content?url=https://photos.example/half", None);
    edge.get("/half").hit();
    edge.block(&some_other(), "N-1");
    edge.get("/half");
    edge.get("/half").fetched();
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
    eventually("both in the log", || undecoded(&edge).len() == 2);
}

#[test]
fn what_is_said_to_one_tells_nothing_of_the_url() {
    let body = noise(20_000, 1);
    let origin = Origin::start();
    let page = |name: &str, value: &str| Page::ok(noise(20_000, 1)).field(name, value);
    origin.on("/echo", page("Cache-Control", "no-store"));
    origin.on("/avatar", page("Cache-Control", "private, max-age=60"));
    origin.on("/by-cookie", page("Cache-Control", "no-store").field("Vary", "Accept-Encoding, Cookie"));
    origin.on("/login", page("Cache-Control", "no-store"));
    origin.on("/targeted", page("CDN-Cache-Control", "private"));
    origin.on("/both", page("CDN-Cache-Control", "no-store").field("Cache-Control", "private"));
    origin.on("/all", page("Cache-Control", "no-store").field("Vary", "Accept-Encoding"));
    let edge = Edge::plain(&origin);
    edge.block(&sha256_hex(&body), "N-1");
    let asks = [
        ("POST", "/echo", ("Content-Length", "0")),
        ("GET", "/avatar", ("Accept", "image/*")),
        ("GET", "/by-cookie", ("Cookie", "a=b")),
        ("GET", "/targeted", ("Accept", "image/*")),
        ("GET", "/both", ("Cookie", "a=b")),
        ("GET", "/login", ("Authorization", "Basic eDp5")),
    ];
    for (method, target, field) in asks {
        for times in 1..=2 {
            assert_stopped(&edge.ask(method, target, &[field]));
            assert_eq!(origin.count(target), times, "asked for anew: {target}");
        }
    }
    assert_stopped(&edge.get("/all"));
    assert_eq!((edge.get("/all").status, origin.count("/all")), (451, 1));
}

#[test]
fn a_stream_of_events_is_not_held() {
    let gate = Gate::default();
    let events = Page::ok("data: 1\n\ndata: 2\n\n").field("Content-Type", "text/event-stream; charset=utf-8");
    let origin = Origin::with("/events", events.field("Cache-Control", "no-store").chunked().hold(9, &gate));
    let edge = Edge::before(&origin).site("on_unknown_digest = \"hold\"\n").start();
    edge.block(&some_other(), "N-1");
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/events", &[]));
    assert_eq!(client.head().status, 200, "though there is no end in sight");
    gate.open();
    assert_eq!(client.chunk(&mut Vec::new()), Ok(9));
}
