//! The config as it is written: every key with its type, nothing checked beyond that, no defaults.

mod cache;
mod compress;
mod geo;
mod hook;
mod rules;
mod site;
mod spelling;
mod takedown;

use std::time::Duration;

use toml::de::DeTable;

use super::choice::{self, Pressure};
use super::errors::{Faults, Span, Wrong};
use super::keys::Keys;
use super::reader::{At, Reader, Section};
use crate::access_log::Format;
use crate::quota::Rate;
use crate::sites::UnknownDigest;

pub(super) use cache::Cache;
pub(super) use compress::Compress;
pub(super) use geo::Geo;
pub(super) use hook::Hook;
pub(super) use rules::{Bypass, Negative, Rules};
pub(super) use site::{Check, Eject, Header, ORIGIN_HELP, Origin, Purging, Redirect, Route};
pub(super) use spelling::Spelling;
pub(super) use takedown::{Feed, Listed, Takedown};

pub(super) const SITE_HELP: &str =
    "add [[site]] with hosts = [\"photos.example\"] and origin = \"http://127.0.0.1:3000\"";

/// Every `Option` is `None` where the key is missing, or stands there with a value that is a fault.
#[derive(Debug)]
pub(super) struct File {
    pub(super) edge: Edge,
    pub(super) limits: Limits,
    pub(super) admin: Admin,
    pub(super) cache: Cache,
    pub(super) takedown: Takedown,
    pub(super) geo: Geo,
    /// `state.dir`
    pub(super) state: Option<At<String>>,
    pub(super) audit: Audit,
    pub(super) log: Log,
    pub(super) sites: Option<At<Vec<Site>>>,
    pub(super) hooks: Option<At<Vec<Hook>>>,
}

#[derive(Debug)]
pub(super) struct Edge {
    pub(super) listen: Option<At<Vec<Listen>>>,
    pub(super) head_timeout: Option<At<Duration>>,
    pub(super) idle_timeout: Option<At<Duration>>,
    pub(super) drain: Option<At<Duration>>,
    pub(super) max_head: Option<At<u64>>,
    pub(super) max_target: Option<At<u64>>,
    pub(super) max_fields: Option<At<u64>>,
    pub(super) max_body: Option<At<u64>>,
    pub(super) max_connections: Option<At<u64>>,
    pub(super) https_port: Option<At<u64>>,
    pub(super) min_rate: Option<At<u64>>,
    pub(super) trusted_proxies: Option<At<Vec<At<String>>>>,
}

/// Of the edge, or of a site.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) connections_per_address: Option<At<u64>>,
    pub(super) requests_per_address: Option<At<Rate>>,
    pub(super) burst: Option<At<u64>>,
    pub(super) requests: Option<At<Rate>>,
}

#[derive(Debug)]
pub(super) struct Listen {
    pub(super) addr: At<String>,
    pub(super) tls: Option<At<Vec<Tls>>>,
    pub(super) h2c: Option<At<bool>>,
}

#[derive(Debug)]
pub(super) enum Tls {
    Pair {
        cert: At<String>,
        key: At<String>,
    },
    /// `"self-signed"`, or what was meant for it.
    Word(At<String>),
}

#[derive(Debug)]
pub(super) struct Admin {
    pub(super) listen: Option<At<String>>,
    pub(super) tls: Option<At<Vec<Tls>>>,
    pub(super) insecure: Option<At<bool>>,
}

#[derive(Debug)]
pub(super) struct Audit {
    pub(super) segment_size: Option<At<u64>>,
    pub(super) segment_age: Option<At<Duration>>,
    pub(super) sync: Option<At<audit::Sync>>,
    pub(super) on_pressure: Option<At<Pressure>>,
    pub(super) high_water: Option<At<u64>>,
    pub(super) wait: Option<At<Duration>>,
    pub(super) client: Option<At<audit::ClientForm>>,
    pub(super) url_query: Option<At<audit::QueryForm>>,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) access: Option<At<String>>,
    pub(super) format: Option<At<Format>>,
    pub(super) client: Option<At<audit::ClientForm>>,
}

