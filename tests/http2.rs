//! HTTP/2 towards clients: the usual, what is refused, floods, the cut of one stream, the drain.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::client::{Answer, End};
use crate::harness::http2::{
    CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, PING, PRIORITY, PROTOCOL_ERROR, block,
    request,
};
use crate::harness::{
    Client, Edge, Gate, HOST, Http2, Origin, Page, at, eventually, noise, sha256_hex, until, until_none_is_cut,
};

const URL: &str = "https://photos.example/large";
const BODY: usize = 3_000_000;
/// What may arrive of a stream after it was cut, beside what the client's own kernel took in before.
const SLACK: usize = 128 * 1024;

fn edge(origin: &Origin) -> Edge {
    Edge::before(origin).h2c().start()
}

// The usual.

#[test]
fn gets_heads_and_posts_are_answered() {
    let origin = Origin::with("/a", Page::stored("stored"));
    origin.on("/up", Page::ok("taken"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let first = client.get("/a").stored();
    assert_eq!((first.status, first.text().as_str(), first.end), (200, "stored", End::Whole));
    for name in ["date", "via", "x-request-id", "content-length"] {
        assert!(first.field(name).is_some(), "{name} of {first:?}");
    }
    client.get("/a").hit();
    let head = client.ask("HEAD", "/a", &[]);
    let head = client.answer(head);
    assert_eq!((head.status, head.text().as_str(), head.field("content-length")), (200, "", Some("6")));

    for fields in [&[][..], &[("content-length", "4")]] {
        let post = client.open(&request("POST", "/up", fields), false);
        client.data(post, b"bo", false);
        client.data(post, b"dy", true);
        assert_eq!(client.answer(post).text(), "taken");
    }
    assert!(origin.asked("/up").iter().all(|asked| asked.body == b"body" && asked.is_whole));
    let asked = &origin.asked("/up")[0];
    assert_eq!(asked.field("Via").unwrap().split(' ').next(), Some("2.0"));
    assert_eq!((asked.field("Host"), asked.field("X-Forwarded-Proto")), (Some(HOST), Some("http")));

    let record = edge.record_of(&first);
    assert_eq!((&record["url"], &record["verdict"]), (&Value::from("https://photos.example/a"), &"served".into()));
    assert_eq!((&record["bytes"], &record["complete"]), (&6.into(), &true.into()));
    assert_eq!(edge.record_of(&head)["bytes"], 0);
}

#[test]
fn a_get_with_a_body_is_no_hit_and_cookies_are_one_field() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    client.get("/a").stored();
    let stream = client.open(&request("GET", "/a", &[("cookie", "a=1"), ("cookie", "b=2")]), false);
    client.data(stream, b"body", true);
    client.answer(stream).fetched();
    let asked = &origin.asked("/a")[1];
    assert_eq!((asked.all("Cookie"), &asked.body[..]), (vec!["a=1; b=2"], &b"body"[..]));
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on() {
    let origin = Origin::with("/up", Page::ok("taken"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let stream = client.open(&request("POST", "/up", &[("expect", "100-continue")]), false);
    client.until_interim(stream);
    client.data(stream, b"body", true);
    let answer = client.answer(stream);
    assert_eq!((answer.text().as_str(), &answer.interim[..]), ("taken", &[100][..]));
    assert_eq!(origin.asked_once("/up").body, b"body");
}

#[test]
fn streams_are_answered_side_by_side() {
    let origin = Origin::start();
    let gate = Gate::default();
    let bodies: Vec<Vec<u8>> = (0..20).map(|n| noise(100_000, n)).collect();
    for (n, body) in bodies.iter().enumerate() {
        origin.on(&format!("/{n}"), Page::stored(body).hold(50_000, &gate));
    }
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let streams: Vec<u32> = (0..20).map(|n| client.ask("GET", &format!("/{n}"), &[])).collect();
    for stream in &streams {
        client.begun(*stream, 40_000);
    }
    gate.open();
    for (stream, body) in streams.iter().zip(&bodies).rev() {
        let answer = client.answer(*stream);
        assert!(answer.end == End::Whole && answer.body == *body);
        assert_eq!(edge.record_of(&answer)["complete"], true);
    }
}

#[test]
fn a_small_window_is_kept_to_and_opens_the_way() {
    let body = noise(10_000, 1);
    let origin = Origin::with("/a", Page::stored(&body));
    let edge = edge(&origin);
    let mut client = Http2::connect_with_window(edge.address, 1_000);
    let stream = client.ask("GET", "/a", &[]);
    for bytes in (1_000..body.len()).step_by(1_000) {
        assert_eq!(client.begun(stream, bytes).body.len(), bytes);
        client.open_window(stream, 1_000);
    }
    assert!(client.answer(stream).body == body);
}

#[test]
fn the_key_decides_who_may_begin_with_http_2() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let with = edge(&origin);
    assert_eq!(with.get("/a").text(), "stored", "HTTP/1.1 is understood too");
    let mut slow = Http2::connect(with.address);
    assert_eq!(slow.get("/a").text(), "stored");

    let without = Edge::plain(&origin);
    let mut client = without.connect();
    client.send(crate::harness::http2::PREFACE);
    let answer = client.answer("GET");
    assert_eq!((answer.status, client.ends()), (400, End::Closed));
}

#[test]
fn what_is_blocked_is_refused() {
    let origin = Origin::with("/large", Page::stored("large"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    assert_eq!(client.get("/large").status, 200);
    edge.block(URL, "N-17");
    let blocked = client.get("/large");
    assert_eq!(blocked.status, 451);
    assert_eq!(edge.record_of(&blocked)["notice"], "N-17");
    assert_eq!(client.get("/%6carge").status, 451, "in any spelling");
}

// What is refused.

#[test]
fn authority_and_host_name_one_host() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/a")];
    let authority = |host: &'static str| (":authority", host);
    for (fields, status) in [
        (&[authority(HOST)][..], 200),
        (&[authority(HOST), ("host", HOST)], 200),
        (&[authority("PHOTOS.example"), ("host", HOST)], 200),
        (&[("host", HOST)], 200),
        (&[authority(HOST), ("host", "other.example")], 400),
        (&[authority(HOST), ("host", HOST), ("host", HOST)], 400),
        (&[authority("a@photos.example")], 400),
        (&[authority("other.example")], 421),
        (&[], 400),
    ] {
        let stream = client.open(&[&pseudo[..], fields].concat(), true);
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.end), (status, End::Whole), "{fields:?}");
        for name in ["via", "x-request-id"] {
            assert!(answer.field(name).is_some(), "{name} of {answer:?}");
        }
    }
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"host\""]), 3.0);
    assert!(origin.asked("/a").iter().all(|asked| asked.field("Host").unwrap().eq_ignore_ascii_case(HOST)));
}

