//! Every way in which an ask is not answered with what it asked for.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::{Ruling, UrlError};

/// Closed on purpose: one variant a way to fail, and one `match` to a status.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    #[error("a block list rule covers this URL")]
    Blocked(Arc<Ruling>),
    #[error("no site here has this host")]
    UnknownHost,
    #[error("this site is not open to the address that asks")]
    AddressDenied,
    #[error("more was asked than is allowed at a time")]
    TooManyRequests {
        /// When it may be asked again.
        wait: Duration,
    },
    #[error("the URL can't be named: {0}")]
    BadUrl(#[from] UrlError),
    #[error("{0}")]
    BadHead(&'static str),
    #[error("the request's body could not be read: {0}")]
    BadBody(&'static str),
    #[error("the request's body is larger than this edge takes")]
    BodyTooLarge,
    #[error("the request's head is larger than this edge takes")]
    HeadTooLarge,
    #[error("the request's target is longer than this edge takes")]
    TargetTooLong,
    #[error("the request did not arrive in time")]
    ClientTooSlow,
    #[error("this method is not served here")]
    MethodNotServed,
    #[error("nobody may purge this site by PURGE")]
    PurgeNotServed,
    #[error("this site is not purged from the address that asks")]
    PurgeDenied,
    #[error("a purge needs `Authorization: Bearer` and a token that this site knows")]
    PurgeUnauthorized,
    #[error("the only expectation served here is 100-continue")]
    UnknownExpectation,
    #[error("this request passed through this node already")]
    Loop,
    #[error("only a stored answer was asked for, and none can be used")]
    OnlyIfCached,
    #[error("the block lists of this edge may be out of date, and nothing is answered until they are known not to be")]
    ListsStale,
    #[error("the evidence log is behind, and an answer without evidence is not given")]
    Pressure,
    #[error("too many answers are being looked at before they leave, and this one is not handed out unseen")]
    NoRoomToJudge,
    #[error("the origin has no connection free, and the queue for one is full")]
    OriginBusy,
    #[error("the origin can't be reached: {0}")]
    OriginUnreachable(Arc<str>),
    #[error("the origin's answer can't be read: {0}")]
    OriginBroken(Arc<str>),
    #[error("the origin did not answer in time")]
    OriginTimeout,
    #[error("this edge is stopping")]
    Draining,
    #[error("an error of this edge's own; its log says more")]
    Internal,
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Blocked(ruling) => ruling.status.code(),
            Refusal::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Refusal::AddressDenied => StatusCode::FORBIDDEN,
            Refusal::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refusal::BadUrl(_) | Refusal::BadHead(_) | Refusal::BadBody(_) => StatusCode::BAD_REQUEST,
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::TargetTooLong => StatusCode::URI_TOO_LONG,
            Refusal::ClientTooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::MethodNotServed => StatusCode::NOT_IMPLEMENTED,
            Refusal::PurgeNotServed => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::PurgeDenied => StatusCode::FORBIDDEN,
            Refusal::PurgeUnauthorized => StatusCode::UNAUTHORIZED,
            Refusal::UnknownExpectation => StatusCode::EXPECTATION_FAILED,
            Refusal::Loop => StatusCode::LOOP_DETECTED,
            Refusal::OnlyIfCached | Refusal::OriginTimeout => StatusCode::GATEWAY_TIMEOUT,
            Refusal::ListsStale
            | Refusal::Pressure
            | Refusal::NoRoomToJudge
            | Refusal::OriginBusy
            | Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::OriginUnreachable(_) | Refusal::OriginBroken(_) => StatusCode::BAD_GATEWAY,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
