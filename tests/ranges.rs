//! Ranges: parts of what is stored, of what is still coming, and of what is not there.

use crate::harness::client::{End, request};
use crate::harness::{Answer, Client, Edge, Gate, HOST, Http2, Origin, Page, Reply, eventually, noise, sha256_hex};

const MIB: usize = 1 << 20;

/// An origin that understands single ranges of this body, whose answers carry these fields.
pub fn ranged(origin: &Origin, target: &str, body: &[u8], fields: &[(&str, &str)]) {
    ranged_with(origin, target, body, fields, |page| page);
}

/// The same, with something done to what it answers to a request without a range.
pub fn ranged_with(
    origin: &Origin,
    target: &str,
    body: &[u8],
    fields: &[(&str, &str)],
    whole: impl Fn(Page) -> Page + Send + Sync + 'static,
) {
    let body = body.to_vec();
    let fields: Vec<(String, String)> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    origin.on_each(target, move |asked| {
        let with = |page: Page| fields.iter().fold(page, |page, (name, value)| page.field(name, value));
        let Some(range) = asked.field("Range") else { return whole(with(Page::ok(&body))).into() };
        let end = body.len() - 1;
        let (first, last) = match range.strip_prefix("bytes=").unwrap().split_once('-').unwrap() {
            ("", count) => (body.len() - count.parse::<usize>().unwrap(), end),
            (first, last) => (first.parse().unwrap(), last.parse().unwrap_or(end).min(end)),
        };
        with(part(&body, first, last)).into()
    });
}

pub fn part(body: &[u8], first: usize, last: usize) -> Page {
    Page::new("206 Partial Content", &body[first..=last])
        .field("Content-Range", &format!("bytes {first}-{last}/{}", body.len()))
}

pub const STORED: &[(&str, &str)] =
    &[("Cache-Control", "max-age=600"), ("ETag", "\"v1\""), ("Content-Type", "text/plain")];

