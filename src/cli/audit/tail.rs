//! `seawall audit tail`: lines of the evidence as they are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, anyhow};
use audit::Line;
use clap::ValueEnum;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::super::exit::{Exit, Failure};
use super::super::output::{Output, printable};
use super::Evidence;
use super::filter::FilterArgs;
use super::readable::readable;

/// Between two looks. Lines are written within some tens of milliseconds of their answers.
const LOOK: Duration = Duration::from_millis(100);

/// Follow the log: the last lines, and each new one as it is written
///
/// Goes on over sealed segments and restarts of the edge, until INT or TERM, or until nobody reads what it
/// prints. All that is set must match.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall audit tail state/audit
  seawall audit tail -c config/seawall.toml --verdict blocked -n 0 --output jsonl")]
pub struct Tail {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    filter: FilterArgs,
    /// How many of the last lines that match are shown first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// The form of what is printed
    #[arg(long = "output", value_enum, value_name = "FORM", default_value_t)]
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// The lines as they stand in the log.
    Jsonl,
}

impl Tail {
    pub fn run(self) -> Result<Exit, Failure> {
        let (folder, meant) = self.evidence.place()?;
        let stop = Stop::on_signals()?;
        let mut printer = Printer { output: Output::stdout(), form: self.form };
        let (mut tail, recent) = audit::Tail::open(&folder, self.filter.filter(meant.as_ref()), self.lines)
            .map_err(|error| anyhow!(error))?;
        for text in &recent {
            printer.line(&Line { text })?;
        }
        loop {
            printer.output.flush()?;
            if stop.is_asked() || printer.output.is_reader_gone() || printer.output.has_lost_reader() {
                break;
            }
            let mut printed = Ok(());
            let looked = tail.look(&mut |line| {
                printed = printer.line(line);
                printed.is_ok() && !printer.output.is_reader_gone() && !stop.is_asked()
            });
            printed?;
            looked.map_err(|error| anyhow!(error))?;
            printer.output.flush()?;
            std::thread::park_timeout(LOOK);
        }
        match tail.finish() {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(anyhow!(error).into()),
        }
    }
}

struct Printer {
    output: Output,
    form: Form,
}

impl Printer {
    fn line(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        match self.form {
            Form::Text => self.output.line(printable(&readable(&line.fields()))),
            Form::Jsonl => self.output.line(line.text),
        }
    }
}

/// Whether a signal asked to end. Lines that are being printed are printed whole.
struct Stop {
    asked: Arc<AtomicBool>,
    /// Listens as long as it lives.
    _runtime: Runtime,
}

impl Stop {
    fn on_signals() -> anyhow::Result<Stop> {
        let listening = "can't listen for signals";
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context(listening)?;
        let asked = Arc::new(AtomicBool::new(false));
        let (ours, caller) = (asked.clone(), std::thread::current());
        let within = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).context(listening)?;
        let mut terminate = signal(SignalKind::terminate()).context(listening)?;
        drop(within);
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            ours.store(true, Relaxed);
            caller.unpark();
        });
        Ok(Stop { asked, _runtime: runtime })
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }
}
