//! What is asked for: a list of URLs or a template of them, and the order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use terms::Digest;

use super::zipf::Zipf;

/// Stands in a template for the number of the object.
const NUMBER: &str = "{n}";
/// Each worker keeps a connection to each of them.
const MOST_ORIGINS: usize = 16;
/// Some 150 MiB as they are kept here.
const MOST_LISTED: usize = 1_000_000;
const LONGEST_LINE: u64 = 64 * 1024;

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub is_tls: bool,
    /// A name, an address, or an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    /// Host and port as the URL wrote them: the `Host` field (RFC 9110 section 7.2).
    pub authority: String,
}

/// One request's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its place among all that can be asked for.
    pub place: u64,
    /// Its place in [`Urls::origins`].
    pub origin: usize,
    pub path: PathAndQuery,
    /// The digest that its bytes must have, where the list says so.
    pub digest: Option<Digest>,
}

#[derive(Debug)]
enum Kind {
    Listed(Vec<(usize, PathAndQuery, Option<Digest>)>),
    Template { before: String, after: String, count: u64 },
}

#[derive(Debug)]
pub enum Order {
    InTurn,
    /// The first of the list is the most popular one.
    Popularity(Zipf),
}

#[derive(Debug)]
pub struct Urls {
    origins: Vec<Origin>,
    kind: Kind,
}

impl Urls {
    /// `http://host/obj/{n}`, with `{n}` from 0 to `count` − 1.
    pub fn template(text: &str, count: u64) -> anyhow::Result<Urls> {
        let text = text.split('#').next().unwrap_or_default();
        // Whatever number it becomes, the URL is as good as with this one.
        let (origin, _) = parse(&text.replacen(NUMBER, "0", 1))?;
        let path_at = text.find("://").and_then(|at| Some(at + 3 + text[at + 3..].find(['/', '?'])?));
        let (before, after) = path_at
            .and_then(|at| text[at..].split_once(NUMBER))
            .with_context(|| format!("{text:?}: {NUMBER} must stand in the path or in the query"))?;
        let slash = if before.starts_with('?') { "/" } else { "" };
        let kind = Kind::Template { before: format!("{slash}{before}"), after: after.to_owned(), count };
        Ok(Urls { origins: vec![origin], kind })
    }

    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    pub fn count(&self) -> u64 {
        match &self.kind {
            Kind::Listed(listed) => listed.len() as u64,
            Kind::Template { count, .. } => *count,
        }
    }

    /// What request `number` asks for.
    pub fn pick(&self, order: &Order, number: u64) -> Option<Target> {
        let place = match order {
            Order::InTurn => number % self.count(),
            Order::Popularity(zipf) => zipf.pick(),
        };
        self.at(place)
    }

    fn at(&self, place: u64) -> Option<Target> {
        match &self.kind {
            Kind::Listed(listed) => {
                let (origin, path, digest) = listed.get(usize::try_from(place).ok()?)?;
                Some(Target { place, origin: *origin, path: path.clone(), digest: *digest })
            }
            Kind::Template { before, after, .. } => {
                let path = PathAndQuery::from_maybe_shared(format!("{before}{place}{after}")).ok()?;
                Some(Target { place, origin: 0, path, digest: None })
            }
        }
    }
}

/// Gathers URLs one by one. One that stands twice is one, and a digest said of it anywhere holds.
#[derive(Default)]
pub struct Listing {
    origins: Vec<Origin>,
    listed: Vec<(usize, PathAndQuery, Option<Digest>)>,
    places: HashMap<(usize, PathAndQuery), usize>,
}

impl Listing {
    pub fn add(&mut self, url: &str, digest: Option<Digest>) -> anyhow::Result<()> {
        let (origin, path) = parse(url)?;
        let known = self.origins.iter().position(|known| *known == origin);
        let origin = known.unwrap_or_else(|| {
            self.origins.push(origin);
            self.origins.len() - 1
        });
        ensure!(self.origins.len() <= MOST_ORIGINS, "at most {MOST_ORIGINS} different hosts and ports can be asked");
        let place = *self.places.entry((origin, path.clone())).or_insert(self.listed.len());
        match self.listed.get_mut(place) {
            None => self.listed.push((origin, path, digest)),
            Some((.., said)) => match (*said, digest) {
                (Some(one), Some(other)) if one != other => bail!("{url} must have two digests: {one} and {other}"),
                (one, other) => *said = one.or(other),
            },
        }
        ensure!(self.listed.len() <= MOST_LISTED, "at most {MOST_LISTED} URLs can be listed; a template has no bound");
        Ok(())
    }

    /// A URL a line; empty lines and those that begin with `#` are passed over.
    pub fn add_urls(&mut self, path: &Path) -> anyhow::Result<()> {
        self.add_lines(path, |line| Ok((line, None)))
    }

    /// `sha256:HEX URL` a line, as `sha256sum` has them in order.
    pub fn add_digests(&mut self, path: &Path) -> anyhow::Result<()> {
        self.add_lines(path, |line| {
            let (digest, url) = line.split_once(char::is_whitespace).context("a line is sha256:HEX URL")?;
            Ok((url.trim_start(), Some(digest.parse()?)))
        })
    }

