//! The way from a path to the file behind it, link by link.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::watch::{Hint, Save};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// What has to be watched to hear of a change behind a path. A ConfigMap's `list.txt` leads through
/// the link `..data` to a folder that is replaced whole: the change is a rename of `..data`.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Each link met, in its real folder, and the real path at the end (which may not exist).
    stations: Vec<PathBuf>,
}

impl Trail {
    pub fn of(path: &Path) -> Trail {
        let mut real = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = names(path).collect();
        let mut stations = Vec::new();
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            let station = real.join(&name);
            match fs::read_link(&station) {
                Ok(target) if stations.len() < MAX_LINKS => {
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    for (at, name) in names(&target).enumerate() {
                        ahead.insert(at, name);
                    }
                    stations.push(station);
                }
                _ => real = station,
            }
        }
        stations.push(real);
        Trail { stations }
    }

    /// The folders of all stations; for one that isn't there, the nearest above it that is.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let folder = |station: &PathBuf| station.ancestors().skip(1).find(|above| above.is_dir()).map(Path::to_owned);
        self.stations.iter().filter_map(folder).collect()
    }

    /// What hints, in their order, say of the file at the end, as it was read before this is asked. Hints come
    /// after what they tell of, so that another writer may have been at it by then.
    pub fn evidence(&self, hints: &[Hint]) -> Evidence {
        let is_end = |file: &Path| self.stations.last().is_some_and(|end| end == file);
        let mut evidence = Evidence::None;
        let mut save = None;
        for hint in hints {
            match hint {
                // Of the file, of a link on the way, or of a folder above.
                Hint::Renamed(name) if self.stations.iter().any(|station| station.starts_with(name.path())) => {
                    (evidence, save) = (Evidence::Renamed, Some(name));
                }
                Hint::Closed(file) if is_end(file.path()) => (evidence, save) = (Evidence::Closed, Some(file)),
                Hint::Written(file) if is_end(file) => (evidence, save) = (Evidence::None, None),
                _ => {}
            }
        }
        let is_overwritten = |save: &Save| is_end(save.path()) && !save.stands();
        if save.is_some_and(is_overwritten) { Evidence::None } else { evidence }
    }
}

/// How a file came to hold what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    None,
    /// It was put in place in one step.
    Renamed,
    /// A writer closed it.
    Closed,
}

fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_config_map_is_followed_through_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(top.join("..1")).unwrap();
        fs::write(top.join("..1/list.txt"), "").unwrap();
        symlink("..1", top.join("..data")).unwrap();
        symlink("..data/list.txt", top.join("list.txt")).unwrap();

        let trail = Trail::of(&top.join("list.txt"));
        assert_eq!(trail.folders(), BTreeSet::from([top.clone(), top.join("..1")]));
        for name in ["list.txt", "..data", "..1", "..1/list.txt"] {
            assert_eq!(trail.evidence(&[Hint::renamed(top.join(name))]), Evidence::Renamed, "{name}");
        }
        assert_eq!(trail.evidence(&[Hint::renamed(top.join("other.txt"))]), Evidence::None);
        assert_eq!(trail.evidence(&[Hint::closed(top.join("..1/list.txt"))]), Evidence::Closed);
        assert_eq!(trail.evidence(&[Hint::closed(top.join("list.txt")), Hint::Look]), Evidence::None);
        let written = Hint::Written(top.join("..1/list.txt"));
        assert_eq!(trail.evidence(&[Hint::renamed(top.join("..data")), Hint::Look, written]), Evidence::None);
    }

    #[test]
    fn what_is_not_there_yet_is_awaited_in_the_nearest_folder_above() {
        let folder = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(folder.path()).unwrap();
        let trail = Trail::of(&top.join("lists/today/list.txt"));
        assert_eq!(trail.folders(), BTreeSet::from([top.clone()]));
        symlink(top.join("away/../gone.txt"), top.join("link.txt")).unwrap();
        assert_eq!(Trail::of(&top.join("link.txt")).stations, [top.join("link.txt"), top.join("gone.txt")]);
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(folder.path()).unwrap();
        symlink("two", top.join("one")).unwrap();
        symlink("one", top.join("two")).unwrap();
        assert_eq!(Trail::of(&top.join("one")).folders(), BTreeSet::from([top]));
    }
}