#[test]
fn malformed_requests_are_reset_and_reach_no_one() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let malformed: [&[(&str, &str)]; 13] = [
        &request("GET", "/a", &[("connection", "close")]),
        &request("GET", "/a", &[("transfer-encoding", "chunked")]),
        &request("GET", "/a", &[("upgrade", "websocket")]),
        &request("GET", "/a", &[("keep-alive", "timeout=5")]),
        &request("GET", "/a", &[("proxy-connection", "keep-alive")]),
        &request("GET", "/a", &[("te", "gzip")]),
        &request("GET", "/a", &[("content-length", "1")]),
        &request("GET", "/a", &[("content-length", "1"), ("content-length", "2")]),
        &request("GET", "/a", &[(":path", "/b")]),
        &request("GET", "/<a>", &[]),
        &request("GET", "", &[]),
        &[(":method", "GET"), (":scheme", "http"), (":authority", HOST)],
        &[(":method", "GET"), (":path", "/a"), (":authority", HOST)],
    ];
    for fields in malformed {
        let stream = client.open(fields, true);
        let answer = client.answer(stream);
        assert_eq!((answer.end, client.reset_code(stream)), (End::Reset, Some(PROTOCOL_ERROR)), "{fields:?}");
    }
    eventually("the count", || {
        edge.metric_where("seawall_refused_total", &["reason=\"http2-malformed\""]) == malformed.len() as f64
    });
    assert_eq!(client.get("/a").text(), "stored", "the connection goes on");
    assert_eq!(origin.count("/a"), 1);

    // A name in upper case, and a line end in a value: whole messages are at stake, and the connection ends.
    for fields in [request("GET", "/a", &[("X-Upper", "a")]), request("GET", "/a", &[("x", "a\r\nb: c")])] {
        let mut client = Http2::connect(edge.address);
        let stream = client.open(&fields, true);
        assert_ne!(client.answer(stream).end, End::Whole, "{fields:?}");
    }
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn connect_is_not_served() {
    let origin = Origin::start();
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let stream = client.open(&[(":method", "CONNECT"), (":authority", "photos.example:443")], true);
    let answer = client.answer(stream);
    assert!((400..=501).contains(&answer.status), "{answer:?}");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn heads_and_bodies_are_held_to_the_limits_of_http_1() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let limits = "max_head = \"2KiB\"\nmax_target = \"512B\"\nmax_fields = 10\nmax_body = \"1KiB\"";
    let edge = Edge::before(&origin).h2c().edge(limits).start();
    let mut client = Http2::connect(edge.address);
    let (long, longer, far_too_long) = ("a".repeat(600), "a".repeat(2_100), "a".repeat(6_000));
    let many: Vec<(&str, &str)> = vec![("x", "y"); 10];
    for (target, fields, status) in [
        (format!("/{long}"), vec![], 414),
        ("/a".to_owned(), vec![("x", longer.as_str())], 431),
        ("/a".to_owned(), many, 431),
        ("/a".to_owned(), vec![("x", far_too_long.as_str())], 431),
    ] {
        let stream = client.ask("GET", &target, &fields);
        let answer = client.answer(stream);
        assert_eq!(answer.status, status, "{target} {fields:?}");
        // What is far too large is not kept for a record.
        if fields != [("x", far_too_long.as_str())] {
            assert_eq!(edge.record_of(&answer)["status"], status);
        }
    }
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"head-too-large\""]), 3.0);
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"target-too-long\""]), 1.0);

    let stream = client.open(&request("POST", "/a", &[("content-length", "2000")]), false);
    assert_eq!(client.answer(stream).status, 413);
    assert_eq!(client.get("/a").status, 200, "the connection goes on");
}

