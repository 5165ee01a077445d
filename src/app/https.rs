//! What a config means for https beyond its listeners: where clients find it, and whom a self-signed
//! certificate is for.

use std::collections::HashSet;
use std::net::SocketAddr;

use terms::url::Scheme;

use crate::config::Meant;
use crate::sites::HostPattern;

/// The port to which those who ask in clear are sent: as the config says, else 443 if a listener has it,
/// else that of the first listener with TLS.
pub(super) fn port(meant: &Meant, listeners: &[(Scheme, SocketAddr)]) -> Option<u16> {
    let ports = || listeners.iter().filter(|(scheme, _)| *scheme == Scheme::Https).map(|(_, address)| address.port());
    meant.edge.https_port.or_else(|| ports().find(|port| *port == 443)).or_else(|| ports().next())
}

/// Whom a self-signed certificate is for: this machine, the addresses listened on, and all hosts that are
/// known by name.
pub(super) fn self_signed_names(meant: &Meant) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let addresses = meant.edge.listeners.iter().map(|listener| listener.address).chain([meant.admin.address]);
    names.extend(addresses.map(|address| address.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
    let hosts = meant.sites.iter().flat_map(|site| &site.hosts).flat_map(HostPattern::parts);
    names.extend(hosts.filter_map(|host| match host {
        HostPattern::Any => None,
        HostPattern::Exact(name) => Some(name.trim_matches(['[', ']']).to_owned()),
        other => Some(other.to_string()),
    }));
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn meant(edge: &str) -> Meant {
        let text = format!(
            "[edge]\n{edge}\n[[site]]\nhosts = [\".a.example\", \"*\", \"[::2]\"]\norigin = \"http://127.0.0.1:1\"\n"
        );
        crate::config::parse(&text, Path::new("seawall.toml"), Path::new("/")).unwrap()
    }

    #[test]
    fn the_port_is_the_configs_else_443_else_the_first() {
        let at = |scheme, port| (scheme, SocketAddr::from(([0, 0, 0, 0], port)));
        let (clear, first, usual) = (at(Scheme::Http, 80), at(Scheme::Https, 8443), at(Scheme::Https, 443));
        for (edge, listeners, found) in [
            ("", vec![clear], None),
            ("", vec![clear, first], Some(8443)),
            ("", vec![first, usual], Some(443)),
            ("https_port = 4433", vec![clear, first, usual], Some(4433)),
        ] {
            assert_eq!(port(&meant(edge), &listeners), found, "{edge} {listeners:?}");
        }
    }

    #[test]
    fn a_self_signed_certificate_is_for_all_names_that_are_known() {
        let names = self_signed_names(&meant("listen = [\"0.0.0.0:1\", \"192.0.2.1:2\"]"));
        assert_eq!(names, ["localhost", "127.0.0.1", "::1", "192.0.2.1", "a.example", "*.a.example", "::2"]);
    }
}