pub fn range(value: &str) -> [(&'static str, &str); 1] {
    [("Range", value)]
}

/// What each request for a target carried as `Range`; `whole` where it had none.
pub fn asked(origin: &Origin, target: &str) -> Vec<String> {
    origin.asked(target).iter().map(|one| one.field("Range").unwrap_or("whole").to_owned()).collect()
}

/// The parts of a multipart answer: `first-last/length`, and the bytes.
pub fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let content_type = answer.field("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("\r\n--{boundary}");
    let position = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mut rest = answer.body.strip_prefix(delimiter.as_bytes()).unwrap();
    let mut found = Vec::new();
    while rest != b"--\r\n" {
        let end = position(rest, b"\r\n\r\n").unwrap();
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let place = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Range: bytes ")).unwrap();
        rest = &rest[end + 4..];
        let end = position(rest, delimiter.as_bytes()).unwrap();
        found.push((place.to_owned(), rest[..end].to_vec()));
        rest = &rest[end + delimiter.len()..];
    }
    found
}

#[test]
fn a_range_of_what_is_stored_is_a_part_of_it() {
    let body = noise(100_000, 21);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let mut client = edge.connect();
    for (value, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-70000", 1000, 70_000),
        ("bytes=99990-", 99_990, 99_999),
        ("bytes=-5", 99_995, 99_999),
        ("bytes=5-999999", 5, 99_999),
        ("bytes=10-20,21-30,15-18", 10, 30),
    ] {
        let answer = client.ask("GET", HOST, "/a", &range(value));
        assert_eq!((answer.status, answer.is_hit()), (206, true), "{value}: {:?}", answer.fields);
        assert_eq!(answer.field("Content-Range"), Some(&*format!("bytes {first}-{last}/100000")), "{value}");
        assert_eq!(answer.field("Content-Type"), Some("text/plain"));
        assert!(answer.body == body[first..=last], "{value}");
        let record = edge.record_of(&answer);
        assert_eq!(record["range"], format!("{first}-{last}/100000"));
        assert_eq!(record["bytes"], last - first + 1);
        assert_eq!((&record["status"], &record["complete"]), (&206.into(), &true.into()));
        assert_eq!(record["digest"], sha256_hex(&body), "of the whole, never of a part");
    }
    assert_eq!(asked(&origin, "/a"), ["whole"]);
}

#[test]
fn several_ranges_come_in_parts() {
    let body = noise(300_000, 22);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::before(&origin).h2c().start();
    edge.get("/a");
    let several = [("range", "bytes=-10, 0-9,100000-200000")];
    let mut client = edge.connect();
    let one = client.ask("GET", HOST, "/a", &several);
    let again = client.ask("GET", HOST, "/a", &several);
    let mut http2 = Http2::connect(edge.address);
    let stream = http2.ask("GET", "/a", &several);
    let over_http2 = http2.answer(stream);
    let expected: Vec<(String, Vec<u8>)> = [(299_990, 299_999), (0, 9), (100_000, 200_000)]
        .iter()
        .map(|(first, last)| (format!("{first}-{last}/300000"), body[*first..=*last].to_vec()))
        .collect();
    for answer in [&one, &again, &over_http2] {
        assert_eq!((answer.status, answer.field("Content-Range")), (206, None));
        assert_eq!(answer.field("Content-Length"), Some(&*answer.body.len().to_string()));
        assert!(parts(answer) == expected);
        let record = edge.record_of(answer);
        assert_eq!(record["range"], "299990-299999,0-9,100000-200000/300000");
        assert_eq!(record["bytes"], answer.body.len(), "with what stands round the parts");
    }
    assert_ne!(one.field("Content-Type"), again.field("Content-Type"), "nobody can foretell a boundary");
}

#[test]
fn what_selects_nothing_and_what_does_not_count() {
    let body = noise(1000, 23);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let beyond = edge.ask("GET", "/a", &range("bytes=1000-"));
    assert_eq!((beyond.status, beyond.field("Content-Range")), (416, Some("bytes */1000")));
    let record = edge.record_of(&beyond);
    assert!(record["digest"].is_null() && record["range"].is_null(), "{record}");
    for value in ["bytes=9-1", "bytes=a-", "pages=1-2", "bytes=0-1,x", "bytes=0-,0-,0-,0-"] {
        let answer = edge.ask("GET", "/a", &range(value));
        assert_eq!((answer.status, answer.body == body), (200, true), "{value}");
    }
    let head = edge.ask("HEAD", "/a", &range("bytes=0-1"));
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("1000")), "GET alone has ranges");
    // RFC 9110 section 13.2.2: what holds is not sent, in part neither.
    for (fields, status) in [
        (vec![("If-None-Match", "\"v1\""), ("Range", "bytes=0-9")], 304),
        (vec![("If-None-Match", "\"v0\""), ("Range", "bytes=0-9")], 206),
        (vec![("If-Range", "\"v1\""), ("Range", "bytes=0-9")], 206),
        (vec![("If-Range", "\"v0\""), ("Range", "bytes=0-9")], 200),
        (vec![("If-Range", "W/\"v1\""), ("Range", "bytes=0-9")], 200),
        (vec![("If-Range", "\"v1\"")], 200),
    ] {
        assert_eq!(edge.ask("GET", "/a", &fields).status, status, "{fields:?}");
    }
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn a_range_on_a_miss_is_forwarded_and_the_second_has_the_whole_fetched() {
    let body = noise(3 * MIB, 24);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::plain(&origin);
    let first = edge.ask("GET", "/a", &range("bytes=100-199"));
    assert_eq!((first.status, first.cache()), (206, "fwd=uri-miss; fwd-status=206"));
    assert!(first.body == body[100..200]);
    let record = edge.record_of(&first);
    assert_eq!((&record["range"], &record["cache"]), (&"100-199/3145728".into(), &"pass".into()));
    assert!(record["digest"].is_null(), "{record}");
    // Near the beginning: it comes with the whole.
    let second = edge.ask("GET", "/a", &range("bytes=200-299"));
    assert_eq!((second.status, second.cache()), (206, "fwd=uri-miss; fwd-status=200; stored"));
    assert!(second.body == body[200..300]);
    eventually("the whole in the store, though its only reader has left", || {
        let third = edge.ask("GET", "/a", &range("bytes=-100"));
        assert!(third.body == body[3 * MIB - 100..]);
        third.is_hit()
    });
    assert_eq!(asked(&origin, "/a").iter().filter(|range| *range == "whole").count(), 1);
    assert_eq!(edge.get("/a").body.len(), 3 * MIB);
}

