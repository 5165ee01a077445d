//! Every way in which an origin gives no answer.

use std::error::Error;

use terms::{BodyError, Refusal, causes};

use crate::{Address, Malformed};

/// A cause whose type is nobody's business outside; its text and its own sources are.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no [`Reply`](crate::Reply). The causes are sources, not part of the text.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    #[error("every connection to the origin is in use, and none came free in time")]
    Busy,
    #[error("the origin {address} can't be reached")]
    Unreachable { address: Address, source: net::DialError },
    /// It can be reached, and then no TLS comes about: it is not who it should be, or doesn't speak it.
    #[error("no TLS with the origin {address}")]
    Untrusted { address: Address, source: std::io::Error },
    #[error("the origin did not {0} in time")]
    TimedOut(Phase),
    #[error("the origin's answer can't be used")]
    Broken {
        #[source]
        fault: Fault,
        /// Part of the request may have reached the origin.
        sent: bool,
    },
    /// The client's side failed, not the origin's.
    #[error("the request's body failed while it was sent to the origin")]
    RequestBody(#[source] BodyError),
    #[error("no origin is named for this path")]
    NoOrigin,
}

/// What an origin was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// `connect_timeout`: the name lookup, the TCP handshake, and that of TLS.
    #[error("accept a connection")]
    Connect,
    /// `between_bytes_timeout`: it took not one byte of the request for that long.
    #[error("take the request")]
    Send,
    /// `first_byte_timeout`: the whole head of the answer, counted from the request's last byte.
    #[error("answer")]
    FirstByte,
}

/// What an origin did wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("it closed the connection without an answer")]
    NoAnswer,
    #[error("it closed the connection within the head of its answer")]
    TornHead,
    #[error("the connection failed")]
    Connection(#[source] Cause),
    #[error("its head can't be read")]
    Head(#[source] Cause),
    #[error("it is malformed")]
    Malformed(#[source] Malformed),
    /// The head can be read, but says what must not be said.
    #[error("{0}")]
    Ambiguous(&'static str),
}

impl OriginError {
    /// The origin can't have acted on the request: any method may be sent again, as far as its body
    /// is still there.
    pub fn may_retry(&self) -> bool {
        match self {
            OriginError::Busy
            | OriginError::Unreachable { .. }
            | OriginError::Untrusted { .. }
            | OriginError::TimedOut(Phase::Connect) => true,
            OriginError::Broken { sent, .. } => !sent,
            OriginError::TimedOut(Phase::Send | Phase::FirstByte)
            | OriginError::RequestBody(_)
            | OriginError::NoOrigin => false,
        }
    }
}

impl From<OriginError> for Refusal {
    fn from(error: OriginError) -> Refusal {
        match error {
            OriginError::Busy => Refusal::OriginBusy,
            OriginError::Unreachable { source, .. } => Refusal::OriginUnreachable(causes(&source).into()),
            OriginError::Untrusted { .. } | OriginError::NoOrigin => Refusal::OriginUnreachable(causes(&error).into()),
            OriginError::TimedOut(_) => Refusal::OriginTimeout,
            OriginError::Broken { fault, .. } => Refusal::OriginBroken(causes(&fault).into()),
            OriginError::RequestBody(error) => match error {
                BodyError::Malformed => Refusal::BadBody("it is malformed"),
                BodyError::Incomplete => Refusal::BadBody("it ended early"),
                BodyError::Connection(_) => Refusal::BadBody("the connection failed"),
                BodyError::TooLarge => Refusal::BodyTooLarge,
                BodyError::Timeout => Refusal::ClientTooSlow,
                // Only bodies that are served end so.
                BodyError::FellBehind | BodyError::Cut(_) => Refusal::Internal,
            },
        }
    }
}
