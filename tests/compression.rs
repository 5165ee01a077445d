//! Compression: off unless a site asks for it; then negotiated, and kept beside what the origin sent.

use std::io::Read;
use std::thread;

use serde_json::json;

use crate::harness::client::{End, request};
use crate::harness::{Answer, Client, Edge, Gate, HOST, Http2, Origin, Page, Reply, eventually, noise, sha256_hex};
use crate::memory::{most, peak};

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
const BROWSER: &str = "gzip, deflate, br, zstd";
const URL: &str = "https://photos.example/a";

/// Lines that compress well.
fn text(bytes: usize) -> Vec<u8> {
    let lines = (0_u64..).flat_map(|n| format!("{n}: a line of a page, {} of many\n", n * n).into_bytes());
    lines.take(bytes).collect()
}

fn page(body: impl AsRef<[u8]>) -> Page {
    Page::stored(body).field("Content-Type", "text/html; charset=utf-8").field("ETag", "\"v1\"")
}

fn compressing(origin: &Origin) -> Edge {
    Edge::before(origin).site("compress = {}\n").start()
}

fn accept(codings: &str) -> [(&'static str, &str); 1] {
    [("Accept-Encoding", codings)]
}

/// As much of it as can be read.
fn decoded(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn Read + '_> = match coding {
        "zstd" => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
        "br" => Box::new(brotli::Decompressor::new(coded, 4096)),
        "gzip" => Box::new(flate2::read::MultiGzDecoder::new(coded)),
        other => panic!("a coding {other}"),
    };
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = decoder.read(&mut some) {
        all.extend_from_slice(&some[..count]);
    }
    all
}

/// Expects that it holds the whole body in this coding, with fields to match.
#[track_caller]
fn assert_coded(answer: &Answer, coding: &str, body: &[u8]) {
    assert_eq!((answer.status, answer.end), (200, End::Whole), "{answer:#?}");
    assert_eq!(answer.field("Content-Encoding"), Some(coding), "{answer:#?}");
    assert!(decoded(coding, &answer.body) == body, "{answer:#?}");
    assert!(answer.body.len() < body.len() / 2, "{} of {}", answer.body.len(), body.len());
    assert_eq!(answer.all("Vary"), ["Accept-Encoding"]);
    assert_eq!(answer.field("ETag"), Some("W/\"v1\""));
}

/// Expects that it is as the origin sent it, where others get it compressed.
#[track_caller]
fn assert_plain(answer: &Answer, body: &[u8]) {
    assert_eq!((answer.status, answer.end), (200, End::Whole), "{answer:#?}");
    assert_eq!(answer.field("Content-Encoding"), None, "{answer:#?}");
    assert!(answer.body == body, "{answer:#?}");
    assert_eq!(answer.all("Vary"), ["Accept-Encoding"]);
    assert_eq!(answer.field("ETag"), Some("\"v1\""));
}

/// Waits until what is compressed is in the store, too, and gives that.
fn stored(edge: &Edge, target: &str, coding: &str) -> Answer {
    let mut found = None;
    eventually("the compressed one in the store", || {
        let answer = edge.ask("GET", target, &accept(coding));
        let is_stored = answer.field("Content-Length").is_some();
        found = Some(answer);
        is_stored
    });
    found.unwrap()
}

