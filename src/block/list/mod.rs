//! Block lists as files: bytes in, rules or the lines that can't be read out.
//!
//! A list is taken whole or not at all. Each format has a file of its own.

mod attributes;
mod bad_line;
mod line;
mod subject;
mod tables;
mod text;

pub use bad_line::BadLine;
pub use tables::read as read_tables;
pub use text::{MAX_LINE, MAX_REPORTED, pieces, read, read_each, read_lines, read_rule};

#[cfg(test)]
mod tests;
