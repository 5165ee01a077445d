//! How many bytes a peer has not been sent yet.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQNSD` of Linux (linux/sockios.h).
const SIOCOUTQNSD: Opcode = 0x894B;

/// Bytes that were written to a TCP socket and that the kernel still holds unsent: what closing it with a
/// reset throws away for certain. Of a connection that the peer has reset it goes on to count what never left.
///
/// Not `SIOCOUTQ`, which counts what is sent and not acknowledged too: a peer that delays its
/// acknowledgements has had those bytes for tens of milliseconds.
pub fn unsent(socket: impl AsFd) -> io::Result<u64> {
    // SAFETY: SIOCOUTQNSD writes one C int to the pointer that it is given, which is what `Getter` provides
    // room for; it reads nothing.
    let held: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQNSD, i32>::new())? };
    Ok(u64::try_from(held).unwrap_or(0))
}
