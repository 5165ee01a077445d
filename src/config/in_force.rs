//! What is in force: each key with its value, as it could be written in the file.

use std::path::Path;

use audit::OnPressure;
use hooks::{Call, Hook};
use serde_json::{Map, Value, json};

use super::choice::{self, Pressure, word};
use super::listeners::SELF_SIGNED;
use super::meant::{Admin, Audit, Edge, Listener, Meant, Site, Takedown};
use super::purging::{self, Purging};
use super::units::{show_byte_rate, show_duration, show_size};
use super::{compression, feed, geo, hidden, limits, lists, rules, spelling, ways};
use crate::access_log::{self, Destination};
use crate::certificates::Wanted;
use crate::quota;
use crate::sites::UnknownDigest;

/// One table of the file.
pub(super) struct Table {
    /// As [`super::keys`] names it.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// One key. A value that no text could stand for is null: the remark says what holds.
#[derive(PartialEq)]
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) remark: &'static str,
}

/// The whole config with every default filled in: what `check --output json` shows under `in_force`.
/// But for the nulls, and for the queries of feeds and webhooks, which it doesn't show, it is a config by itself.
pub fn in_force(meant: &Meant) -> Value {
    let mut whole = Map::new();
    for table in shown(meant) {
        let rows = table.rows.into_iter().map(|row| (row.key.to_owned(), row.value)).collect();
        match table.name {
            "site" | "hook" => {
                if let Value::Array(list) = whole.entry(table.name).or_insert_with(|| json!([])) {
                    list.push(Value::Object(rows));
                }
            }
            name => drop(whole.insert(name.to_owned(), Value::Object(rows))),
        }
    }
    Value::Object(whole)
}

/// Every table as people are shown it: what the query of a feed or a webhook says may be a secret.
pub(super) fn shown(meant: &Meant) -> Vec<Table> {
    let mut tables = tables(meant);
    for Table { name, rows, .. } in &mut tables {
        for row in rows {
            match (*name, row.key, &row.value) {
                ("takedown", "lists", lists) => row.value = feed::without_queries(lists),
                ("hook", "url", Value::String(url)) => row.value = hidden::url(url).into(),
                _ => {}
            }
        }
    }
    tables
}

/// Every table whole, in the order in which people read them.
pub(super) fn tables(meant: &Meant) -> Vec<Table> {
    let single = |name: &'static str, rows| Table { name, title: name.to_owned(), rows };
    let mut tables = vec![
        single("edge", edge(&meant.edge)),
        single("limits", limits::rows(&meant.limits, "closed at once")),
        single("admin", admin(&meant.admin)),
        single("cache", cache(&meant.cache)),
        single("takedown", takedown(&meant.takedown)),
        single("geo", geo::rows(&meant.geo)),
        single("state", vec![row("dir", path(&meant.state))]),
        single("audit", audit(&meant.audit)),
        single("log", log(&meant.log)),
    ];
    tables.extend(meant.sites.iter().map(|site| Table {
        name: "site",
        title: format!("site {}", site.name),
        rows: self::site(site),
    }));
    tables.extend(meant.hooks.iter().map(|hook| Table {
        name: "hook",
        title: format!("hook {}", hook.name),
        rows: self::hook(hook),
    }));
    tables
}

pub(super) fn row(key: &'static str, value: impl Into<Value>) -> Row {
    Row { key, value: value.into(), remark: "" }
}

impl Row {
    pub(super) fn remark(self, remark: &'static str) -> Row {
        Row { remark, ..self }
    }
}

pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

fn edge(edge: &Edge) -> Vec<Row> {
    vec![
        row("listen", edge.listeners.iter().map(listener).collect::<Vec<_>>()),
        row("head_timeout", show_duration(edge.head_timeout)),
        row("idle_timeout", show_duration(edge.idle_timeout)),
        row("drain", show_duration(edge.drain)),
        row("max_head", show_size(edge.max_head as u64)).remark("431"),
        row("max_fields", edge.max_fields).remark("431"),
        row("max_target", show_size(edge.max_target as u64)).remark("414"),
        row("max_body", show_size(edge.max_body)).remark("413"),
        row("max_connections", edge.max_connections).remark("accepting pauses"),
        row("https_port", edge.https_port).remark(if edge.https_port.is_none() { "that of a listener" } else { "" }),
        row("min_rate", show_byte_rate(edge.min_rate)).remark("after idle_timeout; 408"),
        row("trusted_proxies", limits::shown(&edge.trusted_proxies)),
    ]
}

fn listener(listener: &Listener) -> Value {
    match &listener.tls {
        Some(tls) => json!({"addr": listener.address.to_string(), "tls": self::tls(tls)}),
        None if listener.h2c => json!({"addr": listener.address.to_string(), "h2c": true}),
        None => json!(listener.address.to_string()),
    }
}

fn tls(tls: &Wanted) -> Value {
    let Wanted::Files(pairs) = tls else { return json!(SELF_SIGNED) };
    let pairs: Vec<Value> =
        pairs.iter().map(|pair| json!({"cert": path(&pair.cert), "key": path(&pair.key)})).collect();
    match <[Value; 1]>::try_from(pairs) {
        Ok([one]) => one,
        Err(several) => Value::Array(several),
    }
}

fn admin(admin: &Admin) -> Vec<Row> {
    vec![
        row("listen", admin.address.to_string()),
        row("tls", admin.tls.as_ref().map(tls)).remark(if admin.tls.is_none() { "in clear" } else { "" }),
        row("insecure", admin.insecure),
    ]
}

