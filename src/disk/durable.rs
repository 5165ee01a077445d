//! Writes that are on the disk when they return.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts `bytes` at `path`, whole or not at all: written beside it, synced, renamed, and the folder
/// synced. A file that was there is replaced.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(path, |file| file.write_all(bytes))
}

/// As [`fn@write`], of what `write` writes.
pub fn write_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut draft = Draft::in_folder(folder_of(path)?)?;
    write(draft.file())?;
    draft.put(path)
}

/// A file on its way to its place. Dropped, it is gone.
pub struct Draft(NamedTempFile);

impl Draft {
    pub fn in_folder(folder: &Path) -> io::Result<Draft> {
        Ok(Draft(tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?))
    }

    pub fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Puts it at `path`, in the same file system, as [`fn@write`] does.
    pub fn put(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_data()?;
        self.0.persist(path).map_err(|error| error.error)?;
        sync_folder(folder_of(path)?)
    }
}

/// Renames within one file system, durably.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(folder_of(to)?)
}

/// Removes a file, durably; one that is gone already is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_folder(folder_of(path)?)
}

/// Makes renames, creations and removals in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder, and those above it, that only the owner can enter (0700). Durable: what is written
/// in it is not lost with it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    sync_folder(folder_of(path)?)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) => Ok(folder),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "a path without a folder")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
