use std::path::PathBuf;

/// Where rules come from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// List files and folders of them, absolute.
    pub lists: Vec<PathBuf>,
    /// The state folder; `blocks/` and `lists/` in it are this room's.
    pub state: PathBuf,
}
