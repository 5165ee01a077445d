//! Section 4, and what section 5 says of reuse.

use super::*;

/// Seconds since the response came, and what is asked then.
struct Asked {
    after: u64,
    wishes: &'static str,
    authorized: bool,
    client_refresh: bool,
}

fn after(seconds: u64) -> Asked {
    Asked { after: seconds, wishes: "", authorized: false, client_refresh: false }
}

fn wishing(seconds: u64, wishes: &'static str) -> Asked {
    Asked { wishes, ..after(seconds) }
}

/// Where the site lets clients refresh.
fn forcing(seconds: u64, wishes: &'static str) -> Asked {
    Asked { client_refresh: true, ..wishing(seconds, wishes) }
}

fn authorized(seconds: u64) -> Asked {
    Asked { authorized: true, ..after(seconds) }
}

fn reuse(lines: Lines, asked: &Asked) -> Reuse {
    let (_, _, directives, freshness) = reply(lines, 200);
    let wishes = RequestDirectives::read(&fields(&[("cache-control", asked.wishes)]));
    let rules = Caching { client_refresh: asked.client_refresh, ..Caching::default() };
    let now = later(moment(), asked.after);
    Stored::new(&directives, freshness, false).reuse(&wishes, asked.authorized, &rules, now)
}

#[test]
fn what_may_be_reused() {
    use Forward::{Request, Stale as Old};
    use Reuse::*;
    for (section, response, asked, expected) in [
        // "fresh; or allowed to be served stale; or successfully validated"
        ("4", "max-age=10", after(9), Fresh),
        ("4.2", "max-age=10", after(10), Validate(Old)),
        ("4.2", "max-age=0", after(0), Validate(Old)),
        // "If the cache is shared and the s-maxage response directive is present, use its value"
        ("4.2.1", "s-maxage=20, max-age=10", after(19), Fresh),
        ("4.2.1", "s-maxage=10, max-age=20", after(10), Validate(Old)),
        // "encouraged to consider responses that have invalid freshness information to be stale"
        ("4.2.1", "max-age=ten", after(0), Validate(Old)),
        ("4.2.1", "max-age=20, max-age=10", after(10), Validate(Old)),
        // "MUST NOT generate a stale response if it is prohibited by an explicit in-protocol directive"
        ("4.2.4", "max-age=10, must-revalidate", wishing(15, "max-stale"), Validate(Old)),
        ("4.2.4", "max-age=10, proxy-revalidate", wishing(15, "max-stale"), Validate(Old)),
        ("4.2.4", "s-maxage=10", wishing(15, "max-stale"), Validate(Old)),
        // What says nothing of how long it holds may be one client's alone.
        ("4.2.4", "", wishing(0, "max-stale"), Validate(Old)),
        ("4.2.4", "max-age=0", wishing(0, "max-stale"), Stale),
        ("4.2.4", "no-cache, max-age=10", wishing(15, "max-stale"), Validate(Old)),
        // "unless … explicitly permitted by the client or origin server"
        ("4.2.4", "max-age=10", after(15), Validate(Old)),
        ("4.2.4", "max-age=10", wishing(15, "max-stale"), Stale),
        // Advice, which the site follows or not
        ("5.2.1.1", "max-age=10", wishing(1, "max-age=0"), Fresh),
        ("5.2.1.1", "max-age=10", forcing(1, "max-age=0"), Validate(Request)),
        ("5.2.1.1", "max-age=10", forcing(1, "max-age=1"), Fresh),
        ("5.2.1.2", "max-age=10", wishing(15, "max-stale=5"), Stale),
        ("5.2.1.2", "max-age=10", wishing(16, "max-stale=5"), Validate(Old)),
        ("5.2.1.2", "max-age=10", wishing(15, "max-stale=five"), Validate(Old)),
        ("5.2.1.3", "max-age=10", wishing(5, "min-fresh=6"), Fresh),
        ("5.2.1.3", "max-age=10", forcing(5, "min-fresh=5"), Fresh),
        ("5.2.1.3", "max-age=10", forcing(5, "min-fresh=6"), Validate(Request)),
        ("5.2.1.4", "max-age=10", wishing(1, "no-cache"), Fresh),
        ("5.2.1.4", "max-age=10", forcing(1, "no-cache"), Validate(Request)),
        ("5.2.1.4", "max-age=10", forcing(15, "max-stale, no-cache"), Validate(Old)),
        ("5.2.1.5", "max-age=10", forcing(1, "no-store"), Fresh),
        // "MUST NOT be used to satisfy any other request without forwarding it"
        ("5.2.2.4", "no-cache, max-age=10", after(0), Validate(Old)),
        ("5.2.2.4", "no-cache=\"x-a\", max-age=10", after(0), Fresh),
        // "MUST NOT use a cached response to a request with an Authorization header field"
        ("3.5", "max-age=10", authorized(1), Unfit(Request)),
        ("5.2.2.9", "max-age=10, public", authorized(1), Fresh),
        ("5.2.2.2", "max-age=10, must-revalidate", authorized(1), Fresh),
        ("5.2.2.10", "s-maxage=10", authorized(1), Fresh),
        ("5.2.2.10", "s-maxage=10", authorized(10), Validate(Old)),
        // RFC 5861: "up to the indicated number of seconds"
        ("5861, 3", "max-age=10, stale-while-revalidate=5", after(9), Fresh),
        ("5861, 3", "max-age=10, stale-while-revalidate=5", after(14), Meanwhile),
        ("5861, 3", "max-age=10, stale-while-revalidate=5", after(15), Validate(Old)),
        ("5861, 3", "max-age=10, stale-while-revalidate", after(11), Validate(Old)),
        ("5861, 3", "max-age=10, stale-while-revalidate=5", wishing(15, "max-stale"), Stale),
        ("5861, 3", "max-age=10, stale-while-revalidate=5", forcing(11, "no-cache"), Validate(Old)),
        ("5861, 3", "max-age=10, stale-while-revalidate=5, must-revalidate", after(11), Validate(Old)),
        ("5861, 3", "max-age=10, stale-while-revalidate=5, proxy-revalidate", after(11), Validate(Old)),
        ("5861, 3", "s-maxage=10, stale-while-revalidate=5", after(11), Validate(Old)),
        ("5861, 3", "no-cache, max-age=10, stale-while-revalidate=5", after(11), Validate(Old)),
        // RFC 8246: "unless there is a signal from the client that a validation is necessary"
        ("8246, 2.1", "max-age=10, immutable", forcing(1, "max-age=0"), Fresh),
        ("8246, 2.1", "max-age=10, immutable", forcing(1, "no-cache"), Validate(Request)),
        ("8246, 2", "max-age=10, immutable", after(10), Validate(Old)),
    ] {
        let found = reuse(&[("cache-control", response)], &asked);
        assert_eq!(found, expected, "section {section}: {response}, after {} s, {}", asked.after, asked.wishes);
    }
}

