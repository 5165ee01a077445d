//! Networks of addresses, as operators name them: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// One network, in CIDR notation (RFC 4632 section 3.1). An IPv4 network is that part of `::ffff:0:0/96`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: u128,
    /// Of 128 bits.
    prefix: u32,
}

/// What is wrong with the text of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("it is neither an address nor a network")]
    NoAddress,
    #[error("the number behind the slash is no length of a prefix")]
    Prefix,
    /// Which network was meant can only be guessed.
    #[error("it has bits set behind its prefix: the network is {0}")]
    HostBits(Network),
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    /// Bits of an IPv4 network's prefix that say that it is one.
    const MAPPED: u32 = 96;

    /// Whether every address is in it, of one kind at least.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0 || (self.prefix == Self::MAPPED && self.first == number([0, 0, 0, 0].into()))
    }

    fn host_bits(prefix: u32) -> u128 {
        u128::MAX.checked_shr(prefix).unwrap_or(0)
    }

    fn last(self) -> u128 {
        self.first | Self::host_bits(self.prefix)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NoAddress)?;
        let before = if address.is_ipv4() { Network::MAPPED } else { 0 };
        let prefix = match prefix {
            None => 128,
            // What `parse` takes beside digits is no prefix.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                before + digits.parse::<u8>().map(u32::from).map_err(|_| NetworkError::Prefix)?
            }
            Some(_) => return Err(NetworkError::Prefix),
        };
        if prefix > 128 {
            return Err(NetworkError::Prefix);
        }
        let address = number(address);
        let network = Network { first: address & !Network::host_bits(prefix), prefix };
        if network.first == address { Ok(network) } else { Err(NetworkError::HostBits(network)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.first);
        let (address, before) = match address.to_ipv4_mapped() {
            Some(address) if self.prefix >= Self::MAPPED => (IpAddr::V4(address), Self::MAPPED),
            _ => (IpAddr::V6(address), 0),
        };
        match self.prefix {
            128 => write!(f, "{address}"),
            prefix => write!(f, "{address}/{}", prefix - before),
        }
    }
}

/// A set of addresses, asked in logarithmic time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Box<[(u128, u128)]>);

impl Networks {
    pub fn new(networks: &[Network]) -> Networks {
        let mut ranges: Vec<(u128, u128)> = networks.iter().map(|one| (one.first, one.last())).collect();
        ranges.sort_unstable();
        // Of two networks that overlap, one holds the other.
        ranges.dedup_by(|later, before| later.1 <= before.1);
        Networks(ranges.into())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let address = number(address);
        let behind = self.0.partition_point(|(first, _)| *first <= address);
        behind > 0 && address <= self.0[behind - 1].1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(list: &[&str]) -> Networks {
        Networks::new(&list.iter().map(|one| one.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn an_address_is_in_it_or_not() {
        let some = networks(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::1"]);
        for (address, is_in) in [
            ("10.0.0.0", true),
            ("10.2.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("::2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(some.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(!networks(&[]).contains("10.0.0.1".parse().unwrap()));
        assert!(networks(&["0.0.0.0/0"]).contains("255.255.255.255".parse().unwrap()));
        assert!(!networks(&["0.0.0.0/0"]).contains("::1".parse().unwrap()));
        assert!(networks(&["::/0"]).contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told_apart() {
        for (text, error) in [
            ("", NetworkError::NoAddress),
            ("ten", NetworkError::NoAddress),
            ("10.0.0/8", NetworkError::NoAddress),
            ("10.0.0.0/", NetworkError::Prefix),
            ("10.0.0.0/33", NetworkError::Prefix),
            ("::/129", NetworkError::Prefix),
            ("10.0.0.0/+8", NetworkError::Prefix),
            ("10.0.0.0/8/8", NetworkError::Prefix),
            ("10.0.0.1/8", NetworkError::HostBits("10.0.0.0/8".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_network_reads_as_it_is_shown(address: std::net::IpAddr, prefix in 0u8..=128) {
            let text = format!("{address}/{prefix}");
            if let Ok(network) | Err(NetworkError::HostBits(network)) = text.parse::<Network>() {
                prop_assert_eq!(network.to_string().parse(), Ok(network));
                prop_assert!(Networks::new(&[network]).contains(address));
            }
        }

        #[test]
        fn a_set_holds_what_one_of_its_networks_holds(list: Vec<(std::net::Ipv4Addr, u8)>, address: std::net::Ipv4Addr) {
            let parsed = |(address, prefix): &(std::net::Ipv4Addr, u8)| match format!("{address}/{}", prefix % 33).parse() {
                Ok(network) | Err(NetworkError::HostBits(network)) => network,
                Err(error) => panic!("{error}"),
            };
            let list: Vec<Network> = list.iter().map(parsed).collect();
            let one = list.iter().any(|network| Networks::new(&[*network]).contains(address.into()));
            prop_assert_eq!(Networks::new(&list).contains(address.into()), one);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}", close in "[0-9.:a-f]{0,12}/[0-9]{0,4}") {
            let _ = (text.parse::<Network>(), close.parse::<Network>());
        }
    }
}
