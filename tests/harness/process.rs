//! Processes of the real binary, each ended by its own id.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{SOON, until};

pub const SEAWALL: &str = env!("CARGO_BIN_EXE_seawall");

/// A process that runs until it is told to end.
pub struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(arguments: &[&str], folder: &Path) -> Running {
        Running::start_saying_to(Stdio::piped(), arguments, folder)
    }

    /// With a stderr of which nothing is read here, unless it is [`Stdio::piped`].
    pub fn start_saying_to(stderr: Stdio, arguments: &[&str], folder: &Path) -> Running {
        let mut command = bare(arguments, folder);
        let mut child = command.stdin(Stdio::null()).stderr(stderr).spawn().expect("the binary can be started");
        let lines = collect_lines(child.stdout.take().unwrap());
        let stderr = child.stderr.take().map(collect_text).unwrap_or_default();
        Running { child, lines, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What stands behind `prefix` on the first line of stdout that begins with it.
    pub fn printed(&mut self, prefix: &str) -> String {
        until(&format!("a line `{prefix}…` on stdout"), || {
            let found = self.lines().iter().find_map(|line| line.strip_prefix(prefix).map(str::to_owned));
            if found.is_none()
                && let Ok(Some(status)) = self.child.try_wait()
            {
                panic!("it ended with {status} before it printed `{prefix}…`:\n{}", self.stderr());
            }
            found
        })
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id() as i32).expect("a process has an id");
        kill_process(id, signal).expect("our own process can be signalled");
    }

    /// Waits until it has ended. One that doesn't is killed, and the test fails.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                self.kill();
                panic!("it did not end within {within:?}:\n{}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A line of `/proc/PID/status`, in KiB: `VmRSS`, `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What came of a command that ends by itself.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Both streams, for words that may stand on either.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs a command to its end, in `folder`.
pub fn seawall(arguments: &[&str], folder: &Path) -> Output {
    let mut running = Running::start(arguments, folder);
    let status = running.ended(SOON);
    // The pipes may hold the last words for a moment longer.
    let (lines, stderr) = (running.lines.clone(), running.stderr.clone());
    drop(running);
    until("the end of both pipes", || {
        (Arc::strong_count(&lines) == 1 && Arc::strong_count(&stderr) == 1).then_some(())
    });
    let mut stdout = lines.lock().unwrap().join("\n");
    stdout.push('\n');
    let stderr = stderr.lock().unwrap().clone();
    assert!(!stderr.contains("panicked at"), "seawall {arguments:?}:\n{stderr}");
    Output { code: status.code().unwrap_or(-1), stdout, stderr }
}

fn bare(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(SEAWALL);
    command.args(arguments).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["SEAWALL_CONFIG", "SEAWALL_ADMIN", "SEAWALL_TOKEN_FILE", "SEAWALL_CA_FILE", "SEAWALL_LOG"] {
        command.env_remove(name);
    }
    // Temporary folders lie where the test can see them.
    command.env("NO_COLOR", "1").env("TMPDIR", folder);
    command
}

fn collect_lines(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let ours = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            ours.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

fn collect_text(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let ours = text.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            ours.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    text
}
