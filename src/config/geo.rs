//! Judges what tells in which country a client is, and says what of it is in force.

use http::HeaderName;

use super::choice::{self, word};
use super::errors::{Wrong, quoted};
use super::in_force::{Row, path, row};
use super::judge::{Judge, chosen};
use super::meant::Edge;
use super::reader::At;
use super::typed;
use crate::geo::Settings;

impl Judge<'_, '_> {
    pub(super) fn geo(&mut self, geo: typed::Geo, edge: &Edge) -> Settings {
        if let Some(header) = geo.header.as_ref().filter(|_| edge.trusted_proxies.is_empty()) {
            let what = "this field is believed from edge.trusted_proxies alone, and there are none";
            self.faults.add(&header.at, Wrong::new(what, "name the networks of the proxies that set it there"));
        }
        Settings {
            database: geo.database.and_then(|database| self.database(&database)),
            header: geo.header.and_then(|header| self.checked(header, field)),
            unknown: chosen(geo.unknown, Default::default()),
        }
    }

    /// Whether it can be used is found out as it is read.
    fn database(&mut self, database: &At<String>) -> Option<std::path::PathBuf> {
        let path = self.path(database)?;
        if !path.is_file() {
            let what = format!("{} is no file", quoted(&database.value));
            self.faults.add(&database.at, Wrong::new(what, "name a database of places, such as GeoLite2-Country.mmdb"));
            return None;
        }
        Some(path)
    }
}

fn field(text: &str) -> Result<HeaderName, Wrong> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Wrong::new(format!("{} is no name of a field", quoted(text)), "write one such as \"X-Country\""))
}

pub(super) fn rows(geo: &Settings) -> Vec<Row> {
    let nobody = if geo.tells() { "" } else { "rules with geo are refused" };
    vec![
        row("database", geo.database.as_deref().map(path)).remark(nobody),
        row("header", geo.header.as_ref().map(HeaderName::as_str)),
        row("unknown", word(&geo.unknown, choice::UNKNOWN)),
    ]
}
