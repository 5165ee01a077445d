//! The command line as it is meant: what is asked for, how fast, how long, and what is checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method};

use crate::config::units;

use super::checks::{Checks, MOST_KEPT};
use super::pacing::{self, Limit, Rate};
use super::tls;
use super::urls::{Listing, Order, Urls};
use super::wire::{Dialer, Protocol};
use super::worker::Form;
use super::zipf::Zipf;

/// Each has a socket and some 50 KiB of buffers.
const MOST_CONNECTIONS: u64 = 20_000;
/// Workers are cheap, a histogram of what they wait for is not what one reads.
const MOST_WORKERS: u64 = 100_000;
/// It is kept in memory, and sent again and again.
const LARGEST_BODY: u64 = 64 << 20;
/// Without `--duration` and `--requests`.
const USUAL_DURATION: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// What to ask for; may be given more than once. With --count, a template: a number from 0 stands in place of an n
    /// in braces
    #[arg(long, value_name = "URL", required_unless_present_any = ["urls", "digests"])]
    url: Vec<String>,
    /// A file of URLs, one a line
    #[arg(long, value_name = "FILE")]
    urls: Option<PathBuf>,
    /// How many numbers the template stands for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: Option<u64>,
    /// Pick URLs at random by Zipf's law, the first most often; 0 makes all alike [default: each in turn]
    #[arg(long, value_name = "EXPONENT", value_parser = exponent)]
    zipf: Option<f64>,
    /// Open loop: so many requests a second (5000/s, 300/m), whatever the answers do [default: closed
    /// loop, each connection asks as soon as it has its answer]
    #[arg(long, value_name = "RATE", value_parser = pacing::rate)]
    rate: Option<Rate>,
    /// How long [default: 10s, or until --requests were sent]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    duration: Option<Duration>,
    /// How many requests at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// How many connections to each host
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=MOST_CONNECTIONS))]
    connections: u64,
    /// How many requests at a time on each connection
    #[arg(long, value_name = "N", default_value_t = 1, requires = "http2", value_parser = clap::value_parser!(u64).range(1..=1000))]
    streams: u64,
    /// HTTP/2: over TLS by ALPN, in clear with prior knowledge
    #[arg(long)]
    http2: bool,
    /// A connection for each request
    #[arg(long, conflicts_with = "http2")]
    no_keep_alive: bool,
    /// Give up on a request after
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    timeout: Duration,
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// A further field; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// What Host says, and what TLS asks for by SNI and verifies, instead of the URL's host
    #[arg(long, value_name = "HOST")]
    host: Option<HeaderValue>,
    /// The body of each request
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A file of `sha256:HEX URL` lines: what is asked for as well, and the digest it must have
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    digests: Option<PathBuf>,
    /// Every answer of a URL must have the digest of its first answer
    #[arg(long)]
    same: bool,
    /// Certificates that the server's may be signed by, as PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
}

fn exponent(text: &str) -> Result<f64, String> {
    // Beyond that, nearly all requests ask for the first URL.
    match text.parse() {
        Ok(exponent @ 0.0..=10.0) => Ok(exponent),
        _ => Err("write a number from 0 to 10, such as 1.0".to_owned()),
    }
}

fn field(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("write NAME: VALUE")?;
    let name: HeaderName = name.parse().with_context(|| format!("{name:?} is no field name"))?;
    if [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
        bail!("{name} is set by what is sent (--body, --no-keep-alive)");
    }
    Ok((name, HeaderValue::from_str(value.trim())?))
}

/// What is to be done.
pub struct Plan {
    pub urls: Urls,
    pub order: Order,
    /// `None`: closed loop.
    pub rate: Option<Rate>,
    pub limit: Limit,
    pub connections: u64,
    /// On each connection.
    pub streams: u64,
    pub protocol: Protocol,
    pub timeout: Duration,
    pub form: Form,
    pub checks: Checks,
    pub dialer: Arc<Dialer>,
}

