//! Files that must survive: durable writes, locks, and watching for changes.

pub mod durable;
mod lock;
pub mod watch;

pub use lock::{Lock, LockError};
