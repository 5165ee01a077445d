//! What the edge holds in memory, whatever comes.

use std::thread;

use super::harness::{Client, Edge, Gate, HOST, Origin, Page, eventually};

const MIB: usize = 1 << 20;

/// What `cache.memory` may become: a quarter more in flight, and 64 MB for all else.
pub fn most(memory: usize) -> u64 {
    (memory + memory / 4 + 64_000_000) as u64
}

/// Less the program itself, which is mapped from its file, and large where it is not optimised.
pub fn peak(edge: &Edge) -> u64 {
    (edge.running().memory("VmHWM") - edge.running().memory("RssFile")) * 1024
}

#[test]
fn a_flood_of_inserts_stays_within_its_memory() {
    let origin = Origin::with("*", Page::stored(vec![7; MIB]));
    origin.on("/big", Page::stored(vec![8; 7 * MIB]));
    let edge = Edge::before(&origin).start();
    // Whoever asks for something large and does not read it keeps it in memory, evicted or not.
    let stalled: Vec<Client> = (0..40)
        .map(|n| {
            let mut client = edge.connect();
            client.send(format!("GET /big?{n} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    thread::scope(|scope| {
        for worker in 0..8 {
            let edge = &edge;
            scope.spawn(move || {
                let mut client = edge.connect();
                for n in 0..40 {
                    let target = format!("/{worker}/{}", n / 2);
                    assert_eq!(client.get(HOST, &target).body.len(), MIB, "{target}");
                }
            });
        }
    });
    assert!(peak(&edge) <= most(64 * MIB), "{} bytes", peak(&edge));
    assert!(edge.metric("seawall_cache_bytes") <= (64 * MIB) as f64);
    drop(stalled);
}

#[test]
fn a_scan_of_what_is_asked_for_once_flushes_nothing_and_large_objects_get_in() {
    let origin = Origin::with("*", Page::stored(vec![7; 64 * 1024]));
    origin.on("/large", Page::stored(vec![8; MIB]));
    let edge = Edge::before(&origin).cache("memory = \"8MiB\"").start();
    let mut client = edge.connect();
    for n in 0..20 {
        assert_eq!(client.get(HOST, &format!("/hot/{n}")).cache(), "fwd=uri-miss; fwd-status=200; stored");
    }
    for n in 0..400 {
        client.get(HOST, &format!("/scan/{n}"));
    }
    assert_eq!(client.get(HOST, "/scan/new").cache(), "fwd=uri-miss; fwd-status=200", "the memory is full");
    for n in 0..20 {
        client.get(HOST, &format!("/hot/{n}")).hit();
    }
    let said: Vec<String> = (0..3).map(|_| client.get(HOST, "/large").cache().to_owned()).collect();
    assert_eq!(said[..2], ["fwd=uri-miss; fwd-status=200", "fwd=uri-miss; fwd-status=200; stored"]);
    assert!(said[2].starts_with("hit"), "{said:?}");
}

#[test]
fn what_is_said_to_be_stored_is() {
    let origin = Origin::start();
    origin.on("/declared", Page::stored("x"));
    let gate = Gate::default();
    origin.on("/chunked", Page::stored("x").chunked().hold(0, &gate));
    let edge = Edge::plain(&origin);
    assert_eq!(edge.get("/declared").cache(), "fwd=uri-miss; fwd-status=200; stored");
    edge.get("/declared").hit();
    // Who gets no body leaves nobody to fetch it for.
    let large = Gate::default();
    origin.on("/large", Page::stored(vec![7; 6 * MIB]).hold(1, &large));
    assert_eq!(edge.ask("HEAD", "/large", &[]).cache(), "fwd=uri-miss; fwd-status=200");
    large.open();
    // How long it will be nobody knows yet, so that nothing is promised.
    let mut client = edge.connect();
    client.send(format!("GET /chunked HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.head().cache(), "fwd=uri-miss; fwd-status=200");
    gate.open();
    eventually("it is stored", || edge.get("/chunked").is_hit());
}
