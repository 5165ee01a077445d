//! `seawall why`: which rule decides on a URL, asked of the running edge or found out on the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use block::{Case, Edits, Index, Kin};
use terms::url::Scheme;
use terms::{Clock, Url};

use crate::sites::ByHost;
use crate::why::{Bytes, Content, Named, Object, Probe, Whom, Why as Found};

use super::check::{lists_unusable, read_lists};
use super::client::encoded;
use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, Paint, bytes, count};
use super::reach::Reach;

/// Say whether a URL is blocked, by which rule, and where that rule stands
///
/// With -c from the lists and the live blocks on the disk, whether or not a Seawall runs; with --admin, or where the
/// config can't be used, from the running one. Exit code 0: allowed, 10: blocked, 1: it can't be named, or has no site.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall why https://photos.example/a/%73tolen.jpg
  seawall why --admin 127.0.0.1:9090 --token-file state/admin.token https://photos.example/a/stolen.jpg")]
pub struct Why {
    url: String,
    /// For a client in this country, or `unknown`; elsewhere than in those that rules name unless it is set
    #[arg(long, value_name = "CODE", value_parser = country)]
    country: Option<Whom>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

impl Why {
    pub fn run(self) -> Result<Exit, Failure> {
        let url = Arc::new(Url::parse(&self.url).with_context(|| format!("{:?} can't be named", self.url))?);
        let found = if self.is_live() { self.ask()? } else { self.look(&url)? };
        let mut output = Output::stdout();
        match self.format.format {
            Format::Text => print(&mut output, &found)?,
            format => output.json(&found, format)?,
        }
        output.flush()?;
        match (&found.site, found.blocked) {
            (None, _) => Err(anyhow!("no site answers for {}: it would be refused with 421", url.host()).into()),
            (Some(_), true) => Ok(Exit::Blocked),
            (Some(_), false) => Ok(Exit::Done),
        }
    }

    /// A flag decides before the environment does; `-c` beside `--admin` is where the token is found.
    fn is_live(&self) -> bool {
        self.reach.admin.is_some() || (self.reach.config.config.is_none() && self.reach.named_admin().is_some())
    }

    fn ask(&self) -> Result<Found, Failure> {
        let country = match self.country.unwrap_or_default() {
            Whom::Elsewhere => String::new(),
            Whom::Unknown => "&country=unknown".to_owned(),
            Whom::In(country) => format!("&country={country}"),
        };
        let path = format!("/api/v1/why?url={}{country}", encoded(&self.url));
        let reply = self.reach.admin()?.look(&path)?;
        let found = serde_json::from_value(reply.json)
            .context("the running one explains in a way that this one doesn't know")?;
        Ok(found)
    }

