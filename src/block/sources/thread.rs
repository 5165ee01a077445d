//! The thread that looks at the lists.

use std::sync::Arc;

use disk::{Lookout, Next};
use parking_lot::Mutex;
use terms::Clock;

use super::{Change, Sources};

/// Starts the thread. `on_change` is called on it, without the lock on `sources`, for each look that
/// came to something. Who publishes tables there and elsewhere takes them from the [`super::Board`]
/// under the same lock that it publishes under, so that no older ones overtake newer ones. `at_rest` is
/// called on it when changes have been worked off and no other look is due soon.
pub fn watch(
    sources: Arc<Mutex<Sources>>,
    clock: Clock,
    on_change: impl Fn(Vec<Change>) + Send + 'static,
    at_rest: impl Fn() + Send + 'static,
) -> std::io::Result<Lookout> {
    let (bell, folders) = {
        let sources = sources.lock();
        (sources.bell.clone(), sources.folders())
    };
    let mut is_at_work = true; // the lists were loaded
    disk::look_on("lists", bell, folders, move |hints| {
        let now = clock.now();
        let (look, folders) = {
            let mut sources = sources.lock();
            (sources.look(hints, now.steady, now.wall), sources.folders())
        };
        if !look.changes.is_empty() {
            is_at_work = true;
            on_change(look.changes);
        }
        if look.again_in.is_none() && std::mem::take(&mut is_at_work) {
            at_rest();
        }
        Next { folders, again_in: look.again_in }
    })
}
