//! Who may ask, how much at a time, and how slowly; and whom trusted proxies speak for.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::client::{Answer, End, request};
use crate::harness::edge::Builder;
use crate::harness::{Client, Edge, Gate, HOST, Origin, Page, at, eventually, until};

fn stored() -> Origin {
    Origin::with("/a", Page::stored("hello"))
}

/// Evidence names clients in full, and whoever connects is a trusted proxy.
fn behind_proxies(origin: &Origin) -> Builder {
    Edge::before(origin).audit("client = \"full\"\n").edge("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n")
}

fn ask_as(edge: &Edge, client: &str) -> Answer {
    edge.ask("GET", "/a", &[("X-Forwarded-For", client)])
}

#[test]
fn whom_trusted_proxies_speak_for_is_the_client() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = behind_proxies(&origin).start();
    let fields = [
        ("X-Forwarded-For", "203.0.113.9, 198.51.100.1"),
        ("X-Forwarded-For", "10.0.0.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Id", "lb-1.A_b"),
    ];
    let answer = edge.ask("GET", "/a", &fields);
    assert_eq!(answer.id(), "lb-1.A_b");
    assert_eq!(edge.record_of(&answer)["client"], "198.51.100.1");
    let asked = origin.asked_once("/a");
    assert_eq!(asked.field("X-Forwarded-For"), Some("198.51.100.1, 10.0.0.7, 127.0.0.1"));
    assert_eq!(asked.field("X-Forwarded-Proto"), Some("https"));
    assert_eq!(asked.field("X-Request-Id"), Some("lb-1.A_b"));
}

#[test]
fn nobody_else_is_believed() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::before(&origin).audit("client = \"full\"\n").edge("trusted_proxies = [\"10.0.0.0/8\"]\n").start();
    let fields = [("X-Forwarded-For", "10.0.0.7"), ("X-Forwarded-Proto", "https"), ("X-Request-Id", "mine")];
    let answer = edge.ask("GET", "/a", &fields);
    assert_eq!(answer.id().len(), 32);
    assert_eq!(edge.record_of(&answer)["client"], "127.0.0.1");
    let asked = origin.asked_once("/a");
    assert_eq!(asked.field("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(asked.field("X-Forwarded-Proto"), Some("http"));
    assert_eq!(asked.field("X-Request-Id"), Some(answer.id()));
}

#[test]
fn what_a_trusted_proxy_says_badly_is_not_believed() {
    let edge_origin = Origin::with("/a", Page::ok("x"));
    let edge = behind_proxies(&edge_origin).start();
    let long = "x".repeat(65);
    for (list, id) in [("not an address", "a b"), ("198.51.100.1, unknown", &long), ("", "")] {
        let answer = edge.ask("GET", "/a", &[("X-Forwarded-For", list), ("X-Request-Id", id)]);
        assert_eq!((answer.status, answer.id().len()), (200, 32), "{list:?} {id:?}");
        assert_eq!(edge.record_of(&answer)["client"], "127.0.0.1", "{list:?}");
    }
}

#[test]
fn the_scheme_that_a_trusted_proxy_tells_keeps_stored_answers_apart() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| Page::stored(asked.field("X-Forwarded-Proto").unwrap_or_default()).into());
    let edge = behind_proxies(&origin).start();
    for scheme in ["http", "https", "http", "https"] {
        let answer = edge.ask("GET", "/a", &[("X-Forwarded-Proto", scheme)]);
        assert_eq!(answer.text(), scheme);
    }
    assert_eq!(origin.count("/a"), 2);
}

#[test]
fn forwarded_is_told_where_a_site_wants_it() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = behind_proxies(&origin).site("forwarded = true\n").start();
    edge.ask("GET", "/a", &[("Forwarded", "for=203.0.113.9, for=\"[2001:db8::1]:9\";proto=https")]);
    let told = "for=\"[2001:db8::1]\";host=\"photos.example\";proto=https, for=127.0.0.1";
    assert_eq!(origin.asked_once("/a").field("Forwarded"), Some(told));
}

