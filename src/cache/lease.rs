//! For how long what is fetched on behalf of a site may be stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// In force until it ends, once and for all clones. What is fetched under an ended one goes to those who
/// wait for it, and is neither stored nor joined: other origins may answer for its URL by now.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    ended: Arc<AtomicBool>,
}

impl Lease {
    /// To be ended before [`Cache::purge`](crate::Cache::purge) is called for what was fetched under it, so
    /// that nothing of it comes after the purge.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
