//! Copies of the last good version of each list, for a start that finds the list bad or gone.
//!
//! ```text
//! state/lists/KEY.json          path, digest, rules of the copy; KEY is of the path's digest
//! state/lists/KEY-HASH.txt      the list's bytes
//! state/lists/KEY-HASH.index    its table, where it is large
//! ```
//! The bytes are written before the facts that name them, so a crash leaves the older pair whole; the table
//! last, which is compiled from the bytes where it is missing. Of a long list that was written to before it was
//! copied, the table stands alone, and the copy before behind it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use disk::durable::{self, Draft};
use serde::{Deserialize, Serialize};
use terms::{Digest, Timestamp};

use super::body::{Body, Failed, LONG};
use super::error::{Problem, SourceError};
use super::shown::{MAX_BYTES, Shown, Stamp, try_read};
use super::verdict::{Former, Most};
use crate::index::{self, Source, Table};
use crate::settings::Listed;

/// Bytes of a list from which on its table is kept: less is compiled in no time. What is not held has one.
const WORTH_AN_IMAGE: u64 = 1 << 20;
const _: () = assert!(WORTH_AN_IMAGE <= LONG);

pub(super) struct Kept {
    folder: PathBuf,
}

/// The facts of one copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Copy {
    pub file: PathBuf,
    /// What people are shown in place of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub hash: Digest,
    /// Of how it was read, where that is in a format of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_as: Option<Digest>,
    pub rules: usize,
    pub size: u64,
    pub taken_at: Timestamp,
    /// Where it had more rules of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Most>,
    /// Under which the list is known to show the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    /// The run of the system in which that was found: images of read-only file systems may hold other bytes under the
    /// same stamp in the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    /// Where its table stands alone, which another version of this program can't use: the copy before, with its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind: Option<Box<Copy>>,
}

impl Copy {
    pub fn new(listed: &Listed, former: &Former, stamp: Option<Stamp>) -> Copy {
        let Former { hash, read_as, rules, size, taken_at, most } = *former;
        Copy {
            file: listed.path.clone(),
            name: listed.name.as_deref().map(str::to_owned),
            hash,
            read_as,
            rules,
            size,
            taken_at,
            most: Some(most).filter(|most| most.rules > rules),
            stamp,
            boot: stamp.and_then(|_| boot()),
            behind: None,
        }
    }

    /// The stamp under which the list shows what was copied, if that can be known without reading it.
    pub fn proof(&self) -> Option<Stamp> {
        self.stamp.filter(|_| self.boot.is_some() && self.boot == boot())
    }

    pub fn former(&self) -> Former {
        let Copy { hash, read_as, rules, size, taken_at, most, .. } = *self;
        let most = most.unwrap_or(Most { rules, until: taken_at });
        Former { hash, read_as, rules, size, taken_at, most }
    }

    pub fn shown(&self) -> PathBuf {
        self.name.as_deref().map_or_else(|| self.file.clone(), PathBuf::from)
    }

    /// Whether its table is kept. What of a list in a format of others no rule holds is in no table, so that is
    /// read anew.
    pub fn is_worth_an_image(&self) -> bool {
        self.size >= WORTH_AN_IMAGE && self.read_as.is_none()
    }
}

/// What tells this run of the system from others, where it says so.
fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    BOOT.get_or_init(|| read().map(|id| id.trim().to_owned())).clone()
}

