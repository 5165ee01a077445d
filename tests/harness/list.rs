//! A block list file, and the ways in which people save one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

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

    /// Truncated and written anew in one go, as `>` and some editors do it.
    pub fn rewrite(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    /// As [`List::rewrite`], but the writer stops in the middle until `meanwhile` returns.
    pub fn rewrite_slowly(&self, first: &str, meanwhile: impl FnOnce(), rest: &str) {
        let mut file = OpenOptions::new().write(true).truncate(true).open(&self.path).unwrap();
        file.write_all(first.as_bytes()).unwrap();
        file.flush().unwrap();
        meanwhile();
        file.write_all(rest.as_bytes()).unwrap();
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