#[test]
fn what_holds_without_directives() {
    use Reuse::{Fresh, Validate};
    let old = Validate(Forward::Stale);
    let [soon, yesterday] = [10, -100].map(|offset| {
        let time = date::write(terms::Timestamp::from_secs(START.secs() + offset));
        time.to_str().unwrap().to_owned()
    });
    for (section, lines, asked, expected) in [
        // "If the Expires response header field is present, use its value minus the value of the Date"
        ("4.2.1", &[("expires", soon.as_str())][..], after(9), Fresh),
        ("4.2.1", &[("expires", soon.as_str())], after(10), old),
        ("5.3", &[("expires", "0")], after(0), old),
        ("5.3", &[("expires", FUTURE), ("expires", "0")], after(0), old),
        // "MUST ignore the Expires header field"
        ("5.3", &[("expires", FUTURE), ("cache-control", "max-age=10")], after(10), old),
        ("5.3", &[("expires", "0"), ("cache-control", "s-maxage=10")], after(9), Fresh),
        // "no more than some fraction of the interval since that time … 10%"
        ("4.2.2", &[("last-modified", yesterday.as_str())], after(9), Fresh),
        ("4.2.2", &[("last-modified", yesterday.as_str())], after(10), old),
        // "MUST NOT use heuristics to determine freshness when an explicit expiration time is present"
        ("4.2.2", &[("last-modified", OLD), ("expires", "0")], after(0), old),
        ("4.2.2", &[("last-modified", OLD), ("cache-control", "max-age=0")], after(0), old),
        ("4.2", &[], after(0), old),
        // Age, section 4.2.3 and 5.1
        ("4.2.3", &[("cache-control", "max-age=10"), ("age", "4")], after(5), Fresh),
        ("4.2.3", &[("cache-control", "max-age=10"), ("age", "4")], after(6), old),
        ("5.1", &[("cache-control", "max-age=10"), ("age", "4, 20")], after(5), Fresh),
        ("5.1", &[("cache-control", "max-age=10"), ("age", "old")], after(9), Fresh),
        ("5.1", &[("cache-control", "max-age=10"), ("age", "-5")], after(9), Fresh),
        ("5.1", &[("cache-control", "max-age=10"), ("age", "99999999999999999999")], after(0), old),
        // RFC 9213 section 2.2: "MUST ignore the Cache-Control and Expires header fields"
        ("9213, 2.2", &[("cdn-cache-control", "max-age=10"), ("cache-control", "max-age=0")], after(9), Fresh),
        ("9213, 2.2", &[("cdn-cache-control", "max-age=10"), ("expires", "0")], after(9), Fresh),
        ("9213, 2.2", &[("cdn-cache-control", "max-age=10"), ("cache-control", "max-age=20")], after(10), old),
        ("9213, 2.2", &[("cdn-cache-control", "no-cache"), ("cache-control", "max-age=20")], after(0), old),
    ] {
        let found = reuse(lines, &asked);
        assert_eq!(found, expected, "section {section}: {lines:?}, after {} s", asked.after);
    }
}

