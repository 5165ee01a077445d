//! The config as it is run: defaults filled in, every value within its bounds, paths absolute.
//! Nothing validates again after this.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use terms::Network;
use terms::ruling::Disclose;
use terms::url::Spelling;

use super::purging::Purging;
use crate::access_log::{self, Destination, Format};
use crate::certificates::Wanted;
use crate::geo;
use crate::quota;
use crate::sites::{FieldRule, HostPattern, PathPattern, Redirects, UnknownDigest};

#[derive(Clone, Debug)]
pub struct Meant {
    pub edge: Edge,
    /// Of all sites together.
    pub limits: quota::Settings,
    pub admin: Admin,
    pub cache: cache::Settings,
    pub takedown: Takedown,
    /// What tells in which country a client is.
    pub geo: geo::Settings,
    /// The state folder.
    pub state: PathBuf,
    pub audit: Audit,
    /// The access log, which is not evidence.
    pub log: access_log::Settings,
    /// At least one; no host pattern stands in two of them.
    pub sites: Vec<Site>,
    pub hooks: Vec<hooks::Hook>,
}

/// The listeners for clients, and what one client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// At least one; no address stands twice, but port 0 may.
    pub listeners: Vec<Listener>,
    /// From a connection's or a request's first moment to the last byte of its head.
    pub head_timeout: Duration,
    /// Between two requests of a connection, and between two bytes of a body.
    pub idle_timeout: Duration,
    /// How long answers under way may go on once the edge is told to stop.
    pub drain: Duration,
    /// Bytes of a request's head; more is 431.
    pub max_head: usize,
    /// Bytes of a request's target; more is 414.
    pub max_target: usize,
    /// Fields of a request's head; more is 431.
    pub max_fields: usize,
    /// Bytes of a request's body; more is 413.
    pub max_body: u64,
    /// Connections of all listeners; beyond that, accepting pauses.
    pub max_connections: usize,
    /// Where clients find https, if not at the port of a listener.
    pub https_port: Option<u16>,
    /// Bytes a second that a client must send of a body and take of an answer, but for `idle_timeout` of rest;
    /// 0: none.
    pub min_rate: u64,
    /// Whose word on whom they speak for is believed.
    pub trusted_proxies: Vec<Network>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: SocketAddr,
    pub tls: Option<Wanted>,
    /// HTTP/2 without TLS, for clients that begin with it (RFC 9113 section 3.3); never beside `tls`.
    pub h2c: bool,
}

/// The listener for operators: on loopback, or with TLS, or knowingly insecure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    pub address: SocketAddr,
    pub tls: Option<Wanted>,
    /// The operator accepts a listener in clear that others can reach.
    pub insecure: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takedown {
    pub lists: Vec<block::Listed>,
    /// Those of the lists that are feeds: each has its file among them.
    pub feeds: Vec<feeds::Feed>,
    /// Who answers for the blocks: the target of `Link: …; rel="blocked-by"` (RFC 7725 section 4),
    /// fit to stand between `<` and `>`. The node's own URN where it is `None`.
    pub operator_url: Option<String>,
    pub disclose: Disclose,
}

/// How the evidence is kept, as far as the config says: node, run and key come from the state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    pub segment_size: u64,
    pub segment_age: Duration,
    pub sync: audit::Sync,
    pub high_water: usize,
    pub on_pressure: audit::OnPressure,
    pub client: audit::ClientForm,
    pub url_query: audit::QueryForm,
}

#[derive(Clone, Debug)]
pub struct Site {
    /// As it stands in metrics and in the log; no other site has it.
    pub name: Arc<str>,
    pub hosts: Vec<HostPattern>,
    /// All its origins.
    pub plan: origin::Plan,
    /// Of those, the ones for what no route covers. Not empty, as in each route.
    pub shares: Vec<origin::Share>,
    pub routes: Vec<Route>,
    /// What origins get as `Host`; what the client asked for where it is `None`.
    pub host_header: Option<HeaderValue>,
    pub redirects: Redirects,
    /// Changes of the fields of answers, and of requests on their way to an origin.
    pub to_client: Vec<FieldRule>,
    pub to_origin: Vec<FieldRule>,
    pub caching: cache::Caching,
    /// A rule for one of the hosts holds for all.
    pub same_content: bool,
    /// What its origins take for the same URL.
    pub spelling: Spelling,
    /// How long nothing may move in a tunnel.
    pub tunnel_timeout: Duration,
    /// What becomes of a body whose digest is not known yet, where a rule asks for digests.
    pub on_unknown_digest: UnknownDigest,
    /// The longest body that is held, in bytes.
    pub hold_max: u64,
    /// Fields of requests that go to the origin though they are dropped otherwise.
    pub pass_fields: Vec<HeaderName>,
    /// Who asks in clear is sent to https.
    pub redirect_to_https: bool,
    /// Origins get `Forwarded`, too.
    pub forwarded: bool,
    /// Where it is not empty, nobody else may ask.
    pub allow: Vec<Network>,
    pub deny: Vec<Network>,
    pub limits: quota::Settings,
    pub purging: Purging,
}