// Floods: the connection ends after a bounded number of frames, and others are served meanwhile.

/// Sends what `frames` makes, again and again, until the edge ends the connection.
fn assert_ended(name: &str, edge: &Edge, most: usize, mut frames: impl FnMut(&mut Http2) -> bool) {
    let mut client = Http2::connect(edge.address);
    assert_eq!(client.get("/a").status, 200);
    let sent = (0..most).take_while(|_| frames(&mut client)).count();
    assert_eq!(edge.get("/a").status, 200, "{name}: another client is served");
    assert_ne!(client.ends(), End::Silent, "{name}: not ended after {sent} rounds");
    if let Some(code) = client.goaway {
        assert_eq!(code, ENHANCE_YOUR_CALM, "{name}");
    }
}

#[test]
fn floods_end_their_connection_and_no_other() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = edge(&origin);
    let mut innocent = Http2::connect(edge.address);
    assert_ended("rapid reset", &edge, 2_000, |client| {
        let stream = client.ask("GET", "/a", &[]);
        client.reset(stream)
    });
    assert_ended("PING", &edge, 20_000, |client| client.frame(PING, 0, 0, b"12345678"));
    assert_ended("PING that answers none", &edge, 20_000, |client| client.frame(PING, 1, 0, b"12345678"));
    assert_ended("SETTINGS", &edge, 20_000, |client| client.settings(&[]));
    assert_ended("PRIORITY", &edge, 20_000, |client| client.frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]));
    assert_ended("unknown frames", &edge, 20_000, |client| client.frame(0x42, 0, 0, &[]));
    assert_ended("windows that open by one", &edge, 20_000, |client| client.open_window(1, 1));
    let refused = edge.metric_where("seawall_refused_total", &["reason=\"http2-flood\""]);
    assert_eq!(refused, 7.0);
    assert_eq!(innocent.get("/a").text(), "stored");
}

