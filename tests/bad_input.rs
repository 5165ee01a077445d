//! Bad input from both sides: a definite answer, nothing stored, the next request fine.

use crate::harness::client::{Answer, End, request};
use crate::harness::{Edge, Gate, HOST, Origin, Page, Reply, Step, noise, until};

/// A head refused before it is a request: its status, the connection closed, nothing at the origin.
fn assert_refused(edge: &Edge, origin: &Origin, what: &str, bytes: &[u8], status: u16) -> Answer {
    let mut client = edge.connect();
    // A good request behind it must not be taken for one: that is how requests are smuggled.
    client.send([bytes, request("GET", HOST, "/smuggled", &[]).as_bytes()].concat());
    let answer = client.answer("GET");
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.all("Connection"), ["close"], "{what}");
    assert_eq!(answer.all("Date").len(), 1, "{what}");
    assert!(matches!(client.ends(), End::Closed | End::Reset), "{what}: the connection is closed");
    assert_eq!(origin.count("/smuggled"), 0, "{what}");
    answer
}

fn good_page() -> Origin {
    Origin::with("*", Page::stored("fine"))
}

#[test]
fn ambiguous_framing_is_400_and_the_connection_closed() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    for (what, fields) in [
        ("CL and TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        ("a list of lengths", "Content-Length: 5, 5\r\n"),
        ("a signed length", "Content-Length: +5\r\n"),
        ("a hexadecimal length", "Content-Length: 0x5\r\n"),
        ("a huge length", "Content-Length: 99999999999999999999\r\n"),
        ("an empty length", "Content-Length:\r\n"),
        ("gzip", "Transfer-Encoding: gzip, chunked\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunked with a blank before the colon", "Transfer-Encoding : chunked\r\n"),
        ("obs-fold", "X-A: b\r\n c\r\n"),
        ("obs-fold of TE", "Transfer-Encoding:\r\n chunked\r\n"),
        ("a line without a colon", "nonsense\r\n"),
        ("an empty name", ": x\r\n"),
        ("a NUL", "X-A: b\0c\r\n"),
        ("a bare CR", "X-A: b\rX-B: c\r\n"),
        ("a control character", "X-A: b\x07c\r\n"),
    ] {
        let bytes = format!("POST /a HTTP/1.1\r\nHost: photos.example\r\n{fields}\r\nhello");
        assert_refused(&edge, &origin, what, bytes.as_bytes(), 400);
    }
    assert_eq!(origin.connections(), 0, "the origin heard of none");
    assert_eq!(edge.get("/a").text(), "fine");
    assert!(edge.metric("seawall_refused_total") >= 21.0);
}

