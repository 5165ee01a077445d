//! The hosts file: an address, then the names that are to have it.
//!
//! ```text
//! 0.0.0.0 ads.example track.example   # a comment
//! ::      ads.example
//! ```
//! A name that leads nowhere, or to the machine itself, is a host that is blocked, without those under it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::foreign::{Reader, Taking, without_comment};
use super::unread::Kind;

pub(super) struct Hosts;

/// What a machine calls itself and its net, in the lists' own first lines.
const LOCAL: [&str; 13] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

impl Reader for Hosts {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let mut words = without_comment(line).split_ascii_whitespace();
        let Some(address) = words.next() else { return };
        let address = address.split('%').next().unwrap_or_default();
        let Ok(address) = address.parse::<IpAddr>() else { return taking.leave(Kind::Malformed) };
        let mut names = words.peekable();
        if names.peek().is_none() {
            return taking.leave(Kind::Malformed);
        }
        for name in names {
            if LOCAL.iter().any(|local| name.eq_ignore_ascii_case(local)) || name == "0.0.0.0" {
                taking.leave(Kind::LocalName);
            } else if !leads_nowhere(address) {
                taking.leave(Kind::OtherAddress);
            } else {
                block_host(name, taking);
            }
        }
    }
}

fn leads_nowhere(address: IpAddr) -> bool {
    address == Ipv4Addr::UNSPECIFIED
        || address == Ipv4Addr::LOCALHOST
        || address == Ipv6Addr::UNSPECIFIED
        || address == Ipv6Addr::LOCALHOST
}

/// Takes a name for a host alone. What else could be meant by it, in the words of ours, is not.
pub(super) fn block_host(name: &str, taking: &mut Taking<'_>) {
    match is_host(name) {
        true => taking.block(name, Kind::NotAHost),
        false if name.contains('*') => taking.leave(Kind::Wildcard),
        false => taking.leave(Kind::NotAHost),
    }
}

/// Whether a word can be nothing but a host.
pub(super) fn is_host(word: &str) -> bool {
    !word.contains(['/', '\\', '?', '#', '*', '!', '~', '@', '=', ':']) && terms::url::host(word).is_ok()
}
