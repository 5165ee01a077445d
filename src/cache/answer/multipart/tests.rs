//! Several ranges of stored and of growing entries: every byte, and what stands round them.

use http::HeaderValue;
use http_body_util::BodyExt;
use proptest::prelude::*;
use terms::Answer;

use crate::testing::{ask, fields, filled, head, land, miss, moment};
use crate::{Cache, Caching, Landed, Lookup};

static WHOLE: [u8; 4096] = {
    let mut bytes = [0; 4096];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at * 31 % 251) as u8;
        at += 1;
    }
    bytes
};

fn cache(length: usize, content_type: &str) -> Cache {
    filled(200, &[("cache-control", "max-age=60"), ("content-type", content_type)], &WHOLE[..length])
}

fn answer(cache: &Cache, range: &str) -> Answer {
    let (ask, url) = ask("GET", "/a", &[("range", range)]);
    match cache.look_up(&ask, &url, &Caching::default(), moment()) {
        Ok(Lookup::Fresh(hit)) => hit.answer(&ask, &Caching::default(), moment()),
        _ => panic!("not in the store"),
    }
}

fn bytes(answer: Answer) -> Vec<u8> {
    let declared = answer.fields["content-length"].to_str().unwrap().parse::<usize>().unwrap();
    assert_eq!(http_body::Body::size_hint(&answer.body).exact(), Some(declared as u64));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let got = runtime.block_on(answer.body.collect()).unwrap().to_bytes();
    assert_eq!(got.len(), declared);
    got.to_vec()
}

