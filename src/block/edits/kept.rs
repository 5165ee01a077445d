//! The large parts of an edit, as its file holds them: written again with each change of the edit, and read into words once.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::edit::Draft;

/// Rules from which on a draft's text is kept: fewer are written sooner than held twice.
const MANY: usize = 1_000;

#[derive(Debug)]
pub(super) struct KeptDraft {
    draft: Draft,
    text: Option<Box<RawValue>>,
}

impl From<Draft> for KeptDraft {
    fn from(draft: Draft) -> KeptDraft {
        let text = if draft.rules.len() < MANY { None } else { to_raw_value(&draft).ok() };
        KeptDraft { draft, text }
    }
}

impl Deref for KeptDraft {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Serialize for KeptDraft {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => self.draft.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeptDraft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeptDraft, D::Error> {
        Draft::deserialize(deserializer).map(KeptDraft::from)
    }
}

/// What somebody was told, or is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct KeptReceipt(Arc<RawValue>);

impl KeptReceipt {
    pub(super) fn of(receipt: &serde_json::Value) -> io::Result<KeptReceipt> {
        Ok(KeptReceipt(to_raw_value(receipt)?.into()))
    }

    pub(super) fn value(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.0.get()).ok()
    }
}
