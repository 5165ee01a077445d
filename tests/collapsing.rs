//! Many clients, one fetch.

use std::sync::Arc;
use std::thread;

use super::harness::client::{End, request};
use super::harness::{Client, Edge, Gate, HOST, Origin, Page, Reply, eventually, noise};

const MIB: usize = 1 << 20;
const CLIENTS: usize = 1000;
const STAY: usize = 20;
/// What the edge holds for a connection that is slow, in a build that is not optimised.
const MOST_PER_CLIENT: u64 = 96 * 1024;

/// Reads so many bytes, in pieces of a size of its own, and leaves. The bytes are those of the body.
fn read_and_leave(mut client: Client, body: &[u8], length: usize, piece: usize) {
    assert_eq!(client.head().status, 200);
    let mut at = 0;
    while at < length {
        let mut read = Vec::new();
        let end = client.take(piece.min(length - at), &mut read);
        assert_eq!(end, End::Whole, "at {at} of {length}");
        assert!(body[at..at + read.len()] == read[..], "other bytes at {at}");
        at += read.len();
    }
}

#[test]
fn a_thousand_who_come_and_go_make_one_fetch() {
    let body = Arc::new(noise(50 * MIB, 1));
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::stored(&*body).hold(MIB, &gate));
    let edge = Edge::before(&origin).cache("memory = \"512MiB\"").start();
    let before = edge.running().memory("VmRSS");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let mut client = edge.connect();
            client.send(request("GET", HOST, "/large", &[]));
            let body = body.clone();
            // The one that was first leaves early, as most do; the rest stay, each at a pace of its own.
            let stays = n % (CLIENTS / STAY) == CLIENTS / STAY - 1;
            let length = if stays { body.len() } else { noise(2, n as u64)[0] as usize * 8 * 1024 + 1 };
            let piece = 1000 + n * 60;
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn(move || read_and_leave(client, &body, length, piece))
                .unwrap()
        })
        .collect();
    origin.until_asked("/large", 1);
    gate.open();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(origin.count("/large"), 1);
    let most = (body.len() + body.len() / 4) as u64 + CLIENTS as u64 * MOST_PER_CLIENT;
    let grown = edge.running().memory("VmHWM").saturating_sub(before) * 1024;
    assert!(grown <= most, "{grown} bytes more");
    edge.get("/large").hit();
    let answers = |cache: &str| edge.metric_where("seawall_requests_total", &[&format!("cache=\"{cache}\"")]);
    eventually("a record of each", || answers("miss") + answers("collapsed") + answers("hit") > CLIENTS as f64);
    assert_eq!(answers("miss"), 1.0);
    assert!(answers("collapsed") >= STAY as f64, "{}", answers("collapsed"));
}

#[test]
fn a_failure_is_shared_and_not_tried_again_by_each() {
    let gate = Gate::default();
    let origin = Origin::start();
    let waits = gate.clone();
    origin.on_each("/a", move |_| {
        waits.pass();
        Reply::raw("")
    });
    let edge = Edge::plain(&origin);
    let mut waiting: Vec<Client> = (0..30)
        .map(|_| {
            let mut client = edge.connect();
            client.send(request("GET", HOST, "/a", &[]));
            client
        })
        .collect();
    eventually("the fetch", || origin.connections() >= 1);
    eventually("all are there", || edge.metric("seawall_connections_open") >= 30.0);
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.answer("GET").status, 502);
    }
    // Whoever asked a moment too late has a fetch of its own; nobody tries again what failed for all.
    assert!(origin.count("/a") < 30, "{} fetches", origin.count("/a"));
}
