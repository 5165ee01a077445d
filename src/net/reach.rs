//! Which addresses may be dialled, where somebody else may choose them: a name that the config holds leads wherever its
//! zone says, the metadata of a cloud's machine and the admin listener next door included.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use terms::{Network, Networks};

/// Whom a request may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Anywhere,
    /// Addresses of the internet, and those that are named.
    Public {
        and: Networks,
    },
}

impl Reach {
    pub fn holds(&self, address: IpAddr) -> bool {
        match self {
            Reach::Anywhere => true,
            Reach::Public { and } => and.contains(address) || is_public(address),
        }
    }
}

/// Of IANA's registry of special-purpose IPv4 addresses, what is not for one machine of the internet to ask another.
const CLOSED_V4: [&str; 15] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // behind a carrier's NAT
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local, and a cloud's metadata
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocols
    "192.0.2.0/24",    // documentation
    "192.88.99.0/24",  // relays of 6to4
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/4",     // multicast
    "240.0.0.0/4",     // reserved, and broadcast
];

/// The same of IPv6, of which 2000::/3 alone is handed out.
const CLOSED_V6: [&str; 8] = [
    "::/3",          // loopback, mapped, translated
    "2001::/23",     // protocols, Teredo
    "2001:db8::/32", // documentation
    "2002::/16",     // 6to4: it holds an IPv4 address
    "3fff::/20",     // documentation
    "4000::/2",
    "8000::/2",
    "c000::/2", // unique local, link-local, multicast
];

static V4: LazyLock<Networks> = LazyLock::new(|| networks(&CLOSED_V4));
static V6: LazyLock<Networks> = LazyLock::new(|| networks(&CLOSED_V6));

fn networks(texts: &[&str]) -> Networks {
    Networks::new(&texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Network>>())
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !V4.contains(address.into()),
        IpAddr::V6(address) => match translated(address) {
            Some(inner) => is_public(inner.into()),
            None => !V6.contains(address.into()),
        },
    }
}

/// The IPv4 address to which a translator leads, by its well-known prefix (RFC 6052 section 2.1).
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_of_the_internet_is_reached_unnamed() {
        assert!([&CLOSED_V4[..], &CLOSED_V6].concat().iter().all(|text| text.parse::<Network>().is_ok()));
        let public = Reach::Public { and: Networks::default() };
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.0.1",
            "193.168.0.1",
            "198.17.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2001:200::1",
            "2003::1",
            "3ffe::1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(public.holds(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1.1.1.1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(!public.holds(address.parse().unwrap()), "{address}");
            assert!(Reach::Anywhere.holds(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_named_is_reached_in_any_spelling() {
        let named = Reach::Public { and: networks(&["127.0.0.1", "10.0.0.0/8", "fd00::/8"]) };
        for (address, is_reached) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("::1", false),
            ("10.9.8.7", true),
            ("fd12::1", true),
            ("fc12::1", false),
        ] {
            assert_eq!(named.holds(address.parse().unwrap()), is_reached, "{address}");
        }
    }
}