#[test]
fn who_asks_for_what_lies_far_ahead_does_not_wait_for_the_whole() {
    let body = noise(3 * MIB, 25);
    let gate = Gate::default();
    let origin = Origin::start();
    let held = gate.clone();
    ranged_with(&origin, "/a", &body, STORED, move |page| page.hold(MIB, &held));
    let edge = Edge::plain(&origin);
    for _ in 0..3 {
        let answer = edge.ask("GET", "/a", &range("bytes=2000000-2000099"));
        assert_eq!((answer.status, answer.cache()), (206, "fwd=uri-miss; fwd-status=206"));
        assert!(answer.body == body[2_000_000..2_000_100]);
    }
    eventually("the fetch of the whole", || asked(&origin, "/a").contains(&"whole".to_owned()));
    gate.open();
    eventually("the whole in the store", || edge.ask("GET", "/a", &range("bytes=2000000-2000099")).is_hit());
    assert_eq!(asked(&origin, "/a").iter().filter(|range| *range == "whole").count(), 1);
}

#[test]
fn what_does_not_fit_or_may_not_be_stored_is_never_fetched_whole() {
    let body = noise(100_000, 26);
    let origin = Origin::start();
    ranged(&origin, "/large", &noise(2 * MIB, 27), STORED);
    ranged(&origin, "/private", &body, &[("Cache-Control", "private, max-age=600")]);
    ranged(&origin, "/cookie", &body, &[("Cache-Control", "max-age=600"), ("Set-Cookie", "a=b")]);
    ranged(&origin, "/once", &body, STORED);
    let edge = Edge::before(&origin).cache("memory = \"64MiB\"\nmax_object = \"1MiB\"").start();
    for target in ["/large", "/private", "/cookie"] {
        for _ in 0..3 {
            assert_eq!(edge.ask("GET", target, &range("bytes=0-9")).status, 206);
        }
        assert_eq!(asked(&origin, target), ["bytes=0-9"; 3], "{target}");
    }
    for count in 1..=3 {
        // An answer to an authorised request is for the one who asked.
        let fields = [("Range", "bytes=0-9"), ("Authorization", "Basic eDp5")];
        assert_eq!(edge.ask("GET", "/once", &fields).status, 206);
        assert_eq!(asked(&origin, "/once").len(), count);
    }
}

#[test]
fn an_origin_without_ranges_is_asked_twice() {
    let body = noise(10_000, 28);
    let origin = Origin::with("/a", Page::stored(&body));
    let edge = Edge::plain(&origin);
    let first = edge.ask("GET", "/a", &range("bytes=0-9"));
    assert_eq!((first.status, first.body == body), (200, true), "it is the origin's right to send the whole");
    let second = edge.ask("GET", "/a", &range("bytes=0-9"));
    assert_eq!((second.status, second.body == body[..10]), (206, true));
    eventually("a hit", || edge.ask("GET", "/a", &range("bytes=0-9")).is_hit());
    assert_eq!(origin.count("/a"), 2);
}

