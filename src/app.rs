//! The roof: from a config to running parts, the one reload, the one drain.

mod house;
mod reload;
mod state;
mod tell;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use block::Watching;
use net::Drain;
use terms::url::Scheme;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::{self, Reload, Token};
use crate::config::{self, Meant};
use crate::server::{self, Edge, Limits, Listener};
use house::House;
use state::State;

pub use state::StateError;

/// All that runs, held together until it stops.
pub struct Running {
    pub edges: Vec<(Scheme, SocketAddr)>,
    pub admin: (Scheme, SocketAddr),
    parts: Parts,
    drain: Drain,
    ending: Drain,
    /// Ends the admin listener, after the edge has drained.
    closing: Drain,
    reloads: mpsc::Receiver<Reload>,
    signals: Signals,
    _watching: Watching,
    _state: State,
}

/// What a reload reaches.
struct Parts {
    meant: Meant,
    source: Option<PathBuf>,
    node: String,
    house: House,
    edge: Arc<Edge>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Wishes to reload that wait; more are refused by the API until one was met.
const RELOADS: usize = 4;

/// Starts everything that `meant` asks for. Clients and operators are served when it returns.
pub async fn start(meant: Meant, source: Option<PathBuf>) -> anyhow::Result<Running> {
    let signals = Signals::listen().context("can't listen for signals")?;
    let state = State::open(&meant.state)?;
    let listeners = bind_edge(&meant)?;
    let (admin_socket, admin_tls) = bind_admin(&meant.admin)?;
    let admin_scheme = if admin_tls.is_some() { Scheme::Https } else { Scheme::Http };
    let admin_address = admin_socket.local_addr()?;
    let mut house = House::open(&meant, &state)?;
    let watching = house.begin().await?;

    let (drain, ending, closing) = (Drain::new(), Drain::new(), Drain::new());
    let (wish, reloads) = mpsc::channel(RELOADS);
    disk::durable::write(&meant.state.join("admin.address"), format!("{admin_address}\n").as_bytes())
        .context("state/admin.address can't be written")?;
    let token = Token::open(&meant.state.join("admin.token")).context("state/admin.token can't be opened")?;
    let admin = Arc::new(house.admin(&state, token, wish, drain.watch()));
    tokio::spawn(admin::serve(admin_socket, admin_tls, admin, closing.watch()));
    let edge = Arc::new(Edge::new(house.gateway.clone(), limits_of(&meant), house.telemetry.edge.clone()));
    let edges = listeners.iter().map(|listener| (listener.scheme(), listener.address())).collect();
    for listener in listeners {
        let stop = server::Stop { draining: drain.watch(), ending: ending.watch() };
        tokio::spawn(server::serve(listener, edge.clone(), stop));
    }
    let parts = Parts { meant, source, node: state.node.clone(), house, edge };
    Ok(Running {
        edges,
        admin: (admin_scheme, admin_address),
        parts,
        drain,
        ending,
        closing,
        reloads,
        signals,
        _watching: watching,
        _state: state,
    })
}

impl Running {
    /// Serves until told to stop by a signal, then drains: TERM and INT drain, a second INT leaves at
    /// once, HUP reloads.
    pub async fn until_stopped(mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
                _ = self.signals.hangup.recv() => {
                    if let Err(error) = self.parts.reload(false).await {
                        tracing::error!("not reloaded: {error}");
                    }
                }
                Some(wish) = self.reloads.recv() => {
                    let outcome = self.parts.reload(wish.accept_shrink).await;
                    // The operator who asked may be gone; the outcome is in the log and the metrics.
                    let _ = wish.reply.send(outcome);
                }
            }
        }
        self.stop().await;
        Ok(())
    }

    async fn stop(mut self) {
        self.drain.trigger();
        let patience = self.parts.meant.edge.drain;
        tracing::info!(connections = self.drain.live(), ?patience, "stopping: answers under way may go on");
        tokio::select! {
            left = self.drain.finished(patience) => {
                if left > 0 {
                    tracing::warn!(connections = left, "the drain's deadline has passed: ending what is left");
                }
            }
            _ = self.signals.interrupt.recv() => tracing::warn!("interrupted again: leaving at once"),
        }
        self.ending.trigger();
        // Ending a connection is a matter of closing it and writing its record.
        self.drain.finished(ENDING).await;
        self.closing.trigger();
        self.parts.house.hooks.close().await;
        let log = self.parts.house.log.clone();
        if tokio::task::spawn_blocking(move || log.close()).await.is_err() {
            tracing::error!("the evidence log did not close");
        }
    }
}

const ENDING: std::time::Duration = std::time::Duration::from_secs(2);

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

fn bind_edge(meant: &Meant) -> anyhow::Result<Vec<Listener>> {
    let bind = |listener: &config::Listener| {
        let tls = listener.tls.as_ref().map(|tls| net::tls::server_config(&tls.cert, &tls.key)).transpose()?;
        Ok(Listener::bind(listener.address, tls)?.with_h2c(listener.h2c))
    };
    meant.edge.listeners.iter().map(bind).collect()
}

fn bind_admin(admin: &config::Admin) -> anyhow::Result<(TcpListener, Option<tokio_rustls::TlsAcceptor>)> {
    let tls = admin.tls.as_ref().map(|tls| net::tls::server_config(&tls.cert, &tls.key)).transpose()?;
    let socket = Listener::bind(admin.address, None)?.into_socket();
    Ok((socket, tls.map(tokio_rustls::TlsAcceptor::from)))
}

/// Lists that can't be used, and no good version of them from before.
#[derive(Debug, thiserror::Error)]
#[error("the block lists can't be used:\n{0}")]
pub struct ListsUnusable(String);

/// The exit code that a failed start ends with: 78 for what is configured wrongly, 1 for what is in the
/// way.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let configured = error.chain().any(|cause| {
        cause.is::<ListsUnusable>()
            || cause.is::<net::TlsError>()
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
        max_connections: edge.max_connections,
        head_timeout: edge.head_timeout,
        idle_timeout: edge.idle_timeout,
    }
}