#[test]
fn floods_on_a_stream_end_their_connection_and_no_other() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored("stored"));
    origin.on("/held", Page::ok("held").hold(0, &gate));
    let edge = edge(&origin);
    let mut innocent = Http2::connect(edge.address);
    let mut open = None;
    assert_ended("empty DATA", &edge, 20_000, |client| {
        let stream = *open.get_or_insert_with(|| client.open(&request("POST", "/held", &[]), false));
        client.frame(DATA, 0, stream, &[])
    });
    let mut open = None;
    assert_ended("CONTINUATION", &edge, 20_000, |client| {
        let stream = *open.get_or_insert_with(|| {
            let stream = client.next_stream();
            client.frame(HEADERS, END_STREAM, stream, &block(&request("GET", "/a", &[])));
            stream
        });
        client.frame(CONTINUATION, 0, stream, &block(&[("x", "y")]))
    });
    // The edge is made to reset streams: each window is opened beyond what a window may be.
    assert_ended("made to reset", &edge, 2_000, |client| {
        let stream = client.open(&request("POST", "/held", &[]), false);
        client.open_window(stream, 1)
    });
    gate.open();
    assert_eq!(innocent.get("/a").text(), "stored");
}

#[test]
fn streams_beyond_the_cap_are_refused_and_the_rest_answered() {
    let gate = Gate::default();
    let origin = Origin::with("/held", Page::stored("held").hold(0, &gate));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let streams: Vec<u32> = (0..110).map(|_| client.ask("GET", "/held", &[])).collect();
    const REFUSED_STREAM: u32 = 0x7;
    for stream in &streams[100..] {
        client.answer(*stream);
        assert_eq!(client.reset_code(*stream), Some(REFUSED_STREAM));
    }
    gate.open();
    for stream in &streams[..100] {
        assert_eq!(client.answer(*stream).text(), "held");
    }
}

// Patience.

#[test]
fn windows_that_stay_closed_hold_little() {
    let body = noise(BODY, 1);
    let origin = Origin::with("/large", Page::stored(&body));
    origin.on("/a", Page::stored("small"));
    let edge = edge(&origin);
    Http2::connect(edge.address).get("/large");
    let before = edge.running().memory("VmRSS");
    let mut clients: Vec<(Http2, Vec<u32>)> = (0..3)
        .map(|_| {
            let mut client = Http2::connect_with_window(edge.address, 10);
            let streams = (0..100).map(|_| client.ask("GET", "/large", &[])).collect();
            (client, streams)
        })
        .collect();
    for (client, streams) in &mut clients {
        for stream in streams.iter() {
            client.begun(*stream, 10);
        }
    }
    let grown = edge.running().memory("VmRSS").saturating_sub(before);
    assert!(grown < 32 * 1024, "300 streams that stand still take {grown} KiB");
    assert_eq!(edge.get("/a").text(), "small", "others are served");
}

#[test]
fn windows_that_stay_closed_are_given_up() {
    let origin = Origin::with("/large", Page::stored(noise(BODY, 1)));
    let edge = Edge::before(&origin).h2c().edge("idle_timeout = \"2s\"").start();
    Http2::connect(edge.address).get("/large");
    let mut client = Http2::connect_with_window(edge.address, 10);
    let streams: Vec<u32> = (0..100).map(|_| client.ask("GET", "/large", &[])).collect();
    for stream in streams {
        let answer = client.answer(stream);
        assert!(answer.body.len() == 10 && answer.end == End::Reset, "{answer:?}");
        let record = edge.record_of(&answer);
        assert_eq!((&record["bytes"], &record["complete"]), (&10.into(), &false.into()));
    }
}