#[test]
fn a_stale_whole_is_revalidated_for_a_part() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| match asked.field("If-None-Match") {
        Some("\"v1\"") => {
            Page::new("304 Not Modified", "").field("ETag", "\"v1\"").field("Cache-Control", "max-age=600").into()
        }
        _ => Page::ok("0123456789").field("ETag", "\"v1\"").field("Cache-Control", "max-age=0").into(),
    });
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let answer = edge.ask("GET", "/a", &range("bytes=2-4"));
    assert_eq!((answer.status, answer.text().as_str()), (206, "234"));
    assert_eq!(asked(&origin, "/a"), ["whole", "whole"]);
    edge.ask("GET", "/a", &range("bytes=-1")).hit();
}

#[test]
fn a_part_is_never_taken_for_the_whole() {
    let body = b"0123456789";
    let origin = Origin::start();
    let stored = |page: Page| page.field("Cache-Control", "max-age=600");
    // Nobody asked for a part.
    origin.on_in_turn("/unasked", [stored(part(body, 0, 4)).into(), Page::stored(body).into()]);
    // Another part than the one that was asked for, and one that contradicts itself.
    origin.on_each("/other", move |asked| match asked.field("Range") {
        Some(_) => Reply::from(stored(part(body, 5, 9))),
        None => Page::stored(body).into(),
    });
    origin.on_each("/false", move |asked| match asked.field("Range") {
        Some(_) => Reply::from(stored(Page::new("206 Partial Content", "01").field("Content-Range", "bytes 0-4/10"))),
        None => Page::stored(body).into(),
    });
    let edge = Edge::plain(&origin);
    let unasked = edge.get("/unasked");
    assert_eq!(unasked.status, 502);
    assert_eq!(edge.get("/unasked").text(), "0123456789");

    for count in 1..=3 {
        let other = edge.ask("GET", "/other", &range("bytes=0-4"));
        assert_eq!((other.status, other.field("Content-Range")), (206, Some("bytes 5-9/10")), "it says what it is");
        assert_eq!(edge.record_of(&other)["range"], "5-9/10");
        assert_eq!(asked(&origin, "/other").len(), count, "it tells nothing of the whole");
    }
    assert_eq!(edge.get("/other").text(), "0123456789");
    let contradicted = edge.ask("GET", "/false", &range("bytes=0-4"));
    assert!(edge.record_of(&contradicted)["range"].is_null());
    assert_eq!(edge.get("/false").text(), "0123456789");
}

#[test]
fn what_does_not_count_is_not_forwarded() {
    let body = noise(10_000, 29);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, &[("Cache-Control", "no-store")]);
    let edge = Edge::plain(&origin);
    let many: Vec<String> = (0..1000).map(|n| format!("{n}-")).collect();
    for value in ["bytes=9-1", "pages=1-2", "bytes=0-,0-,0-,0-,0-", &format!("bytes={}", many.join(","))] {
        let answer = edge.ask("GET", "/a", &range(value));
        assert_eq!((answer.status, answer.body == body), (200, true), "{value}");
    }
    assert!(asked(&origin, "/a").iter().all(|range| range == "whole"));
}

