//! What is in force of a site's ways to its origins, and of what it changes on them.

use http::{HeaderValue, StatusCode};
use origin::{Check, Plan, Share};
use serde_json::{Value, json};

use super::choice::{TOWARDS, Towards, word};
use super::in_force::{Row, row};
use super::meant::{self, Site};
use super::units::show_duration;
use crate::sites::FieldRule;

pub(super) fn rows(site: &Site) -> Vec<Row> {
    let plan = &site.plan;
    let default = meant::waits();
    let waits = plan.origins.first().unwrap_or(&default);
    let ejection = &plan.ejection;
    let routes =
        site.routes.iter().map(|route| json!({"path": route.path.to_string(), "origin": origins(plan, &route.shares)}));
    let redirects = site.redirects.iter().map(|(from, redirect)| {
        let to = format!("{}{}", redirect.to, if redirect.joins_rest { "*" } else { "" });
        json!({"from": from.to_string(), "to": to, "status": redirect.status.as_u16()})
    });
    let headers = [(Towards::Client, &site.to_client), (Towards::Origin, &site.to_origin)];
    let headers = headers.into_iter().flat_map(|(to, rules)| rules.iter().map(move |rule| header(to, rule)));
    vec![
        row("origin", origins(plan, &site.shares)),
        row("connect_timeout", show_duration(waits.connect_timeout)).remark("504"),
        row("first_byte_timeout", show_duration(waits.first_byte_timeout)).remark("504"),
        row("between_bytes_timeout", show_duration(waits.between_bytes_timeout)),
        row("tunnel_timeout", show_duration(site.tunnel_timeout)),
        row("max_origin_connections", waits.max_connections).remark("to each; requests queue, then 503"),
        row("host_header", site.host_header.as_ref().map(text)).remark(match site.host_header {
            Some(_) => "",
            None => "as the client sent it",
        }),
        row("check", plan.check.as_ref().map(check)).remark(if plan.check.is_some() { "" } else { "none" }),
        row(
            "eject",
            json!({
                "failures": ejection.failures,
                "time": show_duration(ejection.time),
                "longest": show_duration(ejection.longest),
            }),
        ),
        row("retry_statuses", codes(&plan.retry_statuses)),
        row("route", routes.collect::<Vec<_>>()),
        row("redirect", redirects.collect::<Vec<_>>()),
        row("header", headers.collect::<Vec<_>>()),
    ]
}

fn origins(plan: &Plan, shares: &[Share]) -> Value {
    let all: Vec<Value> = shares.iter().filter_map(|share| origin(plan, share)).collect();
    match &all[..] {
        [only @ Value::String(_)] => only.clone(),
        _ => Value::Array(all),
    }
}

/// A text where nothing but the URL is to be said.
fn origin(plan: &Plan, share: &Share) -> Option<Value> {
    let settings = plan.origins.get(share.origin)?;
    let url = settings.url();
    if settings.tls.is_none() && share.weight == 1 && !share.backup {
        return Some(json!(url));
    }
    let mut shown = json!({"url": url, "weight": share.weight, "backup": share.backup});
    if let Some(tls) = &settings.tls {
        shown["server_name"] = json!(tls.server_name.to_str());
        shown["ca"] = json!(tls.trust.source().map(|file| file.display().to_string()));
    }
    Some(shown)
}

fn check(check: &Check) -> Value {
    json!({
        "path": check.path,
        "host": check.host,
        "interval": show_duration(check.interval),
        "timeout": show_duration(check.timeout),
        "rise": check.rise,
        "fall": check.fall,
        "statuses": codes(&check.statuses),
    })
}

fn codes(statuses: &[StatusCode]) -> Vec<u16> {
    statuses.iter().map(StatusCode::as_u16).collect()
}

fn header(to: Towards, rule: &FieldRule) -> Value {
    let line = |name, value| vec![format!("{name}: {}", text(value))];
    let (change, what) = match rule {
        FieldRule::Remove(name) => ("remove", vec![name.to_string()]),
        FieldRule::Set(name, value) => ("set", line(name, value)),
        FieldRule::Add(name, value) => ("add", line(name, value)),
    };
    json!({"to": word(&to, TOWARDS), change: what})
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
