//! Tunnels: WebSocket through the edge, and nothing by that door that was not agreed to.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::client::{Answer, End, request};
use crate::harness::{
    Client, Edge, HOST, Origin, Page, Pair, Reply, Step, Trusting, at, eventually, noise, until, until_none_is_cut,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const URL: &str = "https://photos.example/live";

fn handshake(target: &str) -> String {
    handshake_with(target, &[])
}

fn handshake_with(target: &str, fields: &[(&str, &str)]) -> String {
    let asking = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    request("GET", HOST, target, &[&asking, fields].concat())
}

fn switching(upgrade: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{upgrade}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )
}

/// Agrees, says `hello` in the same breath, and gives back what it gets.
fn echo() -> Reply {
    Reply::script([Step::Send((switching("Upgrade: websocket\r\n") + "hello").into_bytes()), Step::Echo])
}

/// A tunnel, open, of which `hello` was read.
fn open(edge: &Edge, target: &str) -> (Client, Answer) {
    open_on(edge.connect(), target)
}

fn open_on(mut client: Client, target: &str) -> (Client, Answer) {
    client.send(handshake(target));
    let head = client.head();
    assert_eq!(head.status, 101, "{head:?}");
    expect(&mut client, b"hello");
    (client, head)
}

fn expect(client: &mut Client, bytes: &[u8]) {
    let mut got = Vec::new();
    assert_eq!(client.take(bytes.len(), &mut got), End::Whole, "after {:?}", String::from_utf8_lossy(&got));
    assert!(got == bytes, "other bytes came back");
}

fn assert_echoes(client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    expect(client, bytes);
}

#[test]
fn bytes_go_both_ways_and_are_recorded_at_the_end() {
    let origin = Origin::with("/live", echo());
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(handshake_with("/live", &[("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Real-IP", "192.0.2.1")]));
    let head = client.head();
    assert_eq!(
        (head.status, head.field("Connection"), head.field("Upgrade")),
        (101, Some("Upgrade"), Some("websocket"))
    );
    assert_eq!(head.field("Sec-WebSocket-Accept"), Some(ACCEPT));
    assert!(head.field("Via").is_some() && head.id().len() == 32, "{head:?}");
    expect(&mut client, b"hello");

    let asked = origin.asked_once("/live");
    assert_eq!((asked.all("Connection"), asked.all("Upgrade")), (vec!["Upgrade"], vec!["websocket"]), "{asked:?}");
    assert_eq!(asked.field("Sec-WebSocket-Key"), Some(KEY));
    assert_eq!((asked.field("X-Hop"), asked.field("X-Real-IP")), (None, None), "{asked:?}");

    let bytes = noise(400_000, 1);
    for piece in bytes.chunks(10_000) {
        assert_echoes(&mut client, piece);
    }
    assert_eq!((edge.metric("seawall_tunnels_open"), edge.metric("seawall_tunnels_total")), (1.0, 1.0));
    client.finish_sending();
    assert_eq!(client.ends(), End::Closed);
    let record = edge.record_of(&head);
    assert_eq!(
        (&record["verdict"], &record["cache"], &record["status"]),
        (&"served".into(), &"tunnel".into(), &101.into())
    );
    assert_eq!((&record["bytes"], &record["complete"]), (&400_005.into(), &true.into()), "{record}");
    assert!(record["digest"].is_null() && record["url"] == URL, "{record}");
    eventually("no open tunnel", || edge.metric("seawall_tunnels_open") == 0.0);
}

#[test]
fn bytes_sent_ahead_of_the_101_arrive_behind_it() {
    let origin = Origin::with("/live", echo());
    let edge = Edge::plain(&origin);
    // More than is held of a client that sends ahead.
    let early = noise(100_000, 2);
    let mut client = edge.connect();
    client.send([handshake("/live").as_bytes(), &early].concat());
    assert_eq!(client.head().status, 101);
    expect(&mut client, b"hello");
    expect(&mut client, &early);
    assert_echoes(&mut client, b"late");
}

#[test]
fn a_refused_handshake_is_the_last_request_on_its_connection() {
    let origin = Origin::with("/live", Page::new("403 Forbidden", "no"));
    origin.on("/secret", Page::ok("secret"));
    let edge = Edge::before(&origin).rules("https://photos.example/blocked\n").start();
    for (target, status) in [("/live", 403), ("/blocked", 451)] {
        let mut client = edge.connect();
        client.send(handshake(target) + &request("GET", HOST, "/secret", &[]));
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")), "{answer:?}");
        assert_eq!(client.ends(), End::Closed);
    }
    assert_eq!(origin.count("/secret"), 0);
    assert_eq!(origin.count("/blocked"), 0);
}

