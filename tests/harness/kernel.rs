//! What the kernel holds of connections over IPv4, as it tells everybody (`/proc/net/tcp`).

use std::collections::HashMap;

/// Of one end of a connection: by its own port and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Handed to the kernel, and not acknowledged by the peer's.
    pub unsent: usize,
    /// Come in, and not read.
    pub unread: usize,
}

/// All ends that are established. One that was reset is none.
pub fn held() -> HashMap<(u16, u16), Held> {
    const ESTABLISHED: &str = "01";
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let port = |address: &str| hex(address.split_once(':').unwrap().1) as u16;
    let rows = text.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<&str>>());
    let rows = rows.filter(|row| row[3] == ESTABLISHED);
    rows.map(|row| {
        let (unsent, unread) = row[4].split_once(':').unwrap();
        ((port(row[1]), port(row[2])), Held { unsent: hex(unsent), unread: hex(unread) })
    })
    .collect()
}
