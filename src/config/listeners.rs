//! Judges where clients and operators come in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use net::tls::PairFiles;

use super::errors::{Span, Wrong, quoted};
use super::judge::{DAY, HOUR, Judge, MILLISECOND};
use super::meant::{Admin, Edge, Listener};
use super::reader::At;
use super::typed;
use crate::certificates::Wanted;

const ADDRESS_HELP: &str = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";

pub(super) const SELF_SIGNED: &str = "self-signed";

const TLS_HELP: &str = "write { cert = \"a.pem\", key = \"a.key\" }, a list of such tables, or \"self-signed\"";

const EXPOSED_HELP: &str =
    "listen on 127.0.0.1, or set admin.tls = { cert = \"…\", key = \"…\" }, or admin.insecure = true";

impl Judge<'_, '_> {
    pub(super) fn edge(&mut self, edge: typed::Edge) -> Edge {
        let default = Edge::default();
        Edge {
            listeners: match edge.listen {
                Some(listen) => self.listeners(listen),
                None => default.listeners,
            },
            head_timeout: self.duration(edge.head_timeout, default.head_timeout, MILLISECOND..=HOUR),
            idle_timeout: self.duration(edge.idle_timeout, default.idle_timeout, MILLISECOND..=DAY),
            drain: self.duration(edge.drain, default.drain, Duration::ZERO..=DAY),
            max_head: self.length(edge.max_head, default.max_head, 1 << 10..=1 << 20),
            max_target: self.length(edge.max_target, default.max_target, 64..=1 << 20),
            max_fields: self.count(edge.max_fields, default.max_fields, 1..=10_000),
            max_body: self.size(edge.max_body, default.max_body, 0..=1 << 50),
            max_connections: self.count(edge.max_connections, default.max_connections, 1..=1_000_000),
            https_port: edge.https_port.and_then(|port| self.port(port)),
            min_rate: self.byte_rate(edge.min_rate, default.min_rate),
            trusted_proxies: self.networks(edge.trusted_proxies),
        }
    }

    fn listeners(&mut self, listen: At<Vec<typed::Listen>>) -> Vec<Listener> {
        if listen.value.is_empty() {
            self.faults.add(&listen.at, Wrong::new("the edge listens nowhere", ADDRESS_HELP));
        }
        let mut listeners: Vec<Listener> = Vec::new();
        for typed::Listen { addr, tls, h2c } in listen.value {
            if let Some(h2c) = h2c.as_ref().filter(|h2c| h2c.value && tls.is_some()) {
                let what = "h2c is HTTP/2 without TLS, and this listener has TLS";
                self.faults.add(&h2c.at, Wrong::new(what, "remove h2c: over TLS, client and edge agree on HTTP/2"));
            }
            let tls = tls.and_then(|tls| self.tls(tls));
            let Some(address) = self.address(&addr) else { continue };
            if listeners.iter().any(|other| clash(other.address, address)) {
                self.faults
                    .add(&addr.at, Wrong::new(format!("{address} is listened on twice"), "remove one of the two"));
            }
            listeners.push(Listener { address, tls, h2c: h2c.is_some_and(|h2c| h2c.value) });
        }
        listeners
    }

    /// `of_edge`: where the edge's own addresses are written, if they are.
    pub(super) fn admin(&mut self, admin: typed::Admin, edge: &Edge, of_edge: Option<Span>) -> Admin {
        let at = admin.listen.as_ref().map(|listen| listen.at.clone());
        let is_secured = admin.tls.is_some();
        let address = admin.listen.and_then(|listen| self.address(&listen));
        let meant = Admin {
            address: address.unwrap_or(Admin::default().address),
            tls: admin.tls.and_then(|tls| self.tls(tls)),
            insecure: admin.insecure.is_some_and(|insecure| insecure.value),
        };
        if let Some(at) = at.as_ref().filter(|_| meant.is_exposed() && !meant.insecure && !is_secured) {
            self.faults.add(at, exposed(meant.address, EXPOSED_HELP));
        }
        if edge.listeners.iter().any(|listener| clash(listener.address, meant.address)) {
            let (whose, help) = match at {
                Some(_) => ("a listener of the edge already", "give the admin listener a port of its own"),
                None => ("the admin listener's, unless admin.listen is set", "set admin.listen, or write another port"),
            };
            if let Some(at) = at.or(of_edge) {
                self.faults.add(&at, Wrong::new(format!("{} is {whose}", meant.address), help));
            }
        }
        meant
    }

