//! The roof: from a config to running parts, the one reload, the one drain.

mod reload;
mod state;
mod tell;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use audit::Log;
use block::{Blocks, Edits, Sources, Watching};
use cache::Cache;
use hooks::Hooks;
use net::Drain;
use parking_lot::Mutex;
use terms::Clock;
use terms::url::Scheme;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::{self, Admin, Identity, Reload, Token};
use crate::config::{self, Meant};
use crate::gateway::Gateway;
use crate::pages::Pages;
use crate::server::{self, Edge, Limits, Listener};
use crate::sites::Sites;
use crate::takedown::Takedown;
use crate::telemetry::{Metrics, Telemetry};
use crate::witness::Witness;
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
    gateway: Arc<Gateway>,
    edge: Arc<Edge>,
    witness: Arc<Witness>,
    takedown: Arc<Takedown>,
    telemetry: Arc<Telemetry>,
    hooks: Arc<Hooks>,
    log: Log,
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
    let clock = Clock::system();
    let state = State::open(&meant.state)?;
    let listeners = bind_edge(&meant)?;
    let (admin_socket, admin_tls) = bind_admin(&meant.admin)?;
    let admin_address = admin_socket.local_addr()?;

    let (sources, changes) = open_lists(&meant, &clock)?;
    let edits = Edits::open(&meant.state.join("blocks")).context("the live blocks can't be read")?;
    let log = Log::open(state.audit_settings(&meant)?, clock.clone()).context("the evidence log can't be opened")?;
    let hooks = Arc::new(Hooks::open(&meant.state.join("hooks"), meant.hooks.clone(), clock.clone())?);
    let blocks = Blocks::new(&meant.state, edits.table(), sources.tables()).context("the list version is lost")?;
    let blocks = Arc::new(blocks);
    let cache = Cache::new(meant.cache.clone());
    let telemetry = Arc::new(Telemetry::default());

    let pages = pages_of(&meant, &state.node);
    let via = format!("seawall-{}", &state.node[..8]);
    let witness = Witness::new(log.clone(), clock.clone(), pages, via, meant.audit.wait, telemetry.clone());
    let witness = Arc::new(witness);
    let sites = Sites::new(meant.sites.iter().map(|site| reload::site_of(site, &telemetry, None)).collect());
    let gateway = Gateway::new(sites, blocks.clone(), cache.clone(), witness.clone(), clock.clone());
    let gateway = Arc::new(gateway);
    let edge = Arc::new(Edge::new(gateway.clone(), limits_of(&meant), telemetry.edge.clone()));

    let sources = Arc::new(Mutex::new(sources));
    let takedown =
        Takedown::new(blocks, edits, sources.clone(), cache.clone(), log.clone(), hooks.clone(), clock.clone());
    let takedown = Arc::new(takedown);
    let resumed = takedown.clone();
    tokio::task::spawn_blocking(move || resumed.resume(&changes)).await?.context("pending blocks can't be told of")?;
    let on_change = {
        let takedown = takedown.clone();
        move |changes: Vec<block::Change>| takedown.lists_changed(&changes)
    };
    let watching = block::watch(sources, clock, on_change).context("the lists can't be watched")?;
    tokio::spawn(takedown.clone().keep_time());

    let (drain, ending, closing) = (Drain::new(), Drain::new(), Drain::new());
    let (wish, reloads) = mpsc::channel(RELOADS);
    let rooms = tell::Rooms {
        cache: cache.clone(),
        log: log.clone(),
        hooks: hooks.clone(),
        takedown: takedown.clone(),
        gateway: gateway.clone(),
    };
    let admin = Arc::new(Admin {
        identity: Identity {
            version: env!("CARGO_PKG_VERSION"),
            node: state.node.clone(),
            run: state.run,
            started: Instant::now(),
        },
        token: Token::open(&meant.state.join("admin.token")).context("state/admin.token can't be opened")?,
        gateway: gateway.clone(),
        takedown: takedown.clone(),
        cache,
        log: log.clone(),
        hooks: hooks.clone(),
        telemetry: telemetry.clone(),
        metrics: Metrics::of([telemetry.clone() as _, Arc::new(rooms) as _]),
        reloads: wish,
        draining: drain.watch(),
    });
    let admin_scheme = if admin_tls.is_some() { Scheme::Https } else { Scheme::Http };
    tokio::spawn(admin::serve(admin_socket, admin_tls, admin, closing.watch()));
    let edges = listeners.iter().map(|listener| (listener.scheme(), listener.address())).collect();
    for listener in listeners {
        let stop = server::Stop { draining: drain.watch(), ending: ending.watch() };
        tokio::spawn(server::serve(listener, edge.clone(), stop));
    }
    let node = state.node.clone();
    let parts = Parts { meant, source, node, gateway, edge, witness, takedown, telemetry, hooks, log };
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
        self.parts.hooks.close().await;
        let log = self.parts.log.clone();
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
        Ok(Listener::bind(listener.address, tls)?)
    };
    meant.edge.listeners.iter().map(bind).collect()
}

fn bind_admin(admin: &config::Admin) -> anyhow::Result<(TcpListener, Option<tokio_rustls::TlsAcceptor>)> {
    let tls = admin.tls.as_ref().map(|tls| net::tls::server_config(&tls.cert, &tls.key)).transpose()?;
    let socket = Listener::bind(admin.address, None)?.into_socket();
    Ok((socket, tls.map(tokio_rustls::TlsAcceptor::from)))
}

fn open_lists(meant: &Meant, clock: &Clock) -> anyhow::Result<(Sources, Vec<block::Change>)> {
    let settings = block::Settings { lists: meant.takedown.lists.clone(), state: meant.state.clone() };
    Sources::load(&settings, clock.wall()).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::Error::new(ListsUnusable(lines.join("\n")))
    })
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

fn pages_of(meant: &Meant, node: &str) -> Pages {
    let own = format!("urn:uuid:{node}");
    Pages::new(meant.takedown.operator_url.as_deref().unwrap_or(&own), meant.takedown.disclose)
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