#[test]
fn each_coding_is_what_the_origin_sent() {
    let body = text(300_000);
    let origin = Origin::with("/a", page(&body).field("Accept-Ranges", "bytes").field("Content-MD5", "x"));
    let edge = compressing(&origin);
    for coding in CODINGS {
        let first = edge.ask("GET", "/a", &accept(coding));
        assert_coded(&first, coding, &body);
        assert_eq!((first.field("Accept-Ranges"), first.field("Content-MD5")), (None, None));
        let second = stored(&edge, "/a", coding).hit();
        assert_coded(&second, coding, &body);
        assert_eq!(second.field("Content-Length"), Some(second.body.len().to_string().as_str()));
    }
    assert_plain(&edge.get("/a").hit(), &body);
    assert_eq!(edge.get("/a").field("Accept-Ranges"), Some("bytes"));
    assert_coded(&edge.ask("GET", "/a", &accept(BROWSER)), "zstd", &body);
    assert_coded(&edge.ask("GET", "/a", &accept("gzip, br;q=0.5")), "gzip", &body);
    assert_plain(&edge.ask("GET", "/a", &accept("deflate, identity")), &body);
    assert_plain(&edge.ask("GET", "/a", &accept("gzip;q=0.5, identity;q=0.9")), &body);
    origin.asked_once("/a");
}

#[test]
fn a_site_says_what_is_compressed_and_how() {
    let body = text(5_000);
    let origin = Origin::start();
    origin.on("/text", page(&body));
    origin.on("/app", Page::stored(&body).field("Content-Type", "application/x-app+json"));
    let table = "compress = { codings = [\"gzip\", \"br\"], types = [\"application/*+json\"], min_length = \"5kB\" }\n";
    let edge = Edge::before(&origin).site(table).start();
    let answer = edge.ask("GET", "/app", &accept(BROWSER));
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"), "the first that is offered");
    assert!(decoded("gzip", &answer.body) == body);
    assert_eq!(edge.ask("GET", "/app", &accept("zstd")).field("Content-Encoding"), None);
    let answer = edge.ask("GET", "/text", &accept(BROWSER));
    assert!(answer.body == body && answer.field("Vary").is_none());
    let edge = Edge::before(&origin).site("compress = { min_length = \"6kB\" }\n").start();
    assert!(edge.ask("GET", "/text", &accept(BROWSER)).body == body);
}

#[test]
fn without_a_word_of_the_site_not_a_byte_is_other() {
    let body = text(20_000);
    let origin = Origin::with("/a", page(&body));
    let edge = Edge::plain(&origin);
    for _ in 0..2 {
        let answer = edge.ask("GET", "/a", &accept(BROWSER));
        assert!(answer.body == body);
        assert_eq!((answer.field("Vary"), answer.field("Content-Encoding")), (None, None));
        assert_eq!((answer.field("ETag"), answer.field("Content-Length")), (Some("\"v1\""), Some("20000")));
        assert!(edge.record_of(&answer)["departures"].is_null());
    }
}

#[test]
fn what_is_not_to_be_touched_is_left() {
    let body = text(20_000);
    let coded = noise(20_000, 70);
    let origin = Origin::start();
    let plain = || Page::stored(&body).field("ETag", "\"v1\"");
    let html = || plain().field("Content-Type", "text/html");
    origin.on("/no-transform", html().field("Cache-Control", "no-transform"));
    origin
        .on("/by-the-origin", Page::stored(&coded).field("Content-Type", "text/css").field("Content-Encoding", "gzip"));
    origin.on("/picture", plain().field("Content-Type", "image/jpeg"));
    origin.on("/untyped", plain());
    origin.on("/short", Page::stored("short").field("Content-Type", "text/html"));
    origin.on("/error", Page::new("404 Not Found", &body).field("Content-Type", "text/html"));
    origin.on("/events", plain().field("Content-Type", "text/event-stream").chunked());
    let edge = compressing(&origin);
    for target in ["/no-transform", "/by-the-origin", "/picture", "/untyped", "/short", "/error", "/events"] {
        for _ in 0..2 {
            let (with, without) = (edge.ask("GET", target, &accept(BROWSER)), edge.get(target));
            assert!(with.body == without.body && with.end == End::Whole, "{target}: {with:#?}");
            for name in ["ETag", "Content-Encoding", "Vary"] {
                assert_eq!(with.field(name), without.field(name), "{target}: {name}");
            }
            assert_eq!(with.field("Vary"), None, "{target}");
        }
    }
    assert_eq!(edge.get("/by-the-origin").field("Content-Encoding"), Some("gzip"));
    assert_eq!(edge.metric("seawall_cache_objects"), 6.0, "and nothing else is kept");
}

