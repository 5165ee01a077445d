//! Other URLs by which an answer's bytes are known: what blocks one of them blocks the answer.

use std::sync::Arc;

use http::header::{CONTENT_LOCATION, HeaderMap};
use terms::Url;

/// Lines of `Content-Location` that are looked at. One is all that there should be.
const MOST_LOCATIONS: usize = 4;

/// The name under which the answer to `url` is stored, where that is another one; `others` that the request named; and
/// where its origin says that its content is to be had as well (RFC 9110 section 8.7).
pub fn of(url: &Arc<Url>, name: &Arc<Url>, others: Vec<Arc<Url>>, fields: &HeaderMap) -> Vec<Arc<Url>> {
    let mut aliases = others;
    if name.key() != url.key() {
        aliases.insert(0, name.clone());
    }
    let lines = fields.get_all(CONTENT_LOCATION).iter().take(MOST_LOCATIONS);
    let texts = lines.filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
    aliases.extend(texts.filter_map(|text| url.at(text.trim()).ok()).map(Arc::new));
    aliases
}
