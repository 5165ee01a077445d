//! What can be wrong with a list, as an operator reads it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::list::BadLine;
use crate::settings::Listed;

/// One thing wrong with one file or folder. Displayed as `file:line:column: what`; control bytes in it
/// are for whoever prints it to escape.
#[derive(Clone, Debug)]
pub struct SourceError {
    pub file: PathBuf,
    pub problem: Problem,
}

#[derive(Clone, Debug)]
pub enum Problem {
    /// Carries the line itself, to be shown under the message.
    BadLine(BadLine),
    Missing,
    /// The same of a feed.
    Unfetched,
    Unreadable(Arc<io::Error>),
    /// It held something else when it was read once more.
    WrittenTo,
    /// Neither a file nor a folder.
    Odd,
    /// A folder for which a format of others is named.
    Folder,
    TooLarge {
        limit: u64,
    },
    TooMany {
        limit: usize,
    },
    /// A name that is not UTF-8 could not be written in a record.
    Name,
    /// The copy of the last good version, in the state folder.
    Copy(Arc<io::Error>),
}

impl SourceError {
    pub(super) fn new(file: impl Into<PathBuf>, problem: Problem) -> SourceError {
        SourceError { file: file.into(), problem }
    }
}

impl Listed {
    /// What is wrong where there is no file.
    pub(super) fn missing(&self) -> SourceError {
        let problem = if self.name.is_some() { Problem::Unfetched } else { Problem::Missing };
        SourceError::new(self.shown(), problem)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match &self.problem {
            Problem::BadLine(bad) => write!(f, ":{}:{}: {}", bad.line, bad.column, bad.what),
            Problem::Missing => f.write_str(": there is no such file or folder: create it, or take it out of `lists`"),
            Problem::Unfetched => f.write_str(": nothing of this feed is in the state folder yet"),
            Problem::Unreadable(error) => write!(f, ": can't be read: {error}"),
            Problem::WrittenTo => f.write_str(": was written to while it was read"),
            Problem::Odd => f.write_str(": is neither a file nor a folder"),
            Problem::Folder => f.write_str(": is a folder: `format` is for a file, so name each file with its own"),
            Problem::TooLarge { limit } => {
                write!(f, ": holds more than {} MiB: split it into several files", limit >> 20)
            }
            Problem::TooMany { limit } => write!(f, ": holds more than {limit} list files: join some of them"),
            Problem::Name => f.write_str(": its name is not UTF-8: rename it"),
            Problem::Copy(error) => write!(
                f,
                ": the copy of a list's last good version can't be used: {error}; \
                 remove it once the list itself is as it should be"
            ),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::BadLine(bad) => Some(bad),
            Problem::Unreadable(error) | Problem::Copy(error) => Some(error),
            _ => None,
        }
    }
}
