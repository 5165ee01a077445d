use std::path::PathBuf;
use std::sync::Arc;

use crate::list::Foreign;
use crate::pattern::Share;

/// Where rules come from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub lists: Vec<Listed>,
    /// The state folder; `blocks/` and `lists/` in it are this room's.
    pub state: PathBuf,
    /// As [`Allowed::geo`].
    pub geo: bool,
}

/// What rules may take and say, for what else is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// What the patterns of others take.
    pub share: Share,
    /// Rules may hold in some countries alone: there is something that tells where clients are.
    pub geo: bool,
}

/// What is named as a list, or lies in a folder that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Absolute: a list file, or a folder of them.
    pub path: PathBuf,
    /// What people are shown in place of the path, where the file is only the copy of a feed.
    pub name: Option<Arc<str>>,
    /// For a file that is in a format of others.
    pub foreign: Option<Arc<Foreign>>,
}

impl From<PathBuf> for Listed {
    fn from(path: PathBuf) -> Listed {
        Listed { path, name: None, foreign: None }
    }
}

impl Listed {
    pub(crate) fn shown(&self) -> PathBuf {
        self.name.as_deref().map_or_else(|| self.path.clone(), PathBuf::from)
    }

    pub(crate) fn foreign(&self) -> Option<&Foreign> {
        self.foreign.as_deref()
    }
}
