//! `seawall check`: a config and its lists, judged before they are put in force.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use block::list::Held;
use block::sources::{self, Compiled, Problem, SourceError};
use block::{Kin, Shelf, Table};
use feeds::Feed;
use net::tls::PairFiles;
use serde_json::{Value, json};
use terms::Clock;

use crate::certificates::{self, Checked};
use crate::config::{self, Meant, Surprise};
use crate::geo::{Database, DatabaseError};

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, Paint, count, printable};
use super::reach::ConfigArg;

/// Check a config and every list it names, and print what is in force
///
/// What is wrong is shown with file, line and column. Surprises come first, then every key with its
/// value, defaults as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall check
  seawall check --schema > seawall.schema.json
  seawall check -c /etc/seawall/seawall.toml && seawall reload")]
pub struct Check {
    #[command(flatten)]
    config: ConfigArg,
    /// Print a JSON schema (draft 2020-12) of the config, for editors, and check nothing
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    format: FormatArg,
}

impl Check {
    pub fn run(self) -> Result<Exit, Failure> {
        if self.schema {
            return print_schema();
        }
        let path = self.config.locate()?;
        let checked = check(&path);
        let mut output = Output::stdout();
        match (&checked, self.format.format) {
            (Ok(good), Format::Text) => print(&mut output, &path, good)?,
            (Err(_), Format::Text) => {}
            (checked, format) => output.json(&told(&path, checked), format)?,
        }
        output.flush()?;
        match checked {
            Ok(_) => Ok(Exit::Done),
            Err(Wrong::Config(errors)) => Err(Failure::config(errors)),
            Err(Wrong::Certificates(errors)) => Err(Failure::config(certificates_unusable(&errors))),
            Err(Wrong::Geo(error)) => Err(Failure::config(error)),
            Err(Wrong::Lists(errors)) => Err(Failure::config(lists_unusable(&errors))),
        }
    }
}

fn print_schema() -> Result<Exit, Failure> {
    let mut output = Output::stdout();
    output.json(&config::schema(), Format::Json)?;
    output.flush()?;
    Ok(Exit::Done)
}

enum Wrong {
    Config(config::Errors),
    Certificates(Vec<net::TlsError>),
    Geo(DatabaseError),
    Lists(Vec<SourceError>),
}

/// A config, and what it names.
struct Good {
    meant: Meant,
    lists: Vec<Compiled>,
    /// Feeds of which nothing can be read here, and what that means.
    unread_feeds: Vec<(String, String)>,
    /// Each with its listener.
    certificates: Vec<(SocketAddr, Checked)>,
    places: Option<Database>,
}

fn check(path: &Path) -> Result<Good, Wrong> {
    let meant = config::load(path).map_err(Wrong::Config)?;
    let certificates = read_certificates(&meant).map_err(Wrong::Certificates)?;
    let places = meant.geo.database.as_deref().map(Database::open).transpose().map_err(Wrong::Geo)?;
    let mut lists = sources::check(&meant.takedown.lists, meant.geo.tells(), |listed| listed.name.is_none())
        .map_err(Wrong::Lists)?;
    let mut unread_feeds = Vec::new();
    for feed in &meant.takedown.feeds {
        match read_feed(&meant, feed) {
            Ok(read) => lists.extend(read),
            Err(why) => unread_feeds.push((feed.name.to_string(), why)),
        }
    }
    Ok(Good { meant, lists, unread_feeds, certificates, places })
}

/// A feed as it was fetched last. Nobody is asked for it here, and what it serves is no fault of the config.
fn read_feed(meant: &Meant, feed: &Feed) -> Result<Vec<Compiled>, String> {
    if !feed.file.exists() {
        return Err("not fetched yet: a start asks for it once, and ends with 78 if it gets nothing".to_owned());
    }
    let read = sources::check(&meant.takedown.lists, meant.geo.tells(), |listed| listed.path == feed.file);
    read.map_err(|errors| {
        let what = errors.first().map(ToString::to_string).unwrap_or_default();
        format!("refused as it is, so its last good version is what a start takes, or there is none: 78 ({what})")
    })
}