impl Kept {
    /// Copies in `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Kept {
        Kept { folder }
    }

    /// The facts of all copies, by the file they are of.
    pub fn all(&self) -> Result<BTreeMap<PathBuf, Copy>, Vec<SourceError>> {
        let bad = |path: &Path, error: io::Error| SourceError::new(path, Problem::Copy(Arc::new(error)));
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(vec![bad(&self.folder, error)]),
        };
        let (mut copies, mut errors) = (BTreeMap::new(), Vec::new());
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice::<Copy>(&bytes)?)) {
                Ok(copy) => drop(copies.insert(copy.file.clone(), copy)),
                Err(error) => errors.push(bad(&path, error)),
            }
        }
        if errors.is_empty() { Ok(copies) } else { Err(errors) }
    }

    /// The bytes of a copy, whole as they were kept.
    pub fn body(&self, copy: &Copy) -> Result<Body, SourceError> {
        let path = self.bytes_path(copy);
        let body = match try_read(&path, MAX_BYTES) {
            Ok(Shown::Content(content)) if content.hash == copy.hash => Ok(content.body),
            Ok(Shown::Absent) => Err(io::ErrorKind::NotFound.into()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged")),
            Err(error) => Err(error),
        };
        body.map_err(|error| SourceError::new(path, Problem::Copy(Arc::new(error))))
    }

    /// The same, or of the copy before where its table stood alone.
    pub fn last_with_bytes(&self, copy: Copy) -> Result<(Copy, Body), SourceError> {
        match (self.body(&copy), &copy.behind) {
            (Ok(body), _) => Ok((copy, body)),
            (Err(error), Some(behind)) => match self.body(behind) {
                Ok(body) => Ok((Copy::clone(behind), body)),
                Err(_) => Err(error),
            },
            (Err(error), None) => Err(error),
        }
    }

    pub fn has_bytes(&self, copy: &Copy) -> bool {
        fs::metadata(self.bytes_path(copy)).is_ok_and(|facts| facts.len() == copy.size)
    }

    /// Whether the list could still be read, and showed what it is a copy of.
    pub fn put(&self, copy: &Copy, body: &Body) -> io::Result<bool> {
        durable::private_folder(&self.folder)?;
        let path = self.bytes_path(copy);
        let mut draft = Draft::in_folder(&self.folder)?;
        match body.write_to(draft.file()) {
            Ok(written) if written.hash == copy.hash => {}
            Err(Failed::Taken(error)) => return Err(error),
            Ok(_) | Err(Failed::Read(_)) => return Ok(false),
        }
        draft.put(&path)?;
        durable::write(&self.facts_path(&copy.file), &serde_json::to_vec(copy)?)?;
        self.remove_but(&copy.file, &[&path])?;
        Ok(true)
    }

    /// Keeps what is told of a copy that is kept.
    pub fn put_facts(&self, copy: &Copy) -> io::Result<()> {
        match self.has_bytes(copy) {
            true => durable::write(&self.facts_path(&copy.file), &serde_json::to_vec(copy)?),
            false => Ok(()),
        }
    }

    /// Keeps the table of a copy that is kept, and has it rest on the image.
    pub fn put_image(&self, copy: &Copy, table: &Table) -> io::Result<()> {
        if !copy.is_worth_an_image() {
            return Ok(());
        }
        let path = self.image_path(copy);
        durable::write_by(&path, |file| table.write(file))?;
        table.rest_on(&path)?;
        self.remove_but(&copy.file, &[&self.bytes_path(copy), &path])
    }

    /// The table of a copy, if it is kept and good for this process.
    pub fn image(&self, copy: &Copy) -> Option<Arc<Table>> {
        if !copy.is_worth_an_image() {
            return None;
        }
        let source = Source::File(Arc::from(copy.shown().to_string_lossy()));
        match Table::open(&self.image_path(copy), source, copy.hash) {
            Ok(table) => Some(Arc::new(table)),
            Err(error) => {
                tracing::warn!(
                    file = %copy.file.display(), %error,
                    "the kept table of a list can't be used; the list is compiled again"
                );
                None
            }
        }
    }

    /// Keeps the table of a list that shows something else by now, and what is told of it. A start can be made with it.
    pub fn put_image_alone(&self, copy: &Copy, table: &Table) -> io::Result<()> {
        let path = self.image_path(copy);
        durable::write_by(&path, |file| table.write(file))?;
        table.rest_on(&path)?;
        let before = fs::read(self.facts_path(&copy.file)).ok();
        let before = before.and_then(|facts| serde_json::from_slice::<Copy>(&facts).ok());
        let behind = before.and_then(|before| match self.has_bytes(&before) {
            true => Some(Box::new(Copy { behind: None, ..before })),
            false => before.behind,
        });
        let bytes = behind.as_deref().map(|behind| self.bytes_path(behind));
        durable::write(&self.facts_path(&copy.file), &serde_json::to_vec(&Copy { behind, ..copy.clone() })?)?;
        tracing::warn!(
            file = %copy.file.display(),
            "a list was written to before it was copied: until it is saved anew, its compiled table alone is kept, \
             which another version of this program can't use"
        );
        let kept: Vec<&Path> = [Some(path.as_path()), bytes.as_deref()].into_iter().flatten().collect();
        self.remove_but(&copy.file, &kept)
    }

    /// Whether a table of the copy is to be kept, and none is.
    pub fn lacks_image(&self, copy: &Copy) -> bool {
        copy.is_worth_an_image() && !self.image_path(copy).exists()
    }

    /// Removes what a crash left half written; a table may be large.
    pub fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_torn = |name: &OsStr| name.as_encoded_bytes().starts_with(b".new-");
        for entry in entries.filter(|entry| is_torn(&entry.file_name())) {
            // What can't be removed now can be at the next start.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Has this process hash as the one before did, so that what it kept is good for this one. To be called
    /// before anything is compiled.
    pub fn adopt_key<'c>(&self, copies: impl IntoIterator<Item = &'c Copy>) {
        let adopt = |copy: &Copy| index::adopt_key(&self.image_path(copy)).is_ok_and(|is_adopted| is_adopted);
        copies.into_iter().any(adopt);
    }

    pub fn remove(&self, file: &Path) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        durable::remove(&self.facts_path(file))?;
        self.remove_but(file, &[])
    }

    /// Removes copies and tables of a list, but for some.
    fn remove_but(&self, file: &Path, but: &[&Path]) -> io::Result<()> {
        let prefix = format!("{}-", key(file));
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_of_file = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
            if is_of_file && !but.contains(&&*path) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn facts_path(&self, file: &Path) -> PathBuf {
        self.folder.join(format!("{}.json", key(file)))
    }

    fn bytes_path(&self, copy: &Copy) -> PathBuf {
        self.path(copy, "txt")
    }

    fn image_path(&self, copy: &Copy) -> PathBuf {
        self.path(copy, "index")
    }

    fn path(&self, copy: &Copy, ending: &str) -> PathBuf {
        let hash = copy.hash.hex().to_string();
        self.folder.join(format!("{}-{}.{ending}", key(&copy.file), &hash[..16]))
    }
}

