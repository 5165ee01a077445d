//! How many descriptors the system lets this process hold, and how many of them connections of clients may take.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is kept free: lists are read, blocks are written, operators are answered and origins are asked whatever the
/// number of clients.
const FREE: std::ops::RangeInclusive<u64> = 32..=1024;

/// Takes as many as the system gives without asking anybody: the usual soft limit is for programs that use `select`.
pub(super) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of descriptors can't be raised");
    }
}

/// Connections that clients may have, where so many are `wanted`.
pub(super) fn for_clients(wanted: usize) -> usize {
    let most = getrlimit(Resource::Nofile).current.map_or(usize::MAX, clients_of);
    if most < wanted {
        tracing::warn!(
            "edge.max_connections is {wanted}, and the system gives this process descriptors for {most}: accepting pauses \
             there. Raise the limit (ulimit -Hn, LimitNOFILE in systemd), or lower max_connections"
        );
    }
    wanted.min(most)
}

fn clients_of(limit: u64) -> usize {
    let free = (limit / 4).clamp(*FREE.start(), *FREE.end());
    usize::try_from(limit.saturating_sub(free)).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::clients_of;

    #[test]
    fn some_are_left_for_everything_else() {
        for (limit, clients) in
            [(0, 1), (32, 1), (64, 32), (1024, 768), (20_000, 18_976), (u64::MAX, usize::MAX - 1024)]
        {
            assert_eq!(clients_of(limit), clients, "{limit}");
        }
    }
}
