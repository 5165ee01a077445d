//! What is known of the file of a feed, over a restart too.
//!
//! ```text
//! state/feeds/NAME~KEY.txt              what the feed served last, whole
//! state/feeds/facts/NAME~KEY.txt.json   of what version that is, and when it was asked for last
//! state/feeds/coming/                   what is on its way
//! ```
//! The file is put in its place before its facts: those of another file say nothing, and the feed is asked for the
//! whole again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use disk::durable;
use http::HeaderMap;
use http::header::{ETAG, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};
use terms::{Digest, Hasher, Timestamp};

/// Characters of a validator; one that is longer is not kept, and the feed is asked for the whole again.
const MAX_VALIDATOR: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub validators: Validators,
    pub hash: Digest,
    /// When the feed last served this, or said that it does.
    pub checked_at: Timestamp,
    /// The last such time at which that was in force; `None`: it never was.
    pub confirmed_at: Option<Timestamp>,
}

/// As the feed sent them (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

impl Validators {
    pub fn of(fields: &HeaderMap) -> Validators {
        let text = |name: HeaderName| {
            let text = fields.get(name)?.to_str().ok()?;
            (text.len() <= MAX_VALIDATOR).then(|| text.to_owned())
        };
        Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// The folders of all feeds.
#[derive(Clone)]
pub(crate) struct Folders(PathBuf);

impl Folders {
    pub fn open(folder: &Path) -> io::Result<Folders> {
        let folders = Folders(folder.to_owned());
        for folder in [&folders.0, &folders.facts(), &folders.coming()] {
            durable::private_folder(folder)?;
        }
        for entry in fs::read_dir(folders.coming())?.flatten() {
            // What a crash left half fetched; what can't be removed now can be at the next start.
            let _ = fs::remove_file(entry.path());
        }
        Ok(folders)
    }

    pub fn coming(&self) -> PathBuf {
        self.0.join("coming")
    }

    fn facts(&self) -> PathBuf {
        self.0.join("facts")
    }

    fn facts_of(&self, file: &Path) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.facts().join(format!("{name}.json"))
    }

    /// Those of the file as it is now. Reads the whole file.
    pub fn read(&self, file: &Path) -> Option<Facts> {
        let facts: Facts = serde_json::from_slice(&fs::read(self.facts_of(file)).ok()?).ok()?;
        (hash(file).ok()? == facts.hash).then_some(facts)
    }

    pub fn write(&self, file: &Path, facts: &Facts) -> io::Result<()> {
        durable::write(&self.facts_of(file), &serde_json::to_vec(facts)?)
    }

    /// Removes a file and its facts.
    pub fn remove(&self, file: &Path) -> io::Result<()> {
        durable::remove(file)?;
        durable::remove(&self.facts_of(file))
    }

    /// Removes what is of no feed any more.
    pub fn remove_but(&self, files: &[PathBuf]) -> io::Result<()> {
        let facts = files.iter().map(|file| self.facts_of(file)).collect();
        for (folder, kept) in [(self.0.clone(), files.to_vec()), (self.facts(), facts)] {
            for path in fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
                if path.is_file() && !kept.contains(&path) {
                    durable::remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

fn hash(file: &Path) -> io::Result<Digest> {
    let mut file = File::open(file)?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_of_the_file_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::open(folder.path()).unwrap();
        let (file, other) = (folder.path().join("a~1.txt"), folder.path().join("b~2.txt"));
        let validators = Validators { etag: Some("\"x\"".to_owned()), last_modified: None };
        let checked_at = Timestamp::from_secs(7);
        let facts = Facts { validators, hash: Digest::of(b"one"), checked_at, confirmed_at: None };
        assert_eq!(folders.read(&file), None);
        folders.write(&file, &facts).unwrap();
        assert_eq!(folders.read(&file), None, "there is no file");
        fs::write(&file, "one").unwrap();
        assert_eq!(folders.read(&file), Some(facts.clone()));
        fs::write(&other, "one").unwrap();
        folders.write(&other, &facts).unwrap();
        folders.remove_but(std::slice::from_ref(&file)).unwrap();
        assert_eq!((folders.read(&file), other.exists()), (Some(facts), false));
        fs::write(&file, "two").unwrap();
        assert_eq!(folders.read(&file), None, "another file");
        fs::write(folders.coming().join(".new-torn"), "on").unwrap();
        Folders::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folders.coming()).unwrap().count(), 0);
    }
}
