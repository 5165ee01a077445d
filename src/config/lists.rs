//! Judges what `takedown.lists` names, and says what of it is in force.

use std::path::Path;
use std::sync::Arc;

use block::list::Format;
use block::{Foreign, Listed};
use serde_json::{Value, json};
use terms::BlockStatus;

use super::errors::{Span, Wrong, quoted};
use super::feed::Feeding;
use super::judge::Judge;
use super::reader::At;
use super::{feed, typed};

/// Bytes of a notice's id or of a reason: they stand in every record of a block.
const MAX_TEXT: usize = 1024;

impl Judge<'_, '_> {
    /// All lists, and those of them that are feeds. These are kept in the folder `state`.
    pub(super) fn lists(
        &mut self,
        written: Option<At<Vec<typed::Listed>>>,
        state: &Path,
    ) -> (Vec<Listed>, Vec<feeds::Feed>) {
        let (mut lists, mut feeds): (Vec<Listed>, Vec<feeds::Feed>) = Default::default();
        for mut one in written.map(|written| written.value).unwrap_or_default() {
            let feed = self.feed(&mut one, state);
            let written = one.path.as_ref().map(|path| quoted(&path.value)).unwrap_or_default();
            let (path, name) = match (feed, &one.path) {
                (Feeding::Feed(feed), _) => {
                    let place = (feed.file.clone(), Some(feed.name.clone()));
                    if feeds.iter().any(|other| other.name == feed.name) {
                        self.faults.add(&one.at, feed::named_alike(&feed.name));
                    }
                    feeds.push(*feed);
                    place
                }
                (Feeding::None, Some(path)) => match self.path(path) {
                    Some(path) => (path, None),
                    None => continue,
                },
                (Feeding::Wrong, _) | (Feeding::None, None) => continue,
            };
            if name.is_none() && lists.iter().any(|list| list.path == path) {
                let what = format!("{written} is named twice");
                self.faults.add(&one.at, Wrong::new(what, "remove one of the two"));
            }
            let foreign = self.foreign(one).map(Arc::new);
            lists.push(Listed { path, name, foreign });
        }
        (lists, feeds)
    }

    fn foreign(&mut self, one: typed::Listed) -> Option<Foreign> {
        let said = [
            ("notice", one.notice.as_ref().map(|text| &text.at)),
            ("reason", one.reason.as_ref().map(|text| &text.at)),
            ("status", one.status.as_ref().map(|number| &number.at)),
            ("hosts", one.hosts.as_ref().map(|hosts| &hosts.at)),
        ];
        let Some(format) = one.format else {
            for (key, at) in said {
                if let Some(at) = at {
                    self.faults.add(at, of_ours(key));
                }
            }
            return None;
        };
        let gateways = self.gateways(&format, one.hosts);
        let status = one.status.and_then(|status| self.status(&status));
        Some(Foreign {
            notice: one.notice.and_then(|notice| self.text(notice)),
            reason: one.reason.and_then(|reason| self.text(reason)),
            status,
            gateways,
            ..Foreign::new(format.value)
        })
    }

    fn gateways(&mut self, format: &At<Format>, hosts: Option<At<Vec<At<String>>>>) -> Vec<Arc<str>> {
        match (&hosts, format.value) {
            (Some(hosts), Format::IpfsDeny) if hosts.value.is_empty() => {
                self.faults.add(&hosts.at, Wrong::new("there is no host", GATEWAYS_HELP));
            }
            (None, Format::IpfsDeny) => {
                self.faults.add(&format.at, Wrong::new("a list of IPFS's paths names no hosts itself", GATEWAYS_HELP));
            }
            (Some(hosts), _) if format.value != Format::IpfsDeny => {
                let what = "this format names its hosts itself";
                self.faults.add(&hosts.at, Wrong::new(what, "remove `hosts`"));
            }
            _ => {}
        }
        let hosts = hosts.map(|hosts| hosts.value).unwrap_or_default();
        hosts.into_iter().filter_map(|host| self.checked(host, gateway)).collect()
    }

    fn status(&mut self, status: &At<u64>) -> Option<BlockStatus> {
        let read = BlockStatus::from_text(&status.value.to_string());
        if read.is_none() {
            let what = format!("{} is no status of a rule", status.value);
            self.faults.add(&status.at, Wrong::new(what, "write 451, 410, 404 or 403"));
        }
        read
    }

    fn text(&mut self, text: At<String>) -> Option<Arc<str>> {
        let odd: Option<&str> = match &text.value {
            value if value.is_empty() => Some("this is empty"),
            value if value.len() > MAX_TEXT => Some("this is longer than 1024 bytes"),
            value if value.chars().any(char::is_control) => Some("a control character stands in this"),
            _ => None,
        };
        match odd {
            Some(what) => self.odd(&text.at, what),
            None => Some(Arc::from(text.value)),
        }
    }

    fn odd(&mut self, at: &Span, what: &str) -> Option<Arc<str>> {
        self.faults.add(at, Wrong::new(what, "write a line of text, or leave the key out"));
        None
    }
}

const GATEWAYS_HELP: &str = "write hosts = [\"gateway.example\"] beside it: the hosts here that serve IPFS";

fn gateway(text: &str) -> Result<Arc<str>, Wrong> {
    terms::url::host(text).map(Arc::from).map_err(|error| {
        Wrong::new(format!("{} is no host: {error}", quoted(text)), "write a name such as \"gateway.example\"")
    })
}

fn of_ours(key: &str) -> Wrong {
    let what = format!("`{key}` is for a list that is read with `format`");
    Wrong::new(what, format!("write {key}=… behind each rule of the list, or name its format"))
}

/// A text where nothing but the path is to be said.
pub(super) fn shown(listed: &Listed, feeds: &[feeds::Feed]) -> Value {
    let path = listed.path.display().to_string();
    let feed = feeds.iter().find(|feed| feed.file == listed.path);
    let mut shown = match (feed, &listed.foreign) {
        (None, None) => return json!(path),
        (None, Some(_)) => json!({"path": path}),
        (Some(feed), _) => feed::shown(feed),
    };
    let Some(foreign) = &listed.foreign else { return shown };
    shown["format"] = json!(Format::name(foreign.format));
    for (key, value) in [("notice", &foreign.notice), ("reason", &foreign.reason)] {
        if let Some(value) = value {
            shown[key] = json!(**value);
        }
    }
    if let Some(status) = foreign.status {
        shown["status"] = json!(status.code().as_u16());
    }
    if !foreign.gateways.is_empty() {
        shown["hosts"] = json!(foreign.gateways.iter().map(|host| &**host).collect::<Vec<_>>());
    }
    shown
}
