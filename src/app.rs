//! The roof: from a config to running parts, the one reload, the one drain.

mod descriptors;
mod feeds;
mod house;
mod https;
mod keep;
mod listeners;
mod moved;
mod reload;
mod saves;
mod state;
mod tell;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use block::Watching;
use disk::Lookout;
use net::Drain;
use terms::url::Scheme;
use terms::{Clock, Digest, Networks};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::admin::{self, Reload, Token};
use crate::certificates::{self, CertificateError, Certificates};
use crate::config::{self, Meant, Written};
use crate::geo;
use crate::noted::{More, Noted};
use crate::server::{Edge, Greeting, Limits, Listener};
use house::House;
use keep::Keep;
use listeners::Listeners;
use reload::Occasion;
use saves::Saves;
use state::State;

pub use listeners::ListenersError;
pub use state::StateError;

/// All that runs, held together until it stops.
pub struct Running {
    pub edges: Vec<(Scheme, SocketAddr)>,
    pub admin: (Scheme, SocketAddr),
    parts: Parts,
    /// Tells operators that the edge is stopping.
    draining: Drain,
    /// Ends the admin listener, after the edge has drained.
    closing: Drain,
    reloads: mpsc::Receiver<Reload>,
    /// `None` where there is no file, or no longer.
    saves: Option<Saves>,
    signals: Signals,
    keep: Keep,
    _lookouts: Vec<Lookout>,
    lists: Watching,
    _state: State,
}

/// What a reload reaches.
struct Parts {
    meant: Meant,
    source: Option<Source>,
    node: String,
    /// Where the admin listener was bound: a port of 0 has become a real one.
    admin: SocketAddr,
    house: House,
    edge: Arc<Edge>,
    listeners: Listeners,
}

/// The file that the config is from.
struct Source {
    path: std::path::PathBuf,
    /// What it held when it was last tried, with success or without.
    tried: Option<Digest>,
}

/// What the system tells this process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

/// Wishes to reload that wait; more are refused by the API until one was met.
const RELOADS: usize = 4;

/// Starts everything that `meant` asks for. Clients and operators are served when it returns. `written` is
/// the file that it is from, which is followed from now on.
pub async fn start(meant: Meant, written: Option<Written>, mut signals: Signals) -> anyhow::Result<Running> {
    descriptors::raise();
    let state = State::open(&meant.state)?;
    let shown = Arc::new(Certificates::new(&meant.state, Clock::system()));
    let mut listeners = Listeners::new(shown.clone());
    let prepared = listeners.prepare(&meant.edge.listeners, https::self_signed_names(&meant))?;
    let (admin_socket, admin_tls) = bind_admin(&meant, &shown)?;
    let admin_scheme = if admin_tls.is_some() { Scheme::Https } else { Scheme::Http };
    let admin_address = admin_socket.local_addr()?;
    let https = https::port(&meant, &prepared.addresses());
    // Without a file there is the folder that relative arguments start from.
    let pages = match &written {
        Some(written) => written.folder(),
        None => std::env::current_dir().context("the current folder is lost")?,
    };
    let opened = tokio::select! {
        opened = feeds::open(&meant) => opened?,
        () = signals.stop() => return Err(Stopped.into()),
    };
    let mut house = House::open((&meant, &state), opened, pages, shown.clone(), https)?;
    let lists = house.begin().await?;
    let mut lookouts = vec![
        certificates::watch(shown).context("the certificates can't be watched")?,
        house.follow_places().context("the database of places can't be watched")?,
    ];
    let saves = match &written {
        Some(written) => {
            let (lookout, saves) = saves::follow(written).context("the config can't be watched")?;
            lookouts.extend(lookout);
            Some(saves)
        }
        None => None,
    };

    let (draining, closing) = (Drain::new(), Drain::new());
    let (wish, reloads) = mpsc::channel(RELOADS);
    let more = More::of(written.as_ref().map(|written| &*written.path), &meant);
    Noted { scheme: admin_scheme, address: admin_address }
        .write(&more, &meant.state)
        .context("state/admin.address can't be written")?;
    let token = Token::open(&meant.state.join("admin.token")).context("state/admin.token can't be opened")?;
    let keep = Keep::begin(&meant, &state, &house)?;
    let admin = Arc::new(house.admin(&state, token, wish, draining.watch()));
    tokio::spawn(admin::serve(admin_socket, admin_tls, admin, closing.watch()));
    let edge = Arc::new(Edge::new(house.gateway.clone(), limits_of(&meant), house.telemetry.edge.clone()));
    listeners.carry_out(prepared, &edge, meant.edge.drain);
    let source = written.map(|written| Source { tried: Some(written.digest()), path: written.path });
    let parts = Parts { meant, source, node: state.node.clone(), admin: admin_address, house, edge, listeners };
    Ok(Running {
        edges: parts.listeners.addresses(),
        admin: (admin_scheme, admin_address),
        parts,
        draining,
        closing,
        reloads,
        saves,
        signals,
        keep,
        _lookouts: lookouts,
        lists,
        _state: state,
    })
}

