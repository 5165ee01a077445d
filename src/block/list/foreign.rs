//! Lists in formats of others, told in the words of ours.
//!
//! What a line means that no rule can say is counted, never guessed; a list of which nothing can be read is
//! an error, since it is of another format than its config says.

use std::sync::Arc;

use memchr::memchr;
use terms::{BlockStatus, Digest};

use super::bad_line::{BadLine, Fault};
use super::text::{BYTE_ORDER_MARK, MAX_LINE};
use super::unread::{Kind, Unread};
use super::{aclj, adblock, deny, hosts, plain, rpz, sha256, subject, urlhaus};
use crate::rule::{Attributes, Rule, Subject};

/// A format of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `/etc/hosts`, as lists of hosts that are sent nowhere use it.
    Hosts,
    /// A host, a URL or a digest a line.
    Plain,
    /// As `sha256sum` writes it.
    Sha256,
    /// URLhaus's CSV.
    UrlHaus,
    Adblock,
    /// A response policy zone.
    Rpz,
    /// IPFS's compact denylist.
    IpfsDeny,
    /// pywb's access lists.
    Aclj,
}

impl Format {
    /// All of them, by the names that configs know.
    pub const ALL: &[(&str, Format)] = &[
        ("hosts", Format::Hosts),
        ("plain", Format::Plain),
        ("sha256", Format::Sha256),
        ("urlhaus", Format::UrlHaus),
        ("adblock", Format::Adblock),
        ("rpz", Format::Rpz),
        ("ipfs-deny", Format::IpfsDeny),
        ("aclj", Format::Aclj),
    ];

    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    fn reader(self, foreign: &Foreign, text: &str) -> Box<dyn Reader> {
        match self {
            Format::UrlHaus => Box::new(urlhaus::UrlHaus::default()),
            Format::Adblock => Box::new(adblock::Adblock),
            Format::Rpz => Box::new(rpz::Rpz::default()),
            Format::IpfsDeny => Box::new(deny::Deny::new(&foreign.gateways, text)),
            Format::Aclj => Box::new(aclj::Aclj),
            Format::Hosts => Box::new(hosts::Hosts),
            Format::Plain => Box::new(plain::Plain),
            Format::Sha256 => Box::new(sha256::Sha256),
        }
    }
}

/// How a list of others is read, and what is said of each of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Foreign {
    pub format: Format,
    pub notice: Option<Arc<str>>,
    pub reason: Option<Arc<str>>,
    /// As the list says, or 451, where it is `None`.
    pub status: Option<BlockStatus>,
    /// Hosts that serve IPFS, for a list of its paths.
    pub gateways: Vec<Arc<str>>,
}

impl Foreign {
    pub fn new(format: Format) -> Foreign {
        Foreign { format, notice: None, reason: None, status: None, gateways: Vec::new() }
    }

    /// Tells one way to read a list from another.
    pub(crate) fn mark(&self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }
}

/// What makes rules of the lines of one format.
pub(super) trait Reader {
    /// Lines come in their order, without their ends, and none that is longer than a line may be.
    fn line(&mut self, line: &str, taking: &mut Taking<'_>);
}

/// Reads a list of others, and gives `take` each rule as soon as it is read. An error is about the whole: it is no
/// text, or nothing in it is of this format; what was taken is no list then.
pub fn read_foreign(bytes: &[u8], foreign: &Foreign, mut take: impl FnMut(Rule)) -> Result<Unread, BadLine> {
    let text = text_of(bytes)?;
    let mut reader = foreign.format.reader(foreign, text);
    let mut taking = Taking {
        foreign,
        bearings: Vec::new(),
        take: &mut take,
        number: 0,
        line: "",
        rules: 0,
        unread: Unread::default(),
    };
    for (number, line) in (1..=u32::MAX).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        (taking.number, taking.line) = (number, line);
        match line.len() > MAX_LINE {
            true => taking.leave(Kind::TooLong),
            false => reader.line(line, &mut taking),
        }
    }
    let Taking { rules, unread, .. } = taking;
    if rules == 0 && unread.is_of_another_format() {
        return Err(of_another_format(foreign.format, &unread));
    }
    Ok(unread)
}

