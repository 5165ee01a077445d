//! Log and hooks are told of what came in force.

use std::sync::atomic::Ordering::Relaxed;

use block::Change;
use block::edits::Event;
use serde_json::{Value, json};

use super::{Takedown, TakedownError};
use crate::herald::Untold;
use crate::receipt::Taken;
use crate::witness::event;

impl Takedown {
    /// Tells of an edit, which may have been told of before: the log takes it once, and hooks know it by its id.
    pub(super) fn tell_of_edit(&self, edit: &Event, receipt: &Value) -> Result<(), Untold> {
        let line = event(edit.kind.as_str(), receipt.clone());
        match edit.receipt {
            None => self.log.append(line)?,
            Some(_) => self.log.append_again(line, edit.at)?,
        };
        Ok(self.hooks.enqueue(&edit.id, edit.kind.as_str(), edit.at, receipt)?)
    }

    pub(super) fn tell_of_list(&self, change: &Change, taken: Taken) {
        let what = change.to_string();
        let mut data = json!({ "file": change.file().display().to_string(), "what": what, "list": taken.list });
        let kind = match change {
            Change::Applied { .. } | Change::Lifted { .. } => {
                tracing::info!(list = taken.list, cut = taken.cut, "{what}");
                data["in_force_at"] = json!(taken.at);
                data["cut"] = json!(taken.cut);
                data["purged"] = json!(taken.purged);
                if let Change::Applied { unread, .. } = change
                    && !unread.is_empty()
                {
                    data["unread"] = json!(**unread);
                }
                "list-applied"
            }
            Change::Restored { .. } => return tracing::info!("{what}"),
            _ => {
                tracing::error!("{what}");
                self.list_errors.fetch_add(1, Relaxed);
                "list-refused"
            }
        };
        self.teller.tell(kind, taken.at, data);
    }

    /// Tells that other rules are in force, for a reason that is in no list.
    pub(super) fn tell_applied(&self, what: &str, taken: Result<Taken, TakedownError>) {
        match taken {
            Ok(taken) => {
                let data = json!({ "what": what, "list": taken.list, "in_force_at": taken.at, "cut": taken.cut,
                    "purged": taken.purged });
                self.teller.tell("list-applied", taken.at, data);
            }
            Err(error) => tracing::error!("{what}, and this can't be published yet: {error}"),
        }
    }

    /// When this returns, log and hooks are told of everything that the reload changed.
    pub fn reloaded(&self, changed: &[String]) {
        self.warn_of_patterns();
        self.teller.tell("reloaded", self.clock.wall(), json!({ "changed": changed }));
        self.teller.settle();
    }

    /// Waits until log and hooks are told of every list that changed before.
    pub fn settle(&self) {
        self.teller.settle();
    }

    /// Tells what is still to be told of lists. Nothing is told after it, and nothing judged that is still to be decoded.
    pub fn close(&self) {
        self.late.close();
        self.teller.close();
    }

    /// Says which patterns may block less than their writer thinks.
    pub(super) fn warn_of_patterns(&self) {
        let index = self.blocks.index();
        if let Some(what) = block::patterns_at_large(index.tables(), index.kin()) {
            tracing::warn!("{what}");
        }
    }
}
