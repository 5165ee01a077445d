use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::Uri;
use proptest::prelude::*;

use super::{EncodedSlash, Folded, Parameters, PathParams, Scheme, Spelling, Url, UrlError, host};

fn canonical(text: &str) -> String {
    Url::parse(text).map(|url| url.canonical().to_owned()).unwrap_or_else(|error| format!("{error:?}"))
}

fn asked(target: &str, hosts: &[&str]) -> Result<Url, UrlError> {
    let mut fields = HeaderMap::new();
    for host in hosts {
        fields.append(HOST, HeaderValue::from_str(host).unwrap());
    }
    Url::of_request(Scheme::Http, &target.parse::<Uri>().unwrap(), &fields)
}

#[test]
fn every_spelling_of_one_url_is_one() {
    let rule = "https://photos.example/a/stolen.jpg";
    for spelling in [
        "http://photos.example/a/stolen.jpg",
        "photos.example/a/stolen.jpg",
        "HTTPS://PHOTOS.example:8443/a/stolen.jpg#top",
        "https://photos.example./a/stolen.jpg",
        "https://user:secret@photos.example:/a/stolen.jpg",
        "https://photos.example/%61/stolen%2ejpg",
        "https://photos.example/a/./stolen.jpg",
        "https://photos.example/a/b/../stolen.jpg",
        "https://photos.example/a/b/%2E%2e/stolen.jpg",
        "https://photos.example/a/b/.%2e/stolen.jpg",
        "https://photos.example/../a/stolen.jpg",
        "https://photos.example//a///stolen.jpg",
        "https://photos.example/a\\stolen.jpg",
        "https://photos.example/a%5Cstolen.jpg",
        "https://photos.example/a%2fstolen.jpg",
        "https://photos.example/a;v=1/stolen.jpg;x",
        "https://photos.example/a/stolen.jpg%3Bx",
        "https://photos.example/;/a/..;/a/stolen.jpg",
        "https://photos.example/a/stolen.jpg/",
        "https://photos.example/a/stolen.jpg?",
        "https://photos.example/a/stolen.jpg?&",
    ] {
        assert_eq!(canonical(spelling), rule, "{spelling}");
    }
}

#[test]
fn look_alikes_stay_apart() {
    let rule = Url::parse("https://photos.example/a/stolen.jpg").unwrap();
    for other in [
        "https://photos.example/a/stolen.jpeg",
        "https://photos.example/a/Stolen.jpg",
        "https://photos.example/a/stolen%2541.jpg",
        "https://photos.example/a/b/%252e%252e/stolen.jpg",
        "https://photos.example/a/stolen.jpg/x",
        "https://photos.example/a.stolen.jpg",
        "https://hotos.example/a/stolen.jpg",
        "https://photos.example.org/a/stolen.jpg",
        "https://photos.example/a/.../stolen.jpg",
        "https://photos.example/a/stolen.jpg%3Fx=1",
    ] {
        assert!(!rule.is_same(&Url::parse(other).unwrap()), "{other}");
    }
}

#[test]
fn a_query_is_a_set_of_pairs() {
    let rule = "https://h.example/p?a=1%202&b=x/y";
    for spelling in [
        "h.example/p?b=x/y&a=1+2",
        "h.example/p?b=x%2Fy&a=1%202&b=x/y",
        "h.example/p?&&a=%31%202;b=x%2fy",
        "h.example/p?+a=1+2&%20b=x/y",
        "h.example/p/?b=x/y&a=1%202&",
        // PHP ends a name there.
        "h.example/p?b=x/y&a%00c=1%202",
    ] {
        assert_eq!(canonical(spelling), rule, "{spelling}");
    }
    assert_eq!(canonical("h.example/p?a="), "https://h.example/p?a");
    assert_eq!(canonical("h.example/p?a=1%002"), "https://h.example/p?a=1%002");
    assert_eq!(canonical("h.example/p?a%2500=1"), "https://h.example/p?a%2500=1");
    assert_eq!(canonical("h.example/p?a%3Db=c=d"), "https://h.example/p?a%3Db=c=d");
    assert_eq!(canonical("h.example/p?a=1%262"), "https://h.example/p?a=1%262");
    assert_eq!(canonical("h.example/p?a=1%2B2"), "https://h.example/p?a=1%2B2");
}

