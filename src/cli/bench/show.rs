//! What was measured, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::output::{Output, Paint, bytes, printable};

use super::plan::Plan;
use super::run::Measured;
use super::tally::{Fault, Latencies};
use super::wire::Protocol;

/// A request that leaves later than this after it was due, though a connection was free, says more of
/// the sender than of the server.
const LATE: Duration = Duration::from_millis(5);
/// A process that is busier than this on all its threads measures itself.
const BUSY: f64 = 0.9;

/// Microseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    mean: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    #[serde(rename = "p99.9")]
    p999: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
struct Asked {
    rate: Option<f64>,
    duration_seconds: Option<f64>,
    requests: Option<u64>,
    connections: u64,
    streams: u64,
    protocol: &'static str,
    urls: u64,
}

#[derive(Debug, Serialize)]
struct Statuses {
    #[serde(rename = "1xx")]
    interim: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirect: u64,
    /// Without 451.
    #[serde(rename = "4xx")]
    client: u64,
    #[serde(rename = "451")]
    blocked: u64,
    #[serde(rename = "5xx")]
    server: u64,
    other: u64,
}

#[derive(Debug, Serialize)]
struct Errors {
    connect: u64,
    timeout: u64,
    reset: u64,
    malformed: u64,
}

#[derive(Debug, Serialize)]
struct Digests {
    right: u64,
    wrong: u64,
}

/// The run as JSON has it.
#[derive(Debug, Serialize)]
pub struct Report {
    asked: Asked,
    elapsed_seconds: f64,
    interrupted: bool,
    /// Whole answers a second.
    rate: f64,
    requests: u64,
    answers: u64,
    bytes: u64,
    status: Statuses,
    cut: u64,
    errors: Errors,
    unsent: u64,
    digests: Digests,
    /// From when a request was due.
    latency_us: Percentiles,
    /// From when it was sent.
    uncorrected_us: Percentiles,
    cpu_us_a_request: f64,
    warnings: Vec<String>,
}

impl From<&Latencies> for Percentiles {
    fn from(latencies: &Latencies) -> Percentiles {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = |percent| micros(latencies.percentile(percent));
        Percentiles {
            count: latencies.count(),
            mean: micros(latencies.mean()),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: micros(latencies.max()),
        }
    }
}

impl Report {
    pub fn new(plan: &Plan, measured: &Measured) -> Report {
        let tally = &measured.tally;
        let seconds = measured.elapsed.as_secs_f64().max(1e-9);
        let [connect, timeout, reset, malformed] = Fault::ALL.map(|fault| tally.faults[fault as usize]);
        let class = |class: usize| tally.classes[class];
        Report {
            asked: Asked {
                rate: plan.rate.map(|rate| rate.per_second()),
                duration_seconds: plan.limit.duration.map(|duration| duration.as_secs_f64()),
                requests: plan.limit.requests,
                connections: plan.connections,
                streams: plan.streams,
                protocol: match plan.protocol {
                    Protocol::Http1 => "HTTP/1.1",
                    Protocol::Http2 => "HTTP/2",
                },
                urls: plan.urls.count(),
            },
            elapsed_seconds: seconds,
            interrupted: measured.is_interrupted,
            rate: tally.answers() as f64 / seconds,
            requests: tally.ended(),
            answers: tally.answers(),
            bytes: tally.bytes,
            status: Statuses {
                interim: class(1),
                success: class(2),
                redirect: class(3),
                client: class(4),
                blocked: tally.blocked,
                server: class(5),
                other: class(6) + class(7) + class(8) + class(9),
            },
            cut: tally.cut,
            errors: Errors { connect, timeout, reset, malformed },
            unsent: tally.unsent,
            digests: Digests { right: tally.right, wrong: tally.wrong },
            latency_us: (&tally.corrected).into(),
            uncorrected_us: (&tally.from_send).into(),
            cpu_us_a_request: measured.cpu.as_secs_f64() * 1e6 / tally.ended().max(1) as f64,
            warnings: warnings(plan, measured),
        }
    }

    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub fn print(&self, output: &mut Output) -> anyhow::Result<()> {
        output.pairs(&self.pairs())?;
        output.line("")?;
        let heading = ["latency", "p50", "p90", "p99", "p99.9", "max"];
        let row = |name: &str, times: &Percentiles| {
            let shown = [times.p50, times.p90, times.p99, times.p999, times.max].map(time);
            std::iter::once(name.to_owned()).chain(shown).collect()
        };
        let mut rows = vec![row("from send", &self.uncorrected_us)];
        if self.asked.rate.is_some() {
            rows.insert(0, row("corrected", &self.latency_us));
        }
        output.table(&heading, &rows)
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let Asked { rate, duration_seconds, requests, connections, streams, protocol, urls } = &self.asked;
        let pace = rate.map_or("as fast as answers come".to_owned(), |rate| format!("{}/s", short(rate)));
        let lasts = duration_seconds.map(|seconds| format!(" for {} s", short(seconds)));
        let most = requests.map(|requests| format!(", at most {requests} requests"));
        let streams = if *streams > 1 { format!(" of {streams} streams") } else { String::new() };
        let (lasts, most) = (lasts.unwrap_or_default(), most.unwrap_or_default());
        let Statuses { interim, success, redirect, client, blocked, server, other } = self.status;
        let statuses = named(&[
            ("1xx", interim),
            ("2xx", success),
            ("3xx", redirect),
            ("4xx", client),
            ("451", blocked),
            ("5xx", server),
            ("other", other),
        ]);
        let Errors { connect, timeout, reset, malformed } = self.errors;
        let errors = named(&[
            ("connect", connect),
            ("timeout", timeout),
            ("reset", reset),
            ("malformed", malformed),
            ("unsent", self.unsent),
        ]);
        let seconds = self.elapsed_seconds;
        let mut pairs = vec![
            ("asked", format!("{pace}{lasts}{most}; {connections} connections{streams}, {protocol}, URLs: {urls}")),
            ("achieved", format!("{}/s: {} answers in {seconds:.2} s", short(self.rate), self.answers)),
            ("bodies", format!("{}, {}/s", bytes(self.bytes), bytes((self.bytes as f64 / seconds) as u64))),
            ("status", statuses),
            ("cut short", self.cut.to_string()),
            ("errors", errors),
        ];
        if self.digests.right + self.digests.wrong > 0 {
            pairs.push(("digests", format!("{} right, {} wrong", self.digests.right, self.digests.wrong)));
        }
        pairs
    }
}

