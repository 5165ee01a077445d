//! The plain format: a rule a line, its attributes behind it, `#` for comments.

use std::borrow::Cow;

use memchr::memchr;

use super::bad_line::{BadLine, Fault};
use super::line::{self, ReadBefore};
use crate::pattern::Share;
use crate::rule::{Rule, Subject};

/// The longest line, in bytes, without its end.
pub const MAX_LINE: usize = 16 * 1024;

/// Bad lines that are reported of one list: enough to see what went wrong with it.
pub const MAX_REPORTED: usize = 20;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a list of the plain format, with no patterns beside it.
pub fn read(bytes: &[u8]) -> Result<Vec<Rule>, Vec<BadLine>> {
    let mut rules = Vec::new();
    read_each(bytes, Share::default(), |rule| rules.push(rule))?;
    Ok(rules)
}

/// Reads a list of the plain format, and gives `take` each rule as soon as it is read, so that a long
/// list is never held as rules. Where lines are bad the first of them come back, and what was taken is
/// no list. `share` is what the patterns of other lists take.
pub fn read_each(bytes: &[u8], share: Share, take: impl FnMut(Rule)) -> Result<(), Vec<BadLine>> {
    let (_, bad) = read_lines(without_mark(bytes), share, take);
    if bad.is_empty() { Ok(()) } else { Err(bad) }
}

/// Without the byte order mark that editors of some systems put before a text.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// As [`read_each`], of one piece: says how many lines end in it, and which of them are bad, the first few.
pub fn read_lines(bytes: &[u8], mut share: Share, mut take: impl FnMut(Rule)) -> (u32, Vec<BadLine>) {
    let (mut bad, mut ends) = (Vec::new(), 0);
    let mut read_before = ReadBefore::default();
    for (number, raw) in (1..=u32::MAX).zip(lines(bytes)) {
        ends = number - 1;
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let rule = read_line(raw, &mut read_before);
        match rule.and_then(|rule| rule.map(|rule| take_share(rule, &mut share)).transpose()) {
            Ok(None) => {}
            Ok(Some(rule)) => take(Rule { line: number, ..rule }),
            Err(fault) => bad.push(fault.in_line(number, &shown(raw))),
        }
        if bad.len() == MAX_REPORTED {
            break;
        }
    }
    (ends, bad)
}

/// As splitting at every LF does.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        match memchr(b'\n', bytes) {
            Some(end) => {
                rest = bytes.get(end + 1..);
                bytes.get(..end)
            }
            None => rest.take(),
        }
    })
}

/// Reads one rule, as an API or a command line names it, with or without attributes behind it.
pub fn read_rule(text: &str) -> Result<Rule, BadLine> {
    let rule = match text.find('\n') {
        Some(at) => Err(Fault::new(at, "a line ends here; one rule is one line")),
        None => read_line(text.as_bytes(), &mut ReadBefore::default()),
    };
    let rule =
        rule.and_then(|rule| rule.ok_or_else(|| Fault::new(0, "no rule stands here; write a URL, a host or a digest")));
    rule.map_err(|fault| fault.in_line(0, text))
}

/// `None` for a line that holds no rule.
fn read_line(raw: &[u8], read_before: &mut ReadBefore) -> Result<Option<Rule>, Fault> {
    if raw.len() > MAX_LINE {
        let what = format!("the line is {} bytes long; a line holds one rule, and {MAX_LINE} bytes at most", raw.len());
        return Err(Fault::new(0, what));
    }
    let text = std::str::from_utf8(raw)
        .map_err(|error| Fault::new(error.valid_up_to(), "this byte is not UTF-8; save the list as UTF-8"))?;
    if let Some(at) = memchr(b'\r', raw) {
        return Err(Fault::new(at, "a carriage return stands alone; end lines with LF or CRLF"));
    }
    line::read(text, read_before)
}

/// Counts a pattern in; a fault where there is no room for it.
pub(super) fn take_share(rule: Rule, share: &mut Share) -> Result<Rule, Fault> {
    if let Subject::Pattern(pattern) = &rule.subject {
        *share = share.plus(pattern.share());
        if let Some(excess) = share.excess() {
            return Err(Fault::new(0, excess));
        }
    }
    Ok(rule)
}

/// A bad line as text, no more of it than is shown.
fn shown(raw: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&raw[..raw.len().min(MAX_LINE)])
}