#[test]
fn what_dots_take_away_and_params_hide_is_read_in_every_way() {
    // What servers make of it, one by one: nginx merges slashes first, RFC 3986 does not; some
    // take an encoded slash for a part of a name; some strip `;x` before dots, some after.
    for (spelling, readings) in [
        ("/a//../b", &["/b", "/a/b"][..]),
        ("/a/x%2Fy/../b", &["/a/x/b", "/a/b"]),
        ("/a/x%5Cy/../b", &["/a/x/b", "/a/b"]),
        ("/a/..;/../b", &["/b", "/a/b"]),
        // Where `;x` ends hangs on what separates, too.
        ("/a/b;x%2Fy", &["/a/b", "/a/b/y"]),
        ("/a/b%3Bx%5Cy/c", &["/a/b/c", "/a/b/y/c"]),
        ("/a/b/../c", &["/a/c"]),
    ] {
        let url = Url::parse(&format!("h.example{spelling}")).unwrap();
        for reading in readings {
            assert!(
                url.readings().any(|one| one.path() == *reading),
                "{spelling} is not read as {reading}: {:?}",
                url.readings().collect::<Vec<_>>()
            );
        }
    }
    assert_eq!(Url::parse("h.example/a/b/../c").unwrap().readings().count(), 1);
}

#[test]
fn hosts_are_names_or_addresses() {
    for (text, name) in [
        ("Photos.Example", "photos.example"),
        ("photos.example.", "photos.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
        ("under_score.example", "under_score.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::0:1]", "[2001:db8::1]"),
    ] {
        assert_eq!(host(text).as_deref(), Ok(name), "{text}");
    }
    for text in ["", ".", "a..b", "a b", "a,b", "a@b", "a%62", "[::1", "[fe80::1%eth0]", "a..", "ex*mple", "a/b"] {
        assert!(host(text).is_err(), "{text}");
    }
    assert!(host(&format!("{}.example", "a".repeat(64))).is_err());
}

#[test]
fn what_is_odd_is_refused_not_guessed_at() {
    for (text, error) in [
        ("https://h.example/%", UrlError::BadEscape),
        ("https://h.example/%4", UrlError::BadEscape),
        ("https://h.example/?q=100%", UrlError::BadEscape),
        ("https://h.example/%00", UrlError::Control),
        ("https://h.example/a%0Ab", UrlError::Control),
        ("https://h.example/\u{1}", UrlError::Control),
        ("https://h.example/a b", UrlError::BadCharacter),
        ("https://h.example:99999/", UrlError::BadPort),
        ("https://h.example:8x/", UrlError::BadPort),
        ("ftp://h.example/", UrlError::Scheme),
        ("https:/h.example/", UrlError::Scheme),
        ("https:///path", UrlError::NoHost),
        ("", UrlError::NoHost),
    ] {
        assert_eq!(Url::parse(text).map(|url| url.canonical().to_owned()), Err(error), "{text}");
    }
}

#[test]
fn a_request_names_one_host() {
    assert_eq!(asked("/a", &["h.example:8080"]).unwrap().canonical(), "https://h.example/a");
    assert_eq!(asked("http://h.example/a", &["h.example"]).unwrap().canonical(), "https://h.example/a");
    assert_eq!(asked("http://h.example/a", &["H.example"]).unwrap().canonical(), "https://h.example/a");
    for (target, hosts, error) in [
        ("/a", &[][..], UrlError::NoHost),
        ("/a", &["h.example", "h.example"], UrlError::TwoHosts),
        ("http://other.example/a", &["h.example"], UrlError::TwoHosts),
        ("/a", &["user@h.example"], UrlError::BadHost),
        ("/a", &["h.example, i.example"], UrlError::BadHost),
        ("*", &["h.example"], UrlError::NotAPath),
    ] {
        assert_eq!(asked(target, hosts).map(|url| url.canonical().to_owned()), Err(error), "{target} {hosts:?}");
    }
}

#[test]
fn the_key_merges_nothing_that_an_origin_tells_apart() {
    let key = |target, host: &str| asked(target, &[host]).unwrap().key();
    let one = key("/a?x=1&y=2", "h.example");
    assert_eq!(one, key("/a?x=1&y=2", "h.example"));
    for (target, host) in [
        ("/a?y=2&x=1", "h.example"),
        ("/a/?x=1&y=2", "h.example"),
        ("/%61?x=1&y=2", "h.example"),
        ("/a?x=1&y=2", "h.example:80"),
        ("/a?x=1&y=2", "h.example:080"),
        ("/a?x=1&y=2", "H.example"),
        ("/a?x=1&y=2", "h.example."),
        ("/a?x=1&y=2", "i.example"),
    ] {
        assert_ne!(one, key(target, host), "{target} {host}");
    }
}

fn awkward_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "//", "\\", "%2F", "%5c", ".", "..", "%2e", "%2E%2e", ";", ";x=1", "%3B", "a", "b%20", "%25", "%252e",
        "é", "+", "=", "%C3%A9", "%ff", "~", "%7E", "?", "&", "c=d", "c=", "%26", "%3D", "#", "A", "%42", "É", "x=1",
        "utm_y",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

#[test]
fn steps_lead_from_what_came_to_the_canonical_text() {
    let steps =
        Url::steps("HTTP://u@Photos.example.:8080/%61//x/../b%2Fc;v=1/?b=2&a=%31#top", &Spelling::default()).unwrap();
    let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "HTTP://u@Photos.example.:8080/%61//x/../b%2Fc;v=1/?b=2&a=%31#top",
            "https://photos.example/%61//x/../b%2Fc;v=1/?b=2&a=%31",
            "https://photos.example/%61//x/../b%2Fc;v=1/?b=2&a=%31",
            "https://photos.example/a//x/../b%2Fc;v=1/?b=2&a=%31",
            "https://photos.example/a/b/c?b=2&a=%31",
            "https://photos.example/a/b/c?a=1&b=2",
        ]
    );
    let ambiguous = Url::steps("h.example/a//../b", &Spelling::default()).unwrap();
    assert_eq!(ambiguous.last().unwrap().text, "https://h.example/a/b");
    assert_eq!(Url::steps("ftp://h.example/", &Spelling::default()), Err(UrlError::Scheme));
}

