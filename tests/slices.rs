//! Large objects in slices: what is read of them is fetched and kept, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::json;

use crate::harness::client::{End, request};
use crate::harness::{Client, Edge, Gate, HOST, Origin, Page, Reply, eventually, noise, sha256_hex};
use crate::ranges::{STORED, asked, part, parts, range, ranged, ranged_with};

const MIB: usize = 1 << 20;

fn sliced(origin: &Origin) -> Edge {
    Edge::before(origin).site("slices = \"1MiB\"\n").start()
}

/// What a request for the slice of this number carries as `Range`.
fn slice(index: usize) -> String {
    format!("bytes={}-{}", index * MIB, (index + 1) * MIB - 1)
}

#[test]
fn a_range_fetches_and_keeps_its_slices_alone() {
    let body = noise(5 * MIB, 51);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = sliced(&origin);
    let first = edge.ask("GET", "/a", &range("bytes=3000000-3000099"));
    assert_eq!((first.status, first.cache()), (206, "fwd=uri-miss; fwd-status=206; stored"));
    assert_eq!(first.field("Content-Range"), Some("bytes 3000000-3000099/5242880"));
    assert!(first.body == body[3_000_000..3_000_100]);
    assert_eq!(asked(&origin, "/a"), [slice(2)]);
    let record = edge.record_of(&first);
    assert_eq!((&record["range"], &record["cache"]), (&"3000000-3000099/5242880".into(), &"miss".into()));
    assert!(record["digest"].is_null() && record["origin_digest"].is_null(), "nobody saw the whole: {record}");
    let filled = &edge.event("filled")["data"];
    assert_eq!(filled["slice"], "2097152-3145727/5242880", "{filled}");
    assert_eq!(filled["slice_digest"], sha256_hex(&body[2 * MIB..3 * MIB]));
    assert!(filled["digest"].is_null(), "{filled}");

    eventually("the slice in the store", || edge.ask("GET", "/a", &range("bytes=2097152-2097200")).is_hit());
    assert_eq!(asked(&origin, "/a"), [slice(2)]);
    let across = edge.ask("GET", "/a", &range("bytes=3000000-4200000"));
    assert_eq!(across.cache(), "fwd=partial");
    assert!(across.body == body[3_000_000..=4_200_000]);
    assert_eq!(edge.record_of(&across)["cache"], "miss", "some of it was fetched");
    assert_eq!(asked(&origin, "/a"), [slice(2), slice(3), slice(4)]);
    eventually("all of it in the store", || {
        let again = edge.ask("GET", "/a", &range("bytes=3000000-4200000"));
        assert!(again.body == across.body);
        again.is_hit()
    });
    assert_eq!(asked(&origin, "/a"), [slice(2), slice(3), slice(4)]);
    assert_eq!(edge.metric("seawall_cache_objects"), 4.0, "three slices, and what is known of the whole");
}

#[test]
fn what_is_not_to_be_stored_adds_no_slice() {
    let body = noise(3 * MIB, 57);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = sliced(&origin);
    edge.ask("GET", "/a", &range("bytes=0-9"));
    eventually("the slice in the store", || edge.ask("GET", "/a", &range("bytes=5-9")).is_hit());
    let ask = |range: &str, directive: &str| edge.ask("GET", "/a", &[("Range", range), ("Cache-Control", directive)]);
    for _ in 0..2 {
        let answer = ask("bytes=2097152-2097155", "no-store");
        assert_eq!((answer.status, answer.cache()), (206, "fwd=partial; fwd-status=206"));
        assert!(answer.body == body[2_097_152..=2_097_155]);
    }
    assert_eq!(asked(&origin, "/a"), [&*slice(0), "bytes=2097152-2097155", "bytes=2097152-2097155"]);
    assert!(ask("bytes=0-99", "no-store").is_hit(), "what is stored is used");
    assert!(ask("bytes=0-99", "only-if-cached").is_hit());
    assert_eq!(ask("bytes=0-1048576", "only-if-cached").status, 504);
}

