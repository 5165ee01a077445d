//! Sites: whose host it is, and what holds for it.

mod admission;
mod field_rules;
mod purging;
mod redirect;

use std::sync::Arc;
use std::time::Duration;

use block::Kin;
use cache::{Caching, Stamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use origin::{Group, Origins};
use terms::url::{Scheme, Spelling};
use terms::wire::fields;
use terms::{Answer, Ask, CacheUse, Departures, Digest, Refusal, Trusted, Url};

use crate::quota::Place;
use crate::telemetry::SiteNumbers;

pub use admission::Admission;
pub use field_rules::FieldRule;
pub use purging::{Purging, asks_for_purge};
pub use redirect::{Redirect, Redirects};
pub use terms::hosts::{ByHost, HostPattern};
pub use terms::paths::{ByPath, PathPattern};

/// What becomes of a body whose digest is not known yet, where a rule asks for digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownDigest {
    #[default]
    /// It leaves as it comes, but for its end.
    Stream,
    /// Nothing of it leaves before it was judged, up to a length.
    Hold,
}

/// One site: its rules, and the ways to its origins.
pub struct Site {
    pub name: Arc<str>,
    pub hosts: Vec<HostPattern>,
    pub caching: Caching,
    /// Its hosts all have the same content: a rule for one of them holds for all.
    pub same_content: bool,
    /// What its origins take for the same URL, as rules are compared.
    pub spelling: Spelling,
    pub origins: Origins,
    /// Of these, who is asked for what no route covers.
    pub group: Group,
    pub routes: ByPath<Group>,
    /// What origins get as `Host`; what the client asked for where it is `None`. The cache tells apart what
    /// clients ask for in any case.
    pub host_header: Option<HeaderValue>,
    pub redirects: Redirects,
    pub to_client: Vec<FieldRule>,
    pub to_origin: Vec<FieldRule>,
    /// How long nothing may move in a tunnel.
    pub tunnel_timeout: Duration,
    /// Fields of requests that go to the origin though they are dropped otherwise.
    pub pass_fields: Vec<HeaderName>,
    /// While a rule asks for digests, bodies of so many bytes at most are judged by theirs before any of them leaves;
    /// `None`: they leave as they come, but for their end.
    pub hold_max: Option<u64>,
    /// The port of https to which those who ask in clear are sent; `None`: they are served.
    pub https: Option<u16>,
    /// Origins get `Forwarded` (RFC 7239), too.
    pub forwarded: bool,
    pub admission: Admission,
    pub purging: Purging,
    pub numbers: Arc<SiteNumbers>,
}

impl Site {
    /// What is refused before the block list is asked. `via` is how this node names itself. Gives the place that
    /// the request takes until its answer has left, if these are limited.
    pub fn admit(&self, ask: &Ask, via: &str) -> Result<Option<Place>, Refusal> {
        let place = self.admission.admit(ask.client.address, ask.began.steady)?;
        if ask.method == Method::CONNECT || ask.method == Method::TRACE {
            return Err(Refusal::MethodNotServed);
        }
        self.purging.admit(ask)?;
        if ask.present.via && fields::tokens(&ask.fields, &header::VIA).any(|hop| received_by(hop) == Some(via)) {
            return Err(Refusal::Loop);
        }
        if ask.present.expect && !ask.fields[header::EXPECT].as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::UnknownExpectation);
        }
        // RFC 6455 knows of none; where it ends and the tunnel begins is nothing to differ about.
        if ask.present.tunnel && ask.present.body {
            return Err(Refusal::BadHead("a request that asks for a tunnel has a body"));
        }
        Ok(place)
    }
}

impl Site {
    /// Who is asked for a URL: decided by its canonical path, so that no spelling of it leads elsewhere.
    pub fn group(&self, url: &Url) -> &Group {
        self.routes.find(url.folded().path()).map_or(&self.group, |(_, group)| group)
    }

    /// A URL as people and logs see it.
    pub fn called(&self, url: Arc<Url>) -> Arc<Url> {
        if self.spelling.is_usual() { url } else { Arc::new(url.called_by(&self.spelling)) }
    }

