//! A hook, as it is written.

use super::super::errors::Span;
use super::super::reader::{At, Section};

#[derive(Debug)]
pub(in super::super) struct Hook {
    pub(in super::super) at: Span,
    pub(in super::super) name: Option<At<String>>,
    pub(in super::super) on: Option<At<Vec<At<String>>>>,
    pub(in super::super) exec: Option<At<Vec<At<String>>>>,
    pub(in super::super) url: Option<At<String>>,
    pub(in super::super) secret_file: Option<At<String>>,
    pub(in super::super) ca_file: Option<At<String>>,
}

impl Hook {
    pub(super) fn read(mut hook: Section<'_, '_, '_>) -> Hook {
        hook.require("on", "write on = [\"block-added\", \"block-lifted\"]");
        let read = Hook {
            at: hook.at.clone(),
            name: hook.text("name"),
            on: hook.texts("on"),
            exec: hook.texts("exec"),
            url: hook.text("url"),
            secret_file: hook.text("secret_file"),
            ca_file: hook.text("ca_file"),
        };
        hook.end();
        read
    }
}
