//! Smuggling: no bytes of one message are taken for another's, whichever side they come from.
//!
//! The cases stand in tables; here is what is done with each.

mod answers;
mod requests;

use std::collections::BTreeMap;

use crate::harness::client::{Client, End, request};
use crate::harness::http2::Http2;
use crate::harness::{Edge, Gate, HOST, Origin, Page, Reply, Step, eventually, until};

/// Sent behind every malformed request. If it is answered or reaches the origin, it was smuggled in.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: photos.example\r\n\r\n";

const CHUNKED: &[u8] = b"POST /up HTTP/1.1\r\nHost: photos.example\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Every malformed request: what it is, the word it is counted under, and its bytes.
fn malformed_requests() -> Vec<(String, &'static str, Vec<u8>)> {
    let host = b"Host: photos.example\r\n";
    let in_fields = |bytes: &[u8]| [b"POST /up HTTP/1.1\r\n", &host[..], bytes, b"\r\nhello"].concat();
    let in_line = |bytes: &[u8]| [bytes, b"\r\n", &host[..], b"\r\n"].concat();
    let in_chunks = |bytes: &[u8]| [CHUNKED, bytes].concat();
    let mut all = Vec::new();
    let mut add = |place: &str, cases: &[requests::Case], whole: &dyn Fn(&[u8]) -> Vec<u8>| {
        all.extend(cases.iter().map(|(what, reason, bytes)| (format!("{place}: {what}"), *reason, whole(bytes))));
    };
    add("a field", requests::FIELDS, &in_fields);
    add("the request line", requests::LINES, &in_line);
    add("a head", requests::HEADS, &<[u8]>::to_vec);
    add("a chunk", requests::CHUNKS, &in_chunks);
    all
}

fn refused(client: &mut Client, what: &str) {
    let answer = client.answer("GET");
    assert_eq!(answer.status, 400, "{what}: {answer:?}");
    assert_eq!(answer.all("Connection"), ["close"], "{what}");
    assert_eq!(answer.all("Date").len(), 1, "{what}");
    assert!(matches!(client.ends(), End::Closed | End::Reset), "{what}: the connection is closed");
}

