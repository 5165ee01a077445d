pub mod edits;
mod guard;
pub mod index;
mod kin;
mod known;
pub mod list;
mod pairs;
mod pattern;
mod register;
pub mod rule;
mod settings;
mod shelf;
pub mod sources;
mod wanted;

pub use edits::{Edits, EditsError};
pub use guard::{Audience, Blocks, Clearance, Entered, Places};
pub use index::{
    Case, Cited, Explanation, Index, Kind, Line, Lines, LiveRules, Probed, Source, Table, Without, patterns_at_large,
};
pub use kin::Kin;
pub use list::{BadLine, Foreign};
pub use pattern::{BadPattern, Pattern, Share};
pub use register::{Blocked, Lane, Load, Round};
pub use rule::{Attributes, Place, Rule, Standing, Subject};
pub use settings::{Allowed, Listed, Settings};
pub use shelf::Shelf;
pub use sources::{Change, Naming, Sources, Watching, watch};
pub use wanted::Wanted;