fn read_certificates(meant: &Meant) -> Result<Vec<(SocketAddr, Checked)>, Vec<net::TlsError>> {
    let now = Clock::system().wall();
    let edges = meant.edge.listeners.iter().map(|listener| (listener.address, &listener.tls));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (address, tls) in edges.chain([(meant.admin.address, &meant.admin.tls)]) {
        for checked in tls.iter().flat_map(|tls| certificates::check(tls, now)) {
            match checked {
                Ok(checked) => good.push((address, checked)),
                Err(error) => bad.push(error),
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn certificates_unusable(errors: &[net::TlsError]) -> anyhow::Error {
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow!("the certificates can't be used:\n{}", shown.join("\n"))
}

/// Every list that the config names, as it stands on the disk. Feeds are what was fetched of them last, if anything.
pub fn read_lists(meant: &Meant) -> Result<Vec<Compiled>, Vec<SourceError>> {
    sources::check(&meant.takedown.lists, meant.geo.tells(), |listed| listed.name.is_none() || listed.path.exists())
}

/// All that is wrong, each with its source line under it.
pub fn lists_unusable(errors: &[SourceError]) -> anyhow::Error {
    let shown: Vec<String> = errors.iter().map(with_source).collect();
    anyhow!("the block lists can't be used:\n{}", shown.join("\n"))
}

/// Characters of a source line that are shown.
const SHOWN: usize = 160;

fn with_source(error: &SourceError) -> String {
    let Problem::BadLine(bad) = &error.problem else { return error.to_string() };
    let column = usize::try_from(bad.column).unwrap_or(usize::MAX).saturating_sub(1);
    // Of a long line, what stands around the fault.
    let skipped = if bad.source.chars().count() > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
    let single = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let source: String = bad.source.chars().skip(skipped).take(SHOWN).map(single).collect();
    let marker = " ".repeat((column - skipped).min(SHOWN));
    format!("{}\n{:>5} | {source}\n{:>5} | {marker}^", printable(&error.to_string()), bad.line, "")
}

impl Good {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.lists.iter().map(|list| list.table.clone()).collect()
    }

    /// The gravest first.
    fn surprises(&self) -> Vec<Surprise> {
        let odd = self.certificates.iter().filter_map(|(_, one)| {
            let what = format!("{} {}", one.files.cert.display(), one.warning.as_ref()?);
            Some(Surprise { about: "a certificate", what })
        });
        let kin =
            Kin::of_sites(self.meant.sites.iter().map(|site| (&site.hosts[..], site.same_content, &site.spelling)));
        let patterns = block::patterns_at_large(&self.tables(), &kin);
        let patterns = patterns.map(|what| Surprise { about: "same content", what });
        let unread = self.lists.iter().filter(|list| !list.unread.is_empty()).map(|list| {
            let what = format!("{}: not held: {}", list.table.name(), count(list.unread.count(), "item"));
            Surprise { about: "list", what }
        });
        odd.chain(unread).chain(patterns).chain(config::surprises(&self.meant)).collect()
    }
}

fn print(output: &mut Output, path: &Path, good: &Good) -> anyhow::Result<()> {
    let Good { meant, lists, unread_feeds, certificates, places } = good;
    output.raw(config::describe(meant, &good.surprises()).as_bytes())?;
    if !certificates.is_empty() {
        output.line("\ncertificates")?;
        output.pairs(&certificates.iter().map(|(address, one)| certificate_line(*address, one)).collect::<Vec<_>>())?;
    }
    if let Some(places) = places {
        output.line("\ndatabase of places")?;
        let (file, kind) = (places.path().display().to_string(), printable(places.kind()));
        output.pairs(&[(format!("  {file}"), format!("{kind}, built {}", places.built()))])?;
    }
    output.line("\nblock lists")?;
    let rules = |list: &Compiled| (format!("  {}", list.table.name()), count(list.table.len() as u64, "rule"));
    let unread = unread_feeds.iter().map(|(name, why)| (format!("  {name}"), printable(why).into_owned()));
    output.pairs(&lists.iter().map(rules).chain(unread).collect::<Vec<_>>())?;
    for list in lists.iter().filter(|list| !list.unread.is_empty()) {
        print_unread(output, list)?;
    }
    for trouble in page_troubles(&good.tables()).iter() {
        output.line(format!("  {}", printable(trouble)))?;
    }
    let good = output.paint(Paint::Good, "good");
    output.line(format!("\n{}: {good}", printable(&path.to_string_lossy())))
}

/// What of a list no rule holds: each kind, and the first lines of it.
fn print_unread(output: &mut Output, list: &Compiled) -> anyhow::Result<()> {
    output.line(format!("\nnot held of {}", printable(list.table.name())))?;
    for tally in list.unread.tallies() {
        let held = if tally.held == Held::InPart { " (held in part)" } else { "" };
        output.line(format!("  {}: {}{held}", tally.kind.as_str(), tally.count))?;
        for sample in &tally.first {
            output.line(format!("{:>8} | {}", sample.line, printable(&sample.text)))?;
        }
    }
    Ok(())
}

/// What is wrong with pages that rules name: such a rule blocks all the same.
fn page_troubles(tables: &[Arc<Table>]) -> Arc<Vec<String>> {
    // Of lists alone: those of live edits are looked for by the edge.
    let shelf = Shelf::new(PathBuf::new());
    shelf.look(tables, Clock::system().wall());
    shelf.troubles()
}

fn certificate_line(address: SocketAddr, one: &Checked) -> (String, String) {
    let names = one.certificate.names().join(", ");
    let until = one.certificate.not_after();
    let line = format!("{} until {until}: {names}", one.files.cert.display());
    (format!("  {address}"), printable(&line).into_owned())
}

fn told(path: &Path, checked: &Result<Good, Wrong>) -> Value {
    let errors = match checked {
        Ok(good) => return told_good(path, good),
        Err(Wrong::Config(config::Errors::Faults { path, faults, .. })) => faults
            .iter()
            .map(|fault| {
                let (what, help) = (&fault.wrong.what, &fault.wrong.help);
                json!({"file": path, "line": fault.line, "column": fault.column, "what": what, "help": help})
            })
            .collect(),
        Err(Wrong::Config(errors)) => vec![json!({"what": errors.to_string()})],
        Err(Wrong::Certificates(errors)) => errors.iter().map(|error| json!({"what": error.to_string()})).collect(),
        Err(Wrong::Geo(error)) => vec![json!({"what": error.to_string()})],
        Err(Wrong::Lists(errors)) => errors.iter().map(fault_in_list).collect::<Vec<Value>>(),
    };
    json!({"good": false, "config": path, "errors": errors})
}

fn told_good(path: &Path, good: &Good) -> Value {
    let certificates = good.certificates.iter().map(|(address, one)| {
        let (names, until) = (one.certificate.names(), one.certificate.not_after());
        let PairFiles { cert, key } = &one.files;
        json!({"listener": address, "cert": cert, "key": key, "names": names, "expires": until, "warning": one.warning})
    });
    let certificates: Vec<Value> = certificates.collect();
    let places = good
        .places
        .as_ref()
        .map(|places| json!({"file": places.path(), "type": places.kind(), "built": places.built()}));
    let list = |list: &Compiled| json!({"file": list.table.name(), "rules": list.table.len(), "unread": *list.unread});
    let lists: Vec<Value> = good.lists.iter().map(list).collect();
    let unread_feeds = good.unread_feeds.iter().map(|(name, why)| json!({"file": name, "what": why}));
    let unread_feeds: Vec<Value> = unread_feeds.collect();
    json!({
        "good": true,
        "config": path,
        "surprises": good.surprises(),
        "in_force": config::in_force(&good.meant),
        "certificates": certificates,
        "places": places,
        "lists": lists,
        "unread_feeds": unread_feeds,
        "pages": *page_troubles(&good.tables()),
    })
}

fn fault_in_list(error: &SourceError) -> Value {
    match &error.problem {
        Problem::BadLine(bad) => {
            json!({"file": error.file, "line": bad.line, "column": bad.column, "what": bad.what})
        }
        _ => json!({"file": error.file, "what": error.to_string()}),
    }
}
