//! A line of the log: the exact bytes that stand for an answer or an event, without the LF.
//!
//! The bytes are what is hashed, so there is no canonical encoding to agree on; the order of the
//! fields is kept all the same, because people read them. Absent facts are left out, but for `url`,
//! which is `null` where it can't be named.

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::io::Write as _;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};
use siphasher::sip::SipHasher24;
use terms::{Digest, Record, Ruling, Timestamp, Url};

use crate::settings::{ClientForm, QueryForm, Settings};
use crate::text::{self, Stamp};

/// Something that happened beside the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Such as `block-added`.
    pub kind: &'static str,
    /// Stands under `data`; left out when empty.
    pub data: Map<String, Value>,
}

impl Event {
    pub fn new(kind: &'static str) -> Event {
        Event { kind, data: Map::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Event {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

/// What the last line of a sealed segment says of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub lines: u64,
    /// `seq` of the first and the last line before the seal.
    pub first: u64,
    pub last: u64,
    /// H₀ of the segment.
    pub prev: Digest,
    /// Hₙ before the seal.
    pub hash: Digest,
}

/// How URLs and clients are told.
#[derive(Clone, Debug)]
pub struct Forms {
    pub(crate) client: ClientForm,
    pub(crate) url_query: QueryForm,
    pub(crate) key: [u8; 16],
}

impl Forms {
    pub fn of(settings: &Settings) -> Forms {
        Forms { client: settings.client, url_query: settings.url_query, key: settings.key }
    }

    /// The same, but for how clients are told.
    pub fn with_client(&self, client: ClientForm) -> Forms {
        Forms { client, ..self.clone() }
    }

    /// The canonical URL with its query in the form that is set.
    pub fn url<'a>(&self, url: &'a Url) -> Cow<'a, str> {
        let whole = url.canonical();
        if self.url_query == QueryForm::Full {
            return Cow::Borrowed(whole);
        }
        self.without_query(whole)
    }

    /// A rule that decided on a URL, of whose query it tells as much as is told of that. A pattern is the list's alone.
    pub fn rule<'a>(&self, rule: &'a str) -> Cow<'a, str> {
        match self.url_query {
            QueryForm::Full => Cow::Borrowed(rule),
            _ if rule.starts_with('~') => Cow::Borrowed(rule),
            _ => self.without_query(rule),
        }
    }

    fn without_query<'a>(&self, whole: &'a str) -> Cow<'a, str> {
        match whole.split_once('?') {
            None => Cow::Borrowed(whole),
            Some((base, _)) if self.url_query == QueryForm::None => Cow::Borrowed(base),
            Some((base, query)) => Cow::Owned(format!("{base}?k:{:016x}", self.keyed(b'q', query.as_bytes()))),
        }
    }

    /// Whether queries are told as they are, so that no two URLs look the same.
    pub fn shows_queries(&self) -> bool {
        self.url_query == QueryForm::Full
    }

    /// A client's address in the form that is set, in characters that need no escapes; nothing where none is
    /// told.
    pub fn client(&self, out: &mut Vec<u8>, address: IpAddr) {
        let address = address.to_canonical();
        // Writing to a Vec does not fail.
        let _ = match (self.client, address) {
            (ClientForm::None, _) => Ok(()),
            (ClientForm::Full, _) => write!(out, "{address}"),
            (ClientForm::Truncated, IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                for octet in [a, b, c] {
                    text::number(out, octet.into());
                    out.push(b'.');
                }
                out.write_all(b"0/24")
            }
            (ClientForm::Truncated, IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                write!(out, "{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            (ClientForm::Keyed, IpAddr::V4(address)) => write!(out, "k:{:016x}", self.keyed(b'4', &address.octets())),
            (ClientForm::Keyed, IpAddr::V6(address)) => write!(out, "k:{:016x}", self.keyed(b'6', &address.octets())),
        };
    }

    /// `what` keeps hashes of different things apart.
    fn keyed(&self, what: u8, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(what);
        hasher.write(bytes);
        hasher.finish()
    }
}

/// Writes the lines of one run.
#[derive(Debug)]
pub struct Encoder {
    /// `"node":"…","run":N,"seq":`
    origin: Vec<u8>,
    forms: Forms,
    began: Stamp,
    time: Stamp,
}

impl Encoder {
    pub fn new(node: &str, run: u64, forms: Forms) -> Encoder {
        let mut origin = b"\"node\":".to_vec();
        text::string(&mut origin, node);
        field(&mut origin, "run", |out| text::number(out, run));
        field(&mut origin, "seq", |_| ());
        Encoder { origin, forms, began: Stamp::new(), time: Stamp::new() }
    }

    /// The line of an answer. `time` is when it ended, or when the line before ended if that is later.
    pub fn record(&mut self, out: &mut Vec<u8>, seq: u64, time: Timestamp, record: &Record) {
        out.push(b'{');
        out.extend_from_slice(&self.origin);
        text::number(out, seq);
        field(out, "began", |out| self.began.write(out, record.began));
        field(out, "time", |out| self.time.write(out, time));
        if let Some(site) = &record.site {
            field(out, "site", |out| text::string(out, site));
        }
        field(out, "id", |out| text::plain(out, &record.id));
        field(out, "method", |out| text::string(out, record.method.as_str()));
        field(out, "url", |out| match &record.url {
            Some(url) => text::string(out, &self.forms.url(url)),
            None => out.extend_from_slice(b"null"),
        });
        field(out, "status", |out| text::number(out, record.status.as_u16().into()));
        field(out, "verdict", |out| text::string(out, record.verdict.as_str()));
        if let Some(ruling) = &record.ruling {
            self.rule(out, ruling);
        }
        field(out, "list", |out| text::number(out, record.list));
        field(out, "cache", |out| text::string(out, record.cache.as_str()));
        if let Some(fill) = record.fill {
            field(out, "fill", |out| text::number(out, fill));
        }
        for (name, digest) in [("origin_digest", record.origin_digest), ("digest", record.digest)] {
            if let Some(digest) = digest {
                field(out, name, |out| text::digest(out, digest));
            }
        }
        if !record.departures.is_empty() {
            field(out, "departures", |out| array(out, record.departures.names()));
        }
        if !record.range.is_empty() {
            field(out, "range", |out| text::plain(out, &record.range));
        }
        field(out, "bytes", |out| text::number(out, record.bytes));
        field(out, "complete", |out| out.extend_from_slice(if record.complete { b"true" } else { b"false" }));
        self.client(out, record.client);
        out.push(b'}');
    }

    /// The rule, its first notice, and all of them where there are several; where the client is, if that decided.
    fn rule(&self, out: &mut Vec<u8>, ruling: &Ruling) {
        field(out, "rule", |out| text::string(out, &self.forms.rule(&ruling.rule)));
        if let Some(first) = ruling.notices.first() {
            field(out, "notice", |out| text::string(out, first));
        }
        if ruling.notices.len() > 1 {
            field(out, "notices", |out| array(out, ruling.notices.iter().map(AsRef::as_ref)));
        }
        if let Some(residence) = &ruling.residence {
            field(out, "country", |out| text::string(out, residence.as_str()));
        }
    }

    fn client(&self, out: &mut Vec<u8>, address: IpAddr) {
        if self.forms.client != ClientForm::None {
            field(out, "client", |out| {
                out.push(b'"');
                self.forms.client(out, address);
                out.push(b'"');
            });
        }
    }

    pub fn event(&mut self, out: &mut Vec<u8>, seq: u64, time: Timestamp, event: &Event) {
        self.head(out, seq, time, event.kind);
        if !event.data.is_empty()
            && let Ok(data) = serde_json::to_vec(&event.data)
        {
            field(out, "data", |out| out.extend_from_slice(&data));
        }
        out.push(b'}');
    }

    pub fn seal(&mut self, out: &mut Vec<u8>, seq: u64, time: Timestamp, seal: &Seal) {
        self.head(out, seq, time, SEALED);
        for (name, value) in [("lines", seal.lines), ("first", seal.first), ("last", seal.last)] {
            field(out, name, |out| text::number(out, value));
        }
        for (name, hash) in [("prev", seal.prev), ("hash", seal.hash)] {
            field(out, name, |out| text::plain(out, hash.hex()));
        }
        out.push(b'}');
    }

    fn head(&mut self, out: &mut Vec<u8>, seq: u64, time: Timestamp, kind: &str) {
        out.extend_from_slice(b"{\"event\":");
        text::string(out, kind);
        out.push(b',');
        out.extend_from_slice(&self.origin);
        text::number(out, seq);
        field(out, "time", |out| self.time.write(out, time));
    }
}

/// The kind of the event that ends a segment.
pub const SEALED: &str = "sealed";

fn field(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    value(out);
}

fn array<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text::string(out, item);
    }
    out.push(b']');
}

/// What every line has: where it stands, and when.
#[derive(Clone, Debug, Deserialize)]
pub struct Head {
    pub event: Option<String>,
    pub run: u64,
    pub seq: u64,
    pub time: Timestamp,
}

impl Head {
    pub fn read(line: &[u8]) -> Option<Head> {
        // What serde skips it does not check for UTF-8.
        serde_json::from_str(std::str::from_utf8(line).ok()?).ok()
    }

    pub fn is_seal(&self) -> bool {
        self.event.as_deref() == Some(SEALED)
    }
}

impl Seal {
    /// Reads the line that ends a sealed segment; `None` for any other.
    pub fn read(line: &[u8]) -> Option<Seal> {
        #[derive(Deserialize)]
        struct Written {
            event: String,
            lines: u64,
            first: u64,
            last: u64,
            prev: String,
            hash: String,
        }
        let written: Written = serde_json::from_slice(line).ok()?;
        if written.event != SEALED {
            return None;
        }
        let Written { lines, first, last, .. } = written;
        Some(Seal {
            lines,
            first,
            last,
            prev: Digest::from_hex(&written.prev)?,
            hash: Digest::from_hex(&written.hash)?,
        })
    }
}