#[test]
fn a_client_that_does_nothing_or_half_of_something_is_given_up() {
    let origin = Origin::with("/a", Page::stored("stored"));
    let edge = Edge::before(&origin).h2c().edge("idle_timeout = \"2s\"\nhead_timeout = \"1s\"").start();
    let mut half_a_head = Http2::connect(edge.address);
    half_a_head.get("/a");
    let stream = half_a_head.next_stream();
    half_a_head.frame(HEADERS, END_STREAM, stream, &block(&request("GET", "/a", &[])));
    let mut nothing_at_all = Client::connect(edge.address);
    nothing_at_all.send(crate::harness::http2::PREFACE);
    let mut half_a_preface = Client::connect(edge.address);
    half_a_preface.send("PRI * HTTP/2");
    let mut idle = Http2::connect(edge.address);
    idle.get("/a");
    let began = Instant::now();
    while idle.frame(PING, 0, 0, b"12345678") {
        assert!(began.elapsed() < Duration::from_secs(10), "PINGs keep an idle connection");
        at(Instant::now() + Duration::from_millis(100));
    }
    assert_ne!(idle.ends(), End::Silent);
    assert_ne!(half_a_head.ends(), End::Silent);
    let mut rest = Vec::new();
    assert_ne!(nothing_at_all.rest(&mut rest), End::Silent);
    assert_ne!(half_a_preface.rest(&mut rest), End::Silent);
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"head-timeout\""]), 3.0);
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let origin = Origin::with("/a", Page::ok("never"));
    let edge = Edge::before(&origin).h2c().edge("idle_timeout = \"1s\"").start();
    // A client that is held up for so long before it asks is closed without an answer.
    until("an answer", || {
        let mut client = Http2::connect(edge.address);
        let stream = client.open(&request("POST", "/a", &[]), false);
        client.data(stream, b"half", false);
        let answer = client.answer(stream);
        assert!(matches!(answer.status, 0 | 408), "{answer:?}");
        (answer.status == 408).then_some(())
    });
}

#[test]
fn a_request_that_is_taken_back_is_counted_and_harms_no_other() {
    let gate = Gate::default();
    let origin = Origin::start();
    let waits = gate.clone();
    origin.on_each("/held", move |_| {
        waits.pass();
        Page::stored("held").into()
    });
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let taken_back = client.ask("GET", "/held", &[]);
    let other = client.ask("GET", "/held", &[]);
    eventually("the fetch", || origin.connections() == 1);
    client.reset(taken_back);
    eventually("the count", || edge.metric("seawall_abandoned_total") == 1.0);
    gate.open();
    assert_eq!(client.answer(other).text(), "held");
}

// The cut.

/// What is recorded of a stream that was cut, where `came` bytes of it arrived.
fn assert_recorded_as_cut(edge: &Edge, answer: &Answer, came: usize, list: u64) {
    let record = edge.record_of(answer);
    assert_eq!((&record["verdict"], &record["notice"]), (&"cut".into(), &"N-17".into()), "{record}");
    assert_eq!(record["complete"], false, "{record}");
    assert!(record["list"].as_u64() >= Some(list), "{record}");
    assert_eq!(record["bytes"], came, "what was handed on arrives, and nothing else: {record}");
}

/// Reads on after a block: little comes, then the stream is reset, and what came is the body's beginning.
fn assert_cut(client: &mut Http2, stream: u32, before: usize, body: &[u8]) -> Answer {
    let answer = client.answer(stream);
    let came = answer.body.len() - before;
    let most = SLACK + client.receive_buffer();
    assert!(came <= most, "{came} bytes came after the block, not at most {most}");
    assert_eq!(answer.end, End::Reset);
    assert!(body.starts_with(&answer.body));
    answer
}

#[test]
fn a_slow_readers_stream_is_cut_and_its_neighbour_goes_on() {
    let (body, other) = (noise(BODY, 1), noise(BODY, 2));
    let origin = Origin::with("/large", Page::stored(&body));
    origin.on("/other", Page::stored(&other));
    let edge = edge(&origin);
    for path in ["/large", "/other"] {
        edge.get(path);
    }
    let mut client = Http2::connect_narrow(edge.address, 4096);
    let (cut, neighbour) = (client.ask("GET", "/large", &[]), client.ask("GET", "/other", &[]));
    client.begun(neighbour, 1_000);
    let before = client.begun(cut, 1_000).body.len();

    let receipt = edge.block(URL, "N-17");
    let list = receipt["list"].as_u64().unwrap();
    assert_eq!(receipt["cut"], 1, "{receipt}");
    edge.must_block(URL, list, None);
    edge.until_cut(1);
    let answer = assert_cut(&mut client, cut, before, &body);
    assert_recorded_as_cut(&edge, &answer, answer.body.len(), list);
    let unharmed = client.answer(neighbour);
    assert!(unharmed.end == End::Whole && unharmed.body == other);
    assert_eq!(client.get("/large").status, 451, "on the same connection");
}

