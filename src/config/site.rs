//! Judges the sites: each by itself, and that no two take the same host.

use std::collections::HashMap;
use std::sync::Arc;

use super::errors::{Span, Wrong, quoted};
use super::header::field_name;
use super::hosts;
use super::judge::{DAY, HOUR, Judge, MILLISECOND};
use super::meant::{self, Edge, Site};
use super::reader::At;
use super::{origins, typed};
use crate::sites::HostPattern;
use terms::Network;

/// A site's name stands in metric labels and in every line of the log.
const MAX_NAME: usize = 253;

/// Bytes of a slice: with smaller ones, fetches cost more than they bring; a larger one is not known to be stored.
/// What may be held of one body: it stands in memory for as long as its origin takes for it.
const HELD: (u64, u64) = (1 << 10, 16 << 20);

const SLICES: (u64, u64) = (64 << 10, 1 << 30);

/// Hosts of a site with `same_content`: a pattern rule may be tried with each of them.
const MAX_KIN: usize = 256;

/// What the sites before this one have taken.
#[derive(Default)]
struct Taken {
    names: HashMap<String, Span>,
    hosts: HashMap<HostPattern, Holder>,
}

/// The site, by its place in the file, that has a host, and where it says so.
#[derive(Clone)]
struct Holder {
    index: usize,
    name: String,
    at: Span,
}

impl Judge<'_, '_> {
    pub(super) fn sites(&mut self, written: Option<At<Vec<typed::Site>>>, edge: &Edge) -> Vec<Site> {
        let Some(written) = written else { return Vec::new() };
        if written.value.is_empty() {
            self.faults.add(&written.at, Wrong::new("there is no site", typed::SITE_HELP));
        }
        let mut taken = Taken::default();
        let mut sites = Vec::new();
        for (index, site) in written.value.into_iter().enumerate() {
            let hosts = self.hosts(site.hosts.as_ref());
            let name = self.site_name(site.name.as_ref(), &hosts);
            let mut all_free = true;
            for (host, at) in &hosts {
                all_free &=
                    self.take_host(&mut taken.hosts, host, &Holder { index, name: name.clone(), at: at.clone() });
            }
            // A name that came from a host which is taken is taken with it: that is told already.
            if all_free || site.name.is_some() {
                self.take_name(&mut taken.names, &name, site.name.as_ref().map_or(&site.at, |name| &name.at));
            }
            let hosts = hosts.into_iter().map(|(host, _)| host).collect();
            sites.extend(self.site(site, &name, hosts, edge));
        }
        sites
    }

    fn take_name(&mut self, taken: &mut HashMap<String, Span>, name: &str, at: &Span) {
        if let Some(other) = taken.get(name) {
            let line = self.faults.line(other);
            let what = format!("a site has the name {} already", quoted(name));
            self.faults
                .add(at, Wrong::new(what, format!("give this site, or the one in line {line}, a name of its own")));
        } else {
            taken.insert(name.to_owned(), at.clone());
        }
    }

    /// Whether no site before this one has the host. A site may name one twice; it means nothing new.
    fn take_host(&mut self, taken: &mut HashMap<HostPattern, Holder>, host: &HostPattern, holder: &Holder) -> bool {
        for part in host.parts() {
            match taken.get(&part) {
                Some(other) if other.index == holder.index => {}
                Some(other) => {
                    let line = self.faults.line(&other.at);
                    let what = format!("`{part}` is a host of site {} already", quoted(&other.name));
                    self.faults.add(&holder.at, Wrong::new(what, format!("remove it here or in line {line}")));
                    return false;
                }
                None => drop(taken.insert(part, holder.clone())),
            }
        }
        true
    }

    fn hosts(&mut self, written: Option<&At<Vec<At<String>>>>) -> Vec<(HostPattern, Span)> {
        let Some(written) = written else { return Vec::new() };
        if written.value.is_empty() {
            self.faults
                .add(&written.at, Wrong::new("this site has no host", "name one, or write [\"*\"] for any host"));
        }
        let mut hosts = Vec::new();
        for host in &written.value {
            match hosts::pattern(&host.value) {
                Ok(pattern) => hosts.push((pattern, host.at.clone())),
                Err(wrong) => self.faults.add(&host.at, wrong),
            }
        }
        hosts
    }

    /// A site without a name is called after the first of its hosts: unlike its place in the file,
    /// that stays when other sites come and go. The site for any host is called `any`.
    fn site_name(&mut self, written: Option<&At<String>>, hosts: &[(HostPattern, Span)]) -> String {
        if let Some(name) = written {
            let fits =
                !name.value.trim().is_empty() && name.value.len() <= MAX_NAME && !name.value.contains(char::is_control);
            if !fits {
                let what = format!("{} can't be the name of a site", quoted(&name.value));
                let help = format!("write up to {MAX_NAME} bytes without control characters");
                self.faults.add(&name.at, Wrong::new(what, help));
            }
            return name.value.clone();
        }
        match hosts.first() {
            Some((HostPattern::Any, _)) | None => "any".to_owned(),
            Some((host, _)) => host.to_string(),
        }
    }

