//! Files that must survive: durable writes, locks, and watching for changes; and lines that may be lost.

pub mod durable;
mod face;
mod lines;
mod lock;
mod lookout;
mod regular;
mod settling;
mod space;
mod trail;
pub mod watch;

pub use face::Face;
pub use lines::Lines;
pub use lock::{Lock, LockError};
pub use lookout::{Bell, FULL_LOOK, Lookout, Next, look_on};
pub use regular::{open, open_regular};
pub use settling::{SETTLING, Settled, Settling, seen_by};
pub use space::free;
pub use trail::{Evidence, Trail};
