//! What must hold for any bytes, whoever sends them. Property tests call these, and the fuzz targets in
//! `fuzz/` have nothing else in them; a violated check panics.

use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::Uri;

use crate::url::{Scheme, Url};
use crate::wire::head::{Limits, walk};

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
}

/// A target that passes as a request's is a URL or an error, and the canonical URL of one is its own.
pub fn request(host: &[u8], target: &[u8]) {
    let (Ok(host), Ok(target)) = (HeaderValue::from_bytes(host), Uri::try_from(target)) else { return };
    let fields = HeaderMap::from_iter([(HOST, host)]);
    if let Ok(url) = Url::of_request(Scheme::Https, &target, &fields) {
        self::url(url.canonical());
    }
}

/// A head that was walked whole is refused or taken alike when only a part of it is there first.
pub fn head(bytes: &[u8], cut: usize) {
    const LIMITS: Limits = Limits { head: 4096, target: 1024, fields: 32 };
    let whole = walk(bytes, &LIMITS);
    if let Ok(Some(walked)) = whole {
        assert!(walked.length <= bytes.len() && bytes[..walked.length].ends_with(b"\r\n\r\n"));
    }
    match walk(&bytes[..cut.min(bytes.len())], &LIMITS) {
        Ok(None) => {}
        Ok(early) => assert_eq!(Ok(early), whole),
        // Which of several faults is named may hang on how much is there.
        Err(_) => assert!(whole.is_err(), "a part is refused, and the whole is not"),
    }
}
