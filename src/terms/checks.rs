//! What must hold for any bytes, whoever sends them. Property tests call these, and the fuzz targets in
//! `fuzz/` have nothing else in them; a violated check panics.

use http::Method;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::Uri;

use crate::url::{EncodedSlash, Parameters, PathParams, Scheme, Spelling, Url};
use crate::wire::answer::AnswerWalk;
use crate::wire::framing::{BodyWalk, Framing};
use crate::wire::head::{BadHead, Limits, RequestWalk, walk};

/// A URL folds to texts that fold to themselves, and a request for any of them is the same resource.
pub fn url(text: &str) {
    let Ok(url) = Url::parse(text) else { return };
    for reading in url.readings() {
        let again = Url::parse(reading.as_str());
        let again = again.unwrap_or_else(|error| panic!("{text:?}: {reading:?} is no URL: {error}"));
        assert_eq!(again.folded(), reading, "{text:?}");
        assert_eq!(again.readings().count(), 1, "{text:?}");
        assert!(url.is_same(&again), "{text:?}");
    }
    let (Ok(host), Ok(target)) = (HeaderValue::from_str(url.authority()), url.target().parse::<Uri>()) else {
        panic!("{text:?}: what it asks for can't be written")
    };
    let asked = Url::of_request(Scheme::Http, &target, &HeaderMap::from_iter([(HOST, host)]));
    let asked = asked.unwrap_or_else(|error| panic!("{text:?}: what it asks for can't be asked: {error}"));
    assert_eq!(asked.canonical(), url.canonical(), "{text:?}");
    spellings().iter().for_each(|spelling| spelled(&url, spelling));
}

/// Every choice of a site's with every other.
pub fn spellings() -> Vec<Spelling> {
    let spelling = |bits: u8| Spelling {
        ignore_case: bits & 1 != 0,
        ignored: Parameters::read(if bits & 2 != 0 { vec!["x".to_owned(), "utm_*".to_owned()] } else { Vec::new() })
            .unwrap_or_default(),
        path_params: if bits & 4 != 0 { PathParams::Distinct } else { PathParams::Ignored },
        encoded_slash: if bits & 8 != 0 { EncodedSlash::Distinct } else { EncodedSlash::Slash },
    };
    (0..16).map(spelling).collect()
}

/// At a site, too, a URL folds to texts that fold to themselves. What a site tells apart is told by no less than what
/// nobody else does, and it is the same request whatever it is called.
fn spelled(url: &Url, spelling: &Spelling) {
    let spelled = url.spelled(spelling);
    if spelling.is_usual() {
        assert!(spelled.readings.iter().eq(url.readings()), "{url:?}");
    }
    for reading in spelled.readings.iter().chain(&spelled.whole) {
        let again = Url::parse(reading.as_str()).unwrap_or_else(|error| panic!("{reading:?} is no URL: {error}"));
        assert_eq!(again.spelled(spelling).canonical(), reading, "{url:?} {spelling:?}");
        assert!(again.spelled(spelling).readings.len() == 1, "{url:?} {spelling:?}");
        if !spelling.merges_more() {
            assert!(url.is_same(&again), "{url:?} is {reading:?} by {spelling:?} alone");
        }
    }
    let called = url.called_by(spelling);
    assert_eq!(called.folded(), spelled.canonical());
    let asks = |url: &Url| (url.key(), url.target().to_owned(), url.authority().to_owned(), url.scheme());
    assert_eq!(asks(&called), asks(url));
    assert_eq!(called.spelled(spelling), spelled);
}

/// A target that passes as a request's is a URL or an error, and the canonical URL of one is its own. What it is made
/// of makes the same URL again.
pub fn request(host: &[u8], target: &[u8]) {
    let (Ok(host), Ok(target)) = (HeaderValue::from_bytes(host), Uri::try_from(target)) else { return };
    let fields = HeaderMap::from_iter([(HOST, host)]);
    for scheme in [Scheme::Http, Scheme::Https] {
        let Ok(url) = Url::of_request(scheme, &target, &fields) else { return };
        self::url(url.canonical());
        assert_eq!(url.scheme(), scheme);
        for url in [url.clone(), url.apart(b"salt")] {
            let again = Url::again(scheme, url.authority(), url.target(), url.salt().copied());
            let again = again.unwrap_or_else(|error| panic!("{target:?}: it can't be made again: {error}"));
            assert_eq!((again.key(), again.canonical(), again.scheme()), (url.key(), url.canonical(), scheme));
        }
    }
}

const LIMITS: Limits = Limits { head: 4096, target: 1024, fields: 32 };