#[test]
fn the_whole_comes_slice_after_slice() {
    let body = noise(3 * MIB + 1000, 52);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = sliced(&origin);
    edge.ask("GET", "/a", &range("bytes=2000000-2000009"));
    let whole = edge.get("/a");
    assert_eq!((whole.status, whole.field("Content-Length")), (200, Some("3146728")));
    assert_eq!(whole.field("Content-Range"), None);
    assert!(whole.body == body);
    assert_eq!(asked(&origin, "/a"), [slice(1), slice(0), slice(2), "bytes=3145728-3146727".to_owned()]);
    assert!(edge.get("/a").is_hit());
    let record = edge.record_of(&whole);
    assert_eq!((&record["bytes"], &record["complete"]), (&body.len().into(), &true.into()));
    assert!(record["fill"].is_null() && record["digest"].is_null(), "many fetches made it: {record}");

    let head = edge.ask("HEAD", "/a", &[]);
    assert_eq!((head.is_hit(), head.field("Content-Length")), (true, Some("3146728")));
    assert_eq!(edge.ask("GET", "/a", &[("If-None-Match", "\"v1\"")]).status, 304);
    let beyond = edge.ask("GET", "/a", &range("bytes=3146728-"));
    assert_eq!((beyond.status, beyond.field("Content-Range")), (416, Some("bytes */3146728")));
    let several = edge.ask("GET", "/a", &range("bytes=-5,1048570-1048580"));
    let expected = [(3_146_723, 3_146_727), (1_048_570, 1_048_580)];
    let expected = expected.map(|(first, last)| (format!("{first}-{last}/3146728"), body[first..=last].to_vec()));
    assert!(parts(&several) == expected);
    assert_eq!(origin.count("/a"), 4);
}

#[test]
fn what_is_asked_for_from_the_end_or_as_head_is_found_by_the_first_slice() {
    let body = noise(2 * MIB, 53);
    let origin = Origin::start();
    ranged(&origin, "/end", &body, STORED);
    ranged(&origin, "/head", &body, STORED);
    let edge = sliced(&origin);
    let end = edge.ask("GET", "/end", &range("bytes=-100"));
    assert!(end.status == 206 && end.body == body[2 * MIB - 100..]);
    assert_eq!(asked(&origin, "/end"), [slice(0), slice(1)]);
    let head = edge.ask("HEAD", "/head", &[]);
    assert_eq!((head.status, head.field("Content-Length"), head.body.len()), (200, Some("2097152"), 0));
    assert_eq!(asked(&origin, "/head"), [slice(0)]);
}

#[test]
fn a_changed_validator_starts_over() {
    let (old, new) = (noise(3 * MIB, 54), noise(3 * MIB, 55));
    let origin = Origin::start();
    ranged(&origin, "/a", &old, STORED);
    let edge = sliced(&origin);
    assert!(edge.ask("GET", "/a", &range("bytes=0-9")).body == old[..10]);
    ranged(&origin, "/a", &new, &[("Cache-Control", "max-age=600"), ("ETag", "\"v2\"")]);
    let mixed = edge.ask("GET", "/a", &range("bytes=1048570-1048600"));
    assert_ne!(mixed.end, End::Whole, "no answer holds bytes of both");
    assert!(old[1_048_570..].starts_with(&mixed.body));
    let record = edge.record_of(&mixed);
    assert_eq!((&record["verdict"], &record["complete"]), (&"failed".into(), &false.into()));
    let anew = edge.ask("GET", "/a", &range("bytes=0-9"));
    assert_eq!((anew.body == new[..10], anew.field("ETag")), (true, Some("\"v2\"")));
    assert!(edge.get("/a").body == new);
}

#[test]
fn what_fits_in_a_slice_is_stored_whole() {
    let body = noise(10_000, 56);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, &[("Cache-Control", "max-age=600")]);
    let edge = sliced(&origin);
    let first = edge.get("/a");
    assert_eq!((first.status, first.field("Content-Range"), first.body == body), (200, None, true));
    let second = edge.get("/a");
    assert!(second.is_hit() && second.body == body);
    assert_eq!(edge.record_of(&second)["digest"], sha256_hex(&body));
    assert_eq!(asked(&origin, "/a"), [slice(0)]);
}