/// Names a file's copies whatever its path holds: 128 bits of the path's digest.
fn key(file: &Path) -> String {
    let mut key = Digest::of(file.as_os_str().as_encoded_bytes()).hex().to_string();
    key.truncate(32);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(bytes: &[u8]) -> Copy {
        let (hash, size) = (Digest::of(bytes), bytes.len() as u64);
        let taken_at = Timestamp::from_secs(1);
        let most = Most { rules: 1, until: taken_at };
        let former = Former { hash, read_as: None, rules: 1, size, taken_at, most };
        Copy::new(&PathBuf::from("/lists/a.txt").into(), &former, None)
    }

    impl Kept {
        pub fn bytes(&self, copy: &Copy) -> Vec<u8> {
            self.body(copy).unwrap().bytes(copy.hash).unwrap().unwrap().into_owned()
        }
    }

    #[test]
    fn a_stamp_is_believed_until_the_system_is_started_anew() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = super::super::shown::stamp(file.path());
        let copy = Copy { stamp, boot: boot(), ..copy(b"one") };
        assert_eq!(copy.proof(), stamp);
        for boot in [None, Some("another".to_owned())] {
            assert_eq!(Copy { boot, ..copy.clone() }.proof(), None);
        }
    }

    #[test]
    fn a_copy_replaces_the_one_before_and_goes_without_trace() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("lists"));
        assert!(kept.all().unwrap().is_empty());
        kept.remove(Path::new("/lists/a.txt")).unwrap();
        for bytes in [b"one".as_slice(), b"two"] {
            assert!(kept.put(&copy(bytes), &Body::Held(bytes.to_vec())).unwrap());
            let all = kept.all().unwrap();
            assert_eq!(kept.bytes(&all[Path::new("/lists/a.txt")]), bytes);
            assert_eq!(fs::read_dir(&kept.folder).unwrap().count(), 2);
        }
        kept.remove(Path::new("/lists/a.txt")).unwrap();
        assert_eq!(fs::read_dir(&kept.folder).unwrap().count(), 0);
    }

    #[test]
    fn a_crash_between_bytes_and_facts_leaves_the_older_version() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().to_owned());
        assert!(kept.put(&copy(b"old"), &Body::Held(b"old".to_vec())).unwrap());
        fs::write(kept.bytes_path(&copy(b"new")), b"new").unwrap();
        let all = kept.all().unwrap();
        assert_eq!(kept.bytes(&all[Path::new("/lists/a.txt")]), b"old");
    }

    #[test]
    fn what_a_crash_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().to_owned());
        assert!(kept.put(&copy(b"one"), &Body::Held(b"one".to_vec())).unwrap());
        fs::write(folder.path().join(".new-torn"), b"on").unwrap();
        kept.sweep();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(kept.bytes(&copy(b"one")), b"one");
    }

    #[test]
    fn damage_is_found_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().to_owned());
        assert!(kept.put(&copy(b"old"), &Body::Held(b"old".to_vec())).unwrap());
        fs::write(kept.bytes_path(&copy(b"old")), b"odd").unwrap();
        assert!(kept.body(&copy(b"old")).unwrap_err().to_string().contains("damaged"));
        fs::write(kept.facts_path(Path::new("/lists/a.txt")), b"{").unwrap();
        assert!(kept.all().unwrap_err()[0].to_string().contains(".json: the copy of"));
    }
}