impl PlanArgs {
    pub fn plan(self) -> anyhow::Result<Plan> {
        let urls = self.listed()?;
        ensure!(
            self.connections * self.streams <= MOST_WORKERS,
            "at most {MOST_WORKERS} requests can be under way at a time: lower --connections or --streams"
        );
        ensure!(!self.timeout.is_zero(), "--timeout 0s leaves no time for an answer");
        let has_checks = self.same || self.digests.is_some();
        ensure!(!has_checks || self.method != Method::HEAD, "an answer to HEAD has no bytes to check");
        ensure!(
            !self.same || urls.count() <= MOST_KEPT,
            "--same keeps a digest for each URL; {MOST_KEPT} URLs can have one"
        );
        let order = match self.zipf {
            Some(exponent) => Order::Popularity(Zipf::over(urls.count(), exponent)),
            None => Order::InTurn,
        };
        let usual = self.requests.is_none().then_some(USUAL_DURATION);
        let protocol = if self.http2 { Protocol::Http2 } else { Protocol::Http1 };
        let needs_tls = urls.origins().iter().any(|origin| origin.is_tls);
        let trust = tls::Trust::from_flags(self.insecure, self.ca_file.clone());
        let form = self.form()?;
        let dialer = Dialer {
            origins: urls.origins().to_vec(),
            protocol,
            server_name: form.server_name()?,
            tls: if needs_tls { Some(tls::client_config(&trust, protocol)?) } else { None },
            timeout: self.timeout,
        };
        Ok(Plan {
            order,
            rate: self.rate,
            limit: Limit { duration: self.duration.or(usual), requests: self.requests },
            connections: self.connections,
            streams: self.streams,
            protocol,
            timeout: self.timeout,
            form,
            checks: Checks::new(self.same),
            dialer: Arc::new(dialer),
            urls,
        })
    }

    fn listed(&self) -> anyhow::Result<Urls> {
        if let Some(count) = self.count {
            let [template] = self.url.as_slice() else {
                bail!("--count belongs to one --url, a template such as \"http://127.0.0.1:8080/obj/{{n}}\"");
            };
            ensure!(self.urls.is_none(), "--count belongs to a template, not to --urls");
            return Urls::template(template, count);
        }
        let mut listing = Listing::default();
        for url in &self.url {
            listing.add(url, None).map_err(|error| match url.contains("{n}") {
                true => anyhow!("{error:#}; a template wants --count"),
                false => error,
            })?;
        }
        if let Some(path) = &self.urls {
            listing.add_urls(path)?;
        }
        if let Some(path) = &self.digests {
            listing.add_digests(path)?;
        }
        listing.urls()
    }

    fn form(&self) -> anyhow::Result<Form> {
        let mut fields = HeaderMap::new();
        for (name, value) in &self.header {
            fields.append(name, value.clone());
        }
        let said = fields.remove(HOST);
        let body = match &self.body {
            None => Bytes::new(),
            Some(path) => {
                let shown = path.display();
                let length = std::fs::metadata(path).with_context(|| format!("{shown} can't be read"))?.len();
                ensure!(length <= LARGEST_BODY, "{shown} is over {} long", units::show_size(LARGEST_BODY));
                Bytes::from(std::fs::read(path).with_context(|| format!("{shown} can't be read"))?)
            }
        };
        let keep_alive = !self.no_keep_alive;
        Ok(Form { method: self.method.clone(), fields, host: self.host.clone().or(said), body, keep_alive })
    }
}

impl Form {
    /// The host that `Host` names, without its port.
    fn server_name(&self) -> anyhow::Result<Option<String>> {
        let Some(host) = &self.host else { return Ok(None) };
        let authority: http::uri::Authority =
            host.to_str().ok().and_then(|host| host.parse().ok()).context("--host is no host")?;
        Ok(Some(authority.host().to_owned()))
    }
}
