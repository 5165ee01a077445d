//! What people and programs read when they are refused.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use block::Shelf;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use terms::ruling::Disclose;
use terms::{Answer, Body, Refusal, Ruling};

/// What the pages of one node have in common.
#[derive(Clone)]
pub struct Pages {
    /// `<URL>; rel="blocked-by"` (RFC 7725 section 4).
    blocked_by: HeaderValue,
    disclose: Disclose,
    /// The operator's own.
    shelf: Arc<Shelf>,
}

const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'");
/// What a page of the operator's own may do more: look as it was written.
const OWN_PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; img-src data:");
/// Bytes that hold a page about one notice.
const USUAL_PAGE: usize = 512;
/// Seconds after which asking again may help.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl Pages {
    /// `operator_url` must be fit to stand between `<` and `>`.
    pub fn new(operator_url: &str, disclose: Disclose, shelf: Arc<Shelf>) -> Pages {
        let link = format!("<{operator_url}>; rel=\"blocked-by\"");
        let blocked_by = HeaderValue::try_from(link).unwrap_or(HeaderValue::from_static(""));
        Pages { blocked_by, disclose, shelf }
    }

    /// The answer to a refusal, in the form that `asked` prefers.
    pub fn refusal(&self, refusal: &Refusal, asked: Option<&HeaderMap>) -> Answer {
        let words = Words::of(refusal, self.disclose);
        let mut fields = HeaderMap::with_capacity(12);
        let own = match refusal {
            Refusal::Blocked(ruling) => self.shelf.page(ruling),
            _ => None,
        };
        let html = "text/html; charset=utf-8";
        let (media, policy, page) = match (prefers_json(asked), own) {
            (true, _) => ("application/problem+json", CONTENT_SECURITY_POLICY, Bytes::from(words.json())),
            (false, None) => (html, CONTENT_SECURITY_POLICY, Bytes::from(words.html())),
            (false, Some(page)) => (html, OWN_PAGE_POLICY, page),
        };
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(header::CONTENT_SECURITY_POLICY, policy);
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.add_fields(refusal, &words, &mut fields);
        let mut answer = Answer::made_here(refusal.status(), fields, Body::from(page));
        answer.close = matches!(
            refusal,
            Refusal::BadUrl(_) | Refusal::BadBody(_) | Refusal::BodyTooLarge | Refusal::ClientTooSlow
        );
        answer
    }

    /// What programs read without a look at the page.
    fn add_fields(&self, refusal: &Refusal, words: &Words<'_>, fields: &mut HeaderMap) {
        match refusal {
            Refusal::Blocked(_) => {
                fields.insert(header::LINK, self.blocked_by.clone());
                if let Some(authority) = words.authority.and_then(blocking_authority) {
                    fields.append(header::LINK, authority);
                }
            }
            Refusal::ListsStale
            | Refusal::Pressure
            | Refusal::NoRoomToJudge
            | Refusal::OriginBusy
            | Refusal::Draining => {
                fields.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            // RFC 9110 sections 15.5.6 and 11.6.1.
            Refusal::PurgeNotServed => {
                fields.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Refusal::PurgeUnauthorized => {
                fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Refusal::TooManyRequests { wait } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            _ => {}
        }
    }
}

/// The link relation for whoever ordered a block, where that is named by a URL
/// (draft-sahib-451-new-protocol-elements).
fn blocking_authority(authority: &str) -> Option<HeaderValue> {
    if !terms::url::is_reference(authority) {
        return None;
    }
    HeaderValue::try_from(format!("<{authority}>; rel=\"blocking-authority\"")).ok()
}

/// What is said, before it takes a form.
struct Words<'a> {
    status: http::StatusCode,
    title: &'static str,
    detail: Cow<'static, str>,
    notices: Vec<&'a str>,
    reason: Option<&'a str>,
    authority: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(refusal: &'a Refusal, disclose: Disclose) -> Words<'a> {
        let status = refusal.status();
        let title = status.canonical_reason().unwrap_or("Error");
        match refusal {
            Refusal::Blocked(ruling) => Words::of_ruling(ruling, disclose, title),
            other => Words {
                status,
                title,
                detail: Cow::Owned(sentence(&told(other))),
                notices: Vec::new(),
                reason: None,
                authority: None,
            },
        }
    }

    fn of_ruling(ruling: &'a Ruling, disclose: Disclose, title: &'static str) -> Words<'a> {
        let disclose = ruling.disclose.unwrap_or(disclose);
        let notices = match disclose {
            Disclose::Full | Disclose::Id => ruling.notices.iter().map(|id| &**id).collect(),
            Disclose::None => Vec::new(),
        };
        let (reason, authority) = match disclose {
            Disclose::Full => (ruling.reason.as_deref(), ruling.authority.as_deref()),
            Disclose::Id | Disclose::None => (None, None),
        };
        let detail = match ruling.status {
            terms::BlockStatus::UnavailableForLegalReasons => "This address is not served here, for legal reasons.",
            terms::BlockStatus::Gone => "What was at this address is gone.",
            terms::BlockStatus::NotFound => "There is nothing at this address.",
            terms::BlockStatus::Forbidden => "This address is not served.",
        };
        Words { status: ruling.status.code(), title, detail: Cow::Borrowed(detail), notices, reason, authority }
    }

    /// RFC 9457.
    fn json(&self) -> String {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(first) = self.notices.first() {
            problem["notice"] = (*first).into();
        }
        if self.notices.len() > 1 {
            problem["notices"] = self.notices.clone().into();
        }
        if let Some(reason) = self.reason {
            problem["reason"] = reason.into();
        }
        if let Some(authority) = self.authority {
            problem["authority"] = authority.into();
        }
        let mut text = problem.to_string();
        text.push('\n');
        text
    }

    fn html(&self) -> String {
        let (code, title) = (self.status.as_str(), Escaped(self.title));
        let head = format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{code} {title}</title>\n<h1>{code} {title}</h1>\n<p>{}</p>\n",
            Escaped(&self.detail)
        );
        let mut page = String::with_capacity(USUAL_PAGE);
        // A string takes all that is written to it.
        let _ = page.write_fmt(head);
        let notices = self.notices.iter().map(|notice| ("Notice", *notice));
        let reason = self.reason.map(|reason| ("Reason", reason));
        let authority = self.authority.map(|authority| ("Ordered by", authority));
        for (label, text) in notices.chain(reason).chain(authority) {
            let _ = writeln!(page, "<p>{label}: {}</p>", Escaped(text));
        }
        page.push_str("</html>\n");
        page
    }
}

