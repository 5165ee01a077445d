//! Judges lists that are feeds, and shows them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feeds::{Feed, KEY};
use net::{BadTarget, Reach, Target, Trust};
use serde_json::{Value, json};
use terms::Networks;

use super::choice::{self, word};
use super::errors::{Wrong, quoted};
use super::hidden;
use super::hook::opened;
use super::judge::{DAY, HOUR, Judge, chosen};
use super::limits;
use super::reader::At;
use super::typed;
use super::units::{show_duration, show_size};

const EVERY: Duration = Duration::from_secs(5 * 60);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Some two million rules.
const MAX_SIZE: u64 = 64 << 20;
/// A list is read whole, and no larger one is.
const LARGEST: u64 = 2 << 30;
const SECOND: Duration = Duration::from_secs(1);

/// Bytes of a URL, and of a name: they stand in every record of a block.
const MAX_URL: usize = 2048;
const MAX_NAME: usize = 200;

/// What a list says of being a feed.
pub(super) enum Feeding {
    None,
    Feed(Box<Feed>),
    Wrong,
}

impl Judge<'_, '_> {
    /// Takes out of a list what it says of being a feed. It is kept in the folder `state`.
    pub(super) fn feed(&mut self, one: &mut typed::Listed, state: &Path) -> Feeding {
        let mut feed = std::mem::take(&mut one.feed);
        let Some(url) = feed.url.take() else {
            return self.no_feed(one, &feed);
        };
        if let Some(path) = &one.path {
            self.faults.add(&path.at, Wrong::new("this list has a `url` already", "make two lists of it"));
        }
        let (at, text) = (url.at.clone(), url.value.clone());
        let read = if feed.key_file.is_some() { keyed_url } else { plain_url };
        let Some(target) = self.checked(url, read) else { return Feeding::Wrong };
        let name = feed.name.take().map_or_else(|| Some(name_of(&text)), |name| self.checked(name, feed_name));
        let every = self.duration(feed.every, EVERY, SECOND..=7 * DAY);
        let allow_private = self.networks(feed.allow_private);
        let reach = Reach::Public { and: Networks::new(&allow_private) };
        if let Some(address) = target.address().filter(|address| !reach.holds(*address)) {
            let help = format!("if that is meant, write allow_private = [\"{address}\"] beside it");
            self.faults.add(&at, Wrong::new(format!("{address} is no address of the internet"), help));
        }
        let Some(name) = name else { return Feeding::Wrong };
        Feeding::Feed(Box::new(Feed {
            file: feeds::place(state, &name, &text),
            name,
            url: text,
            key_file: feed.key_file.and_then(|file| opened(&file, KEY_HELP, feeds::read_key, self)),
            headers_file: feed.headers_file.and_then(|file| opened(&file, HEADERS_HELP, feeds::read_fields, self)),
            ca_file: feed.ca_file.and_then(|file| opened(&file, CA_HELP, Trust::file, self)),
            max_age: self.max_age(feed.max_age, every),
            every,
            timeout: self.duration(feed.timeout, TIMEOUT, SECOND..=HOUR / 6),
            max_size: self.size(feed.max_size, MAX_SIZE, 1 << 10..=LARGEST),
            allow_private,
            on_stale: chosen(feed.on_stale, feeds::OnStale::default()),
        }))
    }

    /// A file or a folder.
    fn no_feed(&mut self, one: &typed::Listed, feed: &typed::Feed) -> Feeding {
        let said = [
            ("name", feed.name.as_ref().map(|said| &said.at)),
            ("every", feed.every.as_ref().map(|said| &said.at)),
            ("timeout", feed.timeout.as_ref().map(|said| &said.at)),
            ("max_size", feed.max_size.as_ref().map(|said| &said.at)),
            ("max_age", feed.max_age.as_ref().map(|said| &said.at)),
            ("on_stale", feed.on_stale.as_ref().map(|said| &said.at)),
            ("allow_private", feed.allow_private.as_ref().map(|said| &said.at)),
            ("key_file", feed.key_file.as_ref().map(|said| &said.at)),
            ("headers_file", feed.headers_file.as_ref().map(|said| &said.at)),
            ("ca_file", feed.ca_file.as_ref().map(|said| &said.at)),
        ];
        for (key, at) in said.into_iter().filter_map(|(key, at)| Some((key, at?))) {
            self.faults.add(at, Wrong::new(format!("`{key}` stands beside `url` alone"), "remove it"));
        }
        match &one.path {
            None => {
                let help = "write { path = \"urlhaus.csv\", format = \"urlhaus\" }, or { url = \"https://…\" }";
                self.faults.add(&one.at, Wrong::new("this list has neither `path` nor `url`", help));
            }
            Some(path) if ["https:/", "http:/"].iter().any(|scheme| path.value.starts_with(scheme)) => {
                let what = format!("{} is a URL, not a path", quoted(&hidden::url(&path.value)));
                self.faults.add(&path.at, Wrong::new(what, "write { url = \"https://…\" }"));
                return Feeding::Wrong;
            }
            Some(_) => {}
        }
        Feeding::None
    }

