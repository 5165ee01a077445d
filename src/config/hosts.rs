//! Which hosts a site answers for, and where its origin is.

use std::net::IpAddr;

use terms::url::Scheme;

use super::errors::{Wrong, quoted};
use super::hidden;
use crate::sites::HostPattern;

/// Reads a pattern as a config words it.
pub(super) fn pattern(text: &str) -> Result<HostPattern, Wrong> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let (make, name): (fn(String) -> HostPattern, &str) = if let Some(name) = text.strip_prefix("*.") {
        (HostPattern::Under, name)
    } else if let Some(name) = text.strip_prefix('.') {
        (HostPattern::Tree, name)
    } else {
        (HostPattern::Exact, text)
    };
    if name.contains('*') {
        let what = format!("{} is not a host: `*` is the whole first label or stands alone", quoted(text));
        return Err(Wrong::new(what, "write \"*.photos.example\", or \"*\" for any host"));
    }
    let host = terms::url::host(name).map_err(|error| no_host(text, name, &error))?;
    if name != text && address(&host).is_some() {
        let what = format!("{} is not a host: an address has no names under it", quoted(text));
        return Err(Wrong::new(what, format!("write \"{host}\"")));
    }
    Ok(make(host))
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn no_host(text: &str, name: &str, error: &terms::UrlError) -> Wrong {
    let help = match name {
        _ if name.contains("://") => "leave out the scheme: write the host alone, such as \"photos.example\"",
        _ if name.parse::<std::net::Ipv6Addr>().is_ok() => "write an IPv6 address in brackets, such as \"[::1]\"",
        _ if name.contains('/') => "leave out the path: write the host alone, such as \"photos.example\"",
        _ if name.contains(':') => "leave out the port: a site has its hosts on every port",
        _ => "write a name such as \"photos.example\", or \"*\" for any host",
    };
    Wrong::new(format!("{} is not a host: {error}", quoted(&hidden::url(text))), help)
}

/// Reads `http://HOST[:PORT]` or the same with `https`. The host of the address is without brackets, as it
/// is dialled.
pub(super) fn origin(text: &str) -> Result<(Scheme, origin::Address), Wrong> {
    const EXAMPLE: &str = "write \"http://127.0.0.1:3000\"";
    let bad =
        |why: &str, help: &str| Wrong::new(format!("{} is not an origin: {why}", quoted(&hidden::url(text))), help);
    let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no scheme", EXAMPLE))?;
    let (scheme, usual_port) = match () {
        () if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, 80),
        () if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, 443),
        () => return Err(bad("its scheme is neither http nor https", EXAMPLE)),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '\\']) {
        return Err(bad(
            "it has a path",
            "write host and port alone: the path that was asked for goes there as it came",
        ));
    }
    if authority.contains('@') {
        return Err(bad("it holds credentials", "leave out what stands before the @: secrets are kept in files"));
    }
    let host_end = authority.find(']').map_or_else(|| authority.find(':').unwrap_or(authority.len()), |end| end + 1);
    let (host, port) = authority.split_at(host_end);
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => usual_port,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().unwrap_or(0),
        _ => 0,
    };
    if port == 0 {
        return Err(bad("its port is not a number from 1 to 65535", EXAMPLE));
    }
    let host = terms::url::host(host).map_err(|error| bad(&error.to_string(), EXAMPLE))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    Ok((scheme, origin::Address { host: bare.to_owned(), port }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sites::ByHost;

    #[test]
    fn a_wildcard_is_one_label() {
        let hosts = ["photos.example", "a.photos.example", "a.b.photos.example", "xphotos.example", "example"];
        for (text, covered) in [
            ("*", [true, true, true, true, true]),
            ("photos.example", [true, false, false, false, false]),
            ("*.photos.example", [false, true, false, false, false]),
            (".photos.example", [true, true, false, false, false]),
        ] {
            let read = [pattern(text).unwrap()];
            let by_host = ByHost::new([(&read[..], ())]);
            assert_eq!(hosts.map(|host| by_host.find(host).is_some()), covered, "{text}");
            assert_eq!(read[0].to_string(), text);
        }
    }

    #[test]
    fn hosts_are_canonical() {
        for (text, host) in [
            ("Photos.EXAMPLE.", "photos.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[0:0::1]", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(pattern(text), Ok(HostPattern::Exact(host.to_owned())), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_host() {
        for text in [
            "",
            ".",
            "*.",
            "**",
            "a.*",
            "*a.example",
            "*.*.example",
            "http://a.example",
            "a.example:80",
            "a.example/x",
            "::1",
            "a b",
            "..a",
            "*.127.0.0.1",
            ".[::1]",
            "a,b",
            "u@a.example",
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_origins() {
        for (text, scheme, host, port) in [
            ("http://127.0.0.1:3000", Scheme::Http, "127.0.0.1", 3000),
            ("HTTP://Back.Example/", Scheme::Http, "back.example", 80),
            ("http://my_app:8080", Scheme::Http, "my_app", 8080),
            ("http://[::1]:3000", Scheme::Http, "::1", 3000),
            ("http://[::1]", Scheme::Http, "::1", 80),
            ("https://back.example", Scheme::Https, "back.example", 443),
            ("https://[::1]:8443/", Scheme::Https, "::1", 8443),
        ] {
            assert_eq!(origin(text), Ok((scheme, origin::Address { host: host.to_owned(), port })), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_origin() {
        for text in [
            "",
            "127.0.0.1:3000",
            "back.example",
            "ftp://a",
            "http://",
            "http:///",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:x",
            "http://a:80:80",
            "http://a/path",
            "http://a?q",
            "http://a#f",
            "http://u:p@a",
            "http://[::1",
            "http://[::1]x",
            "http://a b",
            "https://a/path",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", close in "(https?://)?[*.]{0,2}[a-z\\[\\]:.]{0,12}[:/@?]?[0-9]{0,6}") {
            for text in [&text, &close] {
                let _ = (pattern(text), origin(text));
            }
        }
    }
}
