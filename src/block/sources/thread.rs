//! The threads that look at the lists, and keep their copies.

use std::sync::Arc;

use disk::{Lookout, Next};
use parking_lot::Mutex;
use terms::Clock;

use super::errands::Runner;
use super::{Change, Sources};

/// Lists are watched until it is dropped.
pub struct Watching {
    // In this order: what the last look left to write is written.
    _lookout: Lookout,
    _runner: Runner,
}

/// Starts the threads. `on_change` is called on the one that looks, without the lock on `sources`, for each look that
/// came to something. Who publishes tables there and elsewhere takes them from the [`super::Board`]
/// under the same lock that it publishes under, so that no older ones overtake newer ones. `told` waits
/// until log and hooks are told of what came to something. `at_rest` is
/// called on it when changes have been worked off and no other look is due soon, and on the thread that keeps copies once
/// they are written: what either has done may have freed much.
pub fn watch(
    sources: Arc<Mutex<Sources>>,
    clock: Clock,
    on_change: impl Fn(Vec<Change>) + Send + 'static,
    told: impl Fn() + Send + 'static,
    at_rest: impl Fn() + Send + Sync + 'static,
) -> std::io::Result<Watching> {
    let (bell, folders, errands) = {
        let sources = sources.lock();
        (sources.bell.clone(), sources.folders(), sources.errands.clone())
    };
    let at_rest = Arc::new(at_rest);
    let written = at_rest.clone();
    let _runner = Runner::start(errands.clone(), told, move || written())?;
    let mut is_at_work = true; // the lists were loaded
    let _lookout = disk::look_on("lists", bell, folders, move |hints| {
        let now = clock.now();
        let (look, folders) = {
            let mut sources = sources.lock();
            (sources.look(hints, now.steady, now.wall), sources.folders())
        };
        let took = !look.changes.is_empty();
        if took {
            is_at_work = true;
            on_change(look.changes);
        }
        errands.ring();
        if look.again_in.is_none() && std::mem::take(&mut is_at_work) {
            at_rest();
        }
        Next { folders, again_in: look.again_in, took }
    })?;
    Ok(Watching { _lookout, _runner })
}
