//! A plain proxy: what goes to the origin, what comes back, and how both bodies stream.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::client::{End, request};
use crate::harness::{Client, Edge, Gate, HOST, Origin, Page, Reply, Step, always, eventually, noise, until};

#[test]
fn an_answer_comes_through_with_its_fields_and_its_body() {
    let origin =
        Origin::with("/a", Page::new("203 Non-Authoritative", "hello").field("X-Own", "1").field("X-Own", "2"));
    let edge = Edge::plain(&origin);
    let answer = edge.get("/a");
    assert_eq!((answer.status, answer.text().as_str()), (203, "hello"));
    assert_eq!(answer.all("X-Own"), ["1", "2"]);
}

#[test]
fn the_target_goes_to_the_origin_as_it_came() {
    let origin = Origin::with("*", Page::ok("x"));
    let edge = Edge::plain(&origin);
    for target in ["/a/%62/./c//d?y=2&x=1&&", "/%7Euser;v=1/", "/p?", "/a/../b"] {
        assert_eq!(edge.get(target).status, 200, "{target}");
        assert_eq!(origin.count(target), 1, "{target} did not arrive as it was sent");
    }
}

#[test]
fn an_absolute_target_reaches_the_origin_as_a_path() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    let answer = edge.send("GET http://photos.example/a HTTP/1.1\r\nHost: photos.example\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(origin.asked_once("/a").field("Host"), Some(HOST));
}

#[test]
fn host_goes_to_the_origin_as_it_came() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    edge.connect().get("photos.example:8080", "/a");
    assert_eq!(origin.asked_once("/a").field("Host"), Some("photos.example:8080"));
}

#[test]
fn hop_by_hop_fields_of_a_request_stay_on_their_hop() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    let fields = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "secret"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("X-End-To-End", "kept"),
    ];
    assert_eq!(edge.ask("GET", "/a", &fields).status, 200);
    let asked = origin.asked_once("/a");
    for name in ["X-Hop", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"] {
        assert_eq!(asked.field(name), None, "{name} in {}", asked.head);
    }
    assert_eq!(asked.field("X-End-To-End"), Some("kept"));
}

#[test]
fn hop_by_hop_fields_of_an_answer_stay_on_their_hop() {
    let page = Page::ok("x").field("Connection", "X-Hop").field("X-Hop", "1").field("Keep-Alive", "timeout=9");
    let origin = Origin::with("/a", page.field("Proxy-Connection", "close").field("X-End-To-End", "kept"));
    let edge = Edge::plain(&origin);
    let answer = edge.get("/a");
    for name in ["X-Hop", "Keep-Alive", "Proxy-Connection"] {
        assert_eq!(answer.field(name), None, "{name} in {:?}", answer.fields);
    }
    assert_eq!(answer.field("X-End-To-End"), Some("kept"));
}

#[test]
fn via_is_added_in_both_directions() {
    let origin = Origin::with("/a", Page::ok("x").field("Via", "1.0 far"));
    let edge = Edge::plain(&origin);
    let answer = edge.ask("GET", "/a", &[("Via", "1.1 near")]);
    let way_back = answer.all("Via").join(", ");
    assert!(way_back.starts_with("1.0 far, 1.1 "), "{way_back}");
    let way_there = origin.asked_once("/a").all("Via").join(", ");
    assert!(way_there.starts_with("1.1 near, 1.1 "), "{way_there}");
}

#[test]
fn a_request_that_passed_here_already_is_508() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let via = origin.asked_once("/a").field("Via").unwrap().to_owned();
    let looped = edge.ask("GET", "/b", &[("Via", &format!("1.1 other, {via}"))]);
    assert_eq!(looped.status, 508);
    assert_eq!(origin.count("/b"), 0);
    assert_eq!(edge.ask("GET", "/c", &[("Via", "1.1 other")]).status, 404, "another proxy is no loop");
}

