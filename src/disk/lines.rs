//! Whole lines, written to what may take them in part, or not at all: a file, a pipe, a terminal.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

/// Where lines are appended. Writing blocks for as long as a pipe is full.
pub struct Lines {
    file: File,
    /// A line was written in part.
    is_torn: bool,
}

impl Lines {
    pub fn to(file: File) -> Lines {
        Lines { file, is_torn: false }
    }

    /// To standard output or error, by a descriptor of its own: whoever else writes there is not kept out by a
    /// write that takes long.
    pub fn beside(stream: impl AsFd) -> io::Result<Lines> {
        stream.as_fd().try_clone_to_owned().map(|owned| Lines::to(File::from(owned)))
    }

    /// Writes whole lines, or as much of them as it can: the error comes with how many lines were lost.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        if self.is_torn {
            self.write_all(b"\n").map_err(|(_, error)| (Lines::count(lines), error))?;
            self.is_torn = false;
        }
        self.write_all(lines).map_err(|(rest, error)| {
            let written = &lines[..lines.len() - rest];
            self.is_torn = written.last().is_some_and(|last| *last != b'\n');
            (Lines::count(&lines[written.len()..]), error)
        })
    }

    /// How many lines end in these bytes.
    pub fn count(bytes: &[u8]) -> u64 {
        memchr::memchr_iter(b'\n', bytes).count() as u64
    }

    /// The error comes with how many bytes are left.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err((rest.len(), io::ErrorKind::WriteZero.into())),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Who shares the pipe or the terminal may have set it so.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None);
                }
                Err(error) => return Err((rest.len(), error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    use super::*;

    #[test]
    fn a_pipe_that_does_not_wait_is_waited_for() {
        let (mut reader, writer) = pipe().unwrap();
        fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
        let text = "a line\n".repeat(100_000);
        let reading = std::thread::spawn(move || {
            let mut read = String::new();
            reader.read_to_string(&mut read).map(|_| read)
        });
        let mut lines = Lines::to(File::from(OwnedFd::from(writer)));
        assert!(lines.write(text.as_bytes()).is_ok());
        drop(lines);
        assert_eq!(reading.join().unwrap().unwrap(), text);
    }

    #[test]
    fn what_is_lost_is_counted() {
        let (reader, writer) = pipe().unwrap();
        let mut lines = Lines::to(File::from(OwnedFd::from(writer)));
        drop(reader);
        assert_eq!(lines.write(b"a\nb\n").map_err(|(lost, _)| lost), Err(2));
    }
}
