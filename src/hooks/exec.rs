//! Running a program once, with an event on its standard input.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Notify;

/// What is kept of each output stream for the log; the rest is read and thrown away, so that a
/// talkative program isn't held up.
const KEPT_OUTPUT: usize = 4 * 1024;

/// How long output is awaited once the program has ended: something it left running may hold the
/// pipe open for ever.
const LATE_OUTPUT: Duration = Duration::from_millis(100);

/// The variables that are passed on. All others stay here, since secrets may be among them.
const PASSED_ON: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    #[error("can't start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("lost track of it: {0}")]
    Wait(io::Error),
    #[error("killed: it had not ended after {0:?}{1}")]
    TimedOut(Duration, Output),
    #[error("{0}{1}")]
    Failed(ExitStatus, Output),
}

/// What a program said, made printable.
#[derive(Debug, Default)]
pub(crate) struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in [("stderr", &self.stderr), ("stdout", &self.stdout)] {
            if !bytes.is_empty() {
                write!(f, "; {name}: \"{}\"", bytes.trim_ascii().escape_ascii())?;
            }
        }
        Ok(())
    }
}

/// Runs `exec` (program and arguments, no shell) and waits for its end: status 0 is success. After
/// `timeout` it is killed with all it started in its process group, and reaped; so it is, by the
/// runtime, when this future is dropped.
pub(crate) async fn run(exec: &[String], input: &[u8], timeout: Duration) -> Result<(), ExecError> {
    let (mut child, group) = start(exec)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut output = Output::default();
    let ended = Notify::new();

    let talk = async {
        tokio::join!(feed(stdin, input), keep(stdout, &mut output.stdout), keep(stderr, &mut output.stderr));
    };
    let listen = async {
        tokio::select! {
            () = talk => {}
            () = async { ended.notified().await; tokio::time::sleep(LATE_OUTPUT).await } => {}
        }
    };
    let wait = async {
        let status = tokio::time::timeout(timeout, child.wait()).await;
        match status {
            Ok(_) => group.let_go(),
            Err(_) => drop(group),
        }
        ended.notify_one();
        status
    };
    match tokio::join!(wait, listen).0 {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(ExecError::Failed(status, output)),
        Ok(Err(error)) => Err(ExecError::Wait(error)),
        Err(_elapsed) => {
            child.wait().await.map_err(ExecError::Wait)?;
            Err(ExecError::TimedOut(timeout, output))
        }
    }
}

fn start(exec: &[String]) -> Result<(Child, Group), ExecError> {
    let failed = |source| ExecError::Start { program: exec.first().cloned().unwrap_or_default(), source };
    let Some((program, arguments)) = exec.split_first() else {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "no program named")));
    };
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(PASSED_ON.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let leader = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    Ok((child, Group(leader)))
}

/// The processes a program started and left in its group; killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    /// The group's number may be another's as soon as its leader is reaped.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails where all of them are gone.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// A program may end without having read its input: that is its own affair.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let room = KEPT_OUTPUT - kept.len();
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}