#[test]
fn forwarded_fields_are_ours_not_the_clients() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    let forged = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "bank.example"),
        ("X-Forwarded-Port", "1"),
        ("Forwarded", "for=203.0.113.9"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Script_Name", "/a"),
        ("X-Script-Name", "/a"),
        ("X-Scheme", "https"),
        ("Proxy", "http://203.0.113.9"),
    ];
    assert_eq!(edge.ask("GET", "/a", &forged).status, 200);
    let asked = origin.asked_once("/a");
    assert_eq!(asked.all("X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(asked.all("X-Forwarded-Proto"), ["http"]);
    assert_eq!(asked.all("X-Forwarded-Host"), [HOST]);
    let dropped =
        ["Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-Port", "Proxy"];
    for name in dropped.into_iter().chain(["Script_Name", "X-Script-Name", "X-Scheme"]) {
        assert_eq!(asked.field(name), None, "{name} in {}", asked.head);
    }
}

#[test]
fn a_site_may_let_fields_through() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::before(&origin).site("pass_fields = [\"X-HTTP-Method-Override\"]\n").start();
    edge.ask("GET", "/a", &[("X-HTTP-Method-Override", "PATCH"), ("X-Original-URL", "/b")]);
    let asked = origin.asked_once("/a");
    assert_eq!(asked.field("X-HTTP-Method-Override"), Some("PATCH"));
    assert_eq!(asked.field("X-Original-URL"), None);
}

