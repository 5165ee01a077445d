//! Judges where clients and operators come in.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::errors::{Span, Wrong, quoted};
use super::judge::{DAY, HOUR, Judge, MILLISECOND};
use super::meant::{Admin, Edge, Listener, Tls};
use super::reader::At;
use super::typed;

const ADDRESS_HELP: &str = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";

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
            let tls = tls.and_then(|tls| self.tls(&tls));
            let Some(address) = self.address(&addr) else { continue };
            if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
                self.faults
                    .add(&addr.at, Wrong::new(format!("{address} is listened on twice"), "remove one of the two"));
            }
            listeners.push(Listener { address, tls, h2c: h2c.is_some_and(|h2c| h2c.value) });
        }
        listeners
    }

    pub(super) fn admin(&mut self, admin: typed::Admin, edge: &Edge) -> Admin {
        let at = admin.listen.as_ref().map(|listen| listen.at.clone());
        let address = admin.listen.and_then(|listen| self.address(&listen));
        let meant = Admin {
            address: address.unwrap_or(Admin::default().address),
            tls: admin.tls.as_ref().and_then(|tls| self.tls(tls)),
            insecure: admin.insecure.is_some_and(|insecure| insecure.value),
        };
        let Some(at) = at else { return meant };
        if meant.is_exposed() && !meant.insecure && admin.tls.is_none() {
            self.faults.add(&at, exposed(meant.address, EXPOSED_HELP));
        }
        if meant.address.port() != 0 && edge.listeners.iter().any(|listener| listener.address == meant.address) {
            let what = format!("{} is a listener of the edge already", meant.address);
            self.faults.add(&at, Wrong::new(what, "give the admin listener a port of its own"));
        }
        meant
    }

    /// Opens both files: a name that is mistyped is shown in its place here, not when a client comes.
    fn tls(&mut self, tls: &typed::Tls) -> Option<Tls> {
        let (cert, key) = (self.path(&tls.cert), self.path(&tls.key));
        let mut opens = |path: Option<PathBuf>, at: &Span| {
            let path = path?;
            match File::open(&path) {
                Ok(_) => Some(path),
                Err(error) => {
                    let what = format!("{} can't be opened: {error}", quoted(&path.to_string_lossy()));
                    self.faults.add(at, Wrong::new(what, "name a PEM file, relative to the config's folder"));
                    None
                }
            }
        };
        let (cert, key) = (opens(cert, &tls.cert.at), opens(key, &tls.key.at));
        Some(Tls { cert: cert?, key: key? })
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

pub(super) fn exposed(address: SocketAddr, help: &str) -> Wrong {
    Wrong::new(format!("{address} can be reached by others, and the admin listener has no TLS"), help)
}
