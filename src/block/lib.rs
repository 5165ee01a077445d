pub mod edits;
mod guard;
pub mod index;
mod known;
pub mod list;
mod register;
pub mod rule;
mod settings;
pub mod sources;

pub use edits::{Edits, EditsError};
pub use guard::{Blocks, Clearance, Entered};
pub use index::{Cited, Explanation, Index, Source, Table};
pub use list::BadLine;
pub use register::{Blocked, Lane, Load, Round};
pub use rule::{Attributes, Place, Rule, Standing, Subject};
pub use settings::*;
pub use sources::{Change, Naming, Sources, watch};
