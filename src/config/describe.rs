//! What is in force, as `seawall check` prints it: what surprises people comes first.

use std::fmt::Write;
use std::path::Path;

use super::meant::{Listener, Meant, Site};
use super::units::{show_duration, show_size};
use crate::pages::Disclose;

/// Readable text, each line ended; no control characters but LF.
pub fn describe(meant: &Meant) -> String {
    let mut page = Page::default();
    surprises(meant, &mut page);
    edge_and_admin(meant, &mut page);
    keeping(meant, &mut page);
    for site in &meant.sites {
        describe_site(site, &mut page);
    }
    for hook in &meant.hooks {
        page.heading(&format!("hook {}", hook.name));
        page.line("on", hook.on.join(", "));
        page.line("exec", hook.exec.join(" "));
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, title: &str) {
        let blank = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{blank}{}", printable(title));
    }

    fn line(&mut self, key: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.text, "  {key:<24}{}", printable(value.as_ref()));
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn surprises(meant: &Meant, page: &mut Page) {
    page.heading("what may surprise you");
    let wait = show_duration(meant.audit.wait);
    page.line(
        "a full disk",
        format!("no evidence, no answer: a new one waits up to {wait}, then is 503 with Retry-After; blocks are answered in any case"),
    );
    page.line(
        "an nginx origin",
        "stops compressing, for requests carry Via (RFC 9110 section 7.6.3): set `gzip_proxied any;` there",
    );
    for site in &meant.sites {
        let name = &site.name;
        if site.caching.store_set_cookie {
            page.line(
                "cookies",
                format!("site {name} stores answers with Set-Cookie: one client's cookie may go to all"),
            );
        }
        if site.caching.client_refresh {
            page.line(
                "refreshing",
                format!("any client of site {name} can make it ask the origin, with Cache-Control: no-cache"),
            );
        }
        if !site.pass_fields.is_empty() {
            let fields = field_names(site);
            page.line("believing clients", format!("the origin of site {name} gets {fields} as clients wrote them"));
        }
    }
    if meant.admin.is_exposed() {
        page.line(
            "the admin listener",
            format!("{} is in clear: whoever sees the traffic has the token", meant.admin.address),
        );
    }
    if meant.takedown.lists.is_empty() {
        page.line("no block list", "takedown.lists is empty: only live edits block");
    }
}

fn edge_and_admin(meant: &Meant, page: &mut Page) {
    let edge = &meant.edge;
    page.heading("edge");
    for listener in &edge.listeners {
        page.line("listen", show_listener(listener));
    }
    page.line("head_timeout", show_duration(edge.head_timeout));
    page.line("idle_timeout", show_duration(edge.idle_timeout));
    page.line("drain", show_duration(edge.drain));
    page.line("max_head", format!("{} (431)", show_size(edge.max_head as u64)));
    page.line("max_fields", format!("{} (431)", edge.max_fields));
    page.line("max_target", format!("{} (414)", show_size(edge.max_target as u64)));
    page.line("max_body", format!("{} (413)", show_size(edge.max_body)));
    page.line("max_connections", format!("{} (accepting pauses)", edge.max_connections));

    page.heading("admin");
    let admin = Listener { address: meant.admin.address, tls: meant.admin.tls.clone() };
    page.line("listen", show_listener(&admin));
}

fn show_listener(listener: &Listener) -> String {
    match &listener.tls {
        Some(tls) => format!("https://{} with {}, {}", listener.address, shown(&tls.cert), shown(&tls.key)),
        None => format!("http://{}", listener.address),
    }
}

/// What is kept, in memory and on disk.
fn keeping(meant: &Meant, page: &mut Page) {
    page.heading("cache");
    page.line("memory", show_size(meant.cache.memory));
    page.line("max_object", show_size(meant.cache.max_object));

    page.heading("takedown");
    for list in &meant.takedown.lists {
        page.line("list", shown(list));
    }
    page.line("operator_url", meant.takedown.operator_url.as_deref().unwrap_or("urn:uuid: and this node's id"));
    page.line(
        "disclose",
        match meant.takedown.disclose {
            Disclose::Full => "full (the notice's id and its reason)",
            Disclose::Id => "id (the notice's id alone)",
            Disclose::None => "none",
        },
    );

    page.heading("state");
    page.line("dir", shown(&meant.state));

    let audit = &meant.audit;
    page.heading("audit");
    page.line("segment_size", show_size(audit.segment_size));
    page.line("segment_age", show_duration(audit.segment_age));
    page.line(
        "sync",
        match audit.sync {
            audit::Sync::Interval(every) => format!("interval ({})", show_duration(every)),
            audit::Sync::Segment => "segment (a crash of the machine may lose all of the open one)".to_owned(),
            audit::Sync::Line => "line".to_owned(),
        },
    );
    page.line("on_pressure", "wait");
    page.line("high_water", format!("{} records", audit.high_water));
    page.line("wait", show_duration(audit.wait));
    page.line(
        "client",
        match audit.client {
            audit::ClientForm::Full => "full",
            audit::ClientForm::Truncated => "truncated (/24, /48)",
            audit::ClientForm::Keyed => "keyed",
            audit::ClientForm::None => "none",
        },
    );
    page.line(
        "url_query",
        match audit.url_query {
            audit::QueryForm::Full => "full",
            audit::QueryForm::Keyed => "keyed",
            audit::QueryForm::None => "none",
        },
    );
}

fn describe_site(site: &Site, page: &mut Page) {
    let origin = &site.origin;
    page.heading(&format!("site {}", site.name));
    page.line("hosts", site.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let host = &origin.address.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    page.line("origin", format!("http://{host}:{}", origin.address.port));
    page.line("connect_timeout", show_duration(origin.connect_timeout));
    page.line("first_byte_timeout", show_duration(origin.first_byte_timeout));
    page.line("between_bytes_timeout", show_duration(origin.between_bytes_timeout));
    page.line("max_origin_connections", origin.max_connections.to_string());
    page.line("repr_digest", site.caching.repr_digest.to_string());
    page.line("pass_fields", if site.pass_fields.is_empty() { "none".to_owned() } else { field_names(site) });
    page.line("store_set_cookie", site.caching.store_set_cookie.to_string());
    page.line("client_refresh", site.caching.client_refresh.to_string());
}

fn field_names(site: &Site) -> String {
    site.pass_fields.iter().map(http::HeaderName::as_str).collect::<Vec<_>>().join(", ")
}
