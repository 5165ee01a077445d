//! The cut: what is under way when a rule comes into force stops, and nothing else does.

use serde_json::Value;

use std::time::{Duration, Instant};

use crate::harness::client::{Answer, End, request};
use crate::harness::kernel;
use crate::harness::{
    Client, Edge, Gate, HOST, Http2, Origin, Page, Pulse, at, eventually, noise, sha256_hex, until_none_is_cut,
};

const BODY: usize = 3_000_000;
const READERS: usize = 20;
/// What may arrive after the block, beside what the client's own kernel took in before.
const SLACK: usize = 128 * 1024;
const URL: &str = "https://photos.example/large";

/// A client that asked, has read the first bytes, and reads no more.
struct Reader {
    client: Client,
    head: Answer,
    got: Vec<u8>,
}

impl Reader {
    fn start(edge: &Edge, path: &str) -> Reader {
        Reader::asking(edge, &request("GET", HOST, path, &[]))
    }

    fn asking(edge: &Edge, request: &str) -> Reader {
        let mut client = Client::connect_narrow(edge.address, 4096);
        client.send(request);
        let head = client.head();
        assert_eq!(head.status, 200);
        let mut got = Vec::new();
        assert_eq!(client.take(1000, &mut got), End::Whole);
        Reader { client, head, got }
    }

    /// Reads on after the block: little comes, then a reset.
    fn assert_cut(&mut self, body: &[u8]) {
        let before = self.got.len();
        let end = self.client.rest(&mut self.got);
        let came = self.got.len() - before;
        let most = SLACK + self.client.receive_buffer();
        assert!(came <= most, "{came} bytes came after the block, not at most {most}");
        assert_eq!(end, End::Reset, "after {came} bytes");
        assert!(body.starts_with(&self.got), "what came is the body's beginning");
    }
}

fn readers(edge: &Edge) -> Vec<Reader> {
    (0..READERS).map(|_| Reader::start(edge, "/large")).collect()
}

/// Each is recorded as cut, or as an answer whose last bytes were thrown away.
fn assert_recorded_as_cut(edge: &Edge, readers: &[Reader], list: u64, body: &[u8]) {
    let whole = sha256_hex(body);
    for reader in readers {
        let id = reader.head.id();
        let record = edge.record_of(&reader.head);
        if record["verdict"] == "cut" {
            assert_eq!(record["notice"], "N-17", "{record}");
            assert!(record["rule"].is_string(), "{record}");
            assert!(record["list"].as_u64() >= Some(list), "{record}");
            assert_eq!(record["complete"], false, "{record}");
            let bytes = record["bytes"].as_u64().unwrap() as usize;
            assert!(bytes < BODY, "{record}");
            // What the kernel held at the reset may have been on its way: it is not counted, but arrives.
            let slack = SLACK + reader.client.receive_buffer();
            assert!(bytes.abs_diff(reader.got.len()) <= slack, "{} arrived: {record}", reader.got.len());
            assert!(record["digest"].is_null() || record["digest"] == whole, "a digest of a part: {record}");
        } else {
            assert!(record["list"].as_u64() < Some(list), "{record}");
            eventually("an event that names the answer", || {
                edge.log().iter().any(|line| line["event"] == "cut" && line.to_string().contains(id))
            });
        }
    }
}

fn assert_neighbours_unharmed(edge: &Edge, mut neighbours: Vec<Reader>, body: &[u8]) {
    for neighbour in &mut neighbours {
        let left = body.len() - neighbour.got.len();
        assert_eq!(neighbour.client.take(left, &mut neighbour.got), End::Whole);
        assert!(neighbour.got == body);
        assert_eq!(neighbour.client.get(HOST, "/small").text(), "small", "its connection goes on");
    }
    assert_eq!(edge.get("/other").status, 200);
}

#[test]
fn slow_readers_of_a_stored_body_are_cut_by_a_live_block() {
    let (body, other) = (noise(BODY, 1), noise(BODY, 2));
    let origin = Origin::with("/large", Page::stored(&body));
    origin.on("/other", Page::stored(&other));
    origin.on("/small", Page::stored("small"));
    let edge = Edge::plain(&origin);
    edge.get("/large");
    let mut cut = readers(&edge);
    let neighbours: Vec<Reader> = (0..3).map(|_| Reader::start(&edge, "/other")).collect();
    assert_eq!(origin.count("/large"), 1, "they are hits");

    let receipt = edge.block(URL, "N-17");
    let list = receipt["list"].as_u64().unwrap();
    edge.must_block(URL, list, None);
    edge.until_cut(READERS);
    for reader in &mut cut {
        reader.assert_cut(&body);
    }
    assert_eq!(receipt["cut"], READERS, "{receipt}");
    assert_recorded_as_cut(&edge, &cut, list, &body);
    assert_neighbours_unharmed(&edge, neighbours, &other);
    assert_eq!(edge.get("/large").status, 451);
}

