//! What HTTP/1.1 looks like on the wire: strict heads and bodies, and fields.

pub mod answer;
mod bad;
mod chunked;
pub mod fields;
pub mod framing;
pub mod head;
mod lines;
mod octets;
pub mod parsed;
pub mod range;