#[test]
fn a_malformed_request_is_400_and_reaches_no_origin() {
    let all = malformed_requests();
    assert!(all.len() >= 150, "{} cases", all.len());
    let origin = Origin::with("*", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    let mut reasons: BTreeMap<&str, f64> = BTreeMap::new();
    for (what, reason, bytes) in &all {
        let mut client = edge.connect();
        client.send([bytes, SMUGGLED].concat());
        refused(&mut client, what);
        *reasons.entry(reason).or_default() += 1.0;
        let counted = edge.metric_where("seawall_refused_total", &[&format!("reason=\"{reason}\"")]);
        assert_eq!(counted, reasons[reason], "{what}: counted as {reason}");
    }
    assert_eq!(origin.connections(), 0, "the origin heard of one");
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_malformed_request_that_drips_in_is_400_and_reaches_no_origin() {
    let origin = Origin::with("*", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    // In chunks that drip in, what came before the fault is well-formed, and the origin may be asked.
    for (what, _, bytes) in malformed_requests().iter().filter(|(what, ..)| !what.starts_with("a chunk")) {
        let mut client = edge.connect();
        for byte in [bytes, SMUGGLED].concat() {
            client.send([byte]);
        }
        refused(&mut client, what);
    }
    assert_eq!(origin.connections(), 0, "the origin heard of one");
    assert_eq!(edge.get("/a").text(), "fine");
}

/// A malformed head as HTTP/2 has it, where it can be said there: a folded line stands in a value with its line
/// end, and what has no colon is a name.
fn in_http2(head: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    // A character a byte, whatever it is.
    let head: String = head.iter().map(|&byte| char::from(byte)).collect();
    let (head, _) = head.split_once("\r\n\r\n")?;
    let (line, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let (method, rest) = line.split_once(' ')?;
    let target = rest.strip_suffix(" HTTP/1.1")?;
    let mut fields = [(":method", method), (":scheme", "http"), (":path", target)].map(owned).to_vec();
    for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => value.push_str(&format!("\r\n{line}")),
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                fields.push(owned((&name.to_ascii_lowercase(), value.strip_prefix(' ').unwrap_or(value))));
            }
        }
    }
    let bytes = |text: String| text.chars().map(|byte| byte as u8).collect();
    Some(fields.into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect())
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_malformed_request_over_http2_is_400_or_reset_and_reaches_no_origin() {
    let origin = Origin::with("*", Page::stored("fine"));
    let edge = Edge::before(&origin).h2c().start();
    let mut answered = 0;
    let all = malformed_requests();
    let said: Vec<_> = all.iter().filter_map(|(what, reason, head)| Some((what, reason, in_http2(head)?))).collect();
    assert!(said.len() >= 90, "{} cases", said.len());
    for (what, reason, fields) in said {
        let word = format!("reason=\"{reason}\"");
        let counted = || edge.metric_where("seawall_refused_total", &[&word]);
        let before = counted();
        let mut client = Http2::connect(edge.address);
        let stream = client.open(&fields, false);
        client.data(stream, b"hello", true);
        let answer = client.answer(stream);
        // What RFC 9113 itself calls malformed is an error of the stream or of the connection.
        if answer.status == 0 {
            assert!(matches!(answer.end, End::Reset | End::Closed), "{what}: {answer:?}");
            continue;
        }
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        eventually(&format!("{what}: counted as {reason}"), || counted() == before + 1.0);
        answered += 1;
    }
    assert!(answered >= 20, "{answered} are refused by the rules of HTTP/1.1");
    assert_eq!(origin.connections(), 0, "the origin heard of one");
    assert_eq!(Http2::connect(edge.address).get("/a").text(), "fine");
}

#[test]
fn a_fault_in_a_body_under_way_is_400_and_the_origin_sees_no_whole_request() {
    let origin = Origin::with("*", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    for (what, _, bytes) in requests::CHUNKS {
        let before = origin.connections();
        let mut client = edge.connect();
        client.send([CHUNKED, b"4\r\ngood\r\n"].concat());
        eventually(&format!("{what}: the origin is asked"), || origin.connections() > before);
        client.send([bytes, SMUGGLED].concat());
        refused(&mut client, what);
    }
    assert_eq!(origin.count("/smuggled"), 0);
    until("the origin to notice", || {
        let asked = origin.asked("/up");
        (asked.len() == requests::CHUNKS.len()).then_some(asked)
    });
    assert!(origin.asked("/up").iter().all(|asked| !asked.is_whole), "a whole request");
    let counted = edge.metric_where("seawall_refused_total", &["reason=\"chunk-size\""]);
    let expected = requests::CHUNKS.iter().filter(|(_, reason, _)| *reason == "chunk-size").count();
    assert_eq!(counted, expected as f64);
    assert_eq!(edge.get("/a").text(), "fine");
}

#[test]
fn a_refusal_is_recorded_where_method_and_host_could_be_read() {
    let origin = Origin::with("*", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    let two_lengths = b"PUT /up HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nHost: photos.example\r\n\r\n";
    let bad_chunk = [CHUNKED, b"zz\r\n"].concat();
    for (method, bytes) in [("PUT", &two_lengths[..]), ("POST", &bad_chunk)] {
        let answer = edge.send(bytes);
        let record = edge.record_of(&answer);
        assert_eq!((&record["status"], &record["verdict"]), (&400.into(), &"failed".into()), "{record}");
        assert_eq!((&record["method"], &record["cache"]), (&method.into(), &"none".into()), "{record}");
        assert_eq!(record["url"], "https://photos.example/up", "{record}");
    }
    let unread = edge.send("\u{1}\u{2} what is this\r\n\r\n");
    let after = edge.get("/a");
    edge.record_of(&after);
    assert!(!edge.log().iter().any(|line| line["id"] == unread.id()), "a record of something that is no request");
}

#[test]
fn unusual_requests_that_are_well_formed_come_through_each_as_itself() {
    const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let origin = Origin::start();
    origin.on_each("*", |asked| Page::ok(format!("{} {}", asked.method, asked.target)).into());
    let edge = Edge::plain(&origin);
    let chunked = |body: &str| format!("POST /n HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let cases = [
        (request("GET", HOST, "/n", &[]), "GET", ""),
        (request("M-SEARCH", HOST, "/n", &[]), "M-SEARCH", ""),
        (request("GET", HOST, "/n", &[("Content-Length", "5")]) + "hello", "GET", "hello"),
        (request("DELETE", HOST, "/n", &[("content-length", "0005")]) + "hello", "DELETE", "hello"),
        (request("POST", HOST, "/n", &[("Content-Length", "0"), ("Connection", "TE, x-own")]), "POST", ""),
        (request("GET", HOST, "/n", &[("Transfer-Encoding", "CHUNKED")]) + "5\r\nhello\r\n0\r\n\r\n", "GET", "hello"),
        (chunked("2\r\nhe\r\n0003\r\nllo\r\n000\r\n\r\n"), "POST", "hello"),
        (chunked("5;a;b=c;d=\"e \\\" f\"\r\nhello\r\n0;g\r\n\r\n"), "POST", "hello"),
        (chunked("5\r\nhello\r\n0\r\nServer-Timing: x\r\nX-Y: z\r\n\r\n"), "POST", "hello"),
        (chunked("5\r\n\r\n0\r\n\r\n0\r\n\r\n"), "POST", "\r\n0\r\n"),
        (chunked(&format!("23\r\n{INNER}\r\n0\r\n\r\n")), "POST", INNER),
        (format!("\r\n\r\n{}", request("GET", HOST, "/n", &[])), "GET", ""),
        (format!("GET http://{HOST}/n HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), "GET", ""),
    ];
    let mut all = String::new();
    let mut client = edge.connect();
    for (number, (text, ..)) in cases.iter().enumerate() {
        all.push_str(&text.replace("/n ", &format!("/{number} ")));
    }
    // In one write: each request begins where the one before it ends.
    client.send(&all);
    for (number, (text, method, body)) in cases.iter().enumerate() {
        let answer = client.answer(method);
        let target = format!("/{number}");
        assert_eq!((answer.status, answer.text()), (200, format!("{method} {target}")), "{text}");
        let asked = origin.asked_once(&target);
        if !body.is_empty() {
            assert_eq!(String::from_utf8_lossy(&asked.body), *body, "{text}");
        }
        assert!(asked.all("Transfer-Encoding").len() + asked.all("Content-Length").len() <= 1, "{}", asked.head);
    }
    assert_eq!(origin.count("/smuggled"), 0);
}

/// Every malformed answer, and whether the origin closes the connection behind it.
fn malformed_answers() -> Vec<(String, Vec<u8>, bool)> {
    let stored = b"Cache-Control: max-age=600\r\n";
    let in_fields = |bytes: &[u8]| [b"HTTP/1.1 200 OK\r\n", &stored[..], bytes, b"\r\nhello"].concat();
    let in_line = |bytes: &[u8]| [bytes, b"\r\n", &stored[..], b"Content-Length: 5\r\n\r\nhello"].concat();
    let mut all = Vec::new();
    let mut add = |place: &str, cases: &[answers::Case], closes: bool, whole: &dyn Fn(&[u8]) -> Vec<u8>| {
        all.extend(cases.iter().map(|(what, bytes)| (format!("{place}: {what}"), whole(bytes), closes)));
    };
    add("a field", answers::FIELDS, false, &in_fields);
    add("the status line", answers::LINES, false, &in_line);
    add("an answer", answers::WHOLE, false, &<[u8]>::to_vec);
    add("a torn answer", answers::TORN, true, &<[u8]>::to_vec);
    let many = [b"HTTP/1.1 200 OK\r\n", "X: y\r\n".repeat(150).as_bytes(), b"Content-Length: 5\r\n\r\nhello"].concat();
    let long =
        [b"HTTP/1.1 200 OK\r\nX: ", "y".repeat(200_000).as_bytes(), b"\r\nContent-Length: 5\r\n\r\nhello"].concat();
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100) + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    all.push(("too many fields".to_owned(), many, false));
    all.push(("too long a head".to_owned(), long, false));
    all.push(("too many interim answers".to_owned(), interim.into_bytes(), false));
    all
}

/// The answer that the origin gives when it is asked again: nothing was stored of the one before.
fn is_mended(edge: &Edge, what: &str, target: &str) {
    let again = edge.get(target);
    assert_eq!((again.status, again.text().as_str()), (200, "mended"), "{what}: the next answer");
    assert!(!again.is_hit(), "{what}: something was stored: {again:#?}");
}

#[test]
fn a_malformed_answer_is_502_and_nothing_of_it_is_stored() {
    let all = malformed_answers();
    assert!(all.len() + answers::CHUNKS.len() >= 60, "{} cases", all.len());
    let origin = Origin::start();
    origin.on("/b", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for (number, (what, bytes, closes)) in all.iter().enumerate() {
        let target = format!("/{number}");
        let steps =
            if *closes { vec![Step::Send(bytes.clone()), Step::Close] } else { vec![Step::Send(bytes.clone())] };
        origin.on_in_turn(&target, [Reply::script(steps), Page::stored("mended").into()]);
        let answer = client.get(HOST, &target);
        assert_eq!((answer.status, answer.end), (502, End::Whole), "{what}: {answer:?}");
        assert_eq!(client.get(HOST, "/b").text(), "fine", "{what}: the next request");
        is_mended(&edge, what, &target);
    }
}

/// RFC 9112 section 6.3: they may be thrown away, and are never an answer.
#[test]
fn bytes_behind_an_answer_are_nobodys() {
    let origin = Origin::start();
    origin.on("*", Page::stored("fine"));
    for (number, (_, bytes)) in answers::SURPLUS.iter().enumerate() {
        origin.on(&format!("/{number}"), Reply::script([Step::Send(bytes.to_vec())]).serves("hello"));
    }
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for (number, (what, _)) in answers::SURPLUS.iter().enumerate() {
        let target = format!("/{number}");
        for round in 0..3 {
            let answer = client.get(HOST, &target);
            assert_eq!((answer.status, &*answer.text()), (200, "hello"), "{what}");
            assert_eq!(client.get(HOST, &format!("/b{number}?{round}")).text(), "fine", "{what}: the next request");
        }
        assert_eq!(origin.count(&target), 1, "{what}: what it declared is stored");
    }
}

#[test]
fn an_answer_that_breaks_under_way_is_cut_and_nothing_of_it_is_stored() {
    let origin = Origin::start();
    origin.on("/b", Page::stored("fine"));
    let edge = Edge::plain(&origin);
    for (number, (what, bytes)) in answers::CHUNKS.iter().enumerate() {
        let target = format!("/{number}");
        let gate = Gate::default();
        let head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let mut steps = vec![Step::Send(head.to_vec()), Step::Wait(gate.clone()), Step::Send(bytes.to_vec())];
        if what.starts_with("the end") {
            steps.push(Step::Close);
        }
        origin.on_in_turn(&target, [Reply::script(steps), Page::stored("mended").into()]);
        let mut client = edge.connect();
        client.send(request("GET", HOST, &target, &[]));
        let head = client.head();
        assert_eq!(head.status, 200, "{what}: {head:?}");
        gate.open();
        let mut rest = Vec::new();
        assert!(matches!(client.rest(&mut rest), End::Closed | End::Reset), "{what}");
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(!rest.ends_with("0\r\n\r\n") && !rest.contains("EVIL"), "{what} was passed on as whole: {rest:?}");
        assert_eq!(edge.get("/b").text(), "fine", "{what}: the next request");
        is_mended(&edge, what, &target);
    }
}