#[test]
fn an_address_that_asks_too_often_is_429() {
    let origin = stored();
    let limits = "[limits]\nrequests_per_address = \"1/m\"\nburst = 2\n";
    let edge = behind_proxies(&origin).tables(limits).start();
    assert_eq!(ask_as(&edge, "198.51.100.1").status, 200);
    assert_eq!(ask_as(&edge, "198.51.100.1").status, 200);
    let refused = ask_as(&edge, "198.51.100.1");
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.field("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let record = edge.record_of(&refused);
    assert_eq!((&record["status"], &record["verdict"]), (&429.into(), &"failed".into()));
    assert_eq!((&record["client"], &record["cache"]), (&"198.51.100.1".into(), &"none".into()));
    assert_eq!(ask_as(&edge, "198.51.100.2").status, 200);

    // Other limits hold at once, and on connections that stand.
    let mut standing = edge.connect();
    edge.set_config(&edge.config().replace(limits, ""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    let answer = standing.ask("GET", HOST, "/a", &[("X-Forwarded-For", "198.51.100.1")]);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_site_has_limits_of_its_own() {
    let origin = stored();
    let other = format!("[[site]]\nhosts = [\"other.example\"]\norigin = \"http://{}\"\n", origin.address);
    let edge = behind_proxies(&origin).site("limits = { requests = \"2/h\" }\n").tables(&other).start();
    let statuses: Vec<u16> = (1..=3).map(|host| ask_as(&edge, &format!("198.51.100.{host}")).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(edge.connect().get("other.example", "/a").status, 200);
}

#[test]
fn a_site_is_open_to_whom_it_allows() {
    let origin = stored();
    let edge = behind_proxies(&origin)
        .site("allow = [\"198.51.100.0/24\", \"2001:db8::/32\"]\ndeny = \"198.51.100.7\"\n")
        .start();
    for (client, status) in
        [("198.51.100.1", 200), ("2001:db8::1", 200), ("198.51.100.7", 403), ("203.0.113.1", 403), ("2001:db9::1", 403)]
    {
        let answer = ask_as(&edge, client);
        assert_eq!(answer.status, status, "{client}");
        assert_eq!(edge.record_of(&answer)["status"], status, "{client}");
    }
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let origin = stored();
    let edge = Edge::before(&origin).tables("[limits]\nconnections_per_address = 2\n").start();
    let (mut one, mut two) = (edge.connect(), edge.connect());
    assert_eq!((one.get(HOST, "/a").status, two.get(HOST, "/a").status), (200, 200));
    let mut three = edge.connect();
    assert!(matches!(three.ends(), End::Closed | End::Reset));
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"connections-per-address\""]), 1.0);
    drop(one);
    until("a place for another connection", || {
        let answer = edge.get("/a");
        (answer.end == End::Whole && answer.status == 200).then_some(())
    });
    assert_eq!(two.get(HOST, "/a").status, 200);
}

#[test]
fn a_site_has_so_many_requests_of_an_address_under_way() {
    let gate = Gate::default();
    let origin = Origin::with("/slow", Page::ok("x").hold(0, &gate));
    origin.on("/a", Page::stored("hello"));
    let edge = behind_proxies(&origin).site("limits = { connections_per_address = 1 }\n").start();
    let client = [("X-Forwarded-For", "198.51.100.1")];
    let mut slow = edge.connect();
    slow.send(request("GET", HOST, "/slow", &client));
    assert_eq!(slow.head().status, 200);
    assert_eq!(ask_as(&edge, "198.51.100.1").status, 429);
    assert_eq!(ask_as(&edge, "198.51.100.2").status, 200);
    gate.open();
    until("the place is free again", || (ask_as(&edge, "198.51.100.1").status == 200).then_some(()));
}

/// Sends a body in pieces of this many bytes, one every 100 ms, and reads the answer.
fn upload(edge: &Edge, pieces: usize, piece: usize, length: usize) -> Answer {
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/a", &[("Content-Length", &length.to_string())]));
    let start = Instant::now();
    for number in 0..pieces {
        at(start + number as u32 * Duration::from_millis(100));
        client.send(vec![b'x'; piece]);
    }
    client.answer("POST")
}

#[test]
fn an_upload_that_drips_is_given_up() {
    let origin = Origin::with("/a", Page::ok("x"));
    let edge = Edge::before(&origin).edge("idle_timeout = \"1s\"\nmin_rate = \"1KiB/s\"\n").start();
    let dripped = upload(&edge, 30, 1, 10_000);
    assert_eq!(dripped.status, 408);
    assert_eq!(edge.record_of(&dripped)["status"], 408);
    // At twice the rate, and for longer than the client may rest: unless it is held up itself.
    until("an upload that is quick enough", || (upload(&edge, 25, 205, 25 * 205).status == 200).then_some(()));
}

/// As many descriptors as the system lets this process have, which the edge inherits.
fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(8192).min(8192);
    let raised = limit.current.is_none_or(|now| now >= wanted)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    let now = if raised { wanted } else { limit.current.unwrap_or(1024) };
    usize::try_from(now).unwrap_or(1024)
}

const SLOW: usize = 5000;
/// Descriptors for all else, other tests among it.
const SPARE: usize = 1500;
/// Memory of a connection whose head doesn't come, and of a build that is not optimised.
const MOST_MEMORY: u64 = 48 * 1024;

#[test]
fn thousands_of_slow_connections_are_held_for_little() {
    let slow = SLOW.min(raise_descriptors().saturating_sub(SPARE));
    let origin = stored();
    let edge = Edge::before(&origin).start();
    let hits = |count: usize| {
        let mut client = edge.connect();
        let start = Instant::now();
        for _ in 0..count {
            assert_eq!(client.get(HOST, "/a").status, 200);
        }
        start.elapsed()
    };
    hits(50);
    let alone = hits(200);
    let (memory, threads) = (edge.running().memory("VmRSS"), edge.running().memory("Threads"));

    let clients = half_heads(&edge, slow);
    let beside = (0..3).map(|_| hits(200)).min().unwrap();
    let held = edge.metric("seawall_connections_open") as u64;
    assert!(held >= slow as u64, "{held} are held");
    let grown = edge.running().memory("VmRSS").saturating_sub(memory) * 1024;
    assert!(grown <= held.max(100) * MOST_MEMORY, "{grown} bytes for {held} connections");
    assert!(edge.running().memory("Threads") <= threads + 2, "a thread for a connection");
    assert!(beside < 10 * alone + Duration::from_secs(1), "200 hits took {beside:?}, and {alone:?} alone");
    drop(clients);
}

fn half_heads(edge: &Edge, count: usize) -> Vec<Client> {
    let connect = || {
        let mut client = edge.connect();
        client.send("GET /a HTTP/1.1\r\nHost: pho");
        client
    };
    (0..count).map(|_| connect()).collect()
}

#[test]
fn a_head_that_does_not_come_is_given_up() {
    const SLOW: usize = 300;
    let origin = stored();
    let edge = Edge::before(&origin).edge("head_timeout = \"1s\"\n").start();
    for client in &mut half_heads(&edge, SLOW) {
        assert_eq!(client.head().status, 408);
    }
    eventually("the head's time is over for all", || edge.metric("seawall_connections_open") < 5.0);
    assert_eq!(edge.metric_where("seawall_refused_total", &["reason=\"head-timeout\""]), SLOW as f64);
}

#[test]
fn what_must_go_on_goes_on_when_clients_take_all_the_connections_that_there_are() {
    const DESCRIPTORS: u64 = 128;
    let origin = stored();
    let edge = Edge::before(&origin).start();
    let process = Pid::from_raw(edge.running().id() as i32).unwrap();
    let few = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    prlimit(Some(process), Resource::Nofile, few).unwrap();
    // A reload asks anew what there is.
    edge.set_config(&edge.config().replace("head_timeout = \"5m\"", "head_timeout = \"4m\""));
    edge.until_said(&["max_connections is 10000", "descriptors for 96"]);
    let clients = half_heads(&edge, DESCRIPTORS as usize);
    eventually("accepting pauses", || edge.metric("seawall_connections_open") >= 96.0);
    edge.until_list_after(|| edge.list().replace(&format!("{HOST}\n")));
    edge.block("https://elsewhere.example/x", "N-1");
    drop(clients);
    edge.until_status("/a", 451);
}