#[test]
fn each_answer_has_an_id_of_ours() {
    let origin = Origin::with("/a", Page::stored("x"));
    let edge = Edge::plain(&origin);
    let first = edge.ask("GET", "/a", &[("X-Request-Id", "mine")]);
    let second = edge.get("/a");
    let refused = edge.connect().get("nobody.example", "/a");
    let ids = [first.id(), second.id(), refused.id()];
    assert!(ids.iter().all(|id| !id.is_empty() && *id != "mine"), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    assert_eq!(origin.asked_once("/a").field("X-Request-Id"), Some(ids[0]));
}

#[test]
fn head_has_the_fields_and_no_body() {
    let origin = Origin::with("/a", Page::ok("hello"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    let answer = client.ask("HEAD", HOST, "/a", &[]);
    assert_eq!((answer.status, answer.field("Content-Length")), (200, Some("5")));
    // Nothing of a body stands before the next answer.
    assert_eq!(client.get(HOST, "/a").text(), "hello");
}

#[test]
fn a_request_body_streams_to_the_origin() {
    let origin = Origin::with("/up", Page::ok("got it"));
    let edge = Edge::plain(&origin);
    let body = noise(3_000_000, 1);
    let mut client = edge.connect();
    client.send(request("PUT", HOST, "/up", &[("Content-Length", &body.len().to_string())]));
    client.send(&body);
    assert_eq!(client.answer("PUT").text(), "got it");
    let asked = origin.asked_once("/up");
    assert_eq!(asked.method, "PUT");
    assert!(asked.body == body, "the body changed on its way");
}

#[test]
fn a_chunked_request_body_streams_to_the_origin() {
    let origin = Origin::with("/up", Page::ok("got it"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/up", &[("Transfer-Encoding", "chunked")]));
    client.send("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(client.answer("POST").text(), "got it");
    assert_eq!(origin.asked_once("/up").body, b"hello world");
    // The connection stands where the next request begins.
    assert_eq!(client.get(HOST, "/none").status, 404);
}

#[test]
fn expect_100_continue_is_met() {
    let origin = Origin::with("/up", Page::ok("got it"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/up", &[("Content-Length", "5"), ("Expect", "100-continue")]));
    let mut interim = Vec::new();
    client.take(b"HTTP/1.1 100 Continue\r\n\r\n".len(), &mut interim);
    assert_eq!(String::from_utf8_lossy(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer("POST").text(), "got it");
    assert_eq!(origin.asked_once("/up").body, b"hello");
}

#[test]
fn a_refusal_comes_without_100_continue() {
    let origin = Origin::start();
    let edge = Edge::before(&origin).rules("https://photos.example/up\n").start();
    let fields = [("Content-Length", "5"), ("Expect", "100-continue")];
    let answer = edge.ask("POST", "/up", &fields);
    assert_eq!((answer.status, answer.interim.as_slice()), (451, &[][..]));
    assert_eq!(edge.ask("GET", "/a", &[("Expect", "a miracle")]).status, 417);
}

#[test]
fn an_unknown_host_is_421_and_sites_are_found_by_host() {
    let (origin, other) = (Origin::with("/a", Page::ok("one")), Origin::with("/a", Page::ok("two")));
    let site =
        format!("[[site]]\nname = \"other\"\nhosts = [\"other.example\"]\norigin = \"http://{}\"\n", other.address);
    let edge = Edge::before(&origin).also(&other).tables(&site).start();
    let mut client = edge.connect();
    for (host, text) in [
        ("photos.example", "one"),
        ("PHOTOS.example.", "one"),
        ("www.photos.example", "one"),
        ("other.example:99", "two"),
    ] {
        assert_eq!(client.get(host, "/a").text(), text, "{host}");
    }
    for host in ["example", "a.b.photos.example", "www.other.example", "127.0.0.1", "photos.example.org"] {
        assert_eq!(client.get(host, "/a").status, 421, "{host}");
    }
}

#[test]
fn an_origin_that_cannot_be_reached_is_502_with_a_clear_body() {
    // Port 1 of loopback: nobody listens there.
    let edge = Edge::before_address("127.0.0.1:1").start();
    let answer = edge.ask("GET", "/a", &[("Accept", "application/problem+json")]);
    assert_eq!(answer.status, 502);
    assert_eq!(answer.field("Content-Type"), Some("application/problem+json"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("origin"), "{}", answer.text());
    assert_eq!(edge.record_of(&answer)["verdict"], "failed");
    let page = edge.get("/a");
    assert!(page.text().contains("502") && page.field("Content-Type").unwrap().starts_with("text/html"));
}

#[test]
fn an_origin_that_does_not_answer_in_time_is_504() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Reply::script([Step::Wait(gate.clone()), Step::Close]));
    let edge = Edge::before(&origin).site("first_byte_timeout = \"200ms\"\n").start();
    let answer = edge.get("/a");
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("504"));
    assert_eq!(edge.record_of(&answer)["verdict"], "failed");
    gate.open();
}

#[test]
fn an_origin_that_stops_within_a_body_ends_the_answer_early() {
    let gate = Gate::default();
    // In one step: an origin that is held up amid it would have stopped already.
    let begun = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", &noise(600, 1)[..]].concat();
    let origin = Origin::with("/a", Reply::script([Step::Send(begun), Step::Wait(gate.clone()), Step::Close]));
    let edge = Edge::before(&origin).site("between_bytes_timeout = \"200ms\"\n").start();
    let answer = edge.get("/a");
    assert_eq!((answer.status, answer.body.len()), (200, 600));
    assert!(matches!(answer.end, End::Closed | End::Reset), "{:?}", answer.end);
    let record = edge.record_of(&answer);
    assert_eq!((&record["verdict"], &record["complete"]), (&"failed".into(), &false.into()));
    assert!(record["digest"].is_null(), "a digest of a part: {record}");
    gate.open();
}

#[test]
fn connections_are_kept_on_both_sides() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for _ in 0..10 {
        assert_eq!(client.get(HOST, "/a").status, 200);
    }
    assert_eq!(origin.count("/a"), 10);
    assert_eq!(origin.connections(), 1, "the origin's connection is used again");
}

#[test]
fn connection_close_is_obeyed() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    let answer = client.ask("GET", HOST, "/a", &[("Connection", "close")]);
    assert_eq!(answer.text(), "x");
    assert_eq!(client.ends(), End::Closed);
    let mut old = edge.connect();
    old.send("GET /a HTTP/1.0\r\nHost: photos.example\r\n\r\n");
    assert_eq!(old.answer("GET").text(), "x");
    assert_eq!(old.ends(), End::Closed);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let origin = Origin::start();
    for n in 0..20 {
        origin.on(&format!("/{n}"), Page::ok(format!("page {n}")));
    }
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    let all: String = (0..20).map(|n| request("GET", HOST, &format!("/{n}"), &[])).collect();
    client.send(all);
    for n in 0..20 {
        assert_eq!(client.answer("GET").text(), format!("page {n}"));
    }
}

#[test]
fn a_pooled_connection_found_dead_is_replaced_without_the_client_noticing() {
    let origin = Origin::with("/a", Page::ok("x").closes());
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for round in 1..=5 {
        let answer = client.get(HOST, "/a");
        assert_eq!((answer.status, answer.text().as_str()), (200, "x"), "round {round}");
    }
    assert_eq!(origin.count("/a"), 5, "each was asked for once");
}

#[test]
fn a_post_is_not_sent_twice() {
    // The origin takes the request, and says nothing.
    let origin = Origin::with("/a", Page::ok("warm"));
    origin.on("/post", Reply::script([Step::Close]));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.get(HOST, "/a");
    client.send(request("POST", HOST, "/post", &[("Content-Length", "2")]) + "ab");
    assert_eq!(client.answer("POST").status, 502);
    assert_eq!(origin.count("/post"), 1);
}

#[test]
fn origin_connections_are_capped() {
    let gate = Gate::default();
    let origin = Origin::with("*", Page::ok("x").hold(0, &gate));
    let edge = Edge::before(&origin).site("max_origin_connections = 2\n").start();
    let mut clients: Vec<Client> = (0..6).map(|_| edge.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(request("GET", HOST, &format!("/{n}"), &[]));
    }
    eventually("two connections at the origin", || origin.connections() == 2);
    always(Duration::from_millis(200), "more connections than the cap", || origin.connections() <= 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "x", "those that waited are answered");
    }
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_large_body_streams_in_bounded_memory() {
    const SIZE: usize = 96 << 20;
    let body = noise(SIZE, 7);
    let origin = Origin::with("/large", Page::ok(&body).field("Cache-Control", "no-store"));
    let edge = Edge::before(&origin).cache("memory = \"16MiB\"").start();
    edge.get("/warm");
    let before = edge.running().memory("VmHWM");
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/large", &[]));
    let head = client.head();
    assert_eq!(head.field("Content-Length"), Some(SIZE.to_string().as_str()));
    let mut got = Vec::with_capacity(SIZE);
    assert_eq!(client.take(SIZE, &mut got), End::Whole);
    assert!(got == body, "the body changed on its way");
    let grown = edge.running().memory("VmHWM").saturating_sub(before);
    assert!(grown < 32 * 1024, "memory grew by {grown} KiB for a body of {} KiB", SIZE / 1024);
}

#[test]
fn a_large_storable_body_that_does_not_fit_streams_in_bounded_memory_and_is_hashed() {
    const SIZE: usize = 64 << 20;
    let body = noise(SIZE, 8);
    let origin = Origin::with("/large", Page::stored(&body).chunked());
    let edge = Edge::before(&origin).cache("memory = \"16MiB\"").start();
    edge.get("/warm");
    let before = edge.running().memory("VmHWM");
    let answer = edge.get("/large");
    assert!(answer.body == body, "the body changed on its way");
    let grown = edge.running().memory("VmHWM").saturating_sub(before);
    assert!(grown < 40 * 1024, "memory grew by {grown} KiB for a body of {} KiB", SIZE / 1024);
    let record = edge.record_of(&answer);
    assert_eq!(record["digest"], crate::harness::sha256_hex(&body));
    assert!(edge.metric("seawall_cache_bytes") <= 16.0 * 1024.0 * 1024.0);
}

#[test]
fn a_slow_reader_does_not_make_the_edge_hold_the_body() {
    const SIZE: usize = 64 << 20;
    let origin = Origin::with("/large", Page::ok(noise(SIZE, 9)).field("Cache-Control", "no-store"));
    let edge = Edge::before(&origin).cache("memory = \"16MiB\"").start();
    edge.get("/warm");
    let before = edge.running().memory("VmRSS");
    let mut client = Client::connect_narrow(edge.address, 8 * 1024);
    client.send(request("GET", HOST, "/large", &[]));
    client.head();
    let most = Duration::from_millis(700);
    always(most, "the edge holds what its client doesn't read", || edge.running().memory("VmRSS") < before + 32 * 1024);
}

#[test]
fn a_body_until_close_comes_through_whole() {
    let origin = Origin::with("/a", Page::ok(noise(100_000, 2)).until_close());
    let edge = Edge::plain(&origin);
    let answer = edge.get("/a");
    assert_eq!((answer.status, answer.end), (200, End::Whole));
    assert!(answer.body == noise(100_000, 2));
}

#[test]
fn bytes_of_an_answer_leave_as_they_come() {
    let gate = Gate::default();
    let origin = Origin::with("/slow", Page::stored("first and last").hold(5, &gate));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/slow", &[]));
    assert_eq!(client.head().status, 200);
    let mut got = Vec::new();
    client.take(5, &mut got);
    assert_eq!(got, b"first", "the rest is held at the origin still");
    gate.open();
    client.take(9, &mut got);
    assert_eq!(got, b"first and last");
}

#[test]
fn term_lets_an_answer_under_way_end_and_takes_no_new_ones() {
    let gate = Gate::default();
    let origin = Origin::with("/slow", Page::ok("first and last").hold(5, &gate));
    let mut edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/slow", &[]));
    client.head();
    let mut got = Vec::new();
    client.take(5, &mut got);
    edge.running().signal(Signal::TERM);
    let address = edge.address;
    eventually("no new connections", || TcpStream::connect(address).is_err());
    gate.open();
    assert_eq!(client.take(9, &mut got), End::Whole);
    assert_eq!(got, b"first and last");
    edge.wait_for_end();
    let record = edge.log().into_iter().find(|line| line["url"] == "https://photos.example/slow").unwrap();
    assert_eq!(record["complete"], true, "it was recorded: {record}");
    assert!(edge.log().iter().any(|line| line["event"] == "stopped"));
}

#[test]
fn what_was_sent_before_a_drain_is_answered() {
    let origin = Origin::with("*", Page::ok("x"));
    let mut edge = Edge::plain(&origin);
    // Held still, so that connections and requests stand in the kernel's queues when TERM comes.
    edge.running().signal(Signal::STOP);
    let mut clients: Vec<_> = (0..40).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", HOST, "/a", &[]));
    }
    edge.running().signal(Signal::TERM);
    edge.running().signal(Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.answer("GET").text(), "x");
    }
    edge.wait_for_end();
}

#[test]
fn draining_has_a_deadline() {
    let gate = Gate::default();
    let origin = Origin::with("/slow", Page::ok("first and last").hold(5, &gate));
    let mut edge = Edge::before(&origin).edge("drain = \"300ms\"\n").start();
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/slow", &[]));
    client.head();
    edge.stop();
    let mut rest = Vec::new();
    assert_ne!(client.take(14, &mut rest), End::Whole);
    gate.open();
}

#[test]
fn a_head_that_does_not_come_is_408_and_an_idle_connection_is_closed() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::before(&origin).edge("head_timeout = \"300ms\"\nidle_timeout = \"300ms\"\n").start();
    let mut slow = edge.connect();
    slow.send("GET /a HTTP/1.1\r\nHost: pho");
    let answer = slow.answer("GET");
    assert!(answer.status == 408 || answer.end == End::Closed, "{answer:?}");
    // A client that is held up for so long before it asks is closed, too.
    let mut idle = until("a request in time", || {
        let mut client = edge.connect();
        (client.get(HOST, "/a").status == 200).then_some(client)
    });
    assert_eq!(idle.ends(), End::Closed);
}