#[derive(Debug)]
pub(super) struct Site {
    pub(super) at: Span,
    pub(super) name: Option<At<String>>,
    pub(super) hosts: Option<At<Vec<At<String>>>>,
    pub(super) origin: Option<At<Vec<Origin>>>,
    pub(super) host_header: Option<At<String>>,
    pub(super) check: Option<Check>,
    pub(super) eject: Option<Eject>,
    pub(super) retry_statuses: Option<At<Vec<At<u64>>>>,
    pub(super) routes: Option<At<Vec<Route>>>,
    pub(super) redirects: Option<At<Vec<Redirect>>>,
    pub(super) headers: Option<At<Vec<Header>>>,
    pub(super) connect_timeout: Option<At<Duration>>,
    pub(super) first_byte_timeout: Option<At<Duration>>,
    pub(super) between_bytes_timeout: Option<At<Duration>>,
    pub(super) tunnel_timeout: Option<At<Duration>>,
    pub(super) max_origin_connections: Option<At<u64>>,
    pub(super) repr_digest: Option<At<bool>>,
    pub(super) on_unknown_digest: Option<At<UnknownDigest>>,
    pub(super) hold_max: Option<At<u64>>,
    pub(super) slices: Option<At<u64>>,
    pub(super) compress: Option<Compress>,
    pub(super) pass_fields: Option<At<Vec<At<String>>>>,
    pub(super) store_set_cookie: Option<At<bool>>,
    pub(super) client_refresh: Option<At<bool>>,
    pub(super) forwarded: Option<At<bool>>,
    pub(super) allow: Option<At<Vec<At<String>>>>,
    pub(super) deny: Option<At<Vec<At<String>>>>,
    pub(super) limits: Option<Limits>,
    pub(super) cache: Option<Rules>,
    pub(super) purge: Option<Purging>,
    pub(super) same_content: Option<At<bool>>,
    pub(super) spelling: Option<Spelling>,
    pub(super) redirect_to_https: Option<At<bool>>,
}

/// All keys that are read.
pub(super) fn keys() -> Keys {
    Reader::learn(File::read)
}

/// What could be read of `text`, beside what is wrong with the rest; faults alone where it is not TOML.
pub(super) fn read(text: &str) -> Result<(File, Faults<'_>), Faults<'_>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(not_toml(text, &errors));
    }
    let mut reader = Reader::new(text, keys());
    let file = File::read(reader.top(table.get_ref()));
    Ok((file, reader.finish()))
}

/// The first error alone: a bracket left open makes nonsense of all that follows.
fn not_toml<'t>(text: &'t str, errors: &[toml::de::Error]) -> Faults<'t> {
    let mut faults = Faults::of(text);
    if let Some(first) = errors.first() {
        let open = errors.iter().any(|error| error.message().starts_with("unclosed"));
        let help = match (open, first.message()) {
            (true, _) => "a bracket before this place is not closed",
            (false, message) if message.contains("must be quoted") || message.starts_with("invalid") => {
                "texts stand between quotes, and a \\ in them is written \\\\"
            }
            (false, message) if message.starts_with("duplicate key") => "keep one of the two",
            (false, _) => "this is not TOML: see https://toml.io",
        };
        faults.add(&first.span().unwrap_or(0..0), Wrong::new(first.message(), help));
    }
    faults
}

impl File {
    fn read(mut top: Section<'_, '_, '_>) -> File {
        top.require("site", SITE_HELP);
        let file = File {
            edge: top.table("edge", Edge::read),
            limits: top.table("limits", Limits::read),
            admin: top.table("admin", Admin::read),
            cache: top.table("cache", Cache::read),
            takedown: top.table("takedown", Takedown::read),
            geo: top.table("geo", Geo::read),
            state: top.table("state", |mut state| {
                let dir = state.text("dir");
                state.end();
                dir
            }),
            audit: top.table("audit", Audit::read),
            log: top.table("log", Log::read),
            sites: top.tables("site", "site", Site::read),
            hooks: top.tables("hook", "hook", Hook::read),
        };
        top.end();
        file
    }
}

impl Edge {
    fn read(mut edge: Section<'_, '_, '_>) -> Edge {
        let read = Edge {
            listen: edge.texts_or_tables(
                "listen",
                "edge.listen",
                |addr| Listen { addr, tls: None, h2c: None },
                Listen::read,
            ),
            head_timeout: edge.duration("head_timeout"),
            idle_timeout: edge.duration("idle_timeout"),
            drain: edge.duration("drain"),
            max_head: edge.size("max_head"),
            max_target: edge.size("max_target"),
            max_fields: edge.number("max_fields"),
            max_body: edge.size("max_body"),
            max_connections: edge.number("max_connections"),
            https_port: edge.number("https_port"),
            min_rate: edge.byte_rate("min_rate"),
            trusted_proxies: edge.texts("trusted_proxies"),
        };
        edge.end();
        read
    }
}