    fn look(&self, url: &Arc<Url>) -> Result<Found, Failure> {
        let (_, meant) = match self.reach.config.load() {
            Ok(loaded) => loaded,
            // What the lists are can't be told, but one that runs may know.
            Err(broken) => return self.ask().map_err(|failure| failure.or_of_config(broken)),
        };
        let lists = read_lists(&meant).map_err(|errors| Failure::config(lists_unusable(&errors)))?;
        let tables = lists.into_iter().map(|list| list.table).collect();
        let edits = Edits::read(&meant.state.join("blocks")).map_err(Failure::config)?;
        let kin = Kin::of_sites(meant.sites.iter().map(|site| (&site.hosts[..], site.same_content, &site.spelling)));
        let index = Index::with_kin(0, edits, tables, Arc::new(kin), None);
        let residence = self.country.unwrap_or_default().residence(&meant.geo);
        let now = Clock::system().wall();
        let explain = |url: &Url| index.explain(url, Case { now, whom: &|| residence });
        let sites = ByHost::new(meant.sites.iter().map(|site| (&site.hosts[..], site)));
        let site = sites.find(url.host()).copied();
        let name = site.map_or_else(|| url.clone(), |site| site.caching.rules.key.named(Scheme::Https, url));
        let site = site.map(|site| &*site.name);
        Ok(Found { list: None, ..Found::of((&self.url, url), &name, residence, site, explain) })
    }
}

/// In the place of a version, which only the running edge knows.
const OFFLINE: &str = "not known here: these are the lists and live blocks on the disk, as they are now; --admin ADDR asks \
                       the running edge";

fn country(text: &str) -> Result<Whom, String> {
    Whom::read(text).ok_or_else(|| "write the two letters of ISO 3166-1, such as DE, or unknown".to_owned())
}

fn print(output: &mut Output, found: &Found) -> anyhow::Result<()> {
    let verdict = match (&found.site, &found.refusal) {
        (None, _) => output.paint(Paint::Bad, "no site, answered with 421"),
        (Some(_), Some(told)) => output.paint(Paint::Bad, &format!("blocked, answered with {}", told.status)),
        (Some(_), None) => output.paint(Paint::Good, "allowed"),
    };
    output.line(verdict)?;
    output.pairs(&pairs(found))?;
    if !found.without.is_empty() {
        output.line("\nwhat would hold with rules gone")?;
        output.pairs(&without(found))?;
    }
    found.content.as_ref().map_or(Ok(()), |content| print_content(output, content))?;
    print_steps(output, found)?;
    if !found.others.is_empty() {
        output.line("\nother rules that cover it, in the order in which they would decide")?;
        let rows: Vec<Vec<String>> = found.others.iter().map(row).collect();
        output.table(&["rule", "from", "notice", "now", "only in", "does not decide, for"], &rows)?;
    }
    match found.left_out {
        0 => Ok(()),
        more => output.line(format!("and {more} more")),
    }
}

/// What is asked, and what decides.
fn pairs(found: &Found) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("url", found.url.clone()), ("site", found.site.clone().unwrap_or_else(|| "none".to_owned()))];
    if let Some(place) = asked_place(found) {
        pairs.push(("for", place));
    }
    pairs.extend(found.judged_as.clone().map(|name| ("stored as", format!("{name}, which rules judge, too"))));
    pairs.extend(found.reading.clone().map(|reading| ("read as", reading)));
    match &found.rule {
        None => pairs.push(("rule", "no rule in force covers it".to_owned())),
        Some(rule) => {
            let kind = if rule.exception { " (an exception: it beats every block)" } else { "" };
            pairs.push(("rule", format!("{}{kind}", rule.rule)));
            if rule.same_content {
                pairs.push(("holds here", "by same_content: it names another host of the site".to_owned()));
            }
            pairs.push(("from", place(rule)));
            pairs.extend(rule.geo.clone().map(|countries| ("only in", countries)));
        }
    }
    if let Some(told) = &found.refusal {
        pairs.extend((!told.notices.is_empty()).then(|| ("notice", told.notices.join(", "))));
        pairs.extend(told.reason.clone().map(|reason| ("reason", reason)));
    }
    let version = found.list.map_or_else(|| OFFLINE.to_owned(), |list| list.to_string());
    pairs.push(("list version", version));
    pairs
}

/// Each rule that decides taken away after the one before.
fn without(found: &Found) -> Vec<(String, String)> {
    let rows = found.without.iter().enumerate();
    rows.map(|(at, without)| {
        let gone = &without.removed;
        let gone = format!("{} {} ({})", if at == 0 { "without" } else { "and" }, gone.rule, place(gone));
        let then = match (&without.rule, without.blocked) {
            (Some(rule), true) => format!("blocked by {} ({})", rule.rule, place(rule)),
            (Some(rule), false) => format!("allowed, by {} ({})", rule.rule, place(rule)),
            (None, _) if found.digest_rules => "allowed by its name".to_owned(),
            (None, _) => "allowed".to_owned(),
        };
        (gone, then)
    })
    .collect()
}