/// What a stranger is told: an origin's address and what went wrong there are the operator's business.
fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::OriginUnreachable(_) => "the origin can't be reached".to_owned(),
        Refusal::OriginBroken(_) => "the origin's answer can't be read".to_owned(),
        other => other.to_string(),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// Text as it may stand in HTML, in content and in quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written in runs: most text has nothing to escape.
        let mut rest = self.0;
        while let Some(at) = rest.find(|character: char| "&<>\"'".contains(character) || character.is_control()) {
            let (plain, from) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = from.chars();
            f.write_str(match characters.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                _ => "\u{fffd}",
            })?;
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a client would rather have JSON than HTML (RFC 9110 section 12.5.1); HTML wins a tie.
fn prefers_json(asked: Option<&HeaderMap>) -> bool {
    let mut json: f32 = -1.0;
    let mut html: f32 = -1.0;
    let accept = HeaderName::from_static("accept");
    for range in asked.into_iter().flat_map(|fields| terms::wire::fields::tokens(fields, &accept)) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q="))?.parse().ok()).unwrap_or(1.0);
        match media.as_str() {
            "application/problem+json" | "application/json" | "application/*" => json = json.max(weight),
            "text/html" | "application/xhtml+xml" | "text/*" => html = html.max(weight),
            _ => {}
        }
    }
    json > 0.0 && json > html
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use terms::ruling::RuleOrigin;

    fn blocked(notice: &str, reason: &str) -> Refusal {
        Refusal::Blocked(Arc::new(Ruling {
            rule: "https://h.example/a".into(),
            notices: Arc::new([notice.into()]),
            reason: Some(reason.into()),
            status: terms::BlockStatus::default(),
            authority: None,
            page: None,
            disclose: None,
            residence: None,
            origin: RuleOrigin::File { file: "list.txt".into(), line: 1 },
            list: 1,
        }))
    }

    fn page(disclose: Disclose, refusal: &Refusal, accept: &str) -> (HeaderMap, String) {
        let asked = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]);
        let answer =
            Pages::new("urn:uuid:1", disclose, Arc::new(Shelf::new("/nowhere".into()))).refusal(refusal, Some(&asked));
        let Body::Whole(bytes) = answer.body else { panic!("a page has a body") };
        (answer.fields, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let refusal = blocked("N<1>\"", "<script>alert('x')</script>\u{7}");
        let (_, html) = page(Disclose::Full, &refusal, "text/html");
        assert!(html.contains("N&lt;1&gt;&quot;") && !html.contains("<script>") && !html.contains('\u{7}'), "{html}");
        let (_, json) = page(Disclose::Full, &refusal, "application/json");
        let problem: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(problem["reason"], "<script>alert('x')</script>\u{7}");
    }

    #[test]
    fn a_blocked_client_is_told_as_much_as_the_operator_lets() {
        let refusal = blocked("N-17", "DMCA 512(c)");
        for (disclose, notice, reason) in
            [(Disclose::Full, true, true), (Disclose::Id, true, false), (Disclose::None, false, false)]
        {
            let (fields, html) = page(disclose, &refusal, "text/html");
            assert_eq!((html.contains("N-17"), html.contains("DMCA")), (notice, reason));
            assert_eq!(fields[header::CACHE_CONTROL], "no-store");
            assert_eq!(fields[header::LINK], "<urn:uuid:1>; rel=\"blocked-by\"");
        }
    }

    #[test]
    fn an_authority_is_told_with_the_rest_and_linked_where_it_is_a_url() {
        for (authority, disclose, of_rule, told, links) in [
            ("https://court.example/o/7", Disclose::Full, None, true, 2),
            ("Court <of> Justice", Disclose::Full, None, true, 1),
            ("https://court.example/o/7", Disclose::Id, None, false, 1),
            ("https://court.example/o/7", Disclose::Full, Some(Disclose::None), false, 1),
            ("https://court.example/o/7", Disclose::None, Some(Disclose::Full), true, 2),
        ] {
            let Refusal::Blocked(ruling) = blocked("N-17", "DMCA 512(c)") else { panic!() };
            let ruling = Ruling { authority: Some(authority.into()), disclose: of_rule, ..Ruling::clone(&ruling) };
            let refusal = Refusal::Blocked(Arc::new(ruling));
            let (fields, html) = page(disclose, &refusal, "text/html");
            assert_eq!(html.contains(&Escaped(authority).to_string()), told, "{authority} {disclose:?} {of_rule:?}");
            let all: Vec<_> = fields.get_all(header::LINK).iter().collect();
            assert_eq!(all.len(), links, "{authority} {disclose:?} {of_rule:?}");
            if links == 2 {
                assert_eq!(all[1], "<https://court.example/o/7>; rel=\"blocking-authority\"");
            }
            let (_, json) = page(disclose, &refusal, "application/json");
            let problem: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(problem["authority"].as_str(), told.then_some(authority));
        }
    }

    #[test]
    fn an_own_page_is_shared_by_all_answers() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gone.html"), "<p>gone").unwrap();
        let edits = block::Source::Edits { ids: vec!["e:1".into()] };
        let rules = block::list::read(b"h.example page=gone.html").unwrap();
        let table = Arc::new(block::Table::compile(edits, rules, terms::Digest::ZERO));
        let shelf = Arc::new(Shelf::new(folder.path().to_owned()));
        shelf.look(std::slice::from_ref(&table), terms::Clock::system().wall());
        let pages = Pages::new("urn:uuid:1", Disclose::Full, shelf);
        let url = terms::Url::parse("h.example/a").unwrap();
        let ruling = block::Index::new(1, table, Vec::new())
            .judge(&url, block::Case::of_anybody(terms::Clock::system().wall()))
            .unwrap();
        let refusal = Refusal::Blocked(Arc::new(ruling));
        let bytes = || match pages.refusal(&refusal, None).body {
            Body::Whole(bytes) => bytes,
            _ => panic!("a page has a body"),
        };
        let (one, other) = (bytes(), bytes());
        assert_eq!(&one[..], b"<p>gone");
        assert_eq!(one.as_ptr(), other.as_ptr());
    }

    #[test]
    fn the_form_is_what_the_client_prefers() {
        for (accept, json) in [
            ("*/*", false),
            ("text/html,application/json;q=0.9", false),
            ("application/problem+json", true),
            ("application/json, text/html;q=0.5", true),
            ("application/json;q=0", false),
            ("image/png", false),
        ] {
            let (fields, _) = page(Disclose::Full, &Refusal::UnknownHost, accept);
            assert_eq!(fields[header::CONTENT_TYPE] == "application/problem+json", json, "{accept}");
        }
    }
}