#[test]
fn an_entry_that_grows_answers_ranges_as_their_bytes_come() {
    let body = noise(400_000, 30);
    let gate = Gate::default();
    let origin = Origin::start();
    let held = gate.clone();
    ranged_with(&origin, "/a", &body, STORED, move |page| page.hold(200_000, &held));
    let edge = Edge::plain(&origin);
    let mut starter = edge.connect();
    starter.send(request("GET", HOST, "/a", &[]));
    let mut whole = starter.head();
    let got = starter.take(200_000, &mut whole.body);
    assert_eq!((whole.status, got), (200, End::Whole));

    let one = edge.ask("GET", "/a", &range("bytes=1000-1999"));
    assert_eq!((one.status, one.cache()), (206, "fwd=uri-miss; fwd-status=200; collapsed; stored"));
    assert!(one.body == body[1000..2000]);
    let several = edge.ask("GET", "/a", &range("bytes=150000-150009,0-9"));
    let expected = [("0-9/400000", &body[..10]), ("150000-150009/400000", &body[150_000..150_010])];
    assert!(parts(&several) == expected.map(|(place, bytes)| (place.to_owned(), bytes.to_vec())));
    assert_eq!(edge.record_of(&several)["range"], "0-9,150000-150009/400000");
    let far = edge.ask("GET", "/a", &range("bytes=399990-"));
    assert_eq!(far.cache(), "fwd=uri-miss; fwd-status=206", "that comes sooner from the origin");
    assert!(far.body == body[399_990..]);

    // Begins in what is there and ends in what is not: it waits, and gets every byte.
    let mut waiting = edge.connect();
    waiting.send(request("GET", HOST, "/a", &range("bytes=199000-300000")));
    let mut rest = waiting.head();
    assert_eq!(rest.status, 206);
    assert_eq!(waiting.take(1000, &mut rest.body), End::Whole);
    gate.open();
    assert_eq!(waiting.take(100_001, &mut rest.body), End::Whole);
    assert!(rest.body == body[199_000..=300_000]);
    assert_eq!(starter.take(200_000, &mut whole.body), End::Whole);
    assert!(whole.body == body);
    assert!(edge.record_of(&rest)["digest"].as_str().is_none_or(|digest| digest == sha256_hex(&body)));
    assert_eq!(asked(&origin, "/a"), ["whole", "bytes=399990-"]);
}

#[test]
fn where_a_rule_asks_for_digests_no_part_of_what_is_not_seen_whole_is_handed_out() {
    let body = noise(400_000, 31);
    let gate = Gate::default();
    let origin = Origin::start();
    let held = gate.clone();
    ranged_with(&origin, "/a", &body, STORED, move |page| page.hold(200_000, &held));
    let rule = format!("{} notice=N-17\n", sha256_hex(b"other bytes"));
    let edge = Edge::before(&origin).rules(&rule).start();
    let mut starter = edge.connect();
    starter.send(request("GET", HOST, "/a", &[]));
    assert_eq!(starter.head().status, 200);
    let mut follower = edge.connect();
    follower.send(request("GET", HOST, "/a", &range("bytes=0-9")));
    let mut answer = follower.head();
    assert_eq!(answer.status, 200);
    gate.open();
    assert_eq!(follower.take(400_000, &mut answer.body), End::Whole);
    assert!(answer.body == body);
    assert_eq!(edge.ask("GET", "/a", &range("bytes=0-9")).status, 206, "now it was seen");
    assert!(asked(&origin, "/a").iter().all(|range| range == "whole"));
}

#[test]
fn a_range_under_way_is_cut() {
    const BODY: usize = 3_000_000;
    let body = noise(BODY, 32);
    let origin = Origin::start();
    ranged(&origin, "/large", &body, STORED);
    let edge = Edge::plain(&origin);
    edge.get("/large");
    let mut readers: Vec<(Client, Answer)> = ["bytes=1000-", "bytes=2000000-2900000,0-1900000"]
        .iter()
        .map(|value| {
            let mut client = Client::connect_narrow(edge.address, 4096);
            client.send(request("GET", HOST, "/large", &range(value)));
            let mut answer = client.head();
            assert_eq!(answer.status, 206);
            assert_eq!(client.take(1000, &mut answer.body), End::Whole);
            (client, answer)
        })
        .collect();
    let receipt = edge.block("https://photos.example/large", "N-17");
    let list = receipt["list"].as_u64().unwrap();
    edge.must_block("https://photos.example/large", list, None);
    assert_eq!(receipt["cut"], 2, "{receipt}");
    for (client, answer) in &mut readers {
        let before = answer.body.len();
        assert_eq!(client.rest(&mut answer.body), End::Reset);
        let came = answer.body.len() - before;
        assert!(came <= 128 * 1024 + client.receive_buffer(), "{came} bytes came after the block");
        let record = edge.record_of(answer);
        assert!(record["range"].is_string(), "{record}");
        if record["verdict"] == "cut" {
            assert_eq!(record["complete"], false, "{record}");
            continue;
        }
        // The kernel had taken all of it, and threw the rest away.
        eventually("an event that names the answer", || {
            edge.log().iter().any(|line| line["event"] == "cut" && line.to_string().contains(answer.id()))
        });
    }
    assert_eq!(edge.ask("GET", "/large", &range("bytes=0-9")).status, 451);
}