#[test]
fn what_can_not_be_cut_is_asked_for_as_it_is() {
    let body = noise(2 * MIB, 57);
    let origin = Origin::start();
    ranged(&origin, "/untagged", &body, &[("Cache-Control", "max-age=600")]);
    ranged(&origin, "/weak", &body, &[("Cache-Control", "max-age=600"), ("ETag", "W/\"v1\"")]);
    ranged(&origin, "/private", &body, &[("Cache-Control", "private"), ("ETag", "\"v1\"")]);
    origin.on("/no-ranges", Page::stored(&body));
    let other = body.clone();
    origin.on_each("/other", move |asked| match asked.field("Range") {
        Some(range) if range == slice(0) => Reply::from(part(&other, 5, 9).field("ETag", "\"v1\"")),
        Some(_) => part(&other, 0, 9).into(),
        None => Page::stored(&other).into(),
    });
    origin.on_each("/empty", |asked| match asked.field("Range") {
        Some(_) => Page::new("416 Range Not Satisfiable", "").field("Content-Range", "bytes */0").into(),
        None => Page::stored("").into(),
    });
    let edge = sliced(&origin);
    for target in ["/untagged", "/weak", "/private", "/no-ranges", "/other"] {
        for _ in 0..2 {
            let whole = edge.get(target);
            assert!(whole.status == 200 && whole.body == body, "{target}: {:?}", whole.fields);
        }
        let some = edge.ask("GET", target, &range("bytes=0-9"));
        let got = if some.status == 206 { some.body == body[..10] } else { some.body == body };
        assert!(got, "{target}: {:?}", some.fields);
    }
    assert_eq!((edge.get("/empty").status, edge.get("/empty").body.len()), (200, 0));
}

#[test]
fn many_who_read_one_slice_make_one_fetch() {
    let body = noise(2 * MIB, 58);
    let gate = Gate::default();
    let origin = Origin::start();
    let (held, all) = (gate.clone(), body.clone());
    origin.on_each("/a", move |asked| {
        let first = if asked.field("Range") == Some(&slice(0)) { 0 } else { MIB };
        let page = part(&all, first, first + MIB - 1).field("Cache-Control", "max-age=600").field("ETag", "\"v1\"");
        page.hold(1000, &held).into()
    });
    let edge = sliced(&origin);
    let mut clients: Vec<Client> = (0..20).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", HOST, "/a", &range("bytes=1000000-1100000")));
    }
    origin.until_asked("/a", 1);
    gate.open();
    for client in &mut clients {
        assert!(client.answer("GET").body == body[1_000_000..=1_100_000]);
    }
    assert_eq!(asked(&origin, "/a"), [slice(0), slice(1)]);
}

#[test]
fn a_stale_object_is_validated_and_keeps_its_slices() {
    let body = noise(2 * MIB, 59);
    let origin = Origin::start();
    let (fresh, all) = (Arc::new(AtomicBool::new(false)), body.clone());
    let becomes = fresh.clone();
    origin.on_each("/a", move |asked| {
        let lifetime = if fresh.load(SeqCst) { "max-age=600" } else { "max-age=0" };
        if asked.field("If-None-Match") == Some("\"v1\"") {
            return Page::new("304 Not Modified", "").field("ETag", "\"v1\"").field("Cache-Control", lifetime).into();
        }
        let first = if asked.field("Range") == Some(&slice(0)) { 0 } else { MIB };
        part(&all, first, first + MIB - 1).field("Cache-Control", lifetime).field("ETag", "\"v1\"").into()
    });
    let edge = sliced(&origin);
    assert!(edge.get("/a").body == body);
    assert_eq!(origin.count("/a"), 2);
    becomes.store(true, SeqCst);
    let validated = edge.ask("GET", "/a", &range("bytes=1048570-1048580"));
    assert!(validated.body == body[1_048_570..=1_048_580]);
    assert!(validated.cache().contains("fwd=stale; fwd-status=304"), "{}", validated.cache());
    assert!(edge.get("/a").body == body);
    assert_eq!(origin.count("/a"), 3, "the slices are those of before");
}

