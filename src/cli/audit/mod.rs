//! `seawall audit`: the evidence, read without a running edge.

mod filter;
mod query;
mod readable;
mod tail;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::exit::{Exit, Failure};
use super::reach::ConfigArg;
use crate::config::Meant;

/// Read the evidence; needs no running server, and may run beside one
#[derive(Debug, Subcommand)]
pub enum Audit {
    Verify(verify::Verify),
    Query(Box<query::Query>),
    Tail(Box<tail::Tail>),
}

impl Audit {
    pub fn run(self) -> Result<Exit, Failure> {
        match self {
            Audit::Verify(verify) => verify.run(),
            Audit::Query(query) => (*query).run(),
            Audit::Tail(tail) => (*tail).run(),
        }
    }
}

/// Where the evidence lies.
#[derive(Clone, Debug, Default, clap::Args)]
struct Evidence {
    /// The evidence: `state/audit`, or the state folder that holds it
    #[arg(value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

impl Evidence {
    /// The folder that is named, or the one of the config.
    fn folder(&self) -> Result<PathBuf, Failure> {
        Ok(self.place()?.0)
    }

    /// The same, with the config if that says where it is.
    fn place(&self) -> Result<(PathBuf, Option<Meant>), Failure> {
        match &self.dir {
            Some(dir) => Ok((within(dir), None)),
            None => {
                let (_, meant) = self.config.load()?;
                Ok((meant.state.join("audit"), Some(meant)))
            }
        }
    }
}

/// A state folder holds its evidence in `audit`.
fn within(dir: &Path) -> PathBuf {
    let inner = dir.join("audit");
    let is_state = !dir.join("segments").is_dir() && inner.join("segments").is_dir();
    if is_state { inner } else { dir.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_stands_for_its_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        assert_eq!(within(state), state);
        std::fs::create_dir_all(state.join("audit/segments")).unwrap();
        assert_eq!(within(state), state.join("audit"));
        assert_eq!(within(&state.join("audit")), state.join("audit"));
    }
}
