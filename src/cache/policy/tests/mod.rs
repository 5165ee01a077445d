//! The sentences of RFC 9111 sections 3, 4 and 5 as tables: each row stands under the section whose sentence
//! it obeys.

mod against_semantics;
mod reuse;
mod storing;
mod updating;

use http::StatusCode;
use http::header::{DATE, HeaderMap};

use super::*;
use crate::testing::{START, fields, later, moment};

type Lines<'a> = &'a [(&'static str, &'a str)];

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FUTURE: &str = "Fri, 06 Nov 2099 08:49:37 GMT";

/// A response that arrives at [`moment`], and was made then.
fn reply(lines: Lines, status: u16) -> (StatusCode, HeaderMap, ResponseDirectives, Freshness) {
    let mut fields = fields(lines);
    fields.entry(DATE).or_insert(date::write(START));
    let directives = ResponseDirectives::read(&fields);
    let status = StatusCode::from_u16(status).unwrap();
    let freshness = Freshness::of(status, &fields, &directives, moment(), moment());
    (status, fields, directives, freshness)
}