#[test]
fn slow_readers_of_an_arriving_body_are_cut_by_a_line_in_a_list() {
    let (body, other) = (noise(BODY, 3), noise(BODY, 4));
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::stored(&body).hold(BODY / 2, &gate));
    origin.on("/other", Page::stored(&other));
    origin.on("/small", Page::stored("small"));
    let edge = Edge::plain(&origin);
    let mut cut = readers(&edge);
    let neighbours: Vec<Reader> = (0..3).map(|_| Reader::start(&edge, "/other")).collect();
    assert_eq!(origin.count("/large"), 1, "they share one fetch");

    let list = edge.until_list_after(|| edge.list().append(&format!("{URL} notice=N-17")));
    edge.until_cut(READERS);
    for reader in &mut cut {
        reader.assert_cut(&body);
    }
    assert_recorded_as_cut(&edge, &cut, list, &body);
    assert_neighbours_unharmed(&edge, neighbours, &other);

    // Nothing of it was stored.
    gate.open();
    let lifted = edge.until_list_after(|| edge.list().replace("# nothing\n"));
    edge.must_block(URL, list, Some(lifted));
    origin.on("/large", Page::stored("anew"));
    assert_eq!(edge.until_status("/large", 200).text(), "anew");
}

#[test]
fn when_the_receipt_is_there_the_cut_is_done() {
    let body = noise(BODY, 7);
    let origin = Origin::with("/large", Page::stored(&body));
    let edge = Edge::plain(&origin);
    edge.get("/large");
    let mut cut = readers(&edge);
    edge.block(URL, "N-17");
    // Whoever reads as fast as the kernel gives gets no more than the slow ones.
    for reader in &mut cut {
        reader.assert_cut(&body);
    }
}

/// From the receipt on, in which no further byte may be handed to the kernel.
const CUT_WITHIN: Duration = Duration::from_millis(100);
/// On a busy machine later by so many times what a thread waited for its turn.
const TURNS: u32 = 5;
/// Bytes of what a connection of HTTP/2 goes on with: the rest of the one frame that had begun (RFC 9113 section 4.2),
/// and one that ends each stream (section 6.4).
const FRAME: usize = 9 + 16_384;
const RST_STREAM: usize = 13;

#[test]
fn of_fifty_slow_downloads_not_a_byte_more_is_handed_to_the_kernel() {
    let (body, other) = (noise(BODY, 9), noise(BODY, 10));
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::stored(&body).hold(BODY / 2, &gate));
    origin.on("/other", Page::stored(&other));
    origin.on("/small", Page::stored("small"));
    let edge = Edge::before(&origin).h2c().start();
    let neighbours = vec![Reader::start(&edge, "/other")];
    let mut alone: Vec<Reader> = (0..25).map(|_| Reader::start(&edge, "/large")).collect();
    let mut together: Vec<(Http2, Vec<u32>)> = (0..5)
        .map(|_| {
            let mut client = Http2::connect_narrow(edge.address, 4096);
            let streams: Vec<u32> = (0..5).map(|_| client.ask("GET", "/large", &[])).collect();
            streams.iter().for_each(|stream| assert_eq!(client.begun(*stream, 1_000).status, 200));
            (client, streams)
        })
        .collect();
    assert_eq!(origin.count("/large"), 1, "they share one fetch, which goes on");

    let pulse = Pulse::feel();
    let receipt = edge.block(URL, "N-17");
    let since = Instant::now();
    edge.must_block(URL, receipt["list"].as_u64().unwrap(), None);
    at(since + CUT_WITHIN);
    at(since + CUT_WITHIN + TURNS * pulse.longest());
    let held = kernel::held();
    let ends = |port: u16| [(edge.address.port(), port), (port, edge.address.port())];
    for reader in &alone {
        let port = reader.client.port();
        assert!(ends(port).iter().all(|end| !held.contains_key(end)), "{port} is not reset: there is no socket left");
    }
    // What was handed over by then: what the client has read and what both kernels hold. What the peer's has and
    // did not acknowledge yet would count twice.
    let handed = |client: &Http2| {
        let [served, asked] = ends(client.port()).map(|end| held[&end]);
        client.came + asked.unread + served.unsent
    };
    let handed: Vec<usize> = together.iter().map(|(client, _)| handed(client)).collect();
    gate.open();

    for ((client, streams), handed) in together.iter_mut().zip(handed) {
        for stream in &*streams {
            let answer = client.answer(*stream);
            assert_eq!(answer.end, End::Reset);
            assert!(body.starts_with(&answer.body));
            assert_eq!(edge.record_of(&answer)["verdict"], "cut");
        }
        let more = client.came.saturating_sub(handed);
        assert!(more < FRAME + streams.len() * RST_STREAM, "{more} bytes were handed over after {:?}", since.elapsed());
        assert_eq!(client.get("/small").text(), "small", "its connection goes on");
    }
    alone.iter_mut().for_each(|reader| reader.assert_cut(&body));
    assert_eq!(receipt["cut"], 50, "{receipt}");
    assert_neighbours_unharmed(&edge, neighbours, &other);
}

