//! How many bytes a peer has not acknowledged yet.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ` of Linux, which shares its number with `TIOCOUTQ`.
const SIOCOUTQ: Opcode = 0x5411;

/// Bytes that were written to a TCP socket and not yet acknowledged by its peer. A socket that is gone
/// holds none.
pub fn unsent(socket: impl AsFd) -> io::Result<u64> {
    // SAFETY: SIOCOUTQ writes one C int to the pointer that it is given (tcp(7)), which is what `Getter`
    // provides room for; it reads nothing.
    let held: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new())? };
    Ok(u64::try_from(held).unwrap_or(0))
}