    fn add_lines(
        &mut self,
        path: &Path,
        read: impl Fn(&str) -> anyhow::Result<(&str, Option<Digest>)>,
    ) -> anyhow::Result<()> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("{shown} can't be read"))?;
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let count = (&mut reader).take(LONGEST_LINE).read_line(&mut line);
            if count.with_context(|| format!("{shown}:{number} can't be read"))? == 0 {
                break;
            }
            ensure!((line.len() as u64) < LONGEST_LINE, "{shown}:{number}: a line over {LONGEST_LINE} bytes");
            let text = line.trim();
            if !text.is_empty() && !text.starts_with('#') {
                let (url, digest) = read(text).with_context(|| format!("{shown}:{number}"))?;
                self.add(url, digest).with_context(|| format!("{shown}:{number}"))?;
            }
        }
        Ok(())
    }

    pub fn urls(self) -> anyhow::Result<Urls> {
        ensure!(!self.listed.is_empty(), "there is no URL to ask for");
        Ok(Urls { origins: self.origins, kind: Kind::Listed(self.listed) })
    }
}

/// Splits an absolute URL; its path goes out as it was written, less a fragment.
fn parse(url: &str) -> anyhow::Result<(Origin, PathAndQuery)> {
    let wrong = || format!("{url:?} is not a URL that can be asked for; write http://HOST/PATH or https://HOST/PATH");
    let uri: Uri = url.parse().with_context(wrong)?;
    let is_tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(anyhow!(wrong())),
    };
    let authority = uri.authority().with_context(wrong)?;
    ensure!(!authority.as_str().contains('@') && !authority.host().is_empty(), wrong());
    let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
        "" | ":" => Some(if is_tls { 443 } else { 80 }),
        written => written[1..].parse().ok().filter(|port| *port != 0),
    };
    let origin = Origin {
        is_tls,
        host: authority.host().to_owned(),
        port: port.with_context(|| format!("{url:?}: a port is a number from 1 to 65535"))?,
        authority: authority.as_str().to_owned(),
    };
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok((origin, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(urls: &[&str]) -> anyhow::Result<Urls> {
        let mut listing = Listing::default();
        urls.iter().try_for_each(|url| listing.add(url, None))?;
        listing.urls()
    }

    fn shown(urls: &Urls, number: u64) -> String {
        let target = urls.pick(&Order::InTurn, number).unwrap();
        format!("{}{}", urls.origins()[target.origin].authority, target.path)
    }

    #[test]
    fn urls_are_asked_for_in_turn_and_as_written() {
        let urls = listed(&["http://a", "https://b:8443/x/../%61?q#f", "http://a/?", "http://a"]).unwrap();
        let asked: Vec<String> = (0..4).map(|number| shown(&urls, number)).collect();
        assert_eq!(asked, ["a/", "b:8443/x/../%61?q", "a/?", "a/"]);
        let ports: Vec<(bool, u16)> = urls.origins().iter().map(|origin| (origin.is_tls, origin.port)).collect();
        assert_eq!(ports, [(false, 80), (true, 8443)]);
    }

    #[test]
    fn what_is_no_url_is_told() {
        for url in [
            "",
            "/a",
            "a",
            "ftp://a/",
            "http://",
            "http://u@a/",
            "http://a/ b",
            "http://[::1/",
            "http://a:0/",
            "http://a:99999/",
            "http://[::1]:99999/",
        ] {
            assert!(listed(&[url]).is_err(), "{url}");
        }
        let many: Vec<String> = (0..=MOST_ORIGINS).map(|port| format!("http://a:{}/", port + 1)).collect();
        assert!(listed(&many.iter().map(String::as_str).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn a_template_counts() {
        for (template, first, last) in [
            ("http://h:81/obj/{n}", "h:81/obj/0", "h:81/obj/11"),
            ("http://h/{n}/a?b={n}", "h/0/a?b={n}", "h/11/a?b={n}"),
            ("http://h?{n}", "h/?0", "h/?11"),
        ] {
            let urls = Urls::template(template, 12).unwrap();
            assert_eq!((shown(&urls, 0).as_str(), shown(&urls, 23).as_str()), (first, last));
        }
        for wrong in ["http://h/a", "http://h{n}/a", "http://h:8{n}/a", "{n}", "http://h/ {n}"] {
            assert!(Urls::template(wrong, 12).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_say_where_they_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        std::fs::write(&path, format!("# digests\n\nsha256:{hex}  http://a/1\nsha256:{hex} http://a/2\n")).unwrap();
        let mut listing = Listing::default();
        listing.add("http://a/2", None).unwrap();
        listing.add_digests(&path).unwrap();
        let urls = listing.urls().unwrap();
        assert_eq!(urls.count(), 2);
        assert!((0..2).all(|place| urls.at(place).unwrap().digest.unwrap().hex().to_string() == hex));
        for (text, at) in [("http://a/\nnothing", ":2"), ("\n\nhttp:/a", ":3")] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", Listing::default().add_urls(&path).unwrap_err());
            assert!(error.contains(&format!("{}{at}", path.display())), "{error}");
        }
        std::fs::write(&path, format!("sha256:{hex} http://a/\nsha256:{} http://a/", "0".repeat(64))).unwrap();
        assert!(Listing::default().add_digests(&path).is_err());
    }
}