/// The value of `Content-Range` and the bytes of each part, read as RFC 2046 section 5.1.1 has it.
fn parts(content_type: &str, body: &[u8], of: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert!(boundary.len() <= 70 && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(delimiter.as_bytes()).unwrap();
    let mut found = Vec::new();
    while rest != b"--\r\n" {
        rest = rest.strip_prefix(b"\r\n").unwrap();
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let lines: Vec<&str> = std::str::from_utf8(&rest[..end]).unwrap().split("\r\n").collect();
        let named = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
        assert_eq!(named("Content-Type: "), of);
        let range = named("Content-Range: bytes ").unwrap().to_owned();
        rest = &rest[end + 4..];
        let end = rest.windows(delimiter.len()).position(|bytes| bytes == delimiter.as_bytes()).unwrap();
        found.push((range, rest[..end].to_vec()));
        rest = &rest[end + delimiter.len()..];
    }
    found
}

#[test]
fn several_parts_are_as_in_section_14_6() {
    let cache = cache(1000, "text/plain");
    let some = answer(&cache, "bytes=-1, 0-9,500-599");
    assert_eq!((some.status.as_u16(), some.fields.get("content-range")), (206, None));
    assert_eq!(some.range.to_string(), "999-999,0-9,500-599/1000");
    let content_type = some.fields["content-type"].to_str().unwrap().to_owned();
    let got = parts(&content_type, &bytes(some), Some("text/plain"));
    let expected =
        [("999-999/1000", &WHOLE[999..1000]), ("0-9/1000", &WHOLE[..10]), ("500-599/1000", &WHOLE[500..600])];
    assert_eq!(got, expected.map(|(range, bytes)| (range.to_owned(), bytes.to_vec())));
}

#[test]
fn a_boundary_is_never_the_same() {
    let cache = cache(1000, "text/plain");
    let boundary = || answer(&cache, "bytes=0-0,-1").fields["content-type"].clone();
    assert_ne!(boundary(), boundary());
}

#[test]
fn one_of_several_that_is_left_is_no_multipart() {
    let cache = cache(1000, "text/plain");
    for range in ["bytes=0-9,2000-", "bytes=0-5,6-9", "bytes=5-9,0-6"] {
        let some = answer(&cache, range);
        assert_eq!(some.fields["content-range"], "bytes 0-9/1000", "{range}");
        assert_eq!(some.fields["content-type"], "text/plain");
        assert_eq!(bytes(some), WHOLE[..10]);
    }
}

#[tokio::test]
async fn parts_of_a_growing_entry_come_as_their_bytes_do() {
    let cache = crate::testing::cache_of(1 << 20, 1 << 17);
    let (first, url) = ask("GET", "/a", &[]);
    let fill = miss(&cache, &first, &url, moment());
    let flight = fill.flight();
    let head = head(200, &[("cache-control", "max-age=60"), ("content-length", "4096")]);
    let mut writer = land(fill, &head, moment());
    writer.push(bytes::Bytes::from_static(&WHOLE[..2000])).await.unwrap();
    let (several, _) = ask("GET", "/a", &[("range", "bytes=1900-2099,0-9")]);
    let Ok(Lookup::Filling(follower)) = cache.look_up(&several, &url, &Caching::default(), moment()) else { panic!() };
    let Ok(Landed::<()>::Entry(hit)) = follower.landed().await else { panic!() };
    let some = hit.answer(&several, &Caching::default(), moment());
    assert_eq!(some.range.to_string(), "0-9,1900-2099/4096", "in the order in which the bytes come");
    let content_type = some.fields["content-type"].to_str().unwrap().to_owned();
    // Nobody else reads any more, and still there is a reader.
    drop(flight);
    let reading = tokio::spawn(some.body.collect());
    for piece in WHOLE[2000..].chunks(50) {
        tokio::task::yield_now().await;
        writer.push(bytes::Bytes::from_static(piece)).await.unwrap();
    }
    writer.finish().unwrap();
    let got = parts(&content_type, &reading.await.unwrap().unwrap().to_bytes(), None);
    let expected = [("0-9/4096", &WHOLE[..10]), ("1900-2099/4096", &WHOLE[1900..2100])];
    assert_eq!(got, expected.map(|(range, bytes)| (range.to_owned(), bytes.to_vec())));
}

/// Which bytes a list of satisfiable ranges asks for.
fn wanted(range: &str, length: usize) -> Vec<usize> {
    let mut wanted = Vec::new();
    for spec in range.trim_start_matches("bytes=").split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-').unwrap();
        let (from, to) = match (first, last) {
            ("", count) => (length.saturating_sub(count.parse().unwrap()), length),
            (first, "") => (first.parse().unwrap(), length),
            (first, last) => (first.parse().unwrap(), last.parse::<usize>().unwrap() + 1),
        };
        wanted.extend(from..to.min(length));
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any `Range` on any entry: the bytes are those that their places name, all that was asked for is there, and
    /// no more leaves than the whole and the heads of two parts.
    #[test]
    fn any_range_gets_its_bytes_and_few_others(
        range in prop_oneof![
            "bytes=([0-9]{1,4}-[0-9]{0,4}, ?|-[0-9]{1,4},){1,8}",
            "bytes=([0-3][0-9]{0,3}-,?|[0-3][0-9]{0,2}-[4-9][0-9]{2},){1,70}",
            "[ -~]{0,40}",
        ],
        length in 0..4096_usize,
        content_type in "[a-z]{1,9}/[a-z]{1,60}",
    ) {
        let cache = cache(length, &content_type);
        let some = answer(&cache, range.trim());
        let (status, record) = (some.status.as_u16(), some.range.clone());
        let fields = some.fields.clone();
        let body = bytes(some);
        let overhead = super::overhead(Some(&HeaderValue::from_str(&content_type).unwrap()), length as u64) as usize;
        prop_assert!(body.len() <= length + 2 * overhead, "{} of {length}", body.len());
        let got: Vec<(String, Vec<u8>)> = match (status, fields.get("content-range")) {
            (200, None) => { prop_assert_eq!(&body[..], &WHOLE[..length]); return Ok(()) }
            (416, Some(value)) => { prop_assert_eq!(value, &format!("bytes */{length}")); return Ok(()) }
            (206, Some(value)) => vec![(value.to_str().unwrap()[6..].to_owned(), body)],
            (206, None) => parts(fields["content-type"].to_str().unwrap(), &body, Some(&content_type)),
            other => panic!("{other:?}"),
        };
        let mut held = vec![false; length];
        for (place, bytes) in &got {
            let (first, last) = place.split_once('/').unwrap().0.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            prop_assert_eq!(&bytes[..], &WHOLE[first..=last]);
            prop_assert!(!held[first..=last].contains(&true), "no byte twice");
            held[first..=last].fill(true);
        }
        prop_assert!(wanted(range.trim(), length).into_iter().all(|at| held[at]));
        let told: Vec<&str> = got.iter().map(|(place, _)| place.split_once('/').unwrap().0).collect();
        prop_assert_eq!(record.to_string(), format!("{}/{length}", told.join(",")));
    }
}

#[test]
fn an_entry_without_a_type_has_parts_without_one() {
    let cache = filled(200, &[("cache-control", "max-age=60")], &WHOLE[..1000]);
    let some = answer(&cache, "bytes=0-0,-1");
    let content_type = some.fields["content-type"].to_str().unwrap().to_owned();
    assert_eq!(parts(&content_type, &bytes(some), None).len(), 2);
    assert!(super::overhead(fields(&[("content-type", "a/b")]).get("content-type"), 9) > super::overhead(None, 9));
}