impl Running {
    /// Serves until told to stop by a signal, then drains: TERM and INT drain, a second INT leaves at
    /// once, HUP reloads, USR1 opens the access log again. A reload that is under way when it is told to stop is
    /// given up.
    pub async fn until_stopped(mut self) -> anyhow::Result<()> {
        while let Some(occasion) = self.next().await {
            tokio::select! {
                () = self.signals.stop() => {
                    tracing::warn!("told to stop: the reload that is under way is given up");
                    break;
                }
                () = self.parts.reload_on(occasion) => {}
            }
        }
        self.stop().await;
        Ok(())
    }

    /// The next occasion to reload; `None`: told to stop.
    async fn next(&mut self) -> Option<Occasion> {
        loop {
            tokio::select! {
                _ = self.signals.terminate.recv() => return None,
                _ = self.signals.interrupt.recv() => return None,
                _ = self.signals.hangup.recv() => return Some(Occasion::Hangup),
                _ = self.signals.user1.recv() => self.parts.house.access.reopen(),
                Some(wish) = self.reloads.recv() => return Some(Occasion::Wish(wish)),
                Some(saved) = saves::next(&mut self.saves) => return Some(Occasion::Saved(saved)),
            }
        }
    }

    async fn stop(mut self) {
        self.draining.trigger();
        let (listeners, patience) = (&self.parts.listeners, self.parts.meant.edge.drain);
        let writing = self.keep.write(&self.parts.meant, &self.parts.house, Instant::now() + patience);
        listeners.drain();
        tracing::info!(connections = listeners.live(), ?patience, "stopping: answers under way may go on");
        tokio::select! {
            left = listeners.finished(patience) => {
                if left > 0 {
                    tracing::warn!(connections = left, "the drain's deadline has passed: ending what is left");
                }
            }
            _ = self.signals.interrupt.recv() => self.keep.leave_at_once(),
        }
        listeners.end();
        // Ending a connection is a matter of closing it and writing its record.
        listeners.finished(ENDING).await;
        let written = tokio::select! {
            written = keep::written(writing) => written,
            _ = self.signals.interrupt.recv() => None,
        };
        self.closing.trigger();
        self.parts.house.feeds.close();
        let (lists, takedown) = (self.lists, self.parts.house.takedown.clone());
        let settle = move || {
            drop(lists);
            takedown.close();
        };
        if tokio::task::spawn_blocking(settle).await.is_err() {
            tracing::error!("the lists did not close");
        }
        self.parts.house.hooks.close().await;
        if let Some(written) = written {
            keep::put_in_force(written).await;
        }
        let (log, access) = (self.parts.house.log.clone(), self.parts.house.access.clone());
        let close = move || {
            log.close();
            access.close();
        };
        if tokio::task::spawn_blocking(close).await.is_err() {
            tracing::error!("the logs did not close");
        }
    }
}

const ENDING: Duration = Duration::from_secs(2);

impl Signals {
    /// From now on none ends the process by itself. Within a runtime.
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn bind_admin(meant: &Meant, certificates: &Certificates) -> anyhow::Result<(TcpListener, Option<TlsAcceptor>)> {
    let names = https::self_signed_names(meant);
    let load = |tls| certificates.load(tls, &names, &admin::PROTOCOLS);
    let loaded = meant.admin.tls.as_ref().map(load).transpose()?;
    let bound = Listener::bind(meant.admin.address, Greeting::Clear { h2c: false })?;
    let tls = loaded.map(|loaded| TlsAcceptor::from(certificates.show(bound.address(), loaded)));
    Ok((bound.into_socket(), tls))
}

/// A start that was not waited for.
#[derive(Debug, thiserror::Error)]
#[error("told to stop before it served")]
struct Stopped;

/// Lists that can't be used, and no good version of them from before.
#[derive(Debug, thiserror::Error)]
#[error("the block lists can't be used:\n{0}")]
pub struct ListsUnusable(String);

/// The exit code that a failed start ends with: 78 for what is configured wrongly, 1 for what is in the
/// way, 0 where it was told to stop.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Stopped>() {
        return 0;
    }
    let configured = error.chain().any(|cause| {
        cause.is::<ListsUnusable>()
            || cause.is::<net::TlsError>()
            || cause.is::<geo::DatabaseError>()
            || matches!(cause.downcast_ref(), Some(CertificateError::Tls(_)))
            || matches!(cause.downcast_ref(), Some(ListenersError::Certificate(CertificateError::Tls(_))))
            || cause.is::<config::Errors>()
            || cause.is::<block::EditsError>()
    });
    if configured { 78 } else { 1 }
}

fn limits_of(meant: &Meant) -> Limits {
    let edge = &meant.edge;
    Limits {
        head: terms::wire::head::Limits { head: edge.max_head, target: edge.max_target, fields: edge.max_fields },
        max_body: edge.max_body,
        max_connections: descriptors::for_clients(edge.max_connections),
        head_timeout: edge.head_timeout,
        idle_timeout: edge.idle_timeout,
        min_rate: edge.min_rate,
        connections_per_address: meant.limits.connections_per_address,
        trusted_proxies: Networks::new(&edge.trusted_proxies),
    }
}
