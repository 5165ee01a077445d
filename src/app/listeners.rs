//! The listeners for clients, opened and closed while the others serve.
//!
//! A change is made in two steps: [`Listeners::prepare`] binds what is new, and can fail;
//! [`Listeners::carry_out`] can't.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use net::Drain;
use terms::url::Scheme;
use tokio::time::Instant;

use crate::certificates::{CertificateError, Certificates, Loaded, Wanted};
use crate::config;
use crate::server::{self, Edge, Greeting, ListenError, Listener, Stop};

pub(super) struct Listeners {
    certificates: Arc<Certificates>,
    /// Whom the self-signed certificate in force is for.
    names: Vec<String>,
    open: Vec<Open>,
    /// Of closed ones, those that may still have connections.
    leaving: Vec<Arc<End>>,
}

struct Open {
    meant: config::Listener,
    address: SocketAddr,
    greeting: Arc<ArcSwap<Greeting>>,
    end: Arc<End>,
}

/// How the connections of one listener are told to come to an end: kindly, and then at once.
struct End {
    /// Left by the task that accepts, once it has accepted all.
    accepting: Drain,
    draining: Drain,
    ending: Drain,
}

/// What becomes of the listeners, one step for each that is wanted.
pub(super) struct Prepared {
    steps: Vec<Step>,
    names: Vec<String>,
}

enum Step {
    /// The one with this address stays, and is meant like this.
    Keep(SocketAddr, config::Listener),
    /// It stays, and new connections are greeted with this: with TLS, or in clear.
    Greet(SocketAddr, config::Listener, Option<Loaded>),
    Open(config::Listener, Listener, Option<Loaded>),
}

/// Why the wanted listeners can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenersError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(
        "{refused}; {overlapped}, which would be closed, still holds the port: close it first, by a reload of its own"
    )]
    Overlap {
        #[source]
        refused: ListenError,
        overlapped: SocketAddr,
    },
}

impl Listeners {
    pub(super) fn new(certificates: Arc<Certificates>) -> Listeners {
        Listeners { certificates, names: Vec::new(), open: Vec::new(), leaving: Vec::new() }
    }

    /// Binds what is wanted and not open, and reads the certificates that are to be shown. A wanted address is
    /// also that of a listener that was given it for port 0. `names` are those for a self-signed certificate.
    pub(super) fn prepare(&self, wanted: &[config::Listener], names: Vec<String>) -> Result<Prepared, ListenersError> {
        let mut left: Vec<&Open> = self.open.iter().collect();
        let found: Vec<Option<&Open>> =
            wanted.iter().map(|meant| take(&mut left, |open| open.meant == *meant)).collect();
        let found: Vec<Option<&Open>> = wanted
            .iter()
            .zip(found)
            .map(|(meant, same)| same.or_else(|| take(&mut left, |open| open.is_at(meant.address))))
            .collect();
        let load = |meant: &config::Listener| {
            let tls = meant.tls.as_ref();
            tls.map(|tls| self.certificates.load(tls, &names, &server::PROTOCOLS)).transpose()
        };
        let step = |(meant, open): (&config::Listener, Option<&Open>)| match open {
            Some(open) if self.greets_alike(&open.meant, meant, &names) => Ok(Step::Keep(open.address, meant.clone())),
            Some(open) => Ok(Step::Greet(open.address, meant.clone(), load(meant)?)),
            None => {
                let loaded = load(meant)?;
                let bound = Listener::bind(meant.address, Greeting::Clear { h2c: meant.h2c });
                Ok(Step::Open(meant.clone(), bound.map_err(|refused| overlap(refused, &left))?, loaded))
            }
        };
        let steps = wanted.iter().zip(found).map(step).collect::<Result<_, ListenersError>>()?;
        Ok(Prepared { steps, names })
    }

    /// Opens what was prepared, and closes what is no longer wanted: its connections may go on for `patience`.
    /// Says what it did.
    pub(super) fn carry_out(&mut self, prepared: Prepared, edge: &Arc<Edge>, patience: Duration) -> Vec<String> {
        let mut told = Vec::new();
        let mut before = std::mem::take(&mut self.open);
        let mut kept =
            |address| before.iter().position(|open| open.address == address).map(|at| before.swap_remove(at));
        self.names = prepared.names;
        for step in prepared.steps {
            match step {
                Step::Keep(address, meant) => self.open.extend(kept(address).map(|open| Open { meant, ..open })),
                Step::Greet(address, meant, loaded) => {
                    let Some(open) = kept(address) else { continue };
                    open.greeting.store(Arc::new(self.greeting(address, &meant, loaded)));
                    told.push(format!("edge {}: greets anew", open.url()));
                    self.open.push(Open { meant, ..open });
                }
                Step::Open(meant, listener, loaded) => {
                    listener.greeting().store(Arc::new(self.greeting(listener.address(), &meant, loaded)));
                    let open = Open::begin(meant, listener, edge);
                    told.push(format!("edge {}: open", open.url()));
                    self.open.push(open);
                }
            }
        }
        self.leaving.retain(|end| end.draining.live() > 0);
        for open in before {
            told.push(format!("edge {}: closed", open.url()));
            self.certificates.forget(open.address);
            self.leaving.push(open.end.clone());
            tokio::spawn(async move { open.end.come(patience).await });
        }
        told
    }