#[test]
fn a_101_that_agrees_to_something_else_is_no_tunnel() {
    let origin = Origin::start();
    let edge = Edge::plain(&origin);
    for upgrade in ["", "Upgrade: h2c\r\n", "Upgrade: websocket, h2c\r\n", "Upgrade: h2c\r\nUpgrade: websocket\r\n"] {
        let raw = switching(upgrade) + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
        origin.on("/live", Reply::script([Step::Send(raw.into_bytes()), Step::WaitForClose]));
        let mut client = edge.connect();
        client.send(handshake("/live") + "GET /secret HTTP/1.1\r\nHost: photos.example\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.interim.len()), (502, 0), "{upgrade:?}");
        assert_eq!(client.ends(), End::Closed, "{upgrade:?}");
    }
    assert_eq!(edge.metric("seawall_tunnels_total"), 0.0);
}

#[test]
fn what_is_not_a_whole_request_for_a_tunnel_is_none() {
    let origin = Origin::with("/live", Page::ok("page"));
    let edge = Edge::plain(&origin);
    for head in [
        "GET /live HTTP/1.0\r\nHost: photos.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: photos.example\r\nUpgrade: websocket\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: photos.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "POST /live HTTP/1.1\r\nHost: photos.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    ] {
        assert_eq!(edge.send(head).status, 200, "{head}");
    }
    for asked in origin.asked("/live") {
        assert_eq!((asked.field("Upgrade"), asked.field("Connection")), (None, None), "{asked:?}");
    }
    let asked = origin.count("/live");
    let answer = edge.send(handshake_with("/live", &[("Content-Length", "4")]) + "body");
    assert_eq!((answer.status, answer.field("Connection")), (400, Some("close")));
    assert_eq!(origin.count("/live"), asked, "a handshake with a body goes nowhere");
}

/// What was cut is reset within the time that a cut may take, and said to be cut.
fn assert_cut(edge: &Edge, client: &mut Client, head: &Answer, list: u64) {
    assert_eq!(client.ends(), End::Reset);
    let record = edge.record_of(head);
    assert_eq!(
        (&record["verdict"], &record["complete"], &record["cache"]),
        (&"cut".into(), &false.into(), &"tunnel".into())
    );
    assert_eq!((&record["notice"], &record["bytes"]), (&"N-17".into(), &8.into()), "{record}");
    assert!(record["list"].as_u64() >= Some(list), "{record}");
}

#[test]
fn a_live_block_cuts_tunnels_and_its_receipt_counts_them() {
    let origin = Origin::with("/live", echo());
    origin.on("/other", echo());
    let edge = Edge::plain(&origin);
    let mut cut: Vec<(Client, Answer)> = (0..3).map(|_| open(&edge, "/live")).collect();
    cut.iter_mut().for_each(|(client, _)| assert_echoes(client, b"one"));
    let (mut other, _) = open(&edge, "/other");

    let asked = Instant::now();
    let receipt = edge.block(URL, "N-17");
    assert_eq!(receipt["cut"], 3, "{receipt}");
    let list = receipt["list"].as_u64().unwrap();
    edge.must_block(URL, list, None);
    for (client, head) in &mut cut {
        assert_cut(&edge, client, head, list);
    }
    assert!(asked.elapsed() < Duration::from_secs(10), "a reset came, not an idle end");
    assert_echoes(&mut other, b"unharmed");
    eventually("the cut ones are closed", || edge.metric("seawall_tunnels_open") == 1.0);
    assert_eq!(edge.send(handshake("/live")).status, 451);
    assert_eq!(edge.metric("seawall_cut_total"), 3.0);
}

#[test]
fn a_tunnel_over_tls_is_no_different() {
    let (origin, keys) = (Origin::with("/live", echo()), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let tls = format!("{{ addr = \"127.0.0.1:0\", tls = {} }}", pair.toml());
    let edge = Edge::before(&origin).listen(&tls).start();
    let client = Trusting::in_all(&[pair.der()]).connect(edge.https()[0], HOST);
    let (mut client, head) = open_on(client, "/live");
    for piece in noise(200_000, 3).chunks(10_000) {
        assert_echoes(&mut client, piece);
    }
    let receipt = edge.block(URL, "N-17");
    assert_eq!(receipt["cut"], 1, "{receipt}");
    assert_eq!(client.ends(), End::Reset);
    assert_eq!(edge.record_of(&head)["verdict"], "cut");
}

#[test]
fn a_line_in_a_list_cuts_a_tunnel_and_its_origin_is_closed() {
    let origin = Origin::with("/live", echo());
    let edge = Edge::before(&origin).site("max_origin_connections = 1\nconnect_timeout = \"1s\"\n").start();
    let (mut client, head) = open(&edge, "/live");
    assert_echoes(&mut client, b"one");
    assert_eq!(edge.get("/page").status, 503, "a tunnel is one of the connections to its origin");
    let list = edge.until_list_after(|| edge.list().append(&format!("{URL} notice=N-17")));
    edge.must_block(URL, list, None);
    edge.until_cut(1);
    assert_cut(&edge, &mut client, &head, list);
    edge.until_status("/page", 404);
}

#[test]
fn an_answer_before_a_tunnel_on_its_connection_is_no_reason_to_cut_it() {
    let origin = Origin::with("/live", echo());
    origin.on("*", Page::stored("small"));
    let edge = Edge::plain(&origin);
    until_none_is_cut(|turn| {
        let mut client = edge.connect();
        let path = format!("/before/{turn}");
        assert_eq!(client.get(HOST, &path).text(), "small");
        client.send(handshake("/live"));
        assert_eq!(client.head().status, 101);
        expect(&mut client, b"hello");
        let receipt = edge.block(&format!("https://photos.example{path}"), "N-17");
        assert_echoes(&mut client, b"goes on");
        receipt
    });
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed_and_one_in_which_something_does_is_not() {
    let origin = Origin::with("/live", echo());
    let edge = Edge::before(&origin).site("tunnel_timeout = \"1s\"\n").start();
    let (mut quiet, head) = open(&edge, "/live");
    until("a tunnel in which something moved all the time", || stays_open(open(&edge, "/live").0));
    assert_eq!(quiet.ends(), End::Closed);
    let record = edge.record_of(&head);
    assert_eq!(
        (&record["verdict"], &record["complete"], &record["bytes"]),
        (&"served".into(), &false.into(), &5.into())
    );
}

/// Moves something in a tunnel for longer than it may rest. `None`: this machine was held up for so long that it
/// did rest.
fn stays_open(mut tunnel: Client) -> Option<()> {
    let start = Instant::now();
    let mut moved = start;
    while start.elapsed() < Duration::from_millis(2500) {
        tunnel.send(b"ping");
        if tunnel.take(4, &mut Vec::new()) != End::Whole {
            assert!(moved.elapsed() > Duration::from_millis(900), "it was closed while something moved");
            return None;
        }
        moved = Instant::now();
        at(moved + Duration::from_millis(10));
    }
    Some(())
}

#[test]
fn an_origin_that_fails_takes_its_tunnel_with_it() {
    let origin = Origin::start();
    let say = switching("Upgrade: websocket\r\n") + "hello";
    origin.on("/reset", Reply::script([Step::Send(say.clone().into_bytes()), Step::ReadOne, Step::Reset]));
    origin.on("/close", Reply::script([Step::Send(say.into_bytes()), Step::ReadOne, Step::Close]));
    let edge = Edge::plain(&origin);
    let (mut client, head) = open(&edge, "/reset");
    client.send(b"x");
    assert_eq!(client.ends(), End::Closed);
    assert_eq!(edge.record_of(&head)["verdict"], "failed");
    let (mut client, head) = open(&edge, "/close");
    client.send(b"x");
    assert_eq!(client.ends(), End::Closed);
    drop(client);
    let record = edge.record_of(&head);
    assert_eq!((&record["verdict"], &record["complete"]), (&"served".into(), &true.into()), "{record}");
}

#[test]
fn a_reload_keeps_tunnels() {
    let origin = Origin::with("/live", echo());
    let edge = Edge::plain(&origin);
    let (mut client, _) = open(&edge, "/live");
    let other = format!("[[site]]\nhosts = [\"other.example\"]\norigin = \"http://{}\"\n", origin.address);
    edge.set_config(&(edge.config() + &other));
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    assert_echoes(&mut client, b"another site came");
    edge.set_config(&edge.config().replace("name = \"photos\"", "name = \"photos\"\nhost_header = \"x.example\""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_echoes(&mut client, b"its own site changed");
}

#[test]
fn tunnels_are_closed_at_the_end_of_the_drain() {
    let origin = Origin::with("/live", echo());
    let mut edge = Edge::before(&origin).edge("drain = \"1500ms\"\n").start();
    let head = until("a tunnel that was in use until the deadline", || {
        let (mut client, head) = open(&edge, "/live");
        let told = Instant::now();
        edge.running().signal(Signal::TERM);
        eventually("it stops accepting", || Client::try_connect(edge.address).is_none());
        client.send(b"until the deadline");
        // A machine that is held up uses it too late.
        let is_in_time = client.take(18, &mut Vec::new()) == End::Whole;
        assert!(is_in_time || told.elapsed() >= Duration::from_secs(1), "it was closed too soon");
        assert_eq!(client.ends(), End::Closed);
        assert!(told.elapsed() >= Duration::from_secs(1), "it had its time");
        edge.wait_for_end();
        if !is_in_time {
            edge.start_again();
        }
        is_in_time.then_some(head)
    });
    let record = edge.record_of(&head);
    assert_eq!(
        (&record["verdict"], &record["complete"], &record["bytes"]),
        (&"served".into(), &false.into(), &23.into())
    );
}