    /// `None` where no origin of it can be read, which is a fault already.
    fn site(&mut self, site: typed::Site, name: &str, hosts: Vec<HostPattern>, edge: &Edge) -> Option<Site> {
        let mut meant = Site::new(name, hosts);
        let mut waits = meant::waits();
        waits.connect_timeout = self.duration(site.connect_timeout, waits.connect_timeout, MILLISECOND..=HOUR);
        waits.first_byte_timeout = self.duration(site.first_byte_timeout, waits.first_byte_timeout, MILLISECOND..=DAY);
        waits.between_bytes_timeout =
            self.duration(site.between_bytes_timeout, waits.between_bytes_timeout, MILLISECOND..=DAY);
        meant.tunnel_timeout = self.duration(site.tunnel_timeout, meant.tunnel_timeout, MILLISECOND..=7 * DAY);
        waits.max_connections = self.count(site.max_origin_connections, waits.max_connections, 1..=65_535);
        let plan = &mut meant.plan;
        meant.shares = site.origin.map(|origins| self.shares(origins, plan, &waits)).unwrap_or_default();
        meant.routes = self.routes(site.routes, plan, &waits);
        plan.check = self.check(site.check);
        plan.ejection = self.ejection(site.eject);
        plan.retry_statuses = self.statuses(site.retry_statuses, 500);
        meant.host_header = site.host_header.and_then(|host| self.checked(host, origins::host_field));
        meant.redirects = self.redirects(site.redirects);
        (meant.to_client, meant.to_origin) = self.headers(site.headers);
        let on = |flag: Option<At<bool>>| flag.is_some_and(|flag| flag.value);
        meant.caching = cache::Caching {
            store_set_cookie: on(site.store_set_cookie),
            client_refresh: on(site.client_refresh),
            repr_digest: on(site.repr_digest),
            slices: site.slices.map(|slices| self.size(Some(slices), SLICES.0, SLICES.0..=SLICES.1)),
            ..cache::Caching::default()
        };
        meant.on_unknown_digest = site.on_unknown_digest.map(|choice| choice.value).unwrap_or_default();
        meant.hold_max = self.size(site.hold_max, meant.hold_max, HELD.0..=HELD.1);
        meant.spelling = site.spelling.map(|spelling| self.spelling(spelling)).unwrap_or_default();
        let case = meant.spelling.case();
        meant.caching.rules = site.cache.map(|rules| Arc::new(self.cache_rules(rules, case))).unwrap_or_default();
        meant.caching.compression = site.compress.map(|compress| Arc::new(self.compression(compress)));
        meant.same_content = self.same_content(site.same_content, &meant.hosts);
        meant.redirect_to_https = site.redirect_to_https.is_some_and(|redirect| self.redirect_to_https(redirect, edge));
        meant.forwarded = on(site.forwarded);
        (meant.allow, meant.deny) = (self.allowed(site.allow), self.networks(site.deny));
        meant.limits = site.limits.map(|limits| self.quota(limits)).unwrap_or_default();
        meant.purging = site.purge.map(|purge| self.purging(purge)).unwrap_or_default();
        for field in site.pass_fields.map(|fields| fields.value).unwrap_or_default() {
            meant.pass_fields.extend(self.checked(field, pass_field));
        }
        (!meant.shares.is_empty()).then_some(meant)
    }

    fn allowed(&mut self, written: Option<At<Vec<At<String>>>>) -> Vec<Network> {
        if let Some(allow) = written.as_ref().filter(|allow| allow.value.is_empty()) {
            let help = "name who may ask, or remove it: then everybody may";
            self.faults.add(&allow.at, Wrong::new("this list allows nobody", help));
        }
        self.networks(written)
    }

    fn same_content(&mut self, written: Option<At<bool>>, hosts: &[HostPattern]) -> bool {
        let Some(written) = written.filter(|flag| flag.value) else { return false };
        if hosts.len() > MAX_KIN {
            let what = format!("{} hosts are more than can have the same content", hosts.len());
            self.faults.add(&written.at, Wrong::new(what, format!("name {MAX_KIN} at most, with wildcards")));
        }
        true
    }

    /// Without TLS anywhere a client would be sent in a circle, or nowhere.
    fn redirect_to_https(&mut self, redirect: At<bool>, edge: &Edge) -> bool {
        let has_https = edge.https_port.is_some() || edge.listeners.iter().any(|listener| listener.tls.is_some());
        if redirect.value && !has_https {
            let help = "give a listener `tls`, or say with edge.https_port where https is";
            self.faults.add(&redirect.at, Wrong::new("no listener of the edge speaks https", help));
        }
        redirect.value
    }
}

/// Fields that belong to one connection (RFC 9110 section 7.6.1), frame the message, or are ours.
pub(super) const NEVER_PASSED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
];

fn pass_field(text: &str) -> Result<http::HeaderName, Wrong> {
    let name = field_name(text)?;
    if NEVER_PASSED.contains(&name.as_str()) {
        let what = format!("`{name}` belongs to one connection, or is set here: it can't be passed");
        return Err(Wrong::new(what, "remove it"));
    }
    Ok(name)
}