    fn tls(&mut self, tls: At<Vec<typed::Tls>>) -> Option<Wanted> {
        if tls.value.is_empty() {
            self.faults.add(&tls.at, Wrong::new("`tls` names no certificate", TLS_HELP));
            return None;
        }
        let mut pairs = Vec::new();
        let count = tls.value.len();
        for one in tls.value {
            match one {
                typed::Tls::Word(word) if word.value == SELF_SIGNED && count == 1 => return Some(Wanted::SelfSigned),
                typed::Tls::Word(word) => {
                    let what = match word.value == SELF_SIGNED {
                        true => "\"self-signed\" stands alone, not among others".to_owned(),
                        false => format!("{} is not a certificate", quoted(&word.value)),
                    };
                    self.faults.add(&word.at, Wrong::new(what, TLS_HELP));
                }
                typed::Tls::Pair { cert, key } => pairs.extend(self.pair(&cert, &key)),
            }
        }
        (pairs.len() == count).then_some(Wanted::Files(pairs))
    }

    /// A name that is mistyped is shown in its place. What the files hold is judged when they are put in
    /// force, and by `check`: a command may read a config whose keys its user may not.
    fn pair(&mut self, cert: &At<String>, key: &At<String>) -> Option<PairFiles> {
        let paths = (self.path(cert), self.path(key));
        let mut is_there = |path: Option<PathBuf>, at: &Span| {
            let path = path?;
            match path.metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let what = format!("{} is not there", quoted(&path.to_string_lossy()));
                    self.faults.add(at, Wrong::new(what, "name a PEM file, relative to the config's folder"));
                    None
                }
                _ => Some(path),
            }
        };
        let (cert, key) = (is_there(paths.0, &cert.at), is_there(paths.1, &key.at));
        Some(PairFiles { cert: cert?, key: key? })
    }

    fn port(&mut self, given: At<u64>) -> Option<u16> {
        let port = u16::try_from(given.value).ok().filter(|port| *port != 0);
        if port.is_none() {
            let what = format!("{} is not a port", given.value);
            self.faults.add(&given.at, Wrong::new(what, "write 1 to 65535"));
        }
        port
    }

    fn address(&mut self, text: &At<String>) -> Option<SocketAddr> {
        self.checked(text.clone(), |text| {
            let what = || format!("{} is not an address to listen on", quoted(text));
            text.parse().map_err(|_| match text.rsplit_once(':') {
                Some(("localhost", port)) => Wrong::new(what(), format!("write \"127.0.0.1:{port}\"")),
                Some(("" | "*", port)) => Wrong::new(what(), format!("for every address write \"0.0.0.0:{port}\"")),
                _ => Wrong::new(what(), ADDRESS_HELP),
            })
        })
    }
}

/// Whether only one of two can be listened on: every address of a family holds each of them. Port 0 is another one each
/// time. Whether `[::]` holds those of IPv4 is the system's to say.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let is_every = one.ip().is_unspecified() || other.ip().is_unspecified();
    let share = one.ip() == other.ip() || (is_every && one.is_ipv4() == other.is_ipv4());
    share && one.port() == other.port() && one.port() != 0
}

pub(super) fn exposed(address: SocketAddr, help: &str) -> Wrong {
    Wrong::new(format!("{address} can be reached by others, and the admin listener has no TLS"), help)
}
