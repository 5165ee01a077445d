//! What HTTP/1.1 looks like on the wire: strict heads, and fields.

pub mod fields;
pub mod framing;
pub mod head;
