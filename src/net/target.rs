//! Where a request goes that the config names: the parts of its URL that a connection and a request need.

use std::fmt;
use std::net::IpAddr;

use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri, request};
use rustls_pki_types::ServerName;

const OURSELVES: &str = concat!("seawall/", env!("CARGO_PKG_VERSION"));

/// An `https://` URL, or an `http://` one of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, an address, or an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    uri: Uri,
    /// Whom the certificate must name. `None`: in clear, and to loopback alone.
    pub(crate) server_name: Option<ServerName<'static>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("is not an https:// URL")]
    Url,
    #[error("has a user or a password in it")]
    UserInfo,
    #[error("would go in clear over a network")]
    InClear,
}

impl Target {
    pub fn parse(text: &str) -> Result<Target, BadTarget> {
        let uri: Uri = text.parse().map_err(|_| BadTarget::Url)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(BadTarget::Url) };
        if authority.as_str().contains('@') {
            return Err(BadTarget::UserInfo);
        }
        let host = authority.host().to_owned();
        let port = match authority.as_str().strip_prefix(host.as_str()) {
            Some("") => None,
            Some(rest) => Some(rest.strip_prefix(':').and_then(port).ok_or(BadTarget::Url)?),
            None => return Err(BadTarget::Url),
        };
        if host.is_empty() || text.contains('#') {
            return Err(BadTarget::Url);
        }
        match scheme {
            "https" => {
                let name = ServerName::try_from(bare(&host).to_owned()).map_err(|_| BadTarget::Url)?;
                Ok(Target { host, port: port.unwrap_or(443), uri, server_name: Some(name) })
            }
            "http" if is_loopback(&host) => Ok(Target { host, port: port.unwrap_or(80), uri, server_name: None }),
            "http" => Err(BadTarget::InClear),
            _ => Err(BadTarget::Url),
        }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that stands in place of a name.
    pub fn address(&self) -> Option<IpAddr> {
        bare(&self.host).parse().ok()
    }

    pub fn is_in_clear(&self) -> bool {
        self.server_name.is_none()
    }

    /// A request for it, which is the only one on its connection.
    pub fn request(&self, method: Method) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(self.uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(USER_AGENT, OURSELVES)
            .header(CONNECTION, HeaderValue::from_static("close"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// By its name. Whether it is so is seen when the connection stands.
fn is_loopback(host: &str) -> bool {
    let address = bare(host).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_goes_anywhere_and_http_to_this_machine() {
        for (text, host, port, path, tls) in [
            ("https://desk.example/told?x=1", "desk.example", 443, "/told?x=1", true),
            ("https://desk.example:8443", "desk.example", 8443, "/", true),
            ("https://192.0.2.1/", "192.0.2.1", 443, "/", true),
            ("https://[2001:db8::1]:1/", "[2001:db8::1]", 1, "/", true),
            ("http://127.0.0.1:9/x", "127.0.0.1", 9, "/x", false),
            ("http://127.9.9.9", "127.9.9.9", 80, "/", false),
            ("http://[::1]:9/", "[::1]", 9, "/", false),
            ("http://LocalHost:9/", "LocalHost", 9, "/", false),
        ] {
            let target = Target::parse(text).unwrap();
            let path_meant = target.uri.path_and_query().unwrap().as_str();
            assert_eq!((&*target.host, target.port, path_meant), (host, port, path), "{text}");
            assert_eq!(target.server_name.is_some(), tls, "{text}");
        }
    }

    #[test]
    fn what_goes_nowhere_is_refused() {
        for (text, wrong) in [
            ("", BadTarget::Url),
            ("desk.example", BadTarget::Url),
            ("/told", BadTarget::Url),
            ("ftp://desk.example/", BadTarget::Url),
            ("https://", BadTarget::Url),
            ("https://desk.example:0/", BadTarget::Url),
            ("https://desk.example:99999/", BadTarget::Url),
            ("https://desk.example/#part", BadTarget::Url),
            ("https://desk_.example /", BadTarget::Url),
            ("https://me:secret@desk.example/", BadTarget::UserInfo),
            ("http://desk.example/", BadTarget::InClear),
            ("http://0.0.0.0/", BadTarget::InClear),
            ("http://localhost.example/", BadTarget::InClear),
            ("http://10.0.0.1/", BadTarget::InClear),
        ] {
            assert_eq!(Target::parse(text), Err(wrong), "{text}");
        }
    }
}
