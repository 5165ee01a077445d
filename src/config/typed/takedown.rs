//! `[takedown]`: what is blocked, and what a blocked client is told.

use terms::ruling::Disclose;

use crate::config::choice;
use crate::config::reader::{At, Section};

#[derive(Debug)]
pub(in super::super) struct Takedown {
    pub(in super::super) lists: Option<At<Vec<Listed>>>,
    pub(in super::super) operator_url: Option<At<String>>,
    pub(in super::super) disclose: Option<At<Disclose>>,
}

/// A list: its path, or a table that says more of it.
#[derive(Debug)]
pub(in super::super) struct Listed {
    pub(in super::super) path: At<String>,
    pub(in super::super) format: Option<At<block::list::Format>>,
    pub(in super::super) notice: Option<At<String>>,
    pub(in super::super) reason: Option<At<String>>,
    pub(in super::super) status: Option<At<u64>>,
    pub(in super::super) hosts: Option<At<Vec<At<String>>>>,
}

impl Takedown {
    pub(super) fn read(mut takedown: Section<'_, '_, '_>) -> Takedown {
        let read = Takedown {
            lists: takedown.texts_or_tables("lists", "takedown.lists", Listed::of_path, Listed::read),
            operator_url: takedown.text("operator_url"),
            disclose: takedown.choice("disclose", choice::DISCLOSE),
        };
        takedown.end();
        read
    }
}

impl Listed {
    fn of_path(path: At<String>) -> Listed {
        Listed { path, format: None, notice: None, reason: None, status: None, hosts: None }
    }

    fn read(mut listed: Section<'_, '_, '_>) -> Option<Listed> {
        listed.require("path", "write { path = \"urlhaus.csv\", format = \"urlhaus\" }");
        let (path, format) = (listed.text("path"), listed.choice("format", block::list::Format::ALL));
        let (notice, reason) = (listed.text("notice"), listed.text("reason"));
        let (status, hosts) = (listed.number("status"), listed.texts("hosts"));
        listed.end();
        Some(Listed { path: path?, format, notice, reason, status, hosts })
    }
}
