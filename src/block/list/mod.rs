//! Block lists as files: bytes in, rules or the lines that can't be read out.
//!
//! A list is taken whole or not at all. One in a format of others ([`Foreign`]) is taken as far as our rules can
//! say what it says, and the rest of it is told. Each format has a file of its own.

mod aclj;
mod adblock;
mod attributes;
mod bad_line;
#[cfg(any(test, feature = "checks"))]
pub mod checks;
mod deny;
mod foreign;
mod geo;
mod hosts;
mod html;
mod line;
mod plain;
mod rpz;
mod sha256;
mod subject;
mod tables;
mod text;
mod unread;
mod urlhaus;
mod write;

pub use bad_line::BadLine;
pub use foreign::{Foreign, Format, read_foreign};
pub(crate) use geo::{NOBODY_KNOWS_WHERE, unserved};
pub use html::html;
pub(crate) use subject::place_by;
pub use tables::read as read_tables;
pub(crate) use text::without_mark;
pub use text::{MAX_LINE, MAX_REPORTED, read, read_each, read_lines, read_rule};
pub use unread::{Held, Kind, Sample, Tally, Unread};
pub use write::{Denylist, line as written};

#[cfg(test)]
mod tests;
