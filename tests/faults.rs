//! What an origin does wrong, by what the cache has of the page: each has its answer, within its time, and
//! leaves nothing behind.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::client::End;
use crate::harness::{Answer, Edge, Origin, Page, Reply, Step, until};

/// What a client sees of a fault that the cache does not shield it from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    BadGateway,
    GatewayTimeout,
    /// A head that was well, and a body that ends early.
    Broken,
}

/// What the cache has of the page when the fault comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Had {
    Fresh,
    /// Stored, and stale as it came: to be validated first, and nothing that stands in.
    Stale,
    Nothing,
}

/// The timeout that a fault is to run into. What comes in time is given far longer: the thread that plays the
/// origin may be held up.
const SHORT: &str = "300ms";

/// A short timeout, and time for a slow machine; and far less than the long ones.
const WITHIN: Duration = Duration::from_secs(30);

const HEAD: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";

fn after(bytes: impl Into<String>, then: Step) -> Reply {
    Reply::script([Step::Send(bytes.into().into_bytes()), then])
}

fn faults() -> Vec<(&'static str, Reply, Seen)> {
    let half_body = format!("{HEAD}Content-Length: 10\r\n\r\nhello");
    let half_chunk = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\na\r\nhello");
    vec![
        ("closes without a word", Reply::script([Step::Close]), Seen::BadGateway),
        ("resets without a word", Reply::script([Step::Reset]), Seen::BadGateway),
        ("says nothing", Reply::script([Step::WaitForClose]), Seen::GatewayTimeout),
        ("closes in the head", after("HTTP/1.1 200 OK\r\nCon", Step::Close), Seen::BadGateway),
        ("resets in the head", after("HTTP/1.1 200 OK\r\nCon", Step::Reset), Seen::BadGateway),
        ("stops in the head", after("HTTP/1.1 200 OK\r\nCon", Step::WaitForClose), Seen::GatewayTimeout),
        ("talks TLS", Reply::raw(b"\x15\x03\x01\x00\x02\x02\x46"), Seen::BadGateway),
        ("talks garbage", Reply::raw("hello there\r\n\r\n"), Seen::BadGateway),
        (
            "gives two lengths",
            Reply::raw(format!("{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx")),
            Seen::BadGateway,
        ),
        ("closes in the body", after(half_body.clone(), Step::Close), Seen::Broken),
        ("resets in the body", after(half_body.clone(), Step::Reset), Seen::Broken),
        ("stops in the body", after(half_body, Step::WaitForClose), Seen::Broken),
        ("closes in a chunk", after(half_chunk.clone(), Step::Close), Seen::Broken),
        ("stops in a chunk", after(half_chunk, Step::WaitForClose), Seen::Broken),
    ]
}

fn page(text: &str, had: Had) -> Page {
    match had {
        Had::Stale => Page::ok(text).field("Cache-Control", "max-age=0").field("ETag", "\"1\""),
        _ => Page::stored(text),
    }
}

/// Fills the cache as `had` says, lets `fail` begin, and looks at what clients get: during it, and after
/// `mend`.
fn meets(what: &str, edge: &Edge, had: Had, fail: impl FnOnce(), mend: impl FnOnce(), seen: Seen) {
    if had != Had::Nothing {
        assert_eq!(in_time(edge).text(), "before", "{what}");
    }
    fail();
    let began = Instant::now();
    let answer = edge.get("/a");
    assert!(began.elapsed() < WITHIN, "{what}, {had:?}: it took {:?}", began.elapsed());
    match (had, seen) {
        (Had::Fresh, _) => assert!(answer.is_hit() && answer.text() == "before", "{what}: {answer:?}"),
        (_, Seen::BadGateway) => assert_eq!(answer.status, 502, "{what}, {had:?}: {answer:?}"),
        (_, Seen::GatewayTimeout) => assert_eq!(answer.status, 504, "{what}, {had:?}: {answer:?}"),
        // The origin's end may be seen before its head is handed on.
        (_, Seen::Broken) if answer.status == 502 => {}
        (_, Seen::Broken) => {
            assert!(answer.status == 200 && answer.end != End::Whole, "{what}, {had:?}: {answer:?}");
        }
    }
    if had != Had::Fresh && answer.status != 0 {
        assert_eq!(edge.record_of(&answer)["verdict"], "failed", "{what}, {had:?}");
    }
    mend();
    let again = in_time(edge);
    let expected = if had == Had::Fresh { "before" } else { "after" };
    assert_eq!((again.status, again.text().as_str()), (200, expected), "{what}, {had:?}: after it");
}

fn timeouts(seen: Seen) -> String {
    match seen {
        Seen::BadGateway => String::new(),
        Seen::GatewayTimeout => format!("first_byte_timeout = \"{SHORT}\"\n"),
        Seen::Broken => format!("between_bytes_timeout = \"{SHORT}\"\n"),
    }
}

/// Asks until the origin was in time.
fn in_time(edge: &Edge) -> Answer {
    let is_in_time = |answer: &Answer| answer.status != 504 && answer.end == End::Whole;
    until("an answer in time", || Some(edge.get("/a")).filter(is_in_time))
}

#[test]
fn each_fault_has_its_answer() {
    for had in [Had::Fresh, Had::Stale, Had::Nothing] {
        for (what, reply, seen) in faults() {
            let origin = Origin::with("/a", page("before", had));
            let edge = Edge::before(&origin).site(&timeouts(seen)).start();
            let fail = || origin.on("/a", reply);
            meets(what, &edge, had, fail, || origin.on("/a", page("after", had)), seen);
        }
    }
}

#[test]
fn an_origin_that_is_gone_is_502_but_for_what_is_fresh() {
    for had in [Had::Fresh, Had::Stale, Had::Nothing] {
        let origin = Origin::with("/a", page("before", had));
        let edge = Edge::plain(&origin);
        if had != Had::Nothing {
            assert_eq!(edge.get("/a").text(), "before");
        }
        let _port = origin.leave();
        let answer = edge.get("/a");
        match had {
            Had::Fresh => assert!(answer.is_hit(), "{answer:?}"),
            _ => assert_eq!(answer.status, 502, "{had:?}: {answer:?}"),
        }
    }
}

#[test]
fn an_origin_that_does_not_speak_tls_is_502() {
    // What a server says to a hello that it can't read, before it has read a head.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let edge = Edge::before_address(&address.to_string()).origins(&format!("\"https://{address}\"")).start();
    let answer = edge.get("/a");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(edge.record_of(&answer)["verdict"], "failed");
    server.join().unwrap();
}
