//! What `run`, `proxy` and `demo` have in common: a runtime, and saying where the edge listens.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::app::{Running, Signals};
use crate::telemetry::Diagnostics;

use super::exit::{Exit, Failure};
use super::output::Output;

/// After everything was told to stop and has stopped, only blocking calls can be left over: a look at
/// a list, a write that no answer waits for.
const LEFT_OVER: Duration = Duration::from_secs(2);

/// A runtime, and the program's own messages on stderr. Signals are listened for, so that none ends the process before
/// what it makes from now on is removed.
pub struct Host {
    runtime: Runtime,
    signals: Signals,
    _diagnostics: Diagnostics,
}

impl Host {
    pub fn begin() -> anyhow::Result<Host> {
        let diagnostics = Diagnostics::begin().context("nothing can be logged: does the system still give threads?")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the runtime can't be started: does the system still give threads?")?;
        let within = runtime.enter();
        let signals = Signals::listen().context("can't listen for signals")?;
        drop(within);
        Ok(Host { runtime, signals, _diagnostics: diagnostics })
    }

    pub fn block_on<W: Future<Output = anyhow::Result<()>>>(
        self,
        work: impl FnOnce(Signals) -> W,
    ) -> Result<Exit, Failure> {
        let worked = self.runtime.block_on(work(self.signals));
        self.runtime.shutdown_timeout(LEFT_OVER);
        worked.map_err(Failure::running)?;
        Ok(Exit::Done)
    }
}

/// Prints where to reach it, one line a listener. Everything accepts by now.
pub fn announce(running: &Running) -> anyhow::Result<()> {
    let mut output = Output::stdout();
    for (scheme, address) in &running.edges {
        output.line(format!("edge {}://{address}", scheme.as_str()))?;
    }
    let (scheme, address) = &running.admin;
    output.line(format!("admin {}://{address}", scheme.as_str()))?;
    output.flush()
}

/// A folder that only we may enter (0700), removed when it is dropped.
pub fn temporary_folder(prefix: &str) -> anyhow::Result<TempDir> {
    let place = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(&place)
        .with_context(|| format!("no folder can be made in {}; set TMPDIR to a place where one can", place.display()))
}

/// Removes it now, and says so where that fails.
pub fn remove(folder: TempDir) {
    let path = folder.path().to_owned();
    if let Err(error) = folder.close() {
        super::tell(&format!("seawall: {} can't be removed ({error}); remove it by hand\n", path.display()));
    }
}