    /// A day, or as long as a few checks take.
    fn max_age(&mut self, given: Option<At<Duration>>, every: Duration) -> Duration {
        let at = given.as_ref().map(|given| given.at.clone());
        let max_age = self.duration(given, DAY.max(3 * every), SECOND..=365 * DAY);
        if let Some(at) = at.filter(|_| max_age < every) {
            let what = format!("it is asked every {} alone", show_duration(every));
            self.faults.add(&at, Wrong::new(what, "write a longer max_age, or a shorter `every`"));
        }
        max_age
    }
}

const KEY_HELP: &str = "name a file (0600) that holds what stands for {key} in the URL";
const HEADERS_HELP: &str = "name a file (0600) with a field a line, such as: Authorization: Bearer TOKEN";
const CA_HELP: &str = "name a PEM file with the certificates of those who vouch for the server";

fn plain_url(text: &str) -> Result<Target, Wrong> {
    if text.contains(KEY) {
        let help = "write key_file = \"feed.key\" beside it, a file (0600) that holds the key";
        return Err(Wrong::new(format!("{KEY} stands for a key, and there is no `key_file`"), help));
    }
    url(text)
}

fn keyed_url(text: &str) -> Result<Target, Wrong> {
    if !text.contains(KEY) {
        let help = format!("write {KEY} in the URL where the key belongs, or remove `key_file`");
        return Err(Wrong::new("the key of `key_file` has no place in this URL", help));
    }
    url(text)
}

fn url(text: &str) -> Result<Target, Wrong> {
    if text.len() > MAX_URL {
        return Err(Wrong::new(format!("this URL is longer than {MAX_URL} bytes"), "write a shorter one"));
    }
    Target::parse(text).map_err(|bad| {
        let help = match bad {
            BadTarget::Url => "write https://, a host, and a path, such as \"https://feed.example/list.txt\"",
            BadTarget::UserInfo => {
                "leave them out: write `Authorization: Basic …` into a file, and name it headers_file"
            }
            BadTarget::InClear => "write https://; http:// is for 127.0.0.1, [::1] and localhost alone",
        };
        Wrong::new(format!("{} {bad}", quoted(&hidden::url(text))), help)
    })
}

fn feed_name(text: &str) -> Result<Arc<str>, Wrong> {
    let is_name = (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control) && !text.starts_with('/');
    match is_name {
        true => Ok(Arc::from(text)),
        false => Err(Wrong::new(format!("{} is no name of a feed", quoted(&hidden::url(text))), "write a word or two")),
    }
}

/// Its URL, without what may be a secret.
fn name_of(url: &str) -> Arc<str> {
    match url.split_once('?') {
        Some((before, _)) => Arc::from(format!("{before}?…")),
        None => Arc::from(url),
    }
}

/// What stands under `lists` without the queries of feeds, but so that another query shows.
pub(super) fn with_marks(lists: &Value) -> Value {
    with_urls(lists, hidden::marked_url)
}

/// What stands under `lists` without the queries of feeds.
pub(super) fn without_queries(lists: &Value) -> Value {
    with_urls(lists, hidden::url)
}

fn with_urls(lists: &Value, shown: impl Fn(&str) -> String) -> Value {
    let mut lists = lists.clone();
    for list in lists.as_array_mut().into_iter().flatten() {
        if let Some(Value::String(url)) = list.get_mut("url") {
            *url = shown(url);
        }
    }
    lists
}

pub(super) fn named_alike(name: &str) -> Wrong {
    let what = format!("another feed is shown as {}, too", quoted(name));
    Wrong::new(what, "write name = \"…\" beside one of them: queries are not shown")
}

pub(super) fn shown(feed: &Feed) -> Value {
    let mut shown = json!({
        "url": feed.url,
        "name": *feed.name,
        "every": show_duration(feed.every),
        "timeout": show_duration(feed.timeout),
        "max_size": show_size(feed.max_size),
        "max_age": show_duration(feed.max_age),
        "on_stale": word(&feed.on_stale, choice::ON_STALE),
    });
    if !feed.allow_private.is_empty() {
        shown["allow_private"] = json!(limits::shown(&feed.allow_private));
    }
    for (key, file) in [("key_file", &feed.key_file), ("headers_file", &feed.headers_file), ("ca_file", &feed.ca_file)]
    {
        if let Some(file) = file {
            shown[key] = json!(file);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_shown_as_no_more_than_another() {
        let shown =
            |query: &str| with_marks(&json!(["a.txt", { "url": format!("https://feed.example/{KEY}/l{query}") }]));
        assert_eq!(shown(""), json!(["a.txt", { "url": "https://feed.example/{key}/l" }]));
        let (one, other) = (shown("?auth=one").to_string(), shown("?auth=other").to_string());
        assert!(one.contains("https://feed.example/{key}/l?…") && !one.contains("auth"), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, shown("?auth=one").to_string());
    }
}
