use std::path::PathBuf;

use net::Target;

/// Somebody who is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Names the hook's part of the outbox: the same hook keeps its name over a restart.
    pub name: String,
    /// The kinds of events it hears of.
    pub on: Vec<String>,
    pub call: Call,
}

/// How it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Program and arguments; no shell.
    Exec(Vec<String>),
    Webhook(Webhook),
}

/// A server that is told by POST, signed after Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub target: Target,
    /// Holds the secrets; read anew for each attempt, so that a change needs no reload.
    pub secret_file: PathBuf,
    /// PEM file with the authorities that vouch for the server; the system's where it is `None`.
    pub ca_file: Option<PathBuf>,
}
