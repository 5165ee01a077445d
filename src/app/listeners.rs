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

use crate::config;
use crate::server::{self, Edge, Greeting, ListenError, Listener, Stop};

#[derive(Default)]
pub(super) struct Listeners {
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
    draining: Drain,
    ending: Drain,
}

/// What becomes of the listeners, one step for each that is wanted.
pub(super) struct Prepared(Vec<Step>);

enum Step {
    /// The one with this address stays, and is meant like this.
    Keep(SocketAddr, config::Listener),
    /// It stays, and new connections are greeted with this.
    Greet(SocketAddr, config::Listener, Greeting),
    Open(config::Listener, Listener),
}

/// Why the wanted listeners can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenersError {
    #[error(transparent)]
    Tls(#[from] net::TlsError),
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
    /// Binds what is wanted and not open. A wanted address is also that of a listener that was given it for
    /// port 0.
    pub(super) fn prepare(&self, wanted: &[config::Listener]) -> Result<Prepared, ListenersError> {
        let mut left: Vec<&Open> = self.open.iter().collect();
        let found: Vec<Option<&Open>> =
            wanted.iter().map(|meant| take(&mut left, |open| open.meant == *meant)).collect();
        let found: Vec<Option<&Open>> = wanted
            .iter()
            .zip(found)
            .map(|(meant, same)| same.or_else(|| take(&mut left, |open| open.is_at(meant.address))))
            .collect();
        let step = |(meant, open): (&config::Listener, Option<&Open>)| match open {
            Some(open) if greets_alike(&open.meant, meant) => Ok(Step::Keep(open.address, meant.clone())),
            Some(open) => Ok(Step::Greet(open.address, meant.clone(), greeting_of(meant)?)),
            None => {
                let bound = Listener::bind(meant.address, greeting_of(meant)?);
                Ok(Step::Open(meant.clone(), bound.map_err(|refused| overlap(refused, &left))?))
            }
        };
        Ok(Prepared(wanted.iter().zip(found).map(step).collect::<Result<_, ListenersError>>()?))
    }

    /// Opens what was prepared, and closes what is no longer wanted: its connections may go on for `patience`.
    /// Says what it did.
    pub(super) fn carry_out(&mut self, prepared: Prepared, edge: &Arc<Edge>, patience: Duration) -> Vec<String> {
        let mut told = Vec::new();
        let mut before = std::mem::take(&mut self.open);
        let mut kept =
            |address| before.iter().position(|open| open.address == address).map(|at| before.swap_remove(at));
        for step in prepared.0 {
            match step {
                Step::Keep(address, meant) => self.open.extend(kept(address).map(|open| Open { meant, ..open })),
                Step::Greet(address, meant, greeting) => {
                    let Some(open) = kept(address) else { continue };
                    open.greeting.store(Arc::new(greeting));
                    told.push(format!("edge {}: greets anew", open.url()));
                    self.open.push(Open { meant, ..open });
                }
                Step::Open(meant, listener) => {
                    let open = Open::begin(meant, listener, edge);
                    told.push(format!("edge {}: open", open.url()));
                    self.open.push(open);
                }
            }
        }
        self.leaving.retain(|end| end.draining.live() > 0);
        for open in before {
            told.push(format!("edge {}: closed", open.url()));
            self.leaving.push(open.end.clone());
            tokio::spawn(async move { open.end.come(patience).await });
        }
        told
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
            end.draining.finished(deadline.saturating_duration_since(Instant::now())).await;
        }
        self.live()
    }
}

impl Open {
    fn begin(meant: config::Listener, listener: Listener, edge: &Arc<Edge>) -> Open {
        let end = Arc::new(End { draining: Drain::new(), ending: Drain::new() });
        let stop = Stop { draining: end.draining.watch(), ending: end.ending.watch() };
        let open = Open { meant, address: listener.address(), greeting: listener.greeting(), end };
        tokio::spawn(server::serve(listener, edge.clone(), stop));
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
    async fn come(&self, patience: Duration) {
        self.draining.trigger();
        let left = self.draining.finished(patience).await;
        if left > 0 {
            tracing::warn!(connections = left, "a closed listener's deadline has passed: ending what is left");
        }
        self.ending.trigger();
    }
}

fn take<'o>(left: &mut Vec<&'o Open>, fits: impl Fn(&Open) -> bool) -> Option<&'o Open> {
    left.iter().position(|open| fits(open)).map(|at| left.remove(at))
}

fn greets_alike(one: &config::Listener, other: &config::Listener) -> bool {
    (&one.tls, one.h2c) == (&other.tls, other.h2c)
}

fn greeting_of(meant: &config::Listener) -> Result<Greeting, net::TlsError> {
    Ok(match &meant.tls {
        Some(tls) => Greeting::Tls(net::tls::server_config(&tls.cert, &tls.key)?),
        None => Greeting::Clear { h2c: meant.h2c },
    })
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