#[test]
fn a_url_is_made_again_of_its_parts() {
    let target = "/a//%2e/b;x?q=2&q=1";
    let url = asked(target, &["Photos.example:81"]).unwrap();
    assert_eq!((url.scheme(), url.authority(), url.target()), (Scheme::Http, "Photos.example:81", target));
    let again = |url: &Url| Url::again(url.scheme(), url.authority(), url.target(), url.salt().copied()).unwrap();
    assert_eq!(again(&url).key(), url.key());
    let salted = url.clone().apart(b"lang=de;");
    assert_ne!(salted.key(), url.key());
    assert_eq!((again(&salted).key(), again(&salted).scheme()), (salted.key(), Scheme::Http));
    assert_ne!(url.clone().apart(b"lang=fr;").key(), salted.key());
    for (authority, target) in [("h.example", "a"), ("h.example", "*"), ("", "/"), ("a,b", "/"), ("h.example", "/%")] {
        assert!(Url::again(Scheme::Https, authority, target, None).is_err(), "{authority} {target}");
    }
}

fn readings_by(spelling: &Spelling, target: &str) -> Vec<String> {
    let spelled = asked(target, &["h.example"]).unwrap().spelled(spelling);
    spelled.readings.iter().map(|reading| reading.as_str().strip_prefix("https://h.example").unwrap().into()).collect()
}

#[test]
fn a_site_says_what_its_origins_take_for_the_same() {
    let usual = Spelling::default();
    let ignores_case = Spelling { ignore_case: true, ..usual.clone() };
    let names = vec!["utm_*".to_owned(), "fbclid".to_owned()];
    let ignores_some = Spelling { ignored: Parameters::read(names).unwrap(), ..usual.clone() };
    let params = Spelling { path_params: PathParams::Distinct, ..usual.clone() };
    let slash = Spelling { encoded_slash: EncodedSlash::Distinct, ..usual.clone() };
    for (spelling, text, readings) in [
        (&usual, "/A;x/b%2fC?fbclid=1", &["/A/b/C?fbclid=1"][..]),
        (&ignores_case, "/Secret/%41.JPG?Q=Z", &["/secret/a.jpg?Q=Z"]),
        (&ignores_case, "/\u{c9}T\u{c9}/%c3%89", &["/%C3%A9t%C3%A9/%C3%A9"]),
        (&ignores_case, "/%FF%2525;X", &["/%FF%2525"]),
        (&ignores_some, "/A?utm_x=1&id=5&%66bclid", &["/A?id=5"]),
        (&ignores_some, "/A?utm_x=1", &["/A"]),
        (&ignores_some, "/A?Utm_x=1&fbclids", &["/A?Utm_x=1&fbclids"]),
        // A server that doesn't separate at `;` ignores what stands behind it with the rest.
        (&ignores_some, "/A?utm_x=1;id=5", &["/A?id=5", "/A"]),
        (&params, "/a;x=1/b%3By/c/", &["/a;x=1/b;y/c"]),
        (&params, "/a/..;/b%2Fc", &["/a/..;/b/c"]),
        (&params, "/a/;/../b", &["/a/b"]),
        (&slash, "/a%2fb/c%5Cd;x", &["/a%2Fb/c%5Cd"]),
        (&slash, "/x%2Fy/../b", &["/b"]),
        (&slash, "/x/%2e%2e%2fb", &["/x/..%2Fb"]),
        // Whether that is a separator is for nobody to say.
        (&slash, "/a\\b", &["/a/b", "/a%5Cb"]),
    ] {
        assert_eq!(readings_by(spelling, text), readings, "{text} {spelling:?}");
    }
}