fn text_of(bytes: &[u8]) -> Result<&str, BadLine> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let bad = |at: usize, what: &str| {
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end).min(start + MAX_LINE).max(at);
        let number = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Fault::new(at - start, what).in_line(number, &String::from_utf8_lossy(&bytes[start..end]))
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        bad(error.valid_up_to(), "this byte is not UTF-8, so the file is no list or must be converted")
    })?;
    match memchr(0, bytes) {
        Some(at) => Err(bad(at, "a NUL stands here: this is no text")),
        None => Ok(text),
    }
}

fn of_another_format(format: Format, unread: &Unread) -> BadLine {
    let first = unread.tallies().iter().filter_map(|tally| Some((tally.first.first()?, tally.kind)));
    let (sample, kind) = first.min_by_key(|(sample, _)| sample.line).unzip();
    let what = format!(
        "no line can be read as format = \"{}\" (this one: {}); name the format that the file is in",
        format.name(),
        kind.map_or("", Kind::as_str),
    );
    let (line, source) = sample.map_or((1, String::new()), |sample| (sample.line, sample.text.clone()));
    BadLine { line, column: 1, what, source }
}

/// Takes what the reader of a format makes of a line.
pub(super) struct Taking<'a> {
    foreign: &'a Foreign,
    /// The attributes that were given so far.
    bearings: Vec<(BlockStatus, Queries, Arc<Attributes>)>,
    take: &'a mut dyn FnMut(Rule),
    number: u32,
    line: &'a str,
    rules: u64,
    unread: Unread,
}

/// Which queries a rule for a URL covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queries {
    /// As ours: those with at least the named pairs.
    Any,
    /// The named pairs and no others.
    Exact,
}

impl Taking<'_> {
    /// Takes a rule in the words of ours; what is none counts as `otherwise`.
    pub(super) fn block(&mut self, word: &str, otherwise: Kind) {
        self.block_with(word, BlockStatus::default(), Queries::Any, otherwise);
    }

    /// The same of a rule that the list gives a status, or makes exact.
    pub(super) fn block_with(&mut self, word: &str, status: BlockStatus, queries: Queries, otherwise: Kind) {
        match subject::read(word, 0) {
            Ok((subject, false)) if !matches!(subject, Subject::Pattern(_)) => {
                let attributes = self.attributes(self.foreign.status.unwrap_or(status), queries);
                self.rules += 1;
                let line = self.number;
                (self.take)(Rule { text: Arc::from(word), subject, exception: false, attributes, line });
            }
            _ => self.leave(otherwise),
        }
    }

    /// Counts what can't be held of the line that is being read.
    pub(super) fn leave(&mut self, kind: Kind) {
        self.unread.add(kind, self.number, self.line);
    }

    fn attributes(&mut self, status: BlockStatus, queries: Queries) -> Arc<Attributes> {
        if let Some((.., attributes)) = self.bearings.iter().find(|(of, under, _)| (*of, *under) == (status, queries)) {
            return attributes.clone();
        }
        let attributes = Arc::new(Attributes {
            notice: self.foreign.notice.clone(),
            reason: self.foreign.reason.clone(),
            status,
            exact_query: queries == Queries::Exact,
            ..Attributes::default()
        });
        self.bearings.push((status, queries, attributes.clone()));
        attributes
    }
}

/// A line without the comment that `#` begins at its start or behind a blank, and without blanks around.
pub(super) fn without_comment(line: &str) -> &str {
    let mut before = b' ';
    for (at, byte) in line.bytes().enumerate() {
        if byte == b'#' && (before == b' ' || before == b'\t') {
            return line[..at].trim();
        }
        before = byte;
    }
    line.trim()
}