    /// Has the certificates shown, if there are any.
    fn greeting(&self, address: SocketAddr, meant: &config::Listener, loaded: Option<Loaded>) -> Greeting {
        match loaded {
            Some(loaded) => Greeting::Tls(self.certificates.show(address, loaded)),
            None => {
                self.certificates.forget(address);
                Greeting::Clear { h2c: meant.h2c }
            }
        }
    }

    fn greets_alike(&self, one: &config::Listener, other: &config::Listener, names: &[String]) -> bool {
        let same_names = one.tls != Some(Wanted::SelfSigned) || self.names == names;
        same_names && (&one.tls, one.h2c) == (&other.tls, other.h2c)
    }

    pub(super) fn addresses(&self) -> Vec<(Scheme, SocketAddr)> {
        self.open.iter().map(|open| (open.greeting.load().scheme(), open.address)).collect()
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        self.open.iter().map(|open| &*open.end).chain(self.leaving.iter().map(|end| &**end))
    }

    /// Connections of all of them.
    pub(super) fn live(&self) -> usize {
        self.ends().map(|end| end.draining.live()).sum()
    }

    /// Tells all connections to come to an end.
    pub(super) fn drain(&self) {
        self.ends().for_each(|end| end.draining.trigger());
    }

    /// Ends them.
    pub(super) fn end(&self) {
        self.ends().for_each(|end| end.ending.trigger());
    }

    /// Waits until no connection is live, but not longer than `within`. Returns how many are left.
    pub(super) async fn finished(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        for end in self.ends() {
            end.finished(deadline.saturating_duration_since(Instant::now())).await;
        }
        self.live()
    }
}

impl Prepared {
    /// Where the listeners will be, in the config's order.
    pub(super) fn addresses(&self) -> Vec<(Scheme, SocketAddr)> {
        let scheme = |meant: &config::Listener| if meant.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let of = |step: &Step| match step {
            Step::Keep(address, meant) | Step::Greet(address, meant, _) => (scheme(meant), *address),
            Step::Open(meant, listener, _) => (scheme(meant), listener.address()),
        };
        self.steps.iter().map(of).collect()
    }
}

impl Open {
    fn begin(meant: config::Listener, listener: Listener, edge: &Arc<Edge>) -> Open {
        let end = Arc::new(End { accepting: Drain::new(), draining: Drain::new(), ending: Drain::new() });
        let stop = Stop { draining: end.draining.watch(), ending: end.ending.watch() };
        let open = Open { meant, address: listener.address(), greeting: listener.greeting(), end };
        let (accepting, edge) = (open.end.accepting.watch().enter(), edge.clone());
        tokio::spawn(async move {
            server::serve(listener, edge, stop).await;
            drop(accepting);
        });
        open
    }

    fn is_at(&self, address: SocketAddr) -> bool {
        self.meant.address == address || self.address == address
    }

    fn url(&self) -> String {
        format!("{}://{}", self.greeting.load().scheme().as_str(), self.address)
    }
}

impl End {
    /// Connections that waited when the end came are welcomed before they are counted.
    async fn finished(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        self.accepting.finished(within).await;
        self.draining.finished(deadline.saturating_duration_since(Instant::now())).await
    }

    async fn come(&self, patience: Duration) {
        self.draining.trigger();
        let left = self.finished(patience).await;
        if left > 0 {
            tracing::warn!(connections = left, "a closed listener's deadline has passed: ending what is left");
        }
        self.ending.trigger();
    }
}

fn take<'o>(left: &mut Vec<&'o Open>, fits: impl Fn(&Open) -> bool) -> Option<&'o Open> {
    left.iter().position(|open| fits(open)).map(|at| left.remove(at))
}

/// Whether the port is held by one of ours: an address for all interfaces and one of a single one exclude
/// each other.
fn overlap(refused: ListenError, left: &[&Open]) -> ListenersError {
    let wanted = refused.address;
    let mut held = left.iter().map(|open| open.address);
    match held.find(|held| held.port() == wanted.port() && (held.ip().is_unspecified() || wanted.ip().is_unspecified()))
    {
        Some(overlapped) => ListenersError::Overlap { refused, overlapped },
        None => ListenersError::Listen(refused),
    }
}