#[test]
fn a_flood_of_ranges_costs_no_more_than_the_whole() {
    let body = noise(100_000, 33);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = Edge::plain(&origin);
    edge.get("/a");
    let before = edge.running().memory("VmRSS");
    let list = |count: usize, spec: &dyn Fn(usize) -> String| {
        let specs: Vec<String> = (0..count).map(spec).collect();
        format!("bytes={}", specs.join(","))
    };
    let floods = [
        list(1300, &|n| format!("5-{n}")),
        list(3000, &|_| "0-".to_owned()),
        list(64, &|n| format!("{}-{}", 99_000 - n * 1500, 99_000 - n * 1500)),
        list(64, &|n| format!("{}-{}", n * 1500, n * 1500 + 1400)),
        list(64, &|n| format!("{}-{}", n * 2, n * 2)),
    ];
    let mut client = edge.connect();
    for _ in 0..20 {
        for flood in &floods {
            let answer = client.ask("GET", HOST, "/a", &range(flood));
            assert!(matches!(answer.status, 200 | 206), "{}", answer.status);
            assert!(answer.body.len() <= body.len() + 1024, "{} bytes", answer.body.len());
        }
    }
    let grown = edge.running().memory("VmRSS").saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB for 100 answers of 100 kB");
    assert_eq!(origin.count("/a"), 1);
}

#[test]
fn few_wholes_are_fetched_at_a_time() {
    const URLS: usize = 50;
    let body = noise(3 * MIB, 34);
    let gate = Gate::default();
    let origin = Origin::start();
    let held = gate.clone();
    ranged_with(&origin, "/a", &body, STORED, move |page| page.hold(1, &held));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        for n in 0..URLS {
            let answer = client.ask("GET", HOST, &format!("/a?{n}"), &range("bytes=3000000-3000009"));
            assert_eq!((answer.status, answer.body.len()), (206, 10));
        }
    }
    let wholes = || (0..URLS).filter(|n| asked(&origin, &format!("/a?{n}")).contains(&"whole".to_owned())).count();
    eventually("wholes on their way", || wholes() >= 32);
    assert_eq!(wholes(), 32);
    gate.open();
}

/// RFC 9110 section 14.2: a range counts with GET alone. With any other method it would be a way to a body whose
/// digest nobody sees whole.
#[test]
fn with_another_method_a_range_is_not_forwarded() {
    let body = noise(10_000, 5);
    let origin = Origin::start();
    let whole = body.clone();
    origin.on_each("/a", move |asked| match asked.field("Range") {
        Some(_) => {
            Page::new("206 Partial Content", &whole[..5_000]).field("Content-Range", "bytes 0-4999/10000").into()
        }
        None => Page::ok(&whole).into(),
    });
    for rules in ["", &format!("{}\n", sha256_hex(&body))] {
        let edge = Edge::before(&origin).rules(rules).start();
        for method in ["POST", "PUT", "PROPFIND"] {
            let answer = edge.ask(method, "/a", &[("Range", "bytes=0-4999"), ("Content-Length", "0")]);
            assert_ne!(answer.status, 206, "{method}");
            assert!(rules.is_empty() || answer.body != body, "{method}: a digest that a rule names");
        }
    }
}