#[test]
fn a_client_may_forbid_it() {
    let body = text(20_000);
    let origin = Origin::with("/a", page(&body));
    let edge = compressing(&origin);
    let asked = [("Accept-Encoding", "gzip"), ("Cache-Control", "no-transform")];
    assert_plain(&edge.ask("GET", "/a", &asked), &body);
    assert_coded(&edge.ask("GET", "/a", &accept("gzip")), "gzip", &body);
}

#[test]
fn head_is_as_get_and_makes_nothing() {
    let body = text(50_000);
    let origin = Origin::with("/a", page(&body));
    let edge = compressing(&origin);
    let before = edge.ask("HEAD", "/a", &accept("br"));
    assert_eq!((before.field("Content-Encoding"), before.field("ETag")), (Some("br"), Some("W/\"v1\"")));
    assert_eq!((before.field("Vary"), before.field("Content-Length")), (Some("Accept-Encoding"), None));
    let plain = edge.ask("HEAD", "/a", &[]);
    assert_eq!((plain.field("Content-Length"), plain.field("Vary")), (Some("50000"), Some("Accept-Encoding")));
    // HEAD waits for no body.
    eventually("what the origin sent in the store", || edge.metric("seawall_cache_objects") == 1.0);
    assert_coded(&edge.ask("GET", "/a", &accept("br")), "br", &body);
    let whole = stored(&edge, "/a", "br");
    let after = edge.ask("HEAD", "/a", &accept("br")).hit();
    assert_eq!(after.field("Content-Length"), whole.field("Content-Length"));
    let record = edge.record_of(&after);
    assert_eq!(
        (&record["origin_digest"], &record["digest"]),
        (&sha256_hex(&body).into(), &sha256_hex(&whole.body).into())
    );
}