#[test]
fn a_stream_whose_window_is_closed_is_cut() {
    let body = noise(BODY, 1);
    let origin = Origin::with("/large", Page::stored(&body));
    origin.on("/a", Page::stored("small"));
    let edge = edge(&origin);
    edge.get("/large");
    let mut client = Http2::connect_with_window(edge.address, 20_000);
    let streams: Vec<u32> = (0..20).map(|_| client.ask("GET", "/large", &[])).collect();
    for stream in &streams {
        assert_eq!(client.begun(*stream, 20_000).body.len(), 20_000);
    }
    let receipt = edge.block(URL, "N-17");
    assert_eq!(receipt["cut"], 20, "{receipt}");
    for stream in &streams {
        // It is too late to open the window.
        client.open_window(*stream, 1 << 20);
        let answer = client.answer(*stream);
        assert_eq!((answer.end, answer.body.len()), (End::Reset, 20_000));
        assert_recorded_as_cut(&edge, &answer, 20_000, receipt["list"].as_u64().unwrap());
    }
    assert_eq!(client.get("/a").text(), "small");
}

#[test]
fn a_stream_of_an_arriving_body_is_cut_by_a_line_in_a_list() {
    let body = noise(BODY, 3);
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::stored(&body).hold(BODY / 2, &gate));
    origin.on("/a", Page::stored("small"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    let stream = client.ask("GET", "/large", &[]);
    let before = client.begun(stream, BODY / 2).body.len();
    let list = edge.until_list_after(|| edge.list().append(&format!("{URL} notice=N-17")));
    edge.until_cut(1);
    gate.open();
    let answer = assert_cut(&mut client, stream, before, &body);
    assert_eq!(answer.body.len(), BODY / 2);
    assert_recorded_as_cut(&edge, &answer, BODY / 2, list);
    assert_eq!(client.get("/a").text(), "small");
    assert_eq!(client.get("/large").status, 451);
}

#[test]
fn a_stream_is_cut_by_its_digest() {
    let body = noise(BODY, 4);
    let origin = Origin::with("/large", Page::stored(&body));
    let edge = edge(&origin);
    edge.get("/large");
    let mut client = Http2::connect_with_window(edge.address, 20_000);
    let stream = client.ask("GET", "/large", &[]);
    client.begun(stream, 20_000);
    let receipt = edge.block(&sha256_hex(&body), "N-17");
    assert_eq!(receipt["cut"], 1, "{receipt}");
    assert_eq!(client.answer(stream).end, End::Reset);
    assert_eq!(client.get("/large").status, 451);
}

#[test]
fn a_finished_answer_is_no_reason_to_cut() {
    let origin = Origin::with("*", Page::stored("small"));
    let edge = edge(&origin);
    let mut client = Http2::connect(edge.address);
    until_none_is_cut(|turn| {
        let path = format!("/{turn}");
        assert_eq!(client.get(&path).text(), "small");
        let receipt = edge.block(&format!("https://photos.example{path}"), "N-17");
        assert_eq!(client.get(&path).status, 451, "the connection goes on");
        receipt
    });
}

// The end.

#[test]
fn a_drain_says_goaway_and_lets_streams_finish() {
    let body = noise(BODY, 5);
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::stored(&body).hold(1_000, &gate));
    let mut edge = edge(&origin);
    let mut idle = Http2::connect(edge.address);
    idle.get("/unknown");
    let mut client = Http2::connect(edge.address);
    let stream = client.ask("GET", "/large", &[]);
    client.begun(stream, 1_000);
    edge.running().signal(rustix::process::Signal::TERM);
    assert_ne!(idle.ends(), End::Silent);
    assert_eq!(idle.goaway, Some(NO_ERROR));
    gate.open();
    let answer = client.answer(stream);
    assert!(answer.end == End::Whole && answer.body == body);
    assert_ne!(client.ends(), End::Silent);
    assert_eq!(client.goaway, Some(NO_ERROR));
    edge.wait_for_end();
}