    /// The answer that sends a client elsewhere, where the site wants that for this URL.
    pub fn redirect(&self, ask: &Ask, url: &Url) -> Option<Answer> {
        let port = self.https.filter(|_| ask.client.scheme == Scheme::Http);
        port.and_then(|port| redirect::to_https(port, ask, url)).or_else(|| redirect::answer(&self.redirects, url))
    }

    /// Whether what was fetched for the other may be served for this one: it asks the same origins for the
    /// same, and stores the same of it.
    pub fn fetches_as(&self, other: &Site) -> bool {
        let same_routes = self.routes.iter().map(|(path, _)| path).eq(other.routes.iter().map(|(path, _)| path));
        let mut groups = self.routes.iter().zip(other.routes.iter());
        same_routes
            && groups.all(|((_, one), (_, other))| one.asks_as(other))
            && self.group.asks_as(&other.group)
            && self.host_header == other.host_header
            && self.caching.stores_as(&other.caching)
    }

    /// The same over a restart: sites of one stamp fetch alike.
    pub fn stamp(&self) -> Stamp {
        let routes: Vec<String> =
            self.routes.iter().map(|(path, group)| format!("{path} {}", group.sources())).collect();
        let asks = (&self.host_header, &self.to_origin, &self.pass_fields, self.forwarded);
        let text = format!("{routes:?} {} {asks:?} {}", self.group.sources(), self.caching.storing_as());
        let [a, b, c, d, e, f, g, h, ..] = *Digest::of(text.as_bytes()).as_bytes();
        Stamp(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Changes what the site wants changed in a request to an origin.
    pub fn adjust_request(&self, fields: &mut HeaderMap) {
        field_rules::apply(&self.to_origin, fields);
    }

    /// Changes what the site wants changed in what an origin answered, as it leaves: what is stored stays as
    /// it came, so that a new rule holds at once for what was stored before. `name` is what it is stored under.
    pub fn adjust(&self, answer: &mut Answer, name: &Url) {
        if self.caching.rules.show_key {
            cache::show_key(&mut answer.fields, name);
        }
        if answer.cache != CacheUse::None && field_rules::apply(&self.to_client, &mut answer.fields) {
            answer.departures.add(Departures::HEADER_RULE);
        }
    }
}

/// `1.1 name (comment)`: the name (RFC 9110 section 7.6.3).
fn received_by(hop: &str) -> Option<&str> {
    hop.split_ascii_whitespace().nth(1)
}

/// All sites, and the proxies whose word on clients is believed.
pub struct Sites {
    pub trusted: Trusted,
    all: Vec<Arc<Site>>,
    by_host: ByHost<Arc<Site>>,
}

impl Sites {
    pub fn new(all: Vec<Arc<Site>>, trusted: Trusted) -> Sites {
        let by_host = ByHost::new(all.iter().map(|site| (&site.hosts[..], site.clone())));
        Sites { trusted, all, by_host }
    }

    pub fn all(&self) -> &[Arc<Site>] {
        &self.all
    }

    /// Which hosts have the same content, and which spellings are the same.
    pub fn kin(&self) -> Kin {
        Kin::of_sites(self.all.iter().map(|site| (&site.hosts[..], site.same_content, &site.spelling)))
    }

    /// The site of a canonical host.
    pub fn of_host(&self, host: &str) -> Option<&Arc<Site>> {
        self.by_host.find(host)
    }

    /// The name under which its site stores what is asked for by https as `url`.
    pub fn name_of(&self, url: &Arc<Url>) -> Arc<Url> {
        let site = self.of_host(url.host());
        site.map_or_else(|| url.clone(), |site| site.caching.rules.key.named(Scheme::Https, url))
    }

    pub fn find(&self, ask: &Ask) -> Result<Arc<Site>, Refusal> {
        let url = ask.url.as_ref().map_err(|error| Refusal::BadUrl(*error))?;
        self.of_host(url.host()).cloned().ok_or(Refusal::UnknownHost)
    }
}
