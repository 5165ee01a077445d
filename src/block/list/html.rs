//! What a login, or a portal before a network, answers with in place of a list.

use super::bad_line::{BadLine, Fault};
use super::text::BYTE_ORDER_MARK;

/// Tells a page of HTML from a list. Some formats of others would read one as a list without a rule.
pub fn html(bytes: &[u8]) -> Option<BadLine> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = bytes.trim_ascii_start();
    let begins = |tag: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    if !["<!doctype html", "<html"].into_iter().any(begins) {
        return None;
    }
    let number = bytes[..bytes.len() - text.len()].iter().filter(|byte| **byte == b'\n').count() + 1;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let what = "a page of HTML begins here, which is no list: what serves it may want a login first";
    let shown = String::from_utf8_lossy(&line[..line.len().min(super::MAX_LINE)]);
    Some(Fault::new(0, what).in_line(u32::try_from(number).unwrap_or(u32::MAX), shown.trim_end()))
}
