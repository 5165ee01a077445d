//! `seawall audit verify`: that the evidence is what was written.

use anyhow::anyhow;
use audit::{Verified, VerifyError};
use serde_json::json;

use super::super::exit::{Exit, Failure};
use super::super::output::{Format, FormatArg, Output, Paint, printable_lines};
use super::Evidence;

/// Check that the evidence is what was written, all of it, in its order
///
/// Says up to which record it is sealed, and which tail is only synced; or names file, line and seq of
/// the first thing wrong, and exits 1. Somebody who can rewrite the whole folder is not found out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall audit verify state/audit
  seawall audit verify -c config/seawall.toml --output json")]
pub struct Verify {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    format: FormatArg,
}

impl Verify {
    pub fn run(self) -> Result<Exit, Failure> {
        let folder = self.evidence.folder()?;
        let outcome = audit::verify(&folder);
        let mut output = Output::stdout();
        match self.format.format {
            Format::Text => print(&mut output, &outcome)?,
            format => output.json(&told(&outcome), format)?,
        }
        output.flush()?;
        match outcome {
            Ok(_) => Ok(Exit::Done),
            Err(error) => Err(anyhow!(error).into()),
        }
    }
}

fn print(output: &mut Output, outcome: &Result<Verified, VerifyError>) -> anyhow::Result<()> {
    let Ok(verified) = outcome else { return Ok(()) };
    let good = output.paint(Paint::Good, "verified");
    output.line(format!("{good}: {}", printable_lines(verified.to_string().trim_end())))
}

fn told(outcome: &Result<Verified, VerifyError>) -> serde_json::Value {
    match outcome {
        Ok(verified) => {
            let mut told = json!({"verified": true, "segments": verified.segments, "lines": verified.lines, "runs": verified.runs});
            if let (Some(told), Some(end)) = (told.as_object_mut(), &verified.open_end) {
                told.insert("open_end".to_owned(), json!(end));
            }
            told
        }
        Err(VerifyError::Tampered { file, line, seq, what }) => {
            json!({"verified": false, "file": file, "line": line, "seq": seq, "what": what})
        }
        Err(error) => json!({"verified": false, "what": error.to_string()}),
    }
}
