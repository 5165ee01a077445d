//! The operators' door: health, numbers, and the API, on a listener of its own.

mod api;
mod auth;
mod health;
mod problem;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audit::Log;
use bytes::Bytes;
use cache::Cache;
use hooks::Hooks;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use net::Draining;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub use auth::Token;
use problem::Problem;

use crate::certificates::Certificates;
use crate::gateway::Gateway;
use crate::geo::Geo;
use crate::purge::Purger;
use crate::takedown::Takedown;
use crate::telemetry::{Metrics, Telemetry};

/// Who is asked about, and who does what is asked for.
pub struct Admin {
    pub identity: Identity,
    pub token: Token,
    pub gateway: Arc<Gateway>,
    pub takedown: Arc<Takedown>,
    pub cache: Cache,
    pub purger: Arc<Purger>,
    pub log: Log,
    pub hooks: Arc<Hooks>,
    pub certificates: Arc<Certificates>,
    pub geo: Arc<Geo>,
    pub telemetry: Arc<Telemetry>,
    pub metrics: Metrics,
    /// Dry runs at a time; more wait.
    pub trials: Arc<Semaphore>,
    pub reloads: mpsc::Sender<Reload>,
    pub draining: Draining,
}

/// Which process this is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub version: &'static str,
    pub node: String,
    pub run: u64,
    pub started: std::time::Instant,
}

/// The address that a request came from.
#[derive(Clone, Copy)]
struct Asker(IpAddr);

/// A wish to read the config and the lists again.
pub struct Reload {
    pub accept_shrink: bool,
    /// What changed, or why the old config stays.
    pub reply: oneshot::Sender<Result<Vec<String>, String>>,
}

/// What is offered by ALPN.
pub const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

/// Bytes of a request to the API: a hundred thousand rules fit, however they are escaped.
const MAX_BODY: usize = 32 << 20;
/// Dry runs at a time: each looks at all that is stored, and holds dozens of megabytes for a million URLs.
pub const MOST_TRIALS: usize = 2;
/// Connections at a time; operators and scrapers are few.
const MAX_CONNECTIONS: usize = 256;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that stands longer is ended, so that those who never read can't keep others out.
const LONGEST: Duration = Duration::from_secs(300);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

type Page = Response<Full<Bytes>>;

/// Serves operators until drained.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, admin: Arc<Admin>, draining: Draining) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = draining.signaled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, most likely: the edge's own backoff is what frees some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (admin, tls, asker) = (admin.clone(), tls.clone(), Asker(peer.ip()));
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => converse(stream, asker, admin).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                        converse(stream, asker, admin).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, asker: Asker, admin: Arc<Admin>) {
    let service = service_fn(|request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(admin.answer(asker, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(LONGEST, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection ended badly"),
        Err(_) => tracing::debug!("an admin connection was ended: it stood too long"),
    }
}

impl Admin {
    async fn answer(self: Arc<Self>, asker: Asker, request: Request<Incoming>) -> Page {
        match self.route(asker, request).await {
            Ok(page) => page,
            Err(problem) => problem.page(),
        }
    }

    /// Runs what reads or waits for more than a moment where it holds up no other request. Each connection
    /// has one of these at a time, so there are fewer than threads for them.
    async fn off_the_loop<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Admin) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let admin = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&admin)).await;
        done.map_err(|_| Problem::internal("the work for this request failed"))
    }

    /// A dry run, when it is its turn. The work goes on without an asker that leaves, and so its turn does.
    async fn trial<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Admin) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.trials.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Problem::unavailable("this edge is stopping"))?;
        let in_turn = move |admin: &Admin| {
            let _turn = turn;
            work(admin)
        };
        self.off_the_loop(in_turn).await
    }

    async fn route(self: &Arc<Self>, asker: Asker, request: Request<Incoming>) -> Result<Page, Problem> {
        auth::check_host(request.headers())?;
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::GET | &Method::HEAD, "/livez") => Ok(text(StatusCode::OK, "ok\n".to_owned())),
            (&Method::GET | &Method::HEAD, "/readyz") => self.off_the_loop(health::ready).await,
            (&Method::GET | &Method::HEAD, "/metrics") => {
                self.off_the_loop(move |admin| health::metrics(admin, &head.headers)).await?
            }
            (_, "/livez" | "/readyz" | "/metrics") => Err(Problem::method_not_allowed("GET")),
            _ if path.starts_with("/api/v1/") => {
                self.token.check(&head.headers)?;
                let body = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
                let body = body.map_err(|_| Problem::bad_request("the request's body did not arrive in time"))?;
                let body =
                    body.map_err(|_| Problem::bad_request("the request's body can't be read, or is over 32 MiB"))?;
                api::route(self, asker, &head, body.to_bytes()).await
            }
            _ => Err(Problem::not_found("there is nothing at this path; the API is under /api/v1/")),
        }
    }
}

fn text(status: StatusCode, text: String) -> Page {
    page(status, HeaderValue::from_static("text/plain; charset=utf-8"), text)
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Page {
    let mut text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    page(status, HeaderValue::from_static("application/json"), text)
}

fn page(status: StatusCode, content_type: HeaderValue, text: String) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(text)));
    *page.status_mut() = status;
    page.headers_mut().insert(header::CONTENT_TYPE, content_type);
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}