/// Paths that go to origins of their own.
#[derive(Clone, Debug)]
pub struct Route {
    pub path: PathPattern,
    pub shares: Vec<origin::Share>,
}

impl Default for Edge {
    fn default() -> Edge {
        Edge {
            listeners: vec![Listener { address: SocketAddr::from(([127, 0, 0, 1], 8080)), tls: None, h2c: false }],
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(30),
            max_head: 32 << 10,
            max_target: 16 << 10,
            max_fields: 100,
            max_body: 1 << 30,
            max_connections: 10_000,
            https_port: None,
            min_rate: 128,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Admin {
    fn default() -> Admin {
        Admin { address: SocketAddr::from(([127, 0, 0, 1], 9090)), tls: None, insecure: false }
    }
}

impl Audit {
    /// `sync = "interval"`.
    pub(super) const SYNC_INTERVAL: audit::Sync = audit::Sync::Interval(Duration::from_secs(1));
}

impl Default for Audit {
    fn default() -> Audit {
        Audit {
            segment_size: 64 << 20,
            segment_age: Duration::from_secs(600),
            sync: Audit::SYNC_INTERVAL,
            high_water: 65_536,
            on_pressure: audit::OnPressure::Wait(Duration::from_secs(5)),
            client: audit::ClientForm::Truncated,
            url_query: audit::QueryForm::Full,
        }
    }
}

/// The access log where nothing is said of it.
pub(super) fn no_access_log(audit: &Audit) -> access_log::Settings {
    access_log::Settings { destination: Destination::Off, format: Format::default(), client: audit.client }
}

/// An origin, but for where it is: how long it is waited for unless a site says otherwise.
pub(super) fn waits() -> origin::Settings {
    origin::Settings {
        address: origin::Address { host: String::new(), port: 0 },
        tls: None,
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(30),
        between_bytes_timeout: Duration::from_secs(30),
        max_connections: 256,
    }
}

/// `site.tunnel_timeout` where nothing else is said: applications are often silent for minutes, and what is
/// blocked is cut in any case.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(3600);

impl Site {
    /// A site that has nothing yet but its name and its hosts.
    pub(super) fn new(name: &str, hosts: Vec<HostPattern>) -> Site {
        let name: Arc<str> = Arc::from(name);
        Site {
            plan: origin::Plan {
                site: name.clone(),
                origins: Vec::new(),
                check: None,
                ejection: origin::Ejection::default(),
                retry_statuses: Vec::new(),
            },
            name,
            hosts,
            shares: Vec::new(),
            routes: Vec::new(),
            host_header: None,
            redirects: Redirects::new([]),
            to_client: Vec::new(),
            to_origin: Vec::new(),
            caching: cache::Caching::default(),
            same_content: false,
            spelling: Spelling::default(),
            tunnel_timeout: TUNNEL_TIMEOUT,
            on_unknown_digest: UnknownDigest::default(),
            hold_max: 1 << 20,
            pass_fields: Vec::new(),
            redirect_to_https: false,
            forwarded: false,
            allow: Vec::new(),
            deny: Vec::new(),
            limits: quota::Settings::default(),
            purging: Purging::default(),
        }
    }

    /// A site with one origin.
    pub(super) fn one(name: &str, hosts: Vec<HostPattern>, origin: origin::Settings) -> Site {
        let mut site = Site::new(name, hosts);
        site.plan.origins.push(origin);
        site.shares.push(origin::Share { origin: 0, weight: 1, backup: false });
        site
    }
}

impl Admin {
    /// Others can reach it, and read the token off the wire.
    pub fn is_exposed(&self) -> bool {
        self.tls.is_none() && !self.address.ip().to_canonical().is_loopback()
    }
}

/// `cache.memory` where nothing else is said.
pub(super) const MEMORY: u64 = 256 << 20;

/// `cache.keep_max` where nothing else is said: most hits go to less, and it is written within seconds.
const KEEP_MAX: u64 = 1 << 30;

/// The cache with its default for the largest object.
pub(super) fn cache_of(memory: u64) -> cache::Settings {
    cache::Settings { memory, max_object: memory / 8, keep: true, keep_max: KEEP_MAX }
}

/// `state.dir` where nothing else is said: beside the config.
pub(super) fn state_beside(base: &Path) -> PathBuf {
    base.join("state")
}
