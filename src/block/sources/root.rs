//! A file or folder that `lists` names, and how it comes and goes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::{SETTLING, seen_by};

use super::board::SourceStatus;
use super::change::Change;
use super::error::SourceError;
use super::source::Trouble;
use super::survey::{Survey, survey_listed};
use super::{Look, Sources};
use crate::settings::Listed;

/// What `lists` names.
pub(super) struct Root {
    pub listed: Listed,
    pub state: RootState,
    pub absent_since: Option<Instant>,
}

pub(super) enum RootState {
    /// There, or a file whose source tells how it is.
    Present,
    /// Was there.
    Vanished,
    /// Was gone when the operator said `reload`: nothing is expected of it.
    Lifted,
    /// Was named by a reload, and was not there.
    Missing,
    /// Can't be listed, or some of what is in it can't be taken.
    Refused(Vec<SourceError>),
}

impl Sources {
    pub(super) fn look_at_roots(&mut self, now: Instant, look: &mut Look) {
        let mut roots = std::mem::take(&mut self.roots);
        for root in &mut roots {
            let shown = survey_listed(&root.listed);
            if !matches!(shown, Survey::Absent) {
                root.absent_since = None;
            }
            match shown {
                Survey::File => {
                    root.state = RootState::Present;
                    self.add_file(root.path().to_owned());
                }
                Survey::Folder(files, odd) => look.changes.extend(root.refuse(self.add_files(files, odd))),
                Survey::Unreadable(error) => look.changes.extend(root.refuse(vec![error])),
                // A file's own source finds out that it is gone.
                Survey::Absent if self.has_file_of(root.path()) => {}
                Survey::Absent => match root.state {
                    RootState::Vanished | RootState::Lifted | RootState::Missing => {}
                    RootState::Present | RootState::Refused(_) => {
                        let since = *root.absent_since.get_or_insert_with(|| seen_by(now));
                        match SETTLING.checked_sub(now.duration_since(since)) {
                            None | Some(Duration::ZERO) => {
                                root.state = RootState::Vanished;
                                look.changes.push(Change::Vanished { file: root.listed.shown() });
                            }
                            Some(left) => look.again_in(left),
                        }
                    }
                },
            }
        }
        self.roots = roots;
    }
}

impl Root {
    pub fn new(listed: Listed) -> Root {
        Root { listed, state: RootState::Present, absent_since: None }
    }

    pub fn path(&self) -> &Path {
        &self.listed.path
    }

    /// Notes what can't be taken, if anything; a change only where there was no such thing before.
    pub fn refuse(&mut self, errors: Vec<SourceError>) -> Option<Change> {
        let was_refused = matches!(self.state, RootState::Refused(_));
        if errors.is_empty() {
            let was_troubled = !matches!(self.state, RootState::Present | RootState::Lifted);
            self.state = RootState::Present;
            return was_troubled.then(|| Change::Restored { file: self.listed.shown() });
        }
        self.state = RootState::Refused(errors.clone());
        (!was_refused).then(|| Change::Refused { file: self.listed.shown(), errors })
    }

    pub fn status(&self) -> Option<SourceStatus> {
        let trouble = match &self.state {
            RootState::Present | RootState::Lifted => return None,
            RootState::Vanished => Trouble::Vanished,
            RootState::Missing => Trouble::Refused(vec![self.listed.missing()]),
            RootState::Refused(errors) => Trouble::Refused(errors.clone()),
        };
        let trouble = Some(trouble.to_string());
        let (file, format) = (self.listed.shown(), self.listed.foreign.as_ref().map(|foreign| foreign.format));
        let unread = Arc::default();
        Some(SourceStatus { file, format, rules: 0, loaded_at: None, hash: None, trouble, unread })
    }

    /// Whether it stands for this file.
    pub fn covers(&self, file: &Path) -> bool {
        self.path() == file || file.parent() == Some(self.path())
    }
}
