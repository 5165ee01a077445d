//! `GET /api/v1/status`: what runs, and how it is.

use std::sync::atomic::Ordering::Relaxed;

use block::list::Format;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::{Admin, Page, json};

pub(super) fn show(admin: &Admin) -> Page {
    let status = json!({
        "version": admin.identity.version,
        "node": admin.identity.node,
        "run": admin.identity.run,
        "uptime_seconds": admin.identity.started.elapsed().as_secs(),
        "list": list(admin),
        "cache": cache(admin),
        "audit": audit(admin),
        "hooks": hooks(admin),
        "origins": origins(admin),
    });
    json(StatusCode::OK, &status)
}

fn list(admin: &Admin) -> Value {
    let (lists, feeds) = (admin.takedown.lists(), admin.takedown.feeds());
    let sources: Vec<Value> = admin
        .takedown
        .sources()
        .iter()
        .map(|source| {
            let feed = feeds.iter().find(|feed| source.file.to_str() == Some(&*feed.name));
            let mut row = json!({
                "file": source.file.display().to_string(),
                "rules": source.rules,
                "age_seconds": source.loaded_at.map(|at| admin.takedown.now().since(at).as_secs()),
                "error": source.trouble.clone().or_else(|| admin.takedown.trouble_with(feed?)),
                "format": source.format.map_or("seawall", Format::name),
                "unread": *source.unread,
            });
            if let Some(feed) = feed {
                let confirmed = feed.confirmed_at.map(|at| admin.takedown.now().since(at).as_secs());
                row["confirmed_seconds"] = json!(confirmed);
            }
            row
        })
        .collect();
    json!({
        "version": lists.version,
        "hash": lists.hash().to_string(),
        "rules": lists.rules,
        "live_blocks": lists.live,
        "sources": sources,
    })
}

fn cache(admin: &Admin) -> Value {
    let cache = admin.cache.numbers();
    json!({
        "bytes": cache.bytes.load(Relaxed),
        "objects": cache.objects.load(Relaxed),
        "fills": cache.fills.load(Relaxed),
        "kept": {
            "objects": cache.kept.objects.load(Relaxed),
            "bytes": cache.kept.bytes.load(Relaxed),
            "left_bytes": cache.kept.left.load(Relaxed),
            "refused": cache.kept.refused().map(|(_, count)| count).sum::<u64>(),
        },
    })
}

fn audit(admin: &Admin) -> Value {
    let log = admin.log.numbers();
    let (written, synced) = (log.written_seq.load(Relaxed), log.synced_seq.load(Relaxed));
    json!({
        "queue": log.queue.load(Relaxed),
        "written_seq": written,
        "synced_seq": synced,
        "unsynced_lines": written.saturating_sub(synced),
        "lag_seconds": admin.log.lag().as_secs_f64(),
        "shed": log.shed.load(Relaxed),
        "failing": log.failing.load(Relaxed),
    })
}

fn hooks(admin: &Admin) -> Value {
    let hooks = admin.hooks.numbers();
    json!({ "pending": hooks.pending.load(Relaxed), "dead": hooks.dead.load(Relaxed) })
}

fn origins(admin: &Admin) -> Vec<Value> {
    let sites = admin.gateway.sites();
    let mut rows = Vec::new();
    for site in sites.all() {
        rows.extend(site.origins.each().map(|origin| {
            json!({
                "site": &*site.name,
                "origin": origin.url,
                "health": origin.standing.as_str(),
                "in_use": origin.numbers.in_use.load(Relaxed),
                "idle": origin.numbers.idle.load(Relaxed),
                "failures": origin.numbers.failures.load(Relaxed),
                "timeouts": origin.numbers.timeouts.load(Relaxed),
                "ejections": origin.ejections,
                "retried": origin.retried,
                "checks_failed": origin.checks_failed,
            })
        }));
    }
    rows
}
