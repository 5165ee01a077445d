//! The run: connections first, then the clock.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::pacing::Turns;
use super::plan::Plan;
use super::progress;
use super::tally::Tally;
use super::wire::{Trouble, Wire};
use super::worker::Worker;
use crate::cli::exit::Failure;

/// Dialled at once: a listener's queue may be as short as 128.
const DIALLED: usize = 100;
/// What is still under way when it is interrupted has this long.
const LEAVE: Duration = Duration::from_secs(1);
/// Tallies are kept apart so that threads don't wait for each other; beyond this they hardly would.
const MOST_TALLIES: usize = 16;

/// What was measured.
pub struct Measured {
    pub tally: Tally,
    /// From the first moment that a request was due to the end of the last answer.
    pub elapsed: Duration,
    /// CPU time that this process used meanwhile.
    pub cpu: Duration,
    /// Threads that it had for it.
    pub threads: usize,
    pub is_interrupted: bool,
}

/// Does what the plan says.
pub async fn run(plan: Arc<Plan>, threads: usize) -> Result<Measured, Failure> {
    let wires = connect(&plan).await?;
    let tallies = tallies(threads.min(MOST_TALLIES))?;
    let cpu_before = cpu();
    let turns = Turns::start(plan.rate, plan.limit).context("the pacer can't be started")?;
    let mut workers = JoinSet::new();
    for (number, wire) in wires.iter().flat_map(|wire| (0..plan.streams).map(move |_| wire)).enumerate() {
        let (plan, turns, wire) = (plan.clone(), turns.clone(), wire.clone());
        let tally = tallies[number % tallies.len()].clone();
        workers.spawn(Worker { plan, turns, wire, tally }.work());
    }
    let is_interrupted = tokio::select! {
        () = ended(&mut workers) => false,
        never = show(&plan, &turns, &tallies) => match never {},
        signal = tokio::signal::ctrl_c() => signal.is_ok(),
    };
    turns.stop();
    if is_interrupted {
        let _ = timeout(LEAVE, ended(&mut workers)).await;
    }
    progress::clear();
    workers.shutdown().await;
    let (elapsed, cpu) = (turns.elapsed(), cpu().saturating_sub(cpu_before));
    let mut tally = sum(&tallies)?;
    if !is_interrupted {
        tally.add_unsent(&turns.unsent());
    }
    Ok(Measured { tally, elapsed, cpu, threads, is_interrupted })
}

async fn ended(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

/// A wire for each connection, dialled where connections are kept, so that the run doesn't begin with a
/// storm that belongs to no rate. Fails if nothing could be reached.
async fn connect(plan: &Arc<Plan>) -> Result<Vec<Arc<Wire>>, Failure> {
    let count = usize::try_from(plan.connections).unwrap_or(usize::MAX);
    let wires: Vec<Arc<Wire>> = (0..count).map(|_| Arc::new(Wire::new(plan.dialer.clone()))).collect();
    let ahead = if plan.form.keep_alive { wires.as_slice() } else { &wires[..1] };
    let mut reached = false;
    let mut trouble: Option<Trouble> = None;
    for some in ahead.chunks(DIALLED) {
        let mut dials = JoinSet::new();
        for (wire, origin) in some.iter().flat_map(|wire| (0..plan.urls.origins().len()).map(move |at| (wire, at))) {
            let (wire, plan) = (wire.clone(), plan.clone());
            dials.spawn(async move {
                let slow = || Trouble::slow(plan.timeout);
                timeout(plan.timeout, wire.warm(origin)).await.unwrap_or_else(|_| Err(slow()))
            });
        }
        while let Some(dialled) = dials.join_next().await {
            match dialled {
                Ok(Ok(())) => reached = true,
                Ok(Err(error)) => trouble = trouble.or(Some(error)),
                Err(_) => {}
            }
        }
        // The first wave tells whether anybody is there.
        if let (false, Some(Trouble { error, .. })) = (reached, &trouble) {
            return Err(Failure::not_reachable(anyhow!("{error}")));
        }
    }
    Ok(wires)
}

fn tallies(count: usize) -> anyhow::Result<Vec<Arc<Mutex<Tally>>>> {
    (0..count.max(1)).map(|_| Ok(Arc::new(Mutex::new(Tally::new()?)))).collect()
}

fn sum(tallies: &[Arc<Mutex<Tally>>]) -> anyhow::Result<Tally> {
    let mut sum = Tally::new()?;
    tallies.iter().try_for_each(|tally| sum.merge(&tally.lock()))?;
    Ok(sum)
}

/// Draws the bar, if there is somebody to look at it. Never ends.
async fn show(plan: &Plan, turns: &Turns, tallies: &[Arc<Mutex<Tally>>]) -> std::convert::Infallible {
    if !io::stderr().is_terminal() {
        std::future::pending::<()>().await;
    }
    let mut ticks = interval(progress::EVERY);
    loop {
        ticks.tick().await;
        let seen =
            tallies.iter().map(|tally| tally.lock()).map(|tally| (tally.ended(), tally.failures() + tally.wrong));
        let (ended, bad) = seen.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        progress::draw(plan.limit, turns.elapsed(), ended, bad);
    }
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
