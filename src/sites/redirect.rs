//! Sending clients elsewhere.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use terms::{Answer, Ask, Body, Url};

use super::{ByPath, PathPattern};

/// Where clients are sent to. What it says is fit to stand in `Location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// An absolute URL, or a path; it ends in `/` where the rest of the path joins it.
    pub to: String,
    /// The rest of the path behind the pattern is joined to `to`.
    pub joins_rest: bool,
    /// 301, 302, 307 or 308.
    pub status: StatusCode,
}

/// The redirects of a site.
pub type Redirects = ByPath<Redirect>;

impl Redirect {
    /// `Location` for a URL that `from` covers. The path's rest stands in it in canonical form, so that it
    /// leads nowhere but below `to`; a query goes along as it came, unless `to` has its own.
    fn location(&self, from: &PathPattern, url: &Url) -> String {
        let (path, query) = match url.target().split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (url.target(), None),
        };
        let mut location = self.to.clone();
        if self.joins_rest {
            let rest = from.rest(url.folded().path());
            location.push_str(rest);
            // A folder and a file are one to a list, and not to a server.
            if !rest.is_empty() && path.ends_with('/') {
                location.push('/');
            }
        }
        if let Some(query) = query.filter(|_| !self.to.contains('?')) {
            location.push('?');
            location.push_str(query);
        }
        location
    }
}

/// The answer that sends a client to the same URL by https at a port. Methods other than GET and HEAD must
/// not become GET on the way, which 308 forbids and 301 doesn't (RFC 9110 section 15.4).
pub fn to_https(port: u16, ask: &Ask, url: &Url) -> Option<Answer> {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let location = HeaderValue::try_from(format!("https://{}{port}{}", url.host(), url.target())).ok()?;
    let fields = HeaderMap::from_iter([(header::LOCATION, location)]);
    let status = if ask.is_get_or_head() { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    Some(Answer::made_here(status, fields, Body::Empty))
}

/// The answer that sends a client elsewhere, if one of the redirects is for this URL.
pub fn answer(redirects: &Redirects, url: &Url) -> Option<Answer> {
    let (from, redirect) = redirects.find(url.folded().path())?;
    let location = HeaderValue::try_from(redirect.location(from, url)).ok()?;
    let fields = HeaderMap::from_iter([(header::LOCATION, location)]);
    Some(Answer::made_here(redirect.status, fields, Body::Empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_and_the_query_go_along() {
        let under = |top: &str| PathPattern::Under(top.to_owned());
        for (from, to, joins_rest, asked, location) in [
            (under("/old"), "https://new.example/", true, "/old/a/b", "https://new.example/a/b"),
            (under("/old"), "https://new.example/", true, "/old", "https://new.example/"),
            (under("/old"), "https://new.example/", true, "/old/", "https://new.example/"),
            (under("/old"), "https://new.example/", true, "/old/a/", "https://new.example/a/"),
            (under("/old"), "/new/", true, "/old/a?x=1&y", "/new/a?x=1&y"),
            (under("/old"), "/new", false, "/old/a?x", "/new?x"),
            (under("/old"), "/new?from=old", false, "/old/a?x", "/new?from=old"),
            (under("/old"), "/", true, "/old//evil.example/", "/evil.example/"),
            (under("/old"), "/", true, "/old/%2Fevil.example", "/evil.example"),
            (under("/old"), "/", true, "/old/\\evil.example", "/evil.example"),
            (under("/old"), "/in/", true, "/old/x/../../old/y", "/in/y"),
            (under(""), "https://new.example/", true, "/a%20b", "https://new.example/a%20b"),
        ] {
            let redirect = Redirect { to: to.to_owned(), joins_rest, status: StatusCode::FOUND };
            let url = http::Uri::try_from(asked).unwrap();
            let fields = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.example"))]);
            let url = Url::of_request(terms::url::Scheme::Http, &url, &fields).unwrap();
            assert!(from.covers(url.folded().path()), "{asked}");
            assert_eq!(redirect.location(&from, &url), location, "{asked}");
        }
    }
}