impl Limits {
    fn read(mut limits: Section<'_, '_, '_>) -> Limits {
        let read = Limits {
            connections_per_address: limits.number("connections_per_address"),
            requests_per_address: limits.rate("requests_per_address"),
            burst: limits.number("burst"),
            requests: limits.rate("requests"),
        };
        limits.end();
        read
    }
}

impl Listen {
    fn read(mut listen: Section<'_, '_, '_>) -> Option<Listen> {
        listen.require("addr", "write { addr = \"0.0.0.0:8443\", tls = { cert = \"a.pem\", key = \"a.key\" } }");
        let addr = listen.text("addr");
        let tls = listen.texts_or_tables("tls", "edge.listen.tls", Tls::Word, Tls::read);
        let h2c = listen.flag("h2c");
        listen.end();
        Some(Listen { addr: addr?, tls, h2c })
    }
}

impl Tls {
    fn read(mut tls: Section<'_, '_, '_>) -> Option<Tls> {
        tls.require("cert", "name the PEM file with the certificate and those above it");
        tls.require("key", "name the PEM file with the private key");
        let (cert, key) = (tls.text("cert"), tls.text("key"));
        tls.end();
        Some(Tls::Pair { cert: cert?, key: key? })
    }
}

impl Admin {
    fn read(mut admin: Section<'_, '_, '_>) -> Admin {
        let read = Admin {
            listen: admin.text("listen"),
            tls: admin.texts_or_tables("tls", "admin.tls", Tls::Word, Tls::read),
            insecure: admin.flag("insecure"),
        };
        admin.end();
        read
    }
}

impl Audit {
    fn read(mut audit: Section<'_, '_, '_>) -> Audit {
        let read = Audit {
            segment_size: audit.size("segment_size"),
            segment_age: audit.duration("segment_age"),
            sync: audit.choice("sync", choice::SYNC),
            on_pressure: audit.choice("on_pressure", choice::ON_PRESSURE),
            high_water: audit.number("high_water"),
            wait: audit.duration("wait"),
            client: audit.choice("client", choice::CLIENT),
            url_query: audit.choice("url_query", choice::URL_QUERY),
        };
        audit.end();
        read
    }
}

impl Log {
    fn read(mut log: Section<'_, '_, '_>) -> Log {
        let read = Log {
            access: log.text("access"),
            format: log.choice("format", choice::LOG_FORMAT),
            client: log.choice("client", choice::CLIENT),
        };
        log.end();
        read
    }
}

impl Site {
    fn read(mut site: Section<'_, '_, '_>) -> Site {
        site.require("hosts", "write hosts = [\"photos.example\"], or hosts = [\"*\"] for any host");
        site.require("origin", ORIGIN_HELP);
        let read = Site {
            at: site.at.clone(),
            name: site.text("name"),
            hosts: site.texts("hosts"),
            origin: Origin::all(&mut site),
            host_header: site.text("host_header"),
            check: site.inner("check", "site.check", Check::read),
            eject: site.inner("eject", "site.eject", Eject::read),
            retry_statuses: site.numbers("retry_statuses"),
            routes: site.tables("route", "site.route", Route::read),
            redirects: site.tables("redirect", "site.redirect", Redirect::read),
            headers: site.tables("header", "site.header", Header::read),
            connect_timeout: site.duration("connect_timeout"),
            first_byte_timeout: site.duration("first_byte_timeout"),
            between_bytes_timeout: site.duration("between_bytes_timeout"),
            tunnel_timeout: site.duration("tunnel_timeout"),
            max_origin_connections: site.number("max_origin_connections"),
            repr_digest: site.flag("repr_digest"),
            on_unknown_digest: site.choice("on_unknown_digest", choice::ON_UNKNOWN_DIGEST),
            hold_max: site.size("hold_max"),
            slices: site.size("slices"),
            compress: site.inner("compress", "site.compress", Compress::read),
            pass_fields: site.texts("pass_fields"),
            store_set_cookie: site.flag("store_set_cookie"),
            client_refresh: site.flag("client_refresh"),
            forwarded: site.flag("forwarded"),
            allow: site.texts("allow"),
            deny: site.texts("deny"),
            limits: site.inner("limits", "site.limits", |limits| Some(Limits::read(limits))),
            cache: site.inner("cache", "site.cache", Rules::read),
            purge: site.inner("purge", "site.purge", Purging::read),
            same_content: site.flag("same_content"),
            spelling: site.inner("spelling", "site.spelling", Spelling::read),
            redirect_to_https: site.flag("redirect_to_https"),
        };
        site.end();
        read
    }
}