/// `0` for a run in which all was as it should be.
pub fn exit(measured: &Measured) -> Exit {
    let tally = &measured.tally;
    let nobody = tally.answers() + tally.cut == 0 && tally.failures() > 0;
    match tally.wrong + tally.failures() {
        0 => Exit::Done,
        all if nobody && all == tally.faults[Fault::Connect as usize] => Exit::NotReachable,
        _ => Exit::Failed,
    }
}

/// What went wrong, one by one, for stderr.
pub fn print_faults(output: &Output, measured: &Measured) -> String {
    let tally = &measured.tally;
    let mut text = String::new();
    for (fault, error) in Fault::ALL.iter().zip(&tally.errors) {
        if let Some(error) = error {
            text +=
                &format!("{}: {}, the first: {}\n", output.paint(Paint::Bad, "error"), fault.name(), printable(error));
        }
    }
    for wrong in &tally.wrongs {
        text += &format!("{}: {}\n", output.paint(Paint::Bad, "wrong digest"), printable(wrong));
    }
    text
}

fn warnings(plan: &Plan, measured: &Measured) -> Vec<String> {
    let tally = &measured.tally;
    let mut warnings = Vec::new();
    let used = measured.cpu.as_secs_f64() / (measured.elapsed.as_secs_f64().max(1e-9) * measured.threads.max(1) as f64);
    if used > BUSY {
        warnings.push(format!(
            "the load generator used {:.0} % of its {} cores: it may have measured itself; give it more of them, or \
             another machine",
            used * 100.0,
            measured.threads
        ));
    }
    let Some(rate) = plan.rate else { return warnings };
    let late = tally.late.percentile(99.0);
    if late > LATE {
        warnings.push(format!(
            "the load generator was behind its schedule: 1 % of the requests left over {} late though a connection \
             was free; ask for less, or give it more cores",
            time(u64::try_from(late.as_micros()).unwrap_or(u64::MAX))
        ));
    }
    let all = tally.ended() + tally.unsent;
    if (tally.waited + tally.unsent) * 100 > all {
        warnings.push(format!(
            "{} of {all} requests found all {} connections busy when they were due ({} were never sent): their wait is \
             in the corrected latency; the server is slower than {}/s, or needs more --connections",
            tally.waited + tally.unsent,
            plan.connections,
            tally.unsent,
            short(rate.per_second())
        ));
    }
    warnings
}

/// Those that are not zero, or `none`.
fn named(counts: &[(&str, u64)]) -> String {
    let some: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// Microseconds as people read them, three digits of them.
fn time(micros: u64) -> String {
    let (value, unit) = match micros {
        0..1_000 => return format!("{micros} µs"),
        1_000..1_000_000 => (micros as f64 / 1e3, "ms"),
        _ => (micros as f64 / 1e6, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A number without digits that say nothing.
fn short(number: f64) -> String {
    let digits =
        if number < 10.0 && number.fract() > 0.0 { 2 } else { usize::from(number < 100.0 && number.fract() > 0.0) };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_matter() {
        let shown = [0, 999, 1_000, 1_234, 12_345, 123_456, 1_500_000, 70_000_000].map(time);
        assert_eq!(shown, ["0 µs", "999 µs", "1.00 ms", "1.23 ms", "12.3 ms", "123 ms", "1.50 s", "70.0 s"]);
    }

    #[test]
    fn counts_that_are_zero_are_left_out() {
        assert_eq!(named(&[("2xx", 3), ("3xx", 0), ("451", 1)]), "2xx 3, 451 1");
        assert_eq!(named(&[("2xx", 0)]), "none");
        assert_eq!([5000.0, 0.5, 33.333, 1.0].map(short), ["5000", "0.50", "33.3", "1"]);
    }
}
