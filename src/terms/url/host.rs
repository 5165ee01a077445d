//! Hosts: DNS names in A-labels, IPv4 addresses, IPv6 addresses in brackets.

use std::net::Ipv6Addr;

use super::UrlError;

/// RFC 1035 section 2.3.4, less the dot at the end.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The canonical form of a host without a port: lower case, U-labels as A-labels (RFC 5891), one dot
/// at the end dropped.
pub fn host(text: &str) -> Result<String, UrlError> {
    let mut name = canonical(text)?;
    if name.ends_with('.') {
        name.pop();
    }
    Ok(name)
}

/// Splits an authority without userinfo. The host keeps a dot at its end, which an origin could tell
/// apart; the port is `None` where none is named or the colon stands alone.
pub(super) fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    let name_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(UrlError::BadHost)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return Err(UrlError::BadHost),
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| UrlError::BadPort)?)
        }
        Some(_) => return Err(UrlError::BadPort),
    };
    Ok((canonical(name)?, port))
}

fn canonical(text: &str) -> Result<String, UrlError> {
    if text.is_empty() {
        return Err(UrlError::NoHost);
    }
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| UrlError::BadHost)?;
        return Ok(format!("[{address}]"));
    }
    if is_plain(text) { Ok(text.to_owned()) } else { canonical_name(text) }
}

fn canonical_name(text: &str) -> Result<String, UrlError> {
    let mut name = text.to_ascii_lowercase();
    if !name.is_ascii() || name.split('.').any(|label| label.starts_with("xn--")) {
        name = idna::domain_to_ascii(&name).map_err(|_| UrlError::BadHost)?;
    }
    let labels = name.strip_suffix('.').unwrap_or(&name);
    let fits = labels.len() <= MAX_NAME
        && labels.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= MAX_LABEL
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
    if fits { Ok(name) } else { Err(UrlError::BadHost) }
}

/// Whether a name is its own canonical form, as nearly every one that is asked for is: lower-case labels, none of which
/// could be an A-label, since all of these have two hyphens in a row. Without a branch that depends on a byte.
pub(super) fn is_plain(name: &str) -> bool {
    let (mut is_plain, mut before, mut label) = (true, Place::Dot, 0);
    for byte in name.bytes() {
        let place = PLACES[usize::from(byte)];
        is_plain &= place != Place::Unfit && (place < Place::Hyphen || before < Place::Hyphen);
        label = if place == Place::Dot { 0 } else { label + 1 };
        is_plain &= label <= MAX_LABEL;
        before = place;
    }
    is_plain && (1..=MAX_NAME).contains(&name.len())
}

/// Where a byte may stand in a plain name.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Place {
    Unfit,
    Within,
    /// Behind what stands within a label alone, as the dot.
    Hyphen,
    Dot,
}

const PLACES: [Place; 256] = {
    let mut places = [Place::Unfit; 256];
    let mut byte = 0;
    while byte < 256 {
        places[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => Place::Within,
            b'-' => Place::Hyphen,
            b'.' => Place::Dot,
            _ => Place::Unfit,
        };
        byte += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_names_and_labels_are_plain_and_longer_ones_are_none() {
        let (label, rest) = ("a".repeat(MAX_LABEL), "b".repeat(MAX_NAME - 3 * (MAX_LABEL + 1)));
        let name = [&*label, &label, &label, &rest].join(".");
        assert_eq!(name.len(), MAX_NAME);
        for (name, fits) in [(label.clone(), true), (label + "a", false), (name.clone(), true), (name + "b", false)] {
            assert_eq!((is_plain(&name), canonical_name(&name).is_ok()), (fits, fits), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_plain_is_its_own_canonical_name(name in "(xn--|--|[a-c]{1,3}|[-._A0é@:/\\[]){0,8}") {
            if is_plain(&name) {
                prop_assert_eq!(canonical_name(&name), Ok(name));
            }
        }
    }
}