#[test]
fn odd_heads_are_400_and_the_connection_closed() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    for (what, bytes) in [
        ("bare LF", &b"GET /a HTTP/1.1\nHost: photos.example\n\n"[..]),
        ("bare LF in a field", b"GET /a HTTP/1.1\r\nHost: photos.example\nX-A: b\r\n\r\n"),
        ("no version", b"GET /a\r\nHost: photos.example\r\n\r\n"),
        ("a wrong version", b"GET /a HTTQ/1.1\r\nHost: photos.example\r\n\r\n"),
        ("two blanks", b"GET  /a HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a blank in the target", b"GET /a b HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a bad method", b"G(T /a HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("no Host", b"GET /a HTTP/1.1\r\n\r\n"),
        ("two Hosts", b"GET /a HTTP/1.1\r\nHost: photos.example\r\nHost: photos.example\r\n\r\n"),
        ("raw bytes in the target", b"GET /\xff\xfe HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a NUL in the target", b"GET /a\0b HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ] {
        assert_refused(&edge, &origin, what, bytes, 400);
    }
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_url_that_cannot_be_named_is_400() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    for (what, head) in [
        ("Host with userinfo", "GET /a HTTP/1.1\r\nHost: user@photos.example\r\n\r\n"),
        ("Host with a comma", "GET /a HTTP/1.1\r\nHost: photos.example,b.example\r\n\r\n"),
        ("Host with a blank", "GET /a HTTP/1.1\r\nHost: photos example\r\n\r\n"),
        ("Host with a path", "GET /a HTTP/1.1\r\nHost: photos.example/x\r\n\r\n"),
        ("an empty Host", "GET /a HTTP/1.1\r\nHost: \r\n\r\n"),
        ("an impossible port", "GET /a HTTP/1.1\r\nHost: photos.example:99999\r\n\r\n"),
        ("another Host than the target", "GET http://other.example/a HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a Host beside an absolute target", "GET http://photos.example/a HTTP/1.1\r\nHost: other.example\r\n\r\n"),
        ("a malformed escape", "GET /%zz HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a lone percent", "GET /100% HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("an encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("an encoded newline", "GET /a%0d%0ab HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("a star", "GET * HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("no leading slash", "GET a HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
        ("another scheme", "GET ftp://photos.example/a HTTP/1.1\r\nHost: photos.example\r\n\r\n"),
    ] {
        assert_eq!(edge.send(head).status, 400, "{what}");
    }
    assert_eq!(origin.connections(), 0);
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_large_head_is_431_and_a_long_target_414() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    let long = |length: usize| "x".repeat(length);
    let oversized = format!("GET /a HTTP/1.1\r\nHost: photos.example\r\nX-A: {}\r\n\r\n", long(40_000));
    assert_eq!(edge.send(oversized).status, 431);
    let many: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(edge.send(format!("GET /a HTTP/1.1\r\nHost: photos.example\r\n{many}\r\n")).status, 431);
    for length in [17_000, 40_000, 1_000_000] {
        let head = format!("GET /{} HTTP/1.1\r\nHost: photos.example\r\n\r\n", long(length));
        assert_eq!(edge.send(head).status, 414, "a target of {length} bytes");
    }
    let just = format!("GET /{} HTTP/1.1\r\nHost: photos.example\r\n\r\n", long(15_000));
    assert_eq!(edge.send(just).status, 200, "what fits is served");
    let endless = edge.send(format!("GET /a HTTP/1.1\r\nHost: photos.example\r\nX-A: {}", long(1_000_000)));
    assert_eq!(endless.status, 431, "a head without an end");
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn the_limits_are_the_operators() {
    let origin = good_page();
    let edge = Edge::before(&origin).edge("max_head = \"1KiB\"\nmax_fields = 5\nmax_target = \"100B\"\n").start();
    let ask =
        |target: &str, fields: &str| edge.send(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")).status;
    assert_eq!(ask("/a", ""), 200);
    assert_eq!(ask("/a", &format!("X-A: {}\r\n", "x".repeat(1100))), 431);
    assert_eq!(ask("/a", &"X-A: 1\r\n".repeat(5)), 431);
    assert_eq!(ask(&format!("/{}", "x".repeat(120)), ""), 414);
}

#[test]
fn a_request_body_that_can_not_be_parsed_is_400_not_502() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    for (what, chunks) in [
        ("no size", "zz\r\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than it says", "3\r\nhello\r\n0\r\n\r\n"),
        ("a huge size", "ffffffffffffffffff\r\nhello\r\n"),
        ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
    ] {
        let mut client = edge.connect();
        client.send(request("POST", HOST, "/up", &[("Transfer-Encoding", "chunked")]) + chunks);
        let answer = client.answer("POST");
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert!(matches!(client.ends(), End::Closed | End::Reset), "{what}: the connection is closed");
    }
    assert!(origin.asked("/up").iter().all(|asked| !asked.is_whole), "the origin saw no whole request");
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_request_body_that_ends_early_reaches_no_origin_as_whole() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/up", &[("Content-Length", "10")]) + "hello");
    client.finish_sending();
    let answer = client.answer("POST");
    assert!(answer.status == 400 || answer.end == End::Closed, "{answer:?}");
    assert!(origin.asked("/up").iter().all(|asked| !asked.is_whole));
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_body_over_the_limit_is_413() {
    let origin = good_page();
    let edge = Edge::before(&origin).edge("max_body = \"10KiB\"\n").start();
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/said", &[("Content-Length", "20000")]));
    client.send(noise(20_000, 1));
    assert_eq!(client.answer("POST").status, 413);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/chunked", &[("Transfer-Encoding", "chunked")]));
    for _ in 0..20 {
        client.send([b"400\r\n", &noise(1024, 2)[..], b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer("POST").status, 413);
    for target in ["/said", "/chunked"] {
        assert!(origin.asked(target).iter().all(|asked| !asked.is_whole), "{target}");
    }
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/fits", &[("Content-Length", "10240")]));
    client.send(noise(10_240, 3));
    assert_eq!(client.answer("POST").status, 200);
}

#[test]
fn connect_and_trace_are_not_served() {
    let origin = good_page();
    let edge = Edge::plain(&origin);
    let connect = edge.send("CONNECT photos.example:443 HTTP/1.1\r\nHost: photos.example:443\r\n\r\n");
    assert!(matches!(connect.status, 400 | 405 | 501), "{}", connect.status);
    let trace = edge.ask("TRACE", "/a", &[]);
    assert!(matches!(trace.status, 405 | 501), "{}", trace.status);
    assert_eq!(origin.connections(), 0);
}

// What origins do.

/// What came of it, once it is clear that nothing of it was stored and the next request is fine.
fn from_origin(what: &str, reply: Reply) -> Answer {
    from_origin_of(what, "", reply)
}

/// The same with more lines for the site, a short timeout say: an answer that is late by that is asked for again,
/// where the origin's silence is not what this is about.
fn from_origin_of(what: &str, site: &str, reply: Reply) -> Answer {
    let origin = Origin::start();
    origin.on_in_turn("/a", [reply, Page::stored("mended").into()]);
    origin.on("/b", Page::stored("fine"));
    let edge = Edge::before(&origin).site(site).start();
    let in_time = |target: &str| {
        let is_in_time = |answer: &Answer| answer.status != 504 && answer.end == End::Whole;
        until("an answer in time", || Some(edge.get(target)).filter(|answer| site.is_empty() || is_in_time(answer)))
    };
    let mut client = edge.connect();
    let answer = client.get(HOST, "/a");
    assert_ne!(answer.end, End::Silent, "{what}: no definite answer");
    let next = in_time("/b");
    assert_eq!((next.status, next.text().as_str()), (200, "fine"), "{what}: the next request");
    if answer.status != 200 || answer.end != End::Whole {
        let again = in_time("/a");
        assert_eq!((again.text().as_str(), again.is_hit()), ("mended", false), "{what}: something was stored");
    }
    answer
}

const FRESH: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";

#[test]
fn an_origin_that_says_nothing_or_nonsense_is_502() {
    for (what, bytes) in [
        ("nothing", String::new()),
        ("garbage", "\u{1}\u{2}\u{3} what is this\r\n\r\n".to_owned()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le".to_owned()),
        ("a wrong version", "HTTQ/1.1 200 OK\r\n\r\n".to_owned()),
        ("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("two lengths", format!("{FRESH}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")),
        ("a bad length", format!("{FRESH}Content-Length: five\r\n\r\nhello")),
        ("an endless head", format!("HTTP/1.1 200 OK\r\nX-A: {}", "x".repeat(2_000_000))),
        ("101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned()),
    ] {
        let answer = from_origin(what, Reply::raw(bytes));
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert!(answer.text().contains("502"), "{what}");
    }
}

#[test]
fn an_origin_that_resets_is_502() {
    let answer = from_origin("a reset", Reply::script([Step::Reset]));
    assert_eq!(answer.status, 502);
}

#[test]
fn an_origin_that_closes_early_is_no_whole_answer() {
    for (what, reply) in [
        ("a short body", Reply::raw(format!("{FRESH}Content-Length: 10\r\n\r\nhello"))),
        ("a chunk cut short", Reply::raw(format!("{FRESH}Transfer-Encoding: chunked\r\n\r\na\r\nhello"))),
        ("no last chunk", Reply::raw(format!("{FRESH}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))),
        ("a bad chunk size", Reply::raw(format!("{FRESH}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"))),
    ] {
        let answer = from_origin(what, reply);
        assert!(answer.end != End::Whole || answer.status == 502, "{what} was passed on as whole: {answer:?}");
    }
}

#[test]
fn an_origin_that_sends_too_much_harms_no_next_answer() {
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    let reply = Reply::script([Step::Send(format!("{FRESH}Content-Length: 5\r\n\r\nhello{extra}").into_bytes())]);
    let answer = from_origin("a second answer that nobody asked for", reply.serves("hello"));
    assert_eq!((answer.status, &*answer.text()), (200, "hello"), "it ends where it says");
}

#[test]
fn the_bytes_an_origin_sent_too_much_are_no_answer_to_the_next() {
    let origin = Origin::start();
    let extra = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nEVIL";
    let poison = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello{extra}");
    origin.on("/poison", Reply::script([Step::Send(poison.into_bytes())]).serves("hello"));
    origin.on("/b", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for round in 0..10 {
        let poisoned = client.get(HOST, "/poison");
        assert_eq!(poisoned.text(), "hello", "round {round}");
        assert_eq!(client.get(HOST, &format!("/b?{round}")).text(), "fine", "round {round}");
    }
}

#[test]
fn an_origin_with_cl_and_te_is_not_believed_twice() {
    let reply =
        Reply::raw(format!("{FRESH}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    let answer = from_origin("CL and TE", reply.serves("hello"));
    // RFC 9112 section 6.3: a sign of response splitting, which ought to be handled as an error.
    assert_eq!(answer.status, 502, "{answer:?}");
}

#[test]
fn interim_answers_of_an_origin_are_not_the_answer() {
    let text = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{FRESH}Content-Length: 5\r\n\r\nhello");
    let answer = from_origin("103", Reply::raw(text).serves("hello"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    let endless = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5_000);
    let answer = from_origin("103 without end", Reply::raw(endless));
    assert_eq!(answer.status, 502);
}

#[test]
fn an_origin_that_stops_talking_is_504_or_an_early_end() {
    let gate = Gate::default();
    let (no_head, no_more) = ("first_byte_timeout = \"500ms\"\n", "between_bytes_timeout = \"500ms\"\n");
    let silent = from_origin_of("silence", no_head, Reply::script([Step::Wait(gate.clone()), Step::Close]));
    assert_eq!(silent.status, 504);
    let head = Step::Send(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec());
    let half = from_origin_of("half a head", no_head, Reply::script([head, Step::Wait(gate.clone()), Step::Close]));
    assert_eq!(half.status, 504);
    let body = Step::Send(format!("{FRESH}Content-Length: 10\r\n\r\nhello").into_bytes());
    let early = from_origin_of("half a body", no_more, Reply::script([body, Step::Wait(gate.clone()), Step::Close]));
    assert!(matches!(early.end, End::Closed | End::Reset), "{early:?}");
    gate.open();
}

#[test]
fn an_origin_that_answers_before_the_body_is_all_there_is_believed() {
    let origin = Origin::start();
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    origin.on("/up", Reply::script([Step::Send(refusal.as_bytes().to_vec()), Step::WaitForClose]).early());
    origin.on("/b", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/up", &[("Content-Length", "4000000")]));
    client.send(noise(100_000, 1));
    let answer = client.answer("POST");
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert_eq!(edge.get("/b").text(), "fine");
}
