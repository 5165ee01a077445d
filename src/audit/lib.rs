//! Evidence: what was served, what was refused, and that neither was changed afterwards.
//!
//! A log is a folder. Each answer and each event is a line of JSON in a segment; a running hash goes
//! through all lines of all segments; a sealed segment's last line holds it. Whoever has the folder
//! can check it, with [`verify()`] or with twenty lines of any language: the format stands in
//! [`chain`], [`sum`] and [`files`].
//!
//! What this proves is that the log was not altered by someone who could not rewrite all of it: until
//! there are signed checkpoints, a folder that was rewritten from some line to its end is not found
//! out. And it shows what the software recorded, not what a replaced binary did.
//!
//! In reading order: `line` makes the bytes, `segment` keeps them, `writer` is the thread that
//! does both, fed through `inlet`; `recover` ends what a crash left, as far as `damage` finds it to be that; `pack` compresses;
//! `verify`, `query` and `tail` read.

mod again;
pub mod chain;
mod damage;
pub mod files;
mod inlet;
mod line;
mod log;
mod numbers;
mod pack;
mod query;
mod read;
mod recover;
mod segment;
mod settings;
mod sought;
pub mod sum;
mod tail;
mod text;
mod verify;
mod window;
mod writer;

pub use inlet::Down;
pub use line::{Event, Forms};
pub use log::{Log, OpenError};
pub use numbers::Numbers;
pub use query::{COLUMNS, Filter, Line, QueryError, query};
pub use settings::*;
pub use tail::Tail;
pub use verify::{RunVerified, Verified, VerifyError, verify};
pub use window::{LastServed, Served};

#[cfg(test)]
mod tests;
