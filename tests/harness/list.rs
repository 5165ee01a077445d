//! A block list file, and the ways in which people save one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Pieces of one save that are further apart may be taken for saves of their own.
const TOO_LONG: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct List {
    pub path: PathBuf,
}

impl List {
    pub fn at(path: impl AsRef<Path>) -> List {
        List { path: path.as_ref().to_owned() }
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// `echo LINE >> list.txt`
    pub fn append(&self, line: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Another file takes its place, as most editors do it.
    pub fn replace(&self, text: &str) {
        let beside = self.path.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &self.path).unwrap();
    }

    /// Truncated and written anew in one go, as `>` and some editors do it. Says whether the machine was so busy
    /// that it did count as finished while it was empty.
    pub fn rewrite(&self, text: &str) -> bool {
        let began = Instant::now();
        fs::write(&self.path, text).unwrap();
        began.elapsed() > TOO_LONG
    }

    /// As [`List::rewrite`], but in many pieces, over a second in all. Each piece is far sooner than the
    /// 300 ms behind the one before that make a file count as finished.
    pub fn rewrite_slowly(&self, text: &str) -> Writer {
        const PIECES: usize = 25;
        let (path, text) = (self.path.clone(), text.as_bytes().to_vec());
        let longest = Arc::new(AtomicU64::new(0));
        let ours = longest.clone();
        let thread = std::thread::spawn(move || {
            let mut file = OpenOptions::new().write(true).truncate(true).open(path).unwrap();
            let mut before = Instant::now();
            for piece in text.chunks(text.len().div_ceil(PIECES)) {
                std::thread::sleep(Duration::from_millis(40));
                file.write_all(piece).unwrap();
                ours.fetch_max(before.elapsed().as_millis() as u64, SeqCst);
                before = Instant::now();
            }
        });
        Writer { thread, longest }
    }

    pub fn truncate(&self) {
        OpenOptions::new().write(true).truncate(true).open(&self.path).unwrap();
    }

    pub fn remove_lines_with(&self, word: &str) {
        let kept: String =
            self.text().lines().filter(|line| !line.contains(word)).map(|line| format!("{line}\n")).collect();
        self.replace(&kept);
    }
}

/// Somebody who writes a file bit by bit.
pub struct Writer {
    thread: JoinHandle<()>,
    longest: Arc<AtomicU64>,
}

impl Writer {
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Whether the machine was so busy that one piece came too long behind another: then the file did
    /// count as finished in between.
    pub fn was_held_up(&self) -> bool {
        self.longest.load(SeqCst) > TOO_LONG.as_millis() as u64
    }
}
