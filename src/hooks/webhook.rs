//! Telling a server of an event, once: an HTTP/1.1 POST on a connection of its own.
//!
//! What the server says beyond its status is not read. A redirect is a failure like any other: whoever
//! is told is named in the config, and by nobody else.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use net::{DialError, Trust, TrustError};
use terms::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::settings::Webhook;
use crate::signature::{SecretError, Secrets};

/// Bytes of an answer's head, and of what is read beyond it.
const MAX_ANSWER: usize = 64 * 1024;

const OURSELVES: &str = concat!("seawall/", env!("CARGO_PKG_VERSION"));

#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("nobody vouches for the server")]
    Trust(#[from] TrustError),
    #[error("the request can't be written")]
    Request(#[from] http::Error),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0} is not of this machine, and http:// goes no further")]
    InClear(IpAddr),
    #[error("no TLS with the server")]
    Tls(#[source] io::Error),
    #[error("the connection")]
    Connection(#[from] io::Error),
    #[error("no answer that can be read")]
    Http(#[from] hyper::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the server wants to hear no more (410); it is asked again after a reload, a restart or a day")]
    Gone,
    #[error("it answered {status}; redirects are not followed, so write the new URL into the config")]
    Redirected { status: StatusCode },
    #[error("it answered {status}")]
    Refused {
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// A request that only needs to be sent, and by whose word the server is believed.
pub(crate) struct Prepared {
    request: Request<Full<Bytes>>,
    trust: Option<Trust>,
}

/// Signs a message. Reads the files that it takes: blocks.
pub(crate) fn prepare(webhook: &Webhook, id: &str, at: Timestamp, body: Vec<u8>) -> Result<Prepared, WebhookError> {
    let signature = Secrets::read(&webhook.secret_file)?.sign(id, at, &body);
    let trust = match (&webhook.target.server_name, &webhook.ca_file) {
        (None, _) => None,
        (Some(_), None) => Some(Trust::system()?),
        (Some(_), Some(file)) => Some(Trust::file(file)?),
    };
    let uri = &webhook.target.uri;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, OURSELVES)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.secs())
        .header("webhook-signature", signature)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Full::from(body))?;
    Ok(Prepared { request, trust })
}

/// Sends it; 2xx is success.
pub(crate) async fn send(webhook: &Webhook, prepared: Prepared, within: Duration) -> Result<(), WebhookError> {
    let sent = tokio::time::timeout(within, exchange(webhook, prepared, within));
    sent.await.unwrap_or(Err(WebhookError::TimedOut(within)))
}

async fn exchange(webhook: &Webhook, prepared: Prepared, within: Duration) -> Result<(), WebhookError> {
    let target = &webhook.target;
    let stream = net::dial(&target.host, target.port, within).await?;
    let response = match (&target.server_name, prepared.trust) {
        (Some(name), Some(trust)) => {
            let stream = trust.connect(name, stream).await.map_err(WebhookError::Tls)?;
            talk(stream, prepared.request).await?
        }
        _ => {
            let peer = stream.peer_addr()?.ip();
            if !peer.to_canonical().is_loopback() {
                return Err(WebhookError::InClear(peer));
            }
            talk(stream, prepared.request).await?
        }
    };
    judge(response.status(), response.headers())
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<hyper::body::Incoming>, WebhookError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_ANSWER).handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    let connection = pin!(connection);
    tokio::select! {
        response = &mut answer => Ok(response?),
        // Its last act may have been to hand on the answer.
        _ = connection => Ok(answer.await?),
    }
}

/// Standard Webhooks 1.0, "Delivery success and failure".
fn judge(status: StatusCode, fields: &HeaderMap) -> Result<(), WebhookError> {
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::GONE => Err(WebhookError::Gone),
        _ if status.is_redirection() => Err(WebhookError::Redirected { status }),
        _ => {
            // A date would need the server's clock to be right; the usual distances serve as well.
            let seconds = fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Err(WebhookError::Refused { status, retry_after: seconds.map(Duration::from_secs) })
        }
    }
}