#[test]
fn what_stands_in_where_the_origin_fails() {
    use Failure::{Error, NoAnswer};
    const DAY: u64 = 24 * 60 * 60;
    for (section, response, seconds, failure, expected) in [
        // "unless it is disconnected"
        ("4.2.4", "max-age=10", 11, NoAnswer, true),
        ("4.2.4", "max-age=10", 10 + DAY, NoAnswer, true),
        ("4.2.4", "max-age=10", 11 + DAY, NoAnswer, false),
        ("4.2.4", "max-age=10", 11, Error, false),
        ("4.2.4", "max-age=0", 1, NoAnswer, false),
        ("4.2.4", "", 1, NoAnswer, false),
        // "if a cache is disconnected, the cache MUST generate an error response"
        ("5.2.2.2", "max-age=10, must-revalidate", 11, NoAnswer, false),
        ("5.2.2.8", "max-age=10, proxy-revalidate", 11, NoAnswer, false),
        ("5.2.2.10", "s-maxage=10", 11, NoAnswer, false),
        ("5.2.2.4", "no-cache, max-age=10", 11, NoAnswer, false),
        // RFC 5861: "Its value indicates the upper limit to staleness"
        ("5861, 4", "max-age=10, stale-if-error=5", 15, Error, true),
        ("5861, 4", "max-age=10, stale-if-error=5", 16, Error, false),
        ("5861, 4", "max-age=10, stale-if-error=5", 15, NoAnswer, true),
        ("5861, 4", "max-age=10, stale-if-error=5", 16, NoAnswer, false),
        ("5861, 4", "max-age=10, stale-if-error=5, must-revalidate", 11, Error, false),
        ("5861, 4", "max-age=10, stale-if-error", 11, Error, false),
    ] {
        let (_, _, directives, freshness) = reply(&[("cache-control", response)], 200);
        let stored = Stored::new(&directives, freshness, false);
        let found = stored.serves_on(failure, &Caching::default(), later(moment(), seconds));
        assert_eq!(found, expected, "section {section}: {response}, {failure:?} after {seconds} s");
    }
}

#[test]
fn a_stored_cookie_is_used_again_only_where_the_site_says_so() {
    let (_, _, directives, freshness) = reply(&[("cache-control", "max-age=60")], 200);
    let stored = Stored::new(&directives, freshness, true);
    for (store_set_cookie, expected) in [(true, Reuse::Fresh), (false, Reuse::Replace(Forward::UriMiss))] {
        let rules = Caching { store_set_cookie, ..Caching::default() };
        assert_eq!(stored.reuse(&RequestDirectives::default(), false, &rules, moment()), expected);
        assert_eq!(stored.serves_on(Failure::NoAnswer, &rules, moment()), store_set_cookie);
    }
}
