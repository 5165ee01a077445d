//! Section 3, and what section 5 says of storing.

use super::*;

fn found(asked: Lines, status: u16, lines: Lines, rules: &Caching) -> Result<(), Unstorable> {
    let (status, head, directives, freshness) = reply(lines, status);
    storable(&fields(asked), status, &head, &directives, &freshness, rules)
}

#[test]
fn what_may_be_stored() {
    use Unstorable::*;
    const CC: &str = "cache-control";
    for (section, status, lines, expected) in [
        // "the response status code is final"; "if 206 or 304, … understands the status code"
        ("3", 206, &[(CC, "max-age=60")][..], Err(Partial)),
        ("3", 304, &[(CC, "max-age=60")], Err(NotModifiedUnasked)),
        // "the no-store cache directive is not present"
        ("3", 200, &[(CC, "no-store, max-age=60")], Err(NoStore)),
        ("3", 200, &[(CC, "no-store"), ("etag", "\"1\"")], Err(NoStore)),
        ("3", 200, &[(CC, "NO-STORE, max-age=60")], Err(NoStore)),
        // "if the cache is shared: the private response directive is either not present or allows"
        ("3", 200, &[(CC, "private, max-age=60")], Err(Private)),
        ("3", 200, &[(CC, "private, public, max-age=60")], Err(Private)),
        ("3", 200, &[(CC, "private=\"x-a\", max-age=60")], Ok(())),
        // "at least one of": public; Expires; max-age; s-maxage; a status that is heuristically cacheable
        ("3", 599, &[(CC, "public"), ("last-modified", OLD)], Ok(())),
        ("3", 599, &[("last-modified", OLD)], Err(NothingExplicit)),
        ("3", 599, &[("expires", FUTURE)], Ok(())),
        ("3", 599, &[(CC, "max-age=60")], Ok(())),
        ("3", 599, &[(CC, "s-maxage=60")], Ok(())),
        ("3", 500, &[("etag", "\"1\"")], Err(NothingExplicit)),
        ("3", 302, &[("last-modified", OLD)], Err(NothingExplicit)),
        ("3", 302, &[(CC, "max-age=60")], Ok(())),
        ("3", 303, &[(CC, "max-age=60")], Ok(())),
        ("3", 307, &[(CC, "max-age=60")], Ok(())),
        ("3", 403, &[(CC, "max-age=60")], Ok(())),
        ("3", 503, &[(CC, "max-age=60")], Ok(())),
        // RFC 9110 section 15.1: heuristically cacheable
        ("3", 200, &[("last-modified", OLD)], Ok(())),
        ("3", 203, &[("last-modified", OLD)], Ok(())),
        ("3", 204, &[("last-modified", OLD)], Ok(())),
        ("3", 300, &[("last-modified", OLD)], Ok(())),
        ("3", 301, &[("last-modified", OLD)], Ok(())),
        ("3", 308, &[("last-modified", OLD)], Ok(())),
        ("3", 404, &[("last-modified", OLD)], Ok(())),
        ("3", 405, &[("last-modified", OLD)], Ok(())),
        ("3", 410, &[("last-modified", OLD)], Ok(())),
        ("3", 414, &[("last-modified", OLD)], Ok(())),
        ("3", 501, &[("last-modified", OLD)], Ok(())),
        ("3", 201, &[("last-modified", OLD)], Err(NothingExplicit)),
        ("3", 403, &[("last-modified", OLD)], Err(NothingExplicit)),
        // "neither a cache validator nor an explicit expiration time … not usually useful to store"
        ("3", 200, &[], Err(NeverReusable)),
        ("3", 200, &[("etag", "\"1\"")], Ok(())),
        ("3", 200, &[(CC, "max-age=0")], Err(NeverReusable)),
        ("3", 200, &[(CC, "max-age=0"), ("etag", "\"1\"")], Ok(())),
        ("3", 200, &[(CC, "max-age=10"), ("age", "10")], Err(NeverReusable)),
        ("3", 404, &[("etag", "\"1\"")], Err(NeverReusable)),
        // "a member '*' always fails to match"
        ("4.1", 200, &[(CC, "max-age=60"), ("vary", "*")], Err(VariesByAnything)),
        ("4.1", 200, &[(CC, "max-age=60"), ("vary", "accept, *")], Err(VariesByAnything)),
        ("4.1", 200, &[(CC, "max-age=60"), ("vary", "accept")], Ok(())),
        // "limits caching to a cache that understands … that response's status code"
        ("5.2.2.3", 200, &[(CC, "no-store, must-understand, max-age=60")], Ok(())),
        ("5.2.2.3", 599, &[(CC, "no-store, must-understand, max-age=60")], Err(NoStore)),
        ("5.2.2.3", 599, &[(CC, "must-understand, max-age=60")], Err(NoStore)),
        ("5.2.2.3", 206, &[(CC, "must-understand, max-age=60")], Err(Partial)),
        // "MUST NOT be used to satisfy any other request without forwarding it for validation"
        ("5.2.2.4", 200, &[(CC, "no-cache"), ("etag", "\"1\"")], Ok(())),
        ("5.2.2.4", 200, &[(CC, "no-cache, max-age=9")], Err(NeverReusable)),
        ("5.2.2.4", 200, &[(CC, "no-cache=\"x-a\", max-age=9")], Ok(())),
        ("5.2.2.4", 200, &[(CC, "no-cache=\"\", max-age=9")], Err(NeverReusable)),
        // "unrecognized cache directives" are ignored
        ("5.2.3", 200, &[(CC, "max-age=60, x-new, x-other=\"no-store\"")], Ok(())),
        // "interpret invalid date formats, especially the value \"0\", as … in the past"
        ("5.3", 200, &[("expires", "0"), ("last-modified", OLD)], Ok(())),
        ("5.3", 404, &[("expires", "0"), ("last-modified", OLD)], Err(NeverReusable)),
        // Pragma in a response means nothing
        ("5.4", 200, &[(CC, "max-age=60"), ("pragma", "no-cache")], Ok(())),
        // The safe default: not the RFC's
        ("7.3", 200, &[(CC, "max-age=60"), ("set-cookie", "a=b")], Err(SetCookie)),
    ] {
        assert_eq!(found(&[], status, lines, &Caching::default()), expected, "section {section}: {status} {lines:?}");
    }
}

#[test]
fn what_answers_authorised_requests() {
    use Unstorable::Authorization;
    let asked = &[("authorization", "Basic Zm9v")][..];
    for (section, directives, expected) in [
        ("3.5", "max-age=60", Err(Authorization)),
        ("3.5", "proxy-revalidate, max-age=60", Err(Authorization)),
        ("5.2.2.9", "public, max-age=60", Ok(())),
        ("5.2.2.2", "must-revalidate, max-age=60", Ok(())),
        ("5.2.2.10", "s-maxage=60", Ok(())),
        ("5.2.2.7", "private, s-maxage=60", Err(Unstorable::Private)),
    ] {
        let lines = &[("cache-control", directives)];
        assert_eq!(found(asked, 200, lines, &Caching::default()), expected, "section {section}: {directives}");
    }
}

#[test]
fn cookies_are_stored_where_the_site_says_so() {
    let lines = &[("cache-control", "max-age=60"), ("set-cookie", "a=b")];
    let rules = Caching { store_set_cookie: true, ..Caching::default() };
    assert_eq!(found(&[], 200, lines, &rules), Ok(()));
}
