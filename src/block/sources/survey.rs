//! Which files a named file or folder stands for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Problem, SourceError};
use super::shown::is_absent;
use crate::settings::Listed;

/// List files of one folder.
const MAX_FILES: usize = 10_000;

/// What stands at a path that `lists` names.
#[derive(Debug)]
pub(super) enum Survey {
    File,
    /// A folder, the list files in it, and what in it has a list's name but can't be one.
    Folder(Vec<PathBuf>, Vec<SourceError>),
    Absent,
    Unreadable(SourceError),
}

/// Looks at what is named as a list. What is in a format of others is a file: a folder could hold any.
pub(super) fn survey_listed(listed: &Listed) -> Survey {
    match survey(&listed.path) {
        Survey::Folder(..) if listed.foreign.is_some() => {
            Survey::Unreadable(SourceError::new(&listed.path, Problem::Folder))
        }
        found => found,
    }
}

/// Looks at a path, and if it is a folder, at what it holds; not into folders below.
fn survey(path: &Path) -> Survey {
    let unreadable = |problem| Survey::Unreadable(SourceError::new(path, problem));
    let listed = match fs::metadata(path) {
        Ok(facts) if facts.is_dir() => list(path),
        Ok(_) => return Survey::File,
        Err(error) => Err(error),
    };
    match listed {
        Ok(Survey::Folder(files, _)) if files.len() > MAX_FILES => unreadable(Problem::TooMany { limit: MAX_FILES }),
        Ok(survey) => survey,
        Err(error) if is_absent(&error) => Survey::Absent,
        Err(error) => unreadable(Problem::Unreadable(Arc::new(error))),
    }
}

fn list(folder: &Path) -> std::io::Result<Survey> {
    let (mut files, mut odd) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_list = path.extension().is_some_and(|extension| extension == "txt" || extension == "toml");
        if !is_list || is_hidden(&path) || path.is_dir() {
            continue;
        }
        match path.to_str() {
            None => odd.push(SourceError::new(path, Problem::Name)),
            // A link into nothing.
            Some(_) if !path.exists() => odd.push(SourceError::new(path, Problem::Missing)),
            Some(_) => files.push(path),
        }
        if files.len() > MAX_FILES {
            break;
        }
    }
    Ok(Survey::Folder(files, odd))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_folder_stands_for_its_list_files() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        for name in
            ["b.txt", "a.txt", "c.toml", ".hidden.toml", ".hidden.txt", ".txt", "notes.md", "a.txt~", "b.txt.swp"]
        {
            fs::write(top.join(name), "").unwrap();
        }
        fs::create_dir(top.join("folder.txt")).unwrap();
        std::os::unix::fs::symlink("b.txt", top.join("link.txt")).unwrap();
        std::os::unix::fs::symlink("nowhere", top.join("dangling.txt")).unwrap();
        fs::write(top.join(OsStr::from_bytes(b"\xff.txt")), "").unwrap();
        let Survey::Folder(mut files, odd) = survey(top) else { panic!() };
        files.sort();
        assert_eq!(files, ["a.txt", "b.txt", "c.toml", "link.txt"].map(|name| top.join(name)));
        assert_eq!(odd.len(), 2);
        assert!(matches!(survey(&top.join("a.txt")), Survey::File));
        assert!(matches!(survey(&top.join("none")), Survey::Absent));
    }
}
