//! URLhaus's database of URLs, as CSV.
//!
//! ```text
//! # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
//! "3","2026-02-26 12:05:20","http://192.0.2.10:58801/i","online","","malware_download","32-bit,elf","https://…","alice"
//! ```
//! Older dumps lack `last_online`, so the header says where `url` stands, a comment or not. A URL without a path is
//! that of the top page, not a host.

use super::foreign::{Reader, Taking};
use super::plain::block_url;
use super::unread::Kind;

#[derive(Default)]
pub(super) struct UrlHaus {
    /// Which field is the URL, once the header was seen.
    column: Option<usize>,
}

impl Reader for UrlHaus {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let comment = line.strip_prefix('#').map(str::trim);
        if line.trim().is_empty() {
            return;
        }
        if let Some(column) = column_of_url(comment.unwrap_or(line)) {
            self.column = Some(column);
            return;
        }
        if comment.is_some() {
            return;
        }
        let (Some(column), Some(fields)) = (self.column, fields(line)) else { return taking.leave(Kind::Malformed) };
        match fields.get(column) {
            Some(url) if has_scheme(url) => block_url(url, taking),
            Some(_) => taking.leave(Kind::NotAUrl),
            None => taking.leave(Kind::Malformed),
        }
    }
}

/// Of a header, which names the columns.
fn column_of_url(line: &str) -> Option<usize> {
    let names = fields(line)?;
    let at = names.iter().position(|name| name.trim() == "url")?;
    names.iter().any(|name| name.trim() == "id").then_some(at)
}

/// Other schemes are for nobody who asks a proxy; a scheme must stand there, since the field is a whole URL.
fn has_scheme(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// The fields of a record (RFC 4180 section 2); `None` where a quote stands where none can.
pub(super) fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let field = &rest[..end];
                if field.contains('"') {
                    return None;
                }
                (field.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match behind.strip_prefix(',') {
            Some(more) => rest = more,
            None => return behind.is_empty().then_some(fields),
        }
    }
}

/// A field from behind its opening quote on, and what follows its closing one. `""` is a quote.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (before, behind) = rest.split_once('"')?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, behind)),
        }
    }
}
