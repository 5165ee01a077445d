//! Telling a server of an event, once: an HTTP/1.1 POST on a connection of its own.
//!
//! What the server says beyond its status is not read. A redirect is a failure like any other: whoever
//! is told is named in the config, and by nobody else.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use net::{ClientError, Line, Reach, TrustError};
use terms::Timestamp;

use crate::settings::Webhook;
use crate::signature::{SecretError, Secrets};

#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("nobody vouches for the server")]
    Trust(#[from] TrustError),
    #[error("the request can't be written")]
    Request(#[from] http::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
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

/// A request that only needs to be sent, and the way to the server.
pub(crate) struct Prepared {
    request: Request<Full<Bytes>>,
    line: Line,
}

/// Signs a message. Reads the files that it takes: blocks.
pub(crate) fn prepare(webhook: &Webhook, id: &str, at: Timestamp, body: Vec<u8>) -> Result<Prepared, WebhookError> {
    let signature = Secrets::read(&webhook.secret_file)?.sign(id, at, &body);
    let line = Line::to(&webhook.target, webhook.ca_file.as_deref())?;
    let request = webhook
        .target
        .request(Method::POST)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.secs())
        .header("webhook-signature", signature)
        .body(Full::from(body))?;
    Ok(Prepared { request, line })
}

/// Sends it; 2xx is success.
pub(crate) async fn send(prepared: Prepared, now: Timestamp, within: Duration) -> Result<(), WebhookError> {
    // Who is told is the operator's own, wherever it is.
    let asked = prepared.line.ask(prepared.request, &Reach::Anywhere, within);
    let reply = tokio::time::timeout(within, asked).await.map_err(|_| WebhookError::TimedOut(within))??;
    judge(reply.status, &reply.fields, now)
}

/// Standard Webhooks 1.0, "Delivery success and failure".
fn judge(status: StatusCode, fields: &HeaderMap, now: Timestamp) -> Result<(), WebhookError> {
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::GONE => Err(WebhookError::Gone),
        _ if status.is_redirection() => Err(WebhookError::Redirected { status }),
        _ => Err(WebhookError::Refused { status, retry_after: net::retry_after(fields, now) }),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, HeaderName, RETRY_AFTER};

    use super::*;

    fn judged(status: u16, lines: &[(HeaderName, &str)]) -> WebhookError {
        let fields = lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let now = Timestamp::parse("2026-11-06T08:00:00Z").unwrap();
        judge(StatusCode::from_u16(status).unwrap(), &fields, now).unwrap_err()
    }

    #[test]
    fn a_server_that_refuses_may_say_in_seconds_or_by_a_date_when_to_come_again() {
        let date = "Fri, 06 Nov 2026 08:00:30 GMT";
        for (lines, wait) in [
            (&[(RETRY_AFTER, "20")][..], Some(20)),
            (&[(RETRY_AFTER, date)], Some(30)),
            (&[(RETRY_AFTER, date), (DATE, "Fri, 06 Nov 2026 08:00:25 GMT")], Some(5)),
            (&[(RETRY_AFTER, "soon")], None),
            (&[], None),
        ] {
            for status in [429, 500, 503] {
                let WebhookError::Refused { retry_after, .. } = judged(status, lines) else { panic!("{lines:?}") };
                assert_eq!(retry_after, wait.map(Duration::from_secs), "{lines:?}");
            }
        }
        assert!(matches!(judged(410, &[(RETRY_AFTER, "20")]), WebhookError::Gone));
    }
}