/// A request's head is walked alike however it arrives, and one that passes is the same to a parser that
/// repairs what it can.
pub fn head(bytes: &[u8], cut: usize) {
    let whole = walk(bytes, &LIMITS);
    let mut pieces = RequestWalk::default();
    judged_alike(bytes, cut, whole, |part| pieces.go_on(part, &LIMITS));
    let Ok(Some(walked)) = whole else { return };
    let mut lines = [httparse::EMPTY_HEADER; LIMITS.fields];
    let mut parsed = httparse::Request::new(&mut lines);
    assert_eq!(parsed.parse(bytes), Ok(httparse::Status::Complete(walked.length)));
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { panic!("no request line") };
    assert!(Method::from_bytes(method.as_bytes()).is_ok() && Uri::try_from(target).is_ok());
    assert!(bytes.starts_with(format!("{method} {target} HTTP/1.").as_bytes()), "another request line");
    assert_eq!(declared(parsed.headers).unwrap_or(Framing::Length(0)), walked.framing);
}

/// The same of an answer's head.
pub fn answer(bytes: &[u8], cut: usize) {
    let whole = AnswerWalk::default().go_on(bytes, &LIMITS);
    let mut pieces = AnswerWalk::default();
    judged_alike(bytes, cut, whole, |part| pieces.go_on(part, &LIMITS));
    let Ok(Some(walked)) = whole else { return };
    let mut lines = [httparse::EMPTY_HEADER; LIMITS.fields];
    let mut parsed = httparse::Response::new(&mut lines);
    assert_eq!(parsed.parse(bytes), Ok(httparse::Status::Complete(walked.length)));
    assert_eq!(parsed.code, Some(walked.status));
    let framing = match walked.status {
        100..=199 | 204 | 304 => Framing::Length(0),
        _ => declared(parsed.headers).unwrap_or(Framing::UntilClose),
    };
    assert_eq!(framing, walked.framing(false));
}

fn judged_alike<W: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    cut: usize,
    whole: Result<Option<W>, BadHead>,
    mut go_on: impl FnMut(&[u8]) -> Result<Option<W>, BadHead>,
) {
    let early = go_on(&bytes[..cut.min(bytes.len())]);
    match early {
        Ok(None) => match go_on(bytes) {
            // Which of several faults is named may hang on how much is there.
            Err(_) => assert!(whole.is_err(), "refused in pieces, and not whole"),
            late => assert_eq!(late, whole),
        },
        Ok(early) => assert_eq!(Ok(early), whole),
        Err(_) => assert!(whole.is_err(), "a part is refused, and the whole is not"),
    }
}

/// The framing that a parser finds in fields which can all be names and values.
fn declared(fields: &[httparse::Header<'_>]) -> Option<Framing> {
    let mut framing = None;
    for field in fields {
        assert!(HeaderName::from_bytes(field.name.as_bytes()).is_ok(), "{}", field.name);
        let value = HeaderValue::from_bytes(field.value).unwrap_or_else(|_| panic!("the value of {}", field.name));
        let value = value.as_bytes().trim_ascii();
        let found = match field.name.to_ascii_lowercase().as_str() {
            "transfer-encoding" if value.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
            "content-length" => {
                let first = value.split(|&byte| byte == b',').next().unwrap_or_default();
                let text = std::str::from_utf8(first).unwrap_or_default();
                Framing::Length(text.trim().parse().unwrap_or_else(|_| panic!("a length {text:?}")))
            }
            name => {
                assert_ne!(name, "transfer-encoding", "a coding that is not undone");
                continue;
            }
        };
        assert_eq!(*framing.get_or_insert(found), found, "two framings");
    }
    framing
}

/// A body in chunks is walked alike however it arrives, and one that comes to its end has it where a
/// parser of chunk sizes and trailers has it.
pub fn chunks(bytes: &[u8], cut: usize) {
    let (first, rest) = bytes.split_at(cut.min(bytes.len()));
    let mut whole = BodyWalk::of(Framing::Chunked);
    let taken = whole.follow(bytes);
    let mut pieces = BodyWalk::of(Framing::Chunked);
    let in_pieces = pieces.follow(first).and_then(|taken| Ok(taken + pieces.follow(rest)?));
    assert_eq!(in_pieces, taken);
    assert_eq!(pieces.is_over(), whole.is_over());
    let (Ok(taken), true) = (taken, whole.is_over()) else { return };
    let mut at = 0;
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&bytes[at..]) else {
            panic!("no size at {at}")
        };
        at += line;
        if size == 0 {
            break;
        }
        at += usize::try_from(size).unwrap_or(usize::MAX) + 2;
    }
    let mut lines = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(&bytes[at..], &mut lines) {
        Ok(httparse::Status::Complete((trailers, _))) => assert_eq!(at + trailers, taken),
        other => panic!("trailers that can't be read: {other:?}"),
    }
}
