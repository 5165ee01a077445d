//! The sentences of RFC 9111 sections 3, 4 and 5 as tables.

use http::header::{DATE, HeaderMap, HeaderName, HeaderValue};

use http::StatusCode;

use super::*;
use crate::testing::{START, later, moment};

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn reply(lines: &[(&'static str, &str)], status: u16) -> (HeaderMap, ResponseDirectives, Freshness) {
    let mut fields = fields(lines);
    fields.insert(DATE, date::write(START));
    let directives = ResponseDirectives::read(&fields);
    let status = StatusCode::from_u16(status).unwrap();
    let freshness = Freshness::of(status, &fields, &directives, moment(), moment());
    (fields, directives, freshness)
}

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn section_3_says_what_may_be_stored() {
    use Unstorable::*;
    let rules = Caching::default();
    let anyone: &[(&'static str, &str)] = &[];
    let authorized: &[(&'static str, &str)] = &[("authorization", "Basic Zm9v")];
    for (asked, status, lines, expected) in [
        (anyone, 200, vec![("cache-control", "max-age=60")], Ok(())),
        (anyone, 200, vec![("cache-control", "s-maxage=60")], Ok(())),
        (anyone, 200, vec![("expires", "Fri, 06 Nov 2099 08:49:37 GMT")], Ok(())),
        (anyone, 200, vec![("etag", "\"1\"")], Ok(())),
        (anyone, 200, vec![("last-modified", OLD)], Ok(())),
        (anyone, 200, vec![], Err(NeverReusable)),
        (anyone, 200, vec![("cache-control", "max-age=0")], Err(NeverReusable)),
        (anyone, 200, vec![("cache-control", "max-age=0"), ("etag", "\"1\"")], Ok(())),
        (anyone, 200, vec![("cache-control", "no-cache"), ("etag", "\"1\"")], Ok(())),
        (anyone, 200, vec![("cache-control", "no-cache, max-age=9")], Err(NeverReusable)),
        (anyone, 200, vec![("cache-control", "max-age=10"), ("age", "10")], Err(NeverReusable)),
        (anyone, 200, vec![("cache-control", "no-store, max-age=60")], Err(NoStore)),
        (anyone, 200, vec![("cache-control", "no-store, must-understand, max-age=60")], Ok(())),
        (anyone, 599, vec![("cache-control", "must-understand, max-age=60")], Err(NoStore)),
        (anyone, 200, vec![("cache-control", "private, max-age=60")], Err(Private)),
        (anyone, 200, vec![("cache-control", "private=\"x\", max-age=60")], Ok(())),
        (anyone, 200, vec![("cache-control", "max-age=60"), ("set-cookie", "a=b")], Err(SetCookie)),
        (anyone, 200, vec![("cache-control", "max-age=60"), ("vary", "*")], Err(VariesByAnything)),
        (anyone, 206, vec![("cache-control", "max-age=60")], Err(Partial)),
        (anyone, 304, vec![("cache-control", "max-age=60")], Err(NotModifiedUnasked)),
        (anyone, 302, vec![("last-modified", OLD)], Err(NothingExplicit)),
        (anyone, 302, vec![("cache-control", "max-age=60")], Ok(())),
        (anyone, 500, vec![("last-modified", OLD)], Err(NothingExplicit)),
        (anyone, 500, vec![("cache-control", "max-age=60")], Ok(())),
        (anyone, 404, vec![("cache-control", "max-age=60")], Ok(())),
        (anyone, 404, vec![("etag", "\"1\"")], Err(NeverReusable)),
        (authorized, 200, vec![("cache-control", "max-age=60")], Err(Authorization)),
        (authorized, 200, vec![("cache-control", "max-age=60, public")], Ok(())),
        (authorized, 200, vec![("cache-control", "max-age=60, must-revalidate")], Ok(())),
        (authorized, 200, vec![("cache-control", "s-maxage=60")], Ok(())),
        (authorized, 200, vec![("cache-control", "proxy-revalidate, max-age=60")], Err(Authorization)),
    ] {
        let (head, directives, freshness) = reply(&lines, status);
        let status = StatusCode::from_u16(status).unwrap();
        let found = storable(&fields(asked), status, &head, &directives, &freshness, &rules);
        assert_eq!(found, expected, "{status} {lines:?}");
    }
}

#[test]
fn cookies_are_stored_where_the_site_says_so() {
    let (head, directives, freshness) = reply(&[("cache-control", "max-age=60"), ("set-cookie", "a=b")], 200);
    let rules = Caching { store_set_cookie: true, ..Caching::default() };
    assert_eq!(storable(&HeaderMap::new(), StatusCode::OK, &head, &directives, &freshness, &rules), Ok(()));
}

#[test]
fn a_stored_cookie_is_used_again_only_where_the_site_says_so() {
    let (_, directives, freshness) = reply(&[("cache-control", "max-age=60")], 200);
    let stored = Stored::new(&directives, freshness, true);
    for (store_set_cookie, expected) in [(true, Reuse::Fresh), (false, Reuse::Replace(Forward::UriMiss))] {
        let rules = Caching { store_set_cookie, ..Caching::default() };
        assert_eq!(stored.reuse(&RequestDirectives::default(), false, &rules, moment()), expected);
    }
}

/// (response's Cache-Control, seconds since, request's Cache-Control, with Authorization, client_refresh)
type Case = (&'static str, u64, &'static str, bool, bool);

fn reuse((response, after, request, authorized, client_refresh): Case) -> Reuse {
    let (_, directives, freshness) = reply(&[("cache-control", response)], 200);
    let wishes = RequestDirectives::read(&fields(&[("cache-control", request)]));
    let rules = Caching { client_refresh, ..Caching::default() };
    Stored::new(&directives, freshness, false).reuse(&wishes, authorized, &rules, later(moment(), after))
}

#[test]
fn section_4_says_what_may_be_reused() {
    use Forward::{Request, Stale as Old};
    for (case, expected) in [
        (("max-age=10", 9, "", false, false), Reuse::Fresh),
        (("max-age=10", 10, "", false, false), Reuse::Validate(Old)),
        (("no-cache, max-age=10", 0, "", false, false), Reuse::Validate(Old)),
        (("no-cache, max-age=10", 0, "max-stale", false, false), Reuse::Validate(Old)),
        // Clients force a fetch only where the site lets them.
        (("max-age=10", 1, "no-cache", false, false), Reuse::Fresh),
        (("max-age=10", 1, "max-age=0", false, false), Reuse::Fresh),
        (("max-age=10", 1, "no-cache", false, true), Reuse::Validate(Request)),
        (("max-age=10", 1, "max-age=0", false, true), Reuse::Validate(Request)),
        (("max-age=10", 1, "max-age=1", false, true), Reuse::Fresh),
        (("max-age=10", 5, "min-fresh=5", false, true), Reuse::Fresh),
        (("max-age=10", 5, "min-fresh=6", false, true), Reuse::Validate(Request)),
        (("max-age=10", 1, "no-store", false, true), Reuse::Fresh),
        // max-stale, within what the response allows.
        (("max-age=10", 15, "max-stale", false, false), Reuse::Stale),
        (("max-age=10", 15, "max-stale=5", false, false), Reuse::Stale),
        (("max-age=10", 16, "max-stale=5", false, false), Reuse::Validate(Old)),
        (("max-age=10, must-revalidate", 15, "max-stale", false, false), Reuse::Validate(Old)),
        (("max-age=10, proxy-revalidate", 15, "max-stale", false, false), Reuse::Validate(Old)),
        (("s-maxage=10", 15, "max-stale", false, false), Reuse::Validate(Old)),
        (("max-age=10", 15, "max-stale, no-cache", false, true), Reuse::Validate(Old)),
        // Authorised requests get what says that it is for them.
        (("max-age=10", 1, "", true, false), Reuse::Unfit(Request)),
        (("max-age=10, public", 1, "", true, false), Reuse::Fresh),
        (("s-maxage=10", 1, "", true, false), Reuse::Fresh),
    ] {
        assert_eq!(reuse(case), expected, "{case:?}");
    }
}
