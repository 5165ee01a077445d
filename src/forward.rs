//! What is passed on of a message's head, towards origins and towards clients.

pub mod steering;

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Uri;
use http::{Request, Version};
use terms::wire::fields;
use terms::{Ask, Body, Client, Url};

use crate::sites::Site;

pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The request that an origin gets: the target as it came, `Host` too unless the site has another one, and
/// `fields` less what belongs to the client's hop, less what steers, as the site's rules change them.
pub fn request(ask: &Ask, url: &Url, mut fields: HeaderMap, body: Body, site: &Site, via: &str) -> Request<Body> {
    // 100-continue was met here already.
    fields.remove(header::EXPECT);
    drop_steering(&mut fields, &site.pass_fields);
    fields.remove(header::HOST);
    match &site.host_header {
        Some(host) => drop(fields.insert(header::HOST, host.clone())),
        None => or_insert(&mut fields, header::HOST, url.authority()),
    }
    forwarded_for(&mut fields, &ask.client);
    if site.forwarded {
        fields::append(&mut fields, header::FORWARDED, &forwarded(&ask.client, url.authority()));
    }
    or_insert(&mut fields, X_FORWARDED_PROTO.clone(), ask.client.scheme.as_str());
    or_insert(&mut fields, X_FORWARDED_HOST.clone(), url.authority());
    or_insert(&mut fields, X_REQUEST_ID.clone(), &ask.id.to_string());
    site.adjust_request(&mut fields);
    fields::append(&mut fields, header::VIA, &hop(ask.version, via));
    if body_is_absent(&body) {
        fields.remove(header::CONTENT_LENGTH);
    }
    let mut request = Request::new(body);
    *request.method_mut() = ask.method.clone();
    // It was read from a URI, so it is one.
    *request.uri_mut() = url.target().parse::<Uri>().unwrap_or_default();
    *request.headers_mut() = fields;
    if steering::says_another_method(&site.pass_fields, ask) {
        origin::send_once(&mut request);
    }
    request
}

/// The client, and the proxies that speak for it. Where the site lets a client's word through, it stays, and
/// the hop joins the list.
fn forwarded_for(fields: &mut HeaderMap, client: &Client) {
    let hops = || std::iter::once(&client.address).chain(&client.proxies);
    let is_let_through = fields.contains_key(&X_FORWARDED_FOR);
    for hop in hops().skip(if is_let_through { client.proxies.len() } else { 0 }) {
        fields::append(fields, X_FORWARDED_FOR.clone(), &hop.to_string());
    }
}

/// The same hops as RFC 7239 writes them; scheme and host are what the client used.
fn forwarded(client: &Client, host: &str) -> String {
    let node = |address: &IpAddr| match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    let mut list = format!("{};host=\"{host}\";proto={}", node(&client.address), client.scheme.as_str());
    for proxy in &client.proxies {
        list.push_str(", ");
        list.push_str(&node(proxy));
    }
    list
}

fn body_is_absent(body: &Body) -> bool {
    matches!(body, Body::Empty)
}

fn drop_steering(fields: &mut HeaderMap, let_through: &[HeaderName]) {
    let dropped: Vec<HeaderName> =
        fields.keys().filter(|name| steering::steers(name) && !let_through.contains(name)).cloned().collect();
    for name in dropped {
        fields.remove(name);
    }
}

/// What goes on of an answer's fields: less what belongs to the origin's hop, with this one in `Via`.
pub fn reply(mut fields: HeaderMap, version: Version, via: &str) -> HeaderMap {
    fields::strip_hop_by_hop(&mut fields);
    fields::append(&mut fields, header::VIA, &hop(version, via));
    fields
}

/// The hop that `Via` tells of a message that came in `version` (RFC 9110 section 7.6.3).
pub fn hop(version: Version, via: &str) -> String {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        _ => "1.1",
    };
    format!("{version} {via}")
}

fn or_insert(fields: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        fields.entry(name).or_insert(value);
    }
}
