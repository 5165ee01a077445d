//! Log and hooks are told of what happened.

use audit::Log;
use hooks::Hooks;
use serde_json::Value;
use terms::Timestamp;

use crate::witness::event;

/// Why log or hooks did not take an event.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    #[error(transparent)]
    Log(#[from] audit::Down),
    #[error("the hooks' outbox can't be written: {0}")]
    Hooks(#[from] std::io::Error),
}

/// Writes an event to the log, where it is durable when this returns, and to the outbox of every hook that
/// hears of its kind. Blocks the thread.
pub fn tell(log: &Log, hooks: &Hooks, kind: &'static str, id: &str, at: Timestamp, data: &Value) -> Result<(), Untold> {
    log.append(event(kind, data.clone()))?;
    Ok(hooks.enqueue(id, kind, at, data)?)
}

/// The same for what goes on whether it can be told or not.
pub fn tell_or_say(log: &Log, hooks: &Hooks, kind: &'static str, at: Timestamp, data: &Value) {
    let id = format!("{kind}-{}-{}", at.micros(), uuid::Uuid::new_v4().simple());
    if let Err(error) = tell(log, hooks, kind, &id, at, data) {
        tracing::error!(kind, %data, "not told of: {error}");
    }
}