#[test]
fn steps_say_what_the_site_chose() {
    let all = Spelling {
        ignore_case: true,
        ignored: Parameters::read(vec!["utm_*".to_owned()]).unwrap(),
        path_params: PathParams::Distinct,
        encoded_slash: EncodedSlash::Distinct,
    };
    let steps = Url::steps("h.example/A;x//%2f?utm_x&b&a", &all).unwrap();
    let told: Vec<(&str, &str)> =
        steps[4..].iter().map(|step| (step.what, &step.text["https://h.example".len()..])).collect();
    assert_eq!(
        told,
        [
            (
                "no empty segment, dot or slash at the end; ;params, %2F and %5C stay, for the site tells them apart",
                "/A;x/%2F?utm_x&b&a"
            ),
            ("the path in lower case, for the site ignores case", "/a;x/%2F?utm_x&b&a"),
            ("pairs of the query sorted, each once", "/a;x/%2F?a&b&utm_x"),
            ("without the parameters that the site ignores", "/a;x/%2F?a&b"),
        ]
    );
}

proptest! {
    #[test]
    fn the_last_step_of_the_usual_reading_is_the_canonical_text(path in awkward_path()) {
        let text = format!("https://h.example{path}");
        match (Url::parse(&text), Url::steps(&text, &Spelling::default())) {
            (Ok(url), Ok(steps)) => prop_assert_eq!(url.canonical(), &steps[5].text),
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn folding_twice_is_folding_once(path in awkward_path()) {
        crate::checks::url(&format!("https://h.example{path}"));
    }

    #[test]
    fn any_text_is_a_url_or_an_error(text in ".{0,200}") {
        crate::checks::url(&text);
        crate::checks::request(b"h.example", text.as_bytes());
        crate::checks::request(text.as_bytes(), b"/");
        let _ = host(&text);
    }

    #[test]
    fn escaping_any_byte_of_a_path_changes_nothing(path in "(/[a-z0-9._~-]{1,8}){1,4}", picks in prop::collection::vec(any::<bool>(), 40)) {
        let plain = Url::parse(&format!("https://h.example{path}")).unwrap();
        let escaped: String = path.bytes().zip(picks.iter().cycle()).map(|(byte, pick)| {
            if *pick && byte != b'/' { format!("%{byte:02x}") } else { (byte as char).to_string() }
        }).collect();
        let spelled = Url::parse(&format!("https://h.example{escaped}")).unwrap();
        prop_assert_eq!(plain.canonical(), spelled.canonical());
    }
}

#[test]
fn readings_alone_are_those_of_the_url() {
    for text in [
        "h.example",
        "http://u@H.example.:80/a//../b?y=2&x=%31#f",
        "h.example/a/..;p/b",
        "h.example/%zz",
        "a b/",
        "[::1]:8/x%2F..",
    ] {
        let of_url = Url::parse(text).map(|url| url.readings().cloned().collect::<Vec<Folded>>());
        assert_eq!(super::readings(text).map(Vec::from), of_url, "{text}");
    }
}

/// `..;` is taken for `..` by the second of two servers alone, and neither takes `%2F` for a separator.
#[test]
fn what_two_servers_make_of_a_path_is_a_reading_whatever_separates() {
    let text = "dt/s.maexpx=0&%2Fb//..;/chFb//..";
    crate::checks::url(text);
    let url = Url::parse(text).unwrap();
    assert!(url.readings().any(|reading| reading.as_str() == "https://dt/chFb"));
}