#[test]
fn a_purge_takes_all_slices() {
    let body = noise(3 * MIB, 60);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let edge = sliced(&origin);
    assert!(edge.get("/a").body == body);
    eventually("all slices in the store", || edge.get("/a").is_hit());
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({ "url": "https://photos.example/a" }))).json();
    assert_eq!(purged["objects"], 4, "{purged}");
    assert!(purged["bytes"].as_u64() >= Some(3 * MIB as u64), "{purged}");
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
    let before = origin.count("/a");
    assert!(edge.get("/a").body == body);
    assert_eq!(origin.count("/a"), before + 3);
}

#[test]
fn a_block_cuts_what_comes_in_slices_and_nothing_of_it_is_kept() {
    let body = noise(4 * MIB, 61);
    let gate = Gate::default();
    let origin = Origin::start();
    let held = gate.clone();
    let all = body.clone();
    origin.on_each("/a", move |asked| {
        let first = (0..4).find(|index| asked.field("Range") == Some(&slice(*index))).unwrap() * MIB;
        let page = part(&all, first, first + MIB - 1).field("Cache-Control", "max-age=600").field("ETag", "\"v1\"");
        if first == 2 * MIB { page.hold(1000, &held).into() } else { page.into() }
    });
    let edge = sliced(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/a", &[]));
    let mut answer = client.head();
    assert_eq!(client.take(2 * MIB + 1000, &mut answer.body), End::Whole);
    let receipt = edge.block("https://photos.example/a", "N-17");
    edge.must_block("https://photos.example/a", receipt["list"].as_u64().unwrap(), None);
    assert_eq!(receipt["cut"], 1, "{receipt}");
    gate.open();
    assert_eq!(client.rest(&mut answer.body), End::Reset);
    assert!(body.starts_with(&answer.body) && answer.body.len() < body.len());
    assert_eq!(edge.get("/a").status, 451);
    eventually("an empty store", || edge.metric("seawall_cache_objects") == 0.0);
}

#[test]
fn while_a_rule_asks_for_digests_nothing_is_cut_into_slices() {
    let body = noise(3 * MIB, 62);
    let origin = Origin::start();
    ranged_with(&origin, "/a", &body, STORED, |page| page);
    let edge = sliced(&origin);
    assert!(edge.ask("GET", "/a", &range("bytes=0-9")).body == body[..10]);
    edge.block(&sha256_hex(&body), "N-17");
    let answer = edge.ask("GET", "/a", &range("bytes=0-9"));
    assert!(answer.status == 451 || answer.body.len() < body.len(), "{}", answer.status);
    assert_eq!(asked(&origin, "/a"), [slice(0), "whole".to_owned()]);
    eventually("451", || edge.ask("GET", "/a", &range("bytes=0-9")).status == 451);
}

#[test]
fn what_began_to_be_cut_before_a_rule_asked_for_digests_is_fetched_whole() {
    let body = noise(3 * MIB, 64);
    let origin = Origin::start();
    let gate = Gate::default();
    let held = gate.clone();
    ranged_with(&origin, "/a", &body, STORED, move |page| page.hold(0, &held));
    let edge = sliced(&origin);
    let mut reader = edge.connect();
    reader.send(request("GET", HOST, "/a", &[]));
    assert_eq!(reader.head().status, 200);
    edge.block(&sha256_hex(b"other bytes"), "N-17");
    gate.open();
    let mut read = Vec::new();
    // Its slices are judged by nobody: it breaks off, and who asks again gets the whole.
    assert_ne!(reader.take(body.len(), &mut read), End::Whole);
    let whole = edge.get("/a");
    assert!(whole.status == 200 && whole.body == body, "{}", whole.status);
}
