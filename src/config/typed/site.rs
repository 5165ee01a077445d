//! The tables that may stand within a site.

use std::time::Duration;

use super::super::choice::{TOWARDS, Towards};
use super::super::errors::Span;
use super::super::reader::{At, Section};

/// One of a site's origins; a text alone is its `url`.
#[derive(Debug)]
pub(in super::super) struct Origin {
    pub(in super::super) url: At<String>,
    pub(in super::super) weight: Option<At<u64>>,
    pub(in super::super) backup: Option<At<bool>>,
    pub(in super::super) ca: Option<At<String>>,
    pub(in super::super) server_name: Option<At<String>>,
}

#[derive(Debug)]
pub(in super::super) struct Check {
    pub(in super::super) path: At<String>,
    pub(in super::super) host: Option<At<String>>,
    pub(in super::super) interval: Option<At<Duration>>,
    pub(in super::super) timeout: Option<At<Duration>>,
    pub(in super::super) rise: Option<At<u64>>,
    pub(in super::super) fall: Option<At<u64>>,
    pub(in super::super) statuses: Option<At<Vec<At<u64>>>>,
}

#[derive(Debug)]
pub(in super::super) struct Eject {
    pub(in super::super) failures: Option<At<u64>>,
    pub(in super::super) time: Option<At<Duration>>,
    pub(in super::super) longest: Option<At<Duration>>,
}

#[derive(Debug)]
pub(in super::super) struct Route {
    pub(in super::super) path: Option<At<String>>,
    pub(in super::super) origin: Option<At<Vec<Origin>>>,
}

#[derive(Debug)]
pub(in super::super) struct Redirect {
    pub(in super::super) from: Option<At<String>>,
    pub(in super::super) to: Option<At<String>>,
    pub(in super::super) status: Option<At<u64>>,
}

/// Who may purge.
#[derive(Debug)]
pub(in super::super) struct Purging {
    pub(in super::super) at: Span,
    pub(in super::super) allow: Option<At<Vec<At<String>>>>,
    pub(in super::super) token_file: Option<At<String>>,
}

/// Changes of fields.
#[derive(Debug)]
pub(in super::super) struct Header {
    pub(in super::super) at: Span,
    pub(in super::super) to: Option<At<Towards>>,
    pub(in super::super) set: Option<At<Vec<At<String>>>>,
    pub(in super::super) add: Option<At<Vec<At<String>>>>,
    pub(in super::super) remove: Option<At<Vec<At<String>>>>,
}

pub(in super::super) const ORIGIN_HELP: &str = "write origin = \"http://127.0.0.1:3000\", or a list of such";

impl Origin {
    pub(super) fn all(site: &mut Section<'_, '_, '_>) -> Option<At<Vec<Origin>>> {
        site.texts_or_tables("origin", "site.origin", Origin::of_url, Origin::read)
    }

    fn of_url(url: At<String>) -> Origin {
        Origin { url, weight: None, backup: None, ca: None, server_name: None }
    }

    fn read(mut origin: Section<'_, '_, '_>) -> Option<Origin> {
        origin.require("url", "write { url = \"http://127.0.0.1:3000\", weight = 2 }");
        let url = origin.text("url");
        let (weight, backup) = (origin.number("weight"), origin.flag("backup"));
        let (ca, server_name) = (origin.text("ca"), origin.text("server_name"));
        origin.end();
        Some(Origin { url: url?, weight, backup, ca, server_name })
    }
}

impl Check {
    pub(super) fn read(mut check: Section<'_, '_, '_>) -> Option<Check> {
        check.require("path", "write check = { path = \"/healthz\" }");
        let path = check.text("path");
        let host = check.text("host");
        let (interval, timeout) = (check.duration("interval"), check.duration("timeout"));
        let (rise, fall) = (check.number("rise"), check.number("fall"));
        let statuses = check.numbers("statuses");
        check.end();
        Some(Check { path: path?, host, interval, timeout, rise, fall, statuses })
    }
}

impl Eject {
    pub(super) fn read(mut eject: Section<'_, '_, '_>) -> Option<Eject> {
        let read = Eject {
            failures: eject.number("failures"),
            time: eject.duration("time"),
            longest: eject.duration("longest"),
        };
        eject.end();
        Some(read)
    }
}

impl Route {
    pub(super) fn read(mut route: Section<'_, '_, '_>) -> Route {
        route.require("path", "write path = \"/api/*\"");
        route.require("origin", ORIGIN_HELP);
        let read = Route { path: route.text("path"), origin: Origin::all(&mut route) };
        route.end();
        read
    }
}

impl Redirect {
    pub(super) fn read(mut redirect: Section<'_, '_, '_>) -> Redirect {
        redirect.require("from", "write from = \"/old/*\"");
        redirect.require("to", "write to = \"https://photos.example/new/*\"");
        let read = Redirect { from: redirect.text("from"), to: redirect.text("to"), status: redirect.number("status") };
        redirect.end();
        read
    }
}

impl Purging {
    pub(super) fn read(mut purge: Section<'_, '_, '_>) -> Option<Purging> {
        let read = Purging { at: purge.at.clone(), allow: purge.texts("allow"), token_file: purge.text("token_file") };
        purge.end();
        Some(read)
    }
}

impl Header {
    pub(super) fn read(mut header: Section<'_, '_, '_>) -> Header {
        header.require("to", "write to = \"client\", or to = \"origin\"");
        let read = Header {
            at: header.at.clone(),
            to: header.choice("to", TOWARDS),
            set: header.texts("set"),
            add: header.texts("add"),
            remove: header.texts("remove"),
        };
        header.end();
        read
    }
}
