//! Content codings: answers that are compressed here, where the site wants it.
//!
//! What the origin sent is stored and stays as it came. In a coding it is an entry of its own, made of the bytes
//! of the first as they come, and kept under a key that the first one leads to: so flights, purges and the cut know
//! nothing of codings, and what is taken out of the store takes with it what was made of it. How long an
//! answer holds, and for whom, is asked of the first alone.

mod accept;
#[doc(hidden)]
#[cfg(any(test, feature = "checks"))]
pub mod checks;
mod decoding;
mod fields;
mod making;
mod media;
mod turns;

pub use decoding::{Decoded, Decoding, Undecodable, accept_decodable};
pub use fields::{Compression, MIN_LENGTH, TYPES, shape, shape_unmodified, vary};
pub use making::{Making, Room};
pub use media::MediaRange;

pub(crate) use decoding::Encoding;
pub(crate) use making::{Representation, Rooms};

/// A content coding that is made here (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    Zstd,
    Br,
    Gzip,
}

impl Coding {
    pub const ALL: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

    /// Its name in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Br => "br",
            Coding::Gzip => "gzip",
        }
    }
}

#[cfg(test)]
mod tests;
