//! A line: one answer, in either format. What a stranger wrote is bounded, and can't end a field or a line.

use std::io::Write as _;

use audit::Forms;
use http::{HeaderMap, HeaderName, Version, header};
use terms::{Ask, Record};

use super::Format;

/// Bytes of a referer or a user agent that are kept; browsers send a third of it.
const MAX_FIELD: usize = 1024;
/// Bytes of a URL that are shown.
const MAX_URL: usize = 8 * 1024;
/// Bytes of a method that are shown; registered ones have up to 17.
const MAX_METHOD: usize = 32;

/// What the access log tells of a request beside its record. A copy, so that a line that waits keeps no
/// buffer of a connection.
#[derive(Debug)]
pub struct Noted {
    version: Version,
    referer: Option<Box<[u8]>>,
    user_agent: Option<Box<[u8]>>,
}

impl Noted {
    pub fn of(ask: &Ask) -> Noted {
        Noted {
            version: ask.version,
            referer: field(&ask.fields, &header::REFERER),
            user_agent: field(&ask.fields, &header::USER_AGENT),
        }
    }

    fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }
}

fn field(fields: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    fields.get(name).map(|value| bounded(value.as_bytes(), MAX_FIELD).into())
}

fn bounded(text: &[u8], most: usize) -> &[u8] {
    &text[..text.len().min(most)]
}

/// Writes lines.
pub(super) struct Encoder {
    format: Format,
    forms: Forms,
    clock: CommonTime,
}

impl Encoder {
    pub(super) fn new(format: Format, forms: Forms) -> Encoder {
        Encoder { format, forms, clock: CommonTime::default() }
    }

    pub(super) fn line(&mut self, out: &mut Vec<u8>, record: &Record, noted: &Noted) {
        match self.format {
            Format::Json => self.json(out, record, noted),
            Format::Combined => self.combined(out, record, noted),
        }
        out.push(b'\n');
    }

    /// Absent facts are left out, but for `url`, which is `null` where it can't be named.
    fn json(&self, out: &mut Vec<u8>, record: &Record, noted: &Noted) {
        // Writing to a Vec does not fail, here and below.
        let _ = write!(out, "{{\"time\":\"{}\"", record.ended);
        if let Some(site) = &record.site {
            json_field(out, "site", site.as_bytes());
        }
        let _ = write!(out, ",\"id\":\"{}\"", record.id);
        let mut client = Vec::new();
        self.forms.client(&mut client, record.client);
        if !client.is_empty() {
            json_field(out, "client", &client);
        }
        json_field(out, "method", bounded(record.method.as_str().as_bytes(), MAX_METHOD));
        match &record.url {
            Some(url) => json_field(out, "url", bounded(self.forms.url(url).as_bytes(), MAX_URL)),
            None => out.extend_from_slice(b",\"url\":null"),
        }
        json_field(out, "protocol", noted.protocol().as_bytes());
        let duration = record.ended.since(record.began).as_secs_f64();
        let (status, bytes) = (record.status.as_u16(), record.bytes);
        let _ = write!(out, ",\"status\":{status},\"bytes\":{bytes},\"duration\":{duration:.6}");
        json_field(out, "cache", record.cache.as_str().as_bytes());
        json_field(out, "verdict", record.verdict.as_str().as_bytes());
        for (name, value) in [("referer", &noted.referer), ("user_agent", &noted.user_agent)] {
            if let Some(value) = value {
                json_field(out, name, value);
            }
        }
        out.push(b'}');
    }

    /// The request line has the canonical target: what the client wrote, but in one spelling.
    fn combined(&mut self, out: &mut Vec<u8>, record: &Record, noted: &Noted) {
        let start = out.len();
        self.forms.client(out, record.client);
        if out.len() == start {
            out.push(b'-');
        }
        let _ = write!(out, " - - [{}] \"", self.clock.text(record.ended));
        combined_text(out, bounded(record.method.as_str().as_bytes(), MAX_METHOD));
        out.push(b' ');
        match &record.url {
            Some(url) => combined_text(out, bounded(target(&self.forms.url(url)).as_bytes(), MAX_URL)),
            None => out.push(b'-'),
        }
        let _ = write!(out, " {}\" {} {} ", noted.protocol(), record.status.as_u16(), record.bytes);
        for (at, value) in [&noted.referer, &noted.user_agent].into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"\"" } else { b" \"" });
            match value {
                Some(value) => combined_text(out, value),
                None => out.push(b'-'),
            }
            out.push(b'"');
        }
    }
}

/// Path and query of a canonical URL.
fn target(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    url[after_scheme..].find('/').map_or("/", |at| &url[after_scheme + at..])
}

fn json_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let _ = write!(out, ",\"{name}\":\"");
    // What is no UTF-8 can't stand in JSON (RFC 8259 section 8.1).
    for character in String::from_utf8_lossy(value).chars() {
        let _ = match character {
            '"' | '\\' => write!(out, "\\{character}"),
            // More than JSON asks for: a terminal obeys DEL and what lies behind it, too.
            character if character.is_control() => write!(out, "\\u{:04x}", u32::from(character)),
            character => write!(out, "{character}"),
        };
    }
    out.push(b'"');
}

/// As nginx escapes: `\xHH` for what could end a field or a line, and for all that is not ASCII.
fn combined_text(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => drop(write!(out, "\\x{byte:02X}")),
            _ => out.push(byte),
        }
    }
}

/// The time as the Common Log Format has it; lines of one second share its text.
#[derive(Default)]
struct CommonTime {
    second: Option<i64>,
    text: String,
}

impl CommonTime {
    fn text(&mut self, time: terms::Timestamp) -> &str {
        if self.second != Some(time.secs()) {
            self.second = Some(time.secs());
            self.text = jiff::Timestamp::from_second(time.secs())
                .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
                .unwrap_or_else(|_| "-".to_owned());
        }
        &self.text
    }
}
