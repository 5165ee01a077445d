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

/// What is named as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Absolute: a list file, or a folder of them.
    pub path: PathBuf,
    /// For a file that is in a format of others.
    pub foreign: Option<Arc<Foreign>>,
}

impl From<PathBuf> for Listed {
    fn from(path: PathBuf) -> Listed {
        Listed { path, foreign: None }
    }
}