fn print_content(output: &mut Output, content: &Content) -> anyhow::Result<()> {
    output.line("\nwhat is stored, and was served of late")?;
    let since = content.recent_since.map_or_else(String::new, |since| format!(", since {since}"));
    let last = content.last_served.map_or_else(String::new, |last| format!(", the last at {last}"));
    let mut pairs = vec![("served", format!("{}{last}{since}", count(content.answers as u64, "answer")))];
    let stored = content.objects.len() + content.left_out;
    pairs.push(("stored", count(stored as u64, "object")));
    pairs.extend(content.known.as_ref().map(|known| ("known bytes", said_of(known))));
    output.pairs(&pairs)?;
    if content.objects.is_empty() {
        return Ok(());
    }
    let row = |object: &Object| {
        let fresh = match object.fresh_seconds {
            _ if object.to_be_validated => "to be validated".to_owned(),
            left @ 0.. => format!("fresh for {left} s"),
            _ => "stale".to_owned(),
        };
        let length = object.length.map_or_else(|| "-".to_owned(), bytes);
        let digests: Vec<String> = object.bytes.iter().map(said_of).collect();
        let digests = if digests.is_empty() { "-".to_owned() } else { digests.join("; made of ") };
        let (form, status, age) = (object.form.clone(), object.status.to_string(), format!("{} s", object.age_seconds));
        vec![object.url.clone(), form, status, length, age, fresh, digests]
    };
    let rows: Vec<Vec<String>> = content.objects.iter().map(row).collect();
    output.table(&["stored as", "form", "status", "length", "age", "", "digest"], &rows)?;
    match content.left_out {
        0 => Ok(()),
        more => output.line(format!("and {more} more")),
    }
}

/// A digest, and what rules say of it.
fn said_of(bytes: &Bytes) -> String {
    let rules: Vec<String> = bytes.rules.iter().map(|rule| format!("{} ({})", rule.rule, place(rule))).collect();
    match (bytes.blocked, rules.is_empty()) {
        (_, true) => format!("{}, no digest rule", bytes.digest),
        (true, _) => format!("{}, blocked by {}", bytes.digest, rules.join(", ")),
        (false, _) => format!("{}, not blocked though there is {}", bytes.digest, rules.join(", ")),
    }
}

/// What was made of the URL, as far as it changed, and what was looked up for it.
fn print_steps(output: &mut Output, found: &Found) -> anyhow::Result<()> {
    output.line("\nhow it is read")?;
    let mut before = None;
    let mut steps: Vec<(&str, String)> = Vec::new();
    for step in &found.steps {
        let text = if before == Some(&step.url) { "unchanged".to_owned() } else { step.url.clone() };
        steps.push((&step.step, text));
        before = Some(&step.url);
    }
    output.pairs(&steps)?;
    output.line("\nwhat is looked up")?;
    let row = |probe: &Probe| {
        let found = if probe.hit { probe.rules.join(", ") } else { "nothing".to_owned() };
        vec![probe.class.clone(), probe.text.clone(), found]
    };
    let rows: Vec<Vec<String>> = found.probes.iter().map(row).collect();
    output.table(&["class", "text", "found"], &rows)
}

/// For whom this was found out, where that matters.
fn asked_place(found: &Found) -> Option<String> {
    let named = || found.rule.iter().chain(&found.others).filter_map(|rule| rule.geo.as_deref());
    match found.country.as_deref() {
        Some("unknown") => named().next().map(|_| "clients whose country is unknown".to_owned()),
        Some(country) => Some(format!("clients in {country}")),
        None if named().next().is_none() => None,
        None => {
            let countries: BTreeSet<&str> = named().flat_map(|countries| countries.split(',')).collect();
            let countries: Vec<&str> = countries.into_iter().collect();
            Some(format!("clients elsewhere than in {}; see --country", countries.join(", ")))
        }
    }
}

fn place(rule: &Named) -> String {
    match (&rule.file, rule.line, &rule.id) {
        (Some(file), Some(line), _) => format!("{file}:{line}"),
        (_, _, Some(id)) => format!("live block {id}"),
        _ => "unknown".to_owned(),
    }
}

fn row(rule: &Named) -> Vec<String> {
    vec![
        rule.rule.clone(),
        place(rule),
        rule.notice.clone().unwrap_or_else(|| "-".to_owned()),
        rule.standing.replace('-', " "),
        rule.geo.clone().unwrap_or_else(|| "-".to_owned()),
        rule.because.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
