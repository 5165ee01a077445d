//! Asking an origin how it is, over and over, on connections of its own: what its pool is busy with has no
//! part in the answer.

use std::error::Error;

use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use terms::Body;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::numbers::count;
use crate::pool::Slot;
use crate::set::Member;
use crate::settings::Check;
use crate::{Settings, Standing, upload};

/// Checks go on until this is dropped.
#[derive(Debug)]
pub(crate) struct Checking(AbortHandle);

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a check was a bad one.
#[derive(Debug, thiserror::Error)]
enum Bad {
    #[error("it took longer than the check's timeout")]
    Late,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it gave no answer")]
    Failed(#[source] crate::OriginError),
    #[error("`check` can't be sent")]
    Unsendable,
}

pub(crate) fn begin(member: std::sync::Arc<Member>, check: Check) -> Checking {
    let task = tokio::spawn(async move {
        loop {
            look(&member, &check).await;
            sleep(check.interval).await;
        }
    });
    Checking(task.abort_handle())
}

async fn look(member: &Member, check: &Check) {
    let outcome = match timeout(check.timeout, ask(member.origin.settings(), check)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Bad::Late),
    };
    if outcome.is_err() {
        count(&member.health.checks_failed);
    }
    let turn = member.health.state.lock().checked(outcome.is_ok(), check);
    match (turn, outcome) {
        (Some(Standing::Up), _) => tracing::info!(site = %member.site, origin = %member.url, "an origin is up again"),
        (Some(_), Err(bad)) => {
            let error = &bad as &dyn Error;
            tracing::warn!(site = %member.site, origin = %member.url, error, "an origin is down");
        }
        _ => {}
    }
}

async fn ask(settings: &Settings, check: &Check) -> Result<(), Bad> {
    let host = check.host.clone().unwrap_or_else(|| settings.address.to_string());
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = Method::GET;
    *request.uri_mut() = check.path.parse().map_err(|_| Bad::Unsendable)?;
    request.headers_mut().insert(HOST, HeaderValue::try_from(host).map_err(|_| Bad::Unsendable)?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("seawall-check"));
    let request = upload::prepare(request);
    let connection = Connection::open(settings, Slot::of_none()).await.map_err(Bad::Failed)?;
    match connection.send(request, settings).await {
        // Its body is nobody's concern: the connection is closed.
        Ok((answer, _)) if is_good(answer.status(), check) => Ok(()),
        Ok((answer, _)) => Err(Bad::Status(answer.status())),
        Err(lost) => Err(Bad::Failed(lost.error)),
    }
}

fn is_good(status: StatusCode, check: &Check) -> bool {
    match check.statuses.is_empty() {
        true => status.is_success() || status.is_redirection(),
        false => check.statuses.contains(&status),
    }
}