#[test]
fn the_weak_tag_is_good_for_a_304_and_for_no_range() {
    let body = text(50_000);
    let origin = Origin::start();
    origin.on_each("/a", {
        let body = body.clone();
        move |asked| match asked.field("If-None-Match") {
            // The origin's own validator.
            Some("\"v1\"") => page("").status("304 Not Modified").into(),
            Some(other) => panic!("the origin was asked about {other}"),
            None => Reply::from(page(&body).field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")),
        }
    });
    let edge = compressing(&origin);
    assert_coded(&edge.ask("GET", "/a", &accept("gzip")), "gzip", &body);
    for (tag, codings, expected) in [
        ("W/\"v1\"", "gzip", "W/\"v1\""),
        ("\"v1\"", "gzip", "W/\"v1\""),
        ("W/\"v1\"", "identity", "\"v1\""),
        ("W/\"v0\", W/\"v1\"", "br", "W/\"v1\""),
    ] {
        let answer = edge.ask("GET", "/a", &[("Accept-Encoding", codings), ("If-None-Match", tag)]);
        assert_eq!((answer.status, answer.field("ETag")), (304, Some(expected)), "{tag} {codings}");
        assert_eq!((answer.field("Vary"), answer.field("Content-Encoding")), (Some("Accept-Encoding"), None));
    }
    let since =
        edge.ask("GET", "/a", &[("Accept-Encoding", "gzip"), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(since.status, 304);

    let part = edge.ask("GET", "/a", &[("Accept-Encoding", "gzip"), ("Range", "bytes=10-19")]);
    assert_eq!((part.status, part.field("Content-Range")), (206, Some("bytes 10-19/50000")), "of what the origin sent");
    assert!(
        part.body == body[10..20] && part.field("ETag") == Some("\"v1\"") && part.field("Content-Encoding").is_none()
    );
    for (condition, status) in [("\"v1\"", 206), ("W/\"v1\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)] {
        let asked = [("Accept-Encoding", "gzip"), ("Range", "bytes=10-19"), ("If-Range", condition)];
        let answer = edge.ask("GET", "/a", &asked);
        assert_eq!(answer.status, status, "{condition}");
        match status {
            206 => assert!(answer.body == body[10..20]),
            _ => assert_coded(&answer, "gzip", &body),
        }
    }
    let refusing = [("Accept-Encoding", "gzip, identity;q=0"), ("Range", "bytes=10-19")];
    assert_coded(&edge.ask("GET", "/a", &refusing), "gzip", &body);

    edge.seawall(&["purge", URL, "--soft"]);
    let anew = edge.ask("GET", "/a", &accept("gzip"));
    assert_coded(&anew, "gzip", &body);
    assert_eq!(anew.cache(), "fwd=stale; fwd-status=304");
    assert!(anew.field("Content-Length").is_some(), "what was made before is still good");
}

#[test]
fn followers_of_one_fetch_get_each_what_they_take() {
    let body = text(400_000);
    let gate = Gate::default();
    let origin = Origin::with("/a", page(&body).hold(0, &gate).hold(150_000, &gate));
    let edge = compressing(&origin);
    let answers: Vec<(&str, Answer)> = thread::scope(|scope| {
        let ask = |codings: &'static str| {
            let edge = &edge;
            scope.spawn(move || (codings, edge.ask("GET", "/a", &accept(codings))))
        };
        let all: Vec<_> = ["", "zstd", "br", "gzip"].into_iter().cycle().take(16).map(ask).collect();
        origin.until_asked("/a", 1);
        gate.open();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (codings, answer) in &answers {
        match *codings {
            "" => assert_plain(answer, &body),
            coding => assert_coded(answer, coding, &body),
        }
    }
    origin.asked_once("/a");
    eventually("what was made is stored", || edge.metric("seawall_cache_objects") == 4.0);
}

#[test]
fn what_a_slow_origin_sends_is_not_held_back() {
    let body = text(40_000);
    for target in ["/stored", "/private"] {
        for coding in CODINGS {
            let (first, second) = (Gate::default(), Gate::default());
            let origin = Origin::start();
            let page = match target {
                "/stored" => page(&body),
                _ => Page::ok(&body).field("Content-Type", "text/html").field("Cache-Control", "private"),
            };
            origin.on(target, page.chunked().hold(100, &first).hold(20_000, &second));
            let edge = compressing(&origin);
            let mut client = edge.connect();
            client.send(request("GET", HOST, target, &accept(coding)));
            assert_eq!(client.head().field("Content-Encoding"), Some(coding));
            let mut coded = Vec::new();
            read_until(&mut client, &mut coded, |coded| decoded(coding, coded) == body[..100]);
            first.open();
            read_until(&mut client, &mut coded, |coded| decoded(coding, coded) == body[..20_000]);
            second.open();
            read_until(&mut client, &mut coded, |coded| decoded(coding, coded) == body);
        }
    }
}

/// Reads chunks of a body until what came suffices.
fn read_until(client: &mut Client, coded: &mut Vec<u8>, suffices: impl Fn(&[u8]) -> bool) {
    while !suffices(coded) {
        let came = client.chunk(coded);
        assert!(matches!(came, Ok(1..)), "the body ended: {came:?}");
    }
}

#[test]
fn what_passes_the_cache_is_compressed_on_its_way() {
    let body = text(200_000);
    let origin = Origin::start();
    let private = || Page::ok(&body).field("Content-Type", "application/json").field("Cache-Control", "private");
    origin.on("/private", private().field("ETag", "\"v1\""));
    origin.on("/unknown", private().chunked().field("ETag", "\"v1\""));
    origin.on_each("/conditional", {
        let body = body.clone();
        move |asked| match asked.field("If-None-Match") {
            Some("W/\"v1\"") => Page::new("304 Not Modified", "").field("ETag", "\"v1\"").into(),
            _ => Reply::from(Page::ok(&body).field("Cache-Control", "no-store").field("ETag", "\"v1\"")),
        }
    });
    let edge = compressing(&origin);
    for target in ["/private", "/unknown"] {
        for coding in CODINGS {
            let answer = edge.ask("GET", target, &accept(coding));
            assert_coded(&answer, coding, &body);
            let record = edge.record_of(&answer);
            assert_eq!(record["departures"], json!(["compressed"]), "{record}");
            assert_eq!(record["origin_digest"], sha256_hex(&body), "{record}");
            assert_eq!(record["digest"], sha256_hex(&answer.body), "{record}");
            assert_eq!(record["bytes"], answer.body.len(), "{record}");
        }
        assert_plain(&edge.get(target), &body);
        let head = edge.ask("HEAD", target, &accept("gzip"));
        assert_eq!((head.status, head.field("Content-Encoding")), (200, Some("gzip")), "{head:#?}");
        assert_eq!((head.field("Content-Length"), head.field("ETag")), (None, Some("W/\"v1\"")), "{head:#?}");
    }
    // Set apart, it passes with the client's own precondition.
    edge.get("/conditional");
    let asked = [("Accept-Encoding", "gzip"), ("If-None-Match", "W/\"v1\"")];
    let answer = edge.ask("GET", "/conditional", &asked);
    assert_eq!((answer.status, answer.field("ETag")), (304, Some("W/\"v1\"")), "{answer:#?}");
    assert_eq!(edge.ask("POST", "/private", &accept("gzip")).field("Content-Encoding"), None);
}

#[test]
fn one_purge_takes_all_of_a_url() {
    let body = text(100_000);
    let origin = Origin::with("/a", page(&body).field("Cache-Tag", "t"));
    let edge = compressing(&origin);
    for purge in [&["purge", URL][..], &["purge", "--tag", "t"], &["purge", "--prefix", URL], &["purge", "--all"]] {
        for coding in CODINGS {
            stored(&edge, "/a", coding);
        }
        let all = edge.metric("seawall_cache_bytes");
        assert_eq!(edge.metric("seawall_cache_objects"), 4.0, "what came, and three of our making");
        let said = edge.seawall(&[purge, &["--output", "json"]].concat());
        let purged: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(purged["objects"], 4, "{purge:?}: {purged}");
        assert_eq!(purged["bytes"].as_f64(), Some(all), "{purge:?}: {purged}");
        assert_eq!(edge.metric("seawall_cache_bytes"), 0.0, "{purge:?}");
    }
    assert_eq!(origin.count("/a"), 4, "once for each purge");
}

#[test]
fn what_was_made_of_something_that_is_replaced_goes_with_it() {
    let origin = Origin::with("/a", page(text(100_000)));
    let edge = Edge::before(&origin).site("compress = {}\nclient_refresh = true\n").start();
    for coding in CODINGS {
        stored(&edge, "/a", coding);
    }
    assert_eq!(edge.metric("seawall_cache_objects"), 4.0);
    origin.on("/a", page(text(50_000)).field("ETag", "\"v2\""));
    edge.ask("GET", "/a", &[("Cache-Control", "no-cache")]).stored();
    assert_eq!(edge.metric("seawall_cache_objects"), 1.0, "the new one alone");
    stored(&edge, "/a", "gzip");
    assert_eq!(edge.metric("seawall_cache_objects"), 2.0);
    edge.ask("PUT", "/a", &[("Content-Length", "0")]);
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0, "an unsafe method takes all of it");
}

#[test]
fn what_is_made_of_something_purged_is_not_kept() {
    let body = text(200_000);
    let gate = Gate::default();
    let origin = Origin::with("/a", page(&body).hold(100_000, &gate));
    let edge = compressing(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/a", &accept("gzip")));
    assert_eq!(client.head().status, 200);
    edge.seawall(&["purge", URL]);
    gate.open();
    let mut coded = Vec::new();
    read_until(&mut client, &mut coded, |coded| decoded("gzip", coded) == body);
    let record = edge.record_where("the answer's record", |line| line["departures"] == json!(["compressed"]));
    assert_eq!(record["complete"], true, "{record}");
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
}

#[test]
fn a_block_cuts_what_is_compressed_and_purges_it() {
    let body = text(2_000_000);
    let gate = Gate::default();
    let origin = Origin::with("/a", page(&body).hold(1_000_000, &gate));
    origin.on("/b", page(text(100_000)));
    let edge = compressing(&origin);
    stored(&edge, "/b", "br");
    let mut clients: Vec<Client> = CODINGS
        .iter()
        .map(|coding| {
            let mut client = edge.connect();
            client.send(request("GET", HOST, "/a", &accept(coding)));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    let receipt = edge.block("https://photos.example/a", "N-1");
    assert_eq!(receipt["cut"], 3, "{receipt}");
    edge.must_block(URL, receipt["list"].as_u64().unwrap(), None);
    for client in &mut clients {
        assert_eq!(client.rest(&mut Vec::new()), End::Reset);
    }
    gate.open();
    assert_eq!(edge.ask("GET", "/a", &accept("gzip")).status, 451);
    let receipt = edge.block("https://photos.example/b", "N-2");
    assert_eq!(receipt["purged"]["objects"], 2, "as it came, and compressed: {receipt}");
    assert_eq!(edge.ask("GET", "/b", &accept("br")).status, 451);
}

#[test]
fn a_rule_for_a_digest_holds_for_what_is_made_of_those_bytes() {
    let (stored_body, private_body) = (text(100_000), text(110_000));
    let origin = Origin::start();
    origin.on("/a", page(&stored_body));
    origin.on("/p", Page::ok(&private_body).field("Content-Type", "text/html").field("Cache-Control", "private"));
    for held in [true, false] {
        let edge = compressing(&origin);
        if held {
            stored(&edge, "/a", "gzip");
        }
        let receipt = edge.block(&sha256_hex(&stored_body), "N-1");
        assert_eq!(receipt["purged"]["objects"], if held { 2 } else { 0 }, "{receipt}");
        edge.block(&sha256_hex(&private_body), "N-2");
        for target in ["/a", "/p"] {
            for coding in CODINGS {
                let answer = edge.ask("GET", target, &accept(coding));
                let whole = if target == "/a" { &stored_body } else { &private_body };
                let is_refused = answer.status == 451;
                assert!(is_refused || answer.end != End::Whole, "{held} {target} {coding}: {answer:#?}");
                assert!(is_refused || decoded(coding, &answer.body).len() < whole.len(), "{held} {target} {coding}");
            }
        }
    }
}

#[test]
fn a_rule_for_the_digest_of_the_compressed_bytes_holds_for_them() {
    let body = text(100_000);
    let origin = Origin::with("/a", page(&body));
    let edge = compressing(&origin);
    let answer = stored(&edge, "/a", "gzip");
    assert_eq!(answer.status, 200);
    let receipt = edge.block(&sha256_hex(&answer.body), "N-1");
    assert_eq!(receipt["purged"]["objects"], 1, "{receipt}");
    assert_eq!(edge.ask("GET", "/a", &accept("gzip")).status, 451);
    assert_eq!(edge.get("/a").status, 451, "the URL is known to stand for them");
}

#[test]
fn the_log_holds_both_digests() {
    let body = text(100_000);
    let origin = Origin::with("/a", page(&body));
    let edge = Edge::before(&origin).site("compress = {}\nrepr_digest = true\n").start();
    edge.get("/a");
    let answer = stored(&edge, "/a", "zstd");
    let record = edge.record_of(&answer);
    assert_eq!(record["departures"], json!(["repr-digest", "compressed"]), "{record}");
    assert_eq!((&record["cache"], &record["complete"]), (&"hit".into(), &true.into()), "{record}");
    assert_eq!(
        (&record["origin_digest"], &record["digest"]),
        (&sha256_hex(&body).into(), &sha256_hex(&answer.body).into())
    );
    let filled = edge.log().into_iter().find(|line| line["data"]["coding"] == "zstd").unwrap();
    let filled = &filled["data"];
    assert_eq!((&filled["fill"], &filled["stored"]), (&record["fill"], &true.into()), "{filled}");
    assert_eq!(
        (&filled["origin_digest"], &filled["digest"]),
        (&record["origin_digest"], &record["digest"]),
        "{filled}"
    );
    assert_eq!(filled["bytes"], answer.body.len(), "{filled}");
    // RFC 9530 section 3: of the representation that is served.
    let plain = edge.get("/a");
    assert!(plain.field("Repr-Digest").is_some() && plain.field("Repr-Digest") != answer.field("Repr-Digest"));
    for (digest, found) in [(sha256_hex(&body), 2), (sha256_hex(&answer.body), 1)] {
        let said = edge.seawall(&["audit", "query", "--digest", &digest, "--verdict", "served", "--output", "jsonl"]);
        assert!(said.stdout.lines().count() >= found, "{digest}: {}", said.all());
    }
}

#[test]
fn coders_take_no_more_room_than_they_have_and_leave_it_with_their_client() {
    let body = text(400_000);
    let gate = Gate::default();
    let origin = Origin::with("/a", page(&body).hold(350_000, &gate));
    let edge = compressing(&origin);
    let ask = |n: usize| {
        let mut client = edge.connect();
        client.send(request("GET", HOST, &format!("/a?{n}"), &accept("br")));
        let head = client.head();
        assert_eq!((head.status, head.field("Vary")), (200, Some("Accept-Encoding")));
        (client, head.field("Content-Encoding").is_some())
    };
    let clients: Vec<(Client, bool)> = (0..40).map(ask).collect();
    assert_eq!(clients.iter().filter(|(_, is_coded)| *is_coded).count(), 16, "the others get it as it came");
    let room = 128 << 20;
    assert!(peak(&edge) <= most(64 << 20) + room, "{} bytes", peak(&edge));
    drop(clients);
    eventually("room for another", || ask(40).1);
    gate.open();
    assert_coded(&edge.ask("GET", "/a?40", &accept("br")), "br", &body);
}

#[test]
fn a_reload_turns_it_on_and_off_for_what_is_stored() {
    let body = text(50_000);
    let origin = Origin::with("/a", page(&body));
    let edge = Edge::plain(&origin);
    let off = edge.config();
    let on = off.replace("name = \"photos\"\n", "name = \"photos\"\ncompress = { codings = [\"gzip\"] }\n");
    assert_eq!(edge.ask("GET", "/a", &accept("gzip")).field("Content-Encoding"), None);
    edge.set_config(&on);
    eventually("it is compressed", || edge.ask("GET", "/a", &accept("gzip")).field("Content-Encoding").is_some());
    assert_coded(&stored(&edge, "/a", "gzip").hit(), "gzip", &body);
    edge.set_config(&off);
    eventually("it is not", || edge.ask("GET", "/a", &accept("gzip")).field("Content-Encoding").is_none());
    assert!(edge.ask("GET", "/a", &accept("gzip")).hit().body == body);
    origin.asked_once("/a");
}

#[test]
fn over_http2_it_is_the_same() {
    let body = text(300_000);
    let origin = Origin::with("/a", page(&body));
    let edge = Edge::before(&origin).h2c().site("compress = {}\n").start();
    let mut client = Http2::connect(edge.address);
    for coding in CODINGS {
        for _ in 0..2 {
            let stream = client.ask("GET", "/a", &[("accept-encoding", coding)]);
            assert_coded(&client.answer(stream), coding, &body);
        }
        let stream = client.ask("HEAD", "/a", &[("accept-encoding", coding)]);
        let head = client.answer(stream);
        assert_eq!((head.status, head.field("content-encoding"), head.body.len()), (200, Some(coding), 0));
    }
    origin.asked_once("/a");
}
