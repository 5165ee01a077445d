//! `seawall bench`: a load generator.
//!
//! `plan` is the command line as meant, from `urls` and `zipf` (what is asked for), `pacing` (when) and
//! `checks` (what must come). `run` starts a `worker` for each connection, which asks over its `wire` and
//! counts in a `tally`; `show` prints that.

mod checks;
mod pacing;
mod plan;
mod progress;
mod run;
mod show;
mod tally;
mod tls;
mod urls;
mod wire;
mod worker;
mod zipf;

use std::sync::Arc;

use anyhow::Context;

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output};
use plan::{Plan, PlanArgs};
use run::Measured;
use show::Report;

/// Load-test a server: latency at a set rate, and whether the bytes are right
///
/// With --rate it is an open loop: each request is due at its own moment, and its latency is counted from
/// that moment, so that a stall shows in all the requests that it held up (corrected for coordinated
/// omission). Without, each connection asks as fast as answers come: that measures throughput.
///
/// Statuses are counted by class, 451 apart; so are answers that were cut short. Exit 1 if a digest was
/// wrong, or a request got no answer (no connection, a timeout, a reset); 69 if nobody was there.
/// Ctrl-C prints what was measured so far.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall bench --url http://127.0.0.1:8080/a.jpg --rate 5000/s --duration 30s
  seawall bench --url http://127.0.0.1:8080/a.jpg --connections 256
  seawall bench --url 'http://127.0.0.1:8080/obj/{n}' --count 10000 --zipf 1.0 --rate 2000/s --same
  seawall bench --urls urls.txt --requests 100000 --host photos.example --output json
  seawall bench --digests digests.txt --rate 100/s
  seawall bench --url https://127.0.0.1:8443/ --host photos.example --insecure --http2 --streams 32")]
pub struct Bench {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    format: FormatArg,
}

impl Bench {
    pub fn run(self) -> Result<Exit, Failure> {
        let plan = Arc::new(self.plan.plan().map_err(Failure::usage)?);
        let measured = measure(&plan)?;
        let report = Report::new(&plan, &measured);
        let mut output = Output::stdout();
        match self.format.format {
            Format::Text => report.print(&mut output)?,
            format => output.json(&report, format)?,
        }
        output.flush()?;
        super::tell(&show::print_faults(&output, &measured));
        for warning in report.warnings() {
            super::tell(&format!("warning: {warning}\n"));
        }
        Ok(show::exit(&measured))
    }
}

fn measure(plan: &Arc<Plan>) -> Result<Measured, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the runtime can't be started: does the system still give threads?")?;
    let measured = runtime.block_on(run::run(plan.clone(), threads));
    // A name lookup can't be interrupted; nobody waits for it any more.
    runtime.shutdown_background();
    measured
}
