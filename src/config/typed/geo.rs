//! `[geo]`: what tells in which country a client is.

use terms::country::Doubt;

use crate::config::choice;
use crate::config::reader::{At, Section};

#[derive(Debug)]
pub(in super::super) struct Geo {
    pub(in super::super) database: Option<At<String>>,
    pub(in super::super) header: Option<At<String>>,
    pub(in super::super) unknown: Option<At<Doubt>>,
}

impl Geo {
    pub(super) fn read(mut geo: Section<'_, '_, '_>) -> Geo {
        let read = Geo {
            database: geo.text("database"),
            header: geo.text("header"),
            unknown: geo.choice("unknown", choice::UNKNOWN),
        };
        geo.end();
        read
    }
}