#[test]
fn an_answer_that_ends_its_connection_is_cut_in_the_kernel() {
    // Small enough for the kernel to take all of it at once.
    let body = noise(400_000, 8);
    let origin = Origin::with("/large", Page::stored(&body));
    let edge = Edge::plain(&origin);
    edge.get("/large");
    let mut cut = [
        Reader::asking(&edge, &request("GET", HOST, "/large", &[("Connection", "close")])),
        Reader::asking(&edge, &format!("GET /large HTTP/1.0\r\nHost: {HOST}\r\n\r\n")),
    ];
    for reader in &cut {
        assert_eq!(edge.record_of(&reader.head)["complete"], true, "HTTP is over on the connection");
    }
    let receipt = edge.block(URL, "N-17");
    assert_eq!(receipt["cut"], cut.len(), "{receipt}");
    for reader in &mut cut {
        reader.assert_cut(&body);
        let id = reader.head.id();
        eventually("an event that names the answer", || {
            edge.log().iter().any(|line| line["event"] == "cut" && line.to_string().contains(id))
        });
    }
}

#[test]
fn an_answer_that_streams_past_the_cache_is_cut() {
    let body = noise(BODY, 5);
    let gate = Gate::default();
    let origin = Origin::with("/large", Page::ok(&body).field("Cache-Control", "no-store").hold(BODY / 2, &gate));
    let edge = Edge::plain(&origin);
    let mut reader = Reader::start(&edge, "/large");
    let receipt = edge.block(URL, "N-17");
    assert_eq!(receipt["cut"], 1, "{receipt}");
    edge.until_cut(1);
    reader.assert_cut(&body);
    assert_recorded_as_cut(&edge, &[reader], receipt["list"].as_u64().unwrap(), &body);
    gate.open();
}

#[test]
fn a_reader_that_waits_for_its_answer_is_refused() {
    let gate = Gate::default();
    let origin = Origin::start();
    let waits = gate.clone();
    origin.on_each("/large", move |_| {
        waits.pass();
        Page::stored("too late").into()
    });
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/large", &[]));
    eventually("the fetch", || origin.connections() == 1);
    edge.block(URL, "N-17");
    gate.open();
    let answer = client.answer("GET");
    assert!(answer.status == 451 || answer.end == End::Reset, "{answer:?}");
    assert_ne!(answer.text(), "too late");
    assert_eq!(edge.get("/large").status, 451);
}

#[test]
fn a_digest_rule_cuts_what_is_under_way() {
    let body = noise(BODY, 6);
    let origin = Origin::with("/large", Page::stored(&body));
    origin.on("/copy", Page::stored(&body));
    let edge = Edge::plain(&origin);
    for path in ["/large", "/copy"] {
        edge.get(path);
    }
    let mut both = [Reader::start(&edge, "/large"), Reader::start(&edge, "/copy")];
    let receipt: Value = edge.block(&sha256_hex(&body), "N-17");
    assert_eq!(receipt["cut"], 2, "{receipt}");
    edge.until_cut(2);
    for reader in &mut both {
        reader.assert_cut(&body);
    }
    for path in ["/large", "/copy"] {
        let answer = edge.get(path);
        assert!(answer.status == 451 || answer.body.len() < body.len(), "{path}: all of it was served");
    }
}

#[test]
fn a_finished_answer_on_an_open_connection_is_no_reason_to_cut_it() {
    let origin = Origin::with("*", Page::stored("small"));
    let edge = Edge::plain(&origin);
    until_none_is_cut(|turn| {
        let mut client = edge.connect();
        let path = format!("/{turn}");
        assert_eq!(client.get(HOST, &path).text(), "small");
        let receipt = edge.block(&format!("https://photos.example{path}"), "N-17");
        assert_eq!(client.get(HOST, "/other").text(), "small", "the connection goes on");
        assert_eq!(client.get(HOST, &path).status, 451);
        receipt
    });
}
