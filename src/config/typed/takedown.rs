//! `[takedown]`: what is blocked, and what a blocked client is told.

use std::time::Duration;

use feeds::OnStale;
use terms::ruling::Disclose;

use crate::config::choice;
use crate::config::errors::Span;
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
    /// Of the whole table.
    pub(in super::super) at: Span,
    pub(in super::super) path: Option<At<String>>,
    pub(in super::super) format: Option<At<block::list::Format>>,
    pub(in super::super) notice: Option<At<String>>,
    pub(in super::super) reason: Option<At<String>>,
    pub(in super::super) status: Option<At<u64>>,
    pub(in super::super) hosts: Option<At<Vec<At<String>>>>,
    pub(in super::super) feed: Feed,
}

/// What of a list is said where it is a feed.
#[derive(Debug, Default)]
pub(in super::super) struct Feed {
    pub(in super::super) url: Option<At<String>>,
    pub(in super::super) name: Option<At<String>>,
    pub(in super::super) every: Option<At<Duration>>,
    pub(in super::super) timeout: Option<At<Duration>>,
    pub(in super::super) max_size: Option<At<u64>>,
    pub(in super::super) max_age: Option<At<Duration>>,
    pub(in super::super) on_stale: Option<At<OnStale>>,
    pub(in super::super) allow_private: Option<At<Vec<At<String>>>>,
    pub(in super::super) key_file: Option<At<String>>,
    pub(in super::super) headers_file: Option<At<String>>,
    pub(in super::super) ca_file: Option<At<String>>,
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
        let (at, path) = (path.at.clone(), Some(path));
        Listed { at, path, format: None, notice: None, reason: None, status: None, hosts: None, feed: Feed::default() }
    }

    fn read(mut listed: Section<'_, '_, '_>) -> Option<Listed> {
        let at = listed.at.clone();
        let (path, format) = (listed.text("path"), listed.choice("format", block::list::Format::ALL));
        let (notice, reason) = (listed.text("notice"), listed.text("reason"));
        let (status, hosts) = (listed.number("status"), listed.texts("hosts"));
        let feed = Feed::read(&mut listed);
        listed.end();
        Some(Listed { at, path, format, notice, reason, status, hosts, feed })
    }
}

impl Feed {
    fn read(listed: &mut Section<'_, '_, '_>) -> Feed {
        Feed {
            url: listed.text("url"),
            name: listed.text("name"),
            every: listed.duration("every"),
            timeout: listed.duration("timeout"),
            max_size: listed.size("max_size"),
            max_age: listed.duration("max_age"),
            on_stale: listed.choice("on_stale", choice::ON_STALE),
            allow_private: listed.texts("allow_private"),
            key_file: listed.text("key_file"),
            headers_file: listed.text("headers_file"),
            ca_file: listed.text("ca_file"),
        }
    }
}