fn cache(cache: &cache::Settings) -> Vec<Row> {
    vec![
        row("memory", show_size(cache.memory)),
        row("max_object", show_size(cache.max_object)).remark("larger bodies stream through, and are not stored"),
        row("keep", cache.keep).remark(if cache.keep {
            "over a restart, in state/cache"
        } else {
            "a start is a cold one"
        }),
        row("keep_max", show_size(cache.keep_max)).remark(if cache.keep {
            "what was used again, then what came last"
        } else {
            ""
        }),
    ]
}

fn takedown(takedown: &Takedown) -> Vec<Row> {
    let own = if takedown.operator_url.is_none() { "urn:uuid: and this node's id" } else { "" };
    vec![
        row("lists", takedown.lists.iter().map(|list| lists::shown(list, &takedown.feeds)).collect::<Vec<_>>()),
        row("operator_url", takedown.operator_url.clone()).remark(own),
        row("disclose", word(&takedown.disclose, choice::DISCLOSE)),
    ]
}

fn audit(audit: &Audit) -> Vec<Row> {
    let sync = match audit.sync {
        audit::Sync::Interval(_) => "a crash of the machine may lose the last second",
        audit::Sync::Segment => "a crash of the machine may lose all of the open segment",
        audit::Sync::Line => "",
    };
    let (pressure, wait, lost) = match audit.on_pressure {
        OnPressure::Wait(wait) => (Pressure::Wait, Some(show_duration(wait)), ""),
        OnPressure::Shed => (Pressure::Shed, None, "answers go on without record"),
    };
    let truncated = if audit.client == audit::ClientForm::Truncated { "/24, /48" } else { "" };
    vec![
        row("segment_size", show_size(audit.segment_size)),
        row("segment_age", show_duration(audit.segment_age)),
        row("sync", word(&audit.sync, choice::SYNC)).remark(sync),
        row("on_pressure", word(&pressure, choice::ON_PRESSURE)).remark(lost),
        row("high_water", audit.high_water).remark("records"),
        row("wait", wait).remark(if pressure == Pressure::Wait { "503" } else { "nobody waits" }),
        row("client", word(&audit.client, choice::CLIENT)).remark(truncated),
        row("url_query", word(&audit.url_query, choice::URL_QUERY)),
    ]
}

fn log(log: &access_log::Settings) -> Vec<Row> {
    let access = match &log.destination {
        Destination::Off => "off".to_owned(),
        Destination::Stdout => "stdout".to_owned(),
        Destination::File(file) => path(file),
    };
    vec![
        row("access", access).remark(if log.destination == Destination::Off { "" } else { "not evidence" }),
        row("format", word(&log.format, choice::LOG_FORMAT)),
        row("client", word(&log.client, choice::CLIENT)),
    ]
}

fn hook(hook: &Hook) -> Vec<Row> {
    let mut rows = vec![row("name", &*hook.name), row("on", hook.on.clone())];
    match &hook.call {
        Call::Exec(exec) => rows.push(row("exec", exec.clone())),
        Call::Webhook(webhook) => {
            let system = if webhook.ca_file.is_none() { "the system's authorities" } else { "" };
            rows.push(row("url", webhook.target.to_string()));
            rows.push(row("secret_file", path(&webhook.secret_file)));
            rows.push(row("ca_file", webhook.ca_file.as_deref().map(path)).remark(system));
        }
    }
    rows
}

fn unknown_digests(site: &Site) -> [Row; 2] {
    let remark = match site.on_unknown_digest {
        UnknownDigest::Stream => "what a digest rule forbids is cut before its last bytes",
        UnknownDigest::Hold => "nothing of it leaves, up to hold_max",
    };
    let word = choice::word(&site.on_unknown_digest, choice::ON_UNKNOWN_DIGEST);
    [row("on_unknown_digest", word).remark(remark), row("hold_max", show_size(site.hold_max))]
}

pub(super) fn site(site: &Site) -> Vec<Row> {
    let mut rows =
        vec![
            row("name", &*site.name),
            row("hosts", site.hosts.iter().map(ToString::to_string).collect::<Vec<_>>()),
            row("repr_digest", site.caching.repr_digest),
            row("slices", site.caching.slices.map(show_size)).remark(match site.caching.slices {
                Some(_) => "of large objects, what is read is fetched",
                None => "large objects are fetched and kept whole",
            }),
            row("compress", compression::value(site.caching.compression.as_deref())).remark(
                match site.caching.compression {
                    Some(_) => "",
                    None => "bodies leave as they came",
                },
            ),
            row("pass_fields", site.pass_fields.iter().map(http::HeaderName::as_str).collect::<Vec<_>>()),
            row("store_set_cookie", site.caching.store_set_cookie),
            row("client_refresh", site.caching.client_refresh),
            row("forwarded", site.forwarded),
            row("allow", (!site.allow.is_empty()).then(|| limits::shown(&site.allow)))
                .remark(if site.allow.is_empty() { "everybody may ask" } else { "403" }),
            row("deny", limits::shown(&site.deny)).remark(if site.deny.is_empty() { "" } else { "403" }),
            row("limits", limits::value(&site.limits)).remark(match site.limits == quota::Settings::default() {
                true => "those of all sites alone",
                false => "429",
            }),
            row("cache", rules::value(&site.caching.rules)),
            row("purge", purging::value(&site.purging)).remark(match site.purging == Purging::default() {
                true => "nobody may PURGE: 405",
                false => "",
            }),
            row("same_content", site.same_content),
            row("spelling", spelling::value(&site.spelling)).remark(match site.spelling.is_usual() {
                true => "what some server could take for the same is the same, but for case",
                false => "as the operator says of the origins",
            }),
            row("redirect_to_https", site.redirect_to_https),
        ];
    rows.splice(3..3, unknown_digests(site));
    rows.splice(2..2, ways::rows(site));
    rows
}
