//! How a command ends: its exit code, and what it says of a failure.

use std::fmt;
use std::process::ExitCode;

/// What the exit code says. Codes above 64 are those of BSD's `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// The command line makes no sense.
    Usage,
    /// `why`: the URL is blocked.
    Blocked,
    /// No running Seawall answers where one was looked for.
    NotReachable,
    /// The config, or a list that it names, can't be used.
    Config,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Blocked => 10,
            Exit::NotReachable => 69,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { code: exit.code(), error: error.into() }
    }

    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure::new(Exit::Usage, error)
    }

    pub fn config(error: impl Into<anyhow::Error>) -> Failure {
        Failure::new(Exit::Config, error)
    }

    pub fn not_reachable(error: impl Into<anyhow::Error>) -> Failure {
        Failure::new(Exit::NotReachable, error)
    }

    /// A failure of the running parts, which know their own exit codes.
    pub fn running(error: anyhow::Error) -> Failure {
        Failure { code: crate::app::exit_code(&error), error }
    }

    /// The other where nobody was reached instead.
    pub fn or_of_config(self, broken: Failure) -> Failure {
        if self.code == Exit::NotReachable.code() { broken } else { self }
    }

    pub fn code(&self) -> u8 {
        self.code
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failed, error)
    }
}

/// The error and its causes. A cause that an error has told already is not told again.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = String::new();
        for cause in self.error.chain().map(ToString::to_string) {
            if told.is_empty() {
                told = cause;
            } else if !told.contains(&cause) {
                told = format!("{told}: {cause}");
            }
        }
        f.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Blocked, Exit::NotReachable, Exit::Config];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 10, 69, 78]);
        assert_eq!(Failure::from(anyhow!("a")).code(), 1);
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("no such file");
        let error = Err::<(), _>(inner).context("state/node: can't be read").context("the state folder").unwrap_err();
        assert_eq!(Failure::from(error).to_string(), "the state folder: state/node: can't be read: no such file");
        let told = anyhow!("no such file").context("a: no such file; make one");
        assert_eq!(Failure::from(told).to_string(), "a: no such file; make one");
    }
}
